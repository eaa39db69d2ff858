#include "commands.h"

#include "json.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 4, PAGES_MAX = 1000 };

static const char *const headings[COLUMNS] = {"ID", "POLICY", "STAGE", "MAX_MODEL_LEN"};

typedef char *row[COLUMNS];

/* Rows of owned cells, in the server's order. */
typedef struct table {
    row *rows;
    size_t len;
} table;

static void table_free(table *t)
{
    for (size_t i = 0; i < t->len; i++)
        for (int c = 0; c < COLUMNS; c++)
            free(t->rows[i][c]);
    free(t->rows);
}

static char *cell(const char *value)
{
    text clean;
    text_init(&clean, 1024);
    text_puts(&clean, ""); /* a string even when nothing follows; NULL without memory */
    sanitize_line(value ? value : "-", &clean);
    return clean.data;
}

static bool table_add(table *t, const cJSON *model)
{
    row *grown = realloc(t->rows, (t->len + 1) * sizeof *grown);
    if (!grown)
        return false;
    t->rows = grown;
    char *const *cells = t->rows[t->len];
    char length[32];
    snprintf(length, sizeof length, "%.0f", json_number(model, "max_model_len", 0));
    t->rows[t->len][0] = cell(json_string(model, "id"));
    t->rows[t->len][1] = cell(json_string(model, "policy"));
    t->rows[t->len][2] = cell(json_string(model, "stage"));
    t->rows[t->len][3] = cell(length);
    t->len++;
    return cells[0] && cells[1] && cells[2] && cells[3];
}

/* A person gets columns under headings, a pipe gets tabs. */
static void table_print(const table *t, terminal *out)
{
    size_t widths[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) {
        widths[c] = strlen(headings[c]);
        for (size_t i = 0; i < t->len; i++) {
            size_t width = terminal_width(t->rows[i][c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    terminal_set_style(out, STYLE_BOLD);
    for (int c = 0; out->is_tty && c < COLUMNS; c++)
        terminal_printf(out, "%-*s%s", c + 1 < COLUMNS ? (int)widths[c] : 0, headings[c],
                        c + 1 < COLUMNS ? "  " : "");
    terminal_set_style(out, STYLE_PLAIN);
    if (out->is_tty)
        terminal_printf(out, "\n");
    for (size_t i = 0; i < t->len; i++) {
        for (int c = 0; c < COLUMNS; c++) {
            const char *value = t->rows[i][c];
            int pad = out->is_tty ? (int)(widths[c] - terminal_width(value) + 2) : 0;
            terminal_printf(out, "%s", value);
            if (c + 1 < COLUMNS)
                terminal_printf(out, "%*s", pad, out->is_tty ? "" : "\t");
        }
        terminal_printf(out, "\n");
    }
}

/* Takes one page of the list; last is the id to continue after. */
static exit_code take_page(const cJSON *page, table *t, char *last, size_t room, problem *p)
{
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(page, "data"), *model;
    if (!cJSON_IsArray(data))
        return problem_set(p, EXIT_SERVER, "the server's list of models has no data");
    cJSON_ArrayForEach(model, data)
    {
        const char *id = json_string(model, "id");
        if (!id || !table_add(t, model))
            return problem_set(p, EXIT_SERVER, id ? "out of memory" : "a model without an id");
        snprintf(last, room, "%s", id);
    }
    bool more = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(page, "has_more"));
    if (!more || last[strspn(last, "abcdefghijklmnopqrstuvwxyz0123456789-_")])
        last[0] = '\0'; /* an id that is none of ours does not go into a path */
    return EXIT_DONE;
}

static exit_code list(server *s, const options *o, terminal *out, table *t, problem *p)
{
    char after[80] = "", path[128] = "/v1/models";
    exit_code code = EXIT_DONE;
    for (int pages = 0; code == EXIT_DONE && (pages == 0 || after[0]) && pages < PAGES_MAX;
         pages++) {
        if (after[0])
            snprintf(path, sizeof path, "/v1/models?after=%s", after);
        cJSON *page;
        char *raw = NULL;
        code = server_json(s, path, NULL, &page, &raw, p);
        if (code == EXIT_DONE)
            code = take_page(page, t, after, sizeof after, p);
        if (code == EXIT_DONE && o->json) {
            terminal_write(out, raw, strlen(raw));
            terminal_end(out);
        }
        free(raw);
        cJSON_Delete(page);
    }
    return code;
}

exit_code cmd_models(const options *o, terminal *out, terminal *err, problem *p)
{
    (void)err;
    server s = {0};
    table t = {0};
    exit_code code = server_open(&s, o, p);
    if (code == EXIT_DONE)
        code = list(&s, o, out, &t, p);
    if (code == EXIT_DONE && !o->json)
        table_print(&t, out);
    table_free(&t);
    server_close(&s);
    return code;
}
