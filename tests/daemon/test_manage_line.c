/* That management, however long it waits, leaves a worker to bodies, and stands in line meanwhile.
 * Linked with -Wl,--wrap of the call below. */
#include "base/limits.h"
#include "daemon/daemon_fixture.h"
#include "policy/publish.h"

#include <unistd.h>

/* Moves wait here until somebody lets them go on, and fail. */
static struct {
    atomic_uint begun, under_way, most; /* most: under way at once */
    atomic_bool go_on;
} moves;

publish_result __wrap_publisher_move(publisher *p, const publish_move *m, alias_state *out,
                                     error_text *err);

publish_result __wrap_publisher_move(publisher *p, const publish_move *m, alias_state *out,
                                     error_text *err)
{
    (void)p;
    (void)m;
    (void)out;
    const unsigned now = atomic_fetch_add(&moves.under_way, 1) + 1;
    unsigned most = moves.most;
    while (now > most && !atomic_compare_exchange_weak(&moves.most, &most, now))
        ;
    atomic_fetch_add(&moves.begun, 1);
    while (!atomic_load(&moves.go_on))
        usleep(1000);
    atomic_fetch_sub(&moves.under_way, 1);
    error_text_set(err, "the test's");
    return PUBLISH_NOT_FOUND;
}

static client send_move(const running *r)
{
    client k = dial(r);
    client_puts(&k, "PUT /v1/aliases/other HTTP/1.1\r\nHost: localhost\r\n" TRAIN_KEY
                    "Content-Type: application/json\r\nIf-None-Match: *\r\nContent-Length: "
                    "33\r\n\r\n{\"policy\":\"pol_0123456789abcdef\"}");
    return k;
}

/* A daemon, and n moves, of which as many as may are under way. */
static running *start_moves(client *k, int n)
{
    moves.begun = moves.under_way = moves.most = 0;
    moves.go_on = false;
    running *r = start();
    for (int i = 0; i < n; i++) {
        k[i] = send_move(r);
        while (i < LIMIT_MANAGE_JOBS && moves.begun <= (unsigned)i)
            usleep(1000);
    }
    return r;
}

static void complete(const running *r)
{
    EXPECT_EQ(
        status_of(r, post("/v1/completions", INFER_KEY, "{\"prompt\":\"once\",\"max_tokens\":2}")),
        200);
}

TEST(management_that_waits_leaves_a_worker_to_bodies)
{
    enum { CLIENTS = LIMIT_MANAGE_JOBS + 4, LEAVES = LIMIT_MANAGE_JOBS + 1 };
    client k[CLIENTS];
    running *r = start_moves(k, CLIENTS);
    reply out = {0};
    complete(r);
    client_close(&k[LEAVES]); /* in the middle of the line */
    client_close(&k[CLIENTS - 1]);
    complete(r); /* the loop has seen that */
    EXPECT_EQ(moves.begun, LIMIT_MANAGE_JOBS);
    atomic_store(&moves.go_on, true);
    for (int i = 0; i < CLIENTS - 1; i++) {
        if (i == LEAVES)
            continue;
        EXPECT(client_reply(&k[i], &out));
        EXPECT_EQ(out.status, 404);
        reply_free(&out);
        client_close(&k[i]);
    }
    EXPECT_EQ(stop(r), 0);
    EXPECT_EQ(moves.begun, CLIENTS - 2);
    EXPECT_EQ(moves.most, LIMIT_MANAGE_JOBS);
}

TEST(a_daemon_that_stops_at_once_forgets_who_stands_in_line)
{
    enum { CLIENTS = LIMIT_MANAGE_JOBS + 2 };
    client k[CLIENTS];
    running *r = start_moves(k, CLIENTS);
    complete(r);
    daemon_stop_async(r->daemon);
    daemon_stop_async(r->daemon);
    for (int i = 0; i < CLIENTS; i++) {
        EXPECT(!client_reply(&k[i], &(reply){0}));
        client_close(&k[i]);
    }
    atomic_store(&moves.go_on, true);
    EXPECT_EQ(finish(r), 1);
    EXPECT_EQ(moves.begun, LIMIT_MANAGE_JOBS);
}
