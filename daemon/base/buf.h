/* A growing byte buffer with a maximum set at birth. After an append that did not fit (or malloc
 * that failed) the buffer is `failed` and ignores appends, so a writer checks once at the end.
 * Always NUL-terminated when data is not NULL. Not thread-safe; the holder owns it. */
#ifndef DAEMON_BASE_BUF_H
#define DAEMON_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct buf {
    char *data;
    size_t len, cap, max;
    bool failed;
} buf;

void buf_init(buf *b, size_t max);
void buf_free(buf *b);
void buf_clear(buf *b); /* keeps the memory */
void buf_append(buf *b, const void *bytes, size_t n);
void buf_puts(buf *b, const char *s);
void buf_putc(buf *b, char c);
void buf_printf(buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hands the malloc'd bytes (NUL-terminated, *len set) to the caller and empties b; NULL if failed
 * or empty. */
char *buf_take(buf *b, size_t *len);

#endif
