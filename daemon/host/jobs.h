/* Training jobs: made, queued, run one at a time by a plugin's method, paused, cancelled, resumed
 * after a restart.
 *
 *   create -> validating_files -> queued -> running <-> paused -> succeeded | failed | cancelled
 *
 * One runner thread takes the oldest job; the plugin's check and run are called on it. All other
 * functions may block on the store and are called on worker threads. */
#ifndef DAEMON_HOST_JOBS_H
#define DAEMON_HOST_JOBS_H

#include "base/error_text.h"
#include "host/events.h"
#include "host/plugin_host.h"
#include "policy/publish.h"
#include "store/store.h"

typedef struct jobs jobs;

/* Lets rollouts reach the scheduler, without host/ knowing it. */
struct rollout_source;

typedef struct jobs_options {
    const char *data_dir; /* jobs/<id>/ are the checkpoint directories, files/<id> the data */
    store *store;
    publisher *publisher;
    policy_registry *registry;
    events *events;
    plugin_host *plugins;
    struct rollout_source *rollouts;
} jobs_options;

/* Starts the runner: jobs that were running when the process ended go on. */
bool jobs_start(jobs **out, const jobs_options *options, error_text *err);
/* Asks the running job to stop, waits for its checkpoint (JOBS_STOP_MS), joins. A job interrupted
 * so is running again after the next start. NULL allowed. */
void jobs_stop(jobs *j);

/* A request to make a job, parsed and checked against the method's schema. */
typedef struct job_request {
    const char *model, *training_file, *validation_file, *method, *method_json, *publish_json;
    const char *suffix, *metadata_json;
    uint64_t seed;
} job_request;

/* STORE_NOT_FOUND: a file or model named does not exist (err, param say which). */
store_status jobs_create(jobs *j, const job_request *request, store_job *out, char param[64],
                         error_text *err);
/* STORE_CONFLICT in a state that does not allow it. */
store_status jobs_cancel(jobs *j, const char *id, store_job *out, error_text *err);
store_status jobs_pause(jobs *j, const char *id, store_job *out, error_text *err);
store_status jobs_resume(jobs *j, const char *id, store_job *out, error_text *err);

#endif
