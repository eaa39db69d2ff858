/* PPO and PPO-ptx (Ouyang et al. 2022): the job from its networks to its result. */
#include "rlhf/ppo.h"

#include "rlhf/checkpoint.h"
#include "rlhf/identity.h"
#include "rlhf/methods.h"
#include "rlhf/publish.h"
#include "rlhf/report.h"
#include "rlhf/rollout_bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- networks ---- */

static job_code open_net(const job *j, const char *name, eng_net **net, eng_error *err)
{
    host_policy policy;
    job_code code = host_policy_find(&j->host, name, &policy, err);
    return code == INSTRUCTD_OK ? code_of(eng_net_open(net, policy.path, ENG_HEAD_LM, err)) : code;
}

static job_code open_policy(ppo *p, eng_error *err)
{
    const job *j = p->job;
    eng_net *net;
    job_code code = open_net(j, j->model, &net, err);
    if (code == INSTRUCTD_OK)
        code = trainer_init(&p->policy, net, j, err);
    if (code == INSTRUCTD_OK)
        code = code_of(eng_net_clone(&p->ema, net, ENG_HEAD_LM, err));
    if (code == INSTRUCTD_OK)
        code = open_net(j, j->names.reference ? j->names.reference : j->model, &p->reference, err);
    return code == INSTRUCTD_OK ? tokens_agree("reference", eng_net_tokenizer(p->reference),
                                               eng_net_tokenizer(net), err)
                                : code;
}

/* The value network starts as the reward model, head and bias too; without one of ours as the
 * policy with a zero head. */
static job_code open_value(ppo *p, eng_error *err)
{
    const eng_net *from = p->scorer.net ? p->scorer.net : p->policy.net;
    eng_net *net;
    job_code code = code_of(eng_net_clone(&net, from, ENG_HEAD_SCORE, err));
    return code == INSTRUCTD_OK ? trainer_init(&p->value, net, p->job, err) : code;
}

/* The policy's tape, or one of its own for a net that it does not suit. */
static job_code tape_for(const ppo *p, const eng_net *net, bool gradients, eng_tape **out,
                         eng_error *err)
{
    *out = p->tape;
    if (tape_suits(eng_net_config(net), eng_net_config(p->policy.net)))
        return INSTRUCTD_OK;
    return tape_open(out, eng_net_config(net), p->micro.max_tokens, gradients, job_compute(p->job),
                     &p->job->host.parallel, err);
}

static job_code open_tapes(ppo *p, uint32_t longest, eng_error *err)
{
    const uint32_t n_ctx = eng_net_config(p->reference)->n_ctx;
    if (n_ctx < longest)
        return code_fail(err, INSTRUCTD_E_INVALID,
                         "reference: its context is %u tokens, episodes may have %u", n_ctx,
                         longest);
    job_code code = micro_init(&p->micro, longest, err);
    if (code == INSTRUCTD_OK)
        code = tape_open(&p->tape, eng_net_config(p->policy.net), p->micro.max_tokens, true,
                         job_compute(p->job), &p->job->host.parallel, err);
    if (code == INSTRUCTD_OK)
        code = tape_for(p, p->value.net, true, &p->value_tape, err);
    if (code == INSTRUCTD_OK)
        code = tape_for(p, p->reference, false, &p->reference_tape, err);
    return code;
}

/* ---- data ---- */

static job_code load_prompts(ppo *p, example_set *set, const char *field, const char *file,
                             eng_error *err)
{
    const eng_net *net = p->policy.net;
    job_code code = examples_load(set, &p->job->host, field, file, DATA_PPO, eng_net_tokenizer(net),
                                  p->limits, eng_net_config(net)->n_ctx, err);
    if (code == INSTRUCTD_OK)
        examples_report(set, &p->job->host, field);
    return code;
}

static job_code load_data(ppo *p, eng_error *err)
{
    const job *j = p->job;
    p->limits = token_limits_fit(j->numbers.max_prompt_tokens, j->numbers.max_response_tokens,
                                 eng_net_config(p->policy.net)->n_ctx);
    job_code code = load_prompts(p, &p->prompts, j->names.prompts ? "prompts" : "training_file",
                                 job_main_file(j), err);
    if (code == INSTRUCTD_OK && j->validation_file)
        code = load_prompts(p, &p->valid, "validation_file", j->validation_file, err);
    if (code == INSTRUCTD_OK)
        code = ptx_open(&p->ptx, j, p->policy.net, p->limits, err);
    return code == INSTRUCTD_OK ? order_init(&p->order, j->seed, KEY_ORDER, p->prompts.n, err)
                                : code;
}

