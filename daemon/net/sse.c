#include "net/sse.h"

#include "base/limits.h"
#include "base/log.h"
#include "net/conn.h"
#include "net/response.h"

#include <string.h>

enum { CHUNK_FRAMING_BYTES = 32 };

static void on_drained(reply_stream *to);
static void on_timer(reply_stream *to);

ON_LOOP static uint64_t now_ms(const sse *s)
{
    return uv_now(conn_server(s->to.x->conn)->loop);
}

void sse_begin(sse *s, exchange *x, void (*on_park)(void *arg, bool parked), void *arg)
{
    *s = (sse){.to = {.x = x, .on_drained = on_drained, .on_timer = on_timer},
               .chunked = x->http_1_1,
               .on_park = on_park,
               .arg = arg};
    buf head;
    buf_init(&head, LIMIT_HEAD_BYTES);
    if (!s->chunked)
        x->keep_alive = false;
    x->stream = &s->to;
    s->sent_ms = now_ms(s);
    response_write_head(x, 200, "text/event-stream",
                        s->chunked ? "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n"
                                   : "cache-control: no-cache\r\n",
                        &head);
    conn_send(x->conn, &head);
    conn_set_timer(x->conn, conn_server(x->conn)->limits.ping_ms);
}

ON_LOOP static void drop(sse *s, size_t queued)
{
    log_event(LOG_INFO, "slow_reader_dropped", "id=%s queued=%zu", s->to.x->id, queued);
    s->dropped = true;
    conn_fail(s->to.x->conn);
}

/* Judges the reader by what is queued for it. */
ON_LOOP static void check_queue(sse *s)
{
    const server_limits *limits = &conn_server(s->to.x->conn)->limits;
    size_t queued = conn_queued(s->to.x->conn);
    if (s->parked && queued >= s->parked_queued + limits->drop_bytes) {
        drop(s, queued);
        return;
    }
    if (!s->parked && queued >= limits->park_bytes) {
        s->parked = true;
        s->parked_queued = queued;
        s->parked_ms = now_ms(s);
        conn_set_timer(s->to.x->conn, limits->stall_ms);
        s->on_park(s->arg, true);
    } else if (s->parked && queued <= limits->park_bytes / 2) {
        s->parked = false;
        conn_set_timer(s->to.x->conn, limits->ping_ms);
        s->on_park(s->arg, false);
    }
}

ON_LOOP static void send_bytes(sse *s, const char *bytes, size_t len)
{
    buf out;
    buf_init(&out, len + CHUNK_FRAMING_BYTES);
    if (s->chunked)
        buf_printf(&out, "%zx\r\n", len);
    buf_append(&out, bytes, len);
    if (s->chunked)
        buf_puts(&out, "\r\n");
    s->sent_ms = now_ms(s);
    conn_send(s->to.x->conn, &out);
    check_queue(s);
}

void sse_send(sse *s, const buf *events)
{
    if (!s->to.x || s->dropped)
        return;
    if (events->failed) {
        conn_fail(s->to.x->conn);
        return;
    }
    for (const char *at = events->data, *end = at + events->len;
         at < end && s->to.x && !s->dropped;) {
        const char *empty_line = memmem(at, (size_t)(end - at), "\n\n", 2);
        const char *next = empty_line ? empty_line + 2 : end;
        send_bytes(s, at, (size_t)(next - at));
        at = next;
    }
}

void sse_end(sse *s, bool failed)
{
    exchange *x = s->to.x;
    if (!x)
        return;
    s->to.x = NULL;
    x->stream = NULL;
    if (failed)
        x->keep_alive = false;
    if (s->chunked) {
        buf last;
        buf_init(&last, CHUNK_FRAMING_BYTES);
        buf_puts(&last, "0\r\n\r\n");
        conn_send(x->conn, &last);
    }
    conn_end_reply(x->conn);
}

static void on_drained(reply_stream *to)
{
    assert_on_loop();
    check_queue((sse *)(void *)to);
}

static void on_timer(reply_stream *to)
{
    assert_on_loop();
    sse *s = (sse *)(void *)to;
    const server_limits *limits = &conn_server(s->to.x->conn)->limits;
    uint64_t now = now_ms(s), quiet = now - s->sent_ms;
    if (s->parked) {
        uint64_t stuck = now - s->parked_ms;
        if (stuck < limits->stall_ms) {
            conn_set_timer(s->to.x->conn, limits->stall_ms - stuck);
            return;
        }
        drop(s, conn_queued(s->to.x->conn));
        return;
    }
    if (quiet >= limits->ping_ms) {
        static const char ping[] = ": ping\n\n";
        send_bytes(s, ping, sizeof ping - 1);
        quiet = 0;
    }
    conn_set_timer(s->to.x->conn, limits->ping_ms - quiet);
}
