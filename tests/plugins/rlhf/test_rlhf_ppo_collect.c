/* PPO's episodes: what is drawn, what it is worth, and how far it is from the reference and from
 * who drew it. What is learnt from them: test_rlhf_ppo_learn.c. */
#include "formats/gguf_write.h"
#include "formats/source.h"
#include "ppo_fixture.h"

#include <math.h>
#include <unistd.h>

/* ---- what an episode holds ---- */

static void expect_equal_at_first(const char *method_json)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts(method_json);
    mock_host_must_run(m, &spec);
    EXPECT_EQ(mock_host_last_step(m), 3);
    EXPECT(mock_host_metric(m, 1, "kl") == 0);
    EXPECT(mock_host_metric(m, 1, "kl_k3") == 0);
    EXPECT(mock_host_metric(m, 2, "kl") != 0);
    for (uint64_t i = 1; i <= 3; i++) /* sum_t r_t = r - beta KL */
        EXPECT_NEAR(mock_host_metric(m, i, "reward"),
                    mock_host_metric(m, i, "rm_score") - 0.02 * mock_host_metric(m, i, "kl"), 1e-6);
    mock_host_free(m);
    forget();
}

TEST(at_first_the_policy_is_the_reference_to_the_last_bit)
{
    expect_equal_at_first(HTTP(FAST SIZES(24, 8, 8)));
    expect_equal_at_first(HTTP(BF16 FAST SIZES(24, 8, 8)));
}

TEST(an_f32_sampler_agrees_with_the_trainer_and_needs_no_weights)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts(HTTP(FAST SIZES(32, 16, 8)));
    mock_host_must_run(m, &spec);
    for (uint64_t i = 1; i <= 2; i++) {
        EXPECT(mock_host_metric(m, i, "sampler_mismatch") < 1e-4);
        EXPECT(mock_host_metric(m, i, "sampler_mismatch_max") < 1e-3);
        EXPECT(mock_host_metric(m, i, "is_weight_mean") == 1);
    }
    mock_host_free(m);
}

TEST(a_quantised_sampler_shows_in_the_mismatch_and_gets_weights)
{
    mock_host *m =
        host_with_prompts_of(&(mock_options){.dir = test_dir(), .sampler = ENG_SERVE_Q8_0});
    const mock_job spec = prompts(HTTP(FAST SIZES(16, 16, 16)));
    mock_host_must_run(m, &spec);
    EXPECT(mock_host_metric(m, 1, "sampler_mismatch") > 1e-5);
    double weight = mock_host_metric(m, 1, "is_weight_mean");
    EXPECT(weight != 1);
    EXPECT_NEAR(weight, 1, 0.1);
    /* The old log-probs are the trainer's own all the same. */
    EXPECT(mock_host_metric(m, 1, "ratio_mean") == 1);
    EXPECT(mock_host_metric(m, 1, "kl") == 0);
    mock_host_free(m);
}

/* The sampler is f32 here, the trainer is not. */
TEST(a_job_in_bf16_sees_its_rounding_in_the_mismatch_and_weighs_for_it)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts(HTTP(BF16 FAST SIZES(16, 16, 16)));
    mock_host_must_run(m, &spec);
    EXPECT(mock_host_metric(m, 1, "sampler_mismatch") > 1e-5);
    EXPECT(mock_host_metric(m, 1, "is_weight_mean") != 1);
    EXPECT_NEAR(mock_host_metric(m, 1, "is_weight_mean"), 1, 0.1);
    mock_host_free(m);
}

TEST(temperature_is_in_every_pass_alike)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts(HTTP(FAST "\"temperature\":0.7," SIZES(32, 16, 16)));
    mock_host_must_run(m, &spec);
    EXPECT(mock_host_metric(m, 1, "kl") == 0);
    for (uint64_t i = 1; i <= 2; i++) {
        EXPECT(mock_host_metric(m, i, "ratio_mean") == 1);
        EXPECT(mock_host_metric(m, i, "sampler_mismatch") < 1e-4);
    }
    mock_host_free(m);
}

