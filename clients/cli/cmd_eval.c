#include "commands.h"
#include "eval_rows.h"
#include "evaluation.h"
#include "input.h"
#include "json.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 256 << 20 };

static exit_code list_metrics(terminal *out)
{
    static const char *const headings[] = {"METRIC", "A ROW"};
    table t;
    size_t n;
    const eval_metric *m = eval_metrics(&n);
    table_init(&t, headings, 2);
    for (size_t i = 0; i < n; i++) {
        table_cell(&t, m[i].name);
        table_cell(&t, m[i].row);
    }
    table_print(&t, out);
    table_free(&t);
    return EXIT_DONE;
}

static void put_figure(table *t, double value)
{
    if (isnan(value))
        table_cell(t, "");
    else
        table_cellf(t, "%.6g", value);
}

static void print_table(const eval_figure *all, size_t n, terminal *out)
{
    static const char *const headings[] = {"VALUE", "GROUP", "ROWS", "IS", "+-", "LOW", "HIGH"};
    table t;
    table_init(&t, headings, 7);
    t.always_headed = true;
    for (size_t i = 0; i < n; i++) {
        table_cell(&t, all[i].name);
        table_cell(&t, all[i].group);
        table_cellf(&t, "%zu", all[i].rows);
        put_figure(&t, all[i].value);
        put_figure(&t, all[i].half_width);
        put_figure(&t, all[i].low);
        put_figure(&t, all[i].high);
    }
    table_print(&t, out);
    table_free(&t);
}

static void add_figure(cJSON *to, const char *name, double value)
{
    cJSON_AddItemToObject(to, name, isnan(value) ? cJSON_CreateNull() : cJSON_CreateNumber(value));
}

static exit_code print_json(const char *metric, const eval_figure *all, size_t n, terminal *out,
                            problem *p)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "metric", metric);
    cJSON *values = cJSON_AddArrayToObject(root, "values");
    for (size_t i = 0; i < n; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "name", all[i].name);
        cJSON_AddItemToObject(one, "group",
                              all[i].group ? cJSON_CreateString(all[i].group) : cJSON_CreateNull());
        cJSON_AddNumberToObject(one, "rows", (double)all[i].rows);
        add_figure(one, "value", all[i].value);
        add_figure(one, "half_width", all[i].half_width);
        add_figure(one, "low", all[i].low);
        add_figure(one, "high", all[i].high);
        cJSON_AddItemToArray(values, one);
    }
    char *printed = json_print(root);
    cJSON_Delete(root);
    if (!printed)
        return problem_set(p, EXIT_SERVER, "out of memory");
    terminal_line(out, printed);
    free(printed);
    return EXIT_DONE;
}

static exit_code evaluate(const options *o, const eval_metric *m, const char *path, terminal *out,
                          problem *p)
{
    const char *name = path && strcmp(path, "-") != 0 ? path : "standard input";
    const char *seed = options_seed(o);
    char why[EVAL_WHY_ROOM];
    eval_figure *all = NULL;
    cJSON *rows = NULL;
    size_t n;
    text bytes;
    text_init(&bytes, FILE_MAX);
    exit_code code = input_read_file(path, &bytes, p);
    if (code == EXIT_DONE && !(rows = eval_rows_parse(text_str(&bytes), bytes.len, name, p)))
        code = p->code;
    if (code == EXIT_DONE &&
        !eval_run(m, rows, seed ? strtoull(seed, NULL, 10) : 0, &all, &n, why)) {
        code = problem_set(p, EXIT_USAGE, "%.200s: %s", name, why);
        problem_hint(p, "a row of %s: %s", m->name, m->row);
    }
    if (code == EXIT_DONE && o->json)
        code = print_json(m->name, all, n, out, p);
    else if (code == EXIT_DONE)
        print_table(all, n, out);
    free(all);
    cJSON_Delete(rows);
    text_free(&bytes);
    return code;
}

exit_code cmd_eval(const options *o, terminal *out, terminal *err, problem *p)
{
    const char *name = options_argument(o, 0), *path = options_argument(o, 1);
    const eval_metric *m = name ? eval_metric_find(name) : NULL;
    (void)err;
    if (!name)
        return list_metrics(out);
    if (!m) {
        problem_set(p, EXIT_USAGE, "there is no metric \"%.40s\"", name);
        problem_hint(p, "instruct eval lists them");
        return EXIT_USAGE;
    }
    if (!path && isatty(STDIN_FILENO)) {
        problem_set(p, EXIT_USAGE, "eval %s needs a FILE", name);
        problem_hint(p, "a row of it: %s", m->row);
        return EXIT_USAGE;
    }
    return evaluate(o, m, path, out, p);
}
