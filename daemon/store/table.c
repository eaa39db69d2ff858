/* Reading one table: by id, a page, what lies beyond a row. */
#include "store/store_internal.h"

/* ---- by id ---- */

typedef struct get_args {
    const row_table *table;
    const char *id;
    void *out;
} get_args;

ON_STORE static store_status get(database *db, void *arg, error_text *err)
{
    const get_args *a = arg;
    statement q = statement_begin(db, a->table->get);
    bind_text(&q, a->id);
    return statement_one(&q, &a->table->rows, a->table->what, a->out, err);
}

store_status store__get(store *s, const row_table *t, const char *id, void *out, error_text *err)
{
    get_args a = {t, id, out};
    return store__read(s, get, &a, err);
}

/* ---- pages ---- */

/* What a reading gives; nothing on failure. */
typedef struct found_rows {
    void *rows;
    size_t n;
    bool more;
} found_rows;

typedef struct list_args {
    const row_table *table;
    row_list list;
    found_rows found;
} list_args;

/* The key that the page's rows lie beyond: above it if oldest first, else below. */
ON_STORE static store_status find_start(database *db, const list_args *a, int64_t *key,
                                        error_text *err)
{
    const store_page *page = &a->list.page;
    *key = page->oldest_first ? INT64_MIN : INT64_MAX;
    if (!page->after[0])
        return STORE_OK;
    statement q = statement_begin(db, a->table->find);
    bind_text(&q, page->after);
    if (a->list.of)
        bind_text(&q, a->list.of);
    const bool found = statement_row(&q);
    if (found)
        *key = column_i64(&q);
    const store_status status = statement_end(&q, err);
    if (status != STORE_OK || found)
        return status;
    error_text_set(err, "after: no row '%.64s' in this list", page->after);
    return STORE_NOT_FOUND;
}

ON_STORE static store_status list(database *db, void *arg, error_text *err)
{
    list_args *a = arg;
    const store_page *page = &a->list.page;
    int64_t key;
    const store_status status = find_start(db, a, &key, err);
    if (status != STORE_OK)
        return status;
    statement q = statement_begin(db, page->oldest_first ? a->table->oldest : a->table->newest);
    if (a->list.of)
        bind_text(&q, a->list.of);
    if (a->list.mask)
        bind_i64(&q, a->list.mask);
    bind_i64(&q, key);
    bind_i64(&q, (int64_t)page->limit + 1);
    return statement_all(&q, &a->table->rows, page->limit, &a->found.rows, &a->found.n,
                         &a->found.more, err);
}

store_status store__list(store *s, const row_table *t, row_list what, void **rows, size_t *n,
                         bool *more, error_text *err)
{
    list_args a = {.table = t, .list = what};
    const store_status status = store__read(s, list, &a, err);
    *rows = a.found.rows;
    *n = a.found.n;
    *more = a.found.more;
    return status;
}

/* ---- beyond a row ---- */

typedef struct beyond_args {
    const char *sql, *of;
    const row_kind *kind;
    uint64_t after;
    uint32_t limit;
    found_rows found;
} beyond_args;

ON_STORE static store_status beyond(database *db, void *arg, error_text *err)
{
    beyond_args *a = arg;
    statement q = statement_begin(db, a->sql);
    if (a->of)
        bind_text(&q, a->of);
    bind_u64(&q, a->after);
    bind_i64(&q, a->limit);
    return statement_all(&q, a->kind, a->limit, &a->found.rows, &a->found.n, NULL, err);
}

store_status store__beyond(store *s, const char *sql, const row_kind *kind, const char *of,
                           uint64_t after, uint32_t limit, void **rows, size_t *n, error_text *err)
{
    beyond_args a = {.sql = sql, .kind = kind, .of = of, .after = after, .limit = limit};
    const store_status status = store__read(s, beyond, &a, err);
    *rows = a.found.rows;
    *n = a.found.n;
    return status;
}
