#include "harness.h"
#include "host/job_thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

enum { REFUSED = -77, FOREVER_MS = 600 * 1000 };

typedef struct scene {
    job_thread *thread;
    pthread_t watcher, caller;
    int n_calls, asked, policy;
    spare_time spare;
    unsigned wanted_in_call, wanted_in_enter;
    atomic_bool go_on;
} scene;

static int answer(void *arg)
{
    scene *s = arg;
    EXPECT(pthread_equal(pthread_self(), s->watcher));
    s->wanted_in_call += atomic_load(&s->spare.wanting);
    return ++s->asked * 10;
}

static int enter(void *arg)
{
    scene *s = arg;
    int sum = 0;
    s->caller = pthread_self();
    s->policy = sched_getscheduler(0);
    for (int i = 0; i < s->n_calls; i++)
        sum += job_thread_call(s->thread, answer, s, REFUSED);
    s->wanted_in_enter = atomic_load(&s->spare.wanting);
    return sum;
}

static scene begin(int n_calls)
{
    scene s = {.thread = job_thread_create(NULL), .watcher = pthread_self(), .n_calls = n_calls};
    EXPECT(s.thread != NULL);
    return s;
}

TEST(calls_are_carried_out_by_the_watcher_and_answered)
{
    scene s = begin(4);
    int rc = 0;
    for (int turn = 1; turn <= 3; turn++) { /* the thread is used again */
        s.asked = 0;
        job_thread_start(s.thread, enter, &s);
        EXPECT(job_thread_attend(s.thread, FOREVER_MS, &rc));
        EXPECT_EQ(rc, 10 + 20 + 30 + 40);
        EXPECT_EQ(job_thread_calls(s.thread), 4 * turn);
    }
    EXPECT(!pthread_equal(s.caller, s.watcher));
    EXPECT_EQ(s.policy, SCHED_IDLE);
    EXPECT(job_thread_cpu_ms(s.thread) >= 0);
    job_thread_free(s.thread);
}

static int wait_for_it(void *arg)
{
    scene *s = arg;
    while (!atomic_load(&s->go_on))
        usleep(1000);
    return 7;
}

TEST(the_watcher_is_free_while_the_plugin_is_busy)
{
    scene s = begin(0);
    int rc = 0;
    job_thread_start(s.thread, wait_for_it, &s);
    EXPECT(!job_thread_attend(s.thread, 0, &rc));
    EXPECT(!job_thread_attend(s.thread, 5, &rc));
    atomic_store(&s.go_on, true);
    EXPECT(job_thread_attend(s.thread, FOREVER_MS, &rc));
    EXPECT_EQ(rc, 7);
    job_thread_free(s.thread);
}

TEST(spare_time_is_wanted_while_the_plugin_computes_and_not_while_it_waits)
{
    scene s = {.watcher = pthread_self(), .n_calls = 3};
    int rc = 0;
    s.thread = job_thread_create(&s.spare);
    EXPECT(s.thread != NULL);
    job_thread_start(s.thread, enter, &s);
    EXPECT(job_thread_attend(s.thread, FOREVER_MS, &rc));
    EXPECT_EQ(s.asked, 3);
    EXPECT_EQ(s.wanted_in_call, 0);
    EXPECT_EQ(s.wanted_in_enter, 1);
    EXPECT_EQ(atomic_load(&s.spare.wanting), 0);
    job_thread_free(s.thread);
}

TEST(a_call_from_any_other_thread_is_refused)
{
    scene s = begin(0);
    EXPECT_EQ(job_thread_call(s.thread, answer, &s, REFUSED), REFUSED);
    EXPECT_EQ(s.asked, 0);
    job_thread_free(s.thread);
}
