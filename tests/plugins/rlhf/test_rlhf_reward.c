/* The reward model: one forward pass an output, a prompt's pairs together, ties without pairs,
 * demonstrations centred; and what it learns from synthetic preferences comes to the ceiling that
 * their noise sets. */
#include "count_forwards.h"
#include "base/random.h"
#include "formats/text_out.h"
#include "parallel_threads.h"
#include "rlhf/examples.h"
#include "rlhf/key.h"
#include "rlhf/pass.h"
#include "rlhf/trainer.h"
#include "rlhf_fixture.h"
#include "train/losses.h"

#include <math.h>
#include <stdlib.h>

/* ---- small jobs ---- */

static const char *const RANKINGS =
    "{\"prompt\":\"q\",\"outputs\":[{\"id\":\"a\",\"text\":\"one\"},{\"id\":\"b\",\"text\":\"two\"}"
    ","
    "{\"id\":\"c\",\"text\":\"three\"},{\"id\":\"d\",\"text\":\"4\"}],"
    "\"groups\":[[\"c\"],[\"a\",\"d\"],[\"b\"]]}\n"
    "{\"prompt\":\"r\",\"chosen\":\"long answer\",\"rejected\":\"short\"}\n"
    "{\"prompt\":\"s\",\"chosen\":\"yes\",\"rejected\":\"perhaps not\"}\n";

static mock_job rankings(const char *method_json)
{
    return (mock_job){.method = "reward_model",
                      .model = "base",
                      .training_file = "file-ranks",
                      .method_json = method_json,
                      .seed = 3};
}

static mock_host *host_with_ranks(const eng_parallel *parallel)
{
    mock_host *m = make_host(parallel);
    mock_host_file(m, "file-ranks", RANKINGS);
    return m;
}

#define ONE_STEP "{\"hyperparameters\":{\"batch_size\":3,\"learning_rate\":0.003}}"

TEST(each_output_runs_forward_once_and_the_figures_are_those_of_all_pairs)
{
    mock_host *m = host_with_ranks(NULL);
    const mock_job spec = rankings(ONE_STEP);
    forwards.sequences = 0;
    mock_host_must_run(m, &spec);
    EXPECT_EQ(forwards.sequences, 4 + 2 + 2);
    EXPECT_EQ(mock_host_last_step(m), 1);
    EXPECT_NEAR(mock_host_metric(m, 1, "loss"), log(2), 0.3);
    /* 5 + 1 + 1 pairs. Longer wins, c (6 tokens with its end) against a (4), d (2), b (4): right;
     * a against b: a tie of lengths, half; d against b: wrong; long answer: right; yes: wrong. */
    EXPECT_NEAR(mock_host_metric(m, 1, "length_baseline"), (3 + 0.5 + 0 + 1 + 0) / 7, 1e-12);
    EXPECT_STR(mock_host_publish(m, 0)->stage, "rm");
    mock_host_free(m);
}

/* The head that a job of this seed gives the base model, and the scores it starts from. */
static void start_scores(mock_host *m, const mock_job *spec, example_set *set, float *scores)
{
    job_host host;
    micro mi;
    eng_net *net;
    eng_tape *tape;
    eng_error err;
    job_host_init(&host, mock_host_table(m), mock_host_job(m));
    EXPECT_OK(eng_net_open(&net, in_dir("base"), ENG_HEAD_SCORE, &err), err);
    eng_net_init_score(net, key_of(spec->seed, KEY_SCORE_HEAD, 0, 0));
    EXPECT_EQ(examples_load(set, &host, "training_file", "file-ranks", DATA_REWARD_MODEL,
                            eng_net_tokenizer(net), (token_limits){64, 64}, 128, &err),
              INSTRUCTD_OK);
    EXPECT_EQ(micro_init(&mi, 0, &err), INSTRUCTD_OK);
    EXPECT_EQ(tape_open(&tape, eng_net_config(net), mi.max_tokens, false, ENG_COMPUTE_F32,
                        &eng_serial, &err),
              INSTRUCTD_OK);
    const pass p = {&host, tape, &mi};
    EXPECT_EQ(pass_scores(&p, net, set->items, set->n, scores, &err), INSTRUCTD_OK);
    eng_tape_free(tape);
    micro_free(&mi);
    eng_net_free(net);
}

