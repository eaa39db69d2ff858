/* The scheduler: its own thread, one engine runtime, continuous batching.
 *
 * It takes commands from `inbox`, builds a step out of every running sequence (one row each) and
 * prefill chunks up to a token budget, runs it, and posts events to `outbox`. Classes are served
 * interactive, api, background. A request the pool cannot hold right now waits; one it can never
 * hold is refused. */
#ifndef DAEMON_SERVE_SCHEDULER_H
#define DAEMON_SERVE_SCHEDULER_H

#include "base/metrics.h"
#include "bridge/messages.h"
#include "bridge/right_of_way.h"
#include "engine.h"
#include "base/spare_time.h"

typedef struct sched sched;

typedef struct sched_options {
    eng_runtime_options runtime; /* max_rows and max_seqs are set from the numbers below; with
                                    low_priority its own thread gives way too */
    bool kv_auto;                /* runtime.kv_f32 follows the weights of the first policy */
    uint32_t max_running;        /* sequences decoding at once */
    uint32_t prefill_budget;     /* prefill rows in one step; a quarter while somebody decodes */
    uint32_t busy_step_ns;       /* and then no more than keep the step about so short; 0: any */
    uint32_t max_queued;         /* requests waiting before 429 */
    spare_time *spare;           /* left to others after each step; with low_priority wanted while
                                    there is work. NULL: neither */
    right_of_way *way;           /* given before each piece of a step, without low_priority; or
                                    NULL */
} sched_options;

/* Starts the compute thread; it needs a model's shape, so the first policy is loaded before. The
 * mailboxes and metrics outlive it. ENG_NOMEM or ENG_INVALID with the reason otherwise. [its owner:
 * the loop; a job for its rollouts] */
ENG_MUST_CHECK eng_status sched_start(sched **out, policy *shape, const sched_options *options,
                                      mailbox *inbox, mailbox *outbox, metrics *counters,
                                      eng_error *err);
/* The most positions, prompt and answer together, that the KV pool can hold of one sequence. Fixed
 * at the start. [any thread] */
uint32_t sched_pool_tokens(const sched *s);
bool sched_kv_f32(const sched *s); /* are keys and values kept in f32? [any thread] */
/* Cancels what is left, joins the thread and frees everything. [its owner] */
void sched_stop(sched *s);

#endif
