/* Makes text from a model or a server harmless for a terminal. Everything that could move the
 * cursor, recolour, retitle, answer back or reorder becomes visible characters: C0 controls as ^X
 * (\n and \t stay), DEL as ^?, C1 controls and bidirectional overrides as <U+009B>; bytes that are
 * not UTF-8 become U+FFFD. */
#ifndef CLI_SANITIZE_H
#define CLI_SANITIZE_H

#include "text.h"

/* The incomplete UTF-8 sequence held back between two pieces of one stream; zeroed = empty. */
typedef struct sanitizer {
    unsigned char held[4];
    size_t held_len; /* 0..3 */
} sanitizer;

/* Appends the visible form of the next n bytes of the stream to out. */
void sanitize_feed(sanitizer *s, const char *bytes, size_t n, text *out);
/* The stream ended: a held incomplete sequence becomes U+FFFD. */
void sanitize_end(sanitizer *s, text *out);
/* A whole string on one line: as above, and \n and \t become spaces. */
void sanitize_line(const char *s, text *out);

#endif
