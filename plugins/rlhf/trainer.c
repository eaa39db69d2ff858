#include "rlhf/trainer.h"

#include "base/block.h"

#include <math.h>
#include <stdio.h>

job_code trainer_init(trainer *out, eng_net *net, const job *j, eng_error *err)
{
    const job_numbers *n = &j->numbers;
    size_t bytes = eng_net_n_floats(net) * sizeof(float);
    *out = (trainer){.net = net,
                     .n = eng_net_n_floats(net),
                     .grads = eng_block_alloc(bytes),
                     .m = eng_block_alloc(bytes),
                     .v = eng_block_alloc(bytes),
                     .parallel = &j->host.parallel,
                     .adam = {.beta1 = (float)n->adam_beta1,
                              .beta2 = (float)n->adam_beta2,
                              .eps = (float)n->adam_eps,
                              .weight_decay = (float)n->weight_decay},
                     .max_grad_norm = n->max_grad_norm};
    if (!out->grads || !out->m || !out->v)
        return code_fail(err, INSTRUCTD_E_NOMEM,
                         "gradient and moments: no memory for 3 x %zu bytes", bytes);
    return INSTRUCTD_OK;
}

void trainer_free(trainer *t)
{
    eng_block_free(t->grads, t->n * sizeof *t->grads);
    eng_block_free(t->m, t->n * sizeof *t->m);
    eng_block_free(t->v, t->n * sizeof *t->v);
    eng_net_free(t->net);
    *t = (trainer){0};
}

void trainer_clear(trainer *t)
{
    eng_grads_clear(t->parallel, t->grads, t->n);
}

static float constant_slope(void *ctx, uint32_t i, float logprob)
{
    (void)i, (void)logprob;
    return *(const float *)ctx;
}

double trainer_add_text(trainer *t, eng_tape *tape, const micro *m, float slope, float *logprobs)
{
    const eng_lm_rows rows = micro_lm_rows(m, 1.0f);
    double sum = 0;
    eng_lm_backward(tape, t->net, &rows, constant_slope, &slope, logprobs, NULL, t->grads);
    eng_tape_backward(tape, t->net, t->grads);
    for (uint32_t i = 0; i < rows.n; i++)
        sum += (double)logprobs[i];
    return sum;
}

static void say_why(trainer_outcome *out, double loss, double limit)
{
    if (isfinite(loss) && isfinite(out->grad_norm))
        snprintf(out->why, sizeof out->why, "loss %g, gradient norm %g, expected at most %g", loss,
                 out->grad_norm, limit);
    else
        snprintf(out->why, sizeof out->why, "loss %g, gradient norm %g, expected finite numbers",
                 loss, out->grad_norm);
}

job_code trainer_step(trainer *t, const char *what, uint64_t batch, double loss, double lr,
                      trainer_outcome *out, eng_error *err)
{
    out->grad_norm = eng_grad_norm(t->parallel, t->grads, t->n);
    const double limit = guard_limit(&t->guard, t->max_grad_norm);
    guard_verdict verdict = guard_judge(&t->guard, loss, out->grad_norm, t->max_grad_norm, batch);
    out->taken = verdict == GUARD_TAKE;
    if (!out->taken)
        say_why(out, loss, limit);
    if (verdict == GUARD_GIVE_UP)
        return code_fail(err, INSTRUCTD_E_NOT_FINITE, "%s: %d bad steps in a row; the last had %s",
                         what, GUARD_IN_ROW, out->why);
    if (out->taken)
        eng_adamw_step(t->parallel, &t->adam, eng_net_floats(t->net), t->grads, t->m, t->v, t->n,
                       lr, ++t->t, eng_clip_scale(out->grad_norm, t->max_grad_norm));
    return INSTRUCTD_OK;
}

bool tape_suits(const eng_config *a, const eng_config *b)
{
    return eng_config_equal(a, b);
}

job_code tape_open(eng_tape **out, const eng_config *shape, uint32_t max_tokens, bool gradients,
                   eng_compute compute, const eng_parallel *parallel, eng_error *err)
{
    eng_tape_options options = {.max_tokens = max_tokens,
                                .max_seqs = MICRO_SEQS,
                                .gradients = gradients,
                                .compute = compute,
                                .parallel = parallel};
    options.checkpoint = gradients && eng_tape_bytes(shape, &options) > TAPE_BYTES;
    return code_of(eng_tape_create(out, shape, &options, err));
}
