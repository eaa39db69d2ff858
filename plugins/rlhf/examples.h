/* A data file as the trainers read it: token sequences in memory, in the order of the file.
 *
 *   supervised    an item is one answer to learn
 *   reward_model  an item is one ranked output; groups tie the outputs of a prompt together
 *   ppo           an item is a prompt alone
 *   pretrain      an item is a window of the texts, joined by end-of-text tokens
 *
 * Immutable once loaded.
 *
 * Threads: loaded by the job's one thread. */
#ifndef RLHF_EXAMPLES_H
#define RLHF_EXAMPLES_H

#include "base/arena.h"
#include "engine.h"
#include "rlhf/host.h"
#include "rlhf/tokenise.h"

#include <stdint.h>

enum { PRETRAIN_WINDOW = 256 };

typedef struct example {
    const int32_t *tokens; /* [n] */
    uint32_t n;
    uint32_t n_prompt; /* tokens[n_prompt..n) is what is learnt; at least 1 */
} example;

/* The outputs of one prompt: items [first, first + k). */
typedef struct example_group {
    uint32_t first, k;
    uint32_t rank[DATA_MAX_OUTPUTS]; /* 0 best, equal = tie */
} example_group;

typedef struct example_set {
    example *items;
    size_t n;
    example_group *groups; /* reward_model alone */
    size_t n_groups;
    uint64_t rows;           /* of the file */
    uint64_t dropped, cut;   /* prompts left out as too long; answers cut */
    uint32_t longest;        /* tokens of the longest item */
    uint32_t longest_prompt; /* of the longest prompt */
    uint64_t n_tokens;       /* of all items */
    char sha256[65];         /* of the rows' tokens, in order: what the job learns from */
    eng_arena arena;
} example_set;

/* Reads a file of the job's, all of it. INSTRUCTD_E_INVALID also when nothing is left to learn
 * from. Freed with examples_free, also after a refusal. `field` names the file in err. */
ENG_MUST_CHECK job_code examples_load(example_set *out, const job_host *host, const char *field,
                                      const char *file_id, data_format format,
                                      const eng_tokenizer *tok, token_limits limits, uint32_t n_ctx,
                                      eng_error *err);
/* Tells as an event what a file gave and what was left out. */
void examples_report(const example_set *set, const job_host *host, const char *field);
void examples_free(example_set *set); /* a zeroed set is allowed */

#endif
