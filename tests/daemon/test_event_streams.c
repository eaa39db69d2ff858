/* GET /v1/events and a job's events, over a server with a bus and a store but no model. */
#include "daemon/live_server.h"
#include "daemon/store_fixture.h"

#include "base/limits.h"
#include "bridge/loop_wake.h"
#include "host/events.h"
#include "net/route.h"

typedef struct fixture {
    live live;
    service service;
    loop_wake wake;
} fixture;

#define TRAIN "X-Api-Key: sk-inst-train\r\n"
/* SHA-256 of "sk-inst-train", from sha256sum. */
static const char key_file[] =
    "train infer,train cd3bf9dc58e62868fb8f714e5e349fa23f1d4686660b5e43d826fa70c653664c\n";

static void on_wake(void *all)
{
    assert_on_loop();
    listeners_wake(all);
}

static void open_wake(void *arg)
{
    assert_on_loop();
    fixture *f = arg;
    loop_wake_init(&f->wake, &f->live.loop, on_wake, &f->service.listeners);
    events_on_publish(f->service.control.events, loop_wake_ring, &f->wake);
}

static void close_wake(void *arg)
{
    assert_on_loop();
    fixture *f = arg;
    events_on_publish(f->service.control.events, NULL, NULL);
    loop_wake_close(&f->wake);
}

static void end_listeners(void *arg)
{
    assert_on_loop();
    listeners_end(&((fixture *)arg)->service.listeners);
}

static fixture *serve(const server_limits *limits)
{
    /* Each used once: a worker of libuv may still be in the unlocking of its loop's mutex. */
    static fixture all[32];
    static unsigned used;
    fixture *f = &all[used++];
    error_text err;
    const server_limits usual = server_default_limits();
    const server_hooks hooks = {.on_head = route_on_head,
                                .on_request = route_on_request,
                                .on_done = route_on_done,
                                .arg = &f->service};
    char path[512];
    snprintf(path, sizeof path, "%s/keys", test_dir());
    test_write_file(path, key_file, sizeof key_file - 1);
    f->service.loop = f->service.workers.loop = &f->live.loop;
    f->service.metrics = metrics_create();
    f->service.keys = keys_open(test_dir(), path, &err);
    f->service.control.data_dir = test_dir();
    f->service.control.events = events_create();
    f->service.control.store = fixture_open();
    live_start(&f->live, limits ? limits : &usual, &hooks, NULL);
    live_run(&f->live, open_wake, f);
    return f;
}

static void stop(fixture *f)
{
    live_run(&f->live, close_wake, f);
    live_stop(&f->live);
    EXPECT_EQ(f->service.listeners.n, 0);
    store_close(f->service.control.store);
    events_free(f->service.control.events);
    keys_free(f->service.keys);
    metrics_free(f->service.metrics);
}

static void publish(fixture *f, event_topic topic, const char *subject, int number)
{
    char json[32];
    snprintf(json, sizeof json, "{\"n\":%d}", number);
    events_publish(f->service.control.events, topic,
                   topic == TOPIC_JOB ? "job.status" : "alias.moved", subject, json);
}

/* ---- a reader ---- */

/* Asks for a stream and reads its head. */
static client listen_at(const fixture *f, const char *path, const char *headers)
{
    char request[512];
    client c = client_dial(&f->live);
    reply r;
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n" TRAIN "%s\r\n", path,
             headers);
    client_puts(&c, request);
    if (!client_head(&c, &r) || r.status != 200)
        FAIL("%s: status %d", path, r.status);
    EXPECT_STR(reply_header(&r, "content-type"), "text/event-stream");
    return c;
}

/* The next event's bytes, or "end". */
static const char *next(client *c)
{
    static char text[4096];
    reply r = {0};
    const int more = client_chunk(c, &r);
    snprintf(text, sizeof text, "%s", more > 0 ? r.body : "end");
    reply_free(&r);
    return text;
}

static uint64_t expect_event(client *c, const char *name, const char *data)
{
    char want[256];
    const char *got = next(c);
    unsigned long long id = 0;
    sscanf(got, "id: %llu", &id);
    snprintf(want, sizeof want, "id: %llu\nevent: %s\ndata: %s\n\n", id, name, data);
    EXPECT_STR(got, want);
    return id;
}

/* ---- the bus ---- */

TEST(a_listener_gets_what_happens_from_now_on)
{
    fixture *f = serve(NULL);
    publish(f, TOPIC_JOB, "ftjob-a", 1);
    client c = listen_at(f, "/v1/events", "");
    publish(f, TOPIC_JOB, "ftjob-a", 2);
    publish(f, TOPIC_ALIAS, "instruct", 3);
    const uint64_t first = expect_event(&c, "job.status", "{\"n\":2}");
    EXPECT(expect_event(&c, "alias.moved", "{\"n\":3}") == first + 1);
    client_close(&c);
    stop(f);
}

