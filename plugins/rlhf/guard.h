/* Judges every optimizer step before it is taken: NaN, infinity and sudden spikes are skipped and
 * counted, three in a row end the job. Plain data, saved with the job's checkpoints. */
#ifndef RLHF_GUARD_H
#define RLHF_GUARD_H

#include <stdbool.h>
#include <stdint.h>

enum { GUARD_WINDOW = 100, GUARD_LEAST = 20, GUARD_IN_ROW = 3 };

typedef struct guard {
    double norms[GUARD_WINDOW]; /* gradient norms of the last steps taken, a ring */
    uint64_t taken;             /* steps taken so far; the newest norm is at (taken - 1) % window */
    uint64_t skipped, in_row;
} guard;

typedef enum guard_verdict { GUARD_TAKE, GUARD_SKIP, GUARD_GIVE_UP } guard_verdict;

/* A step is bad when loss or norm is not finite, or the norm is above 10 times the median of the
 * last GUARD_WINDOW norms (of fewer, from GUARD_LEAST on, at the start). */
guard_verdict guard_judge(guard *g, double loss, double norm);

#endif
