#include "net/conn_internal.h"

#include "base/log.h"
#include "net/response.h"

#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = LIMIT_HEAD_BYTES + LIMIT_PIPELINE_BYTES + 2 * LIMIT_READ_BYTES };

static void on_timer(uv_timer_t *timer);
static void finish_flush(conn *c) ON_LOOP;

server *conn_server(const conn *c)
{
    return c->server;
}

size_t conn_queued(const conn *c)
{
    return write_queue_bytes(&c->out);
}

void conn__arm(conn *c, uint64_t ms)
{
    if (!c->broken && c->state != CONN_CLOSED)
        uv_timer_start(&c->timer, on_timer, ms, 0);
}

void conn_set_timer(conn *c, uint64_t ms)
{
    conn__arm(c, ms);
}

void conn_fail(conn *c)
{
    conn__arm(c, 0);
    c->broken = true;
}

void conn__set_busy(conn *c, bool busy)
{
    if (c->busy == busy)
        return;
    c->busy = busy;
    server *s = c->server;
    s->n_busy = busy ? s->n_busy + 1 : s->n_busy - 1;
    if (s->n_busy == 0 && s->hooks.on_quiet)
        s->hooks.on_quiet(s->hooks.arg);
}

/* ---- closing ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    assert_on_loop();
    conn *c = handle->data;
    if (--c->open_handles > 0)
        return;
    write_queue_free(&c->out);
    buf_free(&c->in);
    free(c);
}

void conn__free_exchange(conn *c)
{
    exchange *x = c->exchange;
    c->exchange = NULL;
    if (x) {
        buf_free(&x->headers);
        free(x);
    }
    http_parser_free(c->parser);
    c->parser = NULL;
    c->server->bodies_bytes -= c->body_counted;
    c->body_counted = 0;
    c->body_taken = c->body_mark = 0;
    c->body_held = false;
}

void conn_close(conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    server *s = c->server;
    c->state = CONN_CLOSED;
    if (c->exchange) {
        exchange *x = c->exchange;
        if (x->stream)
            x->stream->x = NULL;
        if (x->on_gone)
            x->on_gone(x);
        s->hooks.on_done(s->hooks.arg, x);
    }
    conn__free_exchange(c);
    conn__set_busy(c, false);
    conn_use_key(c, -1);
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->n_conns--;
    if (c->refused)
        s->n_refused--;
    uv_close(&c->io.handle, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    assert_on_loop();
    (void)request, (void)status; /* the linger timer or the client's close ends it */
}

void conn__drop_input(conn *c)
{
    buf_free(&c->in);
    c->in_used = c->in_seen = 0;
}

/* Everything is written: say so, then wait for the client to close, discarding what it sends. */
ON_LOOP static void linger(conn *c)
{
    c->state = CONN_LINGER;
    conn__set_busy(c, false);
    if (!c->processing) /* else conn__process() does */
        conn__drop_input(c);
    if (c->eof || uv_shutdown(&c->shutdown, &c->io.stream, on_shutdown) < 0) {
        conn_fail(c);
        return;
    }
    conn__set_reading(c, true);
    conn__arm(c, c->server->limits.linger_ms);
}

bool conn_use_key(conn *c, int key_index)
{
    server *s = c->server;
    if (key_index == c->key_index)
        return true;
    size_t need = key_index < 0 ? 0 : (size_t)key_index + 1;
    if (need > s->n_keys) {
        uint32_t *grown = realloc(s->conns_of_key, need * sizeof *grown);
        if (!grown)
            return false;
        memset(grown + s->n_keys, 0, (need - s->n_keys) * sizeof *grown);
        s->conns_of_key = grown;
        s->n_keys = need;
    }
    if (need && s->conns_of_key[key_index] >= s->limits.conns_per_key)
        return false;
    if (c->key_index >= 0)
        s->conns_of_key[c->key_index]--;
    if (need)
        s->conns_of_key[key_index]++;
    c->key_index = key_index;
    return true;
}

/* ---- writing ---- */

void conn_send(conn *c, buf *b)
{
    if (c->broken || c->state == CONN_CLOSED) {
        buf_free(b);
        return;
    }
    if (write_queue_add(&c->out, b) < 0)
        conn_fail(c);
}

static void on_written(write_queue *q, int status)
{
    assert_on_loop();
    conn *c = q->stream->data;
    if (c->state == CONN_CLOSED)
        return;
    if (status < 0 || c->broken) {
        conn_close(c);
        return;
    }
    if (c->state == CONN_BUSY && c->exchange && c->exchange->stream)
        c->exchange->stream->on_drained(c->exchange->stream);
    else if (c->state == CONN_FLUSH && conn_queued(c) == 0)
        finish_flush(c);
}

/* The reply is out: on to the next message, or to the end. */
static void finish_flush(conn *c)
{
    if (c->close_after) {
        linger(c);
        return;
    }
    c->state = CONN_HEAD;
    conn__set_busy(c, false);
    conn__arm(c, c->server->limits.idle_ms);
    conn__process(c);
}

