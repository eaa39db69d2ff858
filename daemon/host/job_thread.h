/* The thread that plugins' check and run are called on, and how their calls reach the host.
 *
 *   watcher (a lane)             job thread (lowered)
 *   job_thread_start ──────────> enter(arg): the plugin computes
 *   job_thread_attend <──────── job_thread_call(fn, arg): the plugin wants something
 *        fn(arg) ─────────────>  goes on
 *   true, rc <─────────────────  enter returned
 *
 * The plugin's thread gets what serving leaves of the cores, which may be nothing for a while. So
 * whatever takes a lock of the daemon's (the store's, the registry's) is done by the watcher, at
 * everybody's priority, while the plugin's thread waits: it never holds up anybody else. And a
 * plugin that hangs leaves the watcher free. */
#ifndef DAEMON_HOST_JOB_THREAD_H
#define DAEMON_HOST_JOB_THREAD_H

#include "base/spare_time.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct job_thread job_thread;
typedef int job_thread_fn(void *arg);

/* `spare`, or NULL, hears of the time in which the plugin computes; it outlives the thread. NULL:
 * no memory or thread. [watcher] */
job_thread *job_thread_create(spare_time *spare);
/* The thread is idle: not started, or attended to its end. NULL allowed. [watcher] */
void job_thread_free(job_thread *t);

/* Has the idle thread call enter(arg); both outlive the call. [watcher] */
void job_thread_start(job_thread *t, job_thread_fn *enter, void *arg);
/* Carries out what the plugin calls for, up to timeout_ms of waiting. True: enter has returned *rc
 * and the thread is idle. [watcher] */
bool job_thread_attend(job_thread *t, int timeout_ms, int *rc);

/* Has the watcher call fn(arg), waits, and returns its result. On any other thread than this one
 * nothing is called and the result is `refused`. [job] */
int job_thread_call(job_thread *t, job_thread_fn *fn, void *arg, int refused);

uint64_t job_thread_calls(const job_thread *t); /* carried out so far: a sign of life [any] */
int64_t job_thread_cpu_ms(const job_thread *t); /* processor time it has had [any] */

#endif
