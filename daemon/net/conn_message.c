#include "net/conn_internal.h"
#include "net/head_gate.h"
#include "net/response.h"

#include <stdlib.h>
#include <string.h>

ON_LOOP static exchange *begin_exchange(conn *c)
{
    exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->conn = c;
    x->arrived_ns = (int64_t)uv_hrtime();
    x->http_1_1 = true;
    x->key.index = -1;
    x->query = "";
    buf_init(&x->headers, LIMIT_HEAD_BYTES / 4);
    c->exchange = x;
    c->message_done = false;
    c->state = CONN_BUSY;
    conn__set_busy(c, true);
    return x;
}

void conn__answer_fault(conn *c, int status, const char *reason)
{
    exchange *x = c->exchange ? c->exchange : begin_exchange(c);
    if (!x) {
        conn_fail(c);
        return;
    }
    if (!x->id[0])
        response_name(x, "");
    if (x->on_gone)
        x->on_gone(x);
    x->on_gone = NULL;
    c->state = CONN_BUSY;
    c->message_done = false;
    x->keep_alive = false;
    if (status == 503)
        response_fail(x, 503, "unavailable_error", "out_of_memory", "%s", reason);
    else
        response_fail(x, status, "invalid_request_error", NULL, "%s", reason);
}

ON_LOOP static void message_complete(conn *c)
{
    exchange *x = c->exchange;
    c->message_done = true;
    c->state = CONN_BUSY;
    uv_timer_stop(&c->timer);
    x->keep_alive = x->request->keep_alive;
    c->server->hooks.on_request(c->server->hooks.arg, x);
    if (c->exchange != x || c->state == CONN_CLOSED) /* answered at once */
        return;
    buf_free(&x->request->body);
    c->server->bodies_bytes -= c->body_counted;
    c->body_counted = 0;
    if (c->eof) /* the client has left while its last request is computed */
        conn_fail(c);
}

ON_LOOP static void send_continue(conn *c)
{
    buf b;
    buf_init(&b, 64);
    buf_puts(&b, "HTTP/1.1 100 Continue\r\n\r\n");
    conn_send(c, &b);
}

/* The head has passed the gate: parse it and ask the handler. */
ON_LOOP static void take_head(conn *c, const char *bytes, size_t len)
{
    server *s = c->server;
    exchange *x = begin_exchange(c);
    c->parser = http_parser_create(s->limits.body_bytes);
    if (!x || !c->parser) {
        conn_fail(c);
        return;
    }
    http_outcome outcome = http_parser_head(c->parser, bytes, len);
    if (outcome == HTTP_REJECT) {
        conn__answer_fault(c, http_parser_status(c->parser), http_parser_reason(c->parser));
        return;
    }
    http_request *r = http_parser_request(c->parser);
    x->request = r;
    x->http_1_1 = r->http_1_1;
    x->head_only = r->method == HTTP_METHOD_HEAD;
    response_name(x, r->request_id);
    c->message_done = outcome == HTTP_MESSAGE;
    x->keep_alive = c->message_done && r->keep_alive;
    if (!s->hooks.on_head(s->hooks.arg, x))
        return;
    if (c->message_done) {
        message_complete(c);
        return;
    }
    const uint64_t max = x->on_body ? x->body_max : s->limits.body_bytes;
    http_parser_allow_body(c->parser, max);
    if (r->content_length > max) {
        conn__answer_fault(c, 413, "the body is longer than this path takes");
        return;
    }
    c->state = CONN_BODY;
    conn__arm(c, s->limits.body_ms);
    if (r->expects_continue && c->in.len == c->in_used)
        send_continue(c);
}

/* True when there is more to do with the input at hand. */
ON_LOOP static bool step_head(conn *c)
{
    const char *bytes = c->in.data + c->in_used;
    size_t len = c->in.len - c->in_used;
    if (len == 0)
        return false;
    head_result r = head_gate_check(bytes, len, c->in_seen);
    if (r.verdict == HEAD_MORE) {
        if (c->in_seen == 0)
            conn__arm(c, c->server->limits.head_ms);
        c->in_seen = len;
        return false;
    }
    c->in_seen = 0;
    if (r.verdict == HEAD_REJECT) {
        conn__answer_fault(c, r.status, r.reason);
        return false;
    }
    c->in_used += r.len;
    take_head(c, bytes, r.len);
    return true;
}

/* Hands on what has arrived of a body that is not held. False: it was answered over that. */
ON_LOOP static bool give_body(conn *c)
{
    exchange *x = c->exchange;
    c->body_taken += x->request->body.len;
    if (x->request->body.len)
        x->on_body(x, &x->request->body);
    return c->exchange == x && c->state == CONN_BODY;
}

ON_LOOP static bool step_body(conn *c)
{
    server *s = c->server;
    size_t len = c->in.len - c->in_used, used = 0;
    if (len == 0 || c->body_held)
        return false;
    http_outcome outcome = http_parser_body(c->parser, c->in.data + c->in_used, len, &used);
    c->in_used += used;
    if (outcome != HTTP_REJECT && c->exchange->on_body && !give_body(c))
        return true;
    size_t have = c->exchange->request->body.len;
    s->bodies_bytes += have - c->body_counted;
    c->body_counted = have;
    if (outcome == HTTP_REJECT)
        conn__answer_fault(c, http_parser_status(c->parser), http_parser_reason(c->parser));
    else if (s->bodies_bytes > LIMIT_BODIES_BYTES)
        conn__answer_fault(c, 503, "too many request bodies at once");
    else if (outcome == HTTP_MESSAGE)
        message_complete(c);
    else
        return false;
    return true;
}

/* Drops consumed input; an idle connection keeps no buffer. */
ON_LOOP static void trim_input(conn *c)
{
    size_t left = c->in.len - c->in_used;
    if (left == 0) {
        buf_free(&c->in);
    } else if (c->in_used) {
        memmove(c->in.data, c->in.data + c->in_used, left);
        c->in.len = left;
    }
    c->in_used = 0;
}

/* Consumes input as far as the state allows. Replies given on the way leave the state at HEAD
 * again, so pipelined requests are a loop here and not a recursion. */
void conn__process(conn *c)
{
    if (c->processing)
        return;
    c->processing = true;
    bool more = true;
    while (more && !c->broken) {
        if (c->state == CONN_HEAD)
            more = step_head(c);
        else if (c->state == CONN_BODY)
            more = step_body(c);
        else
            more = false;
    }
    c->processing = false;
    if (c->state == CONN_LINGER)
        conn__drop_input(c);
    else
        trim_input(c);
    if (c->eof && (c->state == CONN_HEAD || c->state == CONN_BODY))
        conn_fail(c);
    else if (!c->eof)
        conn__set_reading(c, c->in.len < LIMIT_PIPELINE_BYTES && !c->body_held);
}

void conn_hold_body(conn *c, bool hold)
{
    if (c->body_held == hold)
        return;
    c->body_held = hold;
    if (c->state == CONN_BODY)
        conn__process(c);
}

/* A body that is held must be there in time; one that is handed on must keep coming. */
void conn__on_body_timer(conn *c)
{
    const uint32_t ms = c->server->limits.body_ms;
    const uint64_t least = (uint64_t)LIMIT_UPLOAD_BYTES_PER_S * ms / 1000;
    const bool goes_on =
        c->exchange->on_body && (c->body_held || c->body_taken - c->body_mark >= least);
    if (!goes_on) {
        conn__answer_fault(c, 408, "the request's body took too long");
        return;
    }
    c->body_mark = c->body_taken;
    conn__arm(c, ms);
}
