/* A lane of jobs: a watcher thread that takes jobs out of the store one after the other, has the
 * plugin check or run each, and moves it on. Shared by jobs.c and job_lane.c.
 *
 * Locks: jobs.mutex, never held while anything blocks. Of a job in a lane's hands only the atomics
 * are touched by others, and only under the mutex, which the lane takes to let go of it. */
#ifndef DAEMON_HOST_JOB_LANE_H
#define DAEMON_HOST_JOB_LANE_H

#include "host/train_job.h"

#include <pthread.h>

enum { JOB_LANES = 2 };

typedef struct job_lane {
    jobs *owner;
    bool checks;            /* (i) checks new jobs; else runs queued ones */
    job_thread *thread;     /* (i) */
    pthread_t watcher;      /* (i) */
    instructd_job *current; /* (m) in its hands, or NULL */
    bool stuck;             /* (m) its plugin had not returned when the lane ended */
} job_lane;

struct jobs {
    jobs_options rooms; /* (i) with limits filled in */
    job_holds *holds;   /* (i) */
    pthread_mutex_t mutex;
    pthread_cond_t news_cond;
    uint64_t news;       /* (m) moves when there may be work */
    bool stopping;       /* (m) */
    unsigned lanes_left; /* (m) whose watchers have not ended */
    job_lane lanes[JOB_LANES];
};

void *job_lane_main(void *lane);
void jobs_tell_news(jobs *j); /* wakes lanes that wait for work [any] */

/* What a job that has ended leaves: its directory and its holds go. Nothing happens while it lives.
 * [any thread that may wait] */
void job_clean_up(jobs *j, const char *id);

#endif
