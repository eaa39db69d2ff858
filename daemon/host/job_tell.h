/* What jobs tell: lines of a job's event list, and the bus that people listen to. Where the store
 * cannot take a line it is lost, with a line in the log. [any thread that may wait] */
#ifndef DAEMON_HOST_JOB_TELL_H
#define DAEMON_HOST_JOB_TELL_H

#include "host/jobs.h"

/* An event of the job's list: level "info", "warn" or "error"; data_json an object, or NULL. Also
 * on the bus, as job.event. */
void job_tell(const jobs_options *rooms, const char *job, const char *level, const char *data_json,
              const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* On the bus, as job.status. */
void job_tell_status(const jobs_options *rooms, const char *job, store_job_status status);
/* A row of the job's metrics: into the store, as an event of type "metrics" ({"step",...}), on the
 * bus as job.metrics ({"id","step","values"}), and, where /metrics has it, there. */
void job_tell_metrics(const jobs_options *rooms, const char *job, uint64_t step,
                      const store_metric *values, size_t n);

#endif
