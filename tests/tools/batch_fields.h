/* Fields of a JSON file, each checked and each refusal naming where it stands. */
#ifndef TESTS_TOOLS_BATCH_FIELDS_H
#define TESTS_TOOLS_BATCH_FIELDS_H

#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { FIELD_PATH_BYTES = 96 };

typedef struct field_reader {
    eng_arena *arena; /* arrays that are read live here */
    eng_error *err;
} field_reader;

/* A value of the file and where it stands: "prompts[3].outputs"; "" is the whole. */
typedef struct field {
    const eng_json *node; /* NULL: absent */
    char path[FIELD_PATH_BYTES];
} field;

field field_member(const field *object, const char *key);
field field_element(const field *array, uint32_t i); /* i below its length */

/* ENG_INVALID with "path: what is wrong". */
eng_status field_refuse(const field_reader *r, const field *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
eng_status field_no_memory(const field_reader *r);
/* "a string", "nothing", ... */
const char *field_kind(const field *at);

/* `keys` ends with NULL; a key that is none of them may be a slip of the pen for one. */
ENG_MUST_CHECK eng_status field_expect_object(const field_reader *r, const field *at,
                                              const char *const *keys);
/* An array of min to max elements. */
ENG_MUST_CHECK eng_status field_expect_array(const field_reader *r, const field *at, uint32_t min,
                                             uint32_t max);

/* A finite number in [min, max]. An absent one leaves *out, or is refused where it is required. */
ENG_MUST_CHECK eng_status field_float(const field_reader *r, const field *object, const char *key,
                                      bool required, float min, float max, float *out);
/* Exactly n finite numbers. An absent array is n times `absent`, or refused where that is NaN. */
ENG_MUST_CHECK eng_status field_floats(const field_reader *r, const field *object, const char *key,
                                       uint32_t n, float absent, float **out);
/* n times 0, 1, false or true; an absent array is all true. */
ENG_MUST_CHECK eng_status field_mask(const field_reader *r, const field *object, const char *key,
                                     uint32_t n, bool **out);
/* A boolean; an absent one leaves *out. */
ENG_MUST_CHECK eng_status field_bool(const field_reader *r, const field *object, const char *key,
                                     bool *out);

#endif
