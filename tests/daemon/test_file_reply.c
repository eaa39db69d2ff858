#include "daemon/live_server.h"
#include "net/file_reply.h"
#include "net/response.h"

#include <dirent.h>
#include <fcntl.h>

static char path[512];
static const char *offered = "";

static bool on_head(void *arg, exchange *x)
{
    (void)arg;
    response_name(x, "");
    return true;
}

static void on_request(void *arg, exchange *x)
{
    assert_on_loop();
    (void)arg;
    file_reply_send(x, open(path, O_RDONLY | O_CLOEXEC), "application/octet-stream", offered);
}

static void on_done(void *arg, exchange *x)
{
    (void)arg, (void)x;
}

/* A server whose every request is answered with a file of so many bytes; *bytes to be freed. */
static live *serve(size_t len, uint32_t stall_ms, char **bytes)
{
    /* Each used once: a worker of libuv may still be in the unlocking of its loop's mutex. */
    static live servers[16];
    static unsigned used;
    live *l = &servers[used++];
    server_hooks hooks = {.on_head = on_head, .on_request = on_request, .on_done = on_done};
    server_limits limits = server_default_limits();
    if (stall_ms)
        limits.stall_ms = stall_ms;
    *bytes = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        (*bytes)[i] = (char)(i * 31 ^ i >> 9);
    snprintf(path, sizeof path, "%s/file", test_dir());
    test_write_file(path, *bytes, len);
    offered = "";
    live_start(l, &limits, &hooks, NULL);
    return l;
}

/* scandir: see test_files.c. */
static int open_descriptors(void)
{
    struct dirent **entries;
    const int n = scandir("/proc/self/fd", &entries, NULL, NULL);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return n;
}

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

static void expect_whole(size_t len)
{
    char *bytes;
    live *l = serve(len, 0, &bytes);
    client c = client_dial(l);
    reply r;
    for (int i = 0; i < 2; i++) { /* the connection goes on after it */
        EXPECT_EQ(client_ask(&c, request, &r), 200);
        EXPECT_EQ(r.body_len, len);
        EXPECT_MEM(r.body, bytes, len);
        EXPECT_STR(reply_header(&r, "content-type"), "application/octet-stream");
        EXPECT_STR(reply_header(&r, "content-disposition"), "");
        reply_free(&r);
    }
    client_close(&c);
    live_stop(l);
    free(bytes);
}

TEST(a_file_of_many_pieces_arrives_whole)
{
    expect_whole(5 * 1024 * 1024 + 17);
}

TEST(a_file_of_exactly_one_piece_arrives_whole)
{
    expect_whole(64 * 1024);
}

TEST(an_empty_file_is_an_empty_body)
{
    expect_whole(0);
}

TEST(head_gives_the_length_alone)
{
    char *bytes;
    live *l = serve(1000, 0, &bytes);
    client c = client_dial(l);
    reply r;
    EXPECT_EQ(client_ask(&c, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", &r), 200);
    EXPECT_STR(reply_header(&r, "content-length"), "1000");
    reply_free(&r);
    EXPECT_EQ(client_ask(&c, request, &r), 200);
    EXPECT_EQ(r.body_len, 1000);
    reply_free(&r);
    client_close(&c);
    live_stop(l);
    free(bytes);
}

TEST(a_name_cannot_leave_its_header)
{
    char *bytes;
    live *l = serve(10, 0, &bytes);
    offered = "a\"b\r\nset-cookie: x;\xc3\xa9.jsonl";
    client c = client_dial(l);
    reply r;
    EXPECT_EQ(client_ask(&c, request, &r), 200);
    EXPECT_STR(reply_header(&r, "content-disposition"),
               "attachment; filename=\"a_b__set-cookie:_x___.jsonl\"");
    EXPECT_STR(reply_header(&r, "set-cookie"), "");
    reply_free(&r);
    client_close(&c);
    live_stop(l);
    free(bytes);
}

TEST(a_client_that_leaves_takes_the_descriptor_along)
{
    char *bytes;
    live *l = serve(16 * 1024 * 1024, 0, &bytes);
    const int before = open_descriptors();
    for (int i = 0; i < 8; i++) {
        client c = client_dial(l);
        client_puts(&c, request);
        client_need(&c, 1000);
        client_close(&c);
    }
    live_await(l, 0, 0);
    for (int i = 0; i < 1000 && open_descriptors() != before; i++)
        usleep(5 * 1000); /* reads under way end first */
    EXPECT_EQ(open_descriptors(), before);
    live_stop(l);
    free(bytes);
}

TEST(a_reader_that_takes_nothing_is_dropped)
{
    char *bytes;
    live *l = serve(32 * 1024 * 1024, 50, &bytes);
    client c = client_dial(l);
    client_puts(&c, request);
    live_await(l, 1, 1);
    live_await(l, 0, 0); /* it never reads */
    client_close(&c);
    live_stop(l);
    free(bytes);
}

TEST(a_file_that_shrinks_ends_the_connection_early)
{
    char *bytes;
    const size_t len = 32 * 1024 * 1024;
    live *l = serve(len, 0, &bytes);
    client c = client_dial(l);
    reply r;
    client_puts(&c, request);
    EXPECT(client_head(&c, &r));
    EXPECT_EQ(truncate(path, 0), 0);
    while (client_fill(&c))
        ;
    EXPECT(c.len - c.used < len);
    client_close(&c);
    live_stop(l);
    free(bytes);
}
