/* Work on a request off the loop (parsing, tokenizing, management): runs on a worker thread
 * (net/work_line), ends on the loop. The client may leave meanwhile; the job then runs out by
 * itself and finds x NULL; one that stands in line leaves nothing. */
#ifndef DAEMON_NET_WORKER_JOB_H
#define DAEMON_NET_WORKER_JOB_H

#include "base/thread_roles.h"
#include "net/exchange.h"
#include "net/service.h"
#include "net/work_line.h"

typedef struct worker_job worker_job;

/* The first member of a malloc'd struct of the caller's. */
struct worker_job {
    work work; /* its kind is the caller's */
    service *service;
    exchange *x; /* (l) NULL once the client has left */
    char *body;  /* NUL-terminated; owned by the job; "" for an empty one */
    size_t len;
    bool again;                   /* run's: not done, to be run once more as WORK_LONG */
    void (*run)(worker_job *job); /* worker thread; must not touch x */
    void (*finish)(
        worker_job *job); /* loop; answers job->x unless NULL, then frees what run made */
};

/* Moves the request's body into the job and starts it. False: answered with 429 or 503 and the job,
 * which stays the caller's, was not started. After finish the job is freed here. */
bool worker_job_start(worker_job *job, service *s, exchange *x) ON_LOOP;

#endif
