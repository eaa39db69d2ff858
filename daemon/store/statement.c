#include "store/statement.h"

#include <stdlib.h>
#include <string.h>

/* ---- failures ---- */

store_status database_failure(database *db, int rc, error_text *err)
{
    if (rc == SQLITE_CONSTRAINT_FOREIGNKEY) {
        error_text_set(err, "what the row refers to is not there");
        return STORE_NOT_FOUND;
    }
    if ((rc & 0xff) == SQLITE_CONSTRAINT) {
        error_text_set(err, "%s", sqlite3_errmsg(db->handle));
        return STORE_CONFLICT;
    }
    const int os = db->handle ? sqlite3_system_errno(db->handle) : 0;
    error_text_set(err, "the database: %s (SQLite code %d%s%s)", sqlite3_errstr(rc), rc,
                   os ? ", " : "", os ? strerror(os) : "");
    return STORE_UNAVAILABLE;
}

static bool failed(const statement *q)
{
    return q->rc != SQLITE_OK && q->rc != SQLITE_ROW && q->rc != SQLITE_DONE;
}

/* Keeps the first failure. */
static void note(statement *q, int rc)
{
    if (!failed(q))
        q->rc = rc;
}

/* ---- statements ---- */

statement statement_begin(database *db, const char *sql)
{
    for (int i = 0; i < db->n_statements; i++)
        if (db->statements[i].sql == sql)
            return (statement){.db = db, .prepared = db->statements[i].prepared};
    statement q = {.db = db};
    q.rc = db->n_statements == STATEMENTS_MAX ? SQLITE_FULL : SQLITE_OK;
    if (q.rc == SQLITE_OK)
        q.rc =
            sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &q.prepared, NULL);
    if (q.rc == SQLITE_OK) {
        db->statements[db->n_statements].sql = sql;
        db->statements[db->n_statements++].prepared = q.prepared;
    }
    return q;
}

void database_forget_statements(database *db)
{
    for (int i = 0; i < db->n_statements; i++)
        sqlite3_finalize(db->statements[i].prepared);
    db->n_statements = 0;
}

void bind_text(statement *q, const char *text)
{
    if (!failed(q))
        note(q, sqlite3_bind_text(q->prepared, ++q->next, text, -1, SQLITE_STATIC));
}

void bind_i64(statement *q, int64_t v)
{
    if (!failed(q))
        note(q, sqlite3_bind_int64(q->prepared, ++q->next, v));
}

void bind_u64(statement *q, uint64_t v)
{
    bind_i64(q, (int64_t)v);
}

bool statement_row(statement *q)
{
    if (failed(q))
        return false;
    q->next = 0;
    q->rc = sqlite3_step(q->prepared);
    return q->rc == SQLITE_ROW;
}

char *column_text(statement *q)
{
    const int column = q->next++;
    if (failed(q) || sqlite3_column_type(q->prepared, column) == SQLITE_NULL)
        return NULL;
    const char *text = (const char *)sqlite3_column_text(q->prepared, column);
    char *copy = text ? strdup(text) : NULL;
    if (!copy)
        note(q, SQLITE_NOMEM);
    return copy;
}

int64_t column_i64(statement *q)
{
    const int column = q->next++;
    return failed(q) ? 0 : sqlite3_column_int64(q->prepared, column);
}

uint64_t column_u64(statement *q)
{
    return (uint64_t)column_i64(q);
}

store_status statement_end(statement *q, error_text *err)
{
    const store_status status = failed(q) ? database_failure(q->db, q->rc, err) : STORE_OK;
    if (q->prepared) {
        sqlite3_reset(q->prepared); /* repeats the failure of the step, which is told already */
        sqlite3_clear_bindings(q->prepared);
    }
    return status;
}

store_status statement_run(statement *q, error_text *err)
{
    while (statement_row(q))
        ;
    return statement_end(q, err);
}

store_status database_run(database *db, const char *sql, error_text *err)
{
    statement q = statement_begin(db, sql);
    return statement_run(&q, err);
}

int database_changes(const database *db)
{
    return sqlite3_changes(db->handle);
}

bool database_in_transaction(const database *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

/* ---- rows as structs ---- */

store_status statement_one(statement *q, const row_kind *kind, const char *what, void *row,
                           error_text *err)
{
    memset(row, 0, kind->bytes);
    const bool found = statement_row(q);
    if (found)
        kind->read(q, row);
    const store_status status = statement_end(q, err);
    if (status != STORE_OK) {
        kind->free(row);
        memset(row, 0, kind->bytes);
        return status;
    }
    if (!found)
        error_text_set(err, "no %s", what);
    return found ? STORE_OK : STORE_NOT_FOUND;
}

/* Room for one more row, zeroed; NULL with the failure noted. */
static void *next_row(statement *q, const row_kind *kind, char **rows, size_t n, size_t *cap)
{
    if (n == *cap) {
        const size_t grown = *cap ? *cap * 2 : 16;
        char *more = reallocarray(*rows, grown, kind->bytes);
        if (!more) {
            note(q, SQLITE_NOMEM);
            return NULL;
        }
        *rows = more;
        *cap = grown;
    }
    return memset(*rows + n * kind->bytes, 0, kind->bytes);
}

store_status statement_all(statement *q, const row_kind *kind, uint32_t limit, void **rows,
                           size_t *n, bool *more, error_text *err)
{
    char *all = NULL;
    size_t count = 0, cap = 0;
    bool further = false;
    while (statement_row(q)) {
        further = count == limit;
        void *row = further ? NULL : next_row(q, kind, &all, count, &cap);
        if (!row)
            break;
        kind->read(q, row);
        count++;
    }
    const store_status status = statement_end(q, err);
    if (status != STORE_OK) {
        for (size_t i = 0; i < count; i++)
            kind->free(all + i * kind->bytes);
        free(all);
        return status;
    }
    *rows = all;
    *n = count;
    if (more)
        *more = further;
    return STORE_OK;
}
