/* What expressions of a chat template evaluate to, and the scratch memory they live in.
 *
 * A string is a list of spans, each of one writer, so text keeps its trust through +, ~, trim and
 * the rest without a byte being copied. Used by one render at a time. */
#ifndef ENG_TEXT_JINJA_VALUE_H
#define ENG_TEXT_JINJA_VALUE_H

#include "engine.h"
#include "text/jinja.h"

/* ---- scratch: a stack of memory, cut back after every round of a loop ------------------------ */

typedef struct eng__scratch_chunk eng__scratch_chunk;

typedef struct eng__scratch {
    eng__scratch_chunk *top; /* chunks below it are linked from it */
    size_t total, limit;     /* bytes of all chunks */
} eng__scratch;

typedef struct eng__scratch_mark {
    eng__scratch_chunk *top;
    size_t used;
} eng__scratch_mark;

/* 16-byte aligned, not zeroed; NULL when the limit or memory is exhausted. */
void *eng__scratch_alloc(eng__scratch *scratch, size_t n, size_t size);
eng__scratch_mark eng__scratch_here(const eng__scratch *scratch);
/* Frees all that was allocated since the mark. */
void eng__scratch_cut(eng__scratch *scratch, eng__scratch_mark mark);
void eng__scratch_free(eng__scratch *scratch);

/* ---- values --------------------------------------------------------------------------------- */

typedef enum eng__value_kind {
    ENG__VALUE_UNDEFINED,
    ENG__VALUE_NONE,
    ENG__VALUE_BOOL,
    ENG__VALUE_INT,
    ENG__VALUE_STRING,
    ENG__VALUE_LIST,
    ENG__VALUE_MESSAGE,
    ENG__VALUE_LOOP
} eng__value_kind;

typedef struct eng__value eng__value;
struct eng__value {
    eng__value_kind kind;
    union {
        int64_t number; /* BOOL, INT */
        struct {
            const eng__span *spans;
            size_t n, len; /* len: bytes */
        } string;
        struct {
            const eng__value *items;
            size_t n;
        } list;
        const eng_chat_message *message;
        struct {
            size_t index0, length;
        } loop;
    };
};

static inline eng__value eng__value_bool(bool b)
{
    return (eng__value){.kind = ENG__VALUE_BOOL, .number = b};
}
static inline eng__value eng__value_int(int64_t i)
{
    return (eng__value){.kind = ENG__VALUE_INT, .number = i};
}
static inline eng__value eng__value_span(const eng__span *span)
{
    return (eng__value){.kind = ENG__VALUE_STRING, .string = {span, 1, span->len}};
}

static inline bool eng__value_is_number(const eng__value *v)
{
    return v->kind == ENG__VALUE_BOOL || v->kind == ENG__VALUE_INT;
}

/* "a string", for messages. */
const char *eng__value_kind_name(const eng__value *v);
bool eng__value_true(const eng__value *v);
bool eng__value_equal(const eng__value *a, const eng__value *b);
/* Both strings: below, at or above 0 as a sorts before, with or after b (by code point). */
int eng__string_compare(const eng__value *a, const eng__value *b);
/* Code points. */
size_t eng__string_length(const eng__value *s);
/* The string's bytes in one piece, NUL-terminated; NULL = no memory. */
const char *eng__string_flat(eng__scratch *scratch, const eng__value *s);

/* The following make strings in scratch and return false when it is exhausted. */

bool eng__string_join(eng__scratch *scratch, eng__value *out, const eng__value *a,
                      const eng__value *b);
/* Text of len bytes, copied. */
bool eng__string_make(eng__scratch *scratch, eng__value *out, const char *text, size_t len,
                      bool trusted);
bool eng__string_strip(eng__scratch *scratch, eng__value *out, const eng__value *s, bool left,
                       bool right);
/* ASCII letters change; others stay as they are. */
bool eng__string_case(eng__scratch *scratch, eng__value *out, const eng__value *s, bool upper);
/* What {{ v }} prints: not for lists, messages and loops. */
bool eng__value_text(eng__scratch *scratch, eng__value *out, const eng__value *v);
/* As Python's json.dumps(v, ensure_ascii=False) writes it: not for undefined values and loops. */
bool eng__value_json(eng__scratch *scratch, eng__value *out, const eng__value *v);

/* Attribute `name` of a message, else undefined. */
bool eng__message_get(eng__scratch *scratch, eng__value *out, const eng_chat_message *message,
                      const char *name, size_t len);

#endif