static uint32_t longest(const ppo *p)
{
    uint32_t prompt = p->prompts.longest_prompt > p->valid.longest_prompt
                          ? p->prompts.longest_prompt
                          : p->valid.longest_prompt;
    uint32_t n = prompt + p->limits.response;
    return p->ptx.windows.longest > n ? p->ptx.windows.longest : n;
}

/* ---- life ---- */

static job_code make_room(ppo *p, eng_error *err)
{
    const job_numbers *n = &p->job->numbers;
    p->iterations = (n->episodes + n->batch_size - 1) / n->batch_size;
    p->shuffled = calloc(n->batch_size, sizeof *p->shuffled);
    p->flat = calloc(p->micro.max_tokens, sizeof *p->flat);
    p->row_values = calloc(p->micro.max_tokens, sizeof *p->row_values);
    p->row_slopes = calloc(p->micro.max_tokens, sizeof *p->row_slopes);
    if (!p->shuffled || !p->flat || !p->row_values || !p->row_slopes)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for micro-batches of %u tokens",
                         p->micro.max_tokens);
    return INSTRUCTD_OK;
}

static job_code ppo_open(ppo *p, const job *j, eng_error *err)
{
    *p = (ppo){.job = j};
    job_code code = host_checkpoint_dir(&j->host, p->dir, err);
    if (code == INSTRUCTD_OK)
        code = open_policy(p, err);
    if (code == INSTRUCTD_OK)
        code = load_data(p, err);
    if (code == INSTRUCTD_OK)
        code = scorer_open(&p->scorer, j, eng_net_tokenizer(p->policy.net), longest(p), err);
    if (code == INSTRUCTD_OK)
        code = open_value(p, err);
    if (code == INSTRUCTD_OK)
        code = open_tapes(p, longest(p), err);
    return code == INSTRUCTD_OK ? make_room(p, err) : code;
}

static void ppo_free(ppo *p)
{
    episodes_free(&p->episodes);
    rollouts_free(&p->ready);
    free(p->shuffled);
    free(p->flat);
    free(p->row_values);
    free(p->row_slopes);
    if (p->value_tape != p->tape)
        eng_tape_free(p->value_tape);
    if (p->reference_tape != p->tape)
        eng_tape_free(p->reference_tape);
    eng_tape_free(p->tape);
    micro_free(&p->micro);
    order_free(&p->order);
    ptx_free(&p->ptx);
    examples_free(&p->prompts);
    examples_free(&p->valid);
    trainer_free(&p->value);
    scorer_free(&p->scorer);
    eng_net_free(p->ema);
    eng_net_free(p->reference);
    trainer_free(&p->policy);
}

/* ---- checkpoints ---- */

typedef job_code checkpoint_use(ppo *p, const checkpoint *all, bool *found, eng_error *err);

/* Rollouts that lag are part of the state: the weights that drew them are gone. */
static const char *const READY = "rollouts.bin";

static job_code save_all(ppo *p, const checkpoint *all, bool *found, eng_error *err)
{
    checkpoint with = *all;
    checkpoint_blob ready = {.file = READY};
    job_code code = INSTRUCTD_OK;
    (void)found;
    if (ppo_is_lagging(p)) {
        code = rollouts_to_bytes(&p->ready, &ready.bytes, &ready.n, err);
        with.blob = &ready;
    }
    if (code == INSTRUCTD_OK)
        code = checkpoint_save(p->dir, p->state.iteration, CHECKPOINT_NO_BEST, &with, err);
    free(ready.bytes);
    return code;
}

static job_code load_all(ppo *p, const checkpoint *all, bool *found, eng_error *err)
{
    checkpoint with = *all;
    checkpoint_blob ready = {.file = READY};
    if (ppo_is_lagging(p))
        with.blob = &ready;
    job_code code = checkpoint_load(&p->job->host, p->dir, &with, found, err);
    if (code == INSTRUCTD_OK && *found && with.blob)
        code = rollouts_of_bytes(&p->ready, ready.bytes, ready.n, err);
    free(ready.bytes);
    return code;
}

