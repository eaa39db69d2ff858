/* GET /v1/fine_tuning/jobs/{id}/events: with `Accept: text/event-stream` the job's events as they
 * come, from its first or after Last-Event-ID, until the job has ended; else a page of the list.
 * Stored events are read by a worker, the bus tells when there are new ones. Loop thread. */
#ifndef DAEMON_NET_JOB_STREAM_H
#define DAEMON_NET_JOB_STREAM_H

#include "base/thread_roles.h"
#include "net/exchange.h"
#include "net/service.h"

void job_stream_handle(service *s, exchange *x) ON_LOOP;

#endif