TEST(the_loss_is_the_mean_over_prompts_of_the_mean_over_pairs)
{
    mock_host *m = host_with_ranks(NULL);
    const mock_job spec = rankings(ONE_STEP);
    example_set set;
    float r[8];
    start_scores(m, &spec, &set, r);
    double want = 0, first = 0;
    const int better[][2] = {{2, 0}, {2, 3}, {2, 1}, {0, 1}, {3, 1}};
    for (int p = 0; p < 5; p++)
        first += log1p(exp(-((double)r[better[p][0]] - (double)r[better[p][1]]))) / 5;
    want = (first + log1p(exp(-((double)r[4] - (double)r[5]))) +
            log1p(exp(-((double)r[6] - (double)r[7])))) /
           3;
    mock_host_must_run(m, &spec);
    EXPECT_NEAR(mock_host_metric(m, 1, "loss"), want, 1e-5);
    examples_free(&set);
    mock_host_free(m);
}

TEST(rows_that_are_one_tie_teach_nothing)
{
    mock_host *m = host_with_ranks(NULL);
    const mock_job spec = rankings(ONE_STEP);
    mock_job tied = spec;
    char rows[2048], param[64], err[512];
    const char *tie = "{\"prompt\":\"t\",\"outputs\":[{\"id\":\"a\",\"text\":\"x\"},"
                      "{\"id\":\"b\",\"text\":\"y\"}],\"groups\":[[\"a\",\"b\"]]}\n";
    snprintf(rows, sizeof rows, "%s%s", tie, RANKINGS);
    mock_host_file(m, "file-tied", rows);
    mock_host_must_run(m, &spec);
    tied.training_file = "file-tied";
    mock_host_must_run(m, &tied);
    EXPECT(mock_host_had_event(m, "1 rows are one tie"));
    /* The same groups in another order: the same loss to rounding. */
    EXPECT_EQ(mock_host_last_step(m), 1);
    mock_host_file(m, "file-tied", tie);
    EXPECT_EQ(mock_host_run(m, &tied, param, err), INSTRUCTD_E_INVALID);
    EXPECT(strstr(err, "every row is one tie"));
    mock_host_free(m);
}

/* Scores of the demonstrations by what was published. */
static double mean_score(mock_host *m, const char *file)
{
    job_host host;
    micro mi;
    example_set set;
    eng_net *net;
    eng_tape *tape;
    eng_error err;
    float scores[64];
    job_host_init(&host, mock_host_table(m), mock_host_job(m));
    EXPECT_OK(eng_net_open(&net, mock_host_publish(m, 0)->path, ENG_HEAD_SCORE, &err), err);
    EXPECT_EQ(examples_load(&set, &host, "center", file, DATA_SUPERVISED, eng_net_tokenizer(net),
                            (token_limits){64, 64}, 128, &err),
              INSTRUCTD_OK);
    EXPECT_EQ(micro_init(&mi, 0, &err), INSTRUCTD_OK);
    EXPECT_EQ(tape_open(&tape, eng_net_config(net), mi.max_tokens, false, ENG_COMPUTE_F32,
                        &eng_serial, &err),
              INSTRUCTD_OK);
    const pass p = {&host, tape, &mi};
    EXPECT_EQ(pass_scores(&p, net, set.items, set.n, scores, &err), INSTRUCTD_OK);
    double sum = 0;
    for (size_t i = 0; i < set.n; i++)
        sum += (double)scores[i];
    sum /= (double)set.n;
    eng_tape_free(tape);
    micro_free(&mi);
    examples_free(&set);
    eng_net_free(net);
    return sum;
}

