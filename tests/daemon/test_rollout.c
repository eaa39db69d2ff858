/* Rollouts: what a job gets drawn, and that nothing but the request decides it. */
#include "harness.h"
#include "host/rollout.h"
#include "model_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONTEXT = 128, MAX_TOKENS = 24, V = TEST_N_VOCAB };

static policy_registry *registry;
static rollout_source *source;

static void load(const char *alias, const test_model_spec *spec)
{
    const eng_model_options options = {.n_threads = 1};
    char path[512];
    eng_error err;
    snprintf(path, sizeof path, "%s/%s.gguf", test_dir(), alias);
    test_write_gguf(path, spec);
    EXPECT_OK(policy_registry_load(registry, alias, path, &options, &err), err);
}

static spare_time spare;

static void open_all(void)
{
    const sched_options options = {
        .runtime = {.n_threads = 2, .kv_bytes = (size_t)4 << 20, .kv_f32 = true},
        .max_running = 8,
        .prefill_budget = 64,
        .max_queued = 128,
        .spare = &spare};
    registry = policy_registry_create();
    load("small", &(test_model_spec){.ctx = CONTEXT, .seed = 3});
    load("wide", &(test_model_spec){.ctx = CONTEXT, .seed = 4, .ff = 192});
    source = rollout_source_create(registry, &options);
    EXPECT(source != NULL);
}

static void close_all(void)
{
    rollout_source_free(source);
    policy_registry_free(registry);
}

static const int32_t words[3][5] = {{10, 20, 30, 40, 50}, {60, 70, 80, 90, 100}, {5, 6, 7, 8, 9}};

static instructd_rollout_prompt prompt(uint32_t which, uint32_t n_samples, uint32_t first_choice)
{
    return (instructd_rollout_prompt){.tokens = words[which],
                                      .n_tokens = 5,
                                      .n_samples = n_samples,
                                      .first_choice = first_choice,
                                      .seed = 7 + which};
}

static instructd_rollout_request request(const char *of, const instructd_rollout_prompt *prompts,
                                         uint32_t n)
{
    return (instructd_rollout_request){.size = sizeof(instructd_rollout_request),
                                       .n_prompts = n,
                                       .prompts = prompts,
                                       .policy = of,
                                       .max_tokens = MAX_TOKENS,
                                       .temperature = 0.7f};
}

static const instructd_rollouts *draw(const instructd_rollout_request *q)
{
    const instructd_rollouts *out = NULL;
    char err[INSTRUCTD_ERROR_BYTES] = "";
    if (rollout_generate(source, q, NULL, NULL, &out, err) != INSTRUCTD_OK)
        FAIL("%s", err);
    return out;
}

static void expect_same(const instructd_rollout *a, const instructd_rollout *b)
{
    EXPECT_EQ(a->n_tokens, b->n_tokens);
    EXPECT_EQ(a->ended, b->ended);
    EXPECT_MEM(a->tokens, b->tokens, a->n_tokens * sizeof *a->tokens);
    EXPECT_MEM(a->logprobs, b->logprobs, a->n_tokens * sizeof *a->logprobs);
}

static void expect_refusal(const instructd_rollout_request *q, int code, const char *why)
{
    const instructd_rollouts *out = NULL;
    char err[INSTRUCTD_ERROR_BYTES] = "";
    EXPECT_EQ(rollout_generate(source, q, NULL, NULL, &out, err), code);
    EXPECT(!out);
    if (!strstr(err, why))
        FAIL("refused with \"%s\", expected \"%s\"", err, why);
}

/* ---- what is drawn ----------------------------------------------------------------------------
 */

TEST(results_come_in_order_of_prompt_and_sample_and_name_their_policy)
{
    open_all();
    const instructd_rollout_prompt prompts[] = {prompt(0, 2, 0), prompt(1, 3, 0)};
    const instructd_rollout_request q = request("small", prompts, 2);
    const instructd_rollouts *r = draw(&q);
    static const uint32_t want[5][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 2}};
    EXPECT_EQ(r->n, 5);
    for (uint32_t i = 0; i < r->n; i++) {
        EXPECT_EQ(r->rollouts[i].prompt, want[i][0]);
        EXPECT_EQ(r->rollouts[i].sample, want[i][1]);
        EXPECT(r->rollouts[i].n_tokens >= 1 && r->rollouts[i].n_tokens <= MAX_TOKENS);
        EXPECT(strncmp(r->rollouts[i].policy, "pol_", 4) == 0);
    }
    rollout_free(r);
    close_all();
}

