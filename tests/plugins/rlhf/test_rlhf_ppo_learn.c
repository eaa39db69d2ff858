/* Learning from PPO's episodes: ratios of exactly 1, the same bits after every interruption,
 * publishes on the way. What it learns is shown by test_rlhf_science.c. */
#include "count_forwards.h"
#include "parallel_threads.h"
#include "ppo_fixture.h"
#include "rlhf/checkpoint.h"
#include "train/net.h"
#include "train/train.h"

#include <math.h>
#include <stdlib.h>

/* ---- ratios ---- */

static void expect_first_ratios_of_1(const char *method_json)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts(method_json);
    mock_host_must_run(m, &spec);
    for (uint64_t i = 1; i <= 5; i++) { /* one minibatch an iteration */
        EXPECT(mock_host_metric(m, i, "ratio_mean") == 1);
        EXPECT(mock_host_metric(m, i, "approx_kl") == 0);
        EXPECT(mock_host_metric(m, i, "clip_frac") == 0);
        EXPECT(mock_host_metric(m, i, "staleness") == 0);
    }
    mock_host_free(m);
    forget();
}

TEST(the_first_minibatch_after_each_rollout_has_ratio_1_exactly)
{
    expect_first_ratios_of_1(HTTP(FAST SIZES(40, 8, 8)));
    expect_first_ratios_of_1(HTTP(BF16 FAST SIZES(40, 8, 8)));
    expect_first_ratios_of_1(HTTP(FAST SIZES(800, 160, 160))); /* several micro-batches */
    expect_first_ratios_of_1(HTTP(BF16 FAST SIZES(800, 160, 160)));
}

TEST(later_minibatches_and_epochs_move_away_from_1)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts(HTTP(FAST "\"ppo_epochs\":2," SIZES(16, 16, 4)));
    mock_host_must_run(m, &spec);
    EXPECT(mock_host_metric(m, 1, "approx_kl") > 0);
    EXPECT(!mock_host_had_event(m, "not exactly 1"));
    mock_host_free(m);
}

/* Without any publish, since a gate looks too. */
static uint64_t forwards_of_job(const char *method_json)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts(method_json);
    forwards.packs = 0;
    mock_host_must_run(m, &spec);
    mock_host_free(m);
    forget();
    return forwards.packs;
}

/* Old, reference and value pass, then both networks learn: 5 a micro-batch, but that the policy's
 * first forward of an iteration is the last of its old pass. */
TEST(the_old_pass_of_what_is_learnt_first_is_its_forward_too)
{
    const uint64_t one = forwards_of_job(HTTP(FAST SIZES(8, 8, 4)));
    const uint64_t two = forwards_of_job(HTTP(FAST SIZES(16, 8, 4)));
    const uint64_t epochs = forwards_of_job(HTTP(FAST "\"ppo_epochs\":2," SIZES(8, 8, 4)));
    EXPECT_EQ(two - one, 2 * 5 - 1);
    EXPECT_EQ(epochs - one, 2 * 2);
}

TEST(every_second_of_an_iteration_belongs_to_a_part)
{
    static const char *const collect[] = {"sampler_seconds", "rollout_seconds",   "score_seconds",
                                          "old_seconds",     "reference_seconds", "value_seconds"},
                             *const learn[] = {"policy_learn_seconds", "value_learn_seconds",
                                               "ptx_seconds", "step_seconds"};
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts("{\"reward_model\":\"judge\",\"pretrain\":\"file-text\","
                                  "\"hyperparameters\":{\"ptx_ratio\":1," SIZES(16, 8, 4) "}}");
    mock_host_must_run(m, &spec);
    double before = 0, after = 0;
    for (size_t i = 0; i < sizeof collect / sizeof *collect; i++)
        before += mock_host_metric(m, 2, collect[i]);
    for (size_t i = 0; i < sizeof learn / sizeof *learn; i++) {
        EXPECT(mock_host_metric(m, 2, learn[i]) > 0);
        after += mock_host_metric(m, 2, learn[i]);
    }
    EXPECT_NEAR(mock_host_metric(m, 2, "collect_seconds"), before, 1e-9 + 1e-9 * before);
    EXPECT_NEAR(mock_host_metric(m, 2, "learn_seconds"), after, 1e-9 + 1e-9 * after);
    mock_host_free(m);
}

