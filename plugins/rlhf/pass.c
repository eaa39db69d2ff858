#include "rlhf/pass.h"

#include <math.h>
#include <stdlib.h>

uint64_t count_learnt(const example *items, size_t n)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += items[i].n - items[i].n_prompt;
    return count;
}

/* The next micro-batch from items[*at..n); forward runs over it. */
static job_code next(const pass *p, const eng_net *net, const example *items, size_t n, size_t *at,
                     eng_error *err)
{
    job_code code = host_go_on(p->host, err);
    if (code != INSTRUCTD_OK)
        return code;
    micro_clear(p->micro);
    while (*at < n &&
           micro_add(p->micro, items[*at].tokens, items[*at].n, items[*at].n_prompt, *at))
        ++*at;
    if (!p->micro->pack.n_seqs)
        return code_fail(err, INSTRUCTD_E_INTERNAL,
                         "a sequence of %u tokens, expected at most %u to look at", items[*at].n,
                         p->micro->max_tokens);
    eng_tape_forward(p->tape, net, &p->micro->pack, NULL);
    return INSTRUCTD_OK;
}

job_code pass_logprobs(const pass *p, const eng_net *net, const example *items, size_t n,
                       float *logprobs, eng_error *err)
{
    for (size_t at = 0; at < n;) {
        job_code code = next(p, net, items, n, &at, err);
        if (code != INSTRUCTD_OK)
            return code;
        const eng_lm_rows rows = micro_lm_rows(p->micro, 1.0f);
        eng_lm_forward(p->tape, net, &rows, logprobs, NULL, NULL);
        logprobs += rows.n;
    }
    return INSTRUCTD_OK;
}

job_code pass_loss(const pass *p, const eng_net *net, const example *items, size_t n, double *mean,
                   eng_error *err)
{
    uint64_t count = count_learnt(items, n);
    float *logprobs = malloc((count + 1) * sizeof *logprobs);
    double sum = 0;
    *mean = NAN;
    if (!logprobs)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for %llu log-probs",
                         (unsigned long long)count);
    job_code code = pass_logprobs(p, net, items, n, logprobs, err);
    for (uint64_t i = 0; i < count && code == INSTRUCTD_OK; i++)
        sum -= (double)logprobs[i];
    free(logprobs);
    if (code == INSTRUCTD_OK && count)
        *mean = sum / (double)count;
    return code;
}

job_code pass_scores(const pass *p, const eng_net *net, const example *items, size_t n,
                     float *scores, eng_error *err)
{
    for (size_t at = 0; at < n;) {
        job_code code = next(p, net, items, n, &at, err);
        if (code != INSTRUCTD_OK)
            return code;
        eng_score_forward(p->tape, net, p->micro->last, p->micro->pack.n_seqs, scores);
        scores += p->micro->pack.n_seqs;
    }
    return INSTRUCTD_OK;
}
