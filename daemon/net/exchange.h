/* One request and its reply on a connection. The connection makes it when a head has arrived (or
 * could not be read), and frees it when the reply has been handed over or the client has left.
 *
 * A handler answers at once, or keeps the pointer and answers later; in that case it sets on_gone,
 * which is its last chance to forget the pointer. Everything here is of the loop thread. */
#ifndef DAEMON_NET_EXCHANGE_H
#define DAEMON_NET_EXCHANGE_H

#include "base/keys.h"
#include "net/http_parser.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct conn conn;
typedef struct exchange exchange;
struct route;

/* A reply that goes out piece by piece, as its connection knows it: the first member of an sse and
 * of a file reply. */
typedef struct reply_stream {
    exchange *x; /* NULL before its begin, after its end and once the client left */
    void (*on_drained)(struct reply_stream *r); /* the connection's queue has shrunk */
    void (*on_timer)(struct reply_stream *r);   /* the timer of conn_set_timer ran out */
} reply_stream;

struct exchange {
    conn *conn;
    /* NULL when the head could not be read. The body is there only while on_request runs; a handler
     * that needs it longer moves it out with buf_take. */
    http_request *request;
    char id[65];        /* x-request-id: the client's if valid, else req_<random> */
    int64_t arrived_ns; /* CLOCK_MONOTONIC */
    bool http_1_1;      /* may the reply be chunked? */
    bool head_only;     /* HEAD: headers without the body */
    bool keep_alive;    /* as things stand; the reply's head says so */
    int status;         /* of the reply; 0 until its head is sent */
    buf headers;        /* further header lines of the reply, each "name: value\r\n" */

    const struct route *route; /* NULL until routed */
    const char *query;         /* after '?', "" if none */
    char names[2][129];        /* the {name}s of the path, decoded; "" if none */
    key_info key;

    /* Set by the on_head hook for a body that is not to be held: takes the bytes as they arrive and
     * empties the buffer, up to body_max in all; on_request follows with an empty body. It may
     * answer. The client must then keep up LIMIT_UPLOAD_BYTES_PER_S. */
    void (*on_body)(exchange *x, buf *bytes);
    uint64_t body_max;

    reply_stream *stream; /* what sends this reply; NULL: it goes out whole */
    void *work;           /* the handler's own */
    /* Called once when the client leaves before the reply is complete, or when its body cannot be
     * read to its end and is answered so: the exchange is no longer the handler's. */
    void (*on_gone)(exchange *x);
};

#endif
