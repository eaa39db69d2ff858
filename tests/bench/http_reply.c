#include "http_reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_reply_reset(http_reply *r)
{
    char *body = r->body;
    size_t cap = r->body_cap;
    /* field by field: clearing the line buffer too would cost more than the reply */
    r->state = HTTP_HEAD;
    r->status = 0;
    r->keep_alive = r->chunked = r->to_end = false;
    r->left = 0;
    r->line_len = r->body_len = 0;
    r->body = body;
    r->body_cap = cap;
}

void http_reply_free(http_reply *r)
{
    free(r->body);
    r->body = NULL;
    r->body_len = r->body_cap = 0;
}

/* ---- head ---- */

/* The value of a header, or NULL; `head` is NUL-terminated and ends with an empty line. */
static const char *header(const char *head, const char *name)
{
    const size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " \t");
    }
    return NULL;
}

static bool value_is(const char *value, const char *word)
{
    return value && strncasecmp(value, word, strlen(word)) == 0;
}

static void read_head(http_reply *r)
{
    const char *head = r->line;
    if (strncmp(head, "HTTP/1.", 7) != 0 || strlen(head) < 12) {
        r->state = HTTP_BAD;
        return;
    }
    r->status = atoi(head + 9);
    r->keep_alive = head[7] != '0' && !value_is(header(head, "connection"), "close");
    r->chunked = value_is(header(head, "transfer-encoding"), "chunked");
    const char *length = header(head, "content-length");
    r->left = length ? strtoull(length, NULL, 10) : 0;
    r->to_end = !length && !r->chunked && r->status != 204;
    if (r->to_end)
        r->left = UINT64_MAX;
    r->line_len = 0;
    r->state = r->chunked ? HTTP_CHUNK_SIZE : r->left ? HTTP_BODY : HTTP_DONE;
}

/* Gathers bytes up to `end` into line, NUL-terminated; true when the end is there. */
static bool gather(http_reply *r, const char *data, size_t n, size_t *used, const char *end)
{
    const size_t end_len = strlen(end);
    while (*used < n) {
        if (r->line_len + 1 >= sizeof r->line) {
            r->state = HTTP_BAD;
            return false;
        }
        r->line[r->line_len++] = data[(*used)++];
        if (r->line_len >= end_len && memcmp(r->line + r->line_len - end_len, end, end_len) == 0) {
            r->line[r->line_len] = '\0';
            return true;
        }
    }
    return false;
}

/* ---- body ---- */

static void keep_body(http_reply *r, const char *data, size_t n)
{
    if (r->body_len + n + 1 > r->body_cap) {
        size_t cap = r->body_cap ? r->body_cap : 4096;
        while (cap < r->body_len + n + 1)
            cap *= 2;
        char *grown = cap <= HTTP_BODY_MAX ? realloc(r->body, cap) : NULL;
        if (!grown) {
            r->state = HTTP_BAD;
            return;
        }
        r->body = grown;
        r->body_cap = cap;
    }
    memcpy(r->body + r->body_len, data, n);
    r->body_len += n;
    r->body[r->body_len] = '\0';
}

static size_t take_body(http_reply *r, const char *data, size_t n)
{
    size_t take = r->left < n ? (size_t)r->left : n;
    keep_body(r, data, take);
    if (r->state == HTTP_BAD)
        return n;
    if (!r->to_end)
        r->left -= take;
    if (!r->left)
        r->state = r->state == HTTP_CHUNK_DATA ? HTTP_CHUNK_END : HTTP_DONE;
    return take;
}

static void read_chunk_line(http_reply *r)
{
    char *end;
    switch (r->state) {
    case HTTP_CHUNK_SIZE:
        r->left = strtoull(r->line, &end, 16);
        r->state = end == r->line ? HTTP_BAD : r->left ? HTTP_CHUNK_DATA : HTTP_TRAILER;
        break;
    case HTTP_CHUNK_END:
        r->state = r->line_len == 2 ? HTTP_CHUNK_SIZE : HTTP_BAD;
        break;
    default: /* trailers end with an empty line */
        r->state = r->line_len == 2 ? HTTP_DONE : HTTP_TRAILER;
        break;
    }
    r->line_len = 0;
}

size_t http_reply_feed(http_reply *r, const char *data, size_t n)
{
    size_t used = 0;
    while (used < n && r->state != HTTP_DONE && r->state != HTTP_BAD) {
        if (r->state == HTTP_HEAD) {
            if (gather(r, data, n, &used, "\r\n\r\n"))
                read_head(r);
        } else if (r->state == HTTP_BODY || r->state == HTTP_CHUNK_DATA) {
            used += take_body(r, data + used, n - used);
        } else if (gather(r, data, n, &used, "\r\n")) {
            read_chunk_line(r);
        }
    }
    return used;
}

void http_reply_closed(http_reply *r)
{
    if (r->state == HTTP_BODY && r->to_end)
        r->state = HTTP_DONE;
    else if (r->state != HTTP_DONE)
        r->state = HTTP_BAD;
}

/* ---- server-sent events ---- */

char *http_reply_event(http_reply *r, size_t *at)
{
    while (r->body && *at < r->body_len) {
        char *event = r->body + *at, *end = strstr(event, "\n\n");
        if (!end)
            return NULL;
        *end = '\0';
        *at = (size_t)(end - r->body) + 2;
        if (strncmp(event, "data:", 5) == 0)
            return event + 5 + strspn(event + 5, " ");
    }
    return NULL;
}

void http_reply_drop(http_reply *r, size_t at)
{
    if (!at)
        return;
    r->body_len -= at;
    memmove(r->body, r->body + at, r->body_len + 1);
}
