#include "rlhf/gate.h"

#include "rlhf/report.h"
#include "rlhf/snapshot.h"
#include "rlhf/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t hold_out(example_set *set, const example **held_out)
{
    size_t n = set->n / 16 < HELD_OUT_WINDOWS ? set->n / 16 : HELD_OUT_WINDOWS;
    set->n -= n;
    *held_out = set->items + set->n;
    return n;
}

/* ---- measures of one policy ---- */

static double mean(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

static job_code mean_reward(const gate *g, const rollouts *trials, double *out, eng_error *err)
{
    double scores[TRIAL_PROMPTS];
    *out = NAN;
    if (!g->scorer)
        return INSTRUCTD_OK;
    job_code code = scorer_score(g->scorer, trials->items, trials->n, scores, err);
    if (code == INSTRUCTD_OK)
        *out = mean(scores, trials->n);
    return code;
}

/* On the held-out text, or on the prompts of the trials where there is none. */
static job_code text_loss(const gate *g, const pass *on, const eng_net *net, double *out,
                          eng_error *err)
{
    example texts[TRIAL_PROMPTS];
    size_t n = 0;
    if (g->n_held_out)
        return pass_loss(on, net, g->held_out, g->n_held_out, out, err);
    for (size_t i = 0; i < g->prompts->n && n < TRIAL_PROMPTS; i++) {
        const example *e = &g->prompts->items[i];
        if (e->n_prompt > 1)
            texts[n++] = (example){.tokens = e->tokens, .n = e->n_prompt, .n_prompt = 1};
    }
    *out = NAN;
    return n ? pass_loss(on, net, texts, n, out, err) : INSTRUCTD_OK;
}

/* A policy of the host's while it is measured. */
typedef struct opened {
    eng_net *net;
    eng_tape *own; /* where the gate's tape does not suit it */
    pass pass;
} opened;

static job_code open_policy(const gate *g, const host_policy *policy, const eng_net *like,
                            opened *o, eng_error *err)
{
    *o = (opened){.pass = g->pass};
    job_code code = code_of(eng_net_open(&o->net, policy->path, ENG_HEAD_LM, err));
    if (code != INSTRUCTD_OK || tape_suits(eng_net_config(o->net), eng_net_config(like)))
        return code;
    code = tape_open(&o->own, eng_net_config(o->net), g->pass.micro->max_tokens, false,
                     job_compute(g->job), &g->job->host.parallel, err);
    o->pass.tape = o->own;
    return code;
}

static void close_policy(opened *o)
{
    eng_tape_free(o->own);
    eng_net_free(o->net);
}

static job_code sum_logprobs(const pass *on, const eng_net *net, const rollouts *trials,
                             double *sum, eng_error *err)
{
    const size_t n = count_learnt(trials->items, trials->n);
    float *logprobs = malloc((n + 1) * sizeof *logprobs);
    if (!logprobs)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for %zu log-probs", n);
    job_code code = pass_logprobs(on, net, trials->items, trials->n, logprobs, err);
    *sum = 0;
    for (size_t i = 0; i < n && code == INSTRUCTD_OK; i++)
        *sum += (double)logprobs[i];
    free(logprobs);
    return code;
}

/* Mean over the trials of log pi - log pi_ref, summed over each response. Equal weights give 0
 * exactly: both sums add the same numbers in the same order. */
static job_code divergence(const gate *g, const eng_net *net, const rollouts *trials, double *out,
                           eng_error *err)
{
    opened own = {.pass = g->reference_pass};
    host_policy policy;
    double ours, theirs = 0;
    job_code code = sum_logprobs(&g->pass, net, trials, &ours, err);
    if (code == INSTRUCTD_OK && !g->reference) {
        code = host_policy_find(&g->job->host, g->job->model, &policy, err);
        if (code == INSTRUCTD_OK)
            code = open_policy(g, &policy, net, &own, err);
    }
    if (code == INSTRUCTD_OK)
        code = sum_logprobs(&own.pass, g->reference ? g->reference : own.net, trials, &theirs, err);
    if (code == INSTRUCTD_OK)
        *out = (ours - theirs) / trials->n;
    close_policy(&own);
    return code;
}

/* ---- the two policies ---- */

static job_code trial_reward(const gate *g, const char *policy, double *out, eng_error *err)
{
    rollouts trials = {0};
    *out = NAN;
    if (!g->scorer)
        return INSTRUCTD_OK;
    job_code code = rollouts_trial(&trials, g->job, policy, g->prompts, g->max_tokens, err);
    if (code == INSTRUCTD_OK)
        code = mean_reward(g, &trials, out, err);
    rollouts_free(&trials);
    return code;
}

static job_code measure(gate *g, const host_policy *policy, const eng_net *like, eng_error *err)
{
    opened o;
    eng_error why;
    g->current_reward = g->current_loss = NAN;
    job_code code = open_policy(g, policy, like, &o, err);
    bool comparable =
        code == INSTRUCTD_OK &&
        tokens_agree("", eng_net_tokenizer(o.net), eng_net_tokenizer(like), &why) == INSTRUCTD_OK;
    if (comparable)
        code = trial_reward(g, policy->id, &g->current_reward, err);
    if (comparable && code == INSTRUCTD_OK)
        code = text_loss(g, &o.pass, o.net, &g->current_loss, err);
    close_policy(&o);
    return code;
}

/* A name of the job's stands for it: it is needed as long as the job lasts. */
static bool is_of_job(const job *j, const char *id)
{
    const char *const names[] = {j->model, j->names.reference, j->names.reward_model};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i] && strcmp(names[i], id) == 0)
            return true;
    return false;
}

