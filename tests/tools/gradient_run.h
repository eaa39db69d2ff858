/* One batch's loss and gradients with engine/train, in packs of limited size.
 *
 * Threads: one owner; the work runs on what options.parallel lends. */
#ifndef TESTS_TOOLS_GRADIENT_RUN_H
#define TESTS_TOOLS_GRADIENT_RUN_H

#include "base/parallel.h"
#include "base/status.h"
#include "gradient_batch.h"
#include "train/net.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct gradient_options {
    const eng_parallel *parallel;
    const char *kernels;  /* as in eng_model_options */
    uint32_t pack_tokens; /* sequences, or a prompt's outputs, share a pack up to this many */
    bool checkpoint;      /* recompute activations in the backward: less memory, the same bits */
} gradient_options;

typedef struct gradient_result {
    double loss;      /* what the gradients are the slopes of: main_loss + coefficient * ptx_loss */
    double main_loss; /* mean over the batch without its ptx part */
    double ptx_loss;
    uint64_t n_tokens; /* targets that count, without the ptx part; reward: 0 */
    uint64_t n_ptx_tokens;
    uint64_t n_pairs; /* reward */
    uint32_t n_packs;
} gradient_result;

/* Adds to grads, laid out as the net's floats. The net has a score head where gradient_loss_scores
 * says so, else a language-model head. */
ENG_MUST_CHECK eng_status gradient_run(const eng_net *net, const gradient_batch *batch,
                                       const gradient_options *options, float *grads,
                                       gradient_result *result, eng_error *err);

#endif
