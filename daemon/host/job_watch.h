/* When does silence mean that a plugin hangs? Pure.
 *
 * A plugin shows that it lives by polling, by calling the host, or by the pool's pieces. One that
 * had a core for silent_cpu_ms since its last sign hangs in a loop. One that got no core may only
 * be waiting for serving to leave it one, so it is given silent_ms. */
#ifndef DAEMON_HOST_JOB_WATCH_H
#define DAEMON_HOST_JOB_WATCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct job_watch {
    uint32_t silent_cpu_ms, silent_ms;
    uint64_t life;                  /* the last sign seen */
    int64_t since_ms, since_cpu_ms; /* when, on the clock and in the thread's processor time */
} job_watch;

void job_watch_begin(job_watch *w, uint64_t life, int64_t now_ms, int64_t cpu_ms);
/* `life` is any number that changes with every sign. True: it hangs. */
bool job_watch_is_silent(job_watch *w, uint64_t life, int64_t now_ms, int64_t cpu_ms);

#endif
