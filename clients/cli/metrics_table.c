#include "metrics_table.h"

#include "table.h"

enum { COLUMNS_MAX = 64 };

static bool has_number(const cJSON *column)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, column)
    {
        if (cJSON_IsNumber(one))
            return true;
    }
    return false;
}

static void put_value(const cJSON *value, table *t)
{
    if (cJSON_IsNumber(value))
        table_cellf(t, "%.6g", value->valuedouble);
    else
        table_cell(t, NULL);
}

exit_code metrics_table_print(const cJSON *metrics, terminal *out, problem *p)
{
    const cJSON *columns = cJSON_GetObjectItemCaseSensitive(metrics, "columns"), *column;
    const char *names[COLUMNS_MAX];
    const cJSON *next[COLUMNS_MAX]; /* the value of the row to come */
    size_t n = 0;
    if (!cJSON_IsObject(columns))
        return problem_set(p, EXIT_SERVER, "the server's metrics have no columns");
    cJSON_ArrayForEach(column, columns)
    {
        if (n < COLUMNS_MAX && cJSON_IsArray(column) && has_number(column)) {
            names[n] = column->string;
            next[n++] = column->child;
        }
    }
    if (!n)
        return EXIT_DONE;
    table t;
    table_init(&t, names, n);
    t.always_headed = true;
    while (next[0] && !t.failed)
        for (size_t c = 0; c < n; c++) {
            put_value(next[c], &t);
            next[c] = next[c] ? next[c]->next : NULL;
        }
    table_print(&t, out);
    table_free(&t);
    return EXIT_DONE;
}
