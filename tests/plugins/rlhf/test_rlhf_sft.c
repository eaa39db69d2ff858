/* Supervised training and pretraining: the loss is on answers alone, reruns and resumes give the
 * same bits, the best epoch is the result. */
#include "parallel_threads.h"
#include "rlhf/pass.h"
#include "rlhf/trainer.h"
#include "rlhf_fixture.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const DEMONSTRATIONS =
    "{\"prompt\":\"one plus one is\",\"completion\":\" two\"}\n"
    "{\"prompt\":\"two plus two is\",\"completion\":\" four\"}\n"
    "{\"prompt\":\"the sky is\",\"completion\":\" blue\"}\n"
    "{\"prompt\":\"the grass is\",\"completion\":\" green\"}\n"
    "{\"prompt\":\"a cat says\",\"completion\":\" meow\"}\n";

static const char *const OTHERS = "{\"prompt\":\"the sky is\",\"completion\":\" grey\"}\n"
                                  "{\"prompt\":\"a dog says\",\"completion\":\" woof\"}\n";

#define NUMBERS(text) "{\"hyperparameters\":{" text "}}"
#define BF16 "\"compute\":\"bf16\","
/* 3 steps an epoch, dropout as in the paper. */
#define SHORT "\"n_epochs\":4,\"batch_size\":2,\"learning_rate\":0.003"

static mock_job demonstrations(const char *method_json)
{
    return (mock_job){.method = "supervised",
                      .model = "base",
                      .training_file = "file-demos",
                      .method_json = method_json,
                      .seed = 7};
}

static mock_host *host_with_demos(const eng_parallel *parallel)
{
    mock_host *m = make_host(parallel);
    mock_host_file(m, "file-demos", DEMONSTRATIONS);
    mock_host_file(m, "file-others", OTHERS);
    return m;
}

/* Runs the job on a fresh host; id is what it published, which is a digest of the weights. */
static void run_alone(const mock_job *spec, const eng_parallel *parallel,
                      char id[INSTRUCTD_POLICY_ID_BYTES])
{
    mock_host *m = host_with_demos(parallel);
    mock_host_must_run(m, spec);
    EXPECT_EQ(mock_host_publishes(m), 1);
    strcpy(id, mock_host_publish(m, 0)->id);
    mock_host_free(m);
}

static void forget_checkpoints(void)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'/job '%s'/base", test_dir(), test_dir());
    if (system(command) != 0)
        FAIL("%s", command);
}

/* ---- the loss ---- */

TEST(the_loss_falls)
{
    mock_host *m = host_with_demos(NULL);
    const mock_job spec = demonstrations(NUMBERS("\"n_epochs\":40,\"batch_size\":5,\"dropout\":0,"
                                                 "\"learning_rate\":0.01"));
    mock_host_must_run(m, &spec);
    EXPECT_EQ(mock_host_last_step(m), 40);
    double first = mock_host_metric(m, 1, "loss"), last = mock_host_metric(m, 40, "loss");
    EXPECT_NEAR(first, log(259), 0.3);
    if (!(last < first / 4))
        FAIL("loss %g after 40 steps, %g at the first", last, first);
    EXPECT_NEAR(mock_host_metric(m, 1, "lr"), 0.01, 1e-12);
    EXPECT_NEAR(mock_host_metric(m, 40, "lr"), eng_lr_cosine(0.01, 0.1, 39, 40), 1e-12);
    EXPECT_STR(mock_host_publish(m, 0)->stage, "sft");
    mock_host_free(m);
}

static float constant_slope(void *ctx, uint32_t i, float logprob)
{
    (void)i, (void)logprob;
    return *(const float *)ctx;
}

