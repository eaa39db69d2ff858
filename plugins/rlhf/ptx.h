/* Pretraining gradients beside PPO's (PPO-ptx): what keeps the policy from forgetting language.
 *
 *   gamma * L_ptx,  L_ptx = -(1/M) sum over the windows' tokens of log pi(x_j | x_<j)
 *
 * ptx_ratio windows for every episode of a minibatch, M of their tokens in all.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_PTX_H
#define RLHF_PTX_H

#include "rlhf/examples.h"
#include "rlhf/order.h"
#include "rlhf/pass.h"
#include "rlhf/trainer.h"

typedef struct ptx {
    example_set windows;     /* without those held out */
    const example *held_out; /* [n_held_out] for gates */
    size_t n_held_out;
    order order;
    double coef;     /* gamma; 0: off, nothing is loaded or computed */
    uint64_t used;   /* windows so far: the position in the order */
    float *logprobs; /* [micro.max_tokens] */
} ptx;

/* Loads the job's pretraining text, if there is one and its coefficient is not 0 (with 0 only the
 * held-out windows are used). Freed with ptx_free, also after a refusal. */
ENG_MUST_CHECK job_code ptx_open(ptx *out, const job *j, const eng_net *policy, token_limits limits,
                                 eng_error *err);
void ptx_free(ptx *p); /* a zeroed one is allowed */

/* Adds gamma times the gradient of the next n windows' mean loss to the trainer's block; *loss is
 * L_ptx, without gamma. */
ENG_MUST_CHECK job_code ptx_gradient(ptx *p, const pass *on, trainer *policy, uint64_t n,
                                     double *loss, eng_error *err);

#endif
