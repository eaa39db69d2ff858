#include "rlhf/rollout.h"

#include "rlhf/key.h"

#include <stdlib.h>
#include <string.h>

/* ---- from the host's memory to ours ---- */

static bool take_one(rollouts *r, const example *prompt, const instructd_rollout *from)
{
    const uint32_t i = r->n, n = prompt->n_prompt + from->n_tokens;
    int32_t *tokens = eng_arena_array(&r->arena, n, sizeof *tokens);
    float *logprobs = eng_arena_array(&r->arena, from->n_tokens, sizeof *logprobs);
    if (!tokens || !logprobs)
        return false;
    memcpy(tokens, prompt->tokens, prompt->n_prompt * sizeof *tokens);
    memcpy(tokens + prompt->n_prompt, from->tokens, from->n_tokens * sizeof *tokens);
    memcpy(logprobs, from->logprobs, from->n_tokens * sizeof *logprobs);
    r->items[i] = (example){.tokens = tokens, .n = n, .n_prompt = prompt->n_prompt};
    r->ended[i] = from->ended != 0;
    r->logprobs[i] = logprobs;
    r->n++;
    return true;
}

static job_code take_all(rollouts *r, const rollout_wish *wish, const instructd_rollouts *from,
                         eng_error *err)
{
    r->items = eng_arena_array(&r->arena, wish->n, sizeof *r->items);
    r->ended = eng_arena_array(&r->arena, wish->n, sizeof *r->ended);
    r->logprobs = eng_arena_array(&r->arena, wish->n, sizeof *r->logprobs);
    bool taken = r->items && r->ended && r->logprobs;
    for (uint32_t i = 0; i < wish->n && taken; i++)
        taken = take_one(r, wish->prompts[i], &from->rollouts[i]);
    return taken ? INSTRUCTD_OK
                 : code_fail(err, INSTRUCTD_E_NOMEM, "no memory for %u rollouts", wish->n);
}

/* ---- drawing ---- */

/* The wish in the ABI's words; its prompts are the caller's to free. */
static job_code request_of(const rollout_wish *wish, instructd_rollout_request *out,
                           instructd_rollout_prompt **prompts, eng_error *err)
{
    *prompts = calloc(wish->n, sizeof **prompts);
    if (!*prompts)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory to ask for %u rollouts", wish->n);
    for (uint32_t i = 0; i < wish->n; i++)
        (*prompts)[i] = (instructd_rollout_prompt){.tokens = wish->prompts[i]->tokens,
                                                   .n_tokens = wish->prompts[i]->n_prompt,
                                                   .n_samples = 1,
                                                   .seed = wish->seeds[i]};
    *out = (instructd_rollout_request){.size = sizeof *out,
                                       .n_prompts = wish->n,
                                       .prompts = *prompts,
                                       .policy = wish->policy,
                                       .max_tokens = wish->max_tokens,
                                       .temperature = (float)wish->temperature};
    return INSTRUCTD_OK;
}

typedef job_code generate_fn(const job_host *host, const instructd_rollout_request *request,
                             const instructd_rollouts **out, eng_error *err);

/* Takes over what `generate` gives for the wish. */
static job_code receive(rollouts *out, const job *j, const rollout_wish *wish,
                        generate_fn *generate, eng_error *err)
{
    const instructd_rollouts *drawn;
    instructd_rollout_request request;
    instructd_rollout_prompt *prompts;
    *out = (rollouts){0};
    eng_arena_init(&out->arena, SIZE_MAX / 2);
    job_code code = request_of(wish, &request, &prompts, err);
    if (code == INSTRUCTD_OK)
        code = generate(&j->host, &request, &drawn, err);
    free(prompts);
    if (code != INSTRUCTD_OK)
        return code;
    code = take_all(out, wish, drawn, err);
    host_rollouts_free(&j->host, drawn);
    return code;
}

job_code rollouts_draw(rollouts *out, const job *j, const rollout_wish *wish, eng_error *err)
{
    return receive(out, j, wish, host_generate, err);
}

job_code rollouts_begin(const job *j, const rollout_wish *wish, eng_error *err)
{
    instructd_rollout_request request;
    instructd_rollout_prompt *prompts;
    job_code code = request_of(wish, &request, &prompts, err);
    if (code == INSTRUCTD_OK)
        code = host_generate_begin(&j->host, &request, err);
    free(prompts);
    return code;
}

job_code rollouts_wait(rollouts *out, const job *j, const rollout_wish *wish, eng_error *err)
{
    return receive(out, j, wish, host_generate_wait, err);
}

void rollouts_free(rollouts *r)
{
    eng_arena_free(&r->arena);
    *r = (rollouts){0};
}

/* ---- trials ---- */

job_code rollouts_trial(rollouts *out, const job *j, const char *policy, const example_set *prompts,
                        uint32_t max_tokens, eng_error *err)
{
    const example *chosen[TRIAL_PROMPTS];
    uint64_t seeds[TRIAL_PROMPTS];
    uint32_t n = TRIAL_TOKENS / max_tokens;
    n = n < TRIAL_PROMPTS_LEAST ? TRIAL_PROMPTS_LEAST : n > TRIAL_PROMPTS ? TRIAL_PROMPTS : n;
    n = prompts->n < n ? (uint32_t)prompts->n : n;
    for (uint32_t i = 0; i < n; i++) {
        chosen[i] = &prompts->items[i];
        seeds[i] = key_of(j->seed, KEY_TRIAL, i, 0);
    }
    const rollout_wish wish = {.policy = policy,
                               .prompts = chosen,
                               .seeds = seeds,
                               .n = n,
                               .max_tokens = max_tokens,
                               .temperature = 1};
    return rollouts_draw(out, j, &wish, err);
}
