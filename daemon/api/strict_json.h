/* Request bodies: the strict check in front of cJSON, which alone is too lenient, and the source
 * text of numbers, which cJSON keeps as doubles only. */
#ifndef DAEMON_API_STRICT_JSON_H
#define DAEMON_API_STRICT_JSON_H

#include "api/error.h"

#include <cjson/cJSON.h>
#include <stddef.h>

/* Checks RFC 8259, UTF-8, depth, distinct keys, finite numbers, no \u0000 and a top-level object,
 * then parses. NULL: *err is 400 invalid_json naming the byte, or 503. The caller frees with
 * cJSON_Delete. */
cJSON *strict_json_parse(const char *body, size_t len, api_error *err);

/* Is this one JSON object, by the same rules? */
bool strict_json_is_object(const char *text);

/* The source text of the value of the index-th member of a body that strict_json_parse took;
 * points into body. False when there are fewer members. */
bool strict_json_member(const char *body, size_t len, size_t index, const char **text, size_t *n);

#endif
