#include "serve/spare_time.h"

void spare_time_begin(spare_time *t)
{
    if (t)
        atomic_fetch_add_explicit(&t->wanting, 1, memory_order_relaxed);
}

void spare_time_end(spare_time *t)
{
    if (t)
        atomic_fetch_sub_explicit(&t->wanting, 1, memory_order_relaxed);
}

int64_t spare_time_due_ns(const spare_time *t, int64_t worked_ns)
{
    if (!t || !atomic_load_explicit(&t->wanting, memory_order_relaxed))
        return 0;
    return worked_ns * t->percent / (100 - t->percent);
}
