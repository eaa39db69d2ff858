/* Text that arrives in pieces: tokens may end inside a UTF-8 sequence, JSON and browsers want whole
 * ones.
 *
 * Invalid bytes become U+FFFD, one per maximal subpart: the WHATWG Encoding Standard's practice
 * (and Python's errors="replace"). All functions are pure. [any thread] */
#ifndef ENG_TEXT_STREAM_H
#define ENG_TEXT_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* How many of the len bytes can be shown now: all but an unfinished sequence at the very end (0 to
 * 3 bytes), which later bytes may complete. */
size_t eng_utf8_complete(const char *bytes, size_t len);

bool eng_utf8_valid(const char *bytes, size_t len);

/* Writes bytes with every invalid sequence replaced, an unfinished one at the end too, and returns
 * the length written. dst has room for 3 * len bytes and does not overlap bytes. Valid text is
 * copied unchanged. */
size_t eng_utf8_repair(char *dst, const char *bytes, size_t len);

/* A stream's memory between pieces. Zero-initialise; plain data, nothing to free. */
typedef struct eng_utf8_stream {
    unsigned char held[4]; /* the unfinished tail */
    unsigned char n_held;  /* at most 3 */
} eng_utf8_stream;

/* Room that `dst` needs for a piece of len bytes. */
static inline size_t eng_utf8_stream_room(size_t len)
{
    return 3 * (len + 3);
}
/* Takes the next piece; writes what can be shown by now, repaired, and returns its length. What the
 * pieces of a stream write, joined, is the repair of the pieces joined. */
size_t eng_utf8_stream_push(eng_utf8_stream *stream, char *dst, const char *piece, size_t len);
/* At the end: one U+FFFD (3 bytes) if a tail is held, else nothing. Resets the stream. */
size_t eng_utf8_stream_finish(eng_utf8_stream *stream, char *dst);

#endif