/* ---- nothing moves where nothing should ---- */

static char *weights_of(const char *dir, size_t *n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    return test_read_file(path, n);
}

static void expect_base(const mock_publish *p)
{
    size_t n, k;
    char *before = weights_of(in_dir("base"), &n), *after = weights_of(p->path, &k);
    EXPECT_EQ(k, n);
    EXPECT_MEM(after, before, n);
    free(before);
    free(after);
}

TEST(learning_rate_0_leaves_weights_and_average_bitwise)
{
    mock_host *m = host_with_prompts(NULL);
    mock_job spec = prompts(HTTP("\"learning_rate\":0,\"value_learning_rate\":0," SIZES(24, 8, 4)));
    mock_host_policy(m, "instruct", in_dir("base"));
    spec.publish_json = "{\"alias\":\"instruct\",\"weights\":\"ema\"}";
    mock_host_must_run(m, &spec);
    expect_base(mock_host_publish(m, 0));
    spec.publish_json = "{\"alias\":\"instruct\",\"weights\":\"raw\"}";
    mock_host_must_run(m, &spec);
    expect_base(mock_host_publish(m, 1));
    EXPECT(mock_publish_measured(mock_host_publish(m, 0), "kl_ref") == 0);
    EXPECT(mock_publish_measured(mock_host_publish(m, 0), "rm_delta") == 0);
    EXPECT(mock_publish_measured(mock_host_publish(m, 0), "lm_loss_rise") == 0);
    mock_host_free(m);
}

TEST(the_published_average_is_not_the_raw_weights)
{
    char ema[INSTRUCTD_POLICY_ID_BYTES], raw[INSTRUCTD_POLICY_ID_BYTES];
    mock_host *m = host_with_prompts(NULL);
    mock_job spec = prompts(HTTP(FAST SIZES(16, 8, 4)));
    mock_host_policy(m, "instruct", in_dir("base"));
    spec.publish_json = "{\"alias\":\"instruct\",\"weights\":\"ema\"}";
    mock_host_must_run(m, &spec);
    strcpy(ema, mock_host_publish(m, 0)->id);
    spec.publish_json = "{\"alias\":\"instruct\",\"weights\":\"raw\"}";
    mock_host_must_run(m, &spec);
    strcpy(raw, mock_host_publish(m, 1)->id);
    EXPECT(strcmp(ema, raw) != 0);
    mock_host_free(m);
}

TEST(gamma_0_is_plain_ppo_bitwise)
{
    char plain[INSTRUCTD_POLICY_ID_BYTES], zero[INSTRUCTD_POLICY_ID_BYTES],
        ptx[INSTRUCTD_POLICY_ID_BYTES];
    mock_job spec = prompts(HTTP(FAST SIZES(16, 8, 4)));
    run_alone(&spec, NULL, plain);
    spec.method_json = "{\"reward_model\":\"http:letters\",\"pretrain\":\"file-text\","
                       "\"hyperparameters\":{\"ptx_coef\":0," FAST SIZES(16, 8, 4) "}}";
    run_alone(&spec, NULL, zero);
    EXPECT_STR(zero, plain);
    spec.method_json = "{\"reward_model\":\"http:letters\",\"pretrain\":\"file-text\","
                       "\"hyperparameters\":{" FAST SIZES(16, 8, 4) "}}";
    run_alone(&spec, NULL, ptx);
    EXPECT(strcmp(ptx, plain) != 0);
}

