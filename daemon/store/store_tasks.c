/* What labelers are asked: a prompt, and outputs to rank where the kind wants them. */
#include "store/store_human.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "id, kind, prompt_id, file, owner, form, prompt, policies, created_by, state, k, max_tokens,"  \
    " overlap, gold, guideline, seed, created_at, row, criterion"

static void output_free(store_output *o)
{
    free(o->id);
    free(o->policy);
    free(o->text);
}

void store_task_free(store_task *t)
{
    char *const strings[] = {t->id,   t->kind,   t->prompt_id, t->file,       t->owner,
                             t->form, t->prompt, t->policies,  t->created_by, t->criterion};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
    for (size_t i = 0; i < t->n_outputs; i++)
        output_free(&t->outputs[i]);
    free(t->outputs);
}

ON_STORE static void read_task(statement *q, void *row)
{
    store_task *t = row;
    t->id = column_text(q);
    t->kind = column_text(q);
    t->prompt_id = column_text(q);
    t->file = column_text(q);
    t->owner = column_text(q);
    t->form = column_text(q);
    t->prompt = column_text(q);
    t->policies = column_text(q);
    t->created_by = column_text(q);
    t->state = (store_task_state)column_i64(q);
    t->k = (uint32_t)column_i64(q);
    t->max_tokens = (uint32_t)column_i64(q);
    t->overlap = (uint32_t)column_i64(q);
    t->gold = column_i64(q);
    t->guideline = (uint32_t)column_i64(q);
    t->seed = column_u64(q);
    t->created_at = column_i64(q);
    t->row = column_u64(q);
    t->criterion = column_text(q);
}

static void free_task(void *row)
{
    store_task_free(row);
}

static const row_kind task_rows = {sizeof(store_task), read_task, free_task};

ON_STORE static void read_output(statement *q, void *row)
{
    store_output *o = row;
    o->id = column_text(q);
    o->policy = column_text(q);
    o->text = column_text(q);
}

static void free_output(void *row)
{
    output_free(row);
}

static const row_kind output_rows = {sizeof(store_output), read_output, free_output};

/* ---- writing ---- */

ON_STORE static store_status put_outputs(database *db, const char *task, const store_output *list,
                                         size_t n, error_text *err)
{
    store_status status = STORE_OK;
    for (size_t i = 0; i < n && status == STORE_OK; i++) {
        statement q =
            statement_begin(db, "INSERT INTO outputs (id, task, policy, text) VALUES (?,?,?,?)");
        bind_text(&q, list[i].id);
        bind_text(&q, task);
        bind_text(&q, list[i].policy);
        bind_text(&q, list[i].text);
        status = statement_run(&q, err);
    }
    return status;
}

static store_task_state first_state(const store_task *t)
{
    return t->n_outputs || strcmp(t->kind, "demo") == 0 ? STORE_TASK_OPEN : STORE_TASK_SAMPLING;
}

