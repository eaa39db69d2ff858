/* multipart/form-data (RFC 7578), taken apart as it arrives, in pieces of any size. Strict: no text
 * before the first boundary, nothing but one line end after the last, CRLF line ends, no blanks
 * around boundaries, each part with exactly one Content-Disposition: form-data and a name. Holds at
 * most one part's head; a part's bytes are handed on. Pure. */
#ifndef DAEMON_API_MULTIPART_H
#define DAEMON_API_MULTIPART_H

#include "api/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    MULTIPART_BOUNDARY_MAX = 70, /* RFC 2046 */
    MULTIPART_HEAD_MAX = 4096,   /* a part's head */
    MULTIPART_PARTS_MAX = 16,
    MULTIPART_NAME_MAX = 64,
    MULTIPART_FILENAME_MAX = 255
};

/* What a body consists of, in order: begin, data*, end for each part. Each returns false with *err
 * to end the parsing. */
typedef struct multipart_sink {
    /* filename: NULL when the part has none. Both live during the call. */
    bool (*begin)(void *arg, const char *name, const char *filename, api_error *err);
    bool (*data)(void *arg, const char *bytes, size_t len, api_error *err); /* len >= 1 */
    bool (*end)(void *arg, api_error *err);
    void *arg;
} multipart_sink;

typedef struct multipart {
    multipart_sink sink;
    char delimiter[MULTIPART_BOUNDARY_MAX + 5]; /* CRLF, "--", boundary, NUL */
    size_t delimiter_len;
    int state;
    size_t matched; /* bytes of the delimiter, or of what follows it, seen so far */
    char tail[2];   /* what follows a delimiter, or the end */
    int parts;
    char head[MULTIPART_HEAD_MAX + 1];
    size_t head_len;
} multipart;

/* content_type: "multipart/form-data; boundary=...". False with *err: 415 for another type, 400 for
 * a bad boundary. */
bool multipart_begin(multipart *m, const char *content_type, const multipart_sink *sink,
                     api_error *err);
/* False with *err: 400, or what the sink said. Nothing may be fed after that. */
bool multipart_feed(multipart *m, const char *bytes, size_t len, api_error *err);
/* The body has ended: false with *err unless its last boundary was seen. */
bool multipart_end(const multipart *m, api_error *err);

#endif
