/* What a job has told: as a list, and oldest first for those who follow it. */
#ifndef DAEMON_CONTROL_JOB_EVENTS_H
#define DAEMON_CONTROL_JOB_EVENTS_H

#include "control/control.h"

control_fn control_job_events_list; /* GET /v1/fine_tuning/jobs/{id}/events */

/* What happened since an event's number. */
typedef struct job_events_page {
    buf frames;    /* server-sent events, `id:` being the number; the caller's */
    uint64_t last; /* number of the last one, or `since` */
    bool more;     /* there are further ones */
    bool ended;    /* the job had reached its end before they were read */
} job_events_page;

/* False with *err: 404 or 503. frames is to be freed in any case. [any thread that may wait] */
bool control_job_events_since(const control *c, const char *job, uint64_t since,
                              job_events_page *out, api_error *err);

#endif
