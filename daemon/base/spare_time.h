/* Time on the cores for what runs below serving: training, rollouts, outputs to be labelled, and
 * making policies ready.
 *
 * That their threads are in the system's idle class (eng_thread_lower) is not enough. Beside a
 * stream that never pauses they would stand still, but for the little that the class is granted all
 * the same; and that comes in slices of a timer's tick, a stall between two tokens each. A thread
 * of serving that wakes may even find itself behind them, having had more than its share.
 *
 * So there is a gate. While serving computes a step it is closed, and those below sleep in front of
 * it, a piece of work apart. While anybody wants spare time, serving leaves it open for a share of
 * the time, a little after each step: those below go on, and all gaps between tokens grow alike.
 *
 *   serving   close  ── a step ──  open, sleep due_ns          close  ── a step ── ...
 *   below     (pass waits)         pass  ── piece ──  pass  ── piece ──  (pass waits)
 *
 * Lies with its owner and outlives its users. */
#ifndef DAEMON_BASE_SPARE_TIME_H
#define DAEMON_BASE_SPARE_TIME_H

#include <stdatomic.h>
#include <stdint.h>

enum { SPARE_TIME_MOST_PERCENT = 50 };

typedef struct spare_time {
    /* (i) of the time, up to SPARE_TIME_MOST_PERCENT. 0: there is enough without, as serving leaves
     * cores free; the gate stays open. */
    uint32_t percent;
    atomic_uint wanting; /* (a) threads that have work to do in spare time */
    atomic_uint closed;  /* (a) 0 or 1; a futex */
    atomic_uint waiting; /* (a) threads asleep on `closed`, or about to be */
} spare_time;

/* ---- below serving: any thread. NULL: nothing happens ---- */

/* The calling thread has work in spare time, until it calls end. */
void spare_time_begin(spare_time *t);
void spare_time_end(spare_time *t);
/* Returns when the gate is open; called before each piece of work, of some 100 us at best. */
void spare_time_pass(spare_time *t);

/* ---- serving: one thread. NULL: nothing happens ---- */

void spare_time_close(spare_time *t);
void spare_time_open(spare_time *t);
/* Nanoseconds to leave the gate open after `worked_ns` of work, so that others get `percent` of the
 * whole; 0 when nobody wants any. */
int64_t spare_time_due_ns(const spare_time *t, int64_t worked_ns);

#endif
