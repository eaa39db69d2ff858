#include "rlhf/course.h"

#include "rlhf/checkpoint.h"
#include "rlhf/identity.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

job_code course_open(course *out, const job *j, eng_head head, eng_error *err)
{
    host_policy policy;
    eng_net *net;
    *out = (course){.job = j};
    job_code code = host_policy_find(&j->host, j->model, &policy, err);
    if (code == INSTRUCTD_OK)
        code = host_checkpoint_dir(&j->host, out->dir, err);
    if (code == INSTRUCTD_OK)
        code = code_of(eng_net_open(&net, policy.path, head, err));
    if (code != INSTRUCTD_OK)
        return code;
    out->limits = token_limits_fit(j->numbers.max_prompt_tokens, j->numbers.max_response_tokens,
                                   eng_net_config(net)->n_ctx);
    return trainer_init(&out->trainer, net, j, err);
}

void course_free(course *c)
{
    order_free(&c->order);
    free(c->items);
    micro_free(&c->micro);
    eng_tape_free(c->tape);
    trainer_free(&c->trainer);
}

job_code course_load(course *c, example_set *set, const char *field, const char *file,
                     data_format format, eng_error *err)
{
    const eng_net *net = c->trainer.net;
    job_code code = examples_load(set, &c->job->host, field, file, format, eng_net_tokenizer(net),
                                  c->limits, eng_net_config(net)->n_ctx, err);
    if (code == INSTRUCTD_OK)
        examples_report(set, &c->job->host, field);
    return code;
}

job_code course_make_room(course *c, uint32_t longest, eng_error *err)
{
    job_code code = micro_init(&c->micro, longest, err);
    return code == INSTRUCTD_OK
               ? tape_open(&c->tape, eng_net_config(c->trainer.net), c->micro.max_tokens, true,
                           job_compute(c->job), &c->job->host.parallel, err)
               : code;
}

static job_code plan(course *c, eng_error *err)
{
    const course_method *m = &c->method;
    c->per_epoch = (m->n_items + m->per_batch - 1) / m->per_batch;
    c->steps = c->job->numbers.n_epochs * c->per_epoch;
    c->items = calloc(m->per_batch, sizeof *c->items);
    if (!c->items)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for batches of %u", m->per_batch);
    return order_init(&c->order, c->job->seed, KEY_ORDER, m->n_items, err);
}

/* ---- checkpoints ---- */

/* What is done with everything that a checkpoint of the course holds. */
typedef job_code checkpoint_use(course *c, const checkpoint *all, bool *found, eng_error *err);

static job_code save_all(course *c, const checkpoint *all, bool *found, eng_error *err)
{
    (void)found;
    int64_t best = c->state.has_best ? (int64_t)c->state.best_step : CHECKPOINT_NO_BEST;
    return checkpoint_save(c->dir, c->state.step, best, all, err);
}

static job_code load_all(course *c, const checkpoint *all, bool *found, eng_error *err)
{
    return checkpoint_load(&c->job->host, c->dir, all, found, err);
}

static job_code with_checkpoint(course *c, checkpoint_use *use, bool *found, eng_error *err)
{
    static const char *const names[GUARD_FIELDS] = {"norms", "taken", "skipped", "in_row",
                                                    "spike_batch"};
    enum { OWN = 7 };
    trainer *t = &c->trainer;
    const checkpoint_part parts[] = {
        {"model.safetensors", "", t->net, eng_net_floats(t->net)},
        {"optimizer.safetensors", "m.", t->net, t->m},
        {"optimizer.safetensors", "v.", t->net, t->v},
    };
    state_field fields[OWN + GUARD_FIELDS] = {
        {"step", STATE_COUNT, &c->state.step, 1},
        {"adam_t", STATE_COUNT, &t->t, 1},
        {"judged", STATE_COUNT, &c->state.judged, 1},
        {"tokens", STATE_COUNT, &c->state.tokens, 1},
        {"has_best", STATE_COUNT, &c->state.has_best, 1},
        {"best_step", STATE_COUNT, &c->state.best_step, 1},
        {"best", STATE_NUMBER, &c->state.best, 1},
    };
    state_guard_fields(fields + OWN, names, &t->guard);
    checkpoint all = {
        .parts = parts, .n_parts = 3, .fields = fields, .n_fields = OWN + GUARD_FIELDS};
    identity_of(all.identity, c->job, c->method.sets, c->method.n_sets);
    return use(c, &all, found, err);
}

/* A checkpoint that cannot be written costs time after a crash, not the job. */
static void save(course *c)
{
    eng_error why;
    bool found;
    if (c->saved == c->state.step)
        return;
    if (with_checkpoint(c, save_all, &found, &why) != INSTRUCTD_OK)
        host_event(&c->job->host, INSTRUCTD_LOG_WARN, "step %llu: no checkpoint: %.400s",
                   (unsigned long long)c->state.step, why.text);
    c->saved = c->state.step;
    c->saved_at = monotonic_seconds();
}

/* ---- a step ---- */

void course_forward(course *c)
{
    c->dropout = (eng_dropout){.rate = (float)c->job->numbers.dropout,
                               .seed = key_of(c->job->seed, KEY_DROPOUT, 0, 0),
                               .step = c->state.step,
                               .seq_keys = c->micro.keys};
    eng_tape_forward(c->tape, c->trainer.net, &c->micro.pack,
                     c->dropout.rate > 0 ? &c->dropout : NULL);
}

