/* A growing byte buffer with a maximum set at birth. An append that does not fit, or an allocation
 * that fails, leaves it `failed` and later appends do nothing, so a writer checks once at the end.
 * `data` is NUL-terminated from the first append on. The holder owns it; text_free ends it. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct text {
    char *data;
    size_t len, cap, max; /* bytes; max counts without the NUL */
    bool failed;
} text;

void text_init(text *t, size_t max);
void text_free(text *t);
void text_clear(text *t); /* empties, keeps the memory, forgets a failure */
void text_append(text *t, const void *bytes, size_t n);
void text_puts(text *t, const char *s);
void text_printf(text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The bytes as a C string, "" while nothing was appended; valid until the next change of t. */
const char *text_str(const text *t);

#endif
