#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void series_add(series *s, double value)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->values = realloc(s->values, s->cap * sizeof *s->values);
        if (!s->values) {
            fprintf(stderr, "bench: out of memory\n");
            exit(1);
        }
    }
    s->values[s->n++] = value;
}

void series_free(series *s)
{
    free(s->values);
    *s = (series){0};
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void series_sort(series *s)
{
    if (s->n)
        qsort(s->values, s->n, sizeof *s->values, by_value);
}

double series_quantile(const series *s, double q)
{
    size_t rank = (size_t)ceil(q * (double)s->n);
    return s->values[rank ? rank - 1 : 0];
}

double series_median(const series *s)
{
    return (s->values[(s->n - 1) / 2] + s->values[s->n / 2]) / 2;
}

double series_mean(const series *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += s->values[i];
    return sum / (double)s->n;
}