TEST(ptx_tells_its_loss_and_its_stage)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts("{\"reward_model\":\"judge\",\"pretrain\":\"file-text\","
                                  "\"hyperparameters\":{" FAST SIZES(80, 8, 4) "}}");
    mock_host_must_run(m, &spec);
    EXPECT_NEAR(mock_host_metric(m, 1, "ptx_loss"), log(259), 0.4);
    EXPECT(mock_host_metric(m, 10, "ptx_loss") < mock_host_metric(m, 1, "ptx_loss") - 0.5);
    const mock_publish *p = mock_host_publish(m, 0);
    EXPECT_STR(p->stage, "ppo-ptx");
    EXPECT_NEAR(p->ptx_coef, 27.8, 0);
    EXPECT_NEAR(p->kl_coef, 0.02, 0);
    EXPECT(strncmp(p->reward_model, "pol_", 4) == 0);
    mock_host_free(m);
}

/* ---- networks ---- */

/* A tensor of a checkpoint after one paused iteration. */
static void read_part(const char *file, const eng_net *shape, float *floats)
{
    eng_error err;
    const checkpoint_part part = {file, "", shape, floats};
    if (checkpoint_load_part(in_dir("job"), 1, &part, &err) != INSTRUCTD_OK)
        FAIL("%s", err.text);
}

static void run_one_iteration(mock_host *m, const mock_job *spec)
{
    char param[64], err[512];
    mock_host_pause_at_step(m, 1);
    int code = mock_host_run(m, spec, param, err);
    if (code != INSTRUCTD_E_STOPPED)
        FAIL("code %d: %s", code, err);
}

TEST(the_value_network_starts_as_the_reward_model)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts("{\"reward_model\":\"judge\",\"hyperparameters\":{"
                                  "\"value_learning_rate\":0," SIZES(16, 8, 8) "}}");
    eng_net *judge;
    eng_error err;
    run_one_iteration(m, &spec);
    EXPECT_OK(eng_net_open(&judge, in_dir("judge"), ENG_HEAD_SCORE, &err), err);
    size_t bytes = eng_net_n_floats(judge) * sizeof(float);
    float *value = malloc(bytes);
    read_part("value/model.safetensors", judge, value);
    EXPECT_MEM(value, eng_net_floats(judge), bytes);
    free(value);
    eng_net_free(judge);
    mock_host_free(m);
}

TEST(without_a_reward_model_of_ours_it_starts_as_the_policy_with_a_zero_head)
{
    mock_host *m = host_with_prompts(NULL);
    const mock_job spec = prompts(HTTP("\"value_learning_rate\":0," SIZES(16, 8, 8)));
    eng_net *base, *shape;
    eng_error err;
    run_one_iteration(m, &spec);
    EXPECT_OK(eng_net_open(&base, in_dir("base"), ENG_HEAD_LM, &err), err);
    EXPECT_OK(eng_net_clone(&shape, base, ENG_HEAD_SCORE, &err), err);
    read_part("value/model.safetensors", shape, eng_net_floats(shape));
    const eng_param *w = eng_net_find(shape, "score.weight"),
                    *e = eng_net_find(shape, "token_embd.weight"),
                    *f = eng_net_find(base, "token_embd.weight");
    for (uint32_t i = 0; i < w->cols; i++)
        EXPECT(w->data[i] == 0);
    EXPECT_MEM(e->data, f->data, (size_t)e->rows * e->cols * sizeof(float));
    eng_net_free(shape);
    eng_net_free(base);
    mock_host_free(m);
}

TEST(a_reward_model_of_another_shape_has_a_tape_of_its_own)
{
    mock_host *m = host_with_prompts(NULL);
    mock_host_policy(m, "gpt2-judge", make_model("gpt2-judge", "gpt2", true, 6));
    const mock_job spec =
        prompts("{\"reward_model\":\"gpt2-judge\",\"hyperparameters\":{" FAST SIZES(16, 8, 8) "}}");
    mock_host_must_run(m, &spec);
    EXPECT(isfinite(mock_host_metric(m, 2, "value_loss")));
    EXPECT(mock_host_metric(m, 2, "ratio_mean") == 1);
    mock_host_free(m);
}

