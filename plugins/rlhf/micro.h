/* A micro-batch: as many whole sequences as fit the tape, end to end, with the rows that predict
 * what is learnt.
 *
 * A row is a position of the pack; the row before a token predicts it, and value is read there
 * too.
 *
 * Threads: any, one at a time. */
#ifndef RLHF_MICRO_H
#define RLHF_MICRO_H

#include "rlhf/host.h"
#include "train/train.h"

#include <stdbool.h>
#include <stdint.h>

/* Large enough for the products to be fast; small enough that a job told to stop does so in
 * seconds, even where serving leaves it little of the cores. */
enum { MICRO_TOKENS = 1024, MICRO_SEQS = 512 };

typedef struct micro {
    uint32_t max_tokens;
    eng_pack pack;    /* tokens and starts are the arrays below */
    int32_t *tokens;  /* [max_tokens] */
    uint32_t *starts; /* [MICRO_SEQS + 1] */
    uint64_t *keys;   /* [MICRO_SEQS] for dropout */
    uint32_t *last;   /* [MICRO_SEQS] row of each sequence's last token: where a score is read */

    uint32_t n_rows;
    uint32_t *rows;      /* [max_tokens] */
    int32_t *targets;    /* [max_tokens] */
    uint32_t *first_row; /* [MICRO_SEQS + 1] index into rows of each sequence's first */
} micro;

/* Room for packs of MICRO_TOKENS, or of `longest` tokens if that is more. Freed with micro_free,
 * also after a refusal. */
ENG_MUST_CHECK job_code micro_init(micro *out, uint32_t longest, eng_error *err);
void micro_free(micro *m); /* a zeroed micro is allowed */

void micro_clear(micro *m);
/* Appends tokens[0..n), of which [n_prompt, n) are predicted, n_prompt >= 1; `key` tells it from
 * the other sequences of the step. False, and nothing has changed, when it does not fit any more;
 * an empty micro takes any sequence of at most max_tokens. */
bool micro_add(micro *m, const int32_t *tokens, uint32_t n, uint32_t n_prompt, uint64_t key);

/* The rows as the language-model head takes them. */
eng_lm_rows micro_lm_rows(const micro *m, float temperature);

#endif
