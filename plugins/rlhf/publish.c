#include "rlhf/publish.h"

#include "rlhf/snapshot.h"

static job_code publish(const job *j, const publish_order *order, const char *alias,
                        const instructd_metric *measured, uint32_t n_measured,
                        char id[INSTRUCTD_POLICY_ID_BYTES], eng_error *err)
{
    snapshot s = {0};
    job_code code = snapshot_of(&s, order->net, j->model, err);
    if (code == INSTRUCTD_OK) {
        const instructd_publish p = {.size = sizeof p,
                                     .n_measured = n_measured,
                                     .weights = s.weights,
                                     .stage = order->stage,
                                     .alias = alias,
                                     .measured = measured,
                                     .parent = j->model,
                                     .reward_model = j->names.reward_model,
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
    if (code == INSTRUCTD_OK || code == INSTRUCTD_E_STOPPED)
        return code;
    if (code != INSTRUCTD_E_REFUSED) /* the host tells of refusals, and of what is published */
        host_event(&j->host, INSTRUCTD_LOG_WARN, "step %llu: %s stays as it is: %.380s",
                   (unsigned long long)order->step, j->publish.alias, err->text);
    return INSTRUCTD_OK;
}

job_code publish_result(const job *j, const publish_order *order, eng_error *err)
{
    char id[INSTRUCTD_POLICY_ID_BYTES];
    bool moved = false;
    job_code code = j->publish.alias ? publish_to_alias(j, order, &moved, err) : INSTRUCTD_OK;
    if (moved || code != INSTRUCTD_OK)
        return code;
    return publish(j, order, NULL, NULL, 0, id, err);
}
