/* Which policies must stay on disk for which job: the one it starts from, and whatever it has asked
 * for by name. Let go when the job ends. [any thread that may wait] */
#ifndef DAEMON_HOST_JOB_HOLDS_H
#define DAEMON_HOST_JOB_HOLDS_H

#include "policy/publish.h"

typedef struct job_holds job_holds;

job_holds *job_holds_create(publisher *p); /* NULL: memory is out */
void job_holds_free(job_holds *h);         /* lets everything go; NULL allowed */

/* Keeps the policy for the job and writes where it lies to path. Once for each pair counts. */
publish_result job_holds_add(job_holds *h, const char *job, const char *id, char *path, size_t cap,
                             error_text *err);
void job_holds_drop(job_holds *h, const char *job); /* all of the job's */

#endif
