/* Who has which task in hand. A lease stays as a row when it has run out: only who once held a task
 * may label it. */
#include "store/store_human.h"
#include "store/store_internal.h"

#include <stdlib.h>

enum { GOLD_EVERY = 10, GOLD_AT = 4 }; /* of the tasks a labeler is given, the fifth of ten */

typedef struct lease_args {
    const char *kind, *after;
    const store_labeler *who;
    int64_t now;
    store_task *out;
    int64_t *expires_at;
} lease_args;

/* A prompt's owner must share it at the time it is handed out. */
#define FREE_TO_SHOW                                                                               \
    "t.erased_at = 0 AND (t.owner = ''"                                                            \
    " OR EXISTS (SELECT 1 FROM people WHERE name = t.owner AND share = 1))"
/* Not in this labeler's hand now, nor done with by them. */
#define NEW_TO_LABELER                                                                             \
    "NOT EXISTS (SELECT 1 FROM leases l WHERE l.task = t.id AND l.labeler = ?2"                    \
    " AND (l.ended = 1 OR l.expires_at > ?3)) AND t.id <> ?4"
#define OPEN_TASKS "SELECT t.id FROM tasks t WHERE t.kind = ?1 AND t.state = 1"
_Static_assert(STORE_TASK_OPEN == 1, "OPEN_TASKS");

static const char in_hand[] =
    "SELECT t.id FROM leases l JOIN tasks t ON t.id = l.task WHERE t.kind = ?1 AND l.labeler = ?2"
    " AND l.expires_at > ?3 AND l.ended = 0 AND t.id <> ?4 AND " FREE_TO_SHOW
    " ORDER BY l.given_at, t.row LIMIT 1";

/* Labels given and hands that hold it count against the overlap. */
static const char wanted[] =
    OPEN_TASKS " AND t.gold = 0 AND " NEW_TO_LABELER " AND " FREE_TO_SHOW
               " AND t.overlap > t.n_labels + (SELECT count(*) FROM leases l WHERE l.task = t.id"
               " AND l.labeler <> ?2 AND l.ended = 0 AND l.expires_at > ?3) ORDER BY t.row LIMIT 1";

#define HAS_REFERENCE                                                                              \
    "EXISTS (SELECT 1 FROM rankings r WHERE r.task = t.id AND r.role = 'researcher'"               \
    " AND r.erased_at = 0)"

static const char gold[] = OPEN_TASKS " AND t.gold = 1 AND " HAS_REFERENCE " AND " NEW_TO_LABELER
                                      " AND " FREE_TO_SHOW " ORDER BY t.row LIMIT 1";

static const char without_reference[] =
    OPEN_TASKS " AND t.gold = 1 AND NOT " HAS_REFERENCE " AND " NEW_TO_LABELER " AND " FREE_TO_SHOW
               " ORDER BY t.row LIMIT 1";

/* The id that one of the queries above gives, malloc'd in *id, or NULL. */
ON_STORE static store_status look(database *db, const char *sql, const lease_args *a, char **id,
                                  error_text *err)
{
    statement q = statement_begin(db, sql);
    bind_text(&q, a->kind);
    bind_text(&q, a->who->user);
    bind_i64(&q, a->now);
    bind_text(&q, a->after);
    *id = statement_row(&q) ? column_text(&q) : NULL;
    const store_status status = statement_end(&q, err);
    if (status != STORE_OK) {
        free(*id);
        *id = NULL;
    }
    return status;
}

ON_STORE static store_status count_given(database *db, const lease_args *a, int64_t *n,
                                         error_text *err)
{
    statement q = statement_begin(db, "SELECT count(*) FROM leases l JOIN tasks t ON t.id = l.task"
                                      " WHERE l.labeler = ? AND t.kind = ?");
    bind_text(&q, a->who->user);
    bind_text(&q, a->kind);
    *n = statement_row(&q) ? column_i64(&q) : 0;
    return statement_end(&q, err);
}

