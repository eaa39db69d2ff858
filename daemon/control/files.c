#include "control/files.h"

#include "api/json_out.h"
#include "api/list.h"
#include "base/data_files.h"
#include "base/log.h"
#include "base/query.h"
#include "control/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void file_object_write(buf *out, const store_file *f)
{
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, f->id);
    JSON_LIT(out, ",\"object\":\"file\",\"bytes\":");
    json_uint(out, f->bytes);
    JSON_LIT(out, ",\"created_at\":");
    json_int(out, f->created_at);
    JSON_LIT(out, ",\"filename\":");
    json_cstring(out, f->filename);
    JSON_LIT(out, ",\"purpose\":");
    json_cstring(out, f->purpose);
    JSON_LIT(out, ",\"status\":");
    json_cstring(out, f->status);
    JSON_LIT(out, ",\"status_details\":");
    json_cstring(out, f->status_details);
    JSON_LIT(out, ",\"format\":");
    json_cstring(out, f->format);
    JSON_LIT(out, ",\"rows\":");
    json_uint(out, f->rows);
    buf_putc(out, '}');
}

/* ---- the list ---- */

typedef struct list_filter {
    bool oldest_first;
    bool nothing; /* a purpose that no file has */
} list_filter;

static bool read_filter(const char *query, list_filter *out, api_error *err)
{
    char text[65];
    *out = (list_filter){0};
    if (query_value(query, "order", text, sizeof text)) {
        out->oldest_first = strcmp(text, "asc") == 0;
        if (!out->oldest_first && strcmp(text, "desc") != 0)
            return api_invalid(err, "invalid_value", "order", "order: expected asc or desc");
    }
    if (query_value(query, "purpose", text, sizeof text))
        out->nothing = strcmp(text, "fine-tune") != 0;
    return true;
}

bool control_files_list(const control *c, const control_request *request, control_reply *reply,
                        api_error *err)
{
    control_page page;
    list_filter filter;
    if (!c->store)
        return control_not_ready(err);
    if (!control_page_read(&page, request, err) || !read_filter(request->query, &filter, err))
        return false;
    page.page.oldest_first = filter.oldest_first;
    store_file *rows = NULL;
    size_t n = 0;
    bool more = false;
    error_text why;
    const store_status status =
        filter.nothing ? STORE_OK : store_file_list(c->store, page.page, &rows, &n, &more, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "after", &why);
    CONTROL_PUT_ROWS(&reply->body, rows, n, more, file_object_write, store_file_free);
    return !reply->body.failed || api_no_memory(err);
}

/* ---- one file ---- */

static bool find(const control *c, const char *id, store_file *out, api_error *err)
{
    error_text why;
    if (!c->store)
        return control_not_ready(err);
    const store_status status = store_file_get(c->store, id, out, &why);
    return status == STORE_OK || control_store_fail(err, status, NULL, &why);
}

bool control_file_get(const control *c, const control_request *request, control_reply *reply,
                      api_error *err)
{
    store_file f;
    if (!find(c, request->names[0], &f, err))
        return false;
    file_object_write(&reply->body, &f);
    store_file_free(&f);
    return true;
}

bool control_file_content(const control *c, const control_request *request, control_reply *reply,
                          api_error *err)
{
    store_file f;
    error_text why;
    if (!find(c, request->names[0], &f, err))
        return false;
    snprintf(reply->filename, sizeof reply->filename, "%s", f.filename);
    store_file_free(&f);
    reply->type = "application/octet-stream";
    reply->file_fd = data_file_open(c->data_dir, request->names[0], &why);
    if (reply->file_fd >= 0)
        return true;
    log_event(LOG_ERROR, "file_lost", "%.400s", why.text);
    return api_fail(err, 500, "server_error", NULL, NULL, "the file's content is not there");
}

/* Row first: a crash in between leaves a file that the next start sweeps. */
bool control_file_delete(const control *c, const control_request *request, control_reply *reply,
                         api_error *err)
{
    const char *id = request->names[0];
    error_text why;
    if (!c->store)
        return control_not_ready(err);
    const store_status status = store_file_delete(c->store, id, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    if (!data_file_remove(c->data_dir, id, &why))
        log_event(LOG_WARN, "file_not_removed", "%.400s", why.text);
    JSON_LIT(&reply->body, "{\"id\":");
    json_cstring(&reply->body, id);
    JSON_LIT(&reply->body, ",\"object\":\"file\",\"deleted\":true}");
    return true;
}

/* ---- new ones ---- */

bool control_disk_fail(api_error *err, const error_text *why)
{
    log_event(LOG_ERROR, "file_not_written", "%.400s", why->text);
    return api_fail(err, 503, "unavailable_error", NULL, NULL,
                    "the file cannot be stored right now");
}

bool control_file_keep(const control *c, data_file_draft *draft, const store_file *f,
                       api_error *err)
{
    error_text why, unused;
    if (!data_file_keep(draft, f->id, &why))
        return control_disk_fail(err, &why);
    const store_status status = store_file_insert(c->store, f, &why);
    if (status == STORE_OK)
        return true;
    data_file_remove(c->data_dir, f->id, &unused);
    return control_store_fail(err, status, NULL, &why);
}

/* ---- after a crash ---- */

/* Unless the store says that there is no such row, the file stays. */
static bool has_row(void *arg, const char *id)
{
    const control *c = arg;
    store_file f;
    error_text why;
    const store_status status = store_file_get(c->store, id, &f, &why);
    if (status == STORE_OK)
        store_file_free(&f);
    return status != STORE_NOT_FOUND;
}

void control_files_sweep(const control *c)
{
    data_files_sweep(c->data_dir, has_row, (void *)c);
}
