/* Reward endpoints against a small server whose every answer a test writes down beforehand. */
#include "base/log.h"
#include "harness.h"
#include "host/reward_http.h"
#include "instructd_plugin.h"

#include <arpa/inet.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the server ---- */

enum { REPLIES = 8, BODY = 8192 };

typedef struct server {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_bool ending;
    const char *replies[REPLIES]; /* "STATUS BODY" in turn; NULL: silence until the client goes */
    atomic_int n_asked;
    char bodies[REPLIES][BODY]; /* what was asked */
} server;

static bool wait_readable(const server *s, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (!atomic_load(&s->ending))
        if (poll(&p, 1, 10) > 0)
            return true;
    return false;
}

/* Reads one request; false: the client has gone. */
static bool read_request(const server *s, int fd, char *body)
{
    char text[BODY + 1024];
    size_t len = 0;
    for (;;) {
        text[len] = 0;
        char *end = strstr(text, "\r\n\r\n");
        const char *length = strcasestr(text, "content-length:");
        if (end && length) {
            size_t want = strtoul(length + 15, NULL, 10);
            if (len - (size_t)(end + 4 - text) >= want) {
                snprintf(body, BODY, "%.*s", (int)want, end + 4);
                return true;
            }
        }
        ssize_t n = wait_readable(s, fd) ? read(fd, text + len, sizeof text - 1 - len) : 0;
        if (n <= 0)
            return false;
        len += (size_t)n;
    }
}

static void answer(server *s, int fd, const char *reply)
{
    char text[4096];
    if (!reply) {
        if (wait_readable(s, fd))
            (void)!read(fd, text, 1);
        return;
    }
    int n =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %.3s X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s", reply,
                 strlen(reply + 4),
                 reply[0] == '3' ? "Location: http://127.0.0.1:1/elsewhere\r\n" : "", reply + 4);
    (void)!write(fd, text, (size_t)n);
}

static void *serve(void *arg)
{
    server *s = arg;
    while (wait_readable(s, s->fd)) {
        int fd = accept(s->fd, NULL, NULL);
        int turn = atomic_load(&s->n_asked);
        if (fd >= 0 && turn < REPLIES && read_request(s, fd, s->bodies[turn])) {
            atomic_fetch_add(&s->n_asked, 1);
            answer(s, fd, s->replies[turn]);
        }
        close(fd);
    }
    return NULL;
}

