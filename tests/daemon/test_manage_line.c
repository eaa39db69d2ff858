/* That work which may take minutes leaves workers to what does not, and stands in line meanwhile.
 * Linked with -Wl,--wrap of the calls below. */
#include "base/limits.h"
#include "control/file_upload.h"
#include "daemon/daemon_fixture.h"
#include "policy/publish.h"

#include <unistd.h>

/* Work waits here until somebody lets it go on. */
static struct {
    atomic_uint begun, under_way, most; /* most: under way at once */
    atomic_bool go_on;
} slow;

static void take_long(void)
{
    const unsigned now = atomic_fetch_add(&slow.under_way, 1) + 1;
    unsigned most = slow.most;
    while (now > most && !atomic_compare_exchange_weak(&slow.most, &most, now))
        ;
    atomic_fetch_add(&slow.begun, 1);
    while (!atomic_load(&slow.go_on))
        usleep(1000);
    atomic_fetch_sub(&slow.under_way, 1);
}

publish_result __wrap_publisher_move(publisher *p, const publish_move *m, alias_state *out,
                                     error_text *err);
publish_result __real_publisher_move(publisher *p, const publish_move *m, alias_state *out,
                                     error_text *err);
bool __wrap_file_upload_finish(file_upload *u, control_reply *to, api_error *err);
bool __real_file_upload_finish(file_upload *u, control_reply *to, api_error *err);

/* Loading the policy takes long; there is none of the name. */
#define ON_DISK "pol_0123456789abcdef"

publish_result __wrap_publisher_move(publisher *p, const publish_move *m, alias_state *out,
                                     error_text *err)
{
    if (!m->at_once && m->policy && strcmp(m->policy, ON_DISK) == 0)
        take_long();
    return __real_publisher_move(p, m, out, err);
}

bool __wrap_file_upload_finish(file_upload *u, control_reply *to, api_error *err)
{
    take_long();
    return __real_file_upload_finish(u, to, err);
}

static char *move_of(const char *alias, const char *id)
{
    static char text[512];
    char body[64];
    snprintf(body, sizeof body, "{\"policy\":\"%s\"}", id);
    snprintf(text, sizeof text,
             "PUT /v1/aliases/%s HTTP/1.1\r\nHost: localhost\r\n" TRAIN_KEY
             "Content-Type: application/json\r\nIf-None-Match: *\r\nContent-Length: %zu\r\n\r\n%s",
             alias, strlen(body), body);
    return text;
}

#define PART "--XX\r\nContent-Disposition: form-data; name="
#define FORM                                                                                       \
    PART "\"purpose\"\r\n\r\nfine-tune\r\n" PART "\"file\"; filename=\"a.jsonl\"\r\n\r\n"          \
         "{}\n\r\n--XX--\r\n"

static char *upload_of_a_file(void)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "POST /v1/files HTTP/1.1\r\nHost: localhost\r\n" TRAIN_KEY
             "Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: %zu\r\n\r\n" FORM,
             strlen(FORM));
    return text;
}

/* A daemon that is asked for the same n times, of which as many as may are under way. */
static running *start_slow(client *k, int n, const char *request)
{
    slow.begun = slow.under_way = slow.most = 0;
    slow.go_on = false;
    running *r = start();
    for (int i = 0; i < n; i++) {
        k[i] = dial(r);
        client_puts(&k[i], request);
        while (i < LIMIT_LONG_JOBS && slow.begun <= (unsigned)i)
            usleep(1000);
    }
    return r;
}

static void expect_status(client *k, int status)
{
    reply out = {0};
    EXPECT(client_reply(k, &out));
    EXPECT_EQ(out.status, status);
    reply_free(&out);
    client_close(k);
}

static void complete(const running *r)
{
    EXPECT_EQ(
        status_of(r, post("/v1/completions", INFER_KEY, "{\"prompt\":\"once\",\"max_tokens\":2}")),
        200);
}

TEST(work_that_takes_long_leaves_workers_to_the_rest)
{
    enum { CLIENTS = LIMIT_LONG_JOBS + 4, LEAVES = LIMIT_LONG_JOBS + 1 };
    client k[CLIENTS];
    running *r = start_slow(k, CLIENTS, move_of("other", ON_DISK));
    complete(r);
    client_close(&k[LEAVES]); /* in the middle of the line */
    client_close(&k[CLIENTS - 1]);
    complete(r); /* the loop has seen that */
    EXPECT_EQ(status_of(r, "GET /v1/aliases HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    EXPECT_EQ(slow.begun, LIMIT_LONG_JOBS);
    atomic_store(&slow.go_on, true);
    for (int i = 0; i < CLIENTS - 1; i++)
        if (i != LEAVES)
            expect_status(&k[i], 404);
    EXPECT_EQ(stop(r), 0);
    EXPECT_EQ(slow.begun, CLIENTS - 2);
    EXPECT_EQ(slow.most, LIMIT_LONG_JOBS);
}

TEST(a_move_to_a_policy_in_memory_waits_for_no_slow_one)
{
    enum { CLIENTS = LIMIT_LONG_JOBS + 4 };
    client k[CLIENTS];
    reply out = {0};
    char id[32];
    running *r = start_slow(k, CLIENTS, move_of("other", ON_DISK));
    EXPECT_EQ(ask(r, &out, "GET /v1/aliases/instruct HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    const char *at = strstr(out.body, "\"policy\":\"");
    EXPECT(at && sscanf(at, "\"policy\":\"%20[^\"]", id) == 1);
    reply_free(&out);
    EXPECT_EQ(status_of(r, move_of("back", id)), 200);
    EXPECT_EQ(slow.under_way, LIMIT_LONG_JOBS);
    atomic_store(&slow.go_on, true);
    for (int i = 0; i < CLIENTS; i++)
        expect_status(&k[i], 404);
    EXPECT_EQ(stop(r), 0);
}

TEST(files_that_are_looked_at_for_long_leave_workers_to_the_rest)
{
    enum { CLIENTS = LIMIT_LONG_JOBS + 4 };
    client k[CLIENTS];
    running *r = start_slow(k, CLIENTS, upload_of_a_file());
    complete(r);
    EXPECT_EQ(status_of(r, "GET /v1/aliases HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    client_close(&k[CLIENTS - 1]); /* from the line */
    complete(r);
    atomic_store(&slow.go_on, true);
    for (int i = 0; i < CLIENTS - 1; i++)
        expect_status(&k[i], 200);
    EXPECT_EQ(stop(r), 0);
    EXPECT_EQ(slow.begun, CLIENTS - 1);
    EXPECT_EQ(slow.most, LIMIT_LONG_JOBS);
}

TEST(a_daemon_that_stops_at_once_forgets_who_stands_in_line)
{
    enum { CLIENTS = LIMIT_LONG_JOBS + 2 };
    client k[CLIENTS];
    running *r = start_slow(k, CLIENTS, move_of("other", ON_DISK));
    complete(r);
    daemon_stop_async(r->daemon);
    daemon_stop_async(r->daemon);
    for (int i = 0; i < CLIENTS; i++) {
        EXPECT(!client_reply(&k[i], &(reply){0}));
        client_close(&k[i]);
    }
    atomic_store(&slow.go_on, true);
    EXPECT_EQ(finish(r), 1);
    EXPECT_EQ(slow.begun, LIMIT_LONG_JOBS);
}
