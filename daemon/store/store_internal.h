/* How the files of store/ reach the store thread. */
#ifndef DAEMON_STORE_STORE_INTERNAL_H
#define DAEMON_STORE_STORE_INTERNAL_H

#include "store/statement.h"
#include "store/store.h"

/* What a call does on the store thread. An operation that fails leaves nothing changed: it runs in
 * a savepoint. It may run a second time if the transaction that it was part of was lost. */
typedef store_status store_op(database *db, void *arg, error_text *err);

/* Runs op on the store thread and waits for its answer; arg stays the caller's. */
store_status store__read(store *s, store_op *op, void *arg, error_text *err);
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

/* STORE_UNAVAILABLE with its text. */
store_status store__no_memory(error_text *err);

#endif
