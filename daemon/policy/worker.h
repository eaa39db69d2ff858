/* The publisher's own thread: whatever takes long is done there, one thing after the other, at a
 * lower priority than serving whoever asks for it (a job's thread runs at the lowest, where a busy
 * server would let a publish starve). */
#ifndef DAEMON_POLICY_WORKER_H
#define DAEMON_POLICY_WORKER_H

typedef struct worker worker;

/* `idle` is called on the thread after worker_kick, once nobody waits. NULL when the system refuses
 * a thread. */
worker *worker_start(void (*idle)(void *arg), void *arg);
/* Runs fn(arg) there and returns when it is done; called on the thread itself, at once. [any] */
void worker_run(worker *w, void (*fn)(void *arg), void *arg);
void worker_kick(worker *w); /* [any] */
/* Ends the thread after what it is doing; nobody waits any more. NULL allowed. */
void worker_stop(worker *w);

#endif
