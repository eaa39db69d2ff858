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
    size_t n = g->taken < GUARD_WINDOW ? (size_t)g->taken : GUARD_WINDOW;
    memcpy(sorted, g->norms, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

guard_verdict guard_judge(guard *g, double loss, double norm)
{
    bool bad =
        !isfinite(loss) || !isfinite(norm) || (g->taken >= GUARD_LEAST && norm > SPIKE * median(g));
    if (!bad) {
        g->norms[g->taken++ % GUARD_WINDOW] = norm;
        g->in_row = 0;
        return GUARD_TAKE;
    }
    g->skipped++;
    return ++g->in_row >= GUARD_IN_ROW ? GUARD_GIVE_UP : GUARD_SKIP;
}
