/* A streamed reply: server-sent events over one exchange.
 *
 * The owner embeds an sse, begins it when the request is admitted, sends events and ends it. A
 * reader that is slow is first parked (on_park true, then false when it has caught up), then
 * dropped: when drop_bytes more are queued than at its parking (a single large event is no fault of
 * the reader's), or after stall_ms without catching up; the exchange's on_gone tells. After ping_ms
 * without an event a `: ping` comment goes out. Loop thread. */
#ifndef DAEMON_NET_SSE_H
#define DAEMON_NET_SSE_H

#include "base/buf.h"
#include "base/thread_roles.h"
#include "net/exchange.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct sse {
    reply_stream to;
    bool chunked, parked, dropped;
    uint64_t sent_ms, parked_ms; /* loop time of the last event, of the parking */
    size_t parked_queued;        /* bytes queued when it was parked */
    void (*on_park)(void *arg, bool parked);
    void *arg;
} sse;

/* Sends the head: 200, text/event-stream; chunked on HTTP/1.1, else until close. */
void sse_begin(sse *s, exchange *x, void (*on_park)(void *arg, bool parked), void *arg) ON_LOOP;
/* Whole events, each ended by an empty line: one write an event. */
void sse_send(sse *s, const buf *events) ON_LOOP;
/* Ends the reply and the exchange; failed: the connection is closed after it. */
void sse_end(sse *s, bool failed) ON_LOOP;

#endif
