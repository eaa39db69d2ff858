/* The second half of an iteration: clipped policy steps, pretraining gradients, value steps. */
#include "rlhf/ppo.h"
#include "train/losses.h"

#include <math.h>

/* ---- slopes ---- */

typedef struct slope_context {
    const ppo *p;
    float per_token; /* 1/N of the minibatch */
} slope_context;

static float policy_slope(void *ctx, uint32_t row, float logprob)
{
    const slope_context *c = ctx;
    const episodes *e = &c->p->episodes;
    const uint32_t t = c->p->flat[row];
    float slope;
    eng_ppo_policy_loss(logprob, e->old[t], e->advantage[t], e->weight[t],
                        (float)c->p->job->numbers.clip_range, &slope);
    return slope * c->per_token;
}

/* What the rows' new log-probs say; returns the sum of their losses. */
static double tally_policy(const ppo *p, ppo_figures *f)
{
    const episodes *e = &p->episodes;
    const float clip = (float)p->job->numbers.clip_range;
    double loss = 0;
    for (uint32_t i = 0; i < p->micro.n_rows; i++) {
        const uint32_t t = p->flat[i];
        const float l = p->row_values[i];
        const double d = (double)l - (double)e->old[t], ratio = exp(d);
        float slope;
        loss += eng_ppo_policy_loss(l, e->old[t], e->advantage[t], e->weight[t], clip, &slope);
        f->ratio += ratio;
        f->half_square += 0.5 * d * d;
        f->clipped += fabs(ratio - 1) > (double)clip;
    }
    f->tokens += p->micro.n_rows;
    return loss;
}

/* ---- one micro-batch ---- */

static double learn_policy(ppo *p, float per_token, ppo_figures *f)
{
    const eng_lm_rows rows = micro_lm_rows(&p->micro, (float)p->job->numbers.temperature);
    slope_context context = {p, per_token};
    trainer *t = &p->policy;
    if (!p->forward_is_there)
        eng_tape_forward(p->tape, t->net, &p->micro.pack, NULL);
    p->forward_is_there = false;
    eng_lm_backward(p->tape, t->net, &rows, policy_slope, &context, p->row_values, NULL, t->grads);
    eng_tape_backward(p->tape, t->net, t->grads);
    laps_end(&p->laps, LAP_POLICY_LEARN);
    return tally_policy(p, f);
}

static double learn_value(ppo *p, float per_token)
{
    const episodes *e = &p->episodes;
    const micro *m = &p->micro;
    const float clip = (float)p->job->numbers.value_clip_range;
    trainer *t = &p->value;
    double loss = 0;
    eng_tape_forward(p->value_tape, t->net, &m->pack, NULL);
    eng_score_forward(p->value_tape, t->net, m->rows, m->n_rows, p->row_values);
    for (uint32_t i = 0; i < m->n_rows; i++) {
        const uint32_t k = p->flat[i];
        float slope;
        loss += eng_ppo_value_loss(p->row_values[i], e->value[k], e->returns[k], clip, &slope);
        p->row_slopes[i] = slope * per_token;
    }
    eng_score_backward(p->value_tape, t->net, m->rows, m->n_rows, p->row_slopes, t->grads);
    eng_tape_backward(p->value_tape, t->net, t->grads);
    laps_end(&p->laps, LAP_VALUE_LEARN);
    return loss;
}

/* ---- one minibatch ---- */

typedef struct minibatch {
    uint32_t first, end; /* of p->shuffled */
    double policy_loss, value_loss, ptx_loss;
} minibatch;

static uint32_t tokens_of(const ppo *p, const minibatch *b)
{
    uint32_t n = 0;
    for (uint32_t i = b->first; i < b->end; i++)
        n += p->episodes.at[p->shuffled[i] + 1] - p->episodes.at[p->shuffled[i]];
    return n;
}

