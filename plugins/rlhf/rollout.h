/* Completions drawn by the host's sampler: the episodes of PPO and the trials of a gate.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_ROLLOUT_H
#define RLHF_ROLLOUT_H

#include "base/arena.h"
#include "rlhf/examples.h"
#include "rlhf/job.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct rollouts {
    example *items; /* [n] prompt and response; n_prompt as in the prompt */
    uint32_t n;
    bool *ended;      /* [n] the last token is an end token; else the length ran out */
    float **logprobs; /* [n][response tokens] the sampler's own */
    eng_arena arena;  /* all of the above */
} rollouts;

typedef struct rollout_wish {
    const char *policy;      /* id */
    const example **prompts; /* [n] one completion each */
    const uint64_t *seeds;   /* [n] */
    uint32_t n;
    uint32_t max_tokens; /* of a completion */
    double temperature;
} rollout_wish;

/* Blocks until all are drawn; nothing of the host's memory is kept. Freed with rollouts_free, also
 * after a refusal. */
ENG_MUST_CHECK job_code rollouts_draw(rollouts *out, const job *j, const rollout_wish *wish,
                                      eng_error *err);
/* The same in two halves: begun, they are drawn while the job computes; one at a time. `wish` is
 * the same both times, but that its policy need not be loaded any more. */
ENG_MUST_CHECK job_code rollouts_begin(const job *j, const rollout_wish *wish, eng_error *err);
ENG_MUST_CHECK job_code rollouts_wait(rollouts *out, const job *j, const rollout_wish *wish,
                                      eng_error *err);
void rollouts_free(rollouts *r); /* a zeroed one is allowed */

/* Trials: one completion of each of the first prompts of a set, at temperature 1. Seeds depend on
 * the job's alone, so that two policies' trials differ by the policies. As many prompts as make
 * TRIAL_TOKENS at max_tokens each, within bounds: a gate has a minute, not an evening. */
enum { TRIAL_PROMPTS = 64, TRIAL_PROMPTS_LEAST = 16, TRIAL_TOKENS = 4096 };
ENG_MUST_CHECK job_code rollouts_trial(rollouts *out, const job *j, const char *policy,
                                       const example_set *prompts, uint32_t max_tokens,
                                       eng_error *err);

#endif
