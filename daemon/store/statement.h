/* SQL as the rest of store/ writes it: a literal, its parameters in order, its rows column by
 * column. Statements are prepared once and kept; everything a client sent is a parameter.
 *
 *     statement q = statement_begin(db, "SELECT bytes FROM files WHERE id = ?");
 *     bind_text(&q, id);
 *     if (statement_row(&q))
 *         bytes = column_u64(&q);
 *     return statement_end(&q, err);
 *
 * A failure on the way is kept and told by statement_end. Store thread. */
#ifndef DAEMON_STORE_STATEMENT_H
#define DAEMON_STORE_STATEMENT_H

#include "base/error_text.h"
#include "base/thread_roles.h"
#include "store/store.h"

#include <sqlite3.h>

enum { STATEMENTS_MAX = 192 };

/* The one connection, and what it has prepared. */
typedef struct database {
    sqlite3 *handle;
    struct {
        const char *sql; /* a literal: found by its address */
        sqlite3_stmt *prepared;
    } statements[STATEMENTS_MAX];
    int n_statements;
} database;

typedef struct statement {
    database *db;
    sqlite3_stmt *prepared; /* NULL: could not be prepared */
    int next;               /* parameter, then column */
    int rc;                 /* of SQLite; sticky once it is a failure */
} statement;

/* sql: a string literal with one statement. Every statement begun must be ended. */
statement statement_begin(database *db, const char *sql) ON_STORE;

/* The next parameter. Text and JSON must live until statement_end; NULL binds NULL. */
void bind_text(statement *q, const char *text) ON_STORE;
void bind_i64(statement *q, int64_t v) ON_STORE;
void bind_u64(statement *q, uint64_t v) ON_STORE; /* two's complement beyond 2^63 */

/* Steps to the next row; false when there is none or on failure. */
bool statement_row(statement *q) ON_STORE;
/* The row's next column. column_text: malloc'd, NULL for NULL. */
char *column_text(statement *q) ON_STORE;
int64_t column_i64(statement *q) ON_STORE;
uint64_t column_u64(statement *q) ON_STORE;

/* Resets it. STORE_OK, or what went wrong on the way, with *err: STORE_NOT_FOUND for a reference to
 * a row that is not there, STORE_CONFLICT for a broken constraint, else STORE_UNAVAILABLE. */
store_status statement_end(statement *q, error_text *err) ON_STORE;
/* Runs a statement that gives no rows, to its end. */
store_status statement_run(statement *q, error_text *err) ON_STORE;
/* Runs a literal without parameters. */
store_status database_run(database *db, const char *sql, error_text *err) ON_STORE;
/* Rows changed by the last INSERT, UPDATE or DELETE. */
int database_changes(const database *db) ON_STORE;
/* Is a transaction open? SQLite ends one by itself after some failures. */
bool database_in_transaction(const database *db) ON_STORE;
/* What rc means, with *err. */
store_status database_failure(database *db, int rc, error_text *err) ON_STORE;
void database_forget_statements(database *db) ON_STORE; /* before its close */

/* ---- rows as structs ---- */

/* How a row of the database becomes a struct: read takes the columns in order. */
typedef struct row_kind {
    size_t bytes;
    void (*read)(statement *q, void *row);
    void (*free)(void *row);
} row_kind;

/* The first row, or STORE_NOT_FOUND ("no <what>"). Ends q. */
store_status statement_one(statement *q, const row_kind *kind, const char *what, void *row,
                           error_text *err) ON_STORE;
/* At most `limit` rows as a malloc'd array; *more (may be NULL): there was a further one. Nothing
 * is given on failure. Ends q. */
store_status statement_all(statement *q, const row_kind *kind, uint32_t limit, void **rows,
                           size_t *n, bool *more, error_text *err) ON_STORE;

#endif