static job_code with_checkpoint(ppo *p, checkpoint_use *use, bool *found, eng_error *err)
{
    static const char *const guards[2][GUARD_FIELDS] = {
        {"norms", "taken", "skipped", "in_row", "spike_batch"},
        {"value_norms", "value_taken", "value_skipped", "value_in_row", "value_spike_batch"}};
    enum { OWN = 6, PARTS = 7 };
    trainer *a = &p->policy, *v = &p->value;
    const checkpoint_part parts[PARTS] = {
        {"model.safetensors", "", a->net, eng_net_floats(a->net)},
        {"optimizer.safetensors", "m.", a->net, a->m},
        {"optimizer.safetensors", "v.", a->net, a->v},
        {"value/model.safetensors", "", v->net, eng_net_floats(v->net)},
        {"value/optimizer.safetensors", "m.", v->net, v->m},
        {"value/optimizer.safetensors", "v.", v->net, v->v},
        {"ema/model.safetensors", "", p->ema, eng_net_floats(p->ema)},
    };
    state_field fields[OWN + 2 * GUARD_FIELDS] = {
        {"iteration", STATE_COUNT, &p->state.iteration, 1},
        {"offered", STATE_COUNT, &p->state.offered, 1},
        {"tokens", STATE_COUNT, &p->state.tokens, 1},
        {"ptx_used", STATE_COUNT, &p->ptx.used, 1},
        {"adam_t", STATE_COUNT, &a->t, 1},
        {"value_adam_t", STATE_COUNT, &v->t, 1},
    };
    state_guard_fields(fields + OWN, guards[0], &a->guard);
    state_guard_fields(fields + OWN + GUARD_FIELDS, guards[1], &v->guard);
    checkpoint all = {
        .parts = parts, .n_parts = PARTS, .fields = fields, .n_fields = OWN + 2 * GUARD_FIELDS};
    const example_set *const sets[] = {&p->prompts, &p->valid, &p->ptx.windows};
    identity_of(all.identity, p->job, sets, 3);
    return use(p, &all, found, err);
}

static void save(ppo *p)
{
    eng_error why;
    bool found;
    if (p->saved == p->state.iteration)
        return;
    if (with_checkpoint(p, save_all, &found, &why) != INSTRUCTD_OK)
        host_event(&p->job->host, INSTRUCTD_LOG_WARN, "iteration %llu: no checkpoint: %.400s",
                   (unsigned long long)p->state.iteration, why.text);
    p->saved = p->state.iteration;
    p->saved_at = monotonic_seconds();
}

static job_code resume(ppo *p, eng_error *err)
{
    bool found = false;
    if (!p->job->resumed)
        checkpoint_forget(p->dir);
    job_code code = p->job->resumed ? with_checkpoint(p, load_all, &found, err) : INSTRUCTD_OK;
    if (found)
        host_event(&p->job->host, INSTRUCTD_LOG_INFO, "going on from iteration %llu",
                   (unsigned long long)p->state.iteration);
    p->saved = p->state.iteration;
    p->saved_at = monotonic_seconds();
    return code;
}

/* ---- an iteration ---- */

static void put_figures(const ppo *p, const ppo_figures *f, report *row)
{
    const job_numbers *n = &p->job->numbers;
    report_put(row, "loss", f->policy_loss / (double)f->steps);
    report_put(row, "lr",
               eng_lr_warmup(n->learning_rate, p->state.iteration, n->warmup_iterations));
    report_put(row, "grad_norm", f->grad_norm / (double)f->steps);
    report_put(row, "ratio_mean", f->ratio / (double)f->tokens);
    report_put(row, "approx_kl", f->half_square / (double)f->tokens);
    report_put(row, "clip_frac", (double)f->clipped / (double)f->tokens);
    report_put(row, "value_loss", f->value_loss / (double)f->steps);
    if (p->ptx.coef != 0)
        report_put(row, "ptx_loss", f->ptx_loss / (double)f->steps);
}

static uint64_t tokens_read(const ppo *p)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < p->episodes.n; i++)
        n += p->episodes.drawn.items[i].n;
    return n;
}

