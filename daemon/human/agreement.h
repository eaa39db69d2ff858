/* How alike people rank. Pure functions over ranks: rank[i] is output i's, 0 the best, equal ranks
 * are a tie.
 *
 * Of the pairs of outputs that two labelers both ranked,
 *   strict   (a) those tied by either are dropped; the share of the others ordered alike
 *   lenient  (b) a tie on one side counts one half, a tie on both one; the mean over all pairs */
#ifndef DAEMON_HUMAN_AGREEMENT_H
#define DAEMON_HUMAN_AGREEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A sum of agreement over a number of pairs. */
typedef struct agreement_sum {
    double alike;
    double pairs;
} agreement_sum;

typedef struct agreement {
    agreement_sum strict, lenient;
} agreement;

/* Two labelers' ranks of the same n outputs. */
agreement agreement_of(const uint32_t *a, const uint32_t *b, size_t n);
void agreement_add(agreement_sum *to, agreement_sum more);
double agreement_value(agreement_sum s); /* NaN without pairs */

/* Where the value would lie in 95 of 100 such sets of prompts: percentiles of AGREEMENT_DRAWS
 * bootstrap samples over the n sums, one a prompt (Efron 1979). NaN without pairs or memory. */
typedef struct agreement_interval {
    double low, high;
} agreement_interval;
enum { AGREEMENT_DRAWS = 1000 };
agreement_interval agreement_bootstrap(const agreement_sum *prompts, size_t n, uint64_t seed);

#endif
