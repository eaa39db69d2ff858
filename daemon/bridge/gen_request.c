#include "bridge/gen_request.h"

#include <stdlib.h>

gen_request *gen_request_create(void)
{
    gen_request *r = calloc(1, sizeof *r);
    if (r)
        atomic_init(&r->refs, 1);
    return r;
}

gen_request *gen_request_ref(gen_request *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void gen_request_unref(gen_request *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; r->prompts && i < r->n_prompts; i++) {
        free(r->prompts[i].tokens);
        free(r->prompts[i].text);
    }
    free(r->prompts);
    for (uint32_t i = 0; r->stops && i < r->n_stops; i++)
        free(r->stops[i].text);
    free(r->stops);
    free(r->stop_ids);
    free((void *)r->sampling.bias);
    policy_unref(r->policy);
    free(r);
}
