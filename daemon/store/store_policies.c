#include "store/store_internal.h"

#include <stdlib.h>

#define COLUMNS "id, stage, state, job, created_at"

void store_policy_free(store_policy *p)
{
    free(p->id);
    free(p->stage);
    free(p->state);
    free(p->job);
}

ON_STORE static void read_row(statement *q, void *row)
{
    store_policy *p = row;
    p->id = column_text(q);
    p->stage = column_text(q);
    p->state = column_text(q);
    p->job = column_text(q);
    p->created_at = column_i64(q);
}

static void free_row(void *row)
{
    store_policy_free(row);
}

static const row_kind policy_rows = {sizeof(store_policy), read_row, free_row};

ON_STORE static store_status put(database *db, void *arg, error_text *err)
{
    const store_policy *p = arg;
    statement q = statement_begin(
        db, "INSERT INTO policies (" COLUMNS ") VALUES (?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET"
            " stage = excluded.stage, state = excluded.state, job = excluded.job,"
            " created_at = excluded.created_at");
    bind_text(&q, p->id);
    bind_text(&q, p->stage);
    bind_text(&q, p->state);
    bind_text(&q, p->job);
    bind_i64(&q, p->created_at);
    return statement_run(&q, err);
}

store_status store_policy_put(store *s, const store_policy *p, error_text *err)
{
    return store__write(s, put, (void *)p, err);
}

typedef struct get_args {
    const char *id;
    store_policy *out;
} get_args;

ON_STORE static store_status get(database *db, void *arg, error_text *err)
{
    const get_args *a = arg;
    statement q = statement_begin(db, "SELECT " COLUMNS " FROM policies WHERE id = ?");
    bind_text(&q, a->id);
    return statement_one(&q, &policy_rows, "policy of this id", a->out, err);
}

store_status store_policy_get(store *s, const char *id, store_policy *out, error_text *err)
{
    get_args a = {id, out};
    return store__read(s, get, &a, err);
}
