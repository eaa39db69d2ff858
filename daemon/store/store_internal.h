/* How the files of store/ reach the store thread. */
#ifndef DAEMON_STORE_STORE_INTERNAL_H
#define DAEMON_STORE_STORE_INTERNAL_H

#include "store/statement.h"
#include "store/store.h"
#include "store/store_human.h"

/* What a call does on the store thread. An operation that fails leaves nothing changed: it runs in
 * a savepoint. It may run a second time if the transaction that it was part of was lost. */
typedef store_status store_op(database *db, void *arg, error_text *err);

/* Runs op on the store thread and waits for its answer; arg stays the caller's. */
store_status store__read(store *s, store_op *op, void *arg, error_text *err);
/* Likewise, outside of any transaction: what is under way is committed first. */
store_status store__alone(store *s, store_op *op, void *arg, error_text *err);
/* Likewise, and waits until what it wrote is synced. */
store_status store__write(store *s, store_op *op, void *arg, error_text *err);

/* A write that is synced later: the first member of a malloc'd struct, with copies of all it
 * needs. */
typedef struct store_queued {
    struct store_queued *next;
    store_op *op; /* arg is this struct */
    void (*free)(struct store_queued *w);
} store_queued;

/* Runs w->op and answers; w is the store's from here on, whatever the answer, and freed when it is
 * synced. */
store_status store__queue(store *s, store_queued *w, error_text *err);

/* Likewise, without waiting for an answer; any thread, the loop included. False: too much waits or
 * memory is out, and w is freed. What cannot be written later is dropped, with a line in the log.
 */
bool store__post(store *s, store_queued *w);

/* ---- reading a table ---- */

/* A table as it is read by id and by pages: SQL literals, with their parameters beside them. NULL
 * where nobody asks. */
typedef struct row_table {
    row_kind rows;
    const char *what;   /* "file of this id": what store__get did not find */
    const char *get;    /* id */
    const char *find;   /* id, [of]: the key of that row, which pages are ordered by */
    const char *newest; /* [of], [mask], key, limit: rows below the key, newest first */
    const char *oldest; /* likewise above it, oldest first */
} row_table;

/* A page of what. */
typedef struct row_list {
    store_page page;
    const char *of; /* a job, an alias; NULL where there is one list only */
    int64_t mask;   /* of statuses; 0 where there are none */
} row_list;

/* STORE_NOT_FOUND: "no <what>". */
store_status store__get(store *s, const row_table *t, const char *id, void *out, error_text *err);
/* As store_page says. */
store_status store__list(store *s, const row_table *t, row_list what, void **rows, size_t *n,
                         bool *more, error_text *err);
/* Rows beyond `after`, oldest first, at most limit. sql: a literal whose parameters are of (unless
 * it is NULL), after and limit. */
store_status store__beyond(store *s, const char *sql, const row_kind *kind, const char *of,
                           uint64_t after, uint32_t limit, void **rows, size_t *n, error_text *err);

/* The start of a query that counts what a source keeps back: rows that lost their text, and others
 * whose owner does not share. erased, shares: conditions, literals. */
#define STORE__WITHHELD(erased, shares)                                                            \
    "SELECT coalesce(sum(NOT " erased " AND NOT " shares "), 0), coalesce(sum(" erased "), 0)"
store_status store__withheld(store *s, const char *sql, store_withheld *out, error_text *err);

/* ---- on the store thread, between the files that know one table each ---- */

/* A row of the audit, in the transaction of what it tells of. actor: NULL = unknown. */
store_status store__audit(database *db, const char *actor, const char *event, const char *object,
                          error_text *err) ON_STORE;
/* As store_request_get. */
store_status store__request_find(database *db, const char *user, const char *id, store_request *out,
                                 error_text *err) ON_STORE;
/* As store_task_get. */
store_status store__task_load(database *db, const char *id, store_task *out,
                              error_text *err) ON_STORE;
/* May this labeler label the task? STORE_NOT_FOUND: they never held it, or it was erased;
 * STORE_CONFLICT: they have labelled or skipped it. */
store_status store__lease_check(database *db, const char *labeler, const char *task,
                                error_text *err) ON_STORE;
/* They are done with it; a label counts towards the task's overlap. */
store_status store__lease_end(database *db, const char *labeler, const char *task, bool labelled,
                              error_text *err) ON_STORE;

/* STORE_UNAVAILABLE with its text. */
store_status store__no_memory(error_text *err);

#endif
