#include "control/datasets.h"

#include "api/datasets.h"
#include "api/list.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/query.h"
#include "control/dataset_export.h"
#include "control/dataset_files.h"
#include "control/dataset_rows.h"
#include "control/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- building ---- */

/* A data set in the making. */
typedef struct making {
    const control *c;
    const char *actor;
    api_dataset_request request;
    build_parameters parameters;
    dataset_file_source source;
    eng_arena arena;
    record_list rows;
    store_withheld withheld;
    build_counts counts;
    dataset_files files;
    buf manifest;
} making;

static bool read_request(making *m, const control_request *request, api_error *err)
{
    api_dataset_request *r = &m->request;
    if (!api_dataset_read(r, request->body, request->body_len, err))
        return false;
    m->source.format = FORMAT_GUESS;
    if (r->format && !record_format_parse(r->format, &m->source.format))
        return api_invalid(err, "invalid_value", "format", "format: '%s' is not a format",
                           r->format);
    if (r->format && !r->source)
        return api_invalid(err, "missing_required_parameter", "source",
                           "source: a format is a file's");
    m->parameters = (build_parameters){.shares = {(uint32_t)lround(r->train * SPLIT_SLOTS),
                                                  (uint32_t)lround(r->valid * SPLIT_SLOTS)},
                                       .cap_per_user = (uint32_t)r->cap_per_user,
                                       .salt = r->salt,
                                       .seed = (uint64_t)r->seed};
    split_shares *shares = &m->parameters.shares;
    if (shares->train + shares->valid > SPLIT_SLOTS) /* both rounded up */
        shares->valid = SPLIT_SLOTS - shares->train;
    return dataset_kind_parse(r->kind, &m->parameters.kind) ||
           api_invalid(err, "invalid_value", "kind", "kind: '%s' is not a kind", r->kind);
}

static bool gather_and_build(making *m, api_error *err)
{
    error_text why;
    const dataset_kind kind = m->parameters.kind;
    const bool gathered =
        m->request.source
            ? dataset_rows_of_file(m->c, m->request.source, &m->source, &m->rows, &m->arena, err)
            : dataset_rows_of_store(m->c, kind, &m->rows, &m->arena, &m->withheld, err);
    if (!gathered)
        return false;
    return dataset_build(&m->rows, &m->parameters, &m->arena, &m->counts, &why) ||
           api_fail(err, 413, "invalid_request_error", NULL, NULL, "%s", why.text);
}

static bool write_manifest(making *m, api_error *err)
{
    const bool file = m->request.source != NULL;
    manifest what = {.parameters = &m->parameters,
                     .counts = &m->counts,
                     .withheld = m->withheld,
                     .source_sha256 = file ? m->source.sha256 : NULL,
                     .source_format = file ? record_format_text(m->source.format) : NULL};
    memcpy(what.files, m->files.facts, sizeof what.files);
    manifest_write(&m->manifest, &what);
    return !m->manifest.failed || api_no_memory(err);
}

/* The rows of the store that went in, for the day when somebody takes theirs back. */
static const char **kept_ids(const making *m, size_t *n)
{
    const char **ids = calloc(m->rows.n + 1, sizeof *ids);
    *n = 0;
    for (size_t i = 0; ids && !m->request.source && i < m->rows.n; i++)
        if (m->rows.rows[i].fate == FATE_KEPT)
            ids[(*n)++] = m->rows.rows[i].id;
    return ids;
}

static bool insert(making *m, const char *id, api_error *err)
{
    size_t n;
    error_text why;
    char(*files)[40] = m->files.ids;
    const char **ids = kept_ids(m, &n);
    buf parameters;
    buf_init(&parameters, LIMIT_BODY_BYTES);
    manifest_parameters_write(&parameters, &m->parameters);
    if (!ids || parameters.failed) {
        free(ids);
        buf_free(&parameters);
        return api_no_memory(err);
    }
    const store_dataset row = {.id = (char *)id,
                               .name = (char *)m->request.name,
                               .kind = (char *)m->request.kind,
                               .parameters_json = parameters.data,
                               .manifest_json = m->manifest.data,
                               .train_file = files[PART_TRAIN][0] ? files[PART_TRAIN] : NULL,
                               .valid_file = files[PART_VALID][0] ? files[PART_VALID] : NULL,
                               .test_file = files[PART_TEST][0] ? files[PART_TEST] : NULL,
                               .created_by = (char *)m->actor,
                               .created_at = time(NULL)};
    const store_status status = store_dataset_insert(m->c->store, &row, ids, n, &why);
    free(ids);
    buf_free(&parameters);
    return status == STORE_OK || control_store_fail(err, status, NULL, &why);
}

