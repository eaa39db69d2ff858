/* Which policies must stay on disk for which job: the one it starts from, and whatever it has asked
 * for by name, until it lets that go or ends. What is asked for is written down (store_need_*), so
 * that it outlives a restart; what the job's row names is written there. [any thread that may wait]
 */
#ifndef DAEMON_HOST_JOB_HOLDS_H
#define DAEMON_HOST_JOB_HOLDS_H

#include "policy/publish.h"

typedef struct job_holds job_holds;

job_holds *job_holds_create(publisher *p, store *s); /* both outlive it; NULL: memory is out */
void job_holds_free(job_holds *h); /* of this process, not of the store; NULL allowed */

/* Keeps the policy for the job and writes where it lies to path. Once for each pair counts. */
publish_result job_holds_add(job_holds *h, const char *job, const char *id, char *path, size_t cap,
                             error_text *err);
/* Likewise, over restarts as well. PUBLISH_UNAVAILABLE: it cannot be written down. */
publish_result job_holds_need(job_holds *h, const char *job, const char *id, char *path, size_t cap,
                              error_text *err);
/* Keeps again what was kept when the process ended. What is damaged or lost by now is left out: the
 * job will find that out. False: the store cannot tell. */
bool job_holds_recall(job_holds *h, const store_job *job, error_text *err);
/* The job needs this one no more. Not for its model. */
void job_holds_let_go(job_holds *h, const char *job, const char *id);
void job_holds_drop(job_holds *h, const char *job); /* all of the job's, which has ended */

#endif
