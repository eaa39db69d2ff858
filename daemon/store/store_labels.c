/* Labels as they come in: each once, each for good. */
#include "store/store_human.h"
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* A row on its way in, whatever its kind. */
typedef struct submission {
    const char *id, *labeler, *name /* the client's */, *task /* or NULL */;
    const char *find_sql; /* the id of this labeler's row of this name */
    bool is_label;        /* else a skip */
    store_status (*put)(database *db, const struct submission *s, error_text *err);
    const void *row;
    store_submitted *out;
} submission;

/* Has it been there before? */
ON_STORE static store_status find_repeated(database *db, const submission *s, error_text *err)
{
    statement q = statement_begin(db, s->find_sql);
    bind_text(&q, s->labeler);
    bind_text(&q, s->name);
    char *id = statement_row(&q) ? column_text(&q) : NULL;
    const store_status status = statement_end(&q, err);
    s->out->repeated = status == STORE_OK && id;
    if (s->out->repeated)
        snprintf(s->out->id, sizeof s->out->id, "%s", id);
    free(id);
    return status;
}

ON_STORE static store_status insert(database *db, void *arg, error_text *err)
{
    const submission *s = arg;
    store_status status = find_repeated(db, s, err);
    if (status != STORE_OK || s->out->repeated)
        return status;
    if (s->task)
        status = store__lease_check(db, s->labeler, s->task, err);
    if (status == STORE_OK)
        status = s->put(db, s, err);
    if (status == STORE_OK && s->task)
        status = store__lease_end(db, s->labeler, s->task, s->is_label, err);
    snprintf(s->out->id, sizeof s->out->id, "%s", s->id);
    return status;
}

/* ---- the three kinds ---- */

/* Kind, criterion, guideline and gold are the task's: the client has no say in what its label
 * counts for. */
ON_STORE static store_status put_ranking(database *db, const submission *s, error_text *err)
{
    const store_ranking *r = s->row;
    statement q = statement_begin(
        db, "INSERT INTO rankings (id, submission, labeler, role, task, shown_json, ratings_json,"
            " groups_json, comment, rate_ms, rank_ms, created_at, kind, guideline, gold,"
            " criterion)"
            " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, kind, guideline, gold,"
            " criterion"
            " FROM tasks WHERE id = ?5");
    bind_text(&q, r->id);
    bind_text(&q, r->submission);
    bind_text(&q, r->labeler);
    bind_text(&q, r->role);
    bind_text(&q, r->task);
    bind_text(&q, r->shown_json);
    bind_text(&q, r->ratings_json);
    bind_text(&q, r->groups_json);
    bind_text(&q, r->comment);
    bind_u64(&q, r->rate_ms);
    bind_u64(&q, r->rank_ms);
    bind_i64(&q, r->created_at);
    return statement_run(&q, err);
}

store_status store_ranking_insert(store *s, const store_ranking *r, store_submitted *out,
                                  error_text *err)
{
    submission sub = {
        .id = r->id,
        .labeler = r->labeler,
        .name = r->submission,
        .task = r->task,
        .find_sql = "SELECT id FROM rankings WHERE labeler = ? AND submission = ?",
        .is_label = true,
        .put = put_ranking,
        .row = r,
        .out = out,
    };
    return store__write(s, insert, &sub, err);
}

ON_STORE static store_status put_demonstration(database *db, const submission *s, error_text *err)
{
    const store_demonstration *d = s->row;
    statement q = statement_begin(
        db, "INSERT INTO demonstrations (id, submission, labeler, role, task, prompt_kind, prompt,"
            " category, completion, source, base_request, guideline, created_at)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)");
    bind_text(&q, d->id);
    bind_text(&q, d->submission);
    bind_text(&q, d->labeler);
    bind_text(&q, d->role);
    bind_text(&q, d->task);
    bind_text(&q, d->prompt_kind);
    bind_text(&q, d->prompt);
    bind_text(&q, d->category);
    bind_text(&q, d->completion);
    bind_text(&q, d->source);
    bind_text(&q, d->base_request);
    bind_i64(&q, d->guideline);
    bind_i64(&q, d->created_at);
    return statement_run(&q, err);
}

store_status store_demonstration_insert(store *s, const store_demonstration *d,
                                        store_submitted *out, error_text *err)
{
    submission sub = {
        .id = d->id,
        .labeler = d->labeler,
        .name = d->submission,
        .task = d->task,
        .find_sql = "SELECT id FROM demonstrations WHERE labeler = ? AND submission = ?",
        .is_label = true,
        .put = put_demonstration,
        .row = d,
        .out = out,
    };
    return store__write(s, insert, &sub, err);
}

ON_STORE static store_status put_skip(database *db, const submission *s, error_text *err)
{
    const store_skip *k = s->row;
    statement q = statement_begin(db, "INSERT INTO skips (id, submission, labeler, role, task,"
                                      " reason, note, created_at) VALUES (?,?,?,?,?,?,?,?)");
    bind_text(&q, k->id);
    bind_text(&q, k->submission);
    bind_text(&q, k->labeler);
    bind_text(&q, k->role);
    bind_text(&q, k->task);
    bind_text(&q, k->reason);
    bind_text(&q, k->note);
    bind_i64(&q, k->created_at);
    return statement_run(&q, err);
}

store_status store_skip_insert(store *s, const store_skip *k, store_submitted *out, error_text *err)
{
    submission sub = {
        .id = k->id,
        .labeler = k->labeler,
        .name = k->submission,
        .task = k->task,
        .find_sql = "SELECT id FROM skips WHERE labeler = ? AND submission = ?",
        .put = put_skip,
        .row = k,
        .out = out,
    };
    return store__write(s, insert, &sub, err);
}
