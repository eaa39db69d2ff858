/* Sizes cut into blocks and tasks. Pure. [any thread] */
#ifndef ENG_COMPUTE_SIZES_H
#define ENG_COMPUTE_SIZES_H

#include <stddef.h>

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* b > 0; a + b must not overflow. */
static inline size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* The least multiple of b that is not below a. */
static inline size_t round_up(size_t a, size_t b)
{
    return ceil_div(a, b) * b;
}

#endif
