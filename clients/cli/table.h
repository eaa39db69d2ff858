/* Rows and columns on their way to stdout: aligned under headings for a person, tabs for a pipe. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "terminal.h"

typedef struct table {
    const char *const *headings; /* [columns], borrowed */
    size_t columns;
    char **cells; /* [len], row by row; owned, as they are shown */
    size_t len, cap;
    bool always_headed; /* a pipe gets the headings too: columns that vary need their names */
    bool failed;        /* out of memory */
} table;

void table_init(table *t, const char *const *headings, size_t columns);
void table_free(table *t);
/* The next cell, made harmless and one line; NULL and "" show as "-". */
void table_cell(table *t, const char *value);
void table_cellf(table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A date and time of the local zone from Unix seconds; "-" for 0 and less. */
void table_time(table *t, double unix_s);
void table_print(const table *t, terminal *out);

#endif
