#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS                                                                                    \
    "id, status, started, pause_requested, cancel_requested, method, model, model_policy,"         \
    " training_file, validation_file, method_json, publish_json, suffix, metadata_json, seed,"     \
    " fine_tuned_model, error_code, error_message, error_param, trained_tokens, progress_done,"    \
    " progress_total, created_at, finished_at"

const char *store_job_status_text(store_job_status status)
{
    static const char *const texts[] = {
#define TEXT(name, text) [STORE_JOB_##name] = text,
        STORE_JOB_STATUS_MAP(TEXT)
#undef TEXT
    };
    return texts[status];
}

void store_job_free(store_job *j)
{
    char *const strings[] = {j->id,
                             j->method,
                             j->model,
                             j->model_policy,
                             j->training_file,
                             j->validation_file,
                             j->method_json,
                             j->publish_json,
                             j->suffix,
                             j->metadata_json,
                             j->fine_tuned_model,
                             j->error_code,
                             j->error_message,
                             j->error_param};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
}

ON_STORE static void read_row(statement *q, void *row)
{
    store_job *j = row;
    j->id = column_text(q);
    j->status = (store_job_status)column_i64(q);
    j->started = column_i64(q);
    j->pause_requested = column_i64(q);
    j->cancel_requested = column_i64(q);
    j->method = column_text(q);
    j->model = column_text(q);
    j->model_policy = column_text(q);
    j->training_file = column_text(q);
    j->validation_file = column_text(q);
    j->method_json = column_text(q);
    j->publish_json = column_text(q);
    j->suffix = column_text(q);
    j->metadata_json = column_text(q);
    j->seed = column_u64(q);
    j->fine_tuned_model = column_text(q);
    j->error_code = column_text(q);
    j->error_message = column_text(q);
    j->error_param = column_text(q);
    j->trained_tokens = column_u64(q);
    j->progress_done = column_u64(q);
    j->progress_total = column_u64(q);
    j->created_at = column_i64(q);
    j->finished_at = column_i64(q);
}

static void free_row(void *row)
{
    store_job_free(row);
}

static const row_table jobs = {
    .rows = {sizeof(store_job), read_row, free_row},
    .what = "job of this id",
    .get = "SELECT " COLUMNS " FROM jobs WHERE id = ?",
    .find = "SELECT row FROM jobs WHERE id = ?",
    .newest = "SELECT " COLUMNS " FROM jobs WHERE (1 << status) & ? AND row < ?"
              " ORDER BY row DESC LIMIT ?",
};

/* ---- reading ---- */

store_status store_job_get(store *s, const char *id, store_job *out, error_text *err)
{
    return store__get(s, &jobs, id, out, err);
}

typedef struct oldest_args {
    unsigned mask;
    store_job *out;
} oldest_args;

ON_STORE static store_status oldest(database *db, void *arg, error_text *err)
{
    const oldest_args *a = arg;
    statement q = statement_begin(db, "SELECT " COLUMNS " FROM jobs WHERE (1 << status) & ?"
                                      " ORDER BY row LIMIT 1");
    bind_i64(&q, a->mask);
    return statement_one(&q, &jobs.rows, "job in this state", a->out, err);
}

store_status store_job_oldest(store *s, unsigned status_mask, store_job *out, error_text *err)
{
    oldest_args a = {status_mask, out};
    return store__read(s, oldest, &a, err);
}

store_status store_job_list(store *s, store_page page, unsigned status_mask, store_job **rows,
                            size_t *n, bool *more, error_text *err)
{
    const row_list masked = {.page = page, .mask = status_mask ? status_mask : ~0u};
    return store__list(s, &jobs, masked, (void **)rows, n, more, err);
}

/* ---- writing ---- */

