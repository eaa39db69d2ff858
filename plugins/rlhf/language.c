#include "rlhf/language.h"

#include "rlhf/rollout.h"
#include "rlhf/snapshot.h"

#include <math.h>
#include <stdlib.h>

enum { JUDGE_EXAMPLES = 512 };

job_code language_open(language *out, const job *j, eng_error *err)
{
    *out = (language){0};
    return course_open(&out->course, j, ENG_HEAD_LM, err);
}

void language_free(language *l)
{
    order_free(&l->mix_order);
    free(l->batch);
    free(l->logprobs);
    examples_free(&l->train);
    examples_free(&l->valid);
    examples_free(&l->mix);
    course_free(&l->course);
}

/* ---- the gradient ---- */

static uint32_t fill_batch(language *l, const course *c, const uint32_t *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        l->batch[i] = (language_item){&l->train.items[items[i]], items[i]};
    for (uint32_t i = 0; i < l->n_mix; i++) {
        uint32_t at = order_at(&l->mix_order, c->state.step * l->n_mix + i);
        l->batch[n++] = (language_item){&l->mix.items[at], (uint64_t)1 << 32 | at};
    }
    return n;
}

static job_code gradient(void *self, course *c, const uint32_t *items, uint32_t n, double *loss,
                         uint64_t *tokens, eng_error *err)
{
    language *l = self;
    const uint32_t n_batch = fill_batch(l, c, items, n);
    uint64_t learnt = 0;
    double sum = 0;
    *tokens = 0;
    for (uint32_t i = 0; i < n_batch; i++) {
        learnt += count_learnt(l->batch[i].example, 1);
        *tokens += l->batch[i].example->n;
    }
    for (uint32_t i = 0; i < n_batch;) {
        job_code code = host_go_on(&c->job->host, err);
        if (code != INSTRUCTD_OK)
            return code;
        micro_clear(&c->micro);
        for (; i < n_batch; i++) {
            const example *e = l->batch[i].example;
            if (!micro_add(&c->micro, e->tokens, e->n, e->n_prompt, l->batch[i].key))
                break;
        }
        course_forward(c);
        sum +=
            trainer_add_text(&c->trainer, c->tape, &c->micro, -1.0f / (float)learnt, l->logprobs);
    }
    *loss = -sum / (double)learnt;
    return INSTRUCTD_OK;
}

/* ---- judging ---- */

static job_code mean_trial_score(language *l, course *c, double *out, eng_error *err)
{
    const job *j = c->job;
    char id[INSTRUCTD_POLICY_ID_BYTES];
    double scores[TRIAL_PROMPTS], sum = 0;
    rollouts trials = {0};
    job_code code = snapshot_load_sampler(&j->host, c->trainer.net, j->model, id, err);
    if (code != INSTRUCTD_OK)
        return code;
    code = rollouts_trial(&trials, j, id, &l->valid, c->limits.response, err);
    host_sampler_free(&j->host, id);
    if (code == INSTRUCTD_OK)
        code = scorer_score(l->scorer, trials.items, trials.n, scores, err);
    for (uint32_t i = 0; i < trials.n && code == INSTRUCTD_OK; i++)
        sum += scores[i];
    *out = sum / trials.n;
    rollouts_free(&trials);
    return code;
}

static job_code judge(void *self, course *c, double *value, eng_error *err)
{
    language *l = self;
    const pass p = {&c->job->host, c->tape, &c->micro};
    size_t n = l->valid.n < JUDGE_EXAMPLES ? l->valid.n : JUDGE_EXAMPLES;
    double loss;
    job_code code = pass_loss(&p, c->trainer.net, l->valid.items, n, &loss, err);
    if (code != INSTRUCTD_OK)
        return code;
    report_put(&c->row, "valid_loss", loss);
    *value = -loss;
    if (!l->scorer)
        return INSTRUCTD_OK;
    code = mean_trial_score(l, c, value, err);
    report_put(&c->row, "rm_score", *value);
    return code;
}

/* ---- the whole ---- */

static uint32_t longest(const language *l)
{
    uint32_t n = l->train.longest;
    n = l->valid.longest > n ? l->valid.longest : n;
    return l->mix.longest > n ? l->mix.longest : n;
}

/* How many of a batch's sequences are pretraining windows. */
static job_code plan_mix(language *l, const job *j, uint32_t size, eng_error *err)
{
    if (!l->mix.n || l->mix_fraction <= 0)
        return INSTRUCTD_OK;
    if (size < 2)
        return code_fail(err, INSTRUCTD_E_INVALID,
                         "batch_size: expected at least 2, to mix pretraining text in");
    uint32_t wanted = (uint32_t)lround(l->mix_fraction * size);
    l->n_mix = wanted < 1 ? 1 : wanted >= size ? size - 1 : wanted;
    return order_init(&l->mix_order, j->seed, KEY_PRETRAIN_ORDER, l->mix.n, err);
}

job_code language_run(language *l, eng_error *err)
{
    course *c = &l->course;
    const uint32_t size = (uint32_t)c->job->numbers.batch_size;
    const example_set *const sets[] = {&l->train, &l->valid, &l->mix};
    job_code code = plan_mix(l, c->job, size, err);
    if (code == INSTRUCTD_OK)
        code = course_make_room(c, longest(l), err);
    if (code != INSTRUCTD_OK)
        return code;
    l->batch = calloc(size, sizeof *l->batch);
    l->logprobs = calloc(c->micro.max_tokens, sizeof *l->logprobs);
    if (!l->batch || !l->logprobs)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for batches of %u", size);
    const course_method method = {.self = l,
                                  .n_items = l->train.n,
                                  .per_batch = size - l->n_mix,
                                  .sets = sets,
                                  .n_sets = 3,
                                  .gradient = gradient,
                                  .judge = l->valid.n ? judge : NULL};
    return course_run(c, &method, err);
}