TEST(a_listener_chooses_topics)
{
    fixture *f = serve(NULL);
    client c = listen_at(f, "/v1/events?topics=alias,policy", "");
    publish(f, TOPIC_JOB, "ftjob-a", 1);
    publish(f, TOPIC_ALIAS, "instruct", 2);
    expect_event(&c, "alias.moved", "{\"n\":2}");
    client_close(&c);
    stop(f);
}

TEST(a_listener_goes_on_after_the_last_event_it_had)
{
    fixture *f = serve(NULL);
    client c = listen_at(f, "/v1/events", "");
    publish(f, TOPIC_JOB, "a", 1);
    char header[64];
    snprintf(header, sizeof header, "Last-Event-ID: %llu\r\n",
             (unsigned long long)expect_event(&c, "job.status", "{\"n\":1}"));
    client_close(&c);
    publish(f, TOPIC_JOB, "a", 2);
    publish(f, TOPIC_JOB, "a", 3);
    c = listen_at(f, "/v1/events", header);
    expect_event(&c, "job.status", "{\"n\":2}");
    expect_event(&c, "job.status", "{\"n\":3}");
    client_close(&c);
    c = listen_at(f, "/v1/events", "Last-Event-ID: 12\r\n"); /* of another process */
    EXPECT_STR(next(&c), "event: lost\ndata: {}\n\n");
    expect_event(&c, "job.status", "{\"n\":1}");
    client_close(&c);
    stop(f);
}

static int status_of(const fixture *f, const char *path, const char *headers)
{
    char request[512];
    client c = client_dial(&f->live);
    reply r;
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path,
             headers);
    const int status = client_ask(&c, request, &r);
    reply_free(&r);
    client_close(&c);
    return status;
}

TEST(what_cannot_be_listened_to_is_refused)
{
    fixture *f = serve(NULL);
    EXPECT_EQ(status_of(f, "/v1/events?topics=jobs", TRAIN), 400);
    EXPECT_EQ(status_of(f, "/v1/events?topics=job,", TRAIN), 400);
    EXPECT_EQ(status_of(f, "/v1/events", TRAIN "Last-Event-ID: 1x\r\n"), 400);
    EXPECT_EQ(status_of(f, "/v1/events", ""), 401);
    EXPECT_EQ(status_of(f, "/v1/fine_tuning/jobs/ftjob-x/events", TRAIN), 404);
    EXPECT_EQ(
        status_of(f, "/v1/fine_tuning/jobs/ftjob-x/events", TRAIN "Accept: text/event-stream\r\n"),
        404);
    EXPECT_EQ(status_of(f, "/v1/fine_tuning/jobs/ftjob-x/events", "Accept: text/event-stream\r\n"),
              401);
    stop(f);
}

TEST(only_so_many_may_listen)
{
    fixture *f = serve(NULL);
    f->service.listeners.n = LIMIT_LISTENERS; /* as if all places were taken */
    EXPECT_EQ(status_of(f, "/v1/events", TRAIN), 429);
    f->service.listeners.n = 0;
    stop(f);
}

TEST(a_drain_ends_all_streams)
{
    fixture *f = serve(NULL);
    store_job j = fixture_job("ftjob-a");
    STORE_GOOD(store_job_insert(f->service.control.store, &j, &err));
    client bus = listen_at(f, "/v1/events", "");
    client job =
        listen_at(f, "/v1/fine_tuning/jobs/ftjob-a/events", "Accept: text/event-stream\r\n");
    live_run(&f->live, end_listeners, f);
    EXPECT_STR(next(&bus), "end");
    EXPECT_STR(next(&job), "end");
    client_close(&bus);
    client_close(&job);
    stop(f);
}

TEST(a_slow_listener_holds_nobody_back_and_is_told_what_it_lost)
{
    server_limits limits = server_default_limits();
    limits.park_bytes = 4096;
    fixture *f = serve(&limits);
    client slow = listen_at(f, "/v1/events", ""), quick = listen_at(f, "/v1/events", "");
    enum { PUBLISHED = 4 * LIMIT_EVENTS, PAD = 2000 };
    static char json[PAD + 32];
    for (int i = 0; i < PUBLISHED; i++) {
        snprintf(json, sizeof json, "{\"n\":%d,\"pad\":\"%0*d\"}", i, PAD, 0);
        events_publish(f->service.control.events, TOPIC_JOB, "job.metrics", "a", json);
        const char *got = next(&quick);
        if (!strstr(got, "event: job.metrics"))
            FAIL("event %d: %.80s", i, got);
    }
    /* The slow one reads at last: a begin, a gap that it is told of, and the end. */
    int last = -1, lost = 0;
    while (last != PUBLISHED - 1) {
        const char *got = next(&slow), *n = strstr(got, "{\"n\":");
        lost += strncmp(got, "event: lost", 11) == 0;
        if (!n)
            continue;
        EXPECT(atoi(n + 5) > last);
        last = atoi(n + 5);
    }
    EXPECT(lost >= 1);
    client_close(&slow);
    client_close(&quick);
    stop(f);
}

