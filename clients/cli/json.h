/* The few things we ask of cJSON, with the answers for absent or mistyped values. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* Parses exactly one JSON value of len bytes; NULL when it is none. The caller deletes it. Strings
 * of cJSON end at a NUL, so an escaped NUL reads as U+2400 (the picture of NUL) instead of
 * cutting the text short. */
cJSON *json_parse(const char *bytes, size_t len);
/* The member's string, or NULL when it is absent or no string; owned by the object. */
const char *json_string(const cJSON *object, const char *name);
/* The member's number, or `otherwise`. */
double json_number(const cJSON *object, const char *name, double otherwise);
/* Prints without spaces; NULL without memory. The caller frees. */
char *json_print(const cJSON *value);

#endif