static job_code iterate(ppo *p, eng_error *err)
{
    ppo_figures figures;
    report row = {0};
    p->dirty = false;
    laps_begin(&p->laps);
    job_code code = ppo_collect(p, err);
    if (code == INSTRUCTD_OK)
        code = ppo_learn(p, &figures, err);
    if (code == INSTRUCTD_OK)
        code = ppo_await(p, err);
    if (code == INSTRUCTD_OK) {
        const uint64_t tokens = tokens_read(p);
        double kl = episodes_report(&p->episodes, &row);
        if (kl < -1 && !p->episodes.staleness)
            host_event(&p->job->host, INSTRUCTD_LOG_WARN,
                       "iteration %llu: the mean divergence is %.3f nats: it cannot be negative, "
                       "so sampler and trainer disagree",
                       (unsigned long long)p->state.iteration + 1, kl);
        put_figures(p, &figures, &row);
        report_put(&row, "tokens_per_second", (double)tokens / laps_report(&p->laps, &row));
        p->state.iteration++;
        p->state.tokens += tokens * p->job->numbers.ppo_epochs;
        report_send(&row, &p->job->host, p->state.iteration);
        host_progress(&p->job->host, p->state.iteration, p->iterations, p->state.tokens);
    } else if (!p->dirty) {
        ppo_undraw(p);
    }
    episodes_free(&p->episodes);
    return code;
}

/* ---- publishing ---- */

static gate gate_of(ppo *p)
{
    return (gate){.job = p->job,
                  .pass = {&p->job->host, p->tape, &p->micro},
                  .reference = p->reference,
                  .reference_pass = {&p->job->host, p->reference_tape, &p->micro},
                  .scorer = &p->scorer,
                  .prompts = p->valid.n ? &p->valid : &p->prompts,
                  .held_out = p->ptx.held_out,
                  .n_held_out = p->ptx.n_held_out,
                  .max_tokens = p->limits.response,
                  .current_reward = NAN,
                  .current_loss = NAN};
}

static publish_order result_of(const ppo *p, gate *g)
{
    return (publish_order){.net = p->job->publish.raw ? p->policy.net : p->ema,
                           .stage = p->ptx.coef != 0 ? "ppo-ptx" : "ppo",
                           .gate = g,
                           .kl_coef = p->job->numbers.kl_coef,
                           .ptx_coef = p->ptx.coef,
                           .step = p->state.iteration};
}

/* On the way a publish that fails ends nothing: training goes on, and so does serving. */
static job_code publish_now_and_then(ppo *p, gate *g, eng_error *err)
{
    const job_publish *wish = &p->job->publish;
    const uint64_t now = p->state.iteration;
    if (!wish->alias || !wish->every || now % wish->every != 0 || now == p->iterations ||
        now == p->state.offered)
        return INSTRUCTD_OK;
    const publish_order result = result_of(p, g);
    bool moved;
    job_code code = publish_to_alias(p->job, &result, &moved, err);
    if (code == INSTRUCTD_OK)
        p->state.offered = now;
    return code;
}

/* ---- the whole ---- */

static job_code run_iterations(ppo *p, gate *g, eng_error *err)
{
    for (;;) {
        job_code code = publish_now_and_then(p, g, err); /* also what a stop came in between */
        if (code == INSTRUCTD_OK && host_pausing(&p->job->host))
            code = code_fail(err, INSTRUCTD_E_STOPPED, "the job is being paused");
        if (code != INSTRUCTD_OK || monotonic_seconds() - p->saved_at > CHECKPOINT_SECONDS)
            save(p);
        if (code != INSTRUCTD_OK || p->state.iteration == p->iterations)
            return code;
        code = iterate(p, err);
        if (code == INSTRUCTD_E_STOPPED && !p->dirty)
            save(p); /* nothing has been learnt since the last whole iteration */
        if (code != INSTRUCTD_OK)
            return code;
    }
}

job_code ppo_run(const job *j, eng_error *err)
{
    ppo p;
    job_code code = ppo_open(&p, j, err);
    if (code == INSTRUCTD_OK)
        code = resume(&p, err);
    gate g = gate_of(&p);
    if (code == INSTRUCTD_OK)
        code = run_iterations(&p, &g, err);
    if (code == INSTRUCTD_OK) {
        const publish_order result = result_of(&p, &g);
        code = publish_result(j, &result, err);
    }
    ppo_free(&p);
    return code;
}
