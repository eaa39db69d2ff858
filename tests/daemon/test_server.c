#include "daemon/live_server.h"
#include "net/response.h"

#include <sys/resource.h>
#include <sys/stat.h>

#define GET "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

static bool on_head(void *arg, exchange *x)
{
    assert_on_loop();
    (void)arg;
    /* x-api-key: the index of a key */
    x->key.index = x->request->api_key[0] ? atoi(x->request->api_key) : -1;
    if (conn_use_key(x->conn, x->key.index))
        return true;
    x->keep_alive = false;
    response_fail(x, 429, "rate_limit_error", "rate_limit_exceeded", "too many");
    return false;
}

static void on_request(void *arg, exchange *x)
{
    assert_on_loop();
    (void)arg;
    buf body;
    buf_init(&body, 16);
    buf_puts(&body, "hello");
    response_send(x, 200, "text/plain", &body);
}

static void on_done(void *arg, exchange *x)
{
    (void)arg, (void)x;
}

static const server_hooks hooks = {
    .on_head = on_head, .on_request = on_request, .on_done = on_done};

static server_limits short_limits(void)
{
    server_limits l = server_default_limits();
    l.linger_ms = 200;
    return l;
}

static void expect_200(client *k)
{
    reply r;
    EXPECT_EQ(client_ask(k, GET, &r), 200);
    EXPECT_STR(r.body, "hello");
    reply_free(&r);
}

TEST(connections_past_the_cap_get_503_and_the_others_go_on)
{
    static live l;
    server_limits limits = short_limits();
    limits.conns = 4;
    live_start(&l, &limits, &hooks, NULL);
    client in[4];
    for (int i = 0; i < 4; i++) {
        in[i] = client_dial(&l);
        expect_200(&in[i]);
    }
    for (int i = 0; i < 8; i++) {
        client k = client_dial(&l);
        reply r;
        EXPECT_EQ(client_ask(&k, GET, &r), 503);
        EXPECT(reply_header(&r, "retry-after")[0]);
        EXPECT(strncmp(reply_header(&r, "x-request-id"), "req_", 4) == 0);
        reply_free(&r);
        client_close(&k);
    }
    for (int i = 0; i < 4; i++)
        expect_200(&in[i]);
    client_close(&in[0]);
    live_await(&l, 3, 0);
    in[0] = client_dial(&l);
    expect_200(&in[0]);
    for (int i = 0; i < 4; i++)
        client_close(&in[i]);
    live_stop(&l);
}

TEST(a_flood_of_dials_past_the_cap_leaves_the_server_well)
{
    static live l;
    server_limits limits = short_limits();
    limits.conns = 2;
    live_start(&l, &limits, &hooks, NULL);
    client in = client_dial(&l), flood[200];
    expect_200(&in);
    client second = client_dial(&l);
    expect_200(&second);
    for (int i = 0; i < 200; i++)
        flood[i] = client_dial(&l);
    expect_200(&in);
    for (int i = 0; i < 200; i++)
        client_close(&flood[i]);
    live_await(&l, 2, 0);
    expect_200(&second);
    client_close(&in);
    client_close(&second);
    live_stop(&l);
}

TEST(a_key_holds_only_so_many_connections)
{
    static live l;
    server_limits limits = short_limits();
    limits.conns_per_key = 2;
    live_start(&l, &limits, &hooks, NULL);
    const char *with_key = "GET / HTTP/1.1\r\nHost: a\r\nX-Api-Key: 5\r\n\r\n";
    const char *other_key = "GET / HTTP/1.1\r\nHost: a\r\nX-Api-Key: 0\r\n\r\n";
    client a = client_dial(&l), b = client_dial(&l), c = client_dial(&l);
    reply r;
    EXPECT_EQ(client_ask(&a, with_key, &r), 200);
    reply_free(&r);
    EXPECT_EQ(client_ask(&b, with_key, &r), 200);
    reply_free(&r);
    EXPECT_EQ(client_ask(&a, with_key, &r), 200); /* the same connection again */
    reply_free(&r);
    EXPECT_EQ(client_ask(&c, other_key, &r), 200);
    reply_free(&r);
    EXPECT_EQ(client_ask(&c, with_key, &r), 429);
    reply_free(&r);
    client_close(&c);
    client_close(&a);
    live_await(&l, 1, 0);
    c = client_dial(&l);
    EXPECT_EQ(client_ask(&c, with_key, &r), 200);
    reply_free(&r);
    client_close(&b);
    client_close(&c);
    live_stop(&l);
}

TEST(a_unix_socket_is_private_and_serves)
{
    static live l;
    server_limits limits = short_limits();
    char path[100];
    snprintf(path, sizeof path, "%.80s/sock", test_dir());
    live_start(&l, &limits, &hooks, path);
    struct stat st;
    EXPECT_EQ(stat(path, &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    client k = client_dial_unix(path);
    expect_200(&k);
    client_close(&k);
    live_stop(&l);
}

/* Listening failures are told with their place; nothing stays behind. */
static void expect_refused(const char *host, const char *unix_path, const char *part)
{
    uv_loop_t loop;
    server_limits limits = server_default_limits();
    error_text err = {""};
    uv_loop_init(&loop);
    role_enter_loop();
    server *s = server_create(&loop, &limits, &hooks);
    bool ok = host ? server_listen_tcp(s, host, 0, &err) : server_listen_unix(s, unix_path, &err);
    server_close(s);
    uv_run(&loop, UV_RUN_DEFAULT);
    server_free(s);
    role_leave_loop();
    EXPECT_EQ(uv_loop_close(&loop), 0);
    EXPECT(!ok);
    if (!strstr(err.text, part))
        FAIL("\"%s\" does not say \"%s\"", err.text, part);
}

TEST(names_are_not_resolved_and_sockets_not_stolen)
{
    static live l;
    server_limits limits = short_limits();
    char path[100], file[100];
    snprintf(path, sizeof path, "%.80s/sock", test_dir());
    snprintf(file, sizeof file, "%.80s/file", test_dir());
    test_write_file(file, "x", 1);
    expect_refused("example.com", NULL, "example.com");
    expect_refused("192.0.2.1", NULL, "192.0.2.1"); /* TEST-NET-1: not ours to bind */
    expect_refused(NULL, file, "not a socket");
    live_start(&l, &limits, &hooks, path);
    expect_refused(NULL, path, "in use");
    live_stop(&l);
}

TEST(a_stale_socket_file_is_replaced)
{
    static live l;
    server_limits limits = short_limits();
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "%.90s/sock", test_dir());
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    close(fd); /* the file stays, as after a crash */
    live_start(&l, &limits, &hooks, addr.sun_path);
    client k = client_dial_unix(addr.sun_path);
    expect_200(&k);
    client_close(&k);
    live_stop(&l);
}

TEST(the_cap_comes_from_nofile_with_a_reserve)
{
    struct rlimit was, low = {.rlim_cur = 96};
    uv_loop_t loop;
    server_limits limits = server_default_limits();
    getrlimit(RLIMIT_NOFILE, &was);
    low.rlim_max = was.rlim_max;
    setrlimit(RLIMIT_NOFILE, &low);
    uv_loop_init(&loop);
    role_enter_loop();
    server *s = server_create(&loop, &limits, &hooks);
    uint32_t conns = s->limits.conns;
    server_free(s);
    role_leave_loop();
    uv_loop_close(&loop);
    setrlimit(RLIMIT_NOFILE, &was);
    EXPECT_EQ(conns, 96 - 64); /* nofile less LIMIT_FD_RESERVE */
}
