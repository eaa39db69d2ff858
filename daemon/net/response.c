#include "net/response.h"

#include "base/limits.h"
#include "base/random.h"
#include "net/conn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEAD_MAX = 8 * 1024, RETRY_MS = 1000 };

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Unknown";
}

static bool id_valid(const char *id)
{
    size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n >= 1 && n <= 64 && id[n] == 0;
}

void response_name(exchange *x, const char *client_id)
{
    if (id_valid(client_id)) {
        strcpy(x->id, client_id);
        return;
    }
    strcpy(x->id, "req_");
    random_hex(x->id + 4, 12);
}

void response_header(exchange *x, const char *name, const char *value)
{
    buf_printf(&x->headers, "%s: %s\r\n", name, value);
}

void response_ignored(exchange *x, const api_ignored *list)
{
    if (list->text[0])
        response_header(x, "x-instructd-ignored", list->text);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static const char *http_date(server *s)
{
    time_t now = time(NULL);
    if (now != s->date_made) {
        struct tm utc;
        gmtime_r(&now, &utc);
        strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
        s->date_made = now;
    }
    return s->date;
}

void response_write_head(exchange *x, int status, const char *type, const char *framing, buf *out)
{
    server *s = conn_server(x->conn);
    if (s->draining)
        x->keep_alive = false;
    double ms = (double)((int64_t)uv_hrtime() - x->arrived_ns) / 1e6;
    x->status = status;
    buf_printf(out, "HTTP/1.1 %d %s\r\ndate: %s\r\n", status, reason_phrase(status), http_date(s));
    if (type)
        buf_printf(out, "content-type: %s\r\n", type);
    if (!x->keep_alive)
        buf_puts(out, "connection: close\r\n");
    else if (!x->http_1_1)
        buf_puts(out, "connection: keep-alive\r\n");
    buf_printf(out, "x-request-id: %s\r\nopenai-processing-ms: %.0f\r\n", x->id, ms > 0 ? ms : 0);
    buf_puts(out, "x-content-type-options: nosniff\r\n");
    if (x->headers.len)
        buf_append(out, x->headers.data, x->headers.len);
    buf_printf(out, "%s\r\n", framing);
}

void response_send(exchange *x, int status, const char *type, buf *body)
{
    if (body->failed) {
        buf_free(body);
        response_fail(x, 503, "unavailable_error", "out_of_memory", "the reply did not fit");
        return;
    }
    buf head;
    char framing[48];
    buf_init(&head, HEAD_MAX);
    snprintf(framing, sizeof framing, "content-length: %zu\r\n", body->len);
    response_write_head(x, status, type, framing, &head);
    bool lost = head.failed;
    conn_send(x->conn, &head);
    if (!x->head_only && body->len)
        conn_send(x->conn, body);
    buf_free(body);
    if (lost)
        conn_fail(x->conn);
    conn_end_reply(x->conn);
}

void response_json(exchange *x, int status, buf *body)
{
    response_send(x, status, "application/json", body);
}

void response_error(exchange *x, const api_error *err)
{
    uint32_t retry_ms = err->retry_after_ms;
    if (!retry_ms && (err->status == 429 || err->status == 503))
        retry_ms = RETRY_MS;
    if (retry_ms)
        buf_printf(&x->headers, "retry-after-ms: %u\r\nretry-after: %u\r\n", retry_ms,
                   (retry_ms + 999) / 1000);
    if (err->status == 409)
        response_header(x, "x-should-retry", "false");
    if (err->status == 401)
        response_header(x, "www-authenticate", "Bearer");
    buf body;
    buf_init(&body, 8 * 1024);
    api_error_write(err, &body);
    if (body.failed) { /* an error about memory must not need any */
        buf_free(&body);
        conn_fail(x->conn);
        conn_end_reply(x->conn);
        return;
    }
    response_json(x, err->status, &body);
}

void response_fail(exchange *x, int status, const char *type, const char *code, const char *fmt,
                   ...)
{
    api_error err = {.status = status, .type = type, .code = code};
    va_list args;
    va_start(args, fmt);
    vsnprintf(err.message, sizeof err.message, fmt, args);
    va_end(args);
    response_error(x, &err);
}

void response_empty(exchange *x, int status)
{
    buf head;
    buf_init(&head, HEAD_MAX);
    response_write_head(x, status, NULL, "", &head);
    conn_send(x->conn, &head);
    conn_end_reply(x->conn);
}

void response_write_refusal(buf *out)
{
    static const char body[] =
        "{\"error\":{\"message\":\"too many connections\",\"type\":\"unavailable_error\","
        "\"param\":null,\"code\":\"not_ready\"}}";
    char id[25];
    random_hex(id, 12);
    buf_printf(out,
               "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
               "connection: close\r\nretry-after-ms: 1000\r\nretry-after: 1\r\n"
               "x-request-id: req_%s\r\nopenai-processing-ms: 0\r\ncontent-length: %zu\r\n\r\n%s",
               id, sizeof body - 1, body);
}