TEST(a_missing_end_costs_its_penalty)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts(HTTP("\"missing_eos_penalty\":3," SIZES(64, 64, 64)));
    mock_host_must_run(m, &spec);
    double cut = 1 - mock_host_metric(m, 1, "eos_rate");
    EXPECT(cut > 0.5); /* six tokens of 259: an end is rare */
    EXPECT_NEAR(mock_host_metric(m, 1, "reward"), mock_host_metric(m, 1, "rm_score") - 3 * cut,
                1e-5);
    mock_host_free(m);
}

/* The same weights with rows for adjacent rotary pairs, as GGUF has them. */
static const char *as_gguf(const char *dir, const char *name)
{
    eng_source *src;
    eng_error err;
    EXPECT_OK(eng__source_open(&src, dir, &err), err);
    EXPECT_OK(eng_gguf_write(src, in_dir(name), NULL, &err), err);
    eng__source_close(src);
    return in_dir(name);
}

TEST(reference_and_current_policy_may_have_another_layout)
{
    mock_host *m = host_with_prompts(NULL);
    mock_host_policy(m, "pairs", as_gguf(in_dir("base"), "base.gguf"));
    mock_job spec = prompts("{\"reward_model\":\"judge\",\"reference\":\"pairs\","
                            "\"hyperparameters\":{\"learning_rate\":0," SIZES(16, 16, 16) "}}");
    spec.publish_json = "{\"alias\":\"pairs\"}";
    mock_host_must_run(m, &spec);
    EXPECT_NEAR(mock_host_metric(m, 1, "kl"), 0, 1e-4);
    const mock_publish *p = mock_host_publish(m, 0);
    EXPECT_NEAR(mock_publish_measured(p, "kl_ref"), 0, 1e-4);
    EXPECT_NEAR(mock_publish_measured(p, "lm_loss_rise"), 0, 1e-5);
    EXPECT_NEAR(mock_publish_measured(p, "rm_delta"), 0, 1e-4);
    mock_host_free(m);
}

/* ---- rollouts that lag ---- */

TEST(stale_rollouts_are_the_old_weights_and_get_importance_weights)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts(HTTP(FAST LAG SIZES(40, 8, 8)));
    mock_host_must_run(m, &spec);
    EXPECT_EQ(mock_host_last_step(m), 5);
    for (uint64_t i = 1; i <= 5; i++) {
        EXPECT(mock_host_metric(m, i, "staleness") == (i > 1));
        /* The ratio is to the weights that the iteration began with, whoever drew. */
        EXPECT(mock_host_metric(m, i, "ratio_mean") == 1);
        EXPECT(mock_host_metric(m, i, "approx_kl") == 0);
    }
    EXPECT(mock_host_metric(m, 1, "is_weight_mean") == 1);
    EXPECT(mock_host_metric(m, 1, "sampler_mismatch") < 1e-4);
    for (uint64_t i = 2; i <= 5; i++) { /* one update lies between */
        EXPECT(mock_host_metric(m, i, "is_weight_mean") != 1);
        EXPECT_NEAR(mock_host_metric(m, i, "is_weight_mean"), 1, 0.1);
        EXPECT(mock_host_metric(m, i, "sampler_mismatch") > 1e-3);
    }
    EXPECT_EQ(mock_host_samplers(m), 0);
    mock_host_free(m);
}

