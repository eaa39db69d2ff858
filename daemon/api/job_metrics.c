#include "api/jobs.h"

#include "api/json_out.h"
#include "base/limits.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* The rows' trees, and the names that any of them has, in the order of their first appearance. */
typedef struct columns {
    cJSON **rows; /* [n] */
    size_t n;
    const char *names[LIMIT_JOB_METRICS * 2]; /* of the trees */
    size_t n_names;
} columns;

static void note_name(columns *c, const char *name)
{
    for (size_t i = 0; i < c->n_names; i++)
        if (strcmp(c->names[i], name) == 0)
            return;
    if (c->n_names < sizeof c->names / sizeof c->names[0])
        c->names[c->n_names++] = name;
}

static bool read_rows(columns *c, const store_metrics_row *rows, size_t n)
{
    *c = (columns){.rows = calloc(n + 1, sizeof *c->rows), .n = n};
    for (size_t i = 0; c->rows && i < n; i++) {
        const cJSON *value;
        c->rows[i] = cJSON_Parse(rows[i].values_json);
        if (!c->rows[i])
            return false;
        cJSON_ArrayForEach(value, c->rows[i])
        {
            note_name(c, value->string);
        }
    }
    return c->rows != NULL;
}

static void free_rows(columns *c)
{
    for (size_t i = 0; c->rows && i < c->n; i++)
        cJSON_Delete(c->rows[i]);
    free(c->rows);
}

static void put_steps(buf *out, const store_metrics_row *rows, size_t n)
{
    JSON_LIT(out, "\"step\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_putc(out, ',');
        json_uint(out, rows[i].step);
    }
    buf_putc(out, ']');
}

static void put_column(buf *out, const columns *c, const char *name)
{
    buf_putc(out, ',');
    json_cstring(out, name);
    JSON_LIT(out, ":[");
    for (size_t i = 0; i < c->n; i++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(c->rows[i], name);
        if (i)
            buf_putc(out, ',');
        if (cJSON_IsNumber(v))
            json_double(out, v->valuedouble);
        else
            JSON_LIT(out, "null");
    }
    buf_putc(out, ']');
}

bool api_job_metrics_write(buf *out, const store_metrics_row *rows, size_t n, bool more)
{
    columns c;
    bool good = read_rows(&c, rows, n);
    if (good) {
        JSON_LIT(out, "{\"columns\":{");
        put_steps(out, rows, n);
        for (size_t i = 0; i < c.n_names; i++)
            put_column(out, &c, c.names[i]);
        JSON_LIT(out, "},\"has_more\":");
        json_bool(out, more);
        buf_putc(out, '}');
    }
    free_rows(&c);
    return good;
}
