#include "bridge/right_of_way.h"

#include "base/clock.h"

#include <sched.h>

void right_of_way_ring(right_of_way *w)
{
    if (w)
        atomic_store_explicit(&w->until_ns, INT64_MAX, memory_order_relaxed);
}

void right_of_way_served(right_of_way *w, bool ended)
{
    if (w)
        atomic_store_explicit(&w->until_ns, ended ? clock_now_ns() + RIGHT_OF_WAY_LINGER_NS : 0,
                              memory_order_relaxed);
}

void right_of_way_job_begins(right_of_way *w)
{
    if (w)
        atomic_fetch_add_explicit(&w->jobs, 1, memory_order_relaxed);
}

void right_of_way_job_ends(right_of_way *w)
{
    if (w)
        atomic_fetch_sub_explicit(&w->jobs, 1, memory_order_relaxed);
}

/* The loop has asked until then: still? */
static bool loop_asks(right_of_way *w, int_least64_t until_ns, int64_t now_ns)
{
    if (now_ns < until_ns)
        return true;
    if (until_ns) /* past: the clock need not be read any more, unless it was rung meanwhile */
        atomic_compare_exchange_strong_explicit(&w->until_ns, &until_ns, 0, memory_order_relaxed,
                                                memory_order_relaxed);
    return false;
}

void right_of_way_give(void *way)
{
    static _Thread_local int64_t given_ns;
    right_of_way *w = way;
    const unsigned jobs = atomic_load_explicit(&w->jobs, memory_order_relaxed);
    const int_least64_t until_ns = atomic_load_explicit(&w->until_ns, memory_order_relaxed);
    if (!jobs && !until_ns)
        return;
    const int64_t now_ns = clock_now_ns();
    if ((!jobs && !loop_asks(w, until_ns, now_ns)) || now_ns - given_ns < RIGHT_OF_WAY_PAUSE_NS)
        return;
    atomic_fetch_add_explicit(&w->given, 1, memory_order_relaxed);
    sched_yield();
    given_ns = clock_now_ns();
}