TEST(demonstrations_score_zero_on_average_afterwards)
{
    mock_host *m = host_with_ranks(NULL);
    mock_host_file(m, "file-demos",
                   "{\"prompt\":\"q\",\"completion\":\"three\"}\n"
                   "{\"prompt\":\"r\",\"completion\":\"long answer\"}\n"
                   "{\"prompt\":\"s\",\"completion\":\"yes\"}\n");
    const mock_job spec =
        rankings("{\"center\":\"file-demos\",\"hyperparameters\":{\"n_epochs\":20,"
                 "\"batch_size\":3,\"learning_rate\":0.003}}");
    mock_host_must_run(m, &spec);
    EXPECT(mock_host_had_event(m, "centred: 3 demonstrations"));
    EXPECT_NEAR(mean_score(m, "file-demos"), 0, 1e-5);
    EXPECT_NEAR(mock_host_metric(m, 20, "rm_accuracy"), 1, 0);
    mock_host_free(m);
}

static void expect_same_after_interruption(const char *numbers)
{
    char whole[INSTRUCTD_POLICY_ID_BYTES], param[64], err[512];
    mock_job spec = rankings(numbers);
    spec.validation_file = "file-ranks";
    mock_host *m = host_with_ranks(NULL);
    mock_host_must_run(m, &spec);
    strcpy(whole, mock_host_publish(m, 0)->id);
    EXPECT(isfinite(mock_host_metric(m, 2, "valid_loss")));
    mock_host_free(m);
    parallel_threads *three = parallel_threads_create(3);
    m = mock_host_create(
        &(mock_options){.dir = in_dir("base"), .parallel = parallel_threads_parallel(three)});
    mock_host_policy(m, "base", in_dir("base"));
    mock_host_file(m, "file-ranks", RANKINGS);
    mock_host_stop_at_poll(m, 5);
    EXPECT_EQ(mock_host_run(m, &spec, param, err), INSTRUCTD_E_STOPPED);
    mock_host_stop_at_poll(m, 0);
    spec.resumed = true;
    mock_host_must_run(m, &spec);
    EXPECT_STR(mock_host_publish(m, 0)->id, whole);
    mock_host_free(m);
    parallel_threads_free(three);
}

#define THREE_EPOCHS(more)                                                                         \
    "{\"hyperparameters\":{" more                                                                  \
    "\"n_epochs\":3,\"batch_size\":2,\"dropout\":0.2,\"learning_rate\":0.003}}"

TEST(an_interrupted_reward_model_goes_on_bit_for_bit_on_any_number_of_threads)
{
    expect_same_after_interruption(THREE_EPOCHS(""));
}

TEST(so_does_one_that_computes_in_bf16)
{
    expect_same_after_interruption(THREE_EPOCHS("\"compute\":\"bf16\","));
}

TEST(held_out_labelers_rows_judge_and_never_train)
{
    mock_host *m = host_with_ranks(NULL);
    char param[64], err[512];
    mock_job spec = rankings(ONE_STEP);
    mock_host_file(m, "file-held",
                   "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\"}\n"
                   "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\","
                   "\"role\":\"heldout\"}\n");
    spec.validation_file = "file-held";
    EXPECT_EQ(mock_host_check(m, &spec, param, err), INSTRUCTD_OK);
    spec.training_file = "file-held";
    EXPECT_EQ(mock_host_check(m, &spec, param, err), INSTRUCTD_E_INVALID);
    EXPECT_STR(param, "training_file");
    EXPECT(strstr(err, "line 2: role: a held-out labeler's row"));
    mock_host_free(m);
}

/* ---- synthetic Bradley-Terry ---- */

/* An output is LETTERS letters of ALPHABET; r* = the sum of its letters' worths, scaled so that
 * r* ~ N(0, s^2); the first of a pair is preferred with probability sigma(r*_1 - r*_2). */