ON_STORE static store_status put_task(database *db, const store_task *t, error_text *err)
{
    statement q = statement_begin(
        db, "INSERT INTO tasks (id, kind, prompt_id, file, owner, form, prompt, policies,"
            " created_by, state, k, max_tokens, overlap, gold, guideline, seed, created_at,"
            " criterion) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    bind_text(&q, t->id);
    bind_text(&q, t->kind);
    bind_text(&q, t->prompt_id);
    bind_text(&q, t->file);
    bind_text(&q, t->owner);
    bind_text(&q, t->form);
    bind_text(&q, t->prompt);
    bind_text(&q, t->policies);
    bind_text(&q, t->created_by);
    bind_i64(&q, first_state(t));
    bind_i64(&q, t->k);
    bind_i64(&q, t->max_tokens);
    bind_i64(&q, t->overlap);
    bind_i64(&q, t->gold);
    bind_i64(&q, t->guideline);
    bind_u64(&q, t->seed);
    bind_i64(&q, t->created_at);
    bind_text(&q, t->criterion);
    const store_status status = statement_run(&q, err);
    return status == STORE_OK ? put_outputs(db, t->id, t->outputs, t->n_outputs, err) : status;
}

typedef struct insert_args {
    const store_task *tasks;
    size_t n;
} insert_args;

ON_STORE static store_status insert(database *db, void *arg, error_text *err)
{
    const insert_args *a = arg;
    store_status status = STORE_OK;
    for (size_t i = 0; i < a->n && status == STORE_OK; i++)
        status = put_task(db, &a->tasks[i], err);
    return status == STORE_OK && a->n
               ? store__audit(db, a->tasks[0].created_by, "tasks.made", a->tasks[0].id, err)
               : status;
}

store_status store_tasks_insert(store *s, const store_task *tasks, size_t n, error_text *err)
{
    insert_args a = {tasks, n};
    return store__write(s, insert, &a, err);
}

/* Moves a task that waits for outputs to another state. */
ON_STORE static store_status leave_sampling(database *db, const char *id, store_task_state to,
                                            error_text *err)
{
    statement q = statement_begin(db, "UPDATE tasks SET state = ?1 WHERE id = ?2 AND state = ?3"
                                      " AND (erased_at = 0 OR ?1 = ?4)");
    bind_i64(&q, to);
    bind_text(&q, id);
    bind_i64(&q, STORE_TASK_SAMPLING);
    bind_i64(&q, STORE_TASK_FAILED);
    const store_status status = statement_run(&q, err);
    if (status != STORE_OK || database_changes(db) > 0)
        return status;
    error_text_set(err, "the task does not wait for outputs");
    return STORE_CONFLICT;
}

typedef struct sampled_args {
    const char *id;
    const store_output *outputs;
    size_t n;
} sampled_args;

ON_STORE static store_status sampled(database *db, void *arg, error_text *err)
{
    const sampled_args *a = arg;
    const store_status status = leave_sampling(db, a->id, STORE_TASK_OPEN, err);
    return status == STORE_OK ? put_outputs(db, a->id, a->outputs, a->n, err) : status;
}

store_status store_task_sampled(store *s, const char *id, const store_output *outputs, size_t n,
                                error_text *err)
{
    sampled_args a = {id, outputs, n};
    return store__write(s, sampled, &a, err);
}

ON_STORE static store_status fail(database *db, void *arg, error_text *err)
{
    return leave_sampling(db, arg, STORE_TASK_FAILED, err);
}

store_status store_task_failed(store *s, const char *id, error_text *err)
{
    return store__write(s, fail, (char *)(uintptr_t)id, err);
}

/* ---- reading ---- */

ON_STORE static store_status add_outputs(database *db, store_task *t, error_text *err)
{
    void *rows = NULL;
    statement q =
        statement_begin(db, "SELECT id, policy, text FROM outputs WHERE task = ? ORDER BY row");
    bind_text(&q, t->id);
    const store_status status =
        statement_all(&q, &output_rows, UINT32_MAX - 1, &rows, &t->n_outputs, NULL, err);
    t->outputs = rows;
    return status;
}

/* The task that q gives, with its outputs. Ends q. */
ON_STORE static store_status one_task(statement *q, store_task *out, error_text *err)
{
    database *db = q->db;
    store_status status = statement_one(q, &task_rows, "such task", out, err);
    if (status == STORE_OK)
        status = add_outputs(db, out, err);
    if (status != STORE_OK) {
        store_task_free(out);
        *out = (store_task){0};
    }
    return status;
}

store_status store__task_load(database *db, const char *id, store_task *out, error_text *err)
{
    statement q =
        statement_begin(db, "SELECT " COLUMNS " FROM tasks WHERE id = ? AND erased_at = 0");
    bind_text(&q, id);
    return one_task(&q, out, err);
}

typedef struct get_args {
    const char *id;
    store_task *out;
} get_args;

ON_STORE static store_status get(database *db, void *arg, error_text *err)
{
    const get_args *a = arg;
    return store__task_load(db, a->id, a->out, err);
}

store_status store_task_get(store *s, const char *id, store_task *out, error_text *err)
{
    get_args a = {id, out};
    return store__read(s, get, &a, err);
}

ON_STORE static store_status to_sample(database *db, void *arg, error_text *err)
{
    statement q = statement_begin(db, "SELECT " COLUMNS " FROM tasks WHERE state = ?"
                                      " AND erased_at = 0 ORDER BY row LIMIT 1");
    bind_i64(&q, STORE_TASK_SAMPLING);
    return one_task(&q, arg, err);
}

store_status store_task_to_sample(store *s, store_task *out, error_text *err)
{
    return store__read(s, to_sample, out, err);
}

ON_STORE static void read_count(statement *q, void *row)
{
    store_task_count *c = row;
    c->kind = column_text(q);
    c->state = (store_task_state)column_i64(q);
    c->n = column_u64(q);
}

static void free_count(void *row)
{
    free(((store_task_count *)row)->kind);
}

static const row_kind count_rows = {sizeof(store_task_count), read_count, free_count};

typedef struct counts_args {
    void *rows;
    size_t n;
} counts_args;

ON_STORE static store_status counts(database *db, void *arg, error_text *err)
{
    counts_args *a = arg;
    statement q = statement_begin(db, "SELECT kind, state, count(*) FROM tasks WHERE erased_at = 0"
                                      " GROUP BY kind, state ORDER BY kind, state");
    return statement_all(&q, &count_rows, 64, &a->rows, &a->n, NULL, err);
}

store_status store_task_counts(store *s, store_task_count **rows, size_t *n, error_text *err)
{
    counts_args a = {0};
    const store_status status = store__read(s, counts, &a, err);
    *rows = a.rows;
    *n = a.n;
    return status;
}
