#include "base/spare_time.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* A waiter announces itself before it looks once more; open moves the word before it looks for
 * waiters: one of the two always sees the other. */
void spare_time_pass(spare_time *t)
{
    if (!t || !atomic_load_explicit(&t->closed, memory_order_relaxed))
        return;
    atomic_fetch_add(&t->waiting, 1);
    while (atomic_load(&t->closed))
        syscall(SYS_futex, &t->closed, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    atomic_fetch_sub(&t->waiting, 1);
}

void spare_time_close(spare_time *t)
{
    if (t && t->percent)
        atomic_store(&t->closed, 1);
}

void spare_time_open(spare_time *t)
{
    if (!t || !t->percent)
        return;
    atomic_store(&t->closed, 0);
    if (atomic_load(&t->waiting))
        syscall(SYS_futex, &t->closed, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

int64_t spare_time_due_ns(const spare_time *t, int64_t worked_ns)
{
    if (!t || !atomic_load_explicit(&t->wanting, memory_order_relaxed))
        return 0;
    return worked_ns * t->percent / (100 - t->percent);
}
