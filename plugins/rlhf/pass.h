/* Forward passes over sequences, cut into micro-batches: what scoring and measuring share.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_PASS_H
#define RLHF_PASS_H

#include "rlhf/examples.h"
#include "rlhf/micro.h"
#include "train/train.h"

#include <stddef.h>

/* What a pass runs on; borrowed. Used by one pass at a time. */
typedef struct pass {
    const job_host *host;
    eng_tape *tape;
    micro *micro;
} pass;

/* logprobs[i] of the i-th learnt token of all sequences in order, by the net at temperature 1.
 * INSTRUCTD_E_STOPPED between micro-batches. */
ENG_MUST_CHECK job_code pass_logprobs(const pass *p, const eng_net *net, const example *items,
                                      size_t n, float *logprobs, eng_error *err);

/* *mean = the mean of -log p over the learnt tokens, *tokens of them. */
ENG_MUST_CHECK job_code pass_loss(const pass *p, const eng_net *net, const example *items, size_t n,
                                  double *mean, eng_error *err);

/* scores[i] = the score head's output at the last token of sequence i. */
ENG_MUST_CHECK job_code pass_scores(const pass *p, const eng_net *net, const example *items,
                                    size_t n, float *scores, eng_error *err);

/* The learnt tokens of all sequences. */
uint64_t count_learnt(const example *items, size_t n);

#endif
