/* Who shares what they type, and taking everything of a person back. */
#include "store/schema.h"
#include "store/store_human.h"
#include "store/store_internal.h"

#include <stdio.h>
#include <time.h>

/* ---- consent ---- */

typedef struct consent_args {
    const char *user;
    store_consent *consent;
} consent_args;

ON_STORE static store_status get_consent(database *db, void *arg, error_text *err)
{
    const consent_args *a = arg;
    statement q =
        statement_begin(db, "SELECT notice, share, decided_at FROM people WHERE name = ?");
    bind_text(&q, a->user);
    const bool found = statement_row(&q);
    if (found) {
        a->consent->notice = (uint32_t)column_i64(&q);
        a->consent->share = column_i64(&q);
        a->consent->decided_at = column_i64(&q);
    }
    const store_status status = statement_end(&q, err);
    if (status != STORE_OK || found)
        return status;
    error_text_set(err, "this person has made no choice");
    return STORE_NOT_FOUND;
}

store_status store_consent_get(store *s, const char *user, store_consent *out, error_text *err)
{
    consent_args a = {user, out};
    *out = (store_consent){0};
    return store__read(s, get_consent, &a, err);
}

ON_STORE static store_status put_consent(database *db, void *arg, error_text *err)
{
    const consent_args *a = arg;
    statement q = statement_begin(db, "INSERT OR REPLACE INTO people (name, notice, share,"
                                      " decided_at) VALUES (?,?,?,?)");
    bind_text(&q, a->user);
    bind_i64(&q, a->consent->notice);
    bind_i64(&q, a->consent->share);
    bind_i64(&q, a->consent->decided_at);
    const store_status status = statement_run(&q, err);
    char notice[32];
    snprintf(notice, sizeof notice, "notice-%u", (unsigned)a->consent->notice);
    return status == STORE_OK
               ? store__audit(db, a->user, a->consent->share ? "consent.share" : "consent.decline",
                              notice, err)
               : status;
}

store_status store_consent_put(store *s, const char *user, const store_consent *c, error_text *err)
{
    consent_args a = {user, (store_consent *)(uintptr_t)c};
    return store__write(s, put_consent, &a, err);
}

/* ---- erasing ---- */

typedef struct erase_args {
    const char *user;
    int64_t now;
    store_erasure *out;
} erase_args;

/* One step: a literal whose first parameter is the person and whose second, if any, is the time;
 * *n (NULL: not wanted) gets how many rows it changed. */
ON_STORE static store_status step(database *db, const char *sql, bool timed, const erase_args *a,
                                  uint64_t *n, error_text *err)
{
    statement q = statement_begin(db, sql);
    bind_text(&q, a->user);
    if (timed)
        bind_i64(&q, a->now);
    const store_status status = statement_run(&q, err);
    if (status == STORE_OK && n)
        *n += (uint64_t)database_changes(db);
    return status;
}

/* What the person's rows went into. Their ids stay, so it does not matter when this runs. */
static const char mark_stale[] =
    "UPDATE datasets SET stale = 1 WHERE stale = 0 AND id IN (SELECT d.dataset FROM dataset_rows d"
    " WHERE d.source IN (SELECT id FROM prompts WHERE user = ?1"
    " UNION SELECT id FROM rankings WHERE labeler = ?1"
    " UNION SELECT r.id FROM rankings r JOIN tasks t ON t.id = r.task WHERE t.owner = ?1"
    " UNION SELECT id FROM demonstrations WHERE labeler = ?1"
    " UNION SELECT d.id FROM demonstrations d JOIN tasks t ON t.id = d.task WHERE t.owner = ?1))";

/* Labels on tasks of the person's prompts may quote them: their texts go too. A demonstration is
 * text throughout; of a ranking only the comment is. */
ON_STORE static store_status erase(database *db, void *arg, error_text *err)
{
    const erase_args *a = arg;
    store_erasure *n = a->out;
    *n = (store_erasure){0};
    const struct {
        const char *sql;
        bool timed;
        uint64_t *n;
    } steps[] = {
        {mark_stale, false, &n->datasets},
        {"UPDATE prompts SET prompt = '', output = '', erased_at = ?2"
         " WHERE user = ?1 AND erased_at = 0",
         true, &n->prompts},
        {"UPDATE demonstrations SET prompt = '', completion = '', erased_at = ?2"
         " WHERE erased_at = 0 AND (labeler = ?1 OR"
         " task IN (SELECT id FROM tasks WHERE owner = ?1))",
         true, &n->demonstrations},
        {"UPDATE rankings SET comment = NULL, groups_json = '', ratings_json = '', erased_at = ?2"
         " WHERE labeler = ?1 AND erased_at = 0",
         true, &n->rankings},
        {"UPDATE rankings SET comment = NULL WHERE comment IS NOT NULL"
         " AND task IN (SELECT id FROM tasks WHERE owner = ?1)",
         false, NULL},
        {"UPDATE skips SET note = NULL, erased_at = ?2 WHERE labeler = ?1 AND erased_at = 0", true,
         &n->skips},
        {"UPDATE skips SET note = NULL WHERE note IS NOT NULL"
         " AND task IN (SELECT id FROM tasks WHERE owner = ?1)",
         false, NULL},
        {"DELETE FROM outputs WHERE task IN (SELECT id FROM tasks WHERE owner = ?1)", false, NULL},
        {"UPDATE tasks SET prompt = '', erased_at = ?2 WHERE owner = ?1 AND erased_at = 0", true,
         &n->tasks},
        {"DELETE FROM votes WHERE user = ?1", false, &n->votes},
        {"DELETE FROM requests WHERE user = ?1", false, NULL},
    };
    store_status status = STORE_OK;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == STORE_OK; i++)
        status = step(db, steps[i].sql, steps[i].timed, a, steps[i].n, err);
    return status == STORE_OK ? store__audit(db, a->user, "data.deleted", a->user, err) : status;
}

ON_STORE static store_status scrub(database *db, void *arg, error_text *err)
{
    (void)arg;
    return database_scrub(db, err);
}

store_status store_person_erase(store *s, const char *user, store_erasure *out, error_text *err)
{
    erase_args a = {user, time(NULL), out};
    const store_status status = store__write(s, erase, &a, err);
    return status == STORE_OK ? store__alone(s, scrub, NULL, err) : status;
}