enum { ALPHABET = 64, LETTERS = 8 };
static const char *const SYMBOLS =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

typedef struct world {
    double worth[ALPHABET]; /* of one letter: mean 0, variance s^2 / LETTERS */
} world;

static void world_init(world *w, double s)
{
    float raw[ALPHABET];
    double mean = 0, var = 0;
    eng__fill_normal(raw, ALPHABET, 1.0, 11, 0);
    for (int i = 0; i < ALPHABET; i++)
        mean += (double)raw[i] / ALPHABET;
    for (int i = 0; i < ALPHABET; i++)
        var += ((double)raw[i] - mean) * ((double)raw[i] - mean) / ALPHABET;
    for (int i = 0; i < ALPHABET; i++)
        w->worth[i] = ((double)raw[i] - mean) * s / sqrt(var * LETTERS);
}

static double draw_output(const world *w, uint64_t seed, uint32_t which, char text[LETTERS + 1])
{
    double r = 0;
    for (uint32_t i = 0; i < LETTERS; i++) {
        int letter = (int)(eng__uniform(seed, which, i) * ALPHABET);
        text[i] = SYMBOLS[letter];
        r += w->worth[letter];
    }
    text[LETTERS] = 0;
    return r;
}

typedef struct ceiling {
    double accuracy, log_loss; /* of r* itself on these pairs */
} ceiling;

/* n pairs as rows; what r* itself reaches on them. */
static char *draw_pairs(const world *w, uint64_t seed, uint32_t n, ceiling *of)
{
    eng__text out;
    eng__text_init(&out, (size_t)n * 128);
    *of = (ceiling){0};
    for (uint32_t i = 0; i < n; i++) {
        char text[2][LETTERS + 1];
        double r[2] = {draw_output(w, seed, 2 * i, text[0]),
                       draw_output(w, seed, 2 * i + 1, text[1])};
        double p = 1 / (1 + exp(r[1] - r[0]));
        int first = eng__uniform(seed, i, LETTERS) < p;
        double d = first ? r[0] - r[1] : r[1] - r[0];
        of->accuracy += (d > 0) / (double)n;
        of->log_loss += log1p(exp(-d)) / n;
        eng__text_printf(&out, "{\"prompt\":\":\",\"chosen\":\"%s\",\"rejected\":\"%s\"}\n",
                         text[!first], text[first]);
    }
    return out.data;
}

typedef struct learnt {
    double accuracy, log_loss, correlation;
} learnt;

/* Correlation of the published model's scores with r* over fresh outputs. */
static double correlation(const mock_host *m, const world *w)
{
    enum { N = 500 };
    eng_net *net;
    eng_tape *tape;
    micro mi;
    eng_error err;
    float scores[N];
    int32_t tokens[N][LETTERS + 2];
    example items[N];
    double truth[N];
    job_host host;
    mock_host *quiet = mock_host_create(&(mock_options){.dir = test_dir()});
    EXPECT_OK(eng_net_open(&net, mock_host_publish(m, mock_host_publishes(m) - 1)->path,
                           ENG_HEAD_SCORE, &err),
              err);
    for (uint32_t i = 0; i < N; i++) {
        char text[LETTERS + 1];
        truth[i] = draw_output(w, 77, i, text);
        tokens[i][0] = ':';
        for (int k = 0; k < LETTERS; k++)
            tokens[i][1 + k] = text[k];
        tokens[i][LETTERS + 1] = 258; /* <|im_end|> */
        items[i] = (example){.tokens = tokens[i], .n = LETTERS + 2, .n_prompt = 1};
    }
    job_host_init(&host, mock_host_table(quiet), mock_host_job(quiet));
    EXPECT_EQ(micro_init(&mi, 0, &err), INSTRUCTD_OK);
    EXPECT_EQ(tape_open(&tape, eng_net_config(net), mi.max_tokens, false, ENG_COMPUTE_F32,
                        &eng_serial, &err),
              INSTRUCTD_OK);
    const pass p = {&host, tape, &mi};
    EXPECT_EQ(pass_scores(&p, net, items, N, scores, &err), INSTRUCTD_OK);
    double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
    for (int i = 0; i < N; i++) {
        double x = (double)scores[i], y = truth[i];
        sx += x, sy += y, sxx += x * x, syy += y * y, sxy += x * y;
    }
    eng_tape_free(tape);
    micro_free(&mi);
    eng_net_free(net);
    mock_host_free(quiet);
    return (N * sxy - sx * sy) / sqrt((N * sxx - sx * sx) * (N * syy - sy * sy));
}

