#include "daemon/http_corpus.h"
#include "daemon/live_server.h"
#include "net/response.h"

#include <stdatomic.h>

/* Limits small enough that a test meets them. */
static server_limits short_limits(void)
{
    server_limits l = server_default_limits();
    l.linger_ms = 200;
    return l;
}

/* ---- a handler: answers with the target, /late after 30 ms, /never not at all ---- */

static atomic_int n_gone, n_done;

typedef struct late {
    uv_timer_t timer;
    exchange *x;
} late;

static void answer(exchange *x) ON_LOOP;
static void answer(exchange *x)
{
    buf body;
    buf_init(&body, 8 << 20);
    const char *target = x->request->target;
    response_header(x, "x-target", target);
    if (strcmp(target, "/big") == 0) {
        char block[4096];
        memset(block, 'b', sizeof block);
        for (int i = 0; i < 1024; i++)
            buf_append(&body, block, sizeof block);
    } else if (x->request->body.len) {
        buf_append(&body, x->request->body.data, x->request->body.len);
    }
    response_send(x, 200, "text/plain", &body);
}

static void free_late(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_late(uv_timer_t *timer)
{
    assert_on_loop();
    late *l = timer->data;
    exchange *x = l->x;
    if (x) {
        buf body;
        buf_init(&body, 16);
        x->on_gone = NULL;
        response_header(x, "x-target", x->request->target);
        response_send(x, 200, "text/plain", &body);
    }
    uv_close((uv_handle_t *)timer, free_late);
}

static void on_gone(exchange *x)
{
    atomic_fetch_add(&n_gone, 1);
    if (x->work)
        ((late *)x->work)->x = NULL;
}

static bool on_head(void *arg, exchange *x)
{
    assert_on_loop();
    (void)arg;
    if (strcmp(x->request->target, "/refused") != 0)
        return true;
    response_fail(x, 403, "permission_error", "insufficient_scope", "no");
    return false;
}

static void on_request(void *arg, exchange *x)
{
    assert_on_loop();
    (void)arg;
    const char *target = x->request->target;
    bool is_late = strcmp(target, "/late") == 0;
    if (!is_late && strcmp(target, "/never") != 0) {
        answer(x);
        return;
    }
    x->on_gone = on_gone;
    if (!is_late)
        return;
    late *l = calloc(1, sizeof *l);
    uv_timer_init(conn_server(x->conn)->loop, &l->timer);
    l->timer.data = x->work = l;
    l->x = x;
    uv_timer_start(&l->timer, on_late, 30, 0);
}

static void on_done(void *arg, exchange *x)
{
    (void)arg, (void)x;
    atomic_fetch_add(&n_done, 1);
}

static void start(live *l, const server_limits *limits)
{
    static const server_hooks hooks = {
        .on_head = on_head, .on_request = on_request, .on_done = on_done};
    n_gone = n_done = 0;
    live_start(l, limits, &hooks, NULL);
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* ---- the corpus, over a socket ---- */

static void run_case(const corpus_case *c, void *arg)
{
    live *l = arg;
    char want[128], got[128];
    corpus_verdict(c->statuses, c->n_statuses, c->end, want, sizeof want);
    for (int cut = 0; cut < CORPUS_CUTS; cut++) {
        int statuses[CORPUS_STATUSES], n = 0;
        client k = client_dial(l);
        for (size_t at = 0, piece; at < c->len; at += piece) {
            piece = corpus_piece(c->len, at, cut);
            client_send(&k, c->bytes + at, piece);
        }
        reply r = {0};
        bool head = strncmp(c->bytes, "HEAD", 4) == 0, alive = true;
        while (n < c->n_statuses && (alive = client_reply_to(&k, &r, head && n == 0))) {
            statuses[n++] = r.status;
            reply_free(&r);
        }
        corpus_end end = CORPUS_CLOSE;
        if (c->end == CORPUS_KEEP) {
            /* what follows must be read as a request of its own */
            int status = client_ask(&k, GET("/after-the-case"), &r);
            if (status == 200 && strcmp(reply_header(&r, "x-target"), "/after-the-case") == 0)
                end = CORPUS_KEEP;
            reply_free(&r);
        } else if (c->end == CORPUS_MORE) {
            shutdown(k.fd, SHUT_WR);
            end = client_at_end(&k) ? CORPUS_MORE : CORPUS_KEEP;
        } else if (!client_at_end(&k)) {
            end = CORPUS_KEEP; /* it went on answering */
        }
        client_close(&k);
        corpus_verdict(statuses, n, end, got, sizeof got);
        if (strcmp(got, want) != 0)
            FAIL("%s, cut %d: \"%s\", expected \"%s\"", c->title, cut, got, want);
    }
}

TEST(every_case_of_the_corpus_is_answered_as_written)
{
    static live l;
    server_limits limits = short_limits();
    int n = 0;
    start(&l, &limits);
    for (size_t i = 0; i < sizeof corpus_files / sizeof corpus_files[0]; i++)
        n += corpus_walk(corpus_files[i], run_case, &l);
    live_await(&l, 0, 0);
    live_stop(&l);
    EXPECT(n >= 100);
}

/* ---- order, bodies, headers ---- */

TEST(pipelined_replies_keep_their_order)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    client k = client_dial(&l);
    client_puts(&k, GET("/1") GET("/late") GET("/2") GET("/late") GET("/3"));
    static const char *const targets[] = {"/1", "/late", "/2", "/late", "/3"};
    for (int i = 0; i < 5; i++) {
        reply r;
        EXPECT(client_reply(&k, &r));
        EXPECT_STR(reply_header(&r, "x-target"), targets[i]);
        reply_free(&r);
    }
    client_close(&k);
    live_stop(&l);
    EXPECT_EQ(n_gone, 0);
    EXPECT_EQ(n_done, 5);
}

TEST(two_thousand_pipelined_requests_are_all_answered)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    client k = client_dial(&l);
    for (int i = 0; i < 2000; i++)
        client_puts(&k, GET("/x"));
    for (int i = 0; i < 2000; i++) {
        reply r;
        EXPECT(client_reply(&k, &r));
        EXPECT_EQ(r.status, 200);
        reply_free(&r);
    }
    client_close(&k);
    live_stop(&l);
}

