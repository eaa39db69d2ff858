#include "rlhf/micro.h"

#include <stdlib.h>
#include <string.h>

job_code micro_init(micro *out, uint32_t longest, eng_error *err)
{
    uint32_t n = longest > MICRO_TOKENS ? longest : MICRO_TOKENS;
    *out = (micro){.max_tokens = n,
                   .tokens = calloc(n, sizeof *out->tokens),
                   .starts = calloc(MICRO_SEQS + 1, sizeof *out->starts),
                   .keys = calloc(MICRO_SEQS, sizeof *out->keys),
                   .last = calloc(MICRO_SEQS, sizeof *out->last),
                   .rows = calloc(n, sizeof *out->rows),
                   .targets = calloc(n, sizeof *out->targets),
                   .first_row = calloc(MICRO_SEQS + 1, sizeof *out->first_row)};
    if (!out->tokens || !out->starts || !out->keys || !out->last || !out->rows || !out->targets ||
        !out->first_row)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for micro-batches of %u tokens", n);
    out->pack = (eng_pack){.tokens = out->tokens, .starts = out->starts};
    return INSTRUCTD_OK;
}

void micro_free(micro *m)
{
    free(m->tokens);
    free(m->starts);
    free(m->keys);
    free(m->last);
    free(m->rows);
    free(m->targets);
    free(m->first_row);
    *m = (micro){0};
}

void micro_clear(micro *m)
{
    m->pack.n_seqs = 0;
    m->n_rows = 0;
}

bool micro_add(micro *m, const int32_t *tokens, uint32_t n, uint32_t n_prompt, uint64_t key)
{
    uint32_t s = m->pack.n_seqs, at = m->starts[s];
    if (s == MICRO_SEQS || n > m->max_tokens - at)
        return false;
    memcpy(m->tokens + at, tokens, n * sizeof *tokens);
    m->keys[s] = key;
    m->last[s] = at + n - 1;
    for (uint32_t t = n_prompt; t < n; t++) {
        m->rows[m->n_rows] = at + t - 1;
        m->targets[m->n_rows++] = tokens[t];
    }
    m->pack.n_seqs++;
    m->starts[s + 1] = at + n;
    m->first_row[s + 1] = m->n_rows;
    return true;
}

eng_lm_rows micro_lm_rows(const micro *m, float temperature)
{
    return (eng_lm_rows){
        .rows = m->rows, .targets = m->targets, .n = m->n_rows, .temperature = temperature};
}
