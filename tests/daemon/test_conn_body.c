/* Bodies that are handed on as they arrive: pauses, the least pace, bounds, faults. */
#include "daemon/live_server.h"
#include "net/response.h"

#include <stdatomic.h>

static atomic_uint taken, largest, n_gone, hold_once;
static exchange *held; /* (l) */

static void on_gone(exchange *x)
{
    atomic_fetch_add(&n_gone, 1);
    if (held == x)
        held = NULL;
}

static void on_body(exchange *x, buf *bytes)
{
    assert_on_loop();
    if (bytes->len > atomic_load(&largest))
        atomic_store(&largest, (unsigned)bytes->len);
    atomic_fetch_add(&taken, (unsigned)bytes->len);
    buf_clear(bytes);
    if (atomic_exchange(&hold_once, 0)) {
        held = x;
        conn_hold_body(x->conn, true);
    }
}

static bool on_head(void *arg, exchange *x)
{
    assert_on_loop();
    response_name(x, "");
    x->on_gone = on_gone;
    x->on_body = on_body;
    x->body_max = *(uint64_t *)arg;
    return true;
}

static void on_request(void *arg, exchange *x)
{
    assert_on_loop();
    (void)arg;
    buf body;
    buf_init(&body, 100);
    buf_printf(&body, "%zu left", x->request->body.len);
    x->on_gone = NULL;
    response_json(x, 200, &body);
}

static void on_done(void *arg, exchange *x)
{
    (void)arg, (void)x;
}

static live *serve(uint64_t max, uint32_t body_ms)
{
    static live l;
    static uint64_t body_max;
    server_hooks hooks = {
        .on_head = on_head, .on_request = on_request, .on_done = on_done, .arg = &body_max};
    server_limits limits = server_default_limits();
    body_max = max;
    if (body_ms)
        limits.body_ms = body_ms;
    taken = largest = n_gone = hold_once = 0;
    live_start(&l, &limits, &hooks, NULL);
    return &l;
}

static void send_head(client *c, size_t len)
{
    char head[128];
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
             len);
    client_puts(c, head);
}

enum { BIG = 8 * 1024 * 1024 };

TEST(a_body_beyond_the_common_limit_is_handed_on_in_pieces)
{
    live *l = serve(BIG, 0);
    char *bytes = calloc(1, BIG);
    client c = client_dial(l);
    reply r;
    for (int i = 1; i <= 2; i++) {
        send_head(&c, BIG);
        client_send(&c, bytes, BIG);
        EXPECT(client_reply(&c, &r));
        EXPECT_EQ(r.status, 200);
        EXPECT_STR(r.body, "0 left");
        EXPECT_EQ(taken, i * BIG);
        reply_free(&r);
    }
    EXPECT(largest <= 256 * 1024);
    EXPECT_EQ(n_gone, 0);
    client_close(&c);
    live_stop(l);
    free(bytes);
}

TEST(a_longer_body_is_413_by_its_head_or_when_it_is_too_long)
{
    live *l = serve(1000, 0);
    client c = client_dial(l);
    reply r;
    send_head(&c, 1001);
    EXPECT(client_reply(&c, &r));
    EXPECT_EQ(r.status, 413);
    EXPECT_EQ(n_gone, 1);
    reply_free(&r);
    client_close(&c);
    c = client_dial(l);
    client_puts(&c, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    char chunk[600];
    memset(chunk, 'x', sizeof chunk);
    memcpy(chunk, "1f4\r\n", 5);
    memcpy(chunk + 505, "\r\n", 2);
    client_send(&c, chunk, 507);
    client_send(&c, chunk, 507);
    client_send(&c, "1\r\nx\r\n", 6);
    EXPECT(client_reply(&c, &r));
    EXPECT_EQ(r.status, 413);
    EXPECT_EQ(n_gone, 2);
    reply_free(&r);
    client_close(&c);
    live_stop(l);
}

TEST(broken_framing_in_the_middle_is_400_and_tells_the_handler)
{
    live *l = serve(1000, 0);
    client c = client_dial(l);
    reply r;
    client_puts(&c, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\nzz\r\n");
    EXPECT(client_reply(&c, &r));
    EXPECT_EQ(r.status, 400);
    EXPECT_EQ(n_gone, 1);
    reply_free(&r);
    client_close(&c);
    live_stop(l);
}

static void release_held(void *arg)
{
    assert_on_loop();
    bool *released = arg;
    *released = held != NULL;
    if (held)
        conn_hold_body(held->conn, false);
    held = NULL;
}

TEST(a_held_body_stops_and_goes_on_without_loss)
{
    live *l = serve(BIG, 0);
    char *bytes = calloc(1, BIG);
    hold_once = 1;
    client c = client_dial(l);
    send_head(&c, BIG);
    client_send(&c, bytes, 100 * 1024); /* fits the socket's buffers */
    bool released = false;
    while (!released)
        live_run(l, release_held, &released);
    EXPECT(taken <= 256 * 1024);
    client_send(&c, bytes, BIG - 100 * 1024);
    reply r;
    EXPECT(client_reply(&c, &r));
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(taken, BIG);
    reply_free(&r);
    client_close(&c);
    live_stop(l);
    free(bytes);
}

TEST(a_client_below_the_least_pace_is_408)
{
    live *l = serve(BIG, 40); /* at least 655 bytes in 40 ms */
    client c = client_dial(l);
    reply r;
    send_head(&c, BIG);
    char bytes[2000] = {0};
    client_send(&c, bytes, sizeof bytes); /* enough for one turn of the timer, not for two */
    EXPECT(client_reply(&c, &r));
    EXPECT_EQ(r.status, 408);
    EXPECT_EQ(n_gone, 1);
    EXPECT_EQ(taken, sizeof bytes);
    reply_free(&r);
    client_close(&c);
    live_stop(l);
}

TEST(a_client_that_leaves_is_told_to_the_handler_once)
{
    live *l = serve(BIG, 0);
    client c = client_dial(l);
    send_head(&c, 1000);
    client_send(&c, "abc", 3);
    while (!taken)
        usleep(1000);
    client_close(&c);
    live_await(l, 0, 0);
    EXPECT_EQ(n_gone, 1);
    live_stop(l);
}
