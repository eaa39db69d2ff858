#include "daemon/live_server.h"
#include "net/sse.h"

#include <stdatomic.h>

/* A stream of numbered events, `count` of them, `burst` a turn of the loop, each with `pad` bytes;
 * paused while the reader is parked, if it minds. */
typedef struct feed {
    int count, burst, pad;
    bool mind_parking, fail;
    int sent;
    sse stream;
    uv_timer_t timer;
} feed;

static feed plan;
static atomic_int n_parked, n_resumed, n_gone;

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end_feed(feed *f)
{
    uv_close((uv_handle_t *)&f->timer, on_closed);
}

static void on_gone(exchange *x)
{
    atomic_fetch_add(&n_gone, 1);
    end_feed(x->work);
}

static void on_park(void *arg, bool parked)
{
    (void)arg;
    atomic_fetch_add(parked ? &n_parked : &n_resumed, 1);
}

static void on_turn(uv_timer_t *timer)
{
    assert_on_loop();
    feed *f = timer->data;
    for (int i = 0; i < f->burst && f->sent < f->count; i++) {
        if (f->stream.parked && f->mind_parking)
            return;
        buf event;
        buf_init(&event, 1 << 20);
        buf_printf(&event, "data: %d %*s\n\n", f->sent++, f->pad, "");
        sse_send(&f->stream, &event);
        buf_free(&event);
    }
    if (f->sent == f->count) {
        f->stream.to.x->on_gone = NULL;
        sse_end(&f->stream, f->fail);
        end_feed(f);
    }
}

static bool on_head(void *arg, exchange *x)
{
    (void)arg, (void)x;
    return true;
}

static void on_request(void *arg, exchange *x)
{
    assert_on_loop();
    (void)arg;
    feed *f = malloc(sizeof *f);
    *f = plan;
    uv_timer_init(conn_server(x->conn)->loop, &f->timer);
    f->timer.data = x->work = f;
    x->on_gone = on_gone;
    sse_begin(&f->stream, x, on_park, f);
    uv_timer_start(&f->timer, on_turn, 1, 1);
}

static void on_done(void *arg, exchange *x)
{
    (void)arg, (void)x;
}

static void start(live *l, const server_limits *limits, feed f)
{
    static const server_hooks hooks = {
        .on_head = on_head, .on_request = on_request, .on_done = on_done};
    n_parked = n_resumed = n_gone = 0;
    plan = f;
    live_start(l, limits, &hooks, NULL);
}

static server_limits short_limits(void)
{
    server_limits l = server_default_limits();
    l.linger_ms = 200;
    return l;
}

#define STREAM "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* Are the events 0..count-1 in the body, in order? */
static void expect_events(const char *body, int count)
{
    const char *at = body;
    for (int i = 0; i < count; i++) {
        at = strstr(at, "data: ");
        if (!at)
            FAIL("event %d of %d is missing", i, count);
        at += 6;
        EXPECT_EQ(atoi(at), i);
    }
    EXPECT(!strstr(at, "data: "));
}

TEST(events_arrive_chunked_and_the_connection_goes_on)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits, (feed){.count = 20, .burst = 3});
    client k = client_dial(&l);
    reply r;
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(client_ask(&k, STREAM, &r), 200);
        EXPECT(r.chunked);
        EXPECT_STR(reply_header(&r, "content-type"), "text/event-stream");
        EXPECT_STR(reply_header(&r, "cache-control"), "no-cache");
        expect_events(r.body, 20);
        reply_free(&r);
    }
    client_close(&k);
    live_stop(&l);
    EXPECT_EQ(n_gone, 0);
}

TEST(on_http_1_0_the_stream_ends_with_the_connection)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits, (feed){.count = 5, .burst = 1});
    client k = client_dial(&l);
    reply r;
    client_puts(&k, "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    EXPECT(client_head(&k, &r));
    EXPECT(!r.chunked);
    EXPECT_STR(reply_header(&r, "connection"), "close");
    while (client_fill(&k))
        ;
    expect_events(k.in + k.used, 5);
    client_close(&k);
    live_stop(&l);
}