TEST(company_and_order_change_neither_tokens_nor_logprobs)
{
    open_all();
    const instructd_rollout_prompt all[] = {prompt(0, 3, 0), prompt(1, 4, 0), prompt(2, 2, 0)};
    const instructd_rollout_request together = request("small", all, 3),
                                    alone = request("small", &all[1], 1);
    const instructd_rollouts *a = draw(&together), *b = draw(&alone);
    for (uint32_t i = 0; i < 4; i++)
        expect_same(&a->rollouts[3 + i], &b->rollouts[i]);
    rollout_free(a);
    rollout_free(b);
    close_all();
}

TEST(samples_are_numbered_from_first_choice)
{
    open_all();
    const instructd_rollout_prompt whole = prompt(0, 4, 0), rest = prompt(0, 2, 2);
    const instructd_rollout_request q = request("small", &whole, 1),
                                    q2 = request("small", &rest, 1);
    const instructd_rollouts *a = draw(&q), *b = draw(&q2);
    expect_same(&a->rollouts[2], &b->rollouts[0]);
    expect_same(&a->rollouts[3], &b->rollouts[1]);
    rollout_free(a);
    rollout_free(b);
    close_all();
}

TEST(a_rollout_has_ended_exactly_if_its_last_token_ends_answers)
{
    open_all();
    policy *p;
    char label[96];
    EXPECT_EQ(policy_resolve(registry, "small", &p, label), POLICY_FOUND);
    const eng_tokenizer *tok = eng_model_tokenizer(policy_model(p));
    const instructd_rollout_prompt prompts[] = {prompt(0, 100, 0), prompt(1, 100, 0)};
    instructd_rollout_request q = request("small", prompts, 2);
    q.max_tokens = 60;
    q.temperature = 2;
    const instructd_rollouts *r = draw(&q);
    uint32_t n_ended = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        const instructd_rollout *o = &r->rollouts[i];
        for (uint32_t t = 0; t + 1 < o->n_tokens; t++)
            EXPECT(!eng_token_is_end(tok, o->tokens[t]));
        EXPECT_EQ(eng_token_is_end(tok, o->tokens[o->n_tokens - 1]), o->ended != 0);
        EXPECT(o->ended || o->n_tokens == 60);
        n_ended += o->ended;
    }
    EXPECT(n_ended > 0 && n_ended < r->n); /* both kinds were seen */
    rollout_free(r);
    policy_unref(p);
    close_all();
}

/* The rows' logits once more, by a runtime of the test's own; softmax in double. */
TEST(logprobs_are_of_the_tempered_distribution)
{
    open_all();
    policy *p;
    char label[96];
    eng_runtime *rt;
    eng_error err;
    const instructd_rollout_prompt one = prompt(2, 1, 0);
    const instructd_rollout_request q = request("small", &one, 1);
    const instructd_rollouts *r = draw(&q);
    const instructd_rollout *o = &r->rollouts[0];
    EXPECT_EQ(policy_resolve(registry, "small", &p, label), POLICY_FOUND);
    eng_model *model = policy_model(p);
    const eng_runtime_options options = {.n_threads = 1,
                                         .max_rows = CONTEXT,
                                         .max_seqs = 1,
                                         .kv_bytes = (size_t)4 << 20,
                                         .kv_f32 = true};
    EXPECT_OK(eng_runtime_create(&rt, model, &options, &err), err);
    eng_seq *seq = eng_seq_create(rt, model);
    int32_t tokens[CONTEXT];
    static float logits[MAX_TOKENS][V];
    static eng_output outputs[MAX_TOKENS];
    memcpy(tokens, words[2], sizeof words[2]);
    memcpy(tokens + 5, o->tokens, o->n_tokens * sizeof *tokens);
    EXPECT(eng_seq_reserve(rt, seq, 4 + o->n_tokens));
    eng_step_begin(rt, model);
    eng_step_add(rt, seq, tokens, 4 + o->n_tokens);
    for (uint32_t i = 0; i < o->n_tokens; i++) {
        outputs[i] = (eng_output){.target = -1, .logits = logits[i]};
        eng_step_want(rt, 4 + i, &outputs[i]);
    }
    eng_step_run(rt);
    for (uint32_t i = 0; i < o->n_tokens; i++) {
        double sum = 0;
        for (int v = 0; v < V; v++)
            sum += exp((double)logits[i][v] / (double)q.temperature);
        EXPECT_NEAR(o->logprobs[i],
                    (double)logits[i][o->tokens[i]] / (double)q.temperature - log(sum), 1e-5);
    }
    eng_seq_free(rt, seq);
    eng_runtime_free(rt);
    policy_unref(p);
    rollout_free(r);
    close_all();
}

