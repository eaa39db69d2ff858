/* The lists of the API, {object:"list",data,has_more}: all pages of one, as a table or as they
 * came. */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "server.h"
#include "table.h"

typedef struct listing {
    const char *path; /* "/v1/models" */
    const char *what; /* "models", for problems */
    const char *const *headings;
    size_t columns;
    /* Puts one row of `columns` cells. */
    void (*row)(const cJSON *item, table *t);
} listing;

/* Prints the whole list to out: with o->json each page's JSON, else the table. */
exit_code listing_print(server *s, const options *o, const listing *l, terminal *out, problem *p);
/* Calls take for each item of all pages, in the server's order, until it returns false. raw_out
 * (unless NULL) gets each page's JSON. */
exit_code listing_each(server *s, const char *path, const char *what, terminal *raw_out,
                       bool (*take)(void *ctx, const cJSON *item), void *ctx, problem *p);

#endif
