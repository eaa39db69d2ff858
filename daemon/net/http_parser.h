/* The llhttp adapter: one request message, from its gated head to the end of its body.
 *
 * The head goes in whole, after the head gate; then the body in any pieces. A parser serves one
 * message and is then freed, so that nothing of a message can reach the next. Framing bytes of a
 * chunked body (chunk heads, extensions, trailers) are checked raw: CRLF line ends, no control
 * bytes, and at most LIMIT_BODY_OVERHEAD_BYTES + LIMIT_CHUNK_HEAD_BYTES a chunk. */
#ifndef DAEMON_NET_HTTP_PARSER_H
#define DAEMON_NET_HTTP_PARSER_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum http_method {
    HTTP_METHOD_GET = 1,
    HTTP_METHOD_HEAD = 2,
    HTTP_METHOD_POST = 4,
    HTTP_METHOD_PUT = 8,
    HTTP_METHOD_PATCH = 16,
    HTTP_METHOD_DELETE = 32,
    HTTP_METHOD_OPTIONS = 64
} http_method;

/* Strings are NUL-terminated, live as long as the request, and are "" when the field is absent.
 * Of a field that stands twice the first counts. */
typedef struct http_request {
    http_method method;
    bool http_1_1, keep_alive;
    bool has_body; /* a body follows the head (possibly an empty chunked one) */
    bool chunked;
    bool expects_continue;   /* Expect: 100-continue on HTTP/1.1 */
    uint64_t content_length; /* 0 when chunked */
    const char *target;      /* as sent: path?query, an absolute URI or * */
    const char *host, *authorization, *api_key, *content_type, *origin, *request_id;
    const char *accept, *accept_encoding, *if_match, *if_none_match, *last_event_id;
    buf body;
    char *text; /* holds the strings */
} http_request;

typedef enum http_outcome {
    HTTP_MORE,    /* everything given was taken; the message goes on */
    HTTP_MESSAGE, /* the message is complete */
    HTTP_REJECT   /* see status and reason; the connection cannot go on */
} http_outcome;

typedef struct http_parser http_parser;

/* NULL when memory is out. max_body: bytes of body taken before 413. */
http_parser *http_parser_create(size_t max_body);
void http_parser_free(http_parser *p); /* NULL allowed; frees its request */

/* The head, exactly as long as the gate said. After HTTP_MORE or HTTP_MESSAGE the request's fields
 * are set. A Content-Length beyond max_body is not judged here: the head can still be answered. */
http_outcome http_parser_head(http_parser *p, const char *bytes, size_t len);
/* Raises what the body may come to in all, past the max_body of http_parser_create. Then the caller
 * takes what request.body holds after each http_parser_body, so that no more than one call's bytes
 * are ever held. */
void http_parser_allow_body(http_parser *p, uint64_t max_body);
/* Body bytes; *used says how many belonged to this message. */
http_outcome http_parser_body(http_parser *p, const char *bytes, size_t len, size_t *used);

http_request *http_parser_request(http_parser *p); /* lives as long as the parser */
int http_parser_status(const http_parser *p);      /* after HTTP_REJECT: 400, 413 or 503 */
const char *http_parser_reason(const http_parser *p);

#endif