ON_STORE static store_status insert(database *db, void *arg, error_text *err)
{
    const store_job *j = arg;
    statement q = statement_begin(db, "INSERT INTO jobs (" COLUMNS ") VALUES"
                                      " (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    bind_text(&q, j->id);
    bind_i64(&q, j->status);
    bind_i64(&q, j->started);
    bind_i64(&q, j->pause_requested);
    bind_i64(&q, j->cancel_requested);
    bind_text(&q, j->method);
    bind_text(&q, j->model);
    bind_text(&q, j->model_policy);
    bind_text(&q, j->training_file);
    bind_text(&q, j->validation_file);
    bind_text(&q, j->method_json);
    bind_text(&q, j->publish_json);
    bind_text(&q, j->suffix);
    bind_text(&q, j->metadata_json);
    bind_u64(&q, j->seed);
    bind_text(&q, j->fine_tuned_model);
    bind_text(&q, j->error_code);
    bind_text(&q, j->error_message);
    bind_text(&q, j->error_param);
    bind_u64(&q, j->trained_tokens);
    bind_u64(&q, j->progress_done);
    bind_u64(&q, j->progress_total);
    bind_i64(&q, j->created_at);
    bind_i64(&q, j->finished_at);
    const store_status status = statement_run(&q, err);
    return status == STORE_OK ? store__audit(db, j->actor, "job.created", j->id, err) : status;
}

store_status store_job_insert(store *s, const store_job *j, error_text *err)
{
    return store__write(s, insert, (void *)j, err);
}

/* After an UPDATE that asked for a status in a mask: STORE_OK if it changed the row, else why not.
 */
ON_STORE static store_status judge(database *db, const char *id, error_text *err)
{
    if (database_changes(db) > 0)
        return STORE_OK;
    statement q = statement_begin(db, "SELECT status FROM jobs WHERE id = ?");
    bind_text(&q, id);
    const bool found = statement_row(&q);
    const store_job_status is = found ? (store_job_status)column_i64(&q) : STORE_JOB_QUEUED;
    const store_status status = statement_end(&q, err);
    if (status != STORE_OK)
        return status;
    if (!found)
        error_text_set(err, "no job of this id");
    else
        error_text_set(err, "the job is %s", store_job_status_text(is));
    return found ? STORE_CONFLICT : STORE_NOT_FOUND;
}

ON_STORE static store_status forget_needs(database *db, const char *job, error_text *err)
{
    statement q = statement_begin(db, "DELETE FROM needs WHERE job = ?");
    bind_text(&q, job);
    return statement_run(&q, err);
}

typedef struct move_args {
    const char *id;
    unsigned from_mask;
    store_job_status to;
    const store_job *change;
} move_args;

ON_STORE static store_status move(database *db, void *arg, error_text *err)
{
    static const store_job nothing;
    const move_args *a = arg;
    const store_job *change = a->change ? a->change : &nothing;
    const bool ends = !(STORE_JOB_BIT(a->to) & STORE_JOB_LIVE);
    statement q = statement_begin(db, "UPDATE jobs SET status = ?1, started = max(started, ?2),"
                                      " finished_at = iif(?3, ?4, finished_at),"
                                      " pause_requested = iif(?3 OR ?5, 0, pause_requested),"
                                      " cancel_requested = iif(?3, 0, cancel_requested),"
                                      " error_code = coalesce(?6, error_code),"
                                      " error_message = coalesce(?7, error_message),"
                                      " error_param = coalesce(?8, error_param),"
                                      " fine_tuned_model = coalesce(?9, fine_tuned_model)"
                                      " WHERE id = ?10 AND (1 << status) & ?11");
    bind_i64(&q, a->to);
    bind_i64(&q, a->to == STORE_JOB_RUNNING);
    bind_i64(&q, ends);
    bind_i64(&q, time(NULL));
    bind_i64(&q, a->to == STORE_JOB_PAUSED);
    bind_text(&q, change->error_code);
    bind_text(&q, change->error_message);
    bind_text(&q, change->error_param);
    bind_text(&q, change->fine_tuned_model);
    bind_text(&q, a->id);
    bind_i64(&q, a->from_mask);
    store_status status = statement_run(&q, err);
    if (status == STORE_OK)
        status = judge(db, a->id, err);
    return status == STORE_OK && ends ? forget_needs(db, a->id, err) : status;
}

store_status store_job_move(store *s, const char *id, unsigned from_mask, store_job_status to,
                            const store_job *change, error_text *err)
{
    move_args a = {id, from_mask, to, change};
    return store__write(s, move, &a, err);
}

typedef struct request_args {
    const char *id;
    unsigned from_mask;
    bool pause, cancel;
} request_args;

ON_STORE static store_status request(database *db, void *arg, error_text *err)
{
    const request_args *a = arg;
    statement q = statement_begin(db, "UPDATE jobs SET pause_requested = ?,"
                                      " cancel_requested = max(cancel_requested, ?)"
                                      " WHERE id = ? AND (1 << status) & ?");
    bind_i64(&q, a->pause);
    bind_i64(&q, a->cancel);
    bind_text(&q, a->id);
    bind_i64(&q, a->from_mask);
    const store_status status = statement_run(&q, err);
    return status == STORE_OK ? judge(db, a->id, err) : status;
}

store_status store_job_request(store *s, const char *id, unsigned from_mask, bool pause,
                               bool cancel, error_text *err)
{
    request_args a = {id, from_mask, pause, cancel};
    return store__write(s, request, &a, err);
}

typedef struct result_args {
    const char *id, *fine_tuned_model;
} result_args;

ON_STORE static store_status set_result(database *db, void *arg, error_text *err)
{
    const result_args *a = arg;
    statement q = statement_begin(db, "UPDATE jobs SET fine_tuned_model = ? WHERE id = ?");
    bind_text(&q, a->fine_tuned_model);
    bind_text(&q, a->id);
    const store_status status = statement_run(&q, err);
    return status == STORE_OK ? judge(db, a->id, err) : status;
}

store_status store_job_result(store *s, const char *id, const char *fine_tuned_model,
                              error_text *err)
{
    result_args a = {id, fine_tuned_model};
    return store__write(s, set_result, &a, err);
}

typedef struct progress {
    store_queued queued;
    uint64_t done, total, trained_tokens;
    char id[]; /* of the job */
} progress;

ON_STORE static store_status set_progress(database *db, void *arg, error_text *err)
{
    const progress *p = arg;
    statement q = statement_begin(db, "UPDATE jobs SET progress_done = ?, progress_total = ?,"
                                      " trained_tokens = ? WHERE id = ?");
    bind_u64(&q, p->done);
    bind_u64(&q, p->total);
    bind_u64(&q, p->trained_tokens);
    bind_text(&q, p->id);
    const store_status status = statement_run(&q, err);
    return status == STORE_OK ? judge(db, p->id, err) : status;
}

static void free_progress(store_queued *w)
{
    free(w);
}

store_status store_job_progress(store *s, const char *id, uint64_t done, uint64_t total,
                                uint64_t trained_tokens, error_text *err)
{
    const size_t id_bytes = strlen(id) + 1;
    progress *p = malloc(sizeof *p + id_bytes);
    if (!p)
        return store__no_memory(err);
    *p = (progress){.queued = {.op = set_progress, .free = free_progress},
                    .done = done,
                    .total = total,
                    .trained_tokens = trained_tokens};
    memcpy(p->id, id, id_bytes);
    return store__queue(s, &p->queued, err);
}
