/* A file's rows as JSON objects: JSONL, or CSV whose first line names the members. */
#ifndef CLI_EVAL_ROWS_H
#define CLI_EVAL_ROWS_H

#include "problem.h"

#include <cjson/cJSON.h>
#include <stddef.h>

/* An array of objects; the caller deletes it. A CSV cell that is a JSON value (a number, true, a
 * list) is that, another one a string, an empty one absent; those of prompt, group, prediction,
 * reference and result are strings whatever they look like. `name` stands in messages. NULL with
 * EXIT_USAGE: the message names the line on which the wrong row begins. */
cJSON *eval_rows_parse(const char *bytes, size_t len, const char *name, problem *p);

#endif
