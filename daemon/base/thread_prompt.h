/* Threads that work for a moment at a time and are waited for meanwhile. */
#ifndef DAEMON_BASE_THREAD_PROMPT_H
#define DAEMON_BASE_THREAD_PROMPT_H

enum { THREAD_PROMPT_SLICE_NS = 100 * 1000 };

/* Asks the system for the shortest time slices: the calling thread gets no more of the core, but
 * soon after it wakes, ahead of threads that compute. Linux knows that since 6.12; before, and
 * where somebody has chosen the thread's priority already, nothing happens. Threads that the caller
 * starts later have the usual slices. A second call does nothing. [any thread] */
void thread_be_prompt(void);

#endif
