#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CELL_MAX = 16 * 1024 };

void table_init(table *t, const char *const *headings, size_t columns)
{
    *t = (table){.headings = headings, .columns = columns};
}

void table_free(table *t)
{
    for (size_t i = 0; i < t->len; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (table){0};
}

void table_cell(table *t, const char *value)
{
    text clean;
    if (t->len == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 64;
        char **cells = realloc(t->cells, cap * sizeof *cells);
        if (!cells) {
            t->failed = true;
            return;
        }
        t->cells = cells;
        t->cap = cap;
    }
    text_init(&clean, CELL_MAX);
    text_puts(&clean, ""); /* a string even when nothing follows; NULL without memory */
    sanitize_line(value && *value ? value : "-", &clean);
    t->cells[t->len] = clean.data;
    t->len += clean.data != NULL;
    t->failed = t->failed || !clean.data;
}

void table_cellf(table *t, const char *fmt, ...)
{
    char value[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(value, sizeof value, fmt, args);
    va_end(args);
    table_cell(t, value);
}

void table_time(table *t, double unix_s)
{
    char value[32] = "";
    time_t seconds = (time_t)unix_s;
    struct tm parts;
    if (unix_s > 0 && localtime_r(&seconds, &parts))
        strftime(value, sizeof value, "%Y-%m-%d %H:%M:%S", &parts);
    table_cell(t, value);
}

static size_t width_of(const table *t, size_t column)
{
    size_t widest = terminal_width(t->headings[column]);
    for (size_t i = column; i < t->len; i += t->columns) {
        size_t width = terminal_width(t->cells[i]);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static void print_row(const char *const *cells, const size_t *widths, size_t columns, terminal *out)
{
    for (size_t c = 0; c < columns; c++) {
        terminal_printf(out, "%s", cells[c]);
        if (c + 1 == columns)
            break;
        if (out->is_tty)
            terminal_printf(out, "%*s", (int)(widths[c] - terminal_width(cells[c]) + 2), "");
        else
            terminal_printf(out, "\t");
    }
    terminal_printf(out, "\n");
}

void table_print(const table *t, terminal *out)
{
    size_t *widths = calloc(t->columns, sizeof *widths);
    for (size_t c = 0; widths && c < t->columns; c++)
        widths[c] = width_of(t, c);
    if (widths && (out->is_tty || t->always_headed)) {
        terminal_set_style(out, STYLE_BOLD);
        print_row(t->headings, widths, t->columns, out);
        terminal_set_style(out, STYLE_PLAIN);
    }
    for (size_t i = 0; widths && i + t->columns <= t->len; i += t->columns)
        print_row((const char *const *)t->cells + i, widths, t->columns, out);
    free(widths);
}
