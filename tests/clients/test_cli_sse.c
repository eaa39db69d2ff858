#include "harness.h"

#include "sse.h"

#include <string.h>

/* Collects events as "a|b|". */
static bool collect(void *ctx, const char *data, size_t len)
{
    text_append(ctx, data, len);
    text_puts(ctx, "|");
    return true;
}

static bool stop_at_first(void *ctx, const char *data, size_t len)
{
    collect(ctx, data, len);
    return false;
}

/* Feeds `bytes` in pieces of `step` and compares the events. */
static void expect_events(const char *bytes, size_t step, const char *want)
{
    sse_parser p;
    text got;
    sse_init(&p, 1024);
    text_init(&got, 4096);
    size_t n = strlen(bytes);
    for (size_t i = 0; i < n; i += step)
        EXPECT_EQ(sse_feed(&p, bytes + i, step < n - i ? step : n - i, collect, &got), SSE_OK);
    EXPECT_STR(text_str(&got), want);
    text_free(&got);
    sse_free(&p);
}

TEST(sse_gives_the_same_events_for_every_split)
{
    const char *bytes = "data: {\"a\":1}\n\n: ping\n\ndata: two\r\n\r\ndata:three\rdata: lines\r\r"
                        "event: x\nid: 7\ndata: \xC3\xA9\n\ndata: [DONE]\n\n";
    for (size_t step = 1; step <= strlen(bytes); step++)
        expect_events(bytes, step, "{\"a\":1}|two|three\nlines|\xC3\xA9|[DONE]|");
}

TEST(sse_skips_a_byte_order_mark_at_the_start_only)
{
    expect_events("\xEF\xBB\xBF"
                  "data: a\n\n\xEF\xBB\xBF"
                  "data: b\n\n",
                  2, "a|");
}

TEST(sse_takes_one_space_after_the_colon)
{
    expect_events("data:  a\n\ndata\n\ndata:\n\n", 3, " a|||");
}

TEST(sse_never_reports_an_event_without_its_empty_line)
{
    expect_events("data: whole\n\ndata: cut\n", 4, "whole|");
}

TEST(sse_stops_when_the_reader_says_so)
{
    sse_parser p;
    text got;
    sse_init(&p, 64);
    text_init(&got, 64);
    const char *bytes = "data: a\n\ndata: b\n\n";
    EXPECT_EQ(sse_feed(&p, bytes, strlen(bytes), stop_at_first, &got), SSE_STOPPED);
    EXPECT_STR(text_str(&got), "a|");
    text_free(&got);
    sse_free(&p);
}

TEST(sse_refuses_a_line_and_an_event_past_the_maximum)
{
    sse_parser p;
    text got;
    sse_init(&p, 16);
    text_init(&got, 64);
    const char *line = "data: 0123456789abcdef";
    EXPECT_EQ(sse_feed(&p, line, strlen(line), collect, &got), SSE_TOO_LONG);
    sse_free(&p);
    sse_init(&p, 16);
    const char *event = "data: 0123456789\ndata: 0123456789\n\n";
    EXPECT_EQ(sse_feed(&p, event, strlen(event), collect, &got), SSE_TOO_LONG);
    EXPECT_STR(text_str(&got), "");
    text_free(&got);
    sse_free(&p);
}

TEST(sse_keeps_the_id_of_the_last_event_that_came_whole)
{
    sse_parser p;
    text got;
    sse_init(&p, 64);
    text_init(&got, 64);
    const char *bytes = "id: 7\ndata: a\n\ndata: b\n\nid:8\ndata: cut\n";
    EXPECT_STR(p.last_id, "");
    EXPECT_EQ(sse_feed(&p, bytes, strlen(bytes), collect, &got), SSE_OK);
    EXPECT_STR(got.data, "a|b|");
    EXPECT_STR(p.last_id, "7");
    text_free(&got);
    sse_free(&p);
}
