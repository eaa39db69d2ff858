/* What is measured of new weights before they may take over an alias: the host compares
 * it with the job's bounds. Never trains, never decides.
 *
 *   rm_delta      mean reward of trial completions, new minus the alias's current policy
 *   kl_ref        mean over trials of sum_t log pi(y_t) - log pi_ref(y_t), nats per response
 *   lm_loss_rise  nats per token on held-out text, new minus current
 *   seconds       that this took
 *
 * The current policy is measured once and remembered by its id; the host need not keep it. It may
 * be of another shape than the job's (the alias stood for another model); one with other tokens is
 * not comparable, and nothing is measured against it.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_GATE_H
#define RLHF_GATE_H

#include "rlhf/rollout.h"
#include "rlhf/scorer.h"

enum { GATE_MEASURES = 4, HELD_OUT_WINDOWS = 64 };

typedef struct gate {
    const job *job;
    pass pass;                /* on a tape of the policy's shape */
    const eng_net *reference; /* NULL: the job's own model, opened when it is needed */
    pass reference_pass;      /* on a tape of the reference's shape, where there is one */
    scorer *scorer;           /* NULL: rewards are not measured */
    const example_set *prompts;
    const example *held_out; /* [n_held_out]; none: the prompts' own tokens are the text */
    size_t n_held_out;
    uint32_t max_tokens; /* of a trial completion */
    /* of the current policy */
    char current[INSTRUCTD_POLICY_ID_BYTES];
    double current_reward, current_loss;
} gate;

/* Fills values[GATE_MEASURES]; NaN for what cannot be measured. `net` has the layout of the job's
 * model. */
ENG_MUST_CHECK job_code gate_measure(gate *g, const eng_net *net, const char *alias,
                                     instructd_metric values[GATE_MEASURES], eng_error *err);

/* Takes the last windows of a pretraining set out of training: at most HELD_OUT_WINDOWS and a
 * sixteenth of all. Returns how many; *held_out is where they begin. */
size_t hold_out(example_set *set, const example **held_out);

#endif
