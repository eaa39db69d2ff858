/* A job's weights on their way out: measured, offered to the alias, or kept as a policy alone.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_PUBLISH_H
#define RLHF_PUBLISH_H

#include "rlhf/gate.h"
#include "rlhf/job.h"

typedef struct publish_order {
    const eng_net *net;
    const char *stage;        /* "sft", ... */
    gate *gate;               /* NULL: nothing is measured (pretrain, reward models) */
    double kl_coef, ptx_coef; /* NaN where they do not apply */
    uint64_t step;
} publish_order;

/* Offers the weights to the job's alias. *moved tells whether it took them; that it did not, for
 * whatever reason, is an event, the host's or ours, and no error. INSTRUCTD_E_STOPPED alone is. */
ENG_MUST_CHECK job_code publish_to_alias(const job *j, const publish_order *order, bool *moved,
                                         eng_error *err);

/* The job's result: to the alias if the job has one; where it has none, or the alias did not take
 * it for whatever reason (an event tells), as a policy that no name stands for: hours of training
 * do not hang on an endpoint that is away for a minute. */
ENG_MUST_CHECK job_code publish_result(const job *j, const publish_order *order, eng_error *err);

#endif