/* The gradients of both networks; losses are means over the minibatch's tokens. */
static job_code accumulate(ppo *p, minibatch *b, ppo_figures *f, eng_error *err)
{
    const uint32_t n = tokens_of(p, b);
    trainer_clear(&p->policy);
    trainer_clear(&p->value);
    for (uint32_t at = b->first; at < b->end;) {
        job_code code = host_go_on(&p->job->host, err);
        if (code != INSTRUCTD_OK)
            return code;
        at = ppo_pack(p, at, b->end);
        b->policy_loss += learn_policy(p, 1.0f / (float)n, f) / n;
        b->value_loss += learn_value(p, 1.0f / (float)n) / n;
    }
    if (p->ptx.coef == 0)
        return INSTRUCTD_OK;
    const pass on = {&p->job->host, p->tape, &p->micro};
    job_code code =
        ptx_gradient(&p->ptx, &on, &p->policy,
                     p->job->numbers.ptx_ratio * (uint64_t)(b->end - b->first), &b->ptx_loss, err);
    laps_end(&p->laps, LAP_PTX);
    return code;
}

static void tell_skipped(const ppo *p, const char *what, const trainer_outcome *outcome)
{
    host_event(&p->job->host, INSTRUCTD_LOG_WARN,
               "iteration %llu: a step of the %s was skipped: %s",
               (unsigned long long)p->state.iteration + 1, what, outcome->why);
}

static job_code step(ppo *p, const minibatch *b, ppo_figures *f, eng_error *err)
{
    const job_numbers *n = &p->job->numbers;
    const double lr = eng_lr_warmup(n->learning_rate, p->state.iteration, n->warmup_iterations),
                 loss = b->policy_loss + p->ptx.coef * b->ptx_loss;
    trainer_outcome policy, value;
    p->dirty = true;
    job_code code =
        trainer_step(&p->policy, "the policy", p->state.iteration, loss, lr, &policy, err);
    if (code != INSTRUCTD_OK)
        return code;
    if (policy.taken)
        eng_ema_update(&p->job->host.parallel, eng_net_floats(p->ema),
                       eng_net_floats(p->policy.net), p->policy.n, n->ema_decay);
    else
        tell_skipped(p, "policy", &policy);
    code = trainer_step(&p->value, "the value network", p->state.iteration, b->value_loss,
                        n->value_learning_rate, &value, err);
    if (code == INSTRUCTD_OK && !value.taken)
        tell_skipped(p, "value network", &value);
    f->steps++;
    f->policy_loss += b->policy_loss;
    f->value_loss += b->value_loss;
    f->ptx_loss += b->ptx_loss;
    f->grad_norm += policy.grad_norm;
    return code;
}

/* Before the first step the weights are those of the old pass, and so must the log-probs be. */
static void check_first(const ppo *p, const ppo_figures *f)
{
    if (f->steps == 0 && f->half_square != 0)
        host_event(&p->job->host, INSTRUCTD_LOG_WARN,
                   "iteration %llu: the first minibatch's ratios are not exactly 1 (approx_kl %g): "
                   "the old log-probs are of other weights or other arithmetic",
                   (unsigned long long)p->state.iteration + 1, f->half_square / (double)f->tokens);
}

job_code ppo_learn(ppo *p, ppo_figures *f, eng_error *err)
{
    const job_numbers *n = &p->job->numbers;
    *f = (ppo_figures){0};
    for (uint32_t epoch = 0; epoch < n->ppo_epochs; epoch++) {
        if (epoch > 0) /* the first one's was drawn for the old pass */
            permute(p->shuffled, (uint32_t)n->batch_size,
                    key_of(p->job->seed, KEY_MINIBATCH, p->state.iteration, epoch));
        for (uint32_t first = 0; first < n->batch_size; first += (uint32_t)n->minibatch_size) {
            minibatch b = {.first = first, .end = first + (uint32_t)n->minibatch_size};
            job_code code = accumulate(p, &b, f, err);
            if (code != INSTRUCTD_OK)
                return code;
            check_first(p, f);
            code = step(p, &b, f, err);
            laps_end(&p->laps, LAP_STEP);
            if (code != INSTRUCTD_OK)
                return code;
        }
    }
    return INSTRUCTD_OK;
}
