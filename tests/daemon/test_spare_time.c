#include "harness.h"
#include "base/spare_time.h"

#include <pthread.h>
#include <unistd.h>

TEST(nothing_is_left_while_nobody_wants_it)
{
    spare_time t = {.percent = 10};
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 0);
    spare_time_begin(&t);
    spare_time_end(&t);
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 0);
}

TEST(what_is_left_is_its_share_of_the_whole)
{
    spare_time t = {.percent = 10};
    spare_time_begin(&t);
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 1000); /* of 10,000 */
    spare_time_begin(&t);                         /* two who want it share it */
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 1000);
    spare_time_end(&t);
    EXPECT_EQ(spare_time_due_ns(&t, 900000000000), 100000000000);
    t.percent = SPARE_TIME_MOST_PERCENT;
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 9000);
}

typedef struct passer {
    spare_time *time;
    atomic_uint passed;
} passer;

static void *pass(void *arg)
{
    passer *p = arg;
    spare_time_pass(p->time);
    atomic_fetch_add(&p->passed, 1);
    return NULL;
}

TEST(a_closed_gate_is_passed_by_nobody_until_it_opens)
{
    enum { N = 4 };
    spare_time t = {.percent = 10};
    passer p = {.time = &t};
    pthread_t threads[N];
    for (int turn = 1; turn <= 50; turn++) {
        spare_time_close(&t);
        for (int i = 0; i < N; i++)
            EXPECT_EQ(pthread_create(&threads[i], NULL, pass, &p), 0);
        while (atomic_load(&t.waiting) < N)
            usleep(100);
        EXPECT_EQ(p.passed, N * (turn - 1));
        spare_time_open(&t);
        for (int i = 0; i < N; i++)
            pthread_join(threads[i], NULL);
        EXPECT_EQ(p.passed, N * turn);
        EXPECT_EQ(t.waiting, 0);
    }
    spare_time_pass(&t); /* open: at once */
}

TEST(without_a_share_the_gate_stays_open)
{
    spare_time t = {0};
    spare_time_begin(&t);
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 0);
    spare_time_close(&t);
    spare_time_pass(&t);
    spare_time_open(&t);
}

TEST(without_spare_time_nothing_happens)
{
    spare_time_begin(NULL);
    spare_time_close(NULL);
    spare_time_pass(NULL);
    spare_time_open(NULL);
    spare_time_end(NULL);
    EXPECT_EQ(spare_time_due_ns(NULL, 9000), 0);
}