static void server_open(server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    log_set_level(LOG_ERROR);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(bind(s->fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(s->fd, 8) == 0);
    EXPECT_EQ(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    EXPECT_EQ(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_close(server *s)
{
    atomic_store(&s->ending, true);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

/* ---- asking it ---- */

static const reward_timing quick = {.connect_ms = 2000, .total_ms = 20000, .pause_ms = 1};

typedef struct outcome {
    int rc;
    double scores[REPLIES];
    char err[INSTRUCTD_ERROR_BYTES];
} outcome;

static outcome score(const server *s, const reward_timing *timing, uint32_t n,
                     const char *const *prompts, const char *const *completions,
                     bool (*stopped)(void *arg), void *arg)
{
    char spec[64];
    const char *specs[] = {spec};
    error_text why;
    snprintf(spec, sizeof spec, "judge=http://127.0.0.1:%u/score", s->port);
    reward_endpoints *e = reward_endpoints_create(specs, 1, timing, &why);
    if (!e)
        FAIL("%s", why.text);
    outcome o = {.err = ""};
    o.rc = reward_score(e, "judge", n, prompts, completions, o.scores, stopped, arg, o.err);
    reward_endpoints_free(e);
    return o;
}

static const char *const one_prompt[] = {"p"}, *const one_completion[] = {"c"};

static outcome score_one(server *s, const char *first, const char *second)
{
    s->replies[0] = first;
    s->replies[1] = second;
    server_open(s);
    outcome o = score(s, &quick, 1, one_prompt, one_completion, NULL, NULL);
    server_close(s);
    return o;
}

TEST(completions_of_one_prompt_go_out_together)
{
    static server s = {.replies = {"200 {\"scores\":[1,-2.5]}", "200 {\"scores\":[3e0],\"x\":[]}",
                                   "200 {\"scores\":[4]}"}};
    static const char *const prompts[] = {"a\n\"b\"", "a\n\"b\"", "b", "a"};
    static const char *const completions[] = {"1", "2", "3", "4"};
    server_open(&s);
    outcome o = score(&s, &quick, 4, prompts, completions, NULL, NULL);
    server_close(&s);
    if (o.rc != INSTRUCTD_OK)
        FAIL("%d: %s", o.rc, o.err);
    EXPECT_EQ(s.n_asked, 3);
    EXPECT_STR(s.bodies[0], "{\"prompt\":\"a\\n\\\"b\\\"\",\"completions\":[\"1\",\"2\"]}");
    EXPECT_STR(s.bodies[1], "{\"prompt\":\"b\",\"completions\":[\"3\"]}");
    EXPECT_STR(s.bodies[2], "{\"prompt\":\"a\",\"completions\":[\"4\"]}");
    static const double want[] = {1, -2.5, 3, 4};
    for (int i = 0; i < 4; i++)
        EXPECT_NEAR(o.scores[i], want[i], 0);
}

TEST(what_may_go_better_next_time_is_tried_again)
{
    static const char *const firsts[] = {"500 ", "503 {}", "429 slow down"};
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        server s = {0};
        outcome o = score_one(&s, firsts[i], "200 {\"scores\":[7]}");
        if (o.rc != INSTRUCTD_OK)
            FAIL("after %s: %s", firsts[i], o.err);
        EXPECT_EQ(s.n_asked, 2);
        EXPECT_NEAR(o.scores[0], 7, 0);
    }
}

TEST(three_tries_more_and_then_it_is_an_error)
{
    server s = {.replies = {"500 a", "500 b", "502 c", "503 d", "200 {\"scores\":[1]}"}};
    server_open(&s);
    outcome o = score(&s, &quick, 1, one_prompt, one_completion, NULL, NULL);
    server_close(&s);
    EXPECT_EQ(o.rc, INSTRUCTD_E_IO);
    EXPECT_EQ(s.n_asked, 4);
    EXPECT_STR(o.err, "reward http:judge: expected status 200, found 503");
}

TEST(a_wrong_answer_is_an_error_at_once)
{
    static const struct {
        const char *reply, *message;
        int rc;
    } rows[] = {
        {"404 {}", "expected status 200, found 404", INSTRUCTD_E_IO},
        {"302 {}", "expected status 200, found 302", INSTRUCTD_E_IO}, /* not followed */
        {"200 ", "byte 0", INSTRUCTD_E_INVALID},
        {"200 [1]", "byte 0", INSTRUCTD_E_INVALID},
        {"200 {\"scores\":[1e999]}", "byte", INSTRUCTD_E_INVALID},
        {"200 {\"scores\":[NaN]}", "byte", INSTRUCTD_E_INVALID},
        {"200 {\"score\":[1]}", "\"scores\": expected an array of 1, found nothing",
         INSTRUCTD_E_INVALID},
        {"200 {\"scores\":[1,2]}", "\"scores\": expected an array of 1, found an array of 2",
         INSTRUCTD_E_INVALID},
        {"200 {\"scores\":[\"1\"]}", "\"scores\"[0]: expected a number, found \"1\"",
         INSTRUCTD_E_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        server s = {0};
        outcome o = score_one(&s, rows[i].reply, "200 {\"scores\":[1]}");
        EXPECT_EQ(o.rc, rows[i].rc);
        EXPECT_EQ(s.n_asked, 1);
        if (!strstr(o.err, rows[i].message))
            FAIL("%s: \"%s\" does not say \"%s\"", rows[i].reply, o.err, rows[i].message);
    }
}

TEST(a_silent_endpoint_is_left_after_its_time)
{
    const reward_timing hasty = {.connect_ms = 1000, .total_ms = 100, .pause_ms = 1};
    server s = {0};
    server_open(&s);
    outcome o = score(&s, &hasty, 1, one_prompt, one_completion, NULL, NULL);
    server_close(&s);
    EXPECT_EQ(o.rc, INSTRUCTD_E_IO);
    EXPECT(s.n_asked >= 1);
    EXPECT(strcasestr(o.err, "timeout") || strcasestr(o.err, "timed out"));
}

TEST(nobody_listening_is_an_error_after_all_tries)
{
    server s = {0};
    server_open(&s);
    server_close(&s); /* its port is free now */
    outcome o = score(&s, &quick, 1, one_prompt, one_completion, NULL, NULL);
    EXPECT_EQ(o.rc, INSTRUCTD_E_IO);
    EXPECT(strstr(o.err, "reward http:judge: "));
}

static bool stop_once_asked(void *arg)
{
    return atomic_load(&((server *)arg)->n_asked) > 0;
}

TEST(a_job_that_is_to_stop_does_not_wait_for_a_score)
{
    const reward_timing patient = {.total_ms = 600 * 1000};
    server s = {0};
    server_open(&s);
    outcome o = score(&s, &patient, 1, one_prompt, one_completion, stop_once_asked, &s);
    server_close(&s);
    EXPECT_EQ(o.rc, INSTRUCTD_E_STOPPED);
    EXPECT_STR(o.err, "reward http:judge: stopped");
}

TEST(only_endpoints_of_the_configuration_are_asked)
{
    char err[INSTRUCTD_ERROR_BYTES] = "";
    double one;
    EXPECT_EQ(reward_score(NULL, "judge", 1, one_prompt, one_completion, &one, NULL, NULL, err),
              INSTRUCTD_E_NOT_FOUND);
    EXPECT_STR(err, "reward http:judge: the configuration names no such endpoint (--reward)");

    static const char *const bad[] = {"judge",           "judge=",    "=http://a", "Judge=http://a",
                                      "j=file:///etc/a", "j=ftp://a", "j=http://", "a b=http://a"};
    error_text why;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (reward_endpoints_create(&bad[i], 1, NULL, &why))
            FAIL("taken: %s", bad[i]);
    static const char *const twice[] = {"a=http://a", "b=https://b/x?y", "a=http://c"};
    EXPECT(!reward_endpoints_create(twice, 3, NULL, &why));
    EXPECT_STR(why.text, "--reward a: expected a new name, found it twice");
    reward_endpoints *two = reward_endpoints_create(twice, 2, NULL, &why);
    EXPECT(two != NULL);
    reward_endpoints_free(two);
}
