/* A text being written: it grows up to the limit given at birth, and remembers a failure, so that
 * only the end of a long run of puts needs a check. */
#ifndef ENG_FORMATS_TEXT_OUT_H
#define ENG_FORMATS_TEXT_OUT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct eng__text {
    char *data; /* len bytes and a NUL; NULL while empty */
    size_t len, cap, max;
    bool failed; /* out of memory or past max; nothing more is written */
} eng__text;

void eng__text_init(eng__text *text, size_t max_bytes);
void eng__text_free(eng__text *text);
void eng__text_put(eng__text *text, const char *s, size_t n);
void eng__text_printf(eng__text *text, const char *fmt, ...) ENG_PRINTF(2, 3);
/* A JSON string with its quotes; bytes from 0x80 on are kept as they are. s NULL gives null. */
void eng__text_json(eng__text *text, const char *s, size_t n);
/* The fewest digits that read back as the same float or double; null when not finite. */
void eng__text_float(eng__text *text, float v);
void eng__text_double(eng__text *text, double v);

#endif
