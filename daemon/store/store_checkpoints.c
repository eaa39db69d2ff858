#include "store/store_internal.h"

#include <stdlib.h>

#define COLUMNS "id, job, policy, metrics_json, step, created_at"

void store_checkpoint_free(store_checkpoint *c)
{
    free(c->id);
    free(c->job);
    free(c->policy);
    free(c->metrics_json);
}

ON_STORE static void read_row(statement *q, void *row)
{
    store_checkpoint *c = row;
    c->id = column_text(q);
    c->job = column_text(q);
    c->policy = column_text(q);
    c->metrics_json = column_text(q);
    c->step = column_u64(q);
    c->created_at = column_i64(q);
}

static void free_row(void *row)
{
    store_checkpoint_free(row);
}

static const row_table checkpoints = {
    .rows = {sizeof(store_checkpoint), read_row, free_row},
    .find = "SELECT row FROM checkpoints WHERE id = ? AND job = ?",
    .newest = "SELECT " COLUMNS " FROM checkpoints WHERE job = ? AND row < ?"
              " ORDER BY row DESC LIMIT ?",
};

ON_STORE static store_status insert(database *db, void *arg, error_text *err)
{
    const store_checkpoint *c = arg;
    statement q = statement_begin(db, "INSERT INTO checkpoints (" COLUMNS ") VALUES (?,?,?,?,?,?)");
    bind_text(&q, c->id);
    bind_text(&q, c->job);
    bind_text(&q, c->policy);
    bind_text(&q, c->metrics_json);
    bind_u64(&q, c->step);
    bind_i64(&q, c->created_at);
    return statement_run(&q, err);
}

store_status store_checkpoint_insert(store *s, const store_checkpoint *c, error_text *err)
{
    return store__write(s, insert, (void *)c, err);
}

store_status store_checkpoint_list(store *s, const char *job, store_page page,
                                   store_checkpoint **rows, size_t *n, bool *more, error_text *err)
{
    const row_list of_job = {.page = page, .of = job};
    return store__list(s, &checkpoints, of_job, (void **)rows, n, more, err);
}
