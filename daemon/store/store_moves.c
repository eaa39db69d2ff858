#include "store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS "alias, version, policy, previous, in_flight, reason, updated_by, updated_at"

void store_move_free(store_move *m)
{
    free(m->alias);
    free(m->policy);
    free(m->previous);
    free(m->in_flight);
    free(m->reason);
    free(m->updated_by);
}

ON_STORE static void read_row(statement *q, void *row)
{
    store_move *m = row;
    m->alias = column_text(q);
    m->version = column_u64(q);
    m->policy = column_text(q);
    m->previous = column_text(q);
    m->in_flight = column_text(q);
    m->reason = column_text(q);
    m->updated_by = column_text(q);
    m->updated_at = column_i64(q);
}

static void free_row(void *row)
{
    store_move_free(row);
}

static const row_table moves = {
    .rows = {sizeof(store_move), read_row, free_row},
    .find = "SELECT version FROM moves WHERE version = ? AND alias = ?",
    .newest = "SELECT " COLUMNS " FROM moves WHERE alias = ? AND version < ?"
              " ORDER BY version DESC LIMIT ?",
};

/* A restart brings moves again that were there already: those have their row. */
ON_STORE static store_status tell(database *db, const store_move *m, error_text *err)
{
    char object[256];
    snprintf(object, sizeof object, "%s/%" PRIu64 "/%s", m->alias, m->version, m->policy);
    statement q =
        statement_begin(db, "SELECT 1 FROM moves WHERE alias = ? AND version = ? AND policy = ?");
    bind_text(&q, m->alias);
    bind_u64(&q, m->version);
    bind_text(&q, m->policy);
    const bool known = statement_row(&q);
    const store_status status = statement_end(&q, err);
    return status != STORE_OK || known
               ? status
               : store__audit(db, m->updated_by, "alias.moved", object, err);
}

ON_STORE static store_status put(database *db, void *arg, error_text *err)
{
    const store_move *m = arg;
    const store_status status = tell(db, m, err);
    if (status != STORE_OK)
        return status;
    statement q =
        statement_begin(db, "INSERT OR REPLACE INTO moves (" COLUMNS ") VALUES (?,?,?,?,?,?,?,?)");
    bind_text(&q, m->alias);
    bind_u64(&q, m->version);
    bind_text(&q, m->policy);
    bind_text(&q, m->previous);
    bind_text(&q, m->in_flight);
    bind_text(&q, m->reason);
    bind_text(&q, m->updated_by);
    bind_i64(&q, m->updated_at);
    return statement_run(&q, err);
}

store_status store_move_put(store *s, const store_move *m, error_text *err)
{
    return store__write(s, put, (void *)m, err);
}

store_status store_move_list(store *s, const char *alias, store_page page, store_move **rows,
                             size_t *n, bool *more, error_text *err)
{
    const row_list of_alias = {.page = page, .of = alias};
    return store__list(s, &moves, of_alias, (void **)rows, n, more, err);
}
