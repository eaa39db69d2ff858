/* The first half of an iteration: episodes, and what the networks say of them before any update. */
#include "rlhf/ppo.h"

uint32_t ppo_pack(ppo *p, uint32_t at, uint32_t end)
{
    const episodes *e = &p->episodes;
    micro *m = &p->micro;
    micro_clear(m);
    for (; at < end; at++) {
        const uint32_t i = p->shuffled[at], first = m->n_rows;
        const example *item = &e->drawn.items[i];
        if (!micro_add(m, item->tokens, item->n, item->n_prompt, i))
            break;
        for (uint32_t row = first; row < m->n_rows; row++)
            p->flat[row] = e->at[i] + row - first;
    }
    return at;
}

/* ---- passes ---- */

static void spread(const ppo *p, const float *rows, float *tokens)
{
    for (uint32_t i = 0; i < p->micro.n_rows; i++)
        tokens[p->flat[i]] = rows[i];
}

/* One micro-batch through reference, value network and policy; the policy comes last, so that its
 * forward stays on its tape. */
static void look(ppo *p)
{
    episodes *e = &p->episodes;
    const micro *m = &p->micro;
    const eng_lm_rows rows = micro_lm_rows(m, (float)p->job->numbers.temperature);
    eng_tape_forward(p->reference_tape, p->reference, &m->pack, NULL);
    eng_lm_forward(p->reference_tape, p->reference, &rows, p->row_values, NULL, NULL);
    spread(p, p->row_values, e->ref);
    laps_end(&p->laps, LAP_REFERENCE);
    eng_tape_forward(p->value_tape, p->value.net, &m->pack, NULL);
    eng_score_forward(p->value_tape, p->value.net, m->rows, m->n_rows, p->row_values);
    spread(p, p->row_values, e->value);
    laps_end(&p->laps, LAP_VALUE);
    eng_tape_forward(p->tape, p->policy.net, &m->pack, NULL);
    eng_lm_forward(p->tape, p->policy.net, &rows, p->row_values, p->row_slopes, NULL);
    spread(p, p->row_values, e->old);
    spread(p, p->row_slopes, e->entropy);
    laps_end(&p->laps, LAP_OLD);
}

/* Episodes shuffled[at..end), micro-batch by micro-batch. */
static job_code look_at(ppo *p, uint32_t at, uint32_t end, eng_error *err)
{
    while (at < end) {
        job_code code = host_go_on(&p->job->host, err);
        if (code != INSTRUCTD_OK)
            return code;
        at = ppo_pack(p, at, end);
        look(p);
    }
    return INSTRUCTD_OK;
}

/* The very micro-batches that the first epoch trains on, so that equal weights give equal bits:
 * the permutation is drawn first. The one that is learnt from first comes last: its forward is on
 * the tape then, and the policy is as it was. */
static job_code look_at_all(ppo *p, eng_error *err)
{
    const job_numbers *n = &p->job->numbers;
    const uint32_t size = (uint32_t)n->minibatch_size;
    permute(p->shuffled, (uint32_t)n->batch_size,
            key_of(p->job->seed, KEY_MINIBATCH, p->state.iteration, 0));
    const uint32_t learnt_first = ppo_pack(p, 0, size);
    job_code code = look_at(p, learnt_first, size, err);
    for (uint32_t at = size; at < n->batch_size && code == INSTRUCTD_OK; at += size)
        code = look_at(p, at, at + size, err);
    if (code == INSTRUCTD_OK)
        code = look_at(p, 0, learnt_first, err);
    p->forward_is_there = code == INSTRUCTD_OK;
    return code;
}

job_code ppo_collect(ppo *p, eng_error *err)
{
    episodes *e = &p->episodes;
    job_code code = ppo_draw(p, err);
    if (code == INSTRUCTD_OK)
        code = scorer_score(&p->scorer, e->drawn.items, e->n, e->scores, err);
    laps_end(&p->laps, LAP_SCORE);
    if (code == INSTRUCTD_OK)
        code = look_at_all(p, err);
    if (code == INSTRUCTD_OK)
        episodes_credit(e, &p->job->numbers, host_sampler_is_narrow(&p->job->host));
    laps_end(&p->laps, LAP_VALUE);
    return code;
}
