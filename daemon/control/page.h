/* What the management families share: lists in pages, and the store's answers as API errors. */
#ifndef DAEMON_CONTROL_PAGE_H
#define DAEMON_CONTROL_PAGE_H

#include "api/list.h"
#include "control/control.h"
#include "store/store.h"

#include <stdlib.h>

/* A page as the query asks for it. */
typedef struct control_page {
    char after[65];
    store_page page; /* .after points to `after`: not to be copied */
} control_page;

/* `limit` (1-100, 20 by default) and `after` of the query. */
bool control_page_read(control_page *out, const control_request *request, api_error *err);

/* Writes the rows that a page of the store gave as a list to `body`, and frees them and their
 * array. write: void (buf *, const row *); free_row: void (row *). */
#define CONTROL_PUT_ROWS(body, rows, n, more, write, free_row)                                     \
    do {                                                                                           \
        list_begin(body);                                                                          \
        for (size_t row_ = 0; row_ < (n); row_++) {                                                \
            list_next(body, row_);                                                                 \
            write(body, &(rows)[row_]);                                                            \
            free_row(&(rows)[row_]);                                                               \
        }                                                                                          \
        free(rows);                                                                                \
        list_end(body, more);                                                                      \
    } while (0)

/* False, with the error of a status other than STORE_OK: 404 not_found, 409 state_conflict, or 503.
 * param: the field that named the row, or NULL. */
bool control_store_fail(api_error *err, store_status status, const char *param,
                        const error_text *why);
/* 503 not_ready, for a room that is NULL. */
bool control_not_ready(api_error *err);

#endif
