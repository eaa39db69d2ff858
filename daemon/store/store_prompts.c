/* What was asked in the Playground: ids of requests for a day, and text where its author shares. */
#include "store/store_human.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <time.h>

/* ---- requests ---- */

#define REQUEST_COLUMNS "user, id, policy, model, created_at"

void store_request_free(store_request *r)
{
    free(r->user);
    free(r->id);
    free(r->policy);
    free(r->model);
}

ON_STORE static void read_request(statement *q, void *row)
{
    store_request *r = row;
    r->user = column_text(q);
    r->id = column_text(q);
    r->policy = column_text(q);
    r->model = column_text(q);
    r->created_at = column_i64(q);
}

static void free_request(void *row)
{
    store_request_free(row);
}

static const row_kind request_rows = {sizeof(store_request), read_request, free_request};

typedef struct request_write {
    store_queued queued;
    store_request row;
} request_write;

static void free_request_write(store_queued *w)
{
    request_write *r = (request_write *)(void *)w;
    store_request_free(&r->row);
    free(r);
}

ON_STORE static store_status forget_old_requests(database *db, error_text *err)
{
    statement q = statement_begin(db, "DELETE FROM requests WHERE created_at < ?");
    bind_i64(&q, time(NULL) - STORE_REQUEST_KEPT_S);
    return statement_run(&q, err);
}

ON_STORE static store_status put_request(database *db, void *arg, error_text *err)
{
    const store_request *r = &((const request_write *)arg)->row;
    const store_status status = forget_old_requests(db, err);
    if (status != STORE_OK)
        return status;
    statement q = statement_begin(db, "INSERT OR IGNORE INTO requests (" REQUEST_COLUMNS
                                      ") VALUES (?,?,?,?,?)");
    bind_text(&q, r->user);
    bind_text(&q, r->id);
    bind_text(&q, r->policy);
    bind_text(&q, r->model);
    bind_i64(&q, r->created_at);
    return statement_run(&q, err);
}

bool store_request_post(store *s, store_request *r)
{
    request_write *w = malloc(sizeof *w);
    if (!w || !r->user || !r->id || !r->policy || !r->model) {
        store_request_free(r);
        free(w);
        return false;
    }
    *w = (request_write){.queued = {.op = put_request, .free = free_request_write}, .row = *r};
    return store__post(s, &w->queued);
}

typedef struct request_args {
    const char *user, *id;
    store_request *out;
} request_args;

store_status store__request_find(database *db, const char *user, const char *id, store_request *out,
                                 error_text *err)
{
    statement q = statement_begin(db, "SELECT " REQUEST_COLUMNS " FROM requests"
                                      " WHERE user = ? AND id = ? AND created_at >= ?");
    bind_text(&q, user);
    bind_text(&q, id);
    bind_i64(&q, time(NULL) - STORE_REQUEST_KEPT_S);
    return statement_one(&q, &request_rows, "request of this id in the last 24 hours", out, err);
}

ON_STORE static store_status get_request(database *db, void *arg, error_text *err)
{
    const request_args *a = arg;
    return store__request_find(db, a->user, a->id, a->out, err);
}

store_status store_request_get(store *s, const char *user, const char *id, store_request *out,
                               error_text *err)
{
    request_args a = {user, id, out};
    return store__read(s, get_request, &a, err);
}

/* ---- prompts ---- */

#define PROMPT_COLUMNS "id, user, form, prompt, output, policy, request, notice, created_at, row"

void store_prompt_free(store_prompt *p)
{
    free(p->id);
    free(p->user);
    free(p->form);
    free(p->prompt);
    free(p->output);
    free(p->policy);
    free(p->request);
}

ON_STORE static void read_prompt(statement *q, void *row)
{
    store_prompt *p = row;
    p->id = column_text(q);
    p->user = column_text(q);
    p->form = column_text(q);
    p->prompt = column_text(q);
    p->output = column_text(q);
    p->policy = column_text(q);
    p->request = column_text(q);
    p->notice = (uint32_t)column_i64(q);
    p->created_at = column_i64(q);
    p->row = column_u64(q);
}

