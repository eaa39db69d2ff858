/* JSON, strictly (RFC 8259): a checker for text from outside, and a small reader for model files.
 *
 * Neither recurses. The checker takes time linear in the text, but for the keys of an object, which
 * it sorts to find repeated ones. */
#ifndef ENG_BASE_JSON_H
#define ENG_BASE_JSON_H

#include "base/arena.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENG_JSON_MAX_DEPTH = 512 };

typedef struct eng_json_rules {
    uint32_t max_depth; /* containers inside each other; at most ENG_JSON_MAX_DEPTH */
    bool unique_keys;   /* refuse a key given twice in an object, however it is escaped */
    bool no_nul_escape; /* refuse \u0000, which would cut a C string short */
    bool top_object;    /* the text must be an object */
} eng_json_rules;

/* ENG_FORMAT unless text[0..len) is one JSON value and nothing else: grammar, valid UTF-8, no byte
 * order mark, no lone surrogate, no number beyond a double's range, and the rules. *offset (may be
 * NULL) is then the byte at which the text stops being acceptable. ENG_NOMEM when the keys of open
 * objects do not fit in memory. [any thread] */
ENG_MUST_CHECK eng_status eng_json_check(const char *text, size_t len, const eng_json_rules *rules,
                                         size_t *offset, eng_error *err);

typedef enum eng_json_type {
    ENG_JSON_NULL,
    ENG_JSON_BOOL,
    ENG_JSON_NUMBER,
    ENG_JSON_STRING,
    ENG_JSON_ARRAY,
    ENG_JSON_OBJECT
} eng_json_type;

typedef struct eng_json eng_json;
struct eng_json {
    eng_json_type type;
    uint32_t n; /* bytes of a string, elements of an array, members of an object */
    uint32_t key_len;
    bool boolean;
    const char *key; /* members: NUL-terminated, key_len bytes; else NULL */
    union {
        double number;
        const char *string;    /* NUL-terminated */
        const eng_json *items; /* [n] in the order of the text; members carry their keys */
    };
};

/* Checks the text (depth 64, unique keys, no \u0000), then reads it; every node and string lives in
 * the arena. text[len] must be NUL. ENG_NOMEM past the arena's limit. */
ENG_MUST_CHECK eng_status eng_json_parse(const eng_json **out, const char *text, size_t len,
                                         eng_arena *arena, eng_error *err);

/* The member of that name, or NULL; also NULL when object is NULL or no object. Takes time linear
 * in the members: walk `items` of big objects instead. */
const eng_json *eng_json_get(const eng_json *object, const char *key);
bool eng_json_is(const eng_json *node, eng_json_type type); /* false for NULL */
const char *eng_json_string(const eng_json *node);          /* NULL unless a string */
/* True and *out set when the node is a whole number in [min, max], with max up to 2^53. */
bool eng_json_uint(const eng_json *node, uint64_t min, uint64_t max, uint64_t *out);

/* One decoding for checker and reader: the character behind text[*at], escaped or plain, as 1 to 4
 * bytes of UTF-8; moves *at past it. Only for text that has passed the check. */
size_t eng__json_decode(const char *text, size_t *at, char out[4]);

#endif
