#include "host/job_tell.h"

#include "api/json_out.h"
#include "base/limits.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

/* {"id":"ftjob-...", and what follows */
static void begin(buf *out, const char *job)
{
    buf_init(out, LIMIT_STORE_METRICS_BYTES);
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, job);
}

/* Closes the object and sends it. */
static void publish(const jobs_options *rooms, buf *json, const char *name, const char *job)
{
    buf_putc(json, '}');
    if (!json->failed)
        events_publish(rooms->events, TOPIC_JOB, name, job, json->data);
    buf_free(json);
}

static void append(const jobs_options *rooms, const char *job, const char *level, const char *type,
                   const char *message, const char *data_json)
{
    error_text err;
    if (store_event_append(rooms->store, job, level, type, message, data_json, NULL, &err) !=
        STORE_OK)
        log_event(LOG_WARN, "job_event_lost", "job=%s %.300s", job, err.text);
}

void job_tell(const jobs_options *rooms, const char *job, const char *level, const char *data_json,
              const char *fmt, ...)
{
    char message[MESSAGE_BYTES];
    buf json;
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    append(rooms, job, level, "message", message, data_json);
    begin(&json, job);
    JSON_LIT(&json, ",\"level\":");
    json_cstring(&json, level);
    JSON_LIT(&json, ",\"message\":");
    json_cstring(&json, message);
    publish(rooms, &json, "job.event", job);
}

void job_tell_status(const jobs_options *rooms, const char *job, store_job_status status)
{
    buf json;
    log_event(LOG_INFO, "job", "id=%s status=%s", job, store_job_status_text(status));
    begin(&json, job);
    JSON_LIT(&json, ",\"status\":");
    json_cstring(&json, store_job_status_text(status));
    publish(rooms, &json, "job.status", job);
}

/* ---- metrics ---- */

static void set_gauges(metrics *m, uint64_t step, const store_metric *values, size_t n)
{
    static const struct {
        const char *name;
        metric_real gauge;
    } gauges[] = {{"loss", METRIC_TRAIN_LOSS},
                  {"reward", METRIC_TRAIN_REWARD},
                  {"kl", METRIC_TRAIN_KL},
                  {"sampler_mismatch", METRIC_TRAIN_SAMPLER_MISMATCH}};
    metrics_set_real(m, METRIC_TRAIN_STEP, (double)step);
    for (size_t i = 0; i < n; i++)
        for (size_t g = 0; g < sizeof gauges / sizeof gauges[0]; g++)
            if (strcmp(values[i].name, gauges[g].name) == 0)
                metrics_set_real(m, gauges[g].gauge, values[i].value);
}

/* "loss":1.25,"kl":0.5 */
static void write_values(buf *out, const store_metric *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_putc(out, ',');
        json_cstring(out, values[i].name);
        buf_putc(out, ':');
        json_double(out, values[i].value);
    }
}

/* The row as an event of the job's list, in the form that OpenAI's clients know. */
static void append_metrics_event(const jobs_options *rooms, const char *job, uint64_t step,
                                 const store_metric *values, size_t n)
{
    char message[MESSAGE_BYTES];
    size_t len = (size_t)snprintf(message, sizeof message, "Step %llu:", (unsigned long long)step);
    for (size_t i = 0; i < n && len < sizeof message; i++)
        len += (size_t)snprintf(message + len, sizeof message - len, "%s %s=%.4g", i ? "," : "",
                                values[i].name, values[i].value);
    buf data;
    buf_init(&data, LIMIT_STORE_METRICS_BYTES);
    JSON_LIT(&data, "{\"step\":");
    json_uint(&data, step);
    if (n)
        buf_putc(&data, ',');
    write_values(&data, values, n);
    buf_putc(&data, '}');
    append(rooms, job, "info", "metrics", message, data.failed ? NULL : data.data);
    buf_free(&data);
}

void job_tell_metrics(const jobs_options *rooms, const char *job, uint64_t step,
                      const store_metric *values, size_t n)
{
    error_text err;
    buf json;
    if (store_metrics_put(rooms->store, job, step, values, n, &err) != STORE_OK)
        log_event(LOG_WARN, "job_metrics_lost", "job=%s step=%llu %.300s", job,
                  (unsigned long long)step, err.text);
    append_metrics_event(rooms, job, step, values, n);
    set_gauges(rooms->metrics, step, values, n);
    begin(&json, job);
    JSON_LIT(&json, ",\"step\":");
    json_uint(&json, step);
    JSON_LIT(&json, ",\"values\":{");
    write_values(&json, values, n);
    buf_putc(&json, '}');
    publish(rooms, &json, "job.metrics", job);
}
