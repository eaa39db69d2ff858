/* Training's matrix products (compute/sgemm.h, bgemm.h) in the shapes of a small model's step. */
#ifndef BENCH_PRODUCTS_H
#define BENCH_PRODUCTS_H

#include "machine_limits.h"

#include <stdbool.h>

typedef struct products_options {
    uint32_t n_threads, rounds;
    const char *kernels; /* NULL = the widest */
    bool smoke;          /* no dimension above 64 */
    bool bf16;           /* with rounded inputs too, by turns */
} products_options;

/* Writes the array `key`, an object a product; limits of 0: without shares. Exits (1) where the
 * product cannot be made: unknown kernels, no memory. */
void products_measure(report *r, const char *key, const products_options *options,
                      const machine_limits *limits);

#endif
