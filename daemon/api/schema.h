/* The subset of JSON Schema by which plugins describe what their methods take: read once when a
 * plugin is loaded, then applied to every request. Pure functions.
 *
 *   {"type":"object","properties":{
 *      "hyperparameters":{"type":"object","properties":{
 *         "n_epochs":{"type":"integer","minimum":1,"maximum":100,"default":16}}},
 *      "reward_model":{"type":"string"}},"required":["reward_model"],
 *    "x-training-formats":["supervised"],"x-result-scores":false}
 *
 * Used: type (object, number, integer, string, boolean), properties, required, enum, default,
 * minimum, maximum, exclusiveMinimum, exclusiveMaximum, and of the whole presets
 * ({"NAME":{"n_epochs":2}}: other defaults of hyperparameters for an object with "preset":"NAME"),
 * x-training-formats and x-result-scores. Everything else is there for people and other tools. A
 * member that no property describes is always refused. */
#ifndef DAEMON_API_SCHEMA_H
#define DAEMON_API_SCHEMA_H

#include "api/error.h"
#include "base/error_text.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

typedef struct schema schema;

/* Reads a schema, or says which of its members is wrong. NULL: *err tells. */
schema *schema_parse(const char *json, error_text *err);
void schema_free(schema *s); /* NULL allowed */

/* Checks `object` against the schema and brings it to its normal form in place: null and "auto"
 * give way to the default, absent members with a default are filled in, "hyperparameters" is always
 * there, and members stand in the schema's order. `path` is put before names in messages and
 * *err's param ("method.ppo"). False: 400 unknown_parameter, invalid_value or
 * missing_required_parameter. */
bool schema_apply(const schema *s, cJSON *object, const char *path, api_error *err);

/* May the method's training file have this format? NULL means "no file at all". Without
 * x-training-formats every format may, but a file must be there; an empty list means that the
 * method reads no file. */
bool schema_takes_format(const schema *s, const char *format);
/* "supervised or ppo", for messages. */
void schema_describe_formats(const schema *s, char out[128]);

/* Does the method say whether what comes of it scores (x-result-scores)? Then *scores has it. */
bool schema_result_scores(const schema *s, bool *scores);

#endif
