/* The monotonic clock: the one that all waiting in the daemon goes by, since nobody sets it. */
#ifndef DAEMON_BASE_CLOCK_H
#define DAEMON_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

int64_t clock_now_ns(void); /* [any] */
int64_t clock_now_ms(void); /* [any] */
/* The moment `ms` from now (0 or more), for pthread_cond_timedwait. [any] */
struct timespec clock_in_ms(int64_t ms);
/* Processor time that a thread of this process has had; 0 when it cannot be told. It has not been
 * joined. [any] */
int64_t clock_thread_cpu_ms(pthread_t thread);

/* pthread_cond_init for timed waits by this clock; the result is pthread_cond_init's. */
int clock_cond_init(pthread_cond_t *cond);

#endif
