/* The policies that a job needs on disk. */
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct need {
    const char *job, *policy;
} need;

ON_STORE static store_status run_with(database *db, const char *sql, const need *n, error_text *err)
{
    statement q = statement_begin(db, sql);
    bind_text(&q, n->job);
    bind_text(&q, n->policy);
    return statement_run(&q, err);
}

ON_STORE static store_status put(database *db, void *arg, error_text *err)
{
    return run_with(db, "INSERT INTO needs (job, policy) VALUES (?, ?) ON CONFLICT DO NOTHING", arg,
                    err);
}

store_status store_need_put(store *s, const char *job, const char *policy, error_text *err)
{
    need n = {job, policy};
    return store__write(s, put, &n, err);
}

ON_STORE static store_status drop(database *db, void *arg, error_text *err)
{
    return run_with(db, "DELETE FROM needs WHERE job = ? AND policy = ?", arg, err);
}

store_status store_need_drop(store *s, const char *job, const char *policy, error_text *err)
{
    need n = {job, policy};
    return store__write(s, drop, &n, err);
}

typedef struct list_args {
    const char *job;
    store_need *needs;
    size_t n, cap;
} list_args;

/* False: no memory. */
static bool add(list_args *a, const char *policy)
{
    if (a->n == a->cap) {
        const size_t cap = a->cap ? 2 * a->cap : 8;
        store_need *needs = realloc(a->needs, cap * sizeof *needs);
        if (!needs)
            return false;
        a->needs = needs;
        a->cap = cap;
    }
    snprintf(a->needs[a->n++].policy, sizeof a->needs->policy, "%s", policy);
    return true;
}

ON_STORE static store_status list(database *db, void *arg, error_text *err)
{
    list_args *a = arg;
    bool good = true;
    statement q = statement_begin(db, "SELECT policy FROM needs WHERE job = ?");
    bind_text(&q, a->job);
    while (good && statement_row(&q)) {
        char *policy = column_text(&q);
        good = policy && add(a, policy);
        free(policy);
    }
    const store_status status = statement_end(&q, err);
    return status == STORE_OK && !good ? store__no_memory(err) : status;
}

store_status store_need_list(store *s, const char *job, store_need **needs, size_t *n,
                             error_text *err)
{
    list_args a = {.job = job};
    const store_status status = store__read(s, list, &a, err);
    if (status != STORE_OK) {
        free(a.needs);
        a = (list_args){0};
    }
    *needs = a.needs;
    *n = a.n;
    return status;
}
