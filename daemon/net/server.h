/* The server: listeners, the set of connections, and the limits they live under. One thread, the
 * loop's. Fields are read by conn.c and response.c, written by server.c unless noted. */
#ifndef DAEMON_NET_SERVER_H
#define DAEMON_NET_SERVER_H

#include "base/error_text.h"
#include "base/thread_roles.h"
#include "net/exchange.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <uv.h>

/* Timers and bounds, so that tests need not wait for the real ones. */
typedef struct server_limits {
    uint32_t head_ms, body_ms, idle_ms, stall_ms, ping_ms, linger_ms;
    uint32_t conns;         /* 0: what nofile leaves */
    uint32_t conns_per_key; /* connections that one key may hold */
    size_t body_bytes;
    size_t park_bytes, drop_bytes; /* queued for the reader of a stream */
} server_limits;

/* Those of limits.h. */
server_limits server_default_limits(void);

typedef struct server_hooks {
    /* A head has arrived. True: go on, on_request follows once the body is there. False: it has
     * been answered. [loop] */
    bool (*on_head)(void *arg, exchange *x);
    /* The request is complete: answer now, or set x->on_gone and answer later. [loop] */
    void (*on_request)(void *arg, exchange *x);
    /* The exchange is over (x->status 0: the client left before a reply). [loop] */
    void (*on_done)(void *arg, exchange *x);
    /* No request is under way any more; may be NULL, must not close the server itself. [loop] */
    void (*on_quiet)(void *arg);
    void *arg;
} server_hooks;

typedef struct server {
    uv_loop_t *loop;
    server_limits limits;
    server_hooks hooks;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
    bool tcp_open, pipe_open, closing;
    bool draining; /* replies end their connections */
    uint16_t port;
    char read_buffer[64 * 1024]; /* every read lands here, then moves on at once */

    conn *conns;                 /* list; kept by conn.c */
    uint32_t n_conns, n_refused; /* conn.c */
    uint32_t n_busy;             /* connections with a request under way; conn.c */
    size_t bodies_bytes;         /* of bodies being read; conn.c */
    uint32_t *conns_of_key;      /* conn.c */
    size_t n_keys;

    char date[40]; /* the date header, made anew once a second; response.c */
    time_t date_made;
} server;

/* A server on this loop, not yet listening. NULL when memory is out. hooks are copied. */
server *server_create(uv_loop_t *loop, const server_limits *limits,
                      const server_hooks *hooks) ON_LOOP;
/* host: a numeric IPv4 or IPv6 address, or "localhost" (127.0.0.1). Port 0 takes a free one. */
bool server_listen_tcp(server *s, const char *host, uint16_t port, error_text *err) ON_LOOP;
/* Mode 0600. A socket file that nobody listens on is replaced. */
bool server_listen_unix(server *s, const char *path, error_text *err) ON_LOOP;
/* From now on every reply closes its connection. */
void server_drain(server *s) ON_LOOP;
/* Closes listeners and connections; running requests are cancelled. The loop must then run until
 * it has no handles left, before server_free. */
void server_close(server *s) ON_LOOP;
void server_free(server *s) ON_LOOP;

#endif
