#include "rlhf/guard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SPIKE = 10;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const guard *g)
{
    double sorted[GUARD_WINDOW];
    memcpy(sorted, g->norms, sizeof sorted);
    qsort(sorted, GUARD_WINDOW, sizeof *sorted, compare);
    return (sorted[GUARD_WINDOW / 2 - 1] + sorted[GUARD_WINDOW / 2]) / 2;
}

double guard_limit(const guard *g, double clip)
{
    return g->taken >= GUARD_WINDOW ? SPIKE * fmax(median(g), clip) : INFINITY;
}

guard_verdict guard_judge(guard *g, double loss, double norm, double clip, uint64_t batch)
{
    const bool finite = isfinite(loss) && isfinite(norm);
    const bool spike = finite && norm > guard_limit(g, clip);
    if (finite && !spike) {
        g->norms[g->taken++ % GUARD_WINDOW] = norm;
        g->in_row = g->spike_batch = 0;
        return GUARD_TAKE;
    }
    const bool same_surprise = spike && g->spike_batch == batch + 1;
    if (spike)
        g->spike_batch = batch + 1;
    g->skipped++;
    g->in_row += !same_surprise;
    return g->in_row >= GUARD_IN_ROW ? GUARD_GIVE_UP : GUARD_SKIP;
}