/* ---- the same bits ---- */

static void expect_same_on_three_threads(const char *method_json)
{
    char a[INSTRUCTD_POLICY_ID_BYTES], b[INSTRUCTD_POLICY_ID_BYTES];
    const mock_job spec = prompts(method_json);
    run_alone(&spec, NULL, a);
    parallel_threads *three = parallel_threads_create(3);
    run_alone(&spec, parallel_threads_parallel(three), b);
    parallel_threads_free(three);
    EXPECT_STR(b, a);
}

TEST(a_rerun_is_bit_identical_on_any_number_of_threads)
{
    expect_same_on_three_threads(WHOLE);
}

TEST(so_is_one_that_computes_in_bf16)
{
    expect_same_on_three_threads(WHOLE_OF(BF16));
}

TEST(so_is_one_whose_rollouts_lag)
{
    expect_same_on_three_threads(WHOLE_OF(LAG));
}

/* Paused after two iterations, stopped at every seventh poll from there on, and begun again. */
static void expect_resumes(const char *method_json)
{
    char whole[INSTRUCTD_POLICY_ID_BYTES], param[64], err[512];
    const mock_job spec = prompts(method_json);
    run_alone(&spec, NULL, whole);
    mock_host *counted = host_with_prompts(NULL);
    mock_host_must_run(counted, &spec);
    uint64_t polls = mock_host_polls(counted);
    mock_host_free(counted);
    for (uint64_t poll = 1; poll < polls; poll += 7) {
        forget();
        mock_host *m = host_with_prompts(NULL);
        mock_job again = spec;
        mock_host_must_pause(m, &again, 2); /* a checkpoint to restart from */
        mock_host_stop_at_poll(m, poll);
        int code = mock_host_run(m, &again, param, err);
        EXPECT_EQ(mock_host_samplers(m), 0);
        mock_host_stop_at_poll(m, 0);
        if (code == INSTRUCTD_E_STOPPED)
            mock_host_must_run(m, &again);
        EXPECT_STR(mock_host_publish(m, mock_host_publishes(m) - 1)->id, whole);
        mock_host_free(m);
    }
}

TEST(a_job_stopped_anywhere_goes_on_bit_for_bit)
{
    expect_resumes(WHOLE);
}

TEST(so_does_one_that_computes_in_bf16)
{
    expect_resumes(WHOLE_OF(BF16));
}

TEST(so_does_one_whose_rollouts_lag)
{
    expect_resumes(WHOLE_OF(LAG));
}

/* An alias that moves meanwhile, as one does that the job itself publishes to, must not change what
 * the job is rewarded by or how far from what it may go. */
TEST(a_resumed_job_keeps_the_reference_and_reward_model_it_began_with)
{
    static const char *const METHOD = "{\"reference\":\"served\",\"reward_model\":\"critic\","
                                      "\"hyperparameters\":{" FAST SIZES(32, 8, 8) "}}";
    char whole[INSTRUCTD_POLICY_ID_BYTES] = "";
    for (int moved = 0; moved < 2; moved++) {
        mock_host *m = host_with_prompts(NULL);
        mock_job spec = prompts(METHOD);
        mock_host_policy(m, "served", in_dir("base"));
        const char *critic = mock_host_policy(m, "critic", in_dir("judge"));
        mock_host_must_pause(m, &spec, 2);
        if (moved) {
            mock_host_policy(m, "served", make_model("other", "llama", false, 11));
            mock_host_policy(m, "critic", make_model("other-judge", "llama", true, 12));
        }
        mock_host_must_run(m, &spec);
        const mock_publish *result = mock_host_publish(m, mock_host_publishes(m) - 1);
        EXPECT_STR(result->reward_model, critic);
        if (moved)
            EXPECT_STR(result->id, whole);
        strcpy(whole, result->id);
        mock_host_free(m);
        forget();
    }
}

/* ---- publishing on the way ---- */