TEST(a_big_reply_arrives_whole_and_head_sends_no_body)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    client k = client_dial(&l);
    reply r;
    EXPECT_EQ(client_ask(&k, GET("/big"), &r), 200);
    EXPECT_EQ(r.body_len, 4 << 20);
    reply_free(&r);
    EXPECT_EQ(client_ask(&k, "HEAD /big HTTP/1.1\r\nHost: localhost\r\n\r\n", &r), 200);
    EXPECT_STR(reply_header(&r, "content-length"), "4194304");
    EXPECT_EQ(client_ask(&k, GET("/next"), &r), 200);
    reply_free(&r);
    client_close(&k);
    live_stop(&l);
}

TEST(a_body_of_1_MiB_passes_and_one_byte_more_is_413)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    size_t n = 1 << 20;
    char *body = malloc(n + 1), head[128];
    memset(body, 'x', n + 1);
    client k = client_dial(&l);
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", n);
    client_puts(&k, head);
    client_send(&k, body, n);
    reply r;
    EXPECT(client_reply(&k, &r));
    EXPECT_EQ(r.body_len, n);
    reply_free(&r);
    snprintf(head, sizeof head,
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", n + 1);
    client_puts(&k, head);
    client_send(&k, body, n + 1);
    EXPECT(client_reply(&k, &r));
    EXPECT_EQ(r.status, 413);
    reply_free(&r);
    EXPECT(client_at_end(&k));
    client_close(&k);
    free(body);
    live_stop(&l);
}

/* The refusal must be readable although megabytes of body are still on their way. */
TEST(an_early_refusal_is_not_lost_to_a_reset)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    size_t n = 1 << 20;
    char *body = calloc(1, n);
    for (int i = 0; i < 20; i++) {
        client k = client_dial(&l);
        client_puts(&k, "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        client_send(&k, body, n);
        reply r;
        EXPECT(client_reply(&k, &r));
        EXPECT_EQ(r.status, 403);
        EXPECT_STR(reply_header(&r, "connection"), "close");
        reply_free(&r);
        client_close(&k);
    }
    free(body);
    live_stop(&l);
}

TEST(expect_continue_is_answered_before_the_body)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    client k = client_dial(&l);
    reply r;
    EXPECT_EQ(client_ask(&k,
                         "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                         "Content-Length: 2\r\n\r\n",
                         &r),
              100);
    EXPECT_EQ(client_ask(&k, "hi", &r), 200);
    EXPECT_STR(r.body, "hi");
    reply_free(&r);
    EXPECT_EQ(client_ask(&k,
                         "POST /refused HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                         "Content-Length: 2\r\n\r\n",
                         &r),
              403);
    reply_free(&r);
    client_close(&k);
    live_stop(&l);
}

