#include "rlhf/course.h"

#include "rlhf/checkpoint.h"
#include "rlhf/identity.h"
#include "rlhf/report.h"
#include "rlhf/rollout.h"
#include "rlhf/snapshot.h"

#include <math.h>
#include <stdlib.h>

enum { JUDGE_EXAMPLES = 512, SAVE_SECONDS = 60 };

/* ---- life ---- */

job_code course_open(course *out, const job *j, eng_error *err)
{
    host_policy policy;
    eng_net *net;
    *out = (course){.job = j};
    job_code code = host_policy_find(&j->host, j->model, &policy, err);
    if (code == INSTRUCTD_OK)
        code = host_checkpoint_dir(&j->host, out->dir, err);
    if (code == INSTRUCTD_OK)
        code = code_of(eng_net_open(&net, policy.path, ENG_HEAD_LM, err));
    if (code != INSTRUCTD_OK)
        return code;
    out->limits = token_limits_fit(j->numbers.max_prompt_tokens, j->numbers.max_response_tokens,
                                   eng_net_config(net)->n_ctx);
    return trainer_init(&out->trainer, net, j, err);
}

void course_free(course *c)
{
    order_free(&c->order);
    order_free(&c->mix_order);
    free(c->batch);
    free(c->logprobs);
    examples_free(&c->train);
    examples_free(&c->valid);
    examples_free(&c->mix);
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

static uint32_t longest(const course *c)
{
    uint32_t n = c->train.longest;
    n = c->valid.longest > n ? c->valid.longest : n;
    return c->mix.longest > n ? c->mix.longest : n;
}

/* ---- the plan ---- */

static job_code plan(course *c, eng_error *err)
{
    const job_numbers *n = &c->job->numbers;
    uint32_t size = (uint32_t)n->batch_size;
    if (c->mix.n && c->mix_fraction > 0) {
        uint32_t wanted = (uint32_t)lround(c->mix_fraction * size);
        c->n_mix = wanted < 1 ? 1 : wanted >= size ? size - 1 : wanted;
    }
    c->n_main = size - c->n_mix;
    if (c->n_main == 0)
        return code_fail(err, INSTRUCTD_E_INVALID,
                         "batch_size: expected at least 2, to mix pretraining text in");
    c->per_epoch = (c->train.n + c->n_main - 1) / c->n_main;
    c->steps = n->n_epochs * c->per_epoch;
    c->batch = calloc(size, sizeof *c->batch);
    if (!c->batch)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for batches of %u", size);
    job_code code = order_init(&c->order, c->job->seed, KEY_ORDER, c->train.n, err);
    if (code == INSTRUCTD_OK && c->n_mix)
        code = order_init(&c->mix_order, c->job->seed, KEY_PRETRAIN_ORDER, c->mix.n, err);
    return code;
}

static job_code make_room(course *c, eng_error *err)
{
    job_code code = micro_init(&c->micro, longest(c), err);
    if (code != INSTRUCTD_OK)
        return code;
    c->logprobs = calloc(c->micro.max_tokens, sizeof *c->logprobs);
    if (!c->logprobs)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for a micro-batch's log-probs");
    return tape_open(&c->tape, eng_net_config(c->trainer.net), c->micro.max_tokens, true,
                     &c->job->host.parallel, err);
}

/* ---- checkpoints ---- */

/* Calls `use` with everything that a checkpoint of the course holds. */
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
    static const char *const names[GUARD_FIELDS] = {"norms", "taken", "skipped", "in_row"};
    trainer *t = &c->trainer;
    const checkpoint_part parts[] = {
        {"model.safetensors", "", t->net, eng_net_floats(t->net)},
        {"optimizer.safetensors", "m.", t->net, t->m},
        {"optimizer.safetensors", "v.", t->net, t->v},
    };
    state_field fields[7 + GUARD_FIELDS] = {
        {"step", STATE_COUNT, &c->state.step, 1},
        {"adam_t", STATE_COUNT, &t->t, 1},
        {"judged", STATE_COUNT, &c->state.judged, 1},
        {"tokens", STATE_COUNT, &c->state.tokens, 1},
        {"has_best", STATE_COUNT, &c->state.has_best, 1},
        {"best_step", STATE_COUNT, &c->state.best_step, 1},
        {"best", STATE_NUMBER, &c->state.best, 1},
    };
    state_guard_fields(fields + 7, names, &t->guard);
    checkpoint all = {.parts = parts, .n_parts = 3, .fields = fields, .n_fields = 7 + GUARD_FIELDS};
    const example_set *const sets[] = {&c->train, &c->valid, &c->mix};
    identity_of(all.identity, c->job, sets, 3);
    return use(c, &all, found, err);
}