TEST(more_prompts_than_the_queue_holds_are_fed_as_others_end)
{
    enum { MANY = 300 };
    open_all();
    static instructd_rollout_prompt prompts[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        prompts[i] = prompt(i % 3, 1, 0);
        prompts[i].seed = i;
    }
    instructd_rollout_request q = request("small", prompts, MANY);
    q.max_tokens = 2;
    const instructd_rollouts *r = draw(&q);
    EXPECT_EQ(r->n, MANY);
    for (uint32_t i = 0; i < MANY; i++)
        EXPECT(r->rollouts[i].tokens != NULL && r->rollouts[i].prompt == i);
    rollout_free(r);
    close_all();
}

TEST(a_policy_of_another_shape_gets_a_scheduler_of_its_shape)
{
    open_all();
    const instructd_rollout_prompt one = prompt(0, 2, 0);
    const instructd_rollout_request small = request("small", &one, 1),
                                    wide = request("wide", &one, 1);
    const instructd_rollouts *a = draw(&small), *b = draw(&wide), *c = draw(&small);
    EXPECT_EQ(b->n, 2);
    expect_same(&a->rollouts[1], &c->rollouts[1]);
    rollout_free(a);
    rollout_free(b);
    rollout_free(c);
    close_all();
}

/* ---- refusals and stopping --------------------------------------------------------------------
 */

TEST(what_cannot_be_drawn_is_refused_by_name)
{
    open_all();
    instructd_rollout_prompt p = prompt(0, 1, 0);
    instructd_rollout_request q = request("pol_0123456789abcdef", &p, 1);
    expect_refusal(&q, INSTRUCTD_E_NOT_FOUND, "pol_0123456789abcdef");
    q = request("small", &p, 1);
    q.temperature = 0;
    expect_refusal(&q, INSTRUCTD_E_INVALID, "temperature");
    q = request("small", &p, 1);
    q.max_tokens = CONTEXT;
    expect_refusal(&q, INSTRUCTD_E_INVALID, "n_tokens + max_tokens 133");
    q = request("small", &p, 1);
    p.n_samples = 129;
    expect_refusal(&q, INSTRUCTD_E_INVALID, "n_samples 129");
    const int32_t outside[] = {1, V};
    p = (instructd_rollout_prompt){.tokens = outside, .n_tokens = 2, .n_samples = 1};
    expect_refusal(&q, INSTRUCTD_E_INVALID, "token id 288");
    close_all();
}

/* A scheduler that has nothing to do sleeps; until then it may still be on its way there. */
static void wait_until_nobody_wants(void)
{
    while (atomic_load(&spare.wanting))
        usleep(1000);
}

static bool sees_wanting(void *arg)
{
    *(bool *)arg |= atomic_load(&spare.wanting) > 0;
    return false;
}

TEST(spare_time_is_wanted_while_there_is_something_to_draw)
{
    open_all();
    const instructd_rollout_prompt one = prompt(0, 128, 0);
    instructd_rollout_request q = request("small", &one, 1);
    q.max_tokens = 100;
    const instructd_rollouts *r;
    char err[INSTRUCTD_ERROR_BYTES];
    bool seen = false;
    EXPECT_EQ(rollout_generate(source, &q, sees_wanting, &seen, &r, err), INSTRUCTD_OK);
    EXPECT(seen);
    wait_until_nobody_wants();
    rollout_free(r);
    close_all();
    EXPECT_EQ(atomic_load(&spare.wanting), 0);
}

static bool after_some(void *arg)
{
    return --*(int *)arg < 0;
}

