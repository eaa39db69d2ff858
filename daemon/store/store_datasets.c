/* Data sets that were built, and which rows went into them. */
#include "store/store_human.h"
#include "store/store_internal.h"

#include <stdlib.h>

#define COLUMNS                                                                                    \
    "id, name, kind, parameters_json, manifest_json, train_file, valid_file, test_file,"           \
    " created_by, stale, created_at"

void store_dataset_free(store_dataset *d)
{
    char *const strings[] = {
        d->id,         d->name,       d->kind,      d->parameters_json, d->manifest_json,
        d->train_file, d->valid_file, d->test_file, d->created_by};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
}

ON_STORE static void read_row(statement *q, void *row)
{
    store_dataset *d = row;
    d->id = column_text(q);
    d->name = column_text(q);
    d->kind = column_text(q);
    d->parameters_json = column_text(q);
    d->manifest_json = column_text(q);
    d->train_file = column_text(q);
    d->valid_file = column_text(q);
    d->test_file = column_text(q);
    d->created_by = column_text(q);
    d->stale = column_i64(q);
    d->created_at = column_i64(q);
}

static void free_row(void *row)
{
    store_dataset_free(row);
}

static const row_table datasets = {
    .rows = {sizeof(store_dataset), read_row, free_row},
    .what = "data set of this id",
    .get = "SELECT " COLUMNS " FROM datasets WHERE id = ?",
    .find = "SELECT row FROM datasets WHERE id = ?",
    .newest = "SELECT " COLUMNS " FROM datasets WHERE row < ? ORDER BY row DESC LIMIT ?",
};

/* ---- writing ---- */

typedef struct insert_args {
    const store_dataset *set;
    const char *const *rows;
    size_t n;
} insert_args;

ON_STORE static store_status put_set(database *db, const store_dataset *d, error_text *err)
{
    statement q = statement_begin(db, "INSERT INTO datasets (" COLUMNS ")"
                                      " VALUES (?,?,?,?,?,?,?,?,?,?,?)");
    bind_text(&q, d->id);
    bind_text(&q, d->name);
    bind_text(&q, d->kind);
    bind_text(&q, d->parameters_json);
    bind_text(&q, d->manifest_json);
    bind_text(&q, d->train_file);
    bind_text(&q, d->valid_file);
    bind_text(&q, d->test_file);
    bind_text(&q, d->created_by);
    bind_i64(&q, d->stale);
    bind_i64(&q, d->created_at);
    return statement_run(&q, err);
}

/* Somebody may have had their text erased after the rows were read. */
static const char mark_if_erased[] =
    "UPDATE datasets SET stale = 1 WHERE id = ?1 AND EXISTS (SELECT 1 FROM dataset_rows d"
    " WHERE d.dataset = ?1 AND d.source IN (SELECT id FROM prompts WHERE erased_at <> 0"
    " UNION SELECT id FROM demonstrations WHERE erased_at <> 0"
    " UNION SELECT r.id FROM rankings r JOIN tasks t ON t.id = r.task"
    " WHERE r.erased_at <> 0 OR t.erased_at <> 0))";

ON_STORE static store_status insert(database *db, void *arg, error_text *err)
{
    const insert_args *a = arg;
    store_status status = put_set(db, a->set, err);
    for (size_t i = 0; i < a->n && status == STORE_OK; i++) {
        statement q = statement_begin(
            db, "INSERT OR IGNORE INTO dataset_rows (source, dataset) VALUES (?,?)");
        bind_text(&q, a->rows[i]);
        bind_text(&q, a->set->id);
        status = statement_run(&q, err);
    }
    if (status != STORE_OK)
        return status;
    statement q = statement_begin(db, mark_if_erased);
    bind_text(&q, a->set->id);
    status = statement_run(&q, err);
    return status == STORE_OK
               ? store__audit(db, a->set->created_by, "dataset.built", a->set->id, err)
               : status;
}

store_status store_dataset_insert(store *s, const store_dataset *d, const char *const *rows,
                                  size_t n, error_text *err)
{
    insert_args a = {d, rows, n};
    return store__write(s, insert, &a, err);
}

/* ---- reading ---- */

store_status store_dataset_get(store *s, const char *id, store_dataset *out, error_text *err)
{
    return store__get(s, &datasets, id, out, err);
}

store_status store_dataset_list(store *s, store_page page, store_dataset **rows, size_t *n,
                                bool *more, error_text *err)
{
    return store__list(s, &datasets, (row_list){.page = page}, (void **)rows, n, more, err);
}
