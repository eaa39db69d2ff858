#include "rlhf/laps.h"

void laps_begin(laps *l)
{
    *l = (laps){.last = monotonic_seconds()};
}

void laps_end(laps *l, lap_part part)
{
    const double now = monotonic_seconds();
    l->seconds[part] += now - l->last;
    l->last = now;
}

double laps_report(const laps *l, report *row)
{
    static const char *const names[LAP_PARTS] = {
        [LAP_SAMPLER] = "sampler_seconds",
        [LAP_ROLLOUT] = "rollout_seconds",
        [LAP_SCORE] = "score_seconds",
        [LAP_OLD] = "old_seconds",
        [LAP_REFERENCE] = "reference_seconds",
        [LAP_VALUE] = "value_seconds",
        [LAP_POLICY_LEARN] = "policy_learn_seconds",
        [LAP_VALUE_LEARN] = "value_learn_seconds",
        [LAP_PTX] = "ptx_seconds",
        [LAP_STEP] = "step_seconds",
    };
    double collect = 0, learn = 0;
    for (int i = 0; i < LAP_PARTS; i++) {
        report_put(row, names[i], l->seconds[i]);
        *(i < LAP_POLICY_LEARN ? &collect : &learn) += l->seconds[i];
    }
    report_put(row, "collect_seconds", collect);
    report_put(row, "learn_seconds", learn);
    return collect + learn;
}