/* Loss and gradient of the answers' tokens, written out by hand for one example after another. */
static double by_hand(const example_set *set, eng_net *net, double *grad_norm)
{
    eng_tape *tape;
    eng_error err;
    float logprobs[128];
    float *grads = calloc(eng_net_n_floats(net), sizeof *grads);
    const eng_tape_options options = {
        .max_tokens = 128, .max_seqs = 1, .gradients = true, .parallel = &eng_serial};
    EXPECT_OK(eng_tape_create(&tape, eng_net_config(net), &options, &err), err);
    uint64_t count = count_learnt(set->items, set->n);
    double loss = 0;
    for (size_t i = 0; i < set->n; i++) {
        const example *e = &set->items[i];
        const uint32_t starts[] = {0, e->n};
        const eng_pack pack = {e->tokens, starts, 1};
        for (uint32_t t = e->n_prompt; t < e->n; t++) {
            const uint32_t row = t - 1;
            const eng_lm_rows rows = {&row, &e->tokens[t], 1, 1.0f};
            float slope = -1.0f / (float)count;
            eng_tape_forward(tape, net, &pack, NULL);
            eng_lm_forward(tape, net, &rows, logprobs, NULL, NULL);
            loss -= (double)logprobs[0] / (double)count;
            /* the whole sequence's rows would give the same sum: one row at a time shows that no
             * other row is in it */
            eng_tape_forward(tape, net, &pack, NULL);
            eng_lm_backward(tape, net, &rows, constant_slope, &slope, logprobs, NULL, grads);
            eng_tape_backward(tape, net, grads);
        }
    }
    *grad_norm = eng_grad_norm(&eng_serial, grads, eng_net_n_floats(net));
    eng_tape_free(tape);
    free(grads);
    return loss;
}

TEST(only_answers_and_their_end_tokens_are_learnt)
{
    mock_host *m = host_with_demos(NULL);
    const mock_job spec = demonstrations(NUMBERS("\"n_epochs\":1,\"batch_size\":5,\"dropout\":0"));
    job_host host;
    example_set set;
    eng_net *net;
    eng_error err;
    double norm;
    EXPECT_OK(eng_net_open(&net, in_dir("base"), ENG_HEAD_LM, &err), err);
    job_host_init(&host, mock_host_table(m), mock_host_job(m));
    EXPECT_EQ(examples_load(&set, &host, "training_file", "file-demos", DATA_SUPERVISED,
                            eng_net_tokenizer(net), (token_limits){64, 64}, 128, &err),
              INSTRUCTD_OK);
    double loss = by_hand(&set, net, &norm);
    mock_host_must_run(m, &spec);
    EXPECT_NEAR(mock_host_metric(m, 1, "loss"), loss, 1e-5);
    EXPECT_NEAR(mock_host_metric(m, 1, "grad_norm"), norm, 1e-5 * norm);
    examples_free(&set);
    eng_net_free(net);
    mock_host_free(m);
}

TEST(pretraining_text_joins_each_batch_in_its_share)
{
    mock_host *m = host_with_demos(NULL);
    char text[600];
    snprintf(text, sizeof text, "{\"text\":\"%0500d\"}", 0);
    mock_host_file(m, "file-text", text);
    const mock_job spec = demonstrations(
        "{\"preset\":\"rl_init\",\"pretrain\":\"file-text\",\"hyperparameters\":{\"n_epochs\":1,"
        "\"batch_size\":5,\"pretrain_fraction\":0.4,\"dropout\":0}}");
    mock_host_must_run(m, &spec);
    EXPECT_EQ(mock_host_last_step(m), 2); /* 3 demonstrations and 2 windows, then the last 2 */
    mock_host_free(m);
}

TEST(a_small_model_is_pretrained_from_scratch)
{
    mock_host *m = make_host(NULL);
    mock_host_file(m, "file-text",
                   "{\"text\":\"abcabcabcabcabcabcabcabcabcabcabcabc\"}\n"
                   "{\"text\":\"abcabcabcabcabcabcabcabcabcabcabcabc\"}\n");
    const mock_job spec = {.method = "pretrain",
                           .model = "base",
                           .training_file = "file-text",
                           .method_json = NUMBERS("\"n_epochs\":60,\"learning_rate\":0.01")};
    mock_host_must_run(m, &spec);
    double last = mock_host_metric(m, mock_host_last_step(m), "loss");
    if (!(last < 1.0))
        FAIL("loss %g of a text that repeats, expected below 1", last);
    EXPECT_STR(mock_host_publish(m, 0)->stage, "pretrained");
    mock_host_free(m);
}

/* ---- the same bits ---- */

