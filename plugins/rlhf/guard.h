/* Judges every optimizer step before it is taken: NaN, infinity and sudden spikes are skipped and
 * counted, three in a row end the job. Plain data, saved with the job's checkpoints.
 *
 * PPO takes several steps on one batch of episodes. Spikes among those are one surprise, not
 * several, and count once; NaN and infinity count every time.
 *
 * Threads: any, one at a time. */
#ifndef RLHF_GUARD_H
#define RLHF_GUARD_H

#include <stdbool.h>
#include <stdint.h>

enum { GUARD_WINDOW = 100, GUARD_IN_ROW = 3 };

typedef struct guard {
    double norms[GUARD_WINDOW]; /* gradient norms of the last steps taken, a ring */
    uint64_t taken;             /* steps taken so far; the newest norm is at (taken - 1) % window */
    uint64_t skipped, in_row;
    uint64_t spike_batch; /* batch of the newest spike, plus 1; 0: none */
} guard;

typedef enum guard_verdict { GUARD_TAKE, GUARD_SKIP, GUARD_GIVE_UP } guard_verdict;

/* A step is bad when loss or norm is not finite, or the norm is above 10 times the median of the
 * last GUARD_WINDOW norms, once there are so many. A median below `clip`, the norm that steps are
 * scaled down to (0: they are not), counts as that: where training has gone quiet, a step that
 * clipping would hardly touch is no danger. `batch` numbers the data that the step is of. */
guard_verdict guard_judge(guard *g, double loss, double norm, double clip, uint64_t batch);
/* The norm above which a step is bad now; infinity before there are GUARD_WINDOW norms. */
double guard_limit(const guard *g, double clip);

#endif
