/* Replies: the status line and headers that every reply has, and whole replies in one call. Each
 * response_* that sends a whole reply ends the exchange: x is gone when it returns. [loop] */
#ifndef DAEMON_NET_RESPONSE_H
#define DAEMON_NET_RESPONSE_H

#include "api/error.h"
#include "api/ignored.h"
#include "base/thread_roles.h"
#include "net/exchange.h"

/* Sets x->id from the client's x-request-id or makes one. */
void response_name(exchange *x, const char *client_id);
/* Adds a header line to the reply that is still to come. */
void response_header(exchange *x, const char *name, const char *value);
/* Names what was ignored of the body, if anything was. */
void response_ignored(exchange *x, const api_ignored *list);

/* Appends the head of a reply: status, date, connection, x-request-id, openai-processing-ms, the
 * exchange's own lines, and framing (a line like "content-length: 3\r\n"); sets x->status. */
void response_write_head(exchange *x, int status, const char *type, const char *framing,
                         buf *out) ON_LOOP;

/* A whole reply; the body is moved out of `body`. A body that failed to grow becomes 503. */
void response_send(exchange *x, int status, const char *type, buf *body) ON_LOOP;
void response_json(exchange *x, int status, buf *body) ON_LOOP;
void response_error(exchange *x, const api_error *err) ON_LOOP;
/* response_error with the error given inline; code may be NULL. */
void response_fail(exchange *x, int status, const char *type, const char *code, const char *fmt,
                   ...) __attribute__((format(printf, 5, 6))) ON_LOOP;
/* A status that has no body: 204, 304. */
void response_empty(exchange *x, int status) ON_LOOP;

/* The bytes of the 503 for a client past the connection cap. */
void response_write_refusal(buf *out);

#endif
