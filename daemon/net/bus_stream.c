#include "net/bus_stream.h"

#include "base/limits.h"
#include "base/query.h"
#include "host/events.h"
#include "net/response.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ALL_TOPICS = TOPIC_POLICY | TOPIC_ALIAS | TOPIC_JOB | TOPIC_ROLLOUT, PAGE = 32 };

typedef struct bus_stream {
    listener listener;
    service *service;
    unsigned topics;
    uint64_t since;
} bus_stream;

ON_LOOP static void leave(bus_stream *b)
{
    listener_leave(&b->service->listeners, &b->listener);
    free(b);
}

static void on_gone(exchange *x)
{
    assert_on_loop();
    leave(x->work);
}

static void on_end(listener *l)
{
    assert_on_loop();
    if (l->sse.to.x)
        l->sse.to.x->on_gone = NULL;
    sse_end(&l->sse, false);
    leave((bus_stream *)(void *)l);
}

static void write_record(buf *out, const event_record *r)
{
    buf_printf(out, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", r->id, r->name, r->json);
}

/* Sends what there is, as far as the reader keeps up. */
static void on_news(listener *l)
{
    assert_on_loop();
    bus_stream *b = (bus_stream *)(void *)l;
    size_t n = PAGE;
    while (n == PAGE && !l->sse.parked && !l->sse.dropped) {
        event_record records[PAGE];
        bool lost = false;
        buf out;
        n = events_after(b->service->control.events, &b->since, b->topics, NULL, records, PAGE,
                         &lost);
        buf_init(&out, LIMIT_EVENTS_BYTES + PAGE * 256);
        if (lost)
            buf_puts(&out, "event: lost\ndata: {}\n\n");
        for (size_t i = 0; i < n; i++) {
            write_record(&out, &records[i]);
            free(records[i].json);
        }
        if (out.len || out.failed)
            sse_send(&l->sse, &out);
        buf_free(&out);
    }
}

static void on_park(void *arg, bool parked)
{
    if (!parked)
        on_news(arg);
}

/* ---- the request ---- */

static unsigned topic_of(const char *name, size_t len)
{
    static const struct {
        const char *name;
        event_topic topic;
    } topics[] = {{"policy", TOPIC_POLICY},
                  {"alias", TOPIC_ALIAS},
                  {"job", TOPIC_JOB},
                  {"rollout", TOPIC_ROLLOUT}};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
        if (strlen(topics[i].name) == len && memcmp(topics[i].name, name, len) == 0)
            return topics[i].topic;
    return 0;
}

static bool read_topics(const char *query, unsigned *out, api_error *err)
{
    char text[128];
    *out = ALL_TOPICS;
    if (!query_value(query, "topics", text, sizeof text))
        return true;
    *out = 0;
    for (const char *at = text;; at++) {
        const size_t n = strcspn(at, ",");
        const unsigned topic = topic_of(at, n);
        if (!topic)
            return api_invalid(err, "invalid_value", "topics",
                               "topics: expected policy, alias, job or rollout, found '%.*s'",
                               (int)n, at);
        *out |= topic;
        at += n;
        if (!*at)
            return true;
    }
}

void bus_stream_handle(service *s, exchange *x)
{
    api_error err;
    unsigned topics;
    uint64_t since = events_last(s->control.events);
    if (!read_topics(x->query, &topics, &err) || !listener_resume_at(x, &since, &err)) {
        response_error(x, &err);
        return;
    }
    bus_stream *b = calloc(1, sizeof *b);
    if (!b) {
        api_no_memory(&err);
        response_error(x, &err);
        return;
    }
    *b = (bus_stream){.service = s, .topics = topics, .since = since};
    b->listener.on_news = on_news;
    b->listener.on_end = on_end;
    if (!listener_enter(&s->listeners, &b->listener)) {
        free(b);
        response_fail(x, 429, "rate_limit_error", "queue_full", "too many listen already");
        return;
    }
    x->work = b;
    x->on_gone = on_gone;
    sse_begin(&b->listener.sse, x, on_park, b);
    on_news(&b->listener);
}
