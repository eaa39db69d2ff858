/* Lists, which all look alike: {"object":"list","data":[...],"has_more":false}, asked for with
 * `limit` and `after` (an id). Pure functions. */
#ifndef DAEMON_API_LIST_H
#define DAEMON_API_LIST_H

#include "api/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `limit` from its text, NULL if it was not given: 1..100, 20 by default, else 400. */
bool list_limit_read(const char *text, uint32_t *out, api_error *err);

void list_begin(buf *out);
void list_next(buf *out, size_t index); /* before each row */
void list_end(buf *out, bool has_more);

#endif
