/* The episodes of one PPO iteration: what was drawn, what four networks say of it, and what follows
 * for every response token (after Ouyang et al. 2022, Schulman et al. 2017).
 *
 * Per-token arrays are flat: episode e's response tokens are [at[e], at[e + 1]). Everything in here
 * is computed once, before the iteration's first update.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_EPISODES_H
#define RLHF_EPISODES_H

#include "rlhf/report.h"
#include "rlhf/rollout.h"

typedef struct episodes {
    rollouts drawn;
    uint32_t n;
    uint32_t staleness; /* iterations between the weights that drew and those that learn */
    uint32_t *at;       /* [n + 1] */
    uint32_t n_tokens;  /* of all responses: at[n] */
    double *scores;     /* [n] r(x, y) */
    /* [n_tokens] each */
    float *old, *ref;    /* log pi, log pi_ref at the rollouts' temperature, by the trainer */
    float *value;        /* V, read before each token */
    float *sampler;      /* log pi by the sampler's arithmetic */
    float *entropy;      /* of the policy, nats */
    float *reward;       /* r_t */
    float *advantage;    /* whitened if asked for */
    float *returns;      /* R_t = A_t + V_t, of the advantage before whitening */
    float *weight;       /* importance weight of a token */
    float *floats;       /* the block behind them */
    double total_reward; /* mean over episodes of sum_t r_t, before any whitening */
} episodes;

/* Takes the rollouts over, also on failure. Freed with episodes_free. */
ENG_MUST_CHECK job_code episodes_init(episodes *out, rollouts *drawn, eng_error *err);
void episodes_free(episodes *e); /* zeroed episodes are allowed */

/* Fills reward, advantage, returns and weight from the rest; `narrow`: the sampler computed with
 * less than f32. Its tokens then get truncated importance weights, and so do stale ones and those
 * of a job that computes in bf16. */
void episodes_credit(episodes *e, const job_numbers *numbers, bool narrow);

/* The iteration's figures that follow from the episodes alone. Returns the mean divergence from the
 * reference, nats per episode. */
double episodes_report(const episodes *e, report *row);

#endif
