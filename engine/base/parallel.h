/* Work split over threads that somebody lends. The trainer owns no threads: inside the daemon they
 * are the host's niced pool, in tools and tests a team of their own. */
#ifndef ENG_BASE_PARALLEL_H
#define ENG_BASE_PARALLEL_H

#include <stdint.h>

typedef void eng_task_fn(void *arg, uint32_t i, uint32_t member);

typedef struct eng_parallel {
    void *ctx;
    uint32_t width; /* threads that may run at once, the caller included; >= 1 */
    /* Calls fn(arg, i, member) exactly once for each i in [0, n), member in [0, width), and returns
     * when all calls have returned and their writes are visible. Which member takes which i is not
     * promised: no result may depend on it. Not re-entrant. */
    void (*run)(void *ctx, uint32_t n, eng_task_fn *fn, void *arg);
} eng_parallel;

/* Everything on the calling thread. [any] */
extern const eng_parallel eng_serial;

#endif