/* What to give, in order: what is in hand; a researcher's missing references; gold when its turn
 * has come, else ordinary tasks, else the other of the two. */
ON_STORE static store_status choose(database *db, const lease_args *a, char **id, error_text *err)
{
    int64_t given;
    store_status status = look(db, in_hand, a, id, err);
    if (status == STORE_OK && !*id && a->who->reference)
        status = look(db, without_reference, a, id, err);
    if (status != STORE_OK || *id)
        return status;
    status = count_given(db, a, &given, err);
    const bool gold_first = given % GOLD_EVERY == GOLD_AT;
    if (status == STORE_OK)
        status = look(db, gold_first ? gold : wanted, a, id, err);
    if (status == STORE_OK && !*id)
        status = look(db, gold_first ? wanted : gold, a, id, err);
    return status;
}

/* A lease that still runs keeps the time at which it was given, so that tasks stay in order. */
ON_STORE static store_status put(database *db, const lease_args *a, const char *task,
                                 error_text *err)
{
    *a->expires_at = a->now + STORE_LEASE_S;
    statement q = statement_begin(
        db, "INSERT INTO leases (labeler, task, given_at, expires_at) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT DO UPDATE SET expires_at = ?4,"
            " given_at = iif(expires_at > ?3, given_at, ?3)");
    bind_text(&q, a->who->user);
    bind_text(&q, task);
    bind_i64(&q, a->now);
    bind_i64(&q, *a->expires_at);
    return statement_run(&q, err);
}

ON_STORE static store_status lease(database *db, void *arg, error_text *err)
{
    const lease_args *a = arg;
    char *id;
    store_status status = choose(db, a, &id, err);
    if (status == STORE_OK && !id) {
        error_text_set(err, "no task waits for this labeler");
        return STORE_NOT_FOUND;
    }
    if (status == STORE_OK)
        status = put(db, a, id, err);
    if (status == STORE_OK)
        status = store__task_load(db, id, a->out, err);
    free(id);
    return status;
}

store_status store_task_lease(store *s, const char *kind, const store_labeler *who,
                              const char *after, int64_t now, store_task *out, int64_t *expires_at,
                              error_text *err)
{
    lease_args a = {kind, after, who, now, out, expires_at};
    *out = (store_task){0};
    const store_status status = store__write(s, lease, &a, err);
    if (status != STORE_OK) { /* filled in before the transaction was lost */
        store_task_free(out);
        *out = (store_task){0};
    }
    return status;
}

store_status store__lease_check(database *db, const char *labeler, const char *task,
                                error_text *err)
{
    statement q = statement_begin(db, "SELECT l.ended FROM leases l JOIN tasks t ON t.id = l.task"
                                      " WHERE l.labeler = ? AND l.task = ? AND t.erased_at = 0");
    bind_text(&q, labeler);
    bind_text(&q, task);
    const bool found = statement_row(&q);
    const bool ended = found && column_i64(&q);
    const store_status status = statement_end(&q, err);
    if (status != STORE_OK)
        return status;
    if (!found)
        error_text_set(err, "no task of this id was given to this labeler");
    else if (ended)
        error_text_set(err, "this labeler has dealt with this task already");
    return !found ? STORE_NOT_FOUND : ended ? STORE_CONFLICT : STORE_OK;
}

store_status store__lease_end(database *db, const char *labeler, const char *task, bool labelled,
                              error_text *err)
{
    statement q = statement_begin(db, "UPDATE leases SET ended = 1 WHERE labeler = ? AND task = ?");
    bind_text(&q, labeler);
    bind_text(&q, task);
    const store_status status = statement_run(&q, err);
    if (status != STORE_OK || !labelled)
        return status;
    statement t = statement_begin(db, "UPDATE tasks SET n_labels = n_labels + 1,"
                                      " state = iif(gold = 0 AND n_labels + 1 >= overlap, ?, state)"
                                      " WHERE id = ?");
    bind_i64(&t, STORE_TASK_DONE);
    bind_text(&t, task);
    return statement_run(&t, err);
}
