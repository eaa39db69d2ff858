/* That a whole daemon has the right of way wired: its loop and its workers ask, its scheduler
 * gives. What asking and giving do is test_right_of_way.c's. Linked with -Wl,--wrap of the calls
 * below. */
#include "bridge/right_of_way.h"
#include "daemon/daemon_fixture.h"

/* Calls, and whether all were for one way. */
static struct {
    atomic_uint rings, served, begun, ended;
    _Atomic(right_of_way *) way; /* of the first call */
    atomic_uint strangers;       /* calls for another */
} seen;

static void note(atomic_uint *calls, right_of_way *way)
{
    right_of_way *first = NULL;
    atomic_fetch_add(calls, 1);
    if (!atomic_compare_exchange_strong(&seen.way, &first, way) && first != way)
        atomic_fetch_add(&seen.strangers, 1);
}

void __real_right_of_way_ring(right_of_way *w);
void __real_right_of_way_served(right_of_way *w, bool ended);
void __real_right_of_way_job_begins(right_of_way *w);
void __real_right_of_way_job_ends(right_of_way *w);
void __wrap_right_of_way_ring(right_of_way *w);
void __wrap_right_of_way_served(right_of_way *w, bool ended);
void __wrap_right_of_way_job_begins(right_of_way *w);
void __wrap_right_of_way_job_ends(right_of_way *w);

void __wrap_right_of_way_ring(right_of_way *w)
{
    note(&seen.rings, w);
    __real_right_of_way_ring(w);
}

void __wrap_right_of_way_served(right_of_way *w, bool ended)
{
    note(&seen.served, w);
    __real_right_of_way_served(w, ended);
}

void __wrap_right_of_way_job_begins(right_of_way *w)
{
    note(&seen.begun, w);
    __real_right_of_way_job_begins(w);
}

void __wrap_right_of_way_job_ends(right_of_way *w)
{
    note(&seen.ended, w);
    __real_right_of_way_job_ends(w);
}

static void stream_a_reply(const running *r)
{
    reply out;
    EXPECT_EQ(ask(r, &out,
                  post("/v1/completions", INFER_KEY,
                       "{\"prompt\":\"once\",\"stream\":true,"
                       "\"max_tokens\":8}")),
              200);
    expect_in(&out, "[DONE]");
    reply_free(&out);
}

TEST(the_loop_and_bodies_ask_for_the_way_and_serving_gives_it)
{
    running *r = start();
    stream_a_reply(r);
    right_of_way *way = seen.way;
    EXPECT(way != NULL);
    /* As if a body were parsed all the while: no step can miss that. */
    __real_right_of_way_job_begins(way);
    const unsigned before = way->given;
    stream_a_reply(r);
    const unsigned after = way->given;
    EXPECT_EQ(stop(r), 0); /* what the loop does after a reply's end is done now */
    EXPECT(after > before);
    EXPECT(seen.rings > 0);
    EXPECT(seen.served > 0);
    EXPECT_EQ(seen.begun, 2); /* bodies */
    EXPECT_EQ(seen.ended, 2);
    EXPECT_EQ(seen.strangers, 0);
}
