/* A clock and a list of samples: what every figure of a benchmark is made from.
 *
 * Owner: whoever declares the series; one thread at a time. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>

double now_s(void); /* monotonic seconds */

/* {0} is an empty series. Dies when memory is out: a benchmark has no use for half a result. */
typedef struct series {
    double *values; /* [n], in the order added until series_sort */
    size_t n, cap;
} series;

void series_add(series *s, double value);
void series_free(series *s);
void series_sort(series *s);
/* Of a sorted series that is not empty. The quantile is the nearest rank: q = 0.99 of 200 samples
 * is the 198th. The median of an even count is the mean of the middle two. */
double series_quantile(const series *s, double q);
double series_median(const series *s);
double series_mean(const series *s);

#endif