static void free_prompt(void *row)
{
    store_prompt_free(row);
}

static const row_kind prompt_rows = {sizeof(store_prompt), read_prompt, free_prompt};

typedef struct prompt_write {
    store_queued queued;
    store_prompt row;
} prompt_write;

static void free_prompt_write(store_queued *w)
{
    prompt_write *p = (prompt_write *)(void *)w;
    store_prompt_free(&p->row);
    free(p);
}

/* The choice is looked up in the same transaction: no text of somebody who declines gets as far as
 * a page of the database. */
ON_STORE static store_status put_prompt(database *db, void *arg, error_text *err)
{
    const store_prompt *p = &((const prompt_write *)arg)->row;
    statement q = statement_begin(
        db, "INSERT INTO prompts (id, user, form, prompt, output, policy, request, notice,"
            " created_at) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9"
            " FROM people WHERE name = ?2 AND share = 1 AND notice = ?8");
    bind_text(&q, p->id);
    bind_text(&q, p->user);
    bind_text(&q, p->form);
    bind_text(&q, p->prompt);
    bind_text(&q, p->output);
    bind_text(&q, p->policy);
    bind_text(&q, p->request);
    bind_i64(&q, p->notice);
    bind_i64(&q, p->created_at);
    return statement_run(&q, err);
}

bool store_prompt_post(store *s, store_prompt *p)
{
    prompt_write *w = malloc(sizeof *w);
    if (!w || !p->id || !p->user || !p->prompt || !p->output || !p->policy || !p->request) {
        store_prompt_free(p);
        free(w);
        return false;
    }
    *w = (prompt_write){.queued = {.op = put_prompt, .free = free_prompt_write}, .row = *p};
    return store__post(s, &w->queued);
}

/* ---- reading ---- */

#define AUTHOR_SHARES "EXISTS (SELECT 1 FROM people WHERE name = p.user AND share = 1)"

typedef struct without_task_args {
    const char *kind, *criterion;
    uint32_t limit;
    void *rows;
    size_t n;
} without_task_args;

ON_STORE static store_status without_task(database *db, void *arg, error_text *err)
{
    without_task_args *a = arg;
    statement q = statement_begin(
        db, "SELECT " PROMPT_COLUMNS " FROM prompts AS p WHERE erased_at = 0"
            " AND " AUTHOR_SHARES
            " AND NOT EXISTS (SELECT 1 FROM tasks WHERE prompt_id = p.id AND kind = ?"
            " AND criterion = ? AND state <> ?) ORDER BY row LIMIT ?");
    bind_text(&q, a->kind);
    bind_text(&q, a->criterion);
    bind_i64(&q, STORE_TASK_FAILED); /* may be tried again */
    bind_i64(&q, a->limit);
    return statement_all(&q, &prompt_rows, a->limit, &a->rows, &a->n, NULL, err);
}

store_status store_prompts_without_task(store *s, const char *kind, const char *criterion,
                                        uint32_t limit, store_prompt **rows, size_t *n,
                                        error_text *err)
{
    without_task_args a = {.kind = kind, .criterion = criterion, .limit = limit};
    const store_status status = store__read(s, without_task, &a, err);
    *rows = a.rows;
    *n = a.n;
    return status;
}

store_status store_train_prompts(store *s, uint64_t after, uint32_t limit, store_prompt **rows,
                                 size_t *n, error_text *err)
{
    return store__beyond(s,
                         "SELECT " PROMPT_COLUMNS " FROM prompts AS p WHERE row > ?"
                         " AND erased_at = 0 AND " AUTHOR_SHARES " ORDER BY row LIMIT ?",
                         &prompt_rows, NULL, after, limit, (void **)rows, n, err);
}

store_status store_train_prompts_withheld(store *s, store_withheld *out, error_text *err)
{
    return store__withheld(
        s, STORE__WITHHELD("(erased_at <> 0)", AUTHOR_SHARES) " FROM prompts AS p", out, err);
}
