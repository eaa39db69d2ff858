/* Labels as they are read: for agreement, and for data sets. */
#include "store/store_human.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- rankings ---- */

#define COLUMNS                                                                                    \
    "r.id, r.submission, r.labeler, r.role, r.task, r.kind, r.shown_json, r.ratings_json,"         \
    " r.groups_json, r.comment, r.rate_ms, r.rank_ms, r.guideline, r.gold, r.created_at, r.row,"   \
    " r.criterion"
/* Rankings that data sets may see: their text is there, and so is its owner's consent. */
#define USABLE                                                                                     \
    "FROM rankings r JOIN tasks t ON t.id = r.task WHERE r.row > ?1 AND r.erased_at = 0"           \
    " AND t.erased_at = 0 AND (t.owner = ''"                                                       \
    " OR EXISTS (SELECT 1 FROM people WHERE name = t.owner AND share = 1))"

void store_ranking_free(store_ranking *r)
{
    char *const strings[] = {r->id,         r->submission,   r->labeler,    r->role,
                             r->task,       r->kind,         r->criterion,  r->comment,
                             r->shown_json, r->ratings_json, r->groups_json};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
}

ON_STORE static void read_ranking(statement *q, void *row)
{
    store_ranking *r = row;
    r->id = column_text(q);
    r->submission = column_text(q);
    r->labeler = column_text(q);
    r->role = column_text(q);
    r->task = column_text(q);
    r->kind = column_text(q);
    r->shown_json = column_text(q);
    r->ratings_json = column_text(q);
    r->groups_json = column_text(q);
    r->comment = column_text(q);
    r->rate_ms = column_u64(q);
    r->rank_ms = column_u64(q);
    r->guideline = (uint32_t)column_i64(q);
    r->gold = column_i64(q);
    r->created_at = column_i64(q);
    r->row = column_u64(q);
    r->criterion = column_text(q);
}

static void free_ranking(void *row)
{
    store_ranking_free(row);
}

static const row_kind ranking_rows = {sizeof(store_ranking), read_ranking, free_ranking};

store_status store_train_rankings(store *s, uint64_t after, uint32_t limit, store_ranking **rows,
                                  size_t *n, error_text *err)
{
    return store__beyond(s,
                         "SELECT " COLUMNS " " USABLE " AND r.role <> 'heldout'"
                         " AND r.kind = 'rank' AND r.gold = 0 ORDER BY r.row LIMIT ?2",
                         &ranking_rows, NULL, after, limit, (void **)rows, n, err);
}

#define HELDOUT(criterion)                                                                         \
    "SELECT " COLUMNS " " USABLE " AND r.role = 'heldout' AND r.kind = 'eval'"                     \
    " AND r.criterion = '" criterion "' ORDER BY r.row LIMIT ?2"

store_status store_heldout_rankings(store *s, const char *criterion, uint64_t after, uint32_t limit,
                                    store_ranking **rows, size_t *n, error_text *err)
{
    return store__beyond(
        s, strcmp(criterion, "toxicity") == 0 ? HELDOUT("toxicity") : HELDOUT("general"),
        &ranking_rows, NULL, after, limit, (void **)rows, n, err);
}

/* ---- of tasks that several people ranked ---- */

ON_STORE static void read_shared(statement *q, void *row)
{
    store_shared_ranking *r = row;
    read_ranking(q, &r->ranking);
    r->task_row = column_u64(q);
}

static void free_shared(void *row)
{
    store_ranking_free(&((store_shared_ranking *)row)->ranking);
}

static const row_kind shared_rows = {sizeof(store_shared_ranking), read_shared, free_shared};

typedef struct shared_args {
    uint64_t after_task_row, after_row;
    uint32_t limit;
    void *rows;
    size_t n;
} shared_args;

ON_STORE static store_status shared(database *db, void *arg, error_text *err)
{
    shared_args *a = arg;
    statement q = statement_begin(
        db, "SELECT " COLUMNS ", t.row FROM tasks t JOIN rankings r ON r.task = t.id"
            " WHERE (t.row, r.row) > (?, ?) AND t.n_labels > 1 AND r.erased_at = 0"
            " ORDER BY t.row, r.row LIMIT ?");
    bind_u64(&q, a->after_task_row);
    bind_u64(&q, a->after_row);
    bind_i64(&q, a->limit);
    return statement_all(&q, &shared_rows, a->limit, &a->rows, &a->n, NULL, err);
}

store_status store_rankings_shared(store *s, uint64_t after_task_row, uint64_t after_row,
                                   uint32_t limit, store_shared_ranking **rows, size_t *n,
                                   error_text *err)
{
    shared_args a = {.after_task_row = after_task_row, .after_row = after_row, .limit = limit};
    const store_status status = store__read(s, shared, &a, err);
    *rows = a.rows;
    *n = a.n;
    return status;
}

/* ---- demonstrations ---- */

void store_demonstration_free(store_demonstration *d)
{
    char *const strings[] = {d->id,         d->submission,  d->labeler,     d->role,
                             d->task,       d->prompt_kind, d->prompt,      d->category,
                             d->completion, d->source,      d->base_request};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
}

ON_STORE static void read_demonstration(statement *q, void *row)
{
    store_demonstration *d = row;
    d->id = column_text(q);
    d->submission = column_text(q);
    d->labeler = column_text(q);
    d->role = column_text(q);
    d->task = column_text(q);
    d->prompt_kind = column_text(q);
    d->prompt = column_text(q);
    d->category = column_text(q);
    d->completion = column_text(q);
    d->source = column_text(q);
    d->base_request = column_text(q);
    d->guideline = (uint32_t)column_i64(q);
    d->created_at = column_i64(q);
    d->row = column_u64(q);
}

static void free_demonstration(void *row)
{
    store_demonstration_free(row);
}

static const row_kind demonstration_rows = {sizeof(store_demonstration), read_demonstration,
                                            free_demonstration};

store_status store_train_demonstrations(store *s, uint64_t after, uint32_t limit,
                                        store_demonstration **rows, size_t *n, error_text *err)
{
    return store__beyond(
        s,
        "SELECT d.id, d.submission, d.labeler, d.role, d.task, d.prompt_kind, d.prompt, d.category,"
        " d.completion, d.source, d.base_request, d.guideline, d.created_at, d.row"
        " FROM demonstrations d LEFT JOIN tasks t ON t.id = d.task"
        " WHERE d.row > ? AND d.erased_at = 0 AND d.role <> 'heldout'"
        " AND (t.id IS NULL OR (t.erased_at = 0 AND (t.owner = ''"
        " OR EXISTS (SELECT 1 FROM people WHERE name = t.owner AND share = 1))))"
        " ORDER BY d.row LIMIT ?",
        &demonstration_rows, NULL, after, limit, (void **)rows, n, err);
}
