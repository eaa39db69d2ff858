/* Inside of the ppo method: one job's networks and the two halves of an iteration.
 *
 *   draw episodes                                                         (ppo_draw)
 *   score -> old, reference and value passes -> credit                    (ppo_collect)
 *   minibatches: policy step (+ ptx), average, value step                 (ppo_learn)
 *
 * Threads: the job's one thread. */
#ifndef RLHF_PPO_H
#define RLHF_PPO_H

#include "rlhf/episodes.h"
#include "rlhf/gate.h"
#include "rlhf/laps.h"
#include "rlhf/order.h"
#include "rlhf/ptx.h"
#include "rlhf/scorer.h"
#include "rlhf/trainer.h"

#include <limits.h>
#include <stdbool.h>

typedef struct ppo {
    const job *job;
    token_limits limits;
    trainer policy, value;
    eng_net *reference, *ema;
    scorer scorer;
    eng_tape *tape;           /* of the policy's shape */
    eng_tape *value_tape;     /* of the value network's: the same tape where it suits both */
    eng_tape *reference_tape; /* of the reference's, likewise */
    micro micro;
    example_set prompts, valid;
    ptx ptx;
    order order; /* of prompts */
    char dir[PATH_MAX];

    uint64_t iterations; /* of the whole job */
    struct {
        uint64_t iteration, offered /* to the alias, last at this iteration */, tokens;
    } state;
    uint64_t saved;
    double saved_at;
    bool forward_is_there; /* the policy's on `tape`, of what is learnt from first */
    bool dirty;            /* a step of the current iteration has been taken: it cannot be saved */

    rollouts ready; /* drawn and not learnt from: with max_staleness 1 the next iteration's */
    bool begun;     /* the host draws the next iteration's */
    episodes episodes;
    laps laps;          /* of the current iteration */
    uint32_t *shuffled; /* [batch_size] episodes in the order of their minibatches */
    uint32_t *flat;     /* [micro.max_tokens] the episode token that each row predicts */
    float *row_values;  /* [micro.max_tokens] scratch: log-probs or values of the rows */
    float *row_slopes;  /* [micro.max_tokens] */
} ppo;

/* Do rollouts lag behind the weights they train? */
static inline bool ppo_is_lagging(const ppo *p)
{
    return p->job->numbers.max_staleness > 0;
}

/* The iteration's rollouts into p->episodes; with max_staleness 1 the next one's are set out for.
 */
ENG_MUST_CHECK job_code ppo_draw(ppo *p, eng_error *err);
/* After the iteration's last update: what was set out for into p->ready. */
ENG_MUST_CHECK job_code ppo_await(ppo *p, eng_error *err);
/* An iteration was left before its first update: its rollouts, if they lag, are ready again, for
 * the weights that drew them are gone. */
void ppo_undraw(ppo *p);

/* Draws and scores the iteration's episodes and fills everything in p->episodes. */
ENG_MUST_CHECK job_code ppo_collect(ppo *p, eng_error *err);

/* Sums over the response tokens of all minibatches of an iteration. */
typedef struct ppo_figures {
    uint64_t tokens, clipped, steps;
    double ratio, half_square;                           /* sums of rho and of (l - l_old)^2 / 2 */
    double policy_loss, value_loss, ptx_loss, grad_norm; /* sums over steps */
} ppo_figures;

/* All minibatches of the iteration. */
ENG_MUST_CHECK job_code ppo_learn(ppo *p, ppo_figures *figures, eng_error *err);

/* Packs episodes shuffled[at..end) while they fit; returns where it stopped. p->flat and p->micro
 * are then of those. */
uint32_t ppo_pack(ppo *p, uint32_t at, uint32_t end);

#endif