static void expect_same_reruns(const char *method_json)
{
    char a[INSTRUCTD_POLICY_ID_BYTES], b[INSTRUCTD_POLICY_ID_BYTES], c[INSTRUCTD_POLICY_ID_BYTES];
    mock_job spec = demonstrations(method_json);
    run_alone(&spec, NULL, a);
    forget_checkpoints();
    parallel_threads *three = parallel_threads_create(3);
    run_alone(&spec, parallel_threads_parallel(three), b);
    parallel_threads_free(three);
    EXPECT_STR(b, a);
    forget_checkpoints();
    spec.seed = 8;
    run_alone(&spec, NULL, c);
    EXPECT(strcmp(c, a) != 0); /* the seed matters: order and dropout follow from it */
    forget_checkpoints();
}

TEST(a_rerun_with_dropout_is_bit_identical_on_any_number_of_threads)
{
    expect_same_reruns(NUMBERS(SHORT));
}

TEST(so_is_one_that_computes_in_bf16)
{
    expect_same_reruns(NUMBERS(BF16 SHORT));
}

/* Runs with an interruption, then to the end; what it publishes. */
static void run_interrupted(mock_job spec, uint64_t stop_at_poll, uint64_t pause_at,
                            char id[INSTRUCTD_POLICY_ID_BYTES], uint64_t *steps_before)
{
    char param[64], err[512];
    mock_host *m = host_with_demos(NULL);
    mock_host_stop_at_poll(m, stop_at_poll);
    mock_host_pause_at_step(m, pause_at);
    EXPECT_EQ(mock_host_run(m, &spec, param, err), INSTRUCTD_E_STOPPED);
    EXPECT_EQ(mock_host_publishes(m), 0);
    EXPECT_EQ(mock_host_samplers(m), 0);
    *steps_before = mock_host_last_step(m);
    mock_host_stop_at_poll(m, 0);
    mock_host_pause_at_step(m, 0);
    spec.resumed = true;
    mock_host_must_run(m, &spec);
    strcpy(id, mock_host_publish(m, 0)->id);
    mock_host_free(m);
}

static void expect_resumes(const char *method_json)
{
    char whole[INSTRUCTD_POLICY_ID_BYTES], id[INSTRUCTD_POLICY_ID_BYTES];
    const mock_job spec = demonstrations(method_json);
    uint64_t before;
    run_alone(&spec, NULL, whole);
    const uint64_t rows = 2 * 5; /* asked about at each row, by check and by run */
    for (uint64_t poll = rows - 1; poll <= rows + 12; poll++) {
        forget_checkpoints();
        run_interrupted(spec, poll, 0, id, &before);
        EXPECT_EQ(before, poll > rows ? poll - rows - 1 : 0); /* one micro-batch a step */
        EXPECT_STR(id, whole);
    }
}

TEST(a_job_stopped_anywhere_goes_on_bit_for_bit)
{
    expect_resumes(NUMBERS(SHORT));
}

TEST(so_does_one_that_computes_in_bf16)
{
    expect_resumes(NUMBERS(BF16 SHORT));
}

TEST(a_job_paused_with_a_validation_file_goes_on_bit_for_bit)
{
    char whole[INSTRUCTD_POLICY_ID_BYTES], id[INSTRUCTD_POLICY_ID_BYTES];
    mock_job spec = demonstrations(NUMBERS(SHORT));
    uint64_t before;
    spec.validation_file = "file-others";
    run_alone(&spec, NULL, whole);
    for (uint64_t step = 2; step <= 12; step += 2) {
        forget_checkpoints();
        run_interrupted(spec, 0, step, id, &before);
        EXPECT_EQ(before, step);
        EXPECT_STR(id, whole);
    }
}

TEST(a_torn_checkpoint_is_told_and_the_one_before_is_used)
{
    char whole[INSTRUCTD_POLICY_ID_BYTES];
    mock_job spec = demonstrations(NUMBERS(SHORT));
    run_alone(&spec, NULL, whole);
    forget_checkpoints();
    mock_host *m = host_with_demos(NULL);
    mock_host_must_pause(m, &spec, 3);
    mock_host_must_pause(m, &spec, 6);
    size_t len;
    const char *path = in_dir("job/step-000000000006/optimizer.safetensors");
    char *bytes = test_read_file(path, &len);
    bytes[len / 2] ^= 1;
    test_write_file(path, bytes, len);
    free(bytes);
    mock_host_must_run(m, &spec);
    EXPECT(mock_host_had_event(m, "checkpoint of step 6 is not used"));
    EXPECT(mock_host_had_event(m, "going on from step 3"));
    EXPECT_EQ(access(in_dir("job/corrupt-000000000006"), F_OK), 0);
    EXPECT_STR(mock_host_publish(m, 0)->id, whole);
    mock_host_free(m);
}