TEST(a_failed_stream_closes_its_connection)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits, (feed){.count = 2, .burst = 1, .fail = true});
    client k = client_dial(&l);
    reply r;
    EXPECT_EQ(client_ask(&k, STREAM, &r), 200);
    expect_events(r.body, 2);
    reply_free(&r);
    EXPECT(client_at_end(&k));
    client_close(&k);
    live_stop(&l);
}

TEST(silence_is_filled_with_pings)
{
    static live l;
    server_limits limits = short_limits();
    limits.ping_ms = 20;
    start(&l, &limits, (feed){.count = 1, .burst = 0});
    client k = client_dial(&l);
    reply r;
    client_puts(&k, STREAM);
    EXPECT(client_head(&k, &r));
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(client_chunk(&k, &r), 1);
    EXPECT_STR(r.body, ": ping\n\n: ping\n\n: ping\n\n");
    reply_free(&r);
    client_close(&k);
    live_await(&l, 0, 0);
    live_stop(&l);
    EXPECT_EQ(n_gone, 1);
}

/* A client with a small receive buffer, so that little is taken before it reads. */
static client dial_small(live *l)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(l->server->port)};
    int bytes = 4096;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client c = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (connect(c.fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        FAIL("connect: %s", strerror(errno));
    return c;
}

/* Waits until the counter stands at `want`. */
static void await_count(atomic_int *counter, int want)
{
    for (int i = 0; i < 2000 && *counter != want; i++)
        usleep(5 * 1000);
    EXPECT_EQ(*counter, want);
}

TEST(a_slow_reader_is_parked_and_resumed_and_loses_nothing)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits, (feed){.count = 600, .burst = 4, .pad = 1000, .mind_parking = true});
    client k = dial_small(&l);
    reply r;
    client_puts(&k, STREAM);
    await_count(&n_parked, 1);
    EXPECT_EQ(n_resumed, 0);
    EXPECT(client_reply(&k, &r)); /* now it reads */
    expect_events(r.body, 600);
    reply_free(&r);
    client_close(&k);
    live_await(&l, 0, 0);
    live_stop(&l);
    EXPECT(n_resumed >= 1);
    EXPECT_EQ(n_resumed, n_parked);
    EXPECT_EQ(n_gone, 0);
}

TEST(a_reader_parked_too_long_is_dropped)
{
    static live l;
    server_limits limits = short_limits();
    limits.stall_ms = 50;
    start(&l, &limits, (feed){.count = 2000, .burst = 8, .pad = 1000, .mind_parking = true});
    client k = dial_small(&l);
    client_puts(&k, STREAM);
    await_count(&n_gone, 1);
    EXPECT_EQ(n_parked, 1);
    live_await(&l, 0, 0);
    client_close(&k);
    live_stop(&l);
}

TEST(a_queue_past_its_most_is_dropped_at_once)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits, (feed){.count = 4000, .burst = 50, .pad = 1000}); /* does not mind */
    client k = dial_small(&l);
    client_puts(&k, STREAM);
    await_count(&n_gone, 1);
    live_await(&l, 0, 0);
    client_close(&k);
    live_stop(&l);
}

/* One event larger than the whole allowance is no fault of the reader's: it is parked, and loses
 * nothing. */
TEST(one_event_past_the_allowance_drops_nobody)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits,
          (feed){.count = 3, .burst = 1, .pad = 2 * (int)limits.drop_bytes, .mind_parking = true});
    client k = dial_small(&l);
    reply r;
    client_puts(&k, STREAM);
    await_count(&n_parked, 1);
    EXPECT(client_reply(&k, &r));
    expect_events(r.body, 3);
    reply_free(&r);
    client_close(&k);
    live_await(&l, 0, 0);
    live_stop(&l);
    EXPECT_EQ(n_gone, 0);
}

TEST(a_reader_that_leaves_ends_its_stream)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits, (feed){.count = 100000, .burst = 1, .pad = 10});
    for (int i = 0; i < 20; i++) {
        client k = client_dial(&l);
        client_puts(&k, STREAM);
        reply r;
        EXPECT(client_head(&k, &r));
        client_close(&k);
    }
    await_count(&n_gone, 20);
    live_await(&l, 0, 0);
    live_stop(&l);
}
