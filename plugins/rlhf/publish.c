#include "rlhf/publish.h"

#include "rlhf/snapshot.h"

#include <stdio.h>

/* reward_model as the lineage has it: a policy's id, or the endpoint's name. */
static job_code name_reward_model(const job *j, char name[INSTRUCTD_POLICY_ID_BYTES],
                                  const char **out, eng_error *err)
{
    host_policy policy;
    *out = j->names.reward_model;
    if (!*out || job_reward_endpoint(j))
        return INSTRUCTD_OK;
    job_code code = host_policy_find(&j->host, *out, &policy, err);
    snprintf(name, INSTRUCTD_POLICY_ID_BYTES, "%s", policy.id);
    *out = name;
    return code;
}

static job_code publish(const job *j, const publish_order *order, const char *alias,
                        const instructd_metric *measured, uint32_t n_measured,
                        char id[INSTRUCTD_POLICY_ID_BYTES], eng_error *err)
{
    snapshot s = {0};
    char name[INSTRUCTD_POLICY_ID_BYTES];
    const char *reward_model;
    job_code code = name_reward_model(j, name, &reward_model, err);
    if (code == INSTRUCTD_OK)
        code = snapshot_of(&s, order->net, j->model, err);
    if (code == INSTRUCTD_OK) {
        const instructd_publish p = {.size = sizeof p,
                                     .n_measured = n_measured,
                                     .weights = s.weights,
                                     .stage = order->stage,
                                     .alias = alias,
                                     .measured = measured,
                                     .parent = j->model,
                                     .reward_model = reward_model,
                                     .kl_coef = order->kl_coef,
                                     .ptx_coef = order->ptx_coef,
                                     .step = order->step};
        code = host_publish(&j->host, &p, id, err);
    }
    snapshot_free(&s);
    return code;
}

job_code publish_to_alias(const job *j, const publish_order *order, bool *moved, eng_error *err)
{
    instructd_metric measured[GATE_MEASURES];
    char id[INSTRUCTD_POLICY_ID_BYTES];
    uint32_t n = order->gate ? GATE_MEASURES : 0;
    *moved = false;
    job_code code = order->gate
                        ? gate_measure(order->gate, order->net, j->publish.alias, measured, err)
                        : INSTRUCTD_OK;
    if (code == INSTRUCTD_OK)
        code = publish(j, order, j->publish.alias, measured, n, id, err);
    *moved = code == INSTRUCTD_OK;
    if (*moved)
        host_event(&j->host, INSTRUCTD_LOG_INFO, "step %llu: %s is now %s",
                   (unsigned long long)order->step, j->publish.alias, id);
    if (code != INSTRUCTD_E_REFUSED)
        return code;
    host_event(&j->host, INSTRUCTD_LOG_WARN, "step %llu: %s stays as it is: %.380s",
               (unsigned long long)order->step, j->publish.alias, err->text);
    return INSTRUCTD_OK;
}

job_code publish_result(const job *j, const publish_order *order, eng_error *err)
{
    char id[INSTRUCTD_POLICY_ID_BYTES];
    bool moved = false;
    job_code code = j->publish.alias ? publish_to_alias(j, order, &moved, err) : INSTRUCTD_OK;
    if (code != INSTRUCTD_OK || moved)
        return code;
    return publish(j, order, NULL, NULL, 0, id, err);
}
