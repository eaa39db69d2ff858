#include "rlhf/ptx.h"

#include "rlhf/gate.h"

#include <stdlib.h>

job_code ptx_open(ptx *out, const job *j, const eng_net *policy, token_limits limits,
                  eng_error *err)
{
    const uint32_t n_ctx = eng_net_config(policy)->n_ctx;
    *out = (ptx){0};
    if (!j->names.pretrain)
        return INSTRUCTD_OK;
    job_code code = examples_load(&out->windows, &j->host, "pretrain", j->names.pretrain,
                                  DATA_PRETRAIN, eng_net_tokenizer(policy), limits, n_ctx, err);
    if (code != INSTRUCTD_OK)
        return code;
    examples_report(&out->windows, &j->host, "pretrain");
    out->coef = j->numbers.ptx_coef;
    out->n_held_out = hold_out(&out->windows, &out->held_out);
    return order_init(&out->order, j->seed, KEY_PRETRAIN_ORDER, out->windows.n, err);
}

void ptx_free(ptx *p)
{
    examples_free(&p->windows);
    order_free(&p->order);
    free(p->logprobs);
    *p = (ptx){0};
}

/* The next windows that fit, from the i-th of n on; returns how many. */
static uint64_t fill(ptx *p, micro *m, uint64_t i, uint64_t n)
{
    uint64_t taken = 0;
    micro_clear(m);
    for (; i + taken < n; taken++) {
        const example *e = &p->windows.items[order_at(&p->order, p->used + i + taken)];
        if (!micro_add(m, e->tokens, e->n, e->n_prompt, 0))
            break;
    }
    return taken;
}

static uint64_t tokens_of_next(ptx *p, uint64_t n)
{
    uint64_t tokens = 0;
    for (uint64_t i = 0; i < n; i++)
        tokens += count_learnt(&p->windows.items[order_at(&p->order, p->used + i)], 1);
    return tokens;
}

job_code ptx_gradient(ptx *p, const pass *on, trainer *policy, uint64_t n, double *loss,
                      eng_error *err)
{
    const uint64_t tokens = tokens_of_next(p, n);
    const float slope = (float)(-p->coef / (double)tokens);
    double sum = 0;
    if (!p->logprobs)
        p->logprobs = calloc(on->micro->max_tokens, sizeof *p->logprobs);
    if (!p->logprobs)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for a micro-batch's log-probs");
    for (uint64_t i = 0; i < n;) {
        job_code code = host_go_on(on->host, err);
        if (code != INSTRUCTD_OK)
            return code;
        i += fill(p, on->micro, i, n);
        eng_tape_forward(on->tape, policy->net, &on->micro->pack, NULL);
        sum += trainer_add_text(policy, on->tape, on->micro, slope, p->logprobs);
    }
    p->used += n;
    *loss = -sum / (double)tokens;
    return INSTRUCTD_OK;
}