static job_code measure_current(gate *g, const char *alias, const eng_net *like, eng_error *err)
{
    host_policy policy;
    /* A name that does not exist yet has no policy to fall behind: the job's own model stands in.
     */
    job_code code = host_policy_find(&g->job->host, alias, &policy, err);
    if (code == INSTRUCTD_E_NOT_FOUND)
        code = host_policy_find(&g->job->host, g->job->model, &policy, err);
    if (code != INSTRUCTD_OK)
        return code;
    if (strcmp(policy.id, g->current) != 0) {
        g->current[0] = 0;
        code = measure(g, &policy, like, err);
        if (code == INSTRUCTD_OK)
            memcpy(g->current, policy.id, sizeof g->current);
    }
    if (!is_of_job(g->job, policy.id)) /* its figures are remembered; its files need not stay */
        host_policy_release(&g->job->host, policy.id);
    return code;
}

static job_code draw_new(const gate *g, const eng_net *net, rollouts *trials, eng_error *err)
{
    char id[INSTRUCTD_POLICY_ID_BYTES];
    job_code code = snapshot_load_sampler(&g->job->host, net, g->job->model, id, err);
    if (code != INSTRUCTD_OK)
        return code;
    code = rollouts_trial(trials, g->job, id, g->prompts, g->max_tokens, err);
    host_sampler_free(&g->job->host, id);
    return code;
}

job_code gate_measure(gate *g, const eng_net *net, const char *alias,
                      instructd_metric values[GATE_MEASURES], eng_error *err)
{
    rollouts trials = {0};
    double reward = NAN, kl = NAN, loss = NAN, begin = monotonic_seconds();
    job_code code = measure_current(g, alias, net, err);
    if (code == INSTRUCTD_OK)
        code = draw_new(g, net, &trials, err);
    if (code == INSTRUCTD_OK)
        code = mean_reward(g, &trials, &reward, err);
    if (code == INSTRUCTD_OK)
        code = divergence(g, net, &trials, &kl, err);
    if (code == INSTRUCTD_OK)
        code = text_loss(g, &g->pass, net, &loss, err);
    rollouts_free(&trials);
    values[0] = (instructd_metric){"rm_delta", reward - g->current_reward};
    values[1] = (instructd_metric){"kl_ref", kl};
    values[2] = (instructd_metric){"lm_loss_rise", loss - g->current_loss};
    values[3] = (instructd_metric){"seconds", monotonic_seconds() - begin};
    return code;
}