TEST(every_reply_carries_its_request_id_and_time)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    client k = client_dial(&l);
    reply r;
    client_ask(&k, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc_DEF-1\r\n\r\n", &r);
    EXPECT_STR(reply_header(&r, "x-request-id"), "abc_DEF-1");
    EXPECT(reply_header(&r, "openai-processing-ms")[0]);
    EXPECT(reply_header(&r, "date")[0]);
    client_ask(&k, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: no good\r\n\r\n", &r);
    EXPECT(strncmp(reply_header(&r, "x-request-id"), "req_", 4) == 0);
    client_ask(&k, "nonsense\r\n\r\n", &r);
    EXPECT(strncmp(reply_header(&r, "x-request-id"), "req_", 4) == 0);
    EXPECT_STR(reply_header(&r, "content-type"), "application/json");
    EXPECT(strstr(r.body, "\"type\":\"invalid_request_error\""));
    reply_free(&r);
    client_close(&k);
    live_stop(&l);
}

/* ---- clients that leave, and slow ones ---- */

TEST(closing_a_busy_connection_tells_the_handler)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    for (int i = 0; i < 50; i++) {
        client k = client_dial(&l);
        client_puts(&k, i % 2 ? GET("/never") : GET("/late"));
        if (i % 3 == 0)
            shutdown(k.fd, SHUT_WR); /* half-close counts as leaving */
        client_close(&k);
    }
    live_await(&l, 0, 0);
    live_stop(&l);
    EXPECT_EQ(n_gone, n_done);
    EXPECT(n_gone <= 50);
}

TEST(a_half_close_cancels_the_request_under_way)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    client k = client_dial(&l);
    client_puts(&k, GET("/never"));
    shutdown(k.fd, SHUT_WR);
    EXPECT(client_at_end(&k));
    live_await(&l, 0, 0);
    EXPECT_EQ(n_gone, 1);
    client_close(&k);
    live_stop(&l);
}

TEST(a_half_close_after_requests_that_are_answered_at_once_loses_no_reply)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    client k = client_dial(&l);
    client_puts(&k, GET("/1") GET("/big") GET("/3"));
    shutdown(k.fd, SHUT_WR);
    for (int i = 0; i < 3; i++) {
        reply r;
        EXPECT(client_reply(&k, &r));
        EXPECT_EQ(r.status, 200);
        reply_free(&r);
    }
    EXPECT(client_at_end(&k));
    client_close(&k);
    live_stop(&l);
}

TEST(a_slow_head_and_a_slow_body_are_408_and_silence_is_closed)
{
    static live l;
    server_limits limits = short_limits();
    limits.head_ms = limits.body_ms = limits.idle_ms = 50;
    start(&l, &limits);
    reply r;
    client k = client_dial(&l);
    EXPECT_EQ(client_ask(&k, "GET / HTTP/1.1\r\nHost", &r), 408);
    reply_free(&r);
    EXPECT(client_at_end(&k));
    client_close(&k);
    k = client_dial(&l);
    EXPECT_EQ(client_ask(&k, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", &r),
              408);
    reply_free(&r);
    EXPECT(client_at_end(&k));
    client_close(&k);
    k = client_dial(&l);
    EXPECT(client_at_end(&k)); /* nothing was sent, nothing is answered */
    client_close(&k);
    k = client_dial(&l);
    EXPECT_EQ(client_ask(&k, GET("/1"), &r), 200);
    EXPECT(client_at_end(&k)); /* idle after a reply */
    client_close(&k);
    live_stop(&l);
}

TEST(a_reader_that_takes_nothing_is_dropped)
{
    static live l;
    server_limits limits = short_limits();
    limits.stall_ms = 50;
    start(&l, &limits);
    client k = client_dial(&l);
    client_puts(&k, GET("/big"));
    for (int i = 0; i < 1000 && n_done == 0; i++)
        usleep(5 * 1000);
    EXPECT_EQ(n_done, 1); /* the reply is given, and now stuck */
    live_await(&l, 0, 0);
    client_close(&k);
    live_stop(&l);
}

TEST(closing_the_server_ends_requests_under_way)
{
    static live l;
    server_limits limits = short_limits();
    start(&l, &limits);
    client k = client_dial(&l), m = client_dial(&l);
    reply r;
    EXPECT_EQ(client_ask(&m, GET("/1"), &r), 200);
    client_puts(&k, GET("/never"));
    live_await(&l, 2, 1);
    live_stop(&l);
    EXPECT_EQ(n_gone, 1);
    client_close(&k);
    client_close(&m);
}
