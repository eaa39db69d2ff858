/* Where the time of a PPO iteration goes: all of it belongs to one part or another. */
#ifndef RLHF_LAPS_H
#define RLHF_LAPS_H

#include "rlhf/report.h"

typedef enum lap_part {
    LAP_SAMPLER,      /* the sampler's copy of the weights */
    LAP_ROLLOUT,      /* until the episodes are drawn */
    LAP_SCORE,        /* rewards, by a reward model or an endpoint */
    LAP_OLD,          /* the policy's log-probs and entropies before any update */
    LAP_REFERENCE,    /* the reference's log-probs */
    LAP_VALUE,        /* the values before any update; advantages */
    LAP_POLICY_LEARN, /* forward and backward of the policy */
    LAP_VALUE_LEARN,  /* and of the value network */
    LAP_PTX,          /* and of pretraining text */
    LAP_STEP,         /* norms, Adam, the average */
    LAP_PARTS
} lap_part;

typedef struct laps {
    double last;               /* seconds of the monotonic clock */
    double seconds[LAP_PARTS]; /* so far */
} laps;

void laps_begin(laps *l);
/* What has passed since the last lap, or the beginning, was spent on `part`. */
void laps_end(laps *l, lap_part part);
/* "sampler_seconds" ... "step_seconds", and the sums "collect_seconds" (all before the first
 * update) and "learn_seconds". Returns the sum of all. */
double laps_report(const laps *l, report *row);

#endif