TEST(every_n_iterations_the_alias_is_offered_the_average)
{
    mock_host *m = host_with_prompts(NULL);
    mock_job spec =
        prompts("{\"reward_model\":\"judge\",\"hyperparameters\":{" FAST SIZES(48, 8, 8) "}}");
    mock_host_policy(m, "instruct", in_dir("base"));
    spec.publish_json = "{\"alias\":\"instruct\",\"every\":2,\"weights\":\"ema\"}";
    mock_host_refuse(m, 1);
    mock_host_must_run(m, &spec);
    EXPECT_EQ(mock_host_publishes(m), 3); /* after 2 (refused), 4 and 6 */
    for (uint32_t i = 0; i < 3; i++) {
        const mock_publish *p = mock_host_publish(m, i);
        EXPECT_EQ(p->step, 2 * (i + 1));
        EXPECT_EQ(p->refused, i == 0);
        EXPECT_STR(p->alias, "instruct");
        EXPECT(isfinite(mock_publish_measured(p, "rm_delta")));
        EXPECT(isfinite(mock_publish_measured(p, "kl_ref")));
        EXPECT(isfinite(mock_publish_measured(p, "lm_loss_rise")));
    }
    EXPECT_EQ(mock_host_events(m, "the gate of the test"), 1); /* each is told once, by the host */
    EXPECT_EQ(mock_host_events(m, mock_host_publish(m, 1)->id), 1);
    EXPECT_EQ(mock_host_events(m, mock_host_publish(m, 2)->id), 1);
    /* What the gate looked at on the way is let go, what the job's names stand for is not. */
    EXPECT(!mock_host_needs(m, mock_host_publish(m, 1)->id));
    EXPECT(mock_host_needs(m, mock_host_publish(m, 0)->parent));
    EXPECT(mock_host_needs(m, mock_host_publish(m, 0)->reward_model));
    mock_host_free(m);
}

/* No refusal, but a disk that is full, say: the host tells nothing, so the job does. */
TEST(a_publish_that_fails_is_told_once_and_ends_nothing)
{
    mock_host *m = host_with_prompts(NULL);
    mock_job spec = prompts(HTTP(FAST SIZES(32, 8, 8)));
    mock_host_policy(m, "instruct", in_dir("base"));
    spec.publish_json = "{\"alias\":\"instruct\",\"every\":2}";
    mock_host_fail_publishes(m, 2, INSTRUCTD_E_IO); /* on the way, and at the end */
    mock_host_must_run(m, &spec);
    EXPECT_EQ(mock_host_publishes(m), 3);
    EXPECT_STR(mock_host_publish(m, 2)->alias, "");
    EXPECT_EQ(mock_host_events(m, "the gate of the test"), 2);
    EXPECT_EQ(mock_host_events(m, "step 2: instruct stays as it is: the gate of the test"), 1);
    EXPECT_EQ(mock_host_events(m, "step 4: instruct stays as it is: the gate of the test"), 1);
    mock_host_free(m);
}

TEST(a_pause_between_publishes_loses_none)
{
    char whole[INSTRUCTD_POLICY_ID_BYTES];
    mock_job spec = prompts(HTTP(FAST SIZES(32, 8, 8)));
    spec.publish_json = "{\"alias\":\"new-name\",\"every\":1}";
    run_alone(&spec, NULL, whole);
    mock_host *m = host_with_prompts(NULL);
    for (uint64_t step = 1; step <= 4; step++)
        mock_host_must_pause(m, &spec, step);
    mock_host_must_run(m, &spec);
    EXPECT_EQ(mock_host_publishes(m), 4);
    for (uint32_t i = 0; i < 4; i++)
        EXPECT_EQ(mock_host_publish(m, i)->step, i + 1);
    EXPECT_STR(mock_host_publish(m, 3)->id, whole);
    mock_host_free(m);
}

