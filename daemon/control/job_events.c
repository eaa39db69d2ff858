#include "control/job_events.h"

#include "api/json_out.h"
#include "api/list.h"
#include "base/limits.h"
#include "control/page.h"

#include <stdlib.h>

enum { PAGE = 64 };

static void write_event(buf *out, const store_event *e)
{
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, e->id);
    JSON_LIT(out, ",\"object\":\"fine_tuning.job.event\",\"created_at\":");
    json_int(out, e->created_at);
    JSON_LIT(out, ",\"level\":");
    json_cstring(out, e->level);
    JSON_LIT(out, ",\"type\":");
    json_cstring(out, e->type);
    JSON_LIT(out, ",\"message\":");
    json_cstring(out, e->message);
    JSON_LIT(out, ",\"data\":");
    buf_puts(out, e->data_json ? e->data_json : "null");
    buf_putc(out, '}');
}

/* A list is empty, or the job does not exist: this tells. */
static bool find_job(const control *c, const char *id, bool *ended, api_error *err)
{
    store_job job;
    error_text why;
    if (!c->store)
        return control_not_ready(err);
    const store_status status = store_job_get(c->store, id, &job, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    *ended = !(STORE_JOB_BIT(job.status) & STORE_JOB_LIVE);
    store_job_free(&job);
    return true;
}

bool control_job_events_list(const control *c, const control_request *request, control_reply *reply,
                             api_error *err)
{
    control_page page;
    bool ended, more;
    store_event *rows;
    size_t n;
    error_text why;
    const char *job = request->names[0];
    if (!control_page_read(&page, request, err) || !find_job(c, job, &ended, err))
        return false;
    const store_status status = store_event_list(c->store, job, page.page, &rows, &n, &more, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "after", &why);
    CONTROL_PUT_ROWS(&reply->body, rows, n, more, write_event, store_event_free);
    return !reply->body.failed || api_no_memory(err);
}

bool control_job_events_since(const control *c, const char *job, uint64_t since,
                              job_events_page *out, api_error *err)
{
    store_event *rows;
    size_t n;
    error_text why;
    *out = (job_events_page){.last = since};
    buf_init(&out->frames, LIMIT_REPLY_BYTES);
    if (!find_job(c, job, &out->ended, err))
        return false;
    const store_status status = store_event_since(c->store, job, since, PAGE, &rows, &n, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    for (size_t i = 0; i < n; i++) {
        JSON_LIT(&out->frames, "id: ");
        json_uint(&out->frames, rows[i].seq);
        JSON_LIT(&out->frames, "\ndata: ");
        write_event(&out->frames, &rows[i]);
        JSON_LIT(&out->frames, "\n\n");
        out->last = rows[i].seq;
        store_event_free(&rows[i]);
    }
    free(rows);
    out->more = n == PAGE;
    return !out->frames.failed || api_no_memory(err);
}
