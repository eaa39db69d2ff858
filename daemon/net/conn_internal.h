/* The inside of a connection, shared by conn.c (handles, reading, writing, timers, the end) and
 * conn_message.c (bytes -> messages -> exchanges) alone. Loop thread. */
#ifndef DAEMON_NET_CONN_INTERNAL_H
#define DAEMON_NET_CONN_INTERNAL_H

#include "base/limits.h"
#include "net/conn.h"
#include "net/write_queue.h"

typedef enum conn_state {
    CONN_HEAD,  /* between messages, or a head is arriving */
    CONN_BODY,  /* the body of `exchange` is arriving */
    CONN_BUSY,  /* `exchange` is being answered */
    CONN_FLUSH, /* the reply is complete and being written */
    CONN_LINGER,
    CONN_CLOSED
} conn_state;

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
    uv_timer_t timer;
    uv_shutdown_t shutdown;
    int open_handles; /* of io and timer; the last close callback frees */
    write_queue out;

    server *server; /* (i) */
    conn *prev, *next;
    conn_state state;
    bool refused;    /* past the connection cap; not counted among those it bounds */
    bool broken;     /* close in the next turn */
    bool eof;        /* the client has sent its last byte */
    bool reading;    /* libuv reads for us */
    bool processing; /* process() is on the stack */
    bool busy;       /* counted in server->n_busy */
    bool message_done;
    bool close_after; /* the reply under way is the last */
    int key_index;    /* counted in server->conns_of_key; -1 = none */

    buf in;              /* received, not yet consumed from in_used on */
    size_t in_used;      /* consumed */
    size_t in_seen;      /* of the rest, scanned by the gate */
    size_t body_counted; /* in server->bodies_bytes */
    uint64_t body_taken; /* bytes given to on_body */
    uint64_t body_mark;  /* of them, when the timer was set */
    bool body_held;      /* on_body's owner asks for a pause */
    size_t stall_mark;   /* queued when the stall timer was set */
    http_parser *parser;
    exchange *exchange;
};

/* ---- conn.c ---- */
void conn__arm(conn *c, uint64_t ms) ON_LOOP; /* the one timer; its meaning is the state's */
void conn__set_busy(conn *c, bool busy) ON_LOOP;
void conn__set_reading(conn *c, bool reading) ON_LOOP;
void conn__drop_input(conn *c);
void conn__free_exchange(conn *c) ON_LOOP;

/* ---- conn_message.c ---- */
/* Consumes input as far as the state allows. */
void conn__process(conn *c) ON_LOOP;
/* The body's timer ran out: has enough come? */
void conn__on_body_timer(conn *c) ON_LOOP;
/* Answers a message that cannot be read to its end, and closes. */
void conn__answer_fault(conn *c, int status, const char *reason) ON_LOOP;

#endif
