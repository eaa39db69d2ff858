#include "rlhf/order.h"

#include "base/random.h"

#include <stdlib.h>

job_code order_init(order *out, uint64_t seed, key_purpose purpose, size_t n, eng_error *err)
{
    *out = (order){.seed = seed, .purpose = purpose, .n = (uint32_t)n, .epoch = UINT64_MAX};
    if (n == 0 || n > UINT32_MAX)
        return code_fail(err, INSTRUCTD_E_INVALID, "%zu examples, expected 1 to %u", n, UINT32_MAX);
    out->permutation = calloc(n, sizeof *out->permutation);
    if (!out->permutation)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for the order of %zu examples", n);
    return INSTRUCTD_OK;
}

void order_free(order *o)
{
    free(o->permutation);
    o->permutation = NULL;
}

void permute(uint32_t *out, uint32_t n, uint64_t key)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)(eng__uniform(key, 0, i) * i), last = out[i - 1];
        out[i - 1] = out[j];
        out[j] = last;
    }
}

uint32_t order_at(order *o, uint64_t position)
{
    uint64_t epoch = position / o->n;
    if (epoch != o->epoch) {
        permute(o->permutation, o->n, key_of(o->seed, o->purpose, epoch, 0));
        o->epoch = epoch;
    }
    return o->permutation[position % o->n];
}
