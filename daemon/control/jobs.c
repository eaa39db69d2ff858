#include "control/jobs.h"

#include "api/jobs.h"
#include "api/list.h"
#include "api/policies.h"
#include "base/limits.h"
#include "base/query.h"
#include "control/page.h"
#include "host/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every reply of one job. Takes the row. */
static bool answer(control_reply *reply, store_job *row, api_error *err)
{
    api_job_write(&reply->body, row);
    store_job_free(row);
    return !reply->body.failed || api_no_memory(err);
}

/* ---- making one ---- */

static const struct schema *find_method(void *arg, const char *type)
{
    const plugin_method *m = plugin_host_find(arg, type);
    return m ? m->schema : NULL;
}

static bool refuse(job_refusal refusal, const char *method, const char *param,
                   const error_text *why, api_error *err)
{
    char at[64];
    switch (refusal) {
    case JOB_REFUSED_MODEL:
        return api_fail(err, 404, "not_found_error", "model_not_found", param, "%s", why->text);
    case JOB_REFUSED_FILE:
        return api_invalid(err, "invalid_value", param, "%s", why->text);
    case JOB_REFUSED_ALIAS:
        snprintf(at, sizeof at, "method.%.32s.%.20s", method, param);
        return api_invalid(err, "invalid_value", at, "%s: %s", at, why->text);
    case JOB_REFUSED_FULL:
        return api_publish_fail(err, PUBLISH_FULL, NULL, why);
    case JOB_REFUSED_STORE:
    case JOB_REFUSED_NOT:
        break;
    }
    return control_store_fail(err, STORE_UNAVAILABLE, NULL, why);
}

bool control_job_create(const control *c, const control_request *request, control_reply *reply,
                        api_error *err)
{
    api_job_request r;
    store_job row;
    const char *param;
    error_text why;
    if (!c->jobs)
        return control_not_ready(err);
    if (!api_job_read(request->body, request->body_len, find_method, c->plugins, &r, err))
        return false;
    const job_request wish = {.model = r.model,
                              .training_file = r.training_file,
                              .validation_file = r.validation_file,
                              .method = r.method,
                              .method_json = r.method_json,
                              .publish_json = r.publish_json,
                              .suffix = r.suffix,
                              .metadata_json = r.metadata_json,
                              .seed = r.seed,
                              .actor = request->actor};
    job_refusal refusal = jobs_create(c->jobs, &wish, &row, &param, &why);
    bool good = refusal == JOB_REFUSED_NOT ? answer(reply, &row, err)
                                           : refuse(refusal, r.method, param, &why, err);
    api_job_request_free(&r);
    return good;
}

/* ---- reading ---- */

bool control_jobs_list(const control *c, const control_request *request, control_reply *reply,
                       api_error *err)
{
    control_page page;
    store_job *rows;
    size_t n;
    bool more;
    error_text why;
    if (!control_page_read(&page, request, err))
        return false;
    store_status status = store_job_list(c->store, page.page, 0, &rows, &n, &more, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "after", &why);
    CONTROL_PUT_ROWS(&reply->body, rows, n, more, api_job_write, store_job_free);
    return !reply->body.failed || api_no_memory(err);
}

static bool find(const control *c, const control_request *request, store_job *row, api_error *err)
{
    error_text why;
    store_status status = store_job_get(c->store, request->names[0], row, &why);
    return status == STORE_OK || control_store_fail(err, status, NULL, &why);
}

bool control_job_get(const control *c, const control_request *request, control_reply *reply,
                     api_error *err)
{
    store_job row;
    return find(c, request, &row, err) && answer(reply, &row, err);
}

/* An unknown job is 404, not an empty list. */
static bool exists(const control *c, const control_request *request, api_error *err)
{
    store_job row;
    if (!find(c, request, &row, err))
        return false;
    store_job_free(&row);
    return true;
}

bool control_job_checkpoints(const control *c, const control_request *request, control_reply *reply,
                             api_error *err)
{
    control_page page;
    store_checkpoint *rows;
    size_t n;
    bool more;
    error_text why;
    if (!control_page_read(&page, request, err) || !exists(c, request, err))
        return false;
    store_status status =
        store_checkpoint_list(c->store, request->names[0], page.page, &rows, &n, &more, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "after", &why);
    CONTROL_PUT_ROWS(&reply->body, rows, n, more, api_checkpoint_write, store_checkpoint_free);
    return !reply->body.failed || api_no_memory(err);
}

static bool read_since(const char *query, uint64_t *since, api_error *err)
{
    char text[24];
    *since = 0;
    if (!query_value(query, "since", text, sizeof text))
        return true;
    size_t digits = strspn(text, "0123456789");
    if (digits < 1 || digits > 18 || text[digits])
        return api_invalid(err, "invalid_value", "since", "since: expected the number of a step");
    *since = strtoull(text, NULL, 10);
    return true;
}

bool control_job_metrics(const control *c, const control_request *request, control_reply *reply,
                         api_error *err)
{
    uint64_t since;
    store_metrics_row *rows;
    size_t n;
    error_text why;
    if (!read_since(request->query, &since, err) || !exists(c, request, err))
        return false;
    store_status status = store_metrics_since(c->store, request->names[0], since,
                                              LIMIT_JOB_METRIC_ROWS + 1, &rows, &n, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    bool more = n > LIMIT_JOB_METRIC_ROWS;
    bool good = api_job_metrics_write(&reply->body, rows, more ? LIMIT_JOB_METRIC_ROWS : n, more);
    for (size_t i = 0; i < n; i++)
        free(rows[i].values_json);
    free(rows);
    return (good && !reply->body.failed) || api_no_memory(err);
}

/* ---- cancel, pause, resume ---- */

typedef store_status job_order(jobs *j, const char *id, store_job *out, error_text *err);

static bool order(const control *c, const control_request *request, job_order *give,
                  control_reply *reply, api_error *err)
{
    store_job row;
    error_text why;
    if (!c->jobs)
        return control_not_ready(err);
    store_status status = give(c->jobs, request->names[0], &row, &why);
    return status == STORE_OK ? answer(reply, &row, err)
                              : control_store_fail(err, status, NULL, &why);
}

bool control_job_cancel(const control *c, const control_request *request, control_reply *reply,
                        api_error *err)
{
    return order(c, request, jobs_cancel, reply, err);
}

bool control_job_pause(const control *c, const control_request *request, control_reply *reply,
                       api_error *err)
{
    return order(c, request, jobs_pause, reply, err);
}

bool control_job_resume(const control *c, const control_request *request, control_reply *reply,
                        api_error *err)
{
    return order(c, request, jobs_resume, reply, err);
}

/* ---- methods ---- */

bool control_methods_list(const control *c, const control_request *request, control_reply *reply,
                          api_error *err)
{
    (void)request;
    const plugin_method *methods;
    size_t n = plugin_host_methods(c->plugins, &methods);
    list_begin(&reply->body);
    for (size_t i = 0; i < n; i++) {
        list_next(&reply->body, i);
        api_method_write(&reply->body, methods[i].method->type, methods[i].plugin,
                         methods[i].method->schema_json);
    }
    list_end(&reply->body, false);
    return !reply->body.failed || api_no_memory(err);
}
