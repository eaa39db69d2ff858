/* The publisher's own thread: whatever takes long is done there, one thing after the other, in
 * spare time, ahead of training; it wants some while it computes or stands at the gate, and not
 * while it waits for the disk. The gate is what keeps it out of serving's way: a lower priority
 * alone does not, as a thread of serving that yields, or has had more than its share, lets whatever
 * waits have the core for a tick. */
#ifndef DAEMON_POLICY_WORKER_H
#define DAEMON_POLICY_WORKER_H

#include "base/spare_time.h"

typedef struct worker worker;

/* `idle` is called on the thread after worker_kick, once nobody waits. `spare` outlives the thread;
 * NULL: there is no gate. NULL when the system refuses a thread. */
worker *worker_start(void (*idle)(void *arg), void *arg, spare_time *spare);
/* Runs fn(arg) there and returns when it is done; called on the thread itself, at once. [any] */
void worker_run(worker *w, void (*fn)(void *arg), void *arg);
void worker_kick(worker *w); /* [any] */
/* Called before what waits for the disk, the store or others, and is none of the engine's: on the
 * thread, no spare time is wanted from here to the next piece of work. NULL allowed. [any] */
void worker_waits(worker *w);
/* Ends the thread after what it is doing; nobody waits any more. NULL allowed. */
void worker_stop(worker *w);

#endif
