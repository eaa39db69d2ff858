/* The one JSON writer: values appended to a buf as they go out, without a tree in between. */
#ifndef DAEMON_API_JSON_OUT_H
#define DAEMON_API_JSON_OUT_H

#include "base/buf.h"

#include <stdint.h>

/* Text that is JSON already: keys and punctuation. */
#define JSON_LIT(out, literal) buf_append(out, "" literal, sizeof(literal) - 1)

/* A quoted string. Bytes that are not UTF-8 become U+FFFD; the rest passes through, with the
 * escapes of RFC 8259 for '"', '\' and control characters. */
void json_string(buf *out, const char *s, size_t len);
/* The same without the quotes, for a string written in pieces of whole characters. */
void json_string_part(buf *out, const char *s, size_t len);
/* A quoted NUL-terminated string; NULL gives null. */
void json_cstring(buf *out, const char *s);
void json_uint(buf *out, uint64_t v);
void json_int(buf *out, int64_t v);
void json_bool(buf *out, bool v);
void json_ids(buf *out, const int32_t *ids, size_t n); /* [1,2,3] */
/* The shortest text that reads back as the same float ("-0.25", "-1.0", "-3.5e-7"). Equal values
 * give equal text; not-a-number, the infinities and all below the floor give -9999.0. */
void json_logprob(buf *out, float v);
/* The same text for any finite float; else null. */
void json_float(buf *out, float v);

/* The fewest digits that read back as the same double; not-a-number and the infinities give null.
 */
void json_double(buf *out, double v);

#endif