/* The checkpoint of a job does not serve this one. */
static void expect_foreign_checkpoint(mock_job other)
{
    char param[64], err[512];
    mock_job spec = demonstrations(NUMBERS(SHORT));
    mock_host *m = host_with_demos(NULL);
    mock_host_must_pause(m, &spec, 3);
    other.resumed = true;
    EXPECT_EQ(mock_host_run(m, &other, param, err), INSTRUCTD_E_INVALID);
    EXPECT(strstr(err, "of other data, numbers or models"));
    mock_host_free(m);
}

TEST(a_checkpoint_of_other_numbers_is_refused)
{
    mock_job other = demonstrations(NUMBERS(SHORT));
    other.seed++;
    expect_foreign_checkpoint(other);
}

TEST(a_checkpoint_of_the_other_compute_is_refused)
{
    expect_foreign_checkpoint(demonstrations(NUMBERS(BF16 SHORT)));
}

TEST(a_job_in_bf16_learns_as_one_in_f32_does_but_with_other_bits)
{
    static const char *const methods[] = {
        NUMBERS("\"n_epochs\":40,\"batch_size\":5,\"dropout\":0,\"learning_rate\":0.01"),
        NUMBERS(BF16 "\"n_epochs\":40,\"batch_size\":5,\"dropout\":0,\"learning_rate\":0.01")};
    char ids[2][INSTRUCTD_POLICY_ID_BYTES];
    for (int i = 0; i < 2; i++) {
        mock_host *m = host_with_demos(NULL);
        const mock_job spec = demonstrations(methods[i]);
        mock_host_must_run(m, &spec);
        double first = mock_host_metric(m, 1, "loss"), last = mock_host_metric(m, 40, "loss");
        if (!(last < first / 4))
            FAIL("loss %g after 40 steps, %g at the first", last, first);
        strcpy(ids[i], mock_host_publish(m, 0)->id);
        mock_host_free(m);
        forget_checkpoints();
    }
    EXPECT(strcmp(ids[0], ids[1]) != 0);
}

TEST(a_job_that_begins_uses_no_checkpoint_of_another)
{
    char param[64], err[512];
    mock_job spec = demonstrations(NUMBERS(SHORT));
    mock_host *m = host_with_demos(NULL);
    mock_host_pause_at_step(m, 6);
    EXPECT_EQ(mock_host_run(m, &spec, param, err), INSTRUCTD_E_STOPPED);
    EXPECT_EQ(access(in_dir("job/step-000000000006"), F_OK), 0);
    mock_host_pause_at_step(m, 1);
    EXPECT_EQ(mock_host_run(m, &spec, param, err), INSTRUCTD_E_STOPPED);
    EXPECT(access(in_dir("job/step-000000000006"), F_OK) != 0);
    mock_host_free(m);
}

/* ---- the result ---- */

/* The step whose metric is best, among the epochs' ends. */
static uint64_t best_step(const mock_host *m, const char *metric, double sign, uint64_t per_epoch,
                          uint64_t epochs)
{
    uint64_t best = per_epoch;
    for (uint64_t e = 2; e <= epochs; e++)
        if (sign * mock_host_metric(m, e * per_epoch, metric) >
            sign * mock_host_metric(m, best, metric))
            best = e * per_epoch;
    return best;
}

static void expect_best(const mock_host *m, const char *metric, double sign, uint64_t per_epoch,
                        uint64_t epochs)
{
    char event[64];
    uint64_t best = best_step(m, metric, sign, per_epoch, epochs);
    snprintf(event, sizeof event, "the weights of step %llu are the best",
             (unsigned long long)best);
    EXPECT_EQ(mock_host_had_event(m, event), best != per_epoch * epochs);
}

