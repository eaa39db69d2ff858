/* Work on a request off the loop (parsing, tokenizing, management): runs on libuv's worker threads,
 * ends on the loop. The client may leave meanwhile; the job then runs out by itself and finds x
 * NULL.
 *
 * Parsing takes microseconds; management waits for the disk, and for the publisher as long as it
 * has others to serve: minutes, perhaps. It never takes the last worker: who finds
 * LIMIT_MANAGE_JOBS of its like at work stands in line on the loop, and a client who leaves there
 * leaves nothing. */
#ifndef DAEMON_NET_WORKER_JOB_H
#define DAEMON_NET_WORKER_JOB_H

#include "base/thread_roles.h"
#include "net/exchange.h"
#include "net/service.h"

#include <uv.h>

typedef struct worker_job worker_job;

/* The first member of a malloc'd struct of the caller's. */
struct worker_job {
    uv_work_t work;
    service *service;
    exchange *x; /* (l) NULL once the client has left */
    char *body;  /* NUL-terminated; owned by the job; "" for an empty one */
    size_t len;
    bool manages;                 /* the caller's: the job is one of management */
    worker_job *next;             /* (l) in line */
    void (*run)(worker_job *job); /* worker thread; must not touch x */
    void (*finish)(
        worker_job *job); /* loop; answers job->x unless NULL, then frees what run made */
};

/* Moves the request's body into the job and starts it. False: answered with 429 or 503 and the job,
 * which stays the caller's, was not started. After finish the job is freed here. */
bool worker_job_start(worker_job *job, service *s, exchange *x) ON_LOOP;

#endif
