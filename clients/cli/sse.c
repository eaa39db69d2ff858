#include "sse.h"

#include <stdio.h>
#include <string.h>

void sse_init(sse_parser *p, size_t max_event_bytes)
{
    *p = (sse_parser){0};
    text_init(&p->line, max_event_bytes);
    text_init(&p->data, max_event_bytes);
}

void sse_free(sse_parser *p)
{
    text_free(&p->line);
    text_free(&p->data);
}

static void take_field(sse_parser *p, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon ? (size_t)(colon - line) : len;
    const char *value = colon ? colon + 1 : line + len;
    if (value < line + len && *value == ' ')
        value++;
    if (name_len == 2 && memcmp(line, "id", 2) == 0)
        snprintf(p->id, sizeof p->id, "%.*s", (int)(line + len - value), value);
    if (name_len != 4 || memcmp(line, "data", 4) != 0)
        return; /* a comment (empty name) or a field we have no use for */
    if (p->has_data)
        text_puts(&p->data, "\n");
    text_append(&p->data, value, (size_t)(line + len - value));
    p->has_data = true;
}

static sse_status take_line(sse_parser *p, sse_event_fn *fn, void *ctx)
{
    const char *line = text_str(&p->line);
    size_t len = p->line.len;
    if (!p->begun && len >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
        line += 3;
        len -= 3;
    }
    p->begun = true;
    bool more = true;
    if (len) {
        take_field(p, line, len);
    } else if (p->has_data) {
        memcpy(p->last_id, p->id, sizeof p->last_id);
        if (!p->data.failed)
            more = fn(ctx, text_str(&p->data), p->data.len);
        p->has_data = false;
        if (!p->data.failed)
            text_clear(&p->data);
    }
    if (p->line.failed || p->data.failed)
        return SSE_TOO_LONG;
    text_clear(&p->line);
    return more ? SSE_OK : SSE_STOPPED;
}

sse_status sse_feed(sse_parser *p, const char *bytes, size_t n, sse_event_fn *fn, void *ctx)
{
    const char *end = bytes + n;
    while (bytes < end) {
        if (p->after_cr && *bytes == '\n') {
            p->after_cr = false;
            bytes++;
            continue;
        }
        p->after_cr = false;
        const char *stop = bytes;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        text_append(&p->line, bytes, (size_t)(stop - bytes));
        if (p->line.failed)
            return SSE_TOO_LONG;
        if (stop == end)
            break;
        p->after_cr = *stop == '\r';
        bytes = stop + 1;
        sse_status status = take_line(p, fn, ctx);
        if (status != SSE_OK)
            return status;
    }
    return SSE_OK;
}
