#include "human/likert.h"

#include <math.h>

void likert_add(likert *l, double figure)
{
    const double before = figure - l->mean;
    l->n++;
    l->mean += before / (double)l->n;
    l->squares += before * (figure - l->mean);
}

double likert_mean(const likert *l)
{
    return l->n ? l->mean : NAN;
}

double likert_half_width(const likert *l)
{
    const double n = (double)l->n;
    return l->n > 1 ? 1.96 * sqrt(l->squares / (n - 1)) / sqrt(n) : NAN;
}
