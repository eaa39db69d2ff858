#include "rlhf/scorer.h"

#include "rlhf/trainer.h"
#include "text_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- a reward model ---- */

static job_code open_net(scorer *s, uint32_t longest, eng_error *err)
{
    host_policy policy;
    const job *j = s->job;
    job_code code = host_policy_find(&j->host, j->names.reward_model, &policy, err);
    if (code == INSTRUCTD_OK)
        code = code_of(eng_net_open(&s->net, policy.path, ENG_HEAD_SCORE, err));
    if (code == INSTRUCTD_OK)
        code = tokens_agree("reward_model", eng_net_tokenizer(s->net), s->tok, err);
    if (code != INSTRUCTD_OK)
        return code;
    const eng_config *shape = eng_net_config(s->net);
    if (shape->n_ctx < longest)
        return code_fail(err, INSTRUCTD_E_INVALID,
                         "reward_model: its context is %u tokens, episodes may have %u",
                         shape->n_ctx, longest);
    code = micro_init(&s->micro, longest, err);
    if (code == INSTRUCTD_OK)
        code = tape_open(&s->tape, shape, s->micro.max_tokens, false, job_compute(j),
                         &j->host.parallel, err);
    return code;
}

job_code scorer_open(scorer *out, const job *j, const eng_tokenizer *policy, uint32_t longest,
                     eng_error *err)
{
    *out = (scorer){.job = j, .tok = policy, .endpoint = job_reward_endpoint(j)};
    return out->endpoint ? INSTRUCTD_OK : open_net(out, longest, err);
}

void scorer_free(scorer *s)
{
    eng_tape_free(s->tape);
    eng_net_free(s->net);
    micro_free(&s->micro);
    *s = (scorer){0};
}

static job_code score_by_net(scorer *s, const example *items, size_t n, double *scores,
                             eng_error *err)
{
    const pass p = {&s->job->host, s->tape, &s->micro};
    float *floats = malloc((n + 1) * sizeof *floats);
    if (!floats)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for %zu scores", n);
    job_code code = pass_scores(&p, s->net, items, n, floats, err);
    for (size_t i = 0; i < n && code == INSTRUCTD_OK; i++)
        scores[i] = (double)floats[i];
    free(floats);
    return code;
}

/* ---- an endpoint ---- */

/* The text of tokens[from..to), without the end token, invalid UTF-8 replaced; NULL when memory is
 * out. */
static char *text_of(const eng_tokenizer *tok, const int32_t *tokens, uint32_t from, uint32_t to)
{
    size_t total = 0, len, at = 0;
    if (to > from && eng_token_is_end(tok, tokens[to - 1]))
        to--;
    for (uint32_t i = from; i < to; i++)
        total += eng_token_bytes(tok, tokens[i], &len) ? len : 0;
    char *bytes = malloc(total + 1), *text = malloc(3 * total + 1);
    for (uint32_t i = from; bytes && text && i < to; i++) {
        const char *piece = eng_token_bytes(tok, tokens[i], &len);
        if (piece)
            memcpy(bytes + at, piece, len);
        at += piece ? len : 0;
    }
    if (bytes && text)
        text[eng_utf8_repair(text, bytes, total)] = 0;
    free(bytes);
    return text;
}

static job_code score_by_endpoint(scorer *s, const example *items, size_t n, double *scores,
                                  eng_error *err)
{
    char **texts = calloc(2 * n + 1, sizeof *texts);
    job_code code = INSTRUCTD_OK;
    for (size_t i = 0; texts && i < n; i++) {
        texts[i] = text_of(s->tok, items[i].tokens, 0, items[i].n_prompt);
        texts[n + i] = text_of(s->tok, items[i].tokens, items[i].n_prompt, items[i].n);
        if (!texts[i] || !texts[n + i])
            code = INSTRUCTD_E_NOMEM;
    }
    if (!texts || code != INSTRUCTD_OK)
        code = code_fail(err, INSTRUCTD_E_NOMEM, "no memory for the text of %zu completions", n);
    else
        code = host_reward_http(&s->job->host, s->endpoint, (uint32_t)n, (const char *const *)texts,
                                (const char *const *)texts + n, scores, err);
    for (size_t i = 0; texts && i < 2 * n; i++)
        free(texts[i]);
    free(texts);
    return code;
}

job_code scorer_score(scorer *s, const example *items, size_t n, double *scores, eng_error *err)
{
    job_code code = s->endpoint ? score_by_endpoint(s, items, n, scores, err)
                                : score_by_net(s, items, n, scores, err);
    for (size_t i = 0; i < n && code == INSTRUCTD_OK; i++)
        if (!isfinite(scores[i]))
            code = code_fail(err, INSTRUCTD_E_NOT_FINITE, "the reward of completion %zu is %g", i,
                             scores[i]);
    return code;
}
