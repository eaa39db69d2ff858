/* The scheduler's state, shared by its files. Everything is of the compute thread unless marked.
 *
 *   scheduler.c  thread, commands, admission to the queue
 *   step.c       which rows run next, and what becomes of their tokens
 *   deliver.c    events out */
#ifndef DAEMON_SERVE_STATE_H
#define DAEMON_SERVE_STATE_H

#include "base/thread_roles.h"
#include "serve/job.h"
#include "serve/scheduler.h"

#include <pthread.h>
#include <stdatomic.h>

/* One sequence's part of a step. */
typedef struct step_part {
    sequence *s;
    uint32_t rows;    /* computed by this step */
    uint32_t n_forks; /* siblings that draw from the leader's last row */
    bool draws;       /* the last row gives a token */
    bool settled;     /* what it gave has been taken */
} step_part;

struct sched {
    pthread_t thread;      /* (i) */
    sched_options options; /* (i) */
    mailbox *inbox;        /* (i) */
    mailbox *outbox;       /* (i) */
    metrics *metrics;      /* (i) */
    atomic_bool quit;      /* (a) set by sched_stop */
    cmd *wake;             /* (l) what sched_stop posts; made at the start, so that it exists */

    uint32_t pool_tokens; /* (i) positions that the pool holds of one sequence */
    eng_runtime *runtime;
    job *jobs[GEN_CLASSES]; /* oldest first */
    uint32_t n_queued;      /* jobs none of whose sequences has started */
    uint32_t n_serving;     /* the other jobs */
    uint32_t n_running;     /* sequences that hold an eng_seq */
    uint64_t round;         /* number of the one under way */
    bool draining;

    step_part *parts; /* [max_running] of the step being built */
    uint32_t n_parts;
    double row_ns; /* that one row of a step takes lately, where there are many; 0 = unknown */
    event *out_first, *out_last; /* events of this round */
};

/* Walks all jobs in order of service: class, then arrival. `next` is read before the body, so that
 * the body may remove j. */
#define FOR_JOBS(s, j)                                                                             \
    for (int class_ = 0; class_ < GEN_CLASSES; class_++)                                           \
        for (job *j = (s)->jobs[class_], *next_ = j ? j->next : NULL; j;                           \
             j = next_, next_ = j ? j->next : NULL)

/* ---- step.c ---- */

/* Builds and runs one step for every policy that has work; false when nothing ran and nothing
 * ended, so that only a command can change what there is to do. */
bool sched_run_steps(sched *s) ON_COMPUTE;
/* Gives back a sequence's blocks; it waits again unless it is finished. */
void sched_release(sched *s, sequence *seq) ON_COMPUTE;

/* ---- deliver.c ---- */

void sched_send_admitted(sched *s, const job *j) ON_COMPUTE;
void sched_send_error(sched *s, uint64_t request_id, gen_failure failure,
                      uint32_t retry_after_ms) ON_COMPUTE;
void sched_send_progress(sched *s, const job *j, uint32_t processed) ON_COMPUTE;
/* What a streamed choice has ready. */
void sched_send_chunk(sched *s, sequence *seq) ON_COMPUTE;
/* The rest of a job that is complete: unstreamed choices, then DONE; the job is `failed` instead
 * when memory runs out on the way. */
void sched_send_done(sched *s, job *j) ON_COMPUTE;
/* Posts what there is of a step's events ahead of the rest. Not to a loop that is far behind: in
 * the middle of a step, while the gate of spare time is closed, nobody waits for it. */
void sched_post_first(sched *s) ON_COMPUTE;
/* Posts the round's events; waits while the loop is far behind. */
void sched_post_events(sched *s) ON_COMPUTE;

/* ---- scheduler.c ---- */

/* Takes a job off its list and frees it with all its sequences. */
void sched_remove(sched *s, job *j) ON_COMPUTE;
/* Ends jobs that are complete or failed; true when there was one, whose room others may have. */
bool sched_reap(sched *s) ON_COMPUTE;

#endif
