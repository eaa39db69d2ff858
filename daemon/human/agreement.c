#include "human/agreement.h"

#include <math.h>
#include <stdlib.h>

static int order_of(uint32_t x, uint32_t y)
{
    return (x > y) - (x < y);
}

agreement agreement_of(const uint32_t *a, const uint32_t *b, size_t n)
{
    agreement sum = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const int first = order_of(a[i], a[j]), second = order_of(b[i], b[j]);
            const bool tied = !first || !second;
            sum.lenient.pairs++;
            sum.lenient.alike += first == second ? 1 : tied ? 0.5 : 0;
            if (tied)
                continue;
            sum.strict.pairs++;
            sum.strict.alike += first == second;
        }
    return sum;
}

void agreement_add(agreement_sum *to, agreement_sum more)
{
    to->alike += more.alike;
    to->pairs += more.pairs;
}

double agreement_value(agreement_sum s)
{
    return s.pairs > 0 ? s.alike / s.pairs : NAN;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The next number of a sequence (SplitMix64: Steele, Lea, Flood 2014): the same seed, the same
 * interval, on every machine. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* As many prompts as there are, drawn with replacement. */
static double resample(const agreement_sum *prompts, size_t n, uint64_t *state)
{
    agreement_sum sum = {0};
    for (size_t i = 0; i < n; i++)
        agreement_add(&sum, prompts[next_random(state) % n]);
    return agreement_value(sum);
}

agreement_interval agreement_bootstrap(const agreement_sum *prompts, size_t n, uint64_t seed)
{
    const agreement_interval unknown = {NAN, NAN};
    double *values = n ? malloc(AGREEMENT_DRAWS * sizeof *values) : NULL;
    size_t known = 0;
    for (uint32_t draw = 0; values && draw < AGREEMENT_DRAWS; draw++) {
        const double v = resample(prompts, n, &seed);
        if (!isnan(v)) /* a sample of prompts without pairs */
            values[known++] = v;
    }
    agreement_interval out = unknown;
    if (known) {
        qsort(values, known, sizeof *values, ascending);
        out = (agreement_interval){values[(size_t)(0.025 * (double)(known - 1) + 0.5)],
                                   values[(size_t)(0.975 * (double)(known - 1) + 0.5)]};
    }
    free(values);
    return out;
}
