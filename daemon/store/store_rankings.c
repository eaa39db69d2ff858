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
/* The owner of a task's prompt, if it has one, shares. */
#define OWNER_SHARES                                                                               \
    "(t.owner = '' OR EXISTS (SELECT 1 FROM people WHERE name = t.owner AND share = 1))"

/* Which rankings serve what. Data sets see those that have their text and its owner's consent. */
#define OF_TRAINING "r.role <> 'heldout' AND r.kind = 'rank' AND r.gold = 0"
#define OF_HELDOUT(criterion)                                                                      \
    "r.role = 'heldout' AND r.kind = 'eval' AND r.criterion = '" criterion "'"
#define ERASED "(r.erased_at <> 0 OR t.erased_at <> 0)"
#define FROM_RANKINGS " FROM rankings r JOIN tasks t ON t.id = r.task WHERE "
#define USABLE(which)                                                                              \
    "SELECT " COLUMNS FROM_RANKINGS which " AND NOT " ERASED " AND " OWNER_SHARES                  \
    " AND r.row > ? ORDER BY r.row LIMIT ?"
#define WITHHELD(which) STORE__WITHHELD(ERASED, OWNER_SHARES) FROM_RANKINGS which

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
    return store__beyond(s, USABLE(OF_TRAINING), &ranking_rows, NULL, after, limit, (void **)rows,
                         n, err);
}

store_status store_train_rankings_withheld(store *s, store_withheld *out, error_text *err)
{
    return store__withheld(s, WITHHELD(OF_TRAINING), out, err);
}

store_status store_heldout_rankings(store *s, const char *criterion, uint64_t after, uint32_t limit,
                                    store_ranking **rows, size_t *n, error_text *err)
{
    const bool toxicity = strcmp(criterion, "toxicity") == 0;
    return store__beyond(s,
                         toxicity ? USABLE(OF_HELDOUT("toxicity")) : USABLE(OF_HELDOUT("general")),
                         &ranking_rows, NULL, after, limit, (void **)rows, n, err);
}

store_status store_heldout_rankings_withheld(store *s, const char *criterion, store_withheld *out,
                                             error_text *err)
{
    const bool toxicity = strcmp(criterion, "toxicity") == 0;
    return store__withheld(
        s, toxicity ? WITHHELD(OF_HELDOUT("toxicity")) : WITHHELD(OF_HELDOUT("general")), out, err);
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

#define DEMONSTRATION_COLUMNS                                                                      \
    "d.id, d.submission, d.labeler, d.role, d.task, d.prompt_kind, d.prompt, d.category,"          \
    " d.completion, d.source, d.base_request, d.guideline, d.created_at, d.row"
/* One without a task is its labeler's own. */
#define FROM_DEMONSTRATIONS                                                                        \
    " FROM demonstrations d LEFT JOIN tasks t ON t.id = d.task WHERE d.role <> 'heldout'"
#define DEMONSTRATION_ERASED "(d.erased_at <> 0 OR coalesce(t.erased_at, 0) <> 0)"
#define DEMONSTRATION_SHARED "(t.id IS NULL OR " OWNER_SHARES ")"

store_status store_train_demonstrations(store *s, uint64_t after, uint32_t limit,
                                        store_demonstration **rows, size_t *n, error_text *err)
{
    return store__beyond(s,
                         "SELECT " DEMONSTRATION_COLUMNS FROM_DEMONSTRATIONS
                         " AND NOT " DEMONSTRATION_ERASED " AND " DEMONSTRATION_SHARED
                         " AND d.row > ? ORDER BY d.row LIMIT ?",
                         &demonstration_rows, NULL, after, limit, (void **)rows, n, err);
}

store_status store_train_demonstrations_withheld(store *s, store_withheld *out, error_text *err)
{
    return store__withheld(
        s, STORE__WITHHELD(DEMONSTRATION_ERASED, DEMONSTRATION_SHARED) FROM_DEMONSTRATIONS, out,
        err);
}
