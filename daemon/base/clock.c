#include "base/clock.h"

enum { NS_A_SECOND = 1000000000, NS_A_MS = 1000000 };

static int64_t ns_of(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? (int64_t)t.tv_sec * NS_A_SECOND + t.tv_nsec : 0;
}

int64_t clock_now_ns(void)
{
    return ns_of(CLOCK_MONOTONIC);
}

int64_t clock_now_ms(void)
{
    return ns_of(CLOCK_MONOTONIC) / NS_A_MS;
}

struct timespec clock_in_ms(int64_t ms)
{
    const int64_t at = clock_now_ns() + ms * NS_A_MS;
    return (struct timespec){.tv_sec = (time_t)(at / NS_A_SECOND),
                             .tv_nsec = (long)(at % NS_A_SECOND)};
}

int64_t clock_thread_cpu_ms(pthread_t thread)
{
    clockid_t clock;
    return pthread_getcpuclockid(thread, &clock) == 0 ? ns_of(clock) / NS_A_MS : 0;
}

int clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    int rc = pthread_condattr_init(&monotonic);
    if (rc != 0)
        return rc;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    rc = pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return rc;
}
