/* The whole daemon in this process, with a tiny random model: routes, keys, Host and Origin,
 * generation, cancelling, draining. */
#include "daemon/daemon_fixture.h"
#include "formats/new_model.h"

TEST(the_plain_routes_answer)
{
    running *r = start();
    reply out;
    EXPECT_EQ(ask(r, &out, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    EXPECT_STR(out.body, "{\"status\":\"ok\"}");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    expect_in(&out, "\"id\":\"instruct\"");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, "GET /v1/models/in%73truct HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    expect_in(&out, "\"policy\":\"pol_");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, "GET /v1/models/nobody HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404);
    expect_in(&out, "model_not_found");
    reply_free(&out);
    EXPECT_EQ(
        ask(r, &out, "GET /tokenizer_info?model=instruct HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        200);
    expect_in(&out, "\"vocab_size\":288");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, post("/tokenize", "", "{\"prompt\":\"hello\"}")), 200);
    expect_in(&out, "\"count\":");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, post("/detokenize", "", "{\"tokens\":[107,108]}")), 200);
    expect_in(&out, "\"prompt\":\"hi\"");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    expect_in(&out, "instructd_http_requests_total{route=\"health\",code=\"200\"} 1\n");
    reply_free(&out);
    EXPECT_EQ(stop(r), 0);
}

TEST(requests_that_fit_no_route_are_told_why)
{
    running *r = start();
    reply out;
    EXPECT_EQ(ask(r, &out, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404);
    expect_in(&out, "{\"error\":{\"message\":");
    expect_in(&out, "\"type\":\"not_found_error\",\"param\":null,\"code\":\"not_found\"");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, "GET /v1/completions HTTP/1.1\r\nHost: localhost\r\n\r\n"), 405);
    EXPECT_STR(reply_header(&out, "allow"), "POST, OPTIONS");
    expect_in(&out, "\"code\":null");
    reply_free(&out);
    EXPECT_EQ(status_of(r, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                           "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"),
              415);
    EXPECT_EQ(status_of(r, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                           "Content-Type: application/json\r\nContent-Length: 1048577\r\n\r\n"),
              413);
    EXPECT_EQ(ask(r, &out, post("/v1/completions", "", "{\"prompt\":")), 400);
    expect_in(&out, "invalid_json");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, "HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    EXPECT_EQ(out.body_len, 0);
    EXPECT_EQ(stop(r), 0);
}

