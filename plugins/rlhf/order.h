/* The order in which examples are used: one permutation of all of them per epoch, for ever.
 *
 * A position counts over the whole job; its epoch's permutation follows from (seed, purpose, epoch)
 * alone, so a job goes on anywhere with nothing but the position.
 *
 * Threads: any, one at a time. */
#ifndef RLHF_ORDER_H
#define RLHF_ORDER_H

#include "rlhf/host.h"
#include "rlhf/key.h"

#include <stdint.h>

typedef struct order {
    uint64_t seed;
    key_purpose purpose;
    uint32_t n;
    uint64_t epoch;        /* of the permutation at hand; UINT64_MAX before the first */
    uint32_t *permutation; /* [n] */
} order;

/* n > 0 examples. Freed with order_free. */
ENG_MUST_CHECK job_code order_init(order *out, uint64_t seed, key_purpose purpose, size_t n,
                                   eng_error *err);
void order_free(order *o); /* a zeroed order is allowed */

/* The example at this position. */
uint32_t order_at(order *o, uint64_t position);

/* A uniform permutation of 0..n-1 into out (Fisher and Yates), a function of the key. */
void permute(uint32_t *out, uint32_t n, uint64_t key);

#endif
