/* The head gate: decides over the raw bytes of a request head before any parser sees them, so that
 * what the parser reads can be read in one way only.
 *
 * It lets through heads in which
 *   1. every line ends CRLF, with no bare CR or LF, no control byte but HTAB and no DEL; the first
 *      line is not empty; no line starts with SP or HTAB;
 *   2. the method is GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, spaces are single, the target
 *      is /..., http://... or (OPTIONS) *, of bytes 0x21-0x7E, the version HTTP/1.0 or HTTP/1.1;
 *   3. field names are [A-Za-z0-9-]+ with a colon at once;
 *   4. there is exactly one Host, not empty, of [A-Za-z0-9.:\[\]-];
 *   5. Content-Length stands at most once, of 1-18 digits; Transfer-Encoding at most once, exactly
 *      `chunked`, on HTTP/1.1 only; never both;
 * and which have at most LIMIT_HEAD_BYTES and LIMIT_HEAD_FIELDS. */
#ifndef DAEMON_NET_HEAD_GATE_H
#define DAEMON_NET_HEAD_GATE_H

#include <stddef.h>

typedef enum head_verdict {
    HEAD_MORE, /* no fault so far; the empty line has not come */
    HEAD_OK,
    HEAD_REJECT
} head_verdict;

typedef struct head_result {
    head_verdict verdict;
    size_t len;         /* HEAD_OK: bytes of the head, the final CRLFCRLF included */
    int status;         /* HEAD_REJECT: 400 or 431 */
    const char *reason; /* HEAD_REJECT: static, for the error message */
} head_result;

/* bytes[0..len) is everything that came since the last message ended; the first `seen` bytes of it
 * were there at an earlier call that said HEAD_MORE, and are not scanned again. Pure: the verdict
 * on a head does not depend on how it was cut. */
head_result head_gate_check(const char *bytes, size_t len, size_t seen);

#endif
