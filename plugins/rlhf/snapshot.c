#include "rlhf/snapshot.h"

#include <stdlib.h>

job_code snapshot_of(snapshot *out, const eng_net *net, const char *base, eng_error *err)
{
    uint32_t n;
    const eng_param *params = eng_net_params(net, &n);
    const float *floats = eng_net_floats_const(net);
    *out = (snapshot){.tensors = calloc(n, sizeof *out->tensors)};
    if (!out->tensors)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory to list %u tensors", n);
    for (uint32_t i = 0; i < n; i++)
        out->tensors[i] = (instructd_tensor){.name = params[i].name,
                                             .data = floats + params[i].offset,
                                             .n = (uint64_t)params[i].rows * params[i].cols};
    out->weights = (instructd_weights){
        .size = sizeof out->weights, .n_tensors = n, .tensors = out->tensors, .base_policy = base};
    return INSTRUCTD_OK;
}

void snapshot_free(snapshot *s)
{
    free(s->tensors);
    s->tensors = NULL;
}

job_code snapshot_load_sampler(const job_host *host, const eng_net *net, const char *base,
                               char id[INSTRUCTD_POLICY_ID_BYTES], eng_error *err)
{
    snapshot s;
    job_code code = snapshot_of(&s, net, base, err);
    if (code == INSTRUCTD_OK)
        code = host_sampler_load(host, &s.weights, id, err);
    snapshot_free(&s);
    return code;
}
