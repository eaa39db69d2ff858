#include "rlhf/gate.h"

#include "rlhf/report.h"
#include "rlhf/snapshot.h"

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
static job_code text_loss(const gate *g, const eng_net *net, double *out, eng_error *err)
{
    example texts[TRIAL_PROMPTS];
    size_t n = 0;
    if (g->n_held_out)
        return pass_loss(&g->pass, net, g->held_out, g->n_held_out, out, err);
    for (size_t i = 0; i < g->prompts->n && n < TRIAL_PROMPTS; i++) {
        const example *e = &g->prompts->items[i];
        if (e->n_prompt > 1)
            texts[n++] = (example){.tokens = e->tokens, .n = e->n_prompt, .n_prompt = 1};
    }
    *out = NAN;
    return n ? pass_loss(&g->pass, net, texts, n, out, err) : INSTRUCTD_OK;
}

static job_code open_policy(const gate *g, const char *name, eng_net **net, eng_error *err)
{
    host_policy policy;
    *net = NULL;
    job_code code = host_policy_find(&g->job->host, name, &policy, err);
    return code == INSTRUCTD_OK ? code_of(eng_net_open(net, policy.path, ENG_HEAD_LM, err)) : code;
}

/* Mean over the trials of log pi - log pi_ref, summed over each response: every learnt token of
 * every trial is in the sum once. */
static job_code divergence(const gate *g, const eng_net *net, const rollouts *trials, double *out,
                           eng_error *err)
{
    const size_t n = count_learnt(trials->items, trials->n);
    float *logprobs = malloc((2 * n + 1) * sizeof *logprobs);
    eng_net *opened = NULL;
    *out = NAN;
    if (!logprobs)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for %zu log-probs", 2 * n);
    job_code code = g->reference ? INSTRUCTD_OK : open_policy(g, g->job->model, &opened, err);
    const eng_net *reference = g->reference ? g->reference : opened;
    if (code == INSTRUCTD_OK)
        code = pass_logprobs(&g->pass, net, trials->items, trials->n, logprobs, err);
    if (code == INSTRUCTD_OK)
        code = pass_logprobs(&g->pass, reference, trials->items, trials->n, logprobs + n, err);
    double sum = 0;
    for (size_t i = 0; i < n && code == INSTRUCTD_OK; i++)
        sum += (double)logprobs[i] - (double)logprobs[n + i];
    if (code == INSTRUCTD_OK)
        *out = sum / trials->n;
    eng_net_free(opened);
    free(logprobs);
    return code;
}

/* ---- the two policies ---- */

static job_code measure_current(gate *g, const char *alias, eng_error *err)
{
    host_policy policy;
    rollouts trials = {0};
    eng_net *net = NULL;
    /* A name that does not exist yet has no policy to fall behind: the job's own model stands in.
     */
    job_code code = host_policy_find(&g->job->host, alias, &policy, err);
    if (code == INSTRUCTD_E_NOT_FOUND)
        code = host_policy_find(&g->job->host, g->job->model, &policy, err);
    if (code != INSTRUCTD_OK || strcmp(policy.id, g->current) == 0)
        return code;
    if (g->scorer) {
        code = rollouts_trial(&trials, g->job, policy.id, g->prompts, g->max_tokens, err);
        if (code == INSTRUCTD_OK)
            code = mean_reward(g, &trials, &g->current_reward, err);
    }
    if (code == INSTRUCTD_OK)
        code = open_policy(g, policy.id, &net, err);
    if (code == INSTRUCTD_OK)
        code = text_loss(g, net, &g->current_loss, err);
    if (code == INSTRUCTD_OK)
        memcpy(g->current, policy.id, sizeof g->current);
    eng_net_free(net);
    rollouts_free(&trials);
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
    job_code code = measure_current(g, alias, err);
    if (code == INSTRUCTD_OK)
        code = draw_new(g, net, &trials, err);
    if (code == INSTRUCTD_OK)
        code = mean_reward(g, &trials, &reward, err);
    if (code == INSTRUCTD_OK)
        code = divergence(g, net, &trials, &kl, err);
    if (code == INSTRUCTD_OK)
        code = text_loss(g, net, &loss, err);
    rollouts_free(&trials);
    values[0] = (instructd_metric){"rm_delta", reward - g->current_reward};
    values[1] = (instructd_metric){"kl_ref", kl};
    values[2] = (instructd_metric){"lm_loss_rise", loss - g->current_loss};
    values[3] = (instructd_metric){"seconds", monotonic_seconds() - begin};
    return code;
}
