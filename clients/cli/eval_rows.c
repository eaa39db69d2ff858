#include "eval_rows.h"

#include "json.h"
#include "text.h"

#include <string.h>

enum { CELL_MAX = 16 << 20, COLUMNS_MAX = 256 };

/* ---- JSONL ---- */

static exit_code take_lines(cJSON *rows, const char *at, const char *end, const char *name,
                            problem *p)
{
    for (long line = 1; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t len = (size_t)((stop ? stop : end) - at);
        if (strspn(at, " \t\r") < len) {
            cJSON *row = json_parse(at, len);
            if (!cJSON_IsObject(row)) {
                cJSON_Delete(row);
                return problem_set(p, EXIT_USAGE, "%.200s: line %ld is no JSON object", name, line);
            }
            cJSON_AddItemToArray(rows, row);
        }
        at += len + (stop != NULL);
    }
    return EXIT_DONE;
}

/* ---- CSV (RFC 4180) ---- */

typedef struct csv {
    const char *at, *end;
    text cell;
    long line, row_line; /* of `at`; where the row began */
    bool row_ended, wrong;
} csv;

/* The next cell into c->cell: up to its comma, or to the line's end. */
static void next_cell(csv *c)
{
    text_clear(&c->cell);
    c->row_ended = false;
    const bool quoted = c->at < c->end && *c->at == '"';
    bool open = quoted;
    c->at += quoted;
    while (c->at < c->end) {
        const char b = *c->at++;
        if (quoted && b == '"') {
            open = c->at < c->end && *c->at == '"';
            if (!open)
                break;
            c->at++;
        } else if (!quoted && (b == ',' || b == '\n' || b == '\r')) {
            c->at--;
            break;
        }
        c->line += b == '\n';
        text_append(&c->cell, &b, 1);
    }
    c->wrong |= open;
    c->at += c->at < c->end && *c->at == '\r';
    c->wrong |= c->at < c->end && *c->at != ',' && *c->at != '\n';
    c->row_ended = c->at == c->end || *c->at == '\n';
    c->line += c->at < c->end && *c->at == '\n';
    c->at += c->at < c->end;
}

/* A column of texts, where 17 is an id and 1969 an answer. */
static bool is_text(const char *name)
{
    static const char *const texts[] = {"prompt", "group", "prediction", "reference", "result"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(name, texts[i]) == 0)
            return true;
    return false;
}

static void add_cell(cJSON *row, const char *name, const text *cell)
{
    if (!cell->len)
        return;
    cJSON *value = is_text(name) ? NULL : json_parse(cell->data, cell->len);
    cJSON_AddItemToObject(row, name, value ? value : cJSON_CreateString(text_str(cell)));
}

static exit_code take_table(cJSON *rows, csv *c, const char *name, problem *p)
{
    cJSON *names = cJSON_CreateArray();
    c->row_line = c->line;
    do {
        next_cell(c);
        cJSON_AddItemToArray(names, cJSON_CreateString(text_str(&c->cell)));
    } while (!c->row_ended);
    const int columns = cJSON_GetArraySize(names);
    c->wrong |= columns > COLUMNS_MAX;
    while (c->at < c->end && !c->wrong && !c->cell.failed) {
        cJSON *row = cJSON_CreateObject();
        int n = 0;
        c->row_line = c->line;
        do {
            next_cell(c);
            if (n < columns)
                add_cell(row, cJSON_GetArrayItem(names, n)->valuestring, &c->cell);
            n++;
        } while (!c->row_ended);
        c->wrong |= n > columns;
        if (row->child)
            cJSON_AddItemToArray(rows, row);
        else
            cJSON_Delete(row); /* an empty line */
    }
    cJSON_Delete(names);
    if (!c->wrong && !c->cell.failed)
        return EXIT_DONE;
    problem_set(p, EXIT_USAGE, "%.200s: line %ld is no row of its table", name, c->row_line);
    problem_hint(p, "the first line names the columns; a cell with commas stands in quotes");
    return EXIT_USAGE;
}

cJSON *eval_rows_parse(const char *bytes, size_t len, const char *name, problem *p)
{
    const char *end = bytes + len;
    cJSON *rows = cJSON_CreateArray();
    exit_code code;
    if (bytes[strspn(bytes, " \t\r\n")] == '{') {
        code = take_lines(rows, bytes, end, name, p);
    } else {
        csv c = {.at = bytes, .end = end, .line = 1};
        text_init(&c.cell, CELL_MAX);
        code = take_table(rows, &c, name, p);
        text_free(&c.cell);
    }
    if (code == EXIT_DONE)
        return rows;
    cJSON_Delete(rows);
    return NULL;
}
