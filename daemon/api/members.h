/* The members of a JSON object, checked against a table: one row says a member's name, what it must
 * be and where it goes. For bodies that hold lists, which api/schema.h does not speak of. */
#ifndef DAEMON_API_MEMBERS_H
#define DAEMON_API_MEMBERS_H

#include "api/error.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum member_kind {
    MEMBER_TEXT,   /* a string of min to max bytes -> const char * */
    MEMBER_ID,     /* a string of 1 to 64 [A-Za-z0-9_-] -> const char * */
    MEMBER_CHOICE, /* one of `choices`, "a|b|c" -> const char * */
    MEMBER_WHOLE,  /* a number without fraction in [min, max] -> int64_t */
    MEMBER_NUMBER, /* in [min, max] -> double */
    MEMBER_BOOL,   /* -> bool */
    MEMBER_ARRAY,  /* of min to max elements -> const cJSON * */
    MEMBER_OBJECT  /* -> const cJSON * */
} member_kind;

typedef struct member_rule {
    const char *name;
    member_kind kind;
    bool required;
    double min, max;
    const char *choices;
    size_t at; /* offset in the struct that is filled */
} member_rule;

/* Fills *out, which holds the defaults: an absent member, or null, leaves its place alone. Strings
 * and nodes are the tree's. path: put before names in messages and param, "" at the top. False: 400
 * with the first member that is unknown, missing or wrong. */
bool members_read(void *out, const cJSON *object, const member_rule *rules, size_t n,
                  const char *path, api_error *err);

/* "path.name", "path[i]" */
enum { MEMBER_PATH = 64 };
void member_path(char out[MEMBER_PATH], const char *path, const char *name);
void member_path_index(char out[MEMBER_PATH], const char *path, size_t i);

/* Is it 1 to 64 of A-Z a-z 0-9 _ -? */
bool member_id_valid(const char *s);

#endif