static char *get(const char *path, const char *headers)
{
    static char text[2][1024];
    static unsigned turn;
    char *t = text[turn++ % 2];
    snprintf(t, sizeof text[0], "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, headers);
    return t;
}

TEST(a_plugin_of_the_directory_shows_up_with_its_schema)
{
    running *r = daemon_fixture(true);
    r->options.config.plugin_dir = TEST_BINARY_DIR "/lib/plugins/template";
    launch(r);
    await_ready(r);
    reply out;
    EXPECT_EQ(ask(r, &out, get("/v1/fine_tuning/methods", TRAIN_KEY)), 200);
    expect_in(&out, "{\"object\":\"list\",\"data\":[{\"type\":\"template\",\"plugin\":"
                    "\"template\",\"schema\":{\"type\":\"object\"");
    expect_in(&out, "\"default\":3");
    expect_in(&out, "}],\"has_more\":false}");
    reply_free(&out);
    EXPECT_EQ(status_of(r, get("/v1/fine_tuning/methods", "")), 401);
    EXPECT_EQ(status_of(r, get("/v1/fine_tuning/methods", INFER_KEY)), 403);
    EXPECT_EQ(stop(r), 0);
}

/* Who may do what. */
TEST(keys_and_scopes_are_denied_by_default)
{
    running *r = daemon_fixture(true);
    r->options.config.anonymous = false;
    launch(r);
    await_ready(r); /* public */
    char admin[256];
    snprintf(admin, sizeof admin, "Authorization: Bearer %s\r\n", r->admin);
    const struct {
        const char *header;
        int models, metrics;
    } rows[] = {
        {"", 401, 401},
        {"Authorization: Bearer sk-proj-1\r\n", 401, 401}, /* another vendor's: no key */
        {"Authorization: Bearer sk-inst-wrong\r\n", 401, 401},
        {"Authorization: Basic sk-inst-infer\r\n", 401, 401},
        {"Authorization: Bearer sk-inst-infer\r\n", 200, 200},
        {"X-Api-Key: sk-inst-infer\r\n", 200, 200},
        {"authorization: bearer sk-inst-page\r\n", 200, 200}, /* playground opens infer */
        {"X-Api-Key: sk-inst-label\r\n", 403, 200},
        {admin, 200, 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char models[512], metrics[512];
        snprintf(models, sizeof models, "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
                 rows[i].header);
        snprintf(metrics, sizeof metrics, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
                 rows[i].header);
        int got = status_of(r, models), got_metrics = status_of(r, metrics);
        if (got != rows[i].models || got_metrics != rows[i].metrics)
            FAIL("%s: %d and %d, expected %d and %d", rows[i].header, got, got_metrics,
                 rows[i].models, rows[i].metrics);
    }
    EXPECT_EQ(status_of(r, "GET /health HTTP/1.1\r\nHost: localhost\r\n"
                           "Authorization: Bearer sk-inst-wrong\r\n\r\n"),
              200);
    EXPECT_EQ(stop(r), 0);
}

TEST(an_unknown_key_is_401_even_where_none_is_needed)
{
    running *r = start();
    reply out;
    EXPECT_EQ(ask(r, &out,
                  "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
                  "Authorization: Bearer sk-inst-wrong\r\n\r\n"),
              401);
    expect_in(&out, "invalid_api_key");
    EXPECT_STR(reply_header(&out, "www-authenticate"), "Bearer");
    reply_free(&out);
    EXPECT_EQ(status_of(r, "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
                           "Authorization: Bearer none\r\n\r\n"),
              200);
    EXPECT_EQ(stop(r), 0);
}

static void expect_host(const char *path, const char *host, int status)
{
    char text[256];
    reply out = {0};
    client k = client_dial_unix(path);
    snprintf(text, sizeof text, "GET /health HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    const int got = client_ask(&k, text, &out);
    reply_free(&out);
    client_close(&k);
    if (got != status)
        FAIL("Host %s: %d, expected %d", host, got, status);
}

/* A daemon that is bound to `host`, asked through its Unix socket. */
static running *start_on(const char *host, char path[300])
{
    running *r = daemon_fixture(true);
    snprintf(path, 300, "%s/socket", test_dir());
    r->options.config.host = host;
    r->options.config.insecure = true;
    r->options.config.unix_path = path;
    launch(r);
    await_loaded(r);
    return r;
}

TEST(the_address_that_is_bound_is_a_host_and_a_wildcard_is_none)
{
    char path[300];
    running *r = start_on("127.0.0.2", path);
    expect_host(path, "127.0.0.2", 200);
    expect_host(path, "127.0.0.2:8080", 200);
    expect_host(path, "localhost", 200);
    expect_host(path, "127.0.0.3", 403);
    expect_host(path, "127.0.0.2.evil.example", 403);
    expect_host(path, "[127.0.0.2]", 403);
    EXPECT_EQ(stop(r), 0);
    r = start_on("0.0.0.0", path);
    expect_host(path, "0.0.0.0", 403);
    expect_host(path, "127.0.0.1", 200);
    EXPECT_EQ(stop(r), 0);
}

/* Host and Origin pairs, on a read and on a write. */
TEST(foreign_hosts_and_origins_are_refused)
{
    static const struct {
        const char *host, *origin; /* origin "" = no header */
        int get, post;
        bool allowed_header;
    } rows[] = {
        {"localhost", "", 200, 200, false},
        {"LOCALHOST:1234", "", 200, 200, false},
        {"127.0.0.1:80", "", 200, 200, false},
        {"[::1]:80", "", 200, 200, false},
        {"box.example", "", 200, 200, false},
        {"BOX.example:443", "", 200, 200, false},
        {"evil.example", "", 403, 403, false},
        {"localhost.evil.example", "", 403, 403, false},
        {"127.0.0.1.evil.example", "", 403, 403, false},
        {"[::1", "", 403, 403, false},
        {"localhost:", "", 403, 403, false},
        {"localhost:80a", "", 403, 403, false},
        {"localhost:80:80", "", 403, 403, false},
        {"localhost:8080", "http://localhost:8080", 200, 200, false},
        {"localhost:8080", "http://localhost:8081", 200, 403, false},
        {"localhost:8080", "http://127.0.0.1:8080", 200, 403, false},
        {"localhost:8080", "http://evil.example", 200, 403, false},
        {"localhost:8080", "null", 200, 403, false},
        {"localhost:8080", "http://localhost:8080.evil.example", 200, 403, false},
        {"box.example", "https://box.example", 200, 200, false},
        {"box.example", "https://app.example", 200, 200, true},
        {"box.example", "http://app.example", 200, 403, false},
        {"box.example", "https://app.example.evil", 200, 403, false},
        {"evil.example", "https://app.example", 403, 403, false},
    };
    running *r = start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char origin[128] = "", get[512], write[512];
        if (rows[i].origin[0])
            snprintf(origin, sizeof origin, "Origin: %s\r\n", rows[i].origin);
        snprintf(get, sizeof get, "GET /v1/models HTTP/1.1\r\nHost: %s\r\n%s\r\n", rows[i].host,
                 origin);
        snprintf(write, sizeof write,
                 "POST /tokenize HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\n"
                 "Content-Length: 15\r\n\r\n{\"prompt\":\"hi\"}",
                 rows[i].host, origin);
        reply out = {0};
        int got = ask(r, &out, get), got_post = status_of(r, write);
        bool header = reply_header(&out, "access-control-allow-origin")[0] != 0;
        reply_free(&out);
        if (got != rows[i].get || got_post != rows[i].post || header != rows[i].allowed_header)
            FAIL("Host %s, Origin %s: GET %d, POST %d, allow %d", rows[i].host, rows[i].origin, got,
                 got_post, header);
    }
    EXPECT_EQ(status_of(r, "GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              403);
    EXPECT_EQ(status_of(r, "GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    EXPECT_EQ(stop(r), 0);
}

TEST(options_is_204_and_allows_listed_origins_only)
{
    running *r = start();
    reply out;
    EXPECT_EQ(ask(r, &out,
                  "OPTIONS /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                  "Origin: https://evil.example\r\n\r\n"),
              204);
    EXPECT(!strstr(out.head, "access-control"));
    EXPECT_EQ(ask(r, &out,
                  "OPTIONS /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                  "Origin: https://app.example\r\n\r\n"),
              204);
    EXPECT_STR(reply_header(&out, "access-control-allow-origin"), "https://app.example");
    EXPECT(strstr(reply_header(&out, "access-control-allow-methods"), "POST"));
    EXPECT(!strstr(out.head, "credentials"));
    EXPECT_EQ(ask(r, &out,
                  "OPTIONS /metrics HTTP/1.1\r\nHost: localhost\r\n"
                  "Origin: https://app.example\r\n\r\n"),
              204);
    EXPECT(!strstr(out.head, "access-control")); /* infer routes alone */
    EXPECT_EQ(stop(r), 0);
}

#define COUNT_TO(n, more)                                                                          \
    "{\"prompt\":\"hello\",\"max_tokens\":" #n ",\"temperature\":0,\"ignore_eos\":true" more "}"

TEST(a_completion_is_answered_whole_and_as_a_stream)
{
    running *r = start();
    client k = dial(r);
    reply whole, stream;
    EXPECT_EQ(
        client_ask(&k, post("/v1/completions", "X-Request-Id: r-1\r\n", COUNT_TO(8, "")), &whole),
        200);
    expect_in(&whole, "\"object\":\"text_completion\"");
    expect_in(&whole, "\"completion_tokens\":8");
    EXPECT_STR(reply_header(&whole, "x-request-id"), "r-1");
    EXPECT(strncmp(reply_header(&whole, "x-instructd-policy"), "pol_", 4) == 0);
    EXPECT_EQ(client_ask(&k, post("/v1/completions", "", COUNT_TO(8, ",\"stream\":true")), &stream),
              200);
    EXPECT_STR(reply_header(&stream, "content-type"), "text/event-stream");
    EXPECT(strncmp(reply_header(&stream, "x-instructd-policy"), "pol_", 4) == 0);
    EXPECT(strncmp(stream.body, "data: {", 7) == 0);
    EXPECT_STR(stream.body + stream.body_len - 14, "data: [DONE]\n\n");
    reply_free(&whole);
    reply_free(&stream);
    EXPECT_EQ(client_ask(&k,
                         post("/v1/chat/completions", "",
                              "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
                              "\"max_tokens\":3}"),
                         &whole),
              200);
    expect_in(&whole, "chat.completion");
    reply_free(&whole);
    EXPECT_EQ(client_ask(&k, post("/v1/completions", "", "{\"prompt\":\"a\",\"n\":1000}"), &whole),
              400);
    expect_in(&whole, "\"param\":\"n\"");
    reply_free(&whole);
    client_close(&k);
    EXPECT_EQ(stop(r), 0);
}

static void expect_ignored(const running *r, const char *path, const char *body, const char *names)
{
    reply out = {0};
    EXPECT_EQ(ask(r, &out, post(path, "", body)), 200);
    EXPECT_STR(reply_header(&out, "x-instructd-ignored"), names);
    EXPECT_STR(reply_header(&out, "set-cookie"), "");
    reply_free(&out);
}

TEST(a_reply_names_what_of_its_body_was_ignored)
{
    running *r = start();
    expect_ignored(r, "/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":1}", "");
    expect_ignored(r, "/v1/completions", "{\"prompt\":\"a\",\"max_token\":1}", "max_token");
    expect_ignored(r, "/v1/completions", "{\"max_tokens\":1,\"stream\":true,\"x\":[1]}", "x");
    expect_ignored(r, "/v1/chat/completions",
                   "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":1,"
                   "\"store\":true,\"a\\r\\nSet-Cookie: x\":1}",
                   "store, a*Set-Cookie*x");
    expect_ignored(r, "/tokenize", "{\"prompt\":\"a\",\"tokens\":[]}", "tokens");
    expect_ignored(r, "/detokenize", "{\"tokens\":[],\"prompt\":1}", "prompt");
    EXPECT_EQ(stop(r), 0);
}

/* The value of a metric without labels. */
static long metric(const running *r, const char *name)
{
    reply out;
    char line[128];
    EXPECT_EQ(ask(r, &out, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    snprintf(line, sizeof line, "\ninstructd_%s ", name);
    const char *at = strstr(out.body, line);
    if (!at)
        FAIL("no metric %s", name);
    long value = strtol(at + strlen(line), NULL, 10);
    reply_free(&out);
    return value;
}

static void await_idle(const running *r)
{
    for (int i = 0; i < 2000; i++) {
        if (metric(r, "num_requests_running") == 0 && metric(r, "num_requests_waiting") == 0 &&
            metric(r, "kv_cache_usage_perc") == 0)
            return;
        usleep(5 * 1000);
    }
    FAIL("%ld running, %ld waiting", metric(r, "num_requests_running"),
         metric(r, "num_requests_waiting"));
}

/* A client leaves while its request is parsing, queued, in prefill, in decode, while streaming. */
TEST(clients_that_leave_free_everything_they_held)
{
    running *r = start();
    const char *streamed = post("/v1/completions", "", COUNT_TO(200, ",\"stream\":true"));
    const char *plain = post("/v1/completions", "", COUNT_TO(200, ",\"n\":4"));
    for (int i = 0; i < 60; i++) {
        client k = dial(r);
        client_puts(&k, i % 2 ? streamed : plain);
        if (i % 3 == 1)
            usleep((useconds_t)(i * 100));
        if (i % 3 == 2 && i % 2) {
            reply head;
            EXPECT(client_head(&k, &head));
        }
        client_close(&k);
    }
    await_idle(r);
    EXPECT_EQ(status_of(r, post("/v1/completions", "", COUNT_TO(4, ""))), 200);
    EXPECT_EQ(stop(r), 0);
}

TEST(a_drain_lets_streams_end_and_refuses_the_rest)
{
    running *r = start();
    client k = dial(r), late = dial(r);
    reply stream, refused;
    client_puts(&k, post("/v1/completions", "", COUNT_TO(200, ",\"stream\":true")));
    EXPECT(client_head(&k, &stream));
    EXPECT_EQ(client_chunk(&k, &stream), 1);
    daemon_stop_async(r->daemon);
    int status = client_ask(&late, post("/v1/completions", "", COUNT_TO(1, "")), &refused);
    if (status) { /* the stream may have ended first */
        if (status != 200)
            EXPECT_EQ(status, 503);
        reply_free(&refused);
    }
    int more;
    while ((more = client_chunk(&k, &stream)) > 0)
        ;
    EXPECT_EQ(more, 0);
    EXPECT_STR(stream.body + stream.body_len - 14, "data: [DONE]\n\n");
    reply_free(&stream);
    client_close(&k);
    client_close(&late);
    EXPECT_EQ(finish(r), 0);
}

TEST(a_second_stop_does_not_wait)
{
    running *r = start();
    client k = dial(r);
    reply head;
    client_puts(&k, post("/v1/completions", "", COUNT_TO(240, ",\"stream\":true,\"n\":8")));
    EXPECT(client_head(&k, &head));
    daemon_stop_async(r->daemon);
    daemon_stop_async(r->daemon);
    int code = finish(r);
    EXPECT(code == 1 || code == 0); /* 0 if the stream was done before the second */
    client_close(&k);
}

TEST(a_model_that_cannot_be_read_ends_the_daemon_with_the_reason)
{
    running *r = daemon_fixture(false);
    launch(r);
    pthread_join(r->thread, NULL);
    EXPECT_EQ(r->code, 1);
    EXPECT(strstr(r->err.text, "model.gguf"));
    daemon_free(r->daemon);
    free(r);
}

TEST(two_daemons_do_not_share_a_data_directory)
{
    running *r = start();
    error_text err = {""};
    EXPECT(!daemon_create(&r->options, &err));
    EXPECT(strstr(err.text, "in use by another daemon (pid "));
    EXPECT_EQ(stop(r), 0);
}

TEST(a_daemon_that_never_ran_can_be_freed)
{
    running *r = daemon_fixture(true);
    error_text err = {""};
    r->daemon = daemon_create(&r->options, &err);
    EXPECT(r->daemon);
    daemon_free(r->daemon);
    r->options.config.host = "0.0.0.0";
    EXPECT(!daemon_create(&r->options, &err));
    EXPECT(strstr(err.text, "--insecure"));
    free(r);
}

/* ---- reward models ----------------------------------------------------------------------------
 */

static running *start_reward_model(void)
{
    const eng_new_model spec = {
        .arch = "gpt2", .n_layer = 2, .n_embd = 32, .n_head = 4, .n_ctx = 64, .score = true};
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    running *r = daemon_fixture(false);
    snprintf(r->model, sizeof r->model, "%s/reward", test_dir());
    EXPECT_OK(eng_model_new(r->model, &spec, id, &err), err);
    launch(r);
    await_ready(r);
    return r;
}

static double reward_of(const running *r, const char *body, int index)
{
    reply out = {0};
    EXPECT_EQ(ask(r, &out, post("/v1/rewards", "", body)), 200);
    char key[64];
    snprintf(key, sizeof key, "\"index\":%d,\"reward\":", index);
    expect_in(&out, key);
    const double reward = strtod(strstr(out.body, key) + strlen(key), NULL);
    reply_free(&out);
    return reward;
}

TEST(a_reward_model_scores_each_text_the_same_in_any_company)
{
    running *r = start_reward_model();
    static const char alone[] = "{\"input\":[{\"prompt\":\"good\",\"completion\":\"day\"}]}";
    static const char second[] = "{\"input\":[{\"prompt\":\"bad\",\"completion\":\"night\"},"
                                 "{\"prompt\":\"good\",\"completion\":\"day\"}]}";
    EXPECT(reward_of(r, second, 0) != reward_of(r, second, 1));
    EXPECT(reward_of(r, second, 1) == reward_of(r, alone, 0));
    expect_ignored(r, "/v1/rewards",
                   "{\"input\":[{\"prompt\":\"a\",\"completion\":\"b\"}],\"n\":1}", "n");
    EXPECT_EQ(status_of(r, post("/v1/completions", "", "{\"prompt\":\"good\"}")), 400);
    EXPECT_EQ(stop(r), 0);
}

TEST(a_language_model_gives_no_rewards)
{
    running *r = start();
    reply out = {0};
    EXPECT_EQ(ask(r, &out,
                  post("/v1/rewards", "", "{\"input\":[{\"prompt\":\"a\",\"completion\":\"b\"}]}")),
              400);
    expect_in(&out, "no score head");
    reply_free(&out);
    EXPECT_EQ(stop(r), 0);
}
