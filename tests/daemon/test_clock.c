#include "base/clock.h"
#include "harness.h"

#include <errno.h>

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

TEST(the_clock_never_goes_back_and_its_units_agree)
{
    for (int64_t before = 0, i = 0; i < 10000; i++) {
        const int64_t now = clock_now_ns();
        EXPECT(now >= before);
        before = now;
    }
    const int64_t from = clock_now_ns() / 1000000, ms = clock_now_ms();
    EXPECT(ms >= from && ms <= clock_now_ns() / 1000000);
}

TEST(a_moment_ahead_is_that_far_ahead_and_a_valid_time)
{
    static const int64_t ahead[] = {0, 1, 999, 1000, 1001, 86400000};
    for (size_t i = 0; i < sizeof ahead / sizeof ahead[0]; i++) {
        const int64_t from = clock_now_ns();
        const struct timespec t = clock_in_ms(ahead[i]);
        EXPECT(t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
        EXPECT(ns_of(t) >= from + ahead[i] * 1000000);
        EXPECT(ns_of(t) <= clock_now_ns() + ahead[i] * 1000000);
    }
}

TEST(a_timed_wait_ends_by_this_clock)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    EXPECT_EQ(clock_cond_init(&cond), 0);
    const struct timespec until = clock_in_ms(2);
    int rc = 0;
    pthread_mutex_lock(&mutex);
    while (rc == 0)
        rc = pthread_cond_timedwait(&cond, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    EXPECT_EQ(rc, ETIMEDOUT);
    EXPECT(clock_now_ns() >= ns_of(until));
    pthread_cond_destroy(&cond);
}

TEST(a_threads_own_time_grows_as_it_computes)
{
    const int64_t from = clock_thread_cpu_ms(pthread_self());
    while (clock_thread_cpu_ms(pthread_self()) < from + 2)
        ;
    EXPECT(clock_thread_cpu_ms(pthread_self()) > from);
}
