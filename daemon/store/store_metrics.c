#include "store/store_internal.h"

#include "api/json_out.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

ON_STORE static void read_row(statement *q, void *row)
{
    store_metrics_row *r = row;
    r->step = column_u64(q);
    r->values_json = column_text(q);
}

static void free_row(void *row)
{
    free(((store_metrics_row *)row)->values_json);
}

static const row_kind metrics_rows = {sizeof(store_metrics_row), read_row, free_row};

/* ---- putting ---- */

typedef struct put_write {
    store_queued queued;
    char *job, *values_json;
    uint64_t step;
} put_write;

static void free_put(store_queued *w)
{
    put_write *p = (put_write *)(void *)w;
    free(p->job);
    free(p->values_json);
    free(p);
}

/* What a resumed job had told of later steps is told anew by it. */
ON_STORE static store_status put(database *db, void *arg, error_text *err)
{
    const put_write *p = arg;
    statement old = statement_begin(db, "DELETE FROM metrics WHERE job = ? AND step >= ?");
    bind_text(&old, p->job);
    bind_u64(&old, p->step);
    const store_status status = statement_run(&old, err);
    if (status != STORE_OK)
        return status;
    statement q =
        statement_begin(db, "INSERT INTO metrics (job, step, values_json) VALUES (?,?,?)");
    bind_text(&q, p->job);
    bind_u64(&q, p->step);
    bind_text(&q, p->values_json);
    return statement_run(&q, err);
}

/* {"loss":1.25,"kl":null}, malloc'd; NULL when memory is out. */
static char *values_to_json(const store_metric *values, size_t n)
{
    buf out;
    buf_init(&out, LIMIT_STORE_METRICS_BYTES);
    buf_putc(&out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_putc(&out, ',');
        json_cstring(&out, values[i].name);
        buf_putc(&out, ':');
        json_double(&out, values[i].value);
    }
    buf_putc(&out, '}');
    size_t len;
    return buf_take(&out, &len);
}

store_status store_metrics_put(store *s, const char *job, uint64_t step, const store_metric *values,
                               size_t n, error_text *err)
{
    put_write *p = calloc(1, sizeof *p);
    if (!p)
        return store__no_memory(err);
    *p = (put_write){.queued = {.op = put, .free = free_put}, .job = strdup(job), .step = step};
    p->values_json = values_to_json(values, n);
    if (!p->job || !p->values_json) {
        free_put(&p->queued);
        return store__no_memory(err);
    }
    return store__queue(s, &p->queued, err);
}

/* ---- reading ---- */

store_status store_metrics_since(store *s, const char *job, uint64_t since, uint32_t limit,
                                 store_metrics_row **rows, size_t *n, error_text *err)
{
    return store__beyond(s,
                         "SELECT step, values_json FROM metrics WHERE job = ? AND step > ?"
                         " ORDER BY step LIMIT ?",
                         &metrics_rows, job, since, limit, (void **)rows, n, err);
}
