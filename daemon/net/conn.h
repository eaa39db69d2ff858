/* One connection: bytes -> head gate -> llhttp -> exchange -> reply, one request after the other,
 * in order.
 *
 *   HEAD --gate ok--> BODY --complete--> BUSY --reply given--> FLUSH --written--> HEAD
 *     \____________________ fault, or no keep-alive ______________________/\--> LINGER --> CLOSED
 *
 * BUSY reads on, so that a client that leaves is noticed: the end of its input cancels the request.
 * LINGER has sent everything, and discards input until the client closes, so that a reset cannot
 * take the reply from it. At most one write is under way; what waits is counted by conn_queued().
 * Nothing here calls back into a handler from within a call that the handler made: a failed write
 * closes the connection in the next turn of the loop. */
#ifndef DAEMON_NET_CONN_H
#define DAEMON_NET_CONN_H

#include "base/buf.h"
#include "base/thread_roles.h"
#include "net/exchange.h"
#include "net/server.h"

#include <uv.h>

/* Takes the waiting client off the listener. refused: it gets a static 503 and is closed. The
 * connection frees itself. False: memory or the system failed, nothing was accepted. */
bool conn_accept(server *s, uv_stream_t *listener, bool refused) ON_LOOP;
/* Closes at once; a running request is cancelled. Not for handlers: see conn_fail. */
void conn_close(conn *c) ON_LOOP;

/* ---- for the reply's writer ---- */

server *conn_server(const conn *c) ON_LOOP;
/* Queues the bytes, which are moved out of b. */
void conn_send(conn *c, buf *b) ON_LOOP;
/* Bytes given to conn_send that the kernel has not taken. */
size_t conn_queued(const conn *c) ON_LOOP;
/* Stops reading a body that on_body takes, or goes on. */
void conn_hold_body(conn *c, bool hold) ON_LOOP;
/* The reply is complete; the exchange is gone when this returns. */
void conn_end_reply(conn *c) ON_LOOP;
/* Gives the client up: closes in the next turn of the loop. */
void conn_fail(conn *c) ON_LOOP;
/* Calls the reply stream's on_timer after so many milliseconds. */
void conn_set_timer(conn *c, uint64_t ms) ON_LOOP;
/* Counts the connection under this key (-1: none); false when the key has its most already. */
bool conn_use_key(conn *c, int key_index) ON_LOOP;

#endif
