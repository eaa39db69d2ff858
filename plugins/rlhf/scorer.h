/* Who says how good a completion is: a reward model of ours, or an endpoint of the host's.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_SCORER_H
#define RLHF_SCORER_H

#include "rlhf/job.h"
#include "rlhf/pass.h"

typedef struct scorer {
    const job *job;
    const eng_tokenizer *tok; /* the policy's */
    const char *endpoint;     /* or NULL, and then: */
    eng_net *net;
    eng_tape *tape;
    micro micro;
} scorer;

/* The job's reward model, ready for sequences of at most `longest` tokens. Refuses one whose
 * tokenizer is not the policy's: it would read other texts. Freed with scorer_free, also after a
 * refusal. */
ENG_MUST_CHECK job_code scorer_open(scorer *out, const job *j, const eng_tokenizer *policy,
                                    uint32_t longest, eng_error *err);
void scorer_free(scorer *s); /* a zeroed scorer is allowed */

/* scores[i] of the completion tokens[n_prompt..n) of items[i]. A score that is not finite is
 * INSTRUCTD_E_NOT_FINITE. */
ENG_MUST_CHECK job_code scorer_score(scorer *s, const example *items, size_t n, double *scores,
                                     eng_error *err);

#endif