TEST(the_epoch_with_the_least_validation_loss_is_the_result)
{
    mock_host *m = host_with_demos(NULL);
    mock_job spec = demonstrations(NUMBERS("\"n_epochs\":12,\"batch_size\":5,\"dropout\":0,"
                                           "\"learning_rate\":0.03"));
    spec.validation_file = "file-others";
    mock_host_must_run(m, &spec);
    uint64_t best = best_step(m, "valid_loss", -1, 1, 12);
    EXPECT(best < 12); /* it overfits: else the test shows nothing */
    expect_best(m, "valid_loss", -1, 1, 12);
    /* A job that ends at the best epoch's weights would have the same validation loss: measure
     * what was published. */
    job_host host;
    example_set set;
    eng_net *net;
    eng_error err;
    double norm;
    EXPECT_OK(eng_net_open(&net, mock_host_publish(m, 0)->path, ENG_HEAD_LM, &err), err);
    job_host_init(&host, mock_host_table(m), mock_host_job(m));
    EXPECT_EQ(examples_load(&set, &host, "validation_file", "file-others", DATA_SUPERVISED,
                            eng_net_tokenizer(net), (token_limits){64, 64}, 128, &err),
              INSTRUCTD_OK);
    EXPECT_NEAR(by_hand(&set, net, &norm), mock_host_metric(m, best, "valid_loss"), 1e-5);
    examples_free(&set);
    eng_net_free(net);
    mock_host_free(m);
}

TEST(with_a_reward_model_the_epoch_whose_completions_score_best_is_the_result)
{
    mock_host *m = host_with_demos(NULL);
    mock_host_policy(m, "judge", make_model("judge", "gpt2", true, 5));
    mock_job spec =
        demonstrations("{\"reward_model\":\"judge\",\"hyperparameters\":{\"n_epochs\":4,"
                       "\"batch_size\":5,\"learning_rate\":0.01,"
                       "\"max_response_tokens\":8}}");
    spec.validation_file = "file-others";
    mock_host_must_run(m, &spec);
    for (uint64_t step = 1; step <= 4; step++) {
        EXPECT(isfinite(mock_host_metric(m, step, "rm_score")));
        EXPECT(isfinite(mock_host_metric(m, step, "valid_loss")));
    }
    expect_best(m, "rm_score", 1, 1, 4);
    EXPECT_EQ(mock_host_samplers(m), 0);
    mock_host_free(m);
}

static double shortness(void *ctx, const char *prompt, const char *completion)
{
    (void)ctx, (void)prompt;
    return -(double)strlen(completion);
}

TEST(an_endpoint_may_judge_as_well)
{
    mock_host *m = host_with_demos(NULL);
    mock_host_endpoint(m, shortness, NULL);
    mock_job spec = demonstrations("{\"reward_model\":\"http:short\",\"hyperparameters\":{"
                                   "\"n_epochs\":2,\"max_response_tokens\":8}}");
    spec.validation_file = "file-others";
    mock_host_must_run(m, &spec);
    EXPECT(mock_host_metric(m, 2, "rm_score") < 0);
    EXPECT_STR(mock_host_publish(m, 0)->reward_model, "http:short");
    mock_host_free(m);
}

TEST(weights_that_did_not_change_measure_zero_at_the_gate)
{
    mock_host *m = host_with_demos(NULL);
    mock_host_policy(m, "instruct", in_dir("base"));
    mock_host_policy(m, "judge", make_model("judge", "gpt2", true, 5));
    mock_job spec =
        demonstrations("{\"reward_model\":\"judge\",\"hyperparameters\":{\"n_epochs\":1,"
                       "\"learning_rate\":0,\"max_response_tokens\":8}}");
    spec.publish_json = "{\"alias\":\"instruct\"}";
    mock_host_must_run(m, &spec);
    const mock_publish *p = mock_host_publish(m, 0);
    EXPECT_STR(p->alias, "instruct");
    EXPECT(mock_publish_measured(p, "rm_delta") == 0);
    EXPECT(mock_publish_measured(p, "kl_ref") == 0);
    EXPECT(mock_publish_measured(p, "lm_loss_rise") == 0);
    EXPECT(mock_publish_measured(p, "seconds") >= 0);
    mock_host_free(m);
}

