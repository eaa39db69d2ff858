/* Where an iteration's episodes come from.
 *
 *   max_staleness 0    draw(t)  learn(t)  draw(t+1)  learn(t+1)
 *   max_staleness 1    draw(0) ┬ learn(0) ─┬ learn(1) ─┬ learn(2)
 *                              └ draw(1)  ─┴ draw(2)  ─┘
 *
 * With 1 the weights that iteration t begins with draw its successor's episodes while it learns, so
 * that these are one iteration old when they are learnt from. */
#include "rlhf/ppo.h"
#include "rlhf/snapshot.h"

#include <stdlib.h>

/* ---- what is asked for ---- */

static void wish_free(rollout_wish *wish)
{
    free((void *)(uintptr_t)wish->prompts);
    free((void *)(uintptr_t)wish->seeds);
}

/* The prompts and seeds of an iteration; freed also after a refusal. */
static job_code wish_of(ppo *p, uint64_t iteration, const char *policy, rollout_wish *out,
                        eng_error *err)
{
    const uint32_t n = (uint32_t)p->job->numbers.batch_size;
    const uint64_t first = iteration * n;
    const example **prompts = calloc(n, sizeof *prompts);
    uint64_t *seeds = calloc(n, sizeof *seeds);
    *out = (rollout_wish){.policy = policy,
                          .prompts = prompts,
                          .seeds = seeds,
                          .n = n,
                          .max_tokens = p->limits.response,
                          .temperature = p->job->numbers.temperature};
    if (!prompts || !seeds)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory to ask for %u episodes", n);
    for (uint32_t i = 0; i < n; i++) {
        prompts[i] = &p->prompts.items[order_at(&p->order, first + i)];
        seeds[i] = key_of(p->job->seed, KEY_ROLLOUT, first + i, 0);
    }
    return INSTRUCTD_OK;
}

/* ---- by the weights of now ---- */

typedef job_code draw_fn(ppo *p, const rollout_wish *wish, eng_error *err);

/* The raw weights are samplable only while `draw` lasts; what it has begun goes on with them. */
static job_code with_weights(ppo *p, uint64_t iteration, draw_fn *draw, eng_error *err)
{
    char id[INSTRUCTD_POLICY_ID_BYTES];
    rollout_wish wish;
    job_code code = snapshot_load_sampler(&p->job->host, p->policy.net, p->job->model, id, err);
    laps_end(&p->laps, LAP_SAMPLER);
    if (code != INSTRUCTD_OK)
        return code;
    code = wish_of(p, iteration, id, &wish, err);
    if (code == INSTRUCTD_OK)
        code = draw(p, &wish, err);
    wish_free(&wish);
    host_sampler_free(&p->job->host, id);
    laps_end(&p->laps, LAP_ROLLOUT);
    return code;
}

static job_code draw_now(ppo *p, const rollout_wish *wish, eng_error *err)
{
    return rollouts_draw(&p->ready, p->job, wish, err);
}

static job_code set_out(ppo *p, const rollout_wish *wish, eng_error *err)
{
    job_code code = rollouts_begin(p->job, wish, err);
    p->begun = code == INSTRUCTD_OK;
    return code;
}

/* ---- an iteration ---- */

job_code ppo_draw(ppo *p, eng_error *err)
{
    const uint64_t now = p->state.iteration, n = p->job->numbers.batch_size;
    const bool lagging = ppo_is_lagging(p);
    job_code code = INSTRUCTD_OK;
    if (!lagging || (now == 0 && !p->ready.n))
        code = with_weights(p, now, draw_now, err);
    if (code == INSTRUCTD_OK && p->ready.n != n)
        code = code_fail(err, INSTRUCTD_E_INVALID,
                         "the checkpoint has %u rollouts of iteration %llu, expected %llu",
                         p->ready.n, (unsigned long long)now + 1, (unsigned long long)n);
    if (code == INSTRUCTD_OK && lagging && now + 1 < p->iterations)
        code = with_weights(p, now + 1, set_out, err);
    if (code == INSTRUCTD_OK)
        code = episodes_init(&p->episodes, &p->ready, err);
    p->episodes.staleness = lagging && now > 0;
    return code;
}

job_code ppo_await(ppo *p, eng_error *err)
{
    rollout_wish wish;
    if (!p->begun)
        return INSTRUCTD_OK;
    p->begun = false;
    job_code code = wish_of(p, p->state.iteration + 1, "", &wish, err);
    if (code == INSTRUCTD_OK)
        code = rollouts_wait(&p->ready, p->job, &wish, err);
    wish_free(&wish);
    laps_end(&p->laps, LAP_ROLLOUT);
    return code;
}

void ppo_undraw(ppo *p)
{
    if (!ppo_is_lagging(p) || !p->episodes.drawn.n)
        return;
    p->ready = p->episodes.drawn;
    p->episodes.drawn = (rollouts){0};
}