/* Weights that never move make stale rollouts fresh ones. */
TEST(what_is_drawn_depends_on_the_iteration_and_the_weights_alone)
{
    static const char *const numbers[] = {
        HTTP("\"learning_rate\":0,\"value_learning_rate\":0," SIZES(24, 8, 8)),
        HTTP("\"learning_rate\":0,\"value_learning_rate\":0," LAG SIZES(24, 8, 8))};
    static const char *const names[] = {"rm_score", "kl", "response_tokens", "eos_rate", "entropy"};
    double seen[2][3][5];
    for (int lag = 0; lag < 2; lag++) {
        mock_host *m = host_with_prompts(NULL);
        const mock_job spec = prompts(numbers[lag]);
        mock_host_must_run(m, &spec);
        for (uint64_t i = 0; i < 3; i++)
            for (int k = 0; k < 5; k++)
                seen[lag][i][k] = mock_host_metric(m, i + 1, names[k]);
        mock_host_free(m);
        forget();
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 5; k++)
            EXPECT(seen[1][i][k] == seen[0][i][k]);
}

TEST(a_host_that_cannot_draw_beside_a_job_is_told_before_it_starts)
{
    mock_host *m = host_with_prompts(NULL);
    char param[64], err[512];
    instructd_host *table = (instructd_host *)(uintptr_t)mock_host_table(m);
    table->size = offsetof(instructd_host, generate_begin);
    mock_job spec = prompts(HTTP(FAST LAG SIZES(16, 8, 8)));
    EXPECT_EQ(mock_host_run(m, &spec, param, err), INSTRUCTD_E_UNSUPPORTED);
    EXPECT_STR(param, "max_staleness");
    spec.method_json = HTTP(FAST SIZES(16, 8, 8));
    mock_host_must_run(m, &spec);
    mock_host_free(m);
}

/* The weights that drew the second iteration's episodes are gone when it is left before its first
 * update. */
TEST(a_checkpoint_keeps_the_rollouts_that_wait)
{
    char whole[INSTRUCTD_POLICY_ID_BYTES], param[64], err[512];
    mock_job spec = prompts(WHOLE_OF(LAG));
    run_alone(&spec, NULL, whole);
    mock_host *m = host_with_prompts(NULL);
    int code = INSTRUCTD_E_STOPPED;
    for (uint64_t poll = 1; access(in_dir("job/step-000000000001"), F_OK) != 0; poll++) {
        EXPECT_EQ(code, INSTRUCTD_E_STOPPED);
        mock_host_stop_at_poll(m, poll);
        code = mock_host_run(m, &spec, param, err);
    }
    EXPECT_EQ(code, INSTRUCTD_E_STOPPED);
    EXPECT(access(in_dir("job/step-000000000001/rollouts.bin"), F_OK) == 0);
    mock_host_stop_at_poll(m, 0);
    spec.resumed = true;
    mock_host_must_run(m, &spec);
    EXPECT_STR(mock_host_publish(m, 0)->id, whole);
    mock_host_free(m);
}

/* ---- rewards that do not come ---- */

/* A job whose rewards come from there (NULL: from nowhere) ends with this code and leaves nothing.
 */
static void expect_failure(mock_score *rewards, int code, const char *says)
{
    mock_host *m = host_with_prompts(NULL);
    char param[64], err[512];
    mock_host_endpoint(m, rewards, NULL);
    const mock_job spec = prompts(HTTP(SIZES(16, 16, 16)));
    EXPECT_EQ(mock_host_run(m, &spec, param, err), code);
    if (!strstr(err, says))
        FAIL("the error is \"%s\", expected \"%s\"", err, says);
    EXPECT_EQ(mock_host_samplers(m), 0);
    EXPECT_EQ(mock_host_publishes(m), 0);
    mock_host_free(m);
}

TEST(an_endpoint_that_is_away_fails_the_job_and_no_sampler_is_left)
{
    expect_failure(NULL, INSTRUCTD_E_NOT_FOUND, "no such endpoint");
}

static double not_a_number(void *ctx, const char *prompt, const char *completion)
{
    (void)ctx, (void)prompt, (void)completion;
    return (double)NAN;
}

TEST(a_reward_that_is_no_number_fails_the_job)
{
    expect_failure(not_a_number, INSTRUCTD_E_NOT_FINITE, "");
}