/* A checkpoint that cannot be written costs time after a crash, not the job. */
static void save(course *c)
{
    eng_error why;
    bool found;
    if (c->saved == c->state.step && c->saved_at > 0)
        return;
    if (with_checkpoint(c, save_all, &found, &why) != INSTRUCTD_OK)
        host_event(&c->job->host, INSTRUCTD_LOG_WARN, "step %llu: no checkpoint: %.400s",
                   (unsigned long long)c->state.step, why.text);
    c->saved = c->state.step;
    c->saved_at = monotonic_seconds();
}

/* ---- a step ---- */

static uint32_t fill_batch(course *c)
{
    uint64_t epoch = c->state.step / c->per_epoch, within = c->state.step % c->per_epoch;
    uint64_t first = within * c->n_main, left = c->train.n - first;
    uint32_t n = 0, n_main = left < c->n_main ? (uint32_t)left : c->n_main;
    for (uint32_t i = 0; i < n_main; i++) {
        uint32_t at = order_at(&c->order, epoch * c->train.n + first + i);
        c->batch[n++] = (course_item){&c->train.items[at], at};
    }
    for (uint32_t i = 0; i < c->n_mix; i++) {
        uint32_t at = order_at(&c->mix_order, c->state.step * c->n_mix + i);
        c->batch[n++] = (course_item){&c->mix.items[at], (uint64_t)1 << 32 | at};
    }
    return n;
}

static float constant_slope(void *ctx, uint32_t i, float logprob)
{
    (void)i, (void)logprob;
    return *(const float *)ctx;
}

/* One micro-batch forward and back; adds its log-probs to *sum. */
static void learn(course *c, float slope, double *sum)
{
    const job_numbers *n = &c->job->numbers;
    const eng_dropout dropout = {.rate = (float)n->dropout,
                                 .seed = key_of(c->job->seed, KEY_DROPOUT, 0, 0),
                                 .step = c->state.step,
                                 .seq_keys = c->micro.keys};
    const eng_lm_rows rows = micro_lm_rows(&c->micro, 1.0f);
    trainer *t = &c->trainer;
    eng_tape_forward(c->tape, t->net, &c->micro.pack, n->dropout > 0 ? &dropout : NULL);
    eng_lm_backward(c->tape, t->net, &rows, constant_slope, &slope, c->logprobs, NULL, t->grads);
    eng_tape_backward(c->tape, t->net, t->grads);
    for (uint32_t i = 0; i < rows.n; i++)
        *sum += (double)c->logprobs[i];
}

/* The gradient of the batch's mean loss; *loss is that. */
static job_code accumulate(course *c, uint32_t n_items, uint64_t n_tokens, double *loss,
                           eng_error *err)
{
    job_code code = INSTRUCTD_OK;
    double sum = 0;
    trainer_clear(&c->trainer);
    for (uint32_t i = 0; i < n_items && code == INSTRUCTD_OK;) {
        code = host_go_on(&c->job->host, err);
        if (code != INSTRUCTD_OK)
            break;
        micro_clear(&c->micro);
        while (i < n_items &&
               micro_add(&c->micro, c->batch[i].example->tokens, c->batch[i].example->n,
                         c->batch[i].example->n_prompt, c->batch[i].key))
            i++;
        learn(c, -1.0f / (float)n_tokens, &sum);
    }
    *loss = -sum / (double)n_tokens;
    return code;
}

static job_code take_step(course *c, eng_error *err)
{
    const job_numbers *n = &c->job->numbers;
    const double begin = monotonic_seconds();
    const uint32_t n_items = fill_batch(c);
    uint64_t n_tokens = 0, n_read = 0;
    double loss, lr = eng_lr_cosine(n->learning_rate, n->final_lr_ratio, c->state.step, c->steps);
    trainer_outcome outcome;
    report row = {0};
    for (uint32_t i = 0; i < n_items; i++) {
        n_tokens += count_learnt(c->batch[i].example, 1);
        n_read += c->batch[i].example->n;
    }
    job_code code = accumulate(c, n_items, n_tokens, &loss, err);
    if (code == INSTRUCTD_OK)
        code = trainer_step(&c->trainer, "the model", loss, lr, &outcome, err);
    if (code != INSTRUCTD_OK)
        return code;
    if (!outcome.taken)
        host_event(&c->job->host, INSTRUCTD_LOG_WARN,
                   "step %llu was skipped: loss %g, gradient norm %g",
                   (unsigned long long)c->state.step + 1, loss, outcome.grad_norm);
    c->state.step++;
    c->state.tokens += n_read;
    report_put(&row, "loss", loss);
    report_put(&row, "lr", lr);
    report_put(&row, "grad_norm", outcome.grad_norm);
    report_put(&row, "tokens_per_second", (double)n_read / (monotonic_seconds() - begin));
    report_send(&row, &c->job->host, c->state.step);
    host_progress(&c->job->host, c->state.step, c->steps, c->state.tokens);
    return INSTRUCTD_OK;
}