TEST(an_alias_of_other_tokens_is_not_compared_with)
{
    mock_host *m = host_with_prompts(NULL);
    mock_host_policy(m, "letters", make_letter_model("letters", false, 1, 32, 3));
    mock_job spec = prompts(HTTP("\"learning_rate\":0," SIZES(16, 16, 16)));
    spec.publish_json = "{\"alias\":\"letters\"}";
    mock_host_must_run(m, &spec);
    const mock_publish *p = mock_host_publish(m, 0);
    EXPECT(isnan(mock_publish_measured(p, "rm_delta")));
    EXPECT(isnan(mock_publish_measured(p, "lm_loss_rise")));
    EXPECT(mock_publish_measured(p, "kl_ref") == 0);
    mock_host_free(m);
}

/* Away once the 16 episodes are scored: for the gate. */
static double away_at_the_end(void *ctx, const char *prompt, const char *completion)
{
    unsigned *asked = ctx;
    (void)prompt, (void)completion;
    return ++*asked > 16 ? (double)NAN : 1;
}

TEST(a_result_that_cannot_be_measured_is_kept_without_a_name)
{
    mock_host *m = host_with_prompts(NULL);
    unsigned asked = 0;
    mock_host_endpoint(m, away_at_the_end, &asked);
    mock_job spec = prompts(HTTP(SIZES(16, 16, 16)));
    spec.publish_json = "{\"alias\":\"instruct\"}";
    mock_host_must_run(m, &spec);
    EXPECT(asked > 16);
    EXPECT_EQ(mock_host_publishes(m), 1);
    EXPECT_STR(mock_host_publish(m, 0)->alias, "");
    EXPECT(mock_host_had_event(m, "instruct stays as it is: the reward of completion 0 is"));
    mock_host_free(m);
}

/* ---- refusals ---- */

static void expect_refused(mock_host *m, const char *method_json, const char *param,
                           const char *why)
{
    char got[64], err[512];
    mock_job spec = prompts(method_json);
    EXPECT(mock_host_check(m, &spec, got, err) != INSTRUCTD_OK);
    EXPECT_STR(got, param);
    if (!strstr(err, why))
        FAIL("\"%s\", expected \"...%s...\"", err, why);
}

TEST(networks_of_other_tokens_are_refused)
{
    mock_host *m = host_with_prompts(NULL);
    char param[64], err[512];
    mock_host_policy(m, "letters", make_letter_model("letters", false, 1, 32, 3));
    mock_job spec = prompts("{\"reward_model\":\"judge\",\"reference\":\"letters\"}");
    EXPECT_EQ(mock_host_run(m, &spec, param, err), INSTRUCTD_E_INVALID);
    EXPECT_STR(err, "reference: its tokenizer has 16 tokens, the policy's 259");
    spec.model = "letters";
    spec.method_json = "{\"reward_model\":\"judge\"}";
    EXPECT_EQ(mock_host_run(m, &spec, param, err), INSTRUCTD_E_INVALID);
    EXPECT_STR(err, "reward_model: its tokenizer has 259 tokens, the policy's 16");
    mock_host_free(m);
}

TEST(check_refuses_what_cannot_be_trained)
{
    mock_host *m = host_with_prompts(NULL);
    expect_refused(m, "{}", "reward_model", "expected it to be given");
    expect_refused(m, "{\"reward_model\":\"base\"}", "reward_model", "no score head");
    expect_refused(m, "{\"reward_model\":\"http:\"}", "reward_model", "a name after http:");
    expect_refused(m, "{\"reward_model\":\"judge\",\"reference\":\"judge\"}", "reference",
                   "found a reward model");
    expect_refused(m, "{\"reward_model\":\"judge\",\"pretrain\":\"file-prompts\"}", "pretrain",
                   "line 1: text: expected");
    expect_refused(m,
                   "{\"reward_model\":\"judge\",\"hyperparameters\":{\"batch_size\":10,"
                   "\"minibatch_size\":4}}",
                   "minibatch_size", "a divisor of batch_size");
    mock_host_free(m);
}
