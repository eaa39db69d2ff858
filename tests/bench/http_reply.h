/* Reads one HTTP/1.1 reply from bytes as they arrive: head, then a body of known length, in chunks
 * or to the end of the connection. Just enough of the protocol for a load generator that talks to
 * servers on its own machine. */
#ifndef BENCH_HTTP_REPLY_H
#define BENCH_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_HEAD_MAX = 16 * 1024, HTTP_BODY_MAX = 8 * 1024 * 1024 };

typedef enum http_state {
    HTTP_HEAD,
    HTTP_BODY,       /* `left` bytes, or to the end of the connection */
    HTTP_CHUNK_SIZE, /* a chunk's size line */
    HTTP_CHUNK_DATA, /* `left` bytes of a chunk */
    HTTP_CHUNK_END,  /* the line end behind a chunk */
    HTTP_TRAILER,
    HTTP_DONE,
    HTTP_BAD /* no HTTP, or past a limit */
} http_state;

typedef struct http_reply {
    http_state state;
    int status;
    bool keep_alive;
    bool chunked, to_end;
    uint64_t left;
    char line[HTTP_HEAD_MAX]; /* the head, or one line of the chunked coding, being gathered */
    size_t line_len;
    char *body; /* body_len bytes + NUL: what has come and was not taken yet */
    size_t body_len, body_cap;
} http_reply;

/* Ready for the next reply; a body buffer is kept. {0} first. */
void http_reply_reset(http_reply *r);
void http_reply_free(http_reply *r);
/* Takes n bytes; what is behind the end of the reply is left out. Returns the bytes taken. */
size_t http_reply_feed(http_reply *r, const char *data, size_t n);
/* The peer has closed: a body that lasts to the end is now done, anything else is bad. */
void http_reply_closed(http_reply *r);

/* The next whole server-sent event in the body, NUL-terminated, `data: ` stripped; NULL when there
 * is none yet. Valid until the next call on the reply. Comments (`: ping`) are skipped. */
char *http_reply_event(http_reply *r, size_t *at);
/* Forgets the body's first `at` bytes, those that http_reply_event has gone through. */
void http_reply_drop(http_reply *r, size_t at);

#endif