TEST(a_stopped_call_cancels_and_the_next_one_is_whole)
{
    open_all();
    const instructd_rollout_prompt prompts[] = {prompt(0, 128, 0), prompt(1, 128, 0)};
    instructd_rollout_request q = request("small", prompts, 2);
    q.max_tokens = 100;
    const instructd_rollouts *out = NULL;
    char err[INSTRUCTD_ERROR_BYTES];
    int asks = 0;
    EXPECT_EQ(rollout_generate(source, &q, after_some, &asks, &out, err), INSTRUCTD_E_STOPPED);
    EXPECT(!out);
    const instructd_rollout_request again = request("small", prompts, 1);
    const instructd_rollouts *r = draw(&again);
    EXPECT_EQ(r->n, 128);
    for (uint32_t i = 0; i < r->n; i++)
        EXPECT(r->rollouts[i].tokens != NULL);
    rollout_free(r);
    close_all();
}

/* ---- in two halves ----------------------------------------------------------------------------
 */

static void begin(const instructd_rollout_request *q)
{
    char err[INSTRUCTD_ERROR_BYTES] = "";
    if (rollout_begin(source, q, err) != INSTRUCTD_OK)
        FAIL("%s", err);
}

static const instructd_rollouts *wait_for_all(void)
{
    const instructd_rollouts *out = NULL;
    char err[INSTRUCTD_ERROR_BYTES] = "";
    if (rollout_wait(source, NULL, NULL, &out, err) != INSTRUCTD_OK)
        FAIL("%s", err);
    return out;
}

/* More prompts than the scheduler is sent at a time; what the caller asked with is gone by then. */
TEST(what_is_begun_and_waited_for_is_what_generate_gives)
{
    enum { N = 100 };
    open_all();
    instructd_rollout_prompt prompts[N];
    for (uint32_t i = 0; i < N; i++)
        prompts[i] = prompt(i % 3, 1, i);
    instructd_rollout_request q = request("small", prompts, N);
    const instructd_rollouts *whole = draw(&q);
    begin(&q);
    memset(prompts, 0, sizeof prompts);
    while (!rollout_pump(source))
        usleep(1000);
    const instructd_rollouts *halves = wait_for_all();
    EXPECT_EQ(halves->n, N);
    for (uint32_t i = 0; i < N; i++) {
        EXPECT_EQ(halves->rollouts[i].prompt, i);
        expect_same(&halves->rollouts[i], &whole->rollouts[i]);
    }
    rollout_free(halves);
    rollout_free(whole);
    close_all();
}

TEST(one_request_is_under_way_at_a_time)
{
    open_all();
    const instructd_rollout_prompt one = prompt(0, 4, 0);
    const instructd_rollout_request q = request("small", &one, 1);
    const instructd_rollouts *out = NULL;
    char err[INSTRUCTD_ERROR_BYTES];
    EXPECT(rollout_pump(source)); /* nothing is begun, so nothing is left */
    EXPECT_EQ(rollout_wait(source, NULL, NULL, &out, err), INSTRUCTD_E_INVALID);
    EXPECT_STR(err, "rollouts: nothing was begun");
    begin(&q);
    EXPECT_EQ(rollout_begin(source, &q, err), INSTRUCTD_E_INVALID);
    expect_refusal(&q, INSTRUCTD_E_INVALID, "another one under way");
    rollout_free(wait_for_all());
    rollout_free(draw(&q));
    close_all();
}

TEST(a_refused_request_is_not_under_way)
{
    open_all();
    instructd_rollout_prompt one = prompt(0, 4, 0);
    const instructd_rollout_request q = request("small", &one, 1);
    char err[INSTRUCTD_ERROR_BYTES];
    one.n_samples = 0;
    EXPECT_EQ(rollout_begin(source, &q, err), INSTRUCTD_E_INVALID);
    one.n_samples = 4;
    rollout_free(draw(&q));
    close_all();
}

TEST(what_is_cancelled_leaves_room_for_the_next)
{
    open_all();
    const instructd_rollout_prompt prompts[] = {prompt(0, 128, 0), prompt(1, 128, 0)};
    instructd_rollout_request q = request("small", prompts, 2);
    q.max_tokens = 100;
    rollout_cancel(source); /* nothing */
    begin(&q);
    rollout_cancel(source);
    const instructd_rollout_request again = request("small", prompts, 1);
    const instructd_rollouts *r = draw(&again);
    EXPECT_EQ(r->n, 128);
    rollout_free(r);
    begin(&q);
    close_all(); /* with one under way */
}
