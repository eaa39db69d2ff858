#include "base/clock.h"
#include "base/thread_prompt.h"
#include "bridge/right_of_way.h"
#include "harness.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- who asks ---- */

static void pause_between_two(void)
{
    usleep(RIGHT_OF_WAY_PAUSE_NS / 1000 + 1);
}

static bool gives(right_of_way *way)
{
    const unsigned before = way->given;
    pause_between_two();
    right_of_way_give(way);
    return way->given != before;
}

TEST(nobody_yields_while_nobody_asks)
{
    right_of_way way = {0};
    EXPECT(!gives(&way));
}

TEST(the_loop_asks_from_its_bell_until_it_has_served)
{
    right_of_way way = {0};
    right_of_way_ring(&way);
    EXPECT(gives(&way));
    EXPECT(gives(&way));
    right_of_way_served(&way, false);
    EXPECT(!gives(&way));
}

TEST(once_a_reply_has_ended_it_asks_for_a_while_longer)
{
    right_of_way way = {0};
    right_of_way_ring(&way);
    const int64_t served_ns = clock_now_ns();
    right_of_way_served(&way, true);
    EXPECT(way.until_ns >= served_ns + RIGHT_OF_WAY_LINGER_NS);
    way.until_ns = 1; /* long past */
    EXPECT(!gives(&way));
    EXPECT_EQ(way.until_ns, 0); /* and the clock is not read any more */
    right_of_way_ring(&way);
    EXPECT(gives(&way));
}

TEST(short_pieces_of_one_thread_do_not_yield_each)
{
    right_of_way way = {0};
    right_of_way_ring(&way);
    const int64_t began_ns = clock_now_ns();
    for (int i = 0; i < 10000; i++)
        right_of_way_give(&way);
    EXPECT(way.given >= 1);
    EXPECT((int64_t)(way.given - 1) * RIGHT_OF_WAY_PAUSE_NS <= clock_now_ns() - began_ns);
}

TEST(each_body_asks_until_it_is_back)
{
    right_of_way way = {0};
    right_of_way_job_begins(&way);
    right_of_way_job_begins(&way);
    right_of_way_job_ends(&way);
    EXPECT(gives(&way));
    right_of_way_job_ends(&way);
    EXPECT(!gives(&way));
}

TEST(without_a_way_nothing_happens)
{
    right_of_way_ring(NULL);
    right_of_way_served(NULL, true);
    right_of_way_job_begins(NULL);
    right_of_way_job_ends(NULL);
}

/* ---- slices ---- */

/* The calling thread's, as sched_getattr(2) tells; 0 where the kernel keeps none. */
static uint64_t slice_ns(void)
{
    uint64_t attributes[7] = {0}; /* size + policy, flags, nice + priority, runtime, ... */
    if (syscall(SYS_sched_getattr, 0, attributes, sizeof attributes, 0) != 0)
        return 0;
    return attributes[3];
}

static void *tell_slice(void *arg)
{
    *(uint64_t *)arg = slice_ns();
    return NULL;
}

static void *become_prompt(void *arg)
{
    uint64_t *slices = arg;
    pthread_t child;
    thread_be_prompt();
    slices[0] = slice_ns();
    if (pthread_create(&child, NULL, tell_slice, &slices[1]) == 0)
        pthread_join(child, NULL);
    return NULL;
}

TEST(prompt_thread_has_short_slices_and_those_it_starts_the_usual)
{
    const uint64_t usual = slice_ns();
    uint64_t slices[2] = {0};
    pthread_t thread;
    EXPECT_EQ(pthread_create(&thread, NULL, become_prompt, slices), 0);
    pthread_join(thread, NULL);
    if (!usual || slices[0] == usual)
        SKIP("this kernel has no slices of a thread's own (Linux 6.12), or nice is below 0");
    EXPECT_EQ(slices[0], THREAD_PROMPT_SLICE_NS);
    EXPECT_EQ(slices[1], usual);
}