/* ---- a job's events ---- */

static void tell(fixture *f, const char *message, const char *data)
{
    STORE_GOOD(store_event_append(f->service.control.store, "ftjob-a", "info", "message", message,
                                  data, NULL, &err));
    publish(f, TOPIC_JOB, "ftjob-a", 0);
}

/* The next frame of a job's stream: its number and message. */
static void expect_told(client *c, int number, const char *message)
{
    char want[128];
    const char *got = next(c);
    snprintf(want, sizeof want, "id: %d\ndata: {\"id\":\"ftevent-", number);
    EXPECT(strncmp(got, want, strlen(want)) == 0);
    snprintf(want, sizeof want, "\"message\":\"%s\"", message);
    if (!strstr(got, want))
        FAIL("%s is not in %s", want, got);
}

#define STREAM "Accept: text/event-stream\r\n"
#define EVENTS "/v1/fine_tuning/jobs/ftjob-a/events"

static fixture *serve_job(void)
{
    fixture *f = serve(NULL);
    store_job j = fixture_job("ftjob-a"), other = fixture_job("ftjob-b");
    STORE_GOOD(store_job_insert(f->service.control.store, &j, &err));
    STORE_GOOD(store_job_insert(f->service.control.store, &other, &err));
    return f;
}

TEST(a_job_is_followed_from_its_first_event_to_its_end)
{
    fixture *f = serve_job();
    tell(f, "one", "{\"step\":1}");
    tell(f, "two", NULL);
    client c = listen_at(f, EVENTS, STREAM);
    expect_told(&c, 1, "one");
    expect_told(&c, 2, "two");
    tell(f, "three", NULL);
    expect_told(&c, 3, "three");
    STORE_GOOD(
        store_job_move(f->service.control.store, "ftjob-a", ~0u, STORE_JOB_SUCCEEDED, NULL, &err));
    publish(f, TOPIC_JOB, "ftjob-a", 0);
    tell(f, "last words", NULL); /* stored after the end */
    expect_told(&c, 4, "last words");
    EXPECT_STR(next(&c), "end");
    client_close(&c);
    stop(f);
}

TEST(a_job_that_has_ended_is_told_whole)
{
    fixture *f = serve_job();
    for (int i = 1; i <= 150; i++) /* more than one read takes */
        tell(f, "m", NULL);
    STORE_GOOD(
        store_job_move(f->service.control.store, "ftjob-a", ~0u, STORE_JOB_FAILED, NULL, &err));
    client c = listen_at(f, EVENTS, STREAM);
    for (int i = 1; i <= 150; i++)
        expect_told(&c, i, "m");
    EXPECT_STR(next(&c), "end");
    client_close(&c);
    stop(f);
}

TEST(a_follower_goes_on_after_the_last_event_it_had)
{
    fixture *f = serve_job();
    tell(f, "one", NULL);
    tell(f, "two", NULL);
    client c = listen_at(f, EVENTS, STREAM "Last-Event-ID: 1\r\n");
    expect_told(&c, 2, "two");
    client_close(&c);
    stop(f);
}

TEST(followers_that_leave_are_forgotten)
{
    fixture *f = serve_job();
    for (int i = 0; i < 20; i++) {
        client c = client_dial(&f->live);
        client_puts(&c, "GET " EVENTS " HTTP/1.1\r\nHost: localhost\r\n" TRAIN STREAM "\r\n");
        if (i % 2)
            client_need(&c, 20);
        client_close(&c);
        tell(f, "m", NULL);
    }
    live_await(&f->live, 0, 0);
    stop(f);
}

TEST(without_the_header_the_events_are_a_list)
{
    fixture *f = serve_job();
    tell(f, "one", "{\"step\":1}");
    tell(f, "two", NULL);
    client c = client_dial(&f->live);
    reply r;
    EXPECT_EQ(
        client_ask(&c, "GET " EVENTS "?limit=1 HTTP/1.1\r\nHost: localhost\r\n" TRAIN "\r\n", &r),
        200);
    EXPECT(strstr(r.body, "{\"object\":\"list\",\"data\":[{\"id\":\"ftevent-"));
    EXPECT(strstr(r.body, "\"object\":\"fine_tuning.job.event\""));
    EXPECT(strstr(r.body, "\"message\":\"two\",\"data\":null}],\"has_more\":true}"));
    char id[64];
    EXPECT_EQ(sscanf(strstr(r.body, "ftevent-"), "%63[^\"]", id), 1);
    reply_free(&r);
    char request[256];
    snprintf(request, sizeof request,
             "GET " EVENTS "?after=%s HTTP/1.1\r\nHost: localhost\r\n" TRAIN "\r\n", id);
    EXPECT_EQ(client_ask(&c, request, &r), 200);
    EXPECT(strstr(r.body, "\"message\":\"one\",\"data\":{\"step\":1}}],\"has_more\":false}"));
    reply_free(&r);
    client_close(&c);
    stop(f);
}
