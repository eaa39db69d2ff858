/* The training case: whole steps of language-model training, forward to weights, in f32 and, if
 * asked for, with products in bf16: of the same network, which either changes. */
#ifndef BENCH_TRAIN_CASE_H
#define BENCH_TRAIN_CASE_H

#include "engine.h"
#include "train/train.h"

typedef struct train_subject train_subject;

/* A network of the model at `path` with gradients and moments, n_seqs sequences of n_tokens random
 * tokens, on n_threads threads. */
ENG_MUST_CHECK eng_status train_open(train_subject **out, const char *path, const char *kernels,
                                     uint32_t n_threads, uint32_t n_seqs, uint32_t n_tokens,
                                     bool checkpoint, bool bf16, eng_error *err);
void train_close(train_subject *s); /* NULL allowed */

/* Seconds of the parts of one step: gradients cleared, forward, loss and backward, the norm's
 * clipping and AdamW. */
typedef struct train_times {
    double forward, backward, optimizer, whole;
} train_times;

train_times train_step(train_subject *s, eng_compute compute);
/* Multiplications and additions of one step by the usual count: 6 for each parameter and token. */
double train_step_ops(const train_subject *s);
uint64_t train_tape_bytes(const train_subject *s);

#endif