/* Completions of the gate may be far longer than any demonstration. */
TEST(a_gate_measures_completions_longer_than_what_was_learnt)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    const eng_new_model spec = {
        .arch = "llama", .n_layer = 1, .n_embd = 16, .n_head = 2, .n_ctx = 2048, .seed = 1};
    EXPECT_OK(eng_model_new(in_dir("long"), &spec, id, &err), err);
    mock_host *m = mock_host_create(&(mock_options){.dir = test_dir(), .never_end = true});
    mock_host_policy(m, "long", in_dir("long"));
    mock_host_file(m, "file-demos", DEMONSTRATIONS);
    mock_job wish = demonstrations(NUMBERS("\"n_epochs\":1,\"learning_rate\":0"));
    wish.model = "long";
    wish.publish_json = "{\"alias\":\"instruct\"}";
    mock_host_must_run(m, &wish);
    EXPECT_STR(mock_host_publish(m, 0)->alias, "instruct");
    EXPECT(mock_publish_measured(mock_host_publish(m, 0), "kl_ref") == 0);
    mock_host_free(m);
}

TEST(a_refused_result_is_kept_as_a_policy_without_a_name)
{
    mock_host *m = host_with_demos(NULL);
    mock_host_policy(m, "instruct", in_dir("base"));
    mock_job spec =
        demonstrations(NUMBERS("\"n_epochs\":2,\"learning_rate\":0.01,\"max_response_tokens\":8"));
    spec.publish_json = "{\"alias\":\"instruct\",\"gate\":{\"max_kl_ref\":0}}";
    mock_host_refuse(m, 1);
    mock_host_must_run(m, &spec);
    EXPECT_EQ(mock_host_publishes(m), 2);
    EXPECT(mock_host_publish(m, 0)->refused);
    EXPECT(mock_publish_measured(mock_host_publish(m, 0), "kl_ref") != 0);
    EXPECT(isnan(mock_publish_measured(mock_host_publish(m, 0), "rm_delta")));
    EXPECT_STR(mock_host_publish(m, 1)->alias, "");
    EXPECT_EQ(mock_host_events(m, "the gate of the test"), 1); /* by the host */
    mock_host_free(m);
}

/* ---- refusals before any compute ---- */

static void expect_refused(mock_host *m, const mock_job *spec, const char *param, const char *why)
{
    char got[64], err[512];
    int code = mock_host_check(m, spec, got, err);
    EXPECT(code != INSTRUCTD_OK);
    EXPECT_STR(got, param);
    if (!strstr(err, why))
        FAIL("\"%s\", expected \"...%s...\"", err, why);
}

TEST(check_reads_every_file_and_resolves_every_model)
{
    mock_host *m = host_with_demos(NULL);
    mock_job spec = demonstrations(NULL);
    mock_host_file(m, "file-bad", "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\"a\"}\n");
    mock_host_file(m, "file-empty", "\n");
    spec.training_file = "file-bad";
    expect_refused(m, &spec, "training_file", "line 2: completion");
    spec.training_file = "file-empty";
    expect_refused(m, &spec, "training_file", "holds no rows");
    spec.training_file = "file-none";
    expect_refused(m, &spec, "training_file", "no such file");
    spec.training_file = NULL;
    expect_refused(m, &spec, "training_file", "a file");
    spec.training_file = "file-demos";
    spec.validation_file = "file-bad";
    expect_refused(m, &spec, "validation_file", "line 2");
    spec.validation_file = NULL;
    spec.method_json = "{\"reward_model\":\"nobody\"}";
    expect_refused(m, &spec, "reward_model", "no such model");
    spec.method_json = "{\"reward_model\":\"base\"}";
    expect_refused(m, &spec, "reward_model", "found no score head");
    spec.method_json = "{\"preset\":\"rl_init\"}";
    expect_refused(m, &spec, "pretrain", "pretrain_fraction is above 0");
    mock_host_policy(m, "judge", make_model("judge", "gpt2", true, 5));
    spec.method_json = NULL;
    spec.model = "judge";
    expect_refused(m, &spec, "model", "found a reward model");
    mock_host_free(m);
}