/* The last batch of an epoch holds what is left. */
static uint32_t fill_batch(course *c)
{
    const course_method *m = &c->method;
    uint64_t epoch = c->state.step / c->per_epoch;
    uint64_t first = c->state.step % c->per_epoch * m->per_batch, left = m->n_items - first;
    uint32_t n = left < m->per_batch ? (uint32_t)left : m->per_batch;
    for (uint32_t i = 0; i < n; i++)
        c->items[i] = order_at(&c->order, epoch * m->n_items + first + i);
    return n;
}

static job_code take_step(course *c, eng_error *err)
{
    const job_numbers *n = &c->job->numbers;
    const double begin = monotonic_seconds(),
                 lr = eng_lr_cosine(n->learning_rate, n->final_lr_ratio, c->state.step, c->steps);
    const uint32_t n_items = fill_batch(c);
    trainer_outcome outcome;
    uint64_t tokens;
    double loss;
    c->row.n = 0;
    trainer_clear(&c->trainer);
    job_code code = c->method.gradient(c->method.self, c, c->items, n_items, &loss, &tokens, err);
    if (code == INSTRUCTD_OK)
        code = trainer_step(&c->trainer, "the model", c->state.step, loss, lr, &outcome, err);
    if (code != INSTRUCTD_OK)
        return code;
    if (!outcome.taken)
        host_event(&c->job->host, INSTRUCTD_LOG_WARN, "step %llu was skipped: %s",
                   (unsigned long long)c->state.step + 1, outcome.why);
    c->state.step++;
    c->state.tokens += tokens;
    report_put(&c->row, "loss", loss);
    report_put(&c->row, "lr", lr);
    report_put(&c->row, "grad_norm", outcome.grad_norm);
    report_put(&c->row, "tokens_per_second", (double)tokens / (monotonic_seconds() - begin));
    return INSTRUCTD_OK;
}

/* ---- what follows a step ---- */

static job_code judge(course *c, eng_error *err)
{
    double value;
    job_code code = c->method.judge(c->method.self, c, &value, err);
    if (code != INSTRUCTD_OK)
        return code;
    c->state.judged++;
    if (!c->state.has_best || value > c->state.best) {
        c->state.has_best = 1;
        c->state.best = value;
        c->state.best_step = c->state.step;
    }
    return INSTRUCTD_OK;
}

/* Judging at an epoch's end, figures, a checkpoint now and then. */
static job_code after_step(course *c, eng_error *err)
{
    const bool due = c->method.judge && c->state.judged < c->state.step / c->per_epoch;
    job_code code = due ? judge(c, err) : INSTRUCTD_OK;
    if (code != INSTRUCTD_OK)
        return code;
    report_send(&c->row, &c->job->host, c->state.step);
    host_progress(&c->job->host, c->state.step, c->steps, c->state.tokens);
    const bool pausing = host_pausing(&c->job->host);
    if (due || pausing || monotonic_seconds() - c->saved_at > CHECKPOINT_SECONDS)
        save(c);
    return pausing ? code_fail(err, INSTRUCTD_E_STOPPED, "the job is being paused") : INSTRUCTD_OK;
}

/* ---- the whole ---- */

/* The best epoch's weights, or the last one's if those are lost (and an event tells). They are read
 * into the gradient's block, which has done its work: a read that fails half-way costs nothing. */
static void take_best(course *c)
{
    const trainer *t = &c->trainer;
    eng_error why;
    if (!c->state.has_best || c->state.best_step == c->state.step)
        return;
    const checkpoint_part part = {"model.safetensors", "", t->net, t->grads};
    if (checkpoint_load_part(c->dir, c->state.best_step, &part, &why) == INSTRUCTD_OK) {
        memcpy(eng_net_floats(t->net), t->grads, t->n * sizeof *t->grads);
        host_event(&c->job->host, INSTRUCTD_LOG_INFO, "the weights of step %llu are the best",
                   (unsigned long long)c->state.best_step);
    } else {
        host_event(&c->job->host, INSTRUCTD_LOG_WARN,
                   "the best weights, of step %llu, are lost, the last are taken: %.380s",
                   (unsigned long long)c->state.best_step, why.text);
    }
}

static job_code run_steps(course *c, eng_error *err)
{
    while (c->state.step < c->steps) {
        job_code code = take_step(c, err);
        if (code == INSTRUCTD_E_STOPPED)
            save(c); /* parameters and moments are those of the last whole step */
        if (code == INSTRUCTD_OK)
            code = after_step(c, err);
        if (code != INSTRUCTD_OK)
            return code;
    }
    return INSTRUCTD_OK;
}

job_code course_run(course *c, const course_method *method, eng_error *err)
{
    bool found = false;
    c->method = *method;
    job_code code = plan(c, err);
    if (!c->job->resumed)
        checkpoint_forget(c->dir);
    else if (code == INSTRUCTD_OK)
        code = with_checkpoint(c, load_all, &found, err);
    if (code != INSTRUCTD_OK)
        return code;
    if (found)
        host_event(&c->job->host, INSTRUCTD_LOG_INFO, "going on from step %llu",
                   (unsigned long long)c->state.step);
    c->saved = c->state.step;
    c->saved_at = monotonic_seconds();
    code = run_steps(c, err);
    if (code == INSTRUCTD_OK)
        take_best(c);
    return code;
}
