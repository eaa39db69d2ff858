/* UTF-8 as Unicode defines it: no surrogates, nothing above U+10FFFF, no overlong forms. */
#ifndef CLI_UTF8_H
#define CLI_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Reads the code point at s (n >= 1 bytes). Returns its length 1..4 and sets *point; 0 when the
 * bytes are a valid beginning that needs more; -1 when no code point starts here. */
int utf8_decode(const unsigned char *s, size_t n, uint32_t *point);
/* The offset of the first byte that is not UTF-8, or n when all of it is. */
size_t utf8_valid_bytes(const char *s, size_t n);

#endif
