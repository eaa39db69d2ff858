/* Training jobs: made, checked, queued, run one at a time by a plugin's method, paused, cancelled,
 * resumed after a restart.
 *
 *   create -> validating_files -> queued -> running <-> paused -> succeeded | failed | cancelled
 *
 * Two lanes do the work, each a watcher and a thread for the plugin (job_thread.h): one checks the
 * oldest job that is new, the other runs the oldest that is queued. A paused job that is resumed is
 * queued again. A job that was interrupted by the daemon's end stays running in the store, and goes
 * on before any other at the next start.
 *
 * A job whose plugin hangs is *wedged*: it is given up (failed, unless it was cancelled), what it
 * still says is not heard and it can publish no more; its lane waits for it, and nothing else of
 * the daemon does. */
#ifndef DAEMON_HOST_JOBS_H
#define DAEMON_HOST_JOBS_H

#include "base/error_text.h"
#include "base/metrics.h"
#include "host/events.h"
#include "host/plugin_host.h"
#include "policy/publish.h"
#include "store/store.h"

typedef struct jobs jobs;

struct rollout_source;
struct reward_endpoints;

/* The rooms that jobs work in; all outlive them. */
typedef struct jobs_options {
    const char *data_dir; /* jobs/<id>/ are the checkpoint directories, files/<id> the data */
    store *store;
    publisher *publisher;
    policy_registry *registry;
    events *events;
    metrics *metrics;
    plugin_host *plugins;
    const instructd_host *lent;                 /* what plugins' functions get (host_table.h) */
    struct rollout_source *rollouts;            /* or NULL: generate is refused */
    struct spare_time *spare;                   /* wanted while a plugin computes; may be NULL */
    const struct reward_endpoints *rewards;     /* or NULL: there are none */
    uint32_t stop_ms, silent_cpu_ms, silent_ms; /* 0 = LIMIT_JOB_... */
    void (*on_stopped)(void *arg);              /* see jobs_ask_stop; may be NULL */
    void *arg;
} jobs_options;

/* Starts the lanes: jobs that the process' end interrupted go on. [main, or the loader thread] */
bool jobs_start(jobs **out, const jobs_options *options, error_text *err);
/* Asks what runs to stop and takes up nothing more; returns at once. on_stopped is called, by a
 * thread of theirs, when the lanes have ended: after stop_ms at the latest, unless the host itself
 * is at work for a job (a publish). NULL allowed. [any] */
void jobs_ask_stop(jobs *j);
/* Have the lanes ended, with no plugin still at work? NULL: yes. [any] */
bool jobs_have_left(jobs *j);
/* jobs_ask_stop, waits for the lanes and frees. False: a plugin has not returned. What it may use
 * must then stay as it is (all of jobs_options, the plugins, j itself): the process can only end,
 * with _exit. NULL allowed. [main] */
bool jobs_free(jobs *j);

/* ---- what people ask for: any thread that may wait ---- */

/* A request to make a job, checked against the method's schema. Strings may be NULL where the row's
 * may (store.h). */
typedef struct job_request {
    const char *model, *training_file, *validation_file, *method, *method_json, *publish_json;
    const char *suffix, *metadata_json;
    uint64_t seed;
    const char *actor; /* who asks, for the audit */
} job_request;

typedef enum job_refusal {
    JOB_REFUSED_NOT,
    JOB_REFUSED_MODEL, /* there is no such model */
    JOB_REFUSED_FILE,  /* a file is missing, faulty or of another format; param says which */
    JOB_REFUSED_ALIAS, /* publish names an alias that cannot take what comes of the method */
    JOB_REFUSED_FULL,  /* jobs and downloads hold as many policies as they may; err tells */
    JOB_REFUSED_STORE  /* the store cannot be written */
} job_refusal;
/* JOB_REFUSED_NOT: *out is the new job, the caller's. Else *param is the field at fault, within the
 * method's object for JOB_REFUSED_ALIAS, or NULL. */
job_refusal jobs_create(jobs *j, const job_request *request, store_job *out, const char **param,
                        error_text *err);
/* STORE_CONFLICT in a state that does not allow it, STORE_NOT_FOUND without such a job. A cancelled
 * job is so at once; its plugin may take a moment to leave, and is not heard any more; a publish
 * that is under way is completed. A pause takes effect at the job's next checkpoint. */
store_status jobs_cancel(jobs *j, const char *id, store_job *out, error_text *err);
store_status jobs_pause(jobs *j, const char *id, store_job *out, error_text *err);
store_status jobs_resume(jobs *j, const char *id, store_job *out, error_text *err);

#endif