void conn_end_reply(conn *c)
{
    exchange *x = c->exchange;
    if (!x)
        return;
    c->close_after = !x->keep_alive || !c->message_done;
    c->server->hooks.on_done(c->server->hooks.arg, x);
    conn__free_exchange(c);
    c->state = CONN_FLUSH;
    if (!c->broken && conn_queued(c) == 0) {
        finish_flush(c);
        return;
    }
    c->stall_mark = conn_queued(c);
    conn__arm(c, c->server->limits.stall_ms);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    conn *c = handle->data;
    *out = uv_buf_init(c->server->read_buffer, sizeof c->server->read_buffer);
}

/* The client sends no more. A running request is cancelled; a reply being written is not. */
ON_LOOP static void on_eof(conn *c)
{
    c->eof = true;
    c->reading = false;
    if (c->state != CONN_FLUSH)
        conn_close(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    assert_on_loop();
    conn *c = stream->data;
    if (n == UV_EOF) {
        on_eof(c);
        return;
    }
    if (n < 0) {
        conn_close(c);
        return;
    }
    if (n == 0 || c->state == CONN_LINGER || c->broken)
        return;
    buf_append(&c->in, b->base, (size_t)n);
    if (c->in.failed) {
        conn_close(c);
        return;
    }
    conn__process(c);
}

void conn__set_reading(conn *c, bool reading)
{
    if (c->reading == reading)
        return;
    c->reading = reading;
    if (!reading)
        uv_read_stop(&c->io.stream);
    else if (uv_read_start(&c->io.stream, on_alloc, on_read) < 0)
        conn_fail(c);
}

static void on_timer(uv_timer_t *timer)
{
    assert_on_loop();
    conn *c = timer->data;
    if (c->broken) {
        conn_close(c);
        return;
    }
    switch (c->state) {
    case CONN_HEAD:
        if (c->in_seen)
            conn__answer_fault(c, 408, "the request's head took too long");
        else
            conn_close(c);
        break;
    case CONN_BODY:
        conn__on_body_timer(c);
        break;
    case CONN_BUSY:
        if (c->exchange && c->exchange->stream)
            c->exchange->stream->on_timer(c->exchange->stream);
        break;
    case CONN_FLUSH:
        if (conn_queued(c) >= c->stall_mark) {
            log_event(LOG_INFO, "slow_reader_dropped", "queued=%zu", conn_queued(c));
            conn_close(c);
        } else {
            c->stall_mark = conn_queued(c);
            conn__arm(c, c->server->limits.stall_ms);
        }
        break;
    case CONN_LINGER:
        conn_close(c);
        break;
    case CONN_CLOSED:
        break;
    }
}

/* ---- accepting ---- */

ON_LOOP static int open_handles(conn *c, uv_stream_t *listener)
{
    uv_loop_t *loop = c->server->loop;
    bool is_tcp = listener->type == UV_TCP;
    int rc = is_tcp ? uv_tcp_init(loop, &c->io.tcp) : uv_pipe_init(loop, &c->io.pipe, 0);
    if (rc < 0)
        return rc;
    uv_timer_init(loop, &c->timer);
    c->io.handle.data = c->timer.data = c;
    c->open_handles = 2;
    rc = uv_accept(listener, &c->io.stream);
    if (rc < 0)
        return rc;
    if (is_tcp)
        uv_tcp_nodelay(&c->io.tcp, 1);
    int bytes = LIMIT_SNDBUF_BYTES;
    uv_send_buffer_size(&c->io.handle, &bytes);
    return 0;
}

ON_LOOP static void refuse(conn *c)
{
    buf b;
    buf_init(&b, 1024);
    response_write_refusal(&b);
    conn_send(c, &b);
    c->close_after = true;
    c->state = CONN_FLUSH;
    if (c->server->n_refused > LIMIT_LINGER_CONNS || conn_queued(c))
        conn_close(c);
    else
        finish_flush(c);
}

bool conn_accept(server *s, uv_stream_t *listener, bool refused)
{
    conn *c = calloc(1, sizeof *c);
    if (!c)
        return false;
    c->server = s;
    c->refused = refused;
    c->key_index = -1;
    buf_init(&c->in, INPUT_MAX);
    int rc = open_handles(c, listener);
    if (rc < 0 && !c->open_handles) {
        free(c);
        return false;
    }
    write_queue_init(&c->out, &c->io.stream, on_written);
    c->next = s->conns;
    if (s->conns)
        s->conns->prev = c;
    s->conns = c;
    s->n_conns++;
    s->n_refused += refused;
    if (rc < 0) {
        conn_close(c);
        return true;
    }
    conn__arm(c, s->limits.idle_ms);
    conn__set_reading(c, true);
    if (refused)
        refuse(c);
    return true;
}