static learnt learn(mock_host *m, const world *w, const char *model, uint32_t n,
                    const char *numbers)
{
    ceiling ignored;
    char *rows = draw_pairs(w, 1000, n, &ignored);
    mock_host_file(m, "file-pairs", rows);
    free(rows);
    const mock_job spec = {.method = "reward_model",
                           .model = model,
                           .training_file = "file-pairs",
                           .validation_file = "file-held-out",
                           .method_json = numbers,
                           .seed = 1};
    mock_host_must_run(m, &spec);
    uint64_t last = mock_host_last_step(m);
    return (learnt){.accuracy = mock_host_metric(m, last, "rm_accuracy"),
                    .log_loss = mock_host_metric(m, last, "valid_loss"),
                    .correlation = correlation(m, w)};
}

enum { HELD_OUT = 4000, PAIRS = 20000, FEW = 2000 };

/* s and its ceilings, E max(p, 1 - p) and E of the label's entropy, where p = sigma(d) and
 * d ~ N(0, 2 s^2) is a pair's difference; `spread` is the standard deviation of a pair's log-loss.
 */
static void expect_ceiling(double s, double accuracy, double log_loss, double spread)
{
    test_skip_unless_heavy();
    static const char *const numbers =
        "{\"hyperparameters\":{\"n_epochs\":1,\"batch_size\":64,\"learning_rate\":0.003}}";
    world w;
    ceiling top;
    world_init(&w, s);
    mock_host *m = make_host(NULL);
    char *rows = draw_pairs(&w, 2000, HELD_OUT, &top);
    mock_host_file(m, "file-held-out", rows);
    free(rows);
    /* The generator has those ceilings: within 3 standard errors of the held-out pairs. */
    EXPECT_NEAR(top.accuracy, accuracy, 3 * sqrt(accuracy * (1 - accuracy) / HELD_OUT));
    EXPECT_NEAR(top.log_loss, log_loss, 3 * spread / sqrt(HELD_OUT));
    learnt few = learn(m, &w, "base", FEW, numbers), all = learn(m, &w, "base", PAIRS, numbers);
    printf("  s = %g, held out: accuracy %.4f (r* itself %.4f), log loss %.4f (%.4f), correlation "
           "%.4f; with 2,000 pairs %.4f, %.4f, %.4f\n",
           s, all.accuracy, top.accuracy, all.log_loss, top.log_loss, all.correlation, few.accuracy,
           few.log_loss, few.correlation);
    EXPECT_NEAR(all.accuracy, top.accuracy, 0.01);
    EXPECT_NEAR(all.log_loss, top.log_loss, 0.01);
    EXPECT(all.correlation > 0.95);
    EXPECT(few.log_loss > all.log_loss + 0.01);
    EXPECT(few.correlation < all.correlation);
    mock_host_free(m);
}

TEST(preferences_of_spread_1_are_learnt_to_the_ceiling_of_their_noise)
{
    expect_ceiling(1, 0.7252, 0.5395, 0.45);
}

TEST(preferences_of_spread_2_are_learnt_to_the_ceiling_of_their_noise)
{
    expect_ceiling(2, 0.8280, 0.3753, 0.45);
}
