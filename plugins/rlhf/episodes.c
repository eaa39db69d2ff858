#include "rlhf/episodes.h"

#include "train/losses.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAYS = 9 };

job_code episodes_init(episodes *out, rollouts *drawn, eng_error *err)
{
    *out = (episodes){.drawn = *drawn, .n = drawn->n};
    *drawn = (rollouts){0};
    out->at = calloc((size_t)out->n + 1, sizeof *out->at);
    out->scores = calloc(out->n, sizeof *out->scores);
    for (uint32_t e = 0; out->at && e < out->n; e++)
        out->at[e + 1] = out->at[e] + out->drawn.items[e].n - out->drawn.items[e].n_prompt;
    out->n_tokens = out->at ? out->at[out->n] : 0;
    const size_t n = out->n_tokens;
    out->floats = calloc(ARRAYS * n, sizeof *out->floats);
    if (!out->at || !out->scores || !out->floats)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for %u episodes", out->n);
    float **const arrays[ARRAYS] = {&out->old,     &out->ref,       &out->value,
                                    &out->sampler, &out->entropy,   &out->reward,
                                    &out->returns, &out->advantage, &out->weight};
    for (int i = 0; i < ARRAYS; i++)
        *arrays[i] = out->floats + (size_t)i * n;
    for (uint32_t e = 0; e < out->n; e++)
        memcpy(out->sampler + out->at[e], out->drawn.logprobs[e],
               (out->at[e + 1] - out->at[e]) * sizeof *out->sampler);
    return INSTRUCTD_OK;
}

void episodes_free(episodes *e)
{
    rollouts_free(&e->drawn);
    free(e->at);
    free(e->scores);
    free(e->floats);
    *e = (episodes){0};
}

/* ---- credit ---- */

void episodes_credit(episodes *e, const job_numbers *n, bool narrow)
{
    double sum = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        const uint32_t at = e->at[i];
        eng_ppo_rewards(e->at[i + 1] - at, e->old + at, e->ref + at, e->scores[i], n->kl_coef,
                        e->drawn.ended[i], n->missing_eos_penalty, e->reward + at);
    }
    for (uint32_t t = 0; t < e->n_tokens; t++)
        sum += (double)e->reward[t];
    e->total_reward = sum / e->n;
    if (n->whiten_rewards)
        eng_whiten(e->reward, e->n_tokens, true);
    for (uint32_t i = 0; i < e->n; i++) {
        const uint32_t at = e->at[i];
        eng_gae(e->at[i + 1] - at, e->reward + at, e->value + at, n->gamma, n->gae_lambda,
                e->advantage + at, e->returns + at);
    }
    if (n->whiten_advantages)
        eng_whiten(e->advantage, e->n_tokens, false);
    const bool weigh = narrow || n->bf16 || e->staleness;
    for (uint32_t t = 0; t < e->n_tokens; t++)
        e->weight[t] =
            weigh ? eng_importance_weight(e->old[t], e->sampler[t], (float)n->importance_cap)
                  : 1.0f;
}

/* ---- figures ---- */

static double mean(const float *x, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)x[i];
    return sum / n;
}

/* 1 - Var(R - V) / Var(R); NaN when R does not vary. */
static double explained_variance(const episodes *e)
{
    double sr = 0, srr = 0, sd = 0, sdd = 0, n = e->n_tokens;
    for (uint32_t t = 0; t < e->n_tokens; t++) {
        double r = (double)e->returns[t], d = r - (double)e->value[t];
        sr += r, srr += r * r, sd += d, sdd += d * d;
    }
    double var = srr / n - sr / n * (sr / n);
    return var > 0 ? 1 - (sdd / n - sd / n * (sd / n)) / var : NAN;
}

static void report_mismatch(const episodes *e, report *row)
{
    double sum = 0, most = 0;
    for (uint32_t t = 0; t < e->n_tokens; t++) {
        double d = fabs((double)e->old[t] - (double)e->sampler[t]);
        sum += d;
        most = d > most ? d : most;
    }
    report_put(row, "sampler_mismatch", sum / e->n_tokens);
    report_put(row, "sampler_mismatch_max", most);
    report_put(row, "is_weight_mean", mean(e->weight, e->n_tokens));
}

double episodes_report(const episodes *e, report *row)
{
    double score = 0, k1 = 0, k3 = 0, ended = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        score += e->scores[i];
        ended += e->drawn.ended[i];
    }
    for (uint32_t t = 0; t < e->n_tokens; t++) {
        double d = (double)e->old[t] - (double)e->ref[t];
        k1 += eng_kl_k1(d);
        k3 += eng_kl_k3(d);
    }
    report_put(row, "rm_score", score / e->n);
    report_put(row, "reward", e->total_reward);
    report_put(row, "kl", k1 / e->n);
    report_put(row, "kl_k3", k3 / e->n);
    report_put(row, "entropy", mean(e->entropy, e->n_tokens));
    report_put(row, "value_explained_var", explained_variance(e));
    report_put(row, "eos_rate", ended / e->n);
    report_put(row, "response_tokens", (double)e->n_tokens / e->n);
    report_put(row, "staleness", e->staleness);
    report_mismatch(e, row);
    return k1 / e->n;
}
