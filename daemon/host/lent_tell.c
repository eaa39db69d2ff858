/* How a job is told to end, and what it tells. */
#include "host/lent.h"

#include "api/strict_json.h"
#include "base/limits.h"
#include "host/train_job.h"
#include "host/job_tell.h"

#include <string.h>

static int stop_requested(instructd_job *job)
{
    atomic_fetch_add(&job->polls, 1);
    return train_job_is_ending(job);
}

static int pause_requested(instructd_job *job)
{
    atomic_fetch_add(&job->polls, 1);
    return atomic_load(&job->pause);
}

/* ---- events ---- */

typedef struct event_call {
    instructd_job *job;
    int level;
    const char *message, *data_json;
} event_call;

static int do_event(void *arg)
{
    static const char *const levels[] = {"info", "info", "warn", "error"};
    const event_call *c = arg;
    const char *level = c->level >= INSTRUCTD_LOG_DEBUG && c->level <= INSTRUCTD_LOG_ERROR
                            ? levels[c->level]
                            : "error";
    const bool good = c->data_json && strlen(c->data_json) <= LIMIT_JOB_EVENT_BYTES &&
                      strict_json_is_object(c->data_json);
    job_tell(c->job->rooms, c->job->row.id, level, good ? c->data_json : NULL, "%s", c->message);
    return INSTRUCTD_OK;
}

static void event(instructd_job *job, int level, const char *message, const char *data_json)
{
    event_call c = {job, level, message, data_json};
    train_job_call(job, do_event, &c, NULL);
}

/* ---- metrics ---- */

typedef struct metrics_call {
    instructd_job *job;
    uint64_t step;
    const instructd_metric *values;
    uint32_t n;
} metrics_call;

static bool is_metric_name(const char *name)
{
    size_t n = name ? strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789_")
                    : 0;
    return n >= 1 && n <= LIMIT_NAME_BYTES && !name[n];
}

/* Names that could not be a column are left out. */
static int do_metrics(void *arg)
{
    const metrics_call *c = arg;
    store_metric row[LIMIT_JOB_METRICS];
    size_t n = 0;
    for (uint32_t i = 0; i < c->n && n < LIMIT_JOB_METRICS; i++)
        if (is_metric_name(c->values[i].name))
            row[n++] = (store_metric){.name = c->values[i].name, .value = c->values[i].value};
    job_tell_metrics(c->job->rooms, c->job->row.id, c->step, row, n);
    return INSTRUCTD_OK;
}

static void metrics_row(instructd_job *job, uint64_t step, const instructd_metric *values,
                        uint32_t n)
{
    metrics_call c = {job, step, values, n};
    train_job_call(job, do_metrics, &c, NULL);
}

/* ---- progress ---- */

typedef struct progress_call {
    instructd_job *job;
    uint64_t done, total, trained_tokens;
} progress_call;

static int do_progress(void *arg)
{
    const progress_call *c = arg;
    error_text err;
    return store_job_progress(c->job->rooms->store, c->job->row.id, c->done, c->total,
                              c->trained_tokens, &err) == STORE_OK
               ? INSTRUCTD_OK
               : INSTRUCTD_E_IO;
}

static void progress(instructd_job *job, uint64_t done, uint64_t total, uint64_t trained_tokens)
{
    progress_call c = {job, done, total, trained_tokens};
    train_job_call(job, do_progress, &c, NULL);
}

void lent_tell(instructd_host *abi)
{
    abi->stop_requested = stop_requested;
    abi->pause_requested = pause_requested;
    abi->event = event;
    abi->metrics = metrics_row;
    abi->progress = progress;
}