/* ---- judging ---- */

static job_code mean_trial_score(course *c, double *out, eng_error *err)
{
    const job *j = c->job;
    char id[INSTRUCTD_POLICY_ID_BYTES];
    double scores[TRIAL_PROMPTS];
    rollouts trials = {0};
    job_code code = snapshot_load_sampler(&j->host, c->trainer.net, j->model, id, err);
    if (code != INSTRUCTD_OK)
        return code;
    code = rollouts_trial(&trials, j, id, &c->valid, c->limits.response, err);
    host_sampler_free(&j->host, id);
    if (code == INSTRUCTD_OK)
        code = scorer_score(c->scorer, trials.items, trials.n, scores, err);
    double sum = 0;
    for (uint32_t i = 0; i < trials.n && code == INSTRUCTD_OK; i++)
        sum += scores[i];
    *out = trials.n ? sum / trials.n : NAN;
    rollouts_free(&trials);
    return code;
}

/* Judges the weights of a finished epoch; a better one than all before is the best. */
static job_code judge(course *c, eng_error *err)
{
    const pass p = {&c->job->host, c->tape, &c->micro};
    size_t n = c->valid.n < JUDGE_EXAMPLES ? c->valid.n : JUDGE_EXAMPLES;
    double loss, value;
    report row = {0};
    job_code code = pass_loss(&p, c->trainer.net, c->valid.items, n, &loss, err);
    value = -loss;
    report_put(&row, "valid_loss", loss);
    if (code == INSTRUCTD_OK && c->scorer) {
        code = mean_trial_score(c, &value, err);
        report_put(&row, "rm_score", value);
    }
    if (code != INSTRUCTD_OK)
        return code;
    c->state.judged++;
    if (!c->state.has_best || value > c->state.best) {
        c->state.has_best = 1;
        c->state.best = value;
        c->state.best_step = c->state.step;
    }
    report_send(&row, &c->job->host, c->state.step);
    return INSTRUCTD_OK;
}

/* What follows a step: judging at an epoch's end, a checkpoint now and then. */
static job_code after_step(course *c, eng_error *err)
{
    const uint64_t epochs = c->state.step / c->per_epoch;
    if (c->valid.n && c->state.judged < epochs) {
        job_code code = judge(c, err);
        if (code != INSTRUCTD_OK)
            return code;
        save(c);
    } else if (monotonic_seconds() - c->saved_at > SAVE_SECONDS) {
        save(c);
    }
    if (!host_pausing(&c->job->host))
        return INSTRUCTD_OK;
    save(c);
    return code_fail(err, INSTRUCTD_E_STOPPED, "the job is being paused");
}

/* ---- the whole ---- */

/* The best epoch's weights, or the last one's if those are lost (and an event tells). */
static void take_best(course *c)
{
    const trainer *t = &c->trainer;
    eng_error why;
    if (!c->state.has_best || c->state.best_step == c->state.step)
        return;
    const checkpoint_part part = {"model.safetensors", "", t->net, eng_net_floats(t->net)};
    if (checkpoint_load_part(c->dir, c->state.best_step, &part, &why) == INSTRUCTD_OK)
        host_event(&c->job->host, INSTRUCTD_LOG_INFO, "the weights of step %llu are the best",
                   (unsigned long long)c->state.best_step);
    else
        host_event(&c->job->host, INSTRUCTD_LOG_WARN,
                   "the best weights, of step %llu, are lost, the last are taken: %.380s",
                   (unsigned long long)c->state.best_step, why.text);
}

static job_code run_steps(course *c, eng_error *err)
{
    while (c->state.step < c->steps) {
        job_code code = take_step(c, err);
        if (code == INSTRUCTD_E_STOPPED) {
            if (c->state.judged == (c->valid.n ? c->state.step / c->per_epoch : 0))
                save(c); /* parameters and moments are those of the last whole step */
            return code;
        }
        if (code == INSTRUCTD_OK)
            code = after_step(c, err);
        if (code != INSTRUCTD_OK)
            return code;
    }
    return INSTRUCTD_OK;
}

job_code course_run(course *c, eng_error *err)
{
    bool found = false;
    job_code code = plan(c, err);
    if (code == INSTRUCTD_OK)
        code = make_room(c, err);
    if (code == INSTRUCTD_OK)
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
