/* A batch for eng-gradients, read from JSON and checked against the model (format: README.md).
 *
 * Owner: whoever read it; everything lives in its arena until gradient_batch_free. Immutable once
 * read. */
#ifndef TESTS_TOOLS_GRADIENT_BATCH_H
#define TESTS_TOOLS_GRADIENT_BATCH_H

#include "base/arena.h"
#include "base/status.h"
#include "engine.h"
#include "train/losses.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum gradient_loss {
    GRADIENT_LM,
    GRADIENT_REWARD,
    GRADIENT_VALUE,
    GRADIENT_PPO,
    GRADIENT_PTX,
    GRADIENT_N_LOSSES
} gradient_loss;

/* "lm", "reward", ... */
const char *gradient_loss_name(gradient_loss loss);
bool gradient_loss_parse(const char *name, gradient_loss *out);
bool gradient_loss_scores(gradient_loss loss); /* of a network with a score head? */

/* Tokens [n]; those from `first` on are targets, each predicted (or valued) at the position before
 * it. The other arrays have one element a target; without targets (reward) they are NULL. */
typedef struct batch_seq {
    const int32_t *tokens;
    uint32_t n, first;
    bool joined;    /* to the sequence before it: outputs of one prompt share a pack */
    bool *mask;     /* does it count? */
    float *weights; /* factor of its loss */
    float *old;     /* ppo: log-prob, value: value before the update; else NULL */
    float *goal;    /* ppo: advantage, value: return; else NULL */
} batch_seq;

typedef struct batch_seqs {
    batch_seq *items;
    uint32_t n;
    uint64_t n_counted; /* targets whose mask is set; 0 only where there are no targets */
} batch_seqs;

/* Prompts share out `seqs` in order: each has the next k of them. */
typedef struct batch_prompt {
    uint32_t k;
    uint32_t group[ENG_MAX_RANKED]; /* 0 best; equal = tie */
} batch_prompt;

typedef struct gradient_batch {
    eng_arena arena;
    gradient_loss loss;
    batch_seqs seqs;       /* ptx: none */
    batch_prompt *prompts; /* reward only */
    uint32_t n_prompts;
    uint32_t n_ranked;   /* prompts with a pair; never 0 for reward */
    float temperature;   /* lm, ppo: divides the logits */
    float clip;          /* ppo: of the ratio, value: of the value */
    batch_seqs ptx;      /* ptx, and ppo with a "ptx" part; else none */
    float ptx_coef;      /* factor of the mean over `ptx` */
    float *score_weight; /* [C], or NULL: the model's own head is used */
    float score_bias;
} gradient_batch;

/* ENG_INVALID names the field with expected and found. */
ENG_MUST_CHECK eng_status gradient_batch_read(gradient_batch *out, const char *path,
                                              gradient_loss loss, const eng_config *config,
                                              eng_error *err);
void gradient_batch_free(gradient_batch *batch);

#endif