static bool show(const control *c, const char *id, control_reply *reply, api_error *err)
{
    store_dataset d;
    error_text why;
    const store_status status = store_dataset_get(c->store, id, &d, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    api_dataset_write(&reply->body, &d);
    store_dataset_free(&d);
    return !reply->body.failed || api_no_memory(err);
}

/* The same rows and parameters have the same name: then it is there already, or becomes so. */
static bool keep(making *m, control_reply *reply, api_error *err)
{
    char id[DATASET_ID_BYTES];
    store_dataset earlier;
    error_text why;
    manifest_id(id, &m->manifest);
    const store_status status = store_dataset_get(m->c->store, id, &earlier, &why);
    if (status == STORE_OK) {
        api_dataset_write(&reply->body, &earlier);
        store_dataset_free(&earlier);
        return !reply->body.failed || api_no_memory(err);
    }
    if (status != STORE_NOT_FOUND)
        return control_store_fail(err, status, NULL, &why);
    if (!dataset_files_keep(&m->files, m->c, m->request.name, m->parameters.kind, &m->counts, err))
        return false;
    if (!insert(m, id, err)) {
        dataset_files_unkeep(&m->files, m->c);
        return false;
    }
    log_event(LOG_INFO, "dataset_built", "id=%s kind=%s rows=%llu,%llu,%llu", id, m->request.kind,
              (unsigned long long)m->counts.rows[PART_TRAIN],
              (unsigned long long)m->counts.rows[PART_VALID],
              (unsigned long long)m->counts.rows[PART_TEST]);
    reply->status = 201;
    return show(m->c, id, reply, err);
}

bool control_dataset_create(const control *c, const control_request *request, control_reply *reply,
                            api_error *err)
{
    if (!c->store)
        return control_not_ready(err);
    making m = {.c = c, .actor = request->actor};
    eng_arena_init(&m.arena, LIMIT_DATASET_BYTES);
    buf_init(&m.manifest, LIMIT_BODY_BYTES);
    const bool ok = read_request(&m, request, err) && gather_and_build(&m, err) &&
                    dataset_files_write(&m.files, c, &m.rows, &m.counts, err) &&
                    write_manifest(&m, err) && keep(&m, reply, err);
    dataset_files_drop(&m.files);
    buf_free(&m.manifest);
    record_list_free(&m.rows);
    eng_arena_free(&m.arena);
    api_dataset_request_free(&m.request);
    return ok;
}

/* ---- reading ---- */

bool control_dataset_get(const control *c, const control_request *request, control_reply *reply,
                         api_error *err)
{
    if (!c->store)
        return control_not_ready(err);
    return show(c, request->names[0], reply, err);
}

bool control_datasets_list(const control *c, const control_request *request, control_reply *reply,
                           api_error *err)
{
    control_page page;
    store_dataset *rows = NULL;
    size_t n = 0;
    bool more = false;
    error_text why;
    if (!c->store)
        return control_not_ready(err);
    if (!control_page_read(&page, request, err))
        return false;
    const store_status status = store_dataset_list(c->store, page.page, &rows, &n, &more, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "after", &why);
    CONTROL_PUT_ROWS(&reply->body, rows, n, more, api_dataset_write, store_dataset_free);
    return !reply->body.failed || api_no_memory(err);
}

/* ---- exporting ---- */

static bool read_query(const char *query, const char *kind, dataset_export *out, api_error *err)
{
    char text[65];
    dataset_kind known;
    const bool trains = dataset_kind_parse(kind, &known) && dataset_kind_trains(known);
    out->format = FORMAT_INSTRUCTD;
    if (query_value(query, "format", text, sizeof text) && !record_format_parse(text, &out->format))
        return api_invalid(err, "invalid_value", "format", "format: '%s' is not a format", text);
    out->part = trains ? PART_TRAIN : PART_TEST;
    if (!query_value(query, "split", text, sizeof text))
        return true;
    for (int part = 0; part < N_PARTS; part++)
        if (strcmp(text, record_part_text((record_part)part)) == 0) {
            out->part = (record_part)part;
            return true;
        }
    return api_invalid(err, "invalid_value", "split", "split: expected train, valid or test");
}

bool control_dataset_export(const control *c, const control_request *request, control_reply *reply,
                            api_error *err)
{
    store_dataset d;
    error_text why;
    dataset_export what;
    if (!c->store)
        return control_not_ready(err);
    const store_status status = store_dataset_get(c->store, request->names[0], &d, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    bool ok = read_query(request->query, d.kind, &what, err);
    if (ok) {
        const char *const files[N_PARTS] = {d.train_file, d.valid_file, d.test_file};
        what.name = d.name;
        what.file = files[what.part];
        ok = dataset_export_run(c, &what, reply, err);
    }
    store_dataset_free(&d);
    return ok;
}
