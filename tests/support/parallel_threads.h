/* An eng_parallel of real threads for tests: what the daemon's training pool is to the trainer.
 *
 * Tasks go to whichever thread asks next, so that results which depend on the split show up.
 * Threads: one owner; the threads live from create to free and sleep between runs. */
#ifndef TESTS_SUPPORT_PARALLEL_THREADS_H
#define TESTS_SUPPORT_PARALLEL_THREADS_H

#include "base/parallel.h"

typedef struct parallel_threads parallel_threads;

/* `width` threads, the caller included; 1 to 64. Fails the test when they cannot be had. */
parallel_threads *parallel_threads_create(uint32_t width);
void parallel_threads_free(parallel_threads *p);
/* Valid until free. */
const eng_parallel *parallel_threads_parallel(const parallel_threads *p);

#endif
