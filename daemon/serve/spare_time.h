/* Time on the cores for what runs below serving: training, rollouts, outputs to be labelled.
 *
 * Their threads (eng_thread_lower) get a core when no thread of serving wants it. Beside a stream
 * that never pauses that is next to never; and the little that the system grants them even then
 * comes in slices of milliseconds, each a stall between two tokens. So while anybody wants spare
 * time, the scheduler that serves sleeps for a share of it, a little after each step: those below
 * go on, at a cost that every gap between tokens bears alike.
 *
 * Plain data that lies with its owner and outlives its users. */
#ifndef DAEMON_SERVE_SPARE_TIME_H
#define DAEMON_SERVE_SPARE_TIME_H

#include <stdatomic.h>
#include <stdint.h>

enum { SPARE_TIME_MOST_PERCENT = 50 };

typedef struct spare_time {
    uint32_t percent; /* (i) of the time, 0 to SPARE_TIME_MOST_PERCENT; 0: serving never sleeps */
    atomic_uint wanting; /* (a) threads that have work to do in spare time */
} spare_time;

/* The calling thread has work below serving's, until it calls end. NULL allowed. [any] */
void spare_time_begin(spare_time *t);
void spare_time_end(spare_time *t);

/* Nanoseconds to leave to others after `worked_ns` of work, so that they get `percent` of the
 * whole; 0 when nobody wants any. NULL: 0. [any] */
int64_t spare_time_due_ns(const spare_time *t, int64_t worked_ns);

#endif
