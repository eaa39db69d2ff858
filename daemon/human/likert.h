/* The mean of figures that people gave, and how sure it is: mean ± 1.96·sd/√n, sd over n−1.
 * Pure; summed in one pass (Welford 1962). */
#ifndef DAEMON_HUMAN_LIKERT_H
#define DAEMON_HUMAN_LIKERT_H

#include <stdint.h>

typedef struct likert { /* zeroed: of nothing */
    uint64_t n;
    double mean;
    double squares; /* of the distances from the mean */
} likert;

void likert_add(likert *l, double figure);
double likert_mean(const likert *l);       /* NaN of nothing */
double likert_half_width(const likert *l); /* NaN of fewer than two */

#endif
