/* Training's forward against serving's, and what a tape promises about its gradients: the same
 * bits whatever the threads and the checkpoints, the same numbers however a batch is packed. That
 * they are the right gradients is test_gradients_fp64's affair. */
#include "count_allocations.h"
#include "engine.h"
#include "parallel_threads.h"
#include "tape_fixture.h"

#include <math.h>

enum { V = TEST_N_VOCAB };

/* ---- serving's log-probs -------------------------------------------------------------------- */

typedef struct serving {
    eng_model *model;
    eng_runtime *rt;
} serving;

static serving serving_open(const char *path)
{
    const eng_model_options how = {.serve_type = ENG_SERVE_F32, .n_threads = 1};
    serving s;
    eng_error err;
    EXPECT_OK(eng_model_open(&s.model, path, &how, &err), err);
    const eng_runtime_options options = {.n_threads = 1,
                                         .max_rows = FIXTURE_MAX_TOKENS,
                                         .max_seqs = 1,
                                         .kv_bytes = 32 << 20,
                                         .kv_f32 = true};
    EXPECT_OK(eng_runtime_create(&s.rt, s.model, &options, &err), err);
    return s;
}

static void serving_close(serving *s)
{
    eng_runtime_free(s->rt);
    eng_model_unref(s->model);
}

/* Log-probs of tokens[1..n) of one sequence as infer/forward gives them, in f32 throughout. */
static void serving_logprobs(serving *s, const int32_t *tokens, uint32_t n, float *out)
{
    eng_seq *seq = eng_seq_create(s->rt, s->model);
    EXPECT(eng_seq_reserve(s->rt, seq, n));
    eng_step_begin(s->rt, s->model);
    const uint32_t row = eng_step_add(s->rt, seq, tokens, n);
    static eng_output outputs[FIXTURE_MAX_TOKENS];
    for (uint32_t i = 0; i + 1 < n; i++) {
        outputs[i] = (eng_output){.target = tokens[i + 1], .want_logprob = true};
        eng_step_want(s->rt, row + i, &outputs[i]);
    }
    eng_step_run(s->rt);
    for (uint32_t i = 0; i + 1 < n; i++)
        out[i] = outputs[i].logprob;
    eng_seq_free(s->rt, seq);
}

/* One pack of several sequences equals each of them alone in the serving engine. */
static void expect_equals_serving(const char *path, double tolerance)
{
    static const uint32_t lengths[] = {1, 70, 2, 128, 64, 33};
    eng_net *net = fixture_open(path, ENG_HEAD_LM);
    const eng_tape_options options = fixture_options(&eng_serial);
    eng_tape *tape = fixture_tape(net, &options);
    serving s = serving_open(path);
    static fixture_pack p;
    static fixture_targets t;
    fixture_fill(&p, lengths, 6, eng_net_config(net)->n_vocab, 3);
    fixture_target(&t, &p, 1);
    float got[FIXTURE_MAX_TOKENS], want[FIXTURE_MAX_TOKENS];
    eng_tape_forward(tape, net, &p.pack, NULL);
    eng_lm_forward(tape, net, &t.lm, got, NULL, NULL);
    for (uint32_t q = 0, at = 0; q < p.pack.n_seqs; q++) {
        serving_logprobs(&s, p.tokens + p.starts[q], lengths[q], want);
        for (uint32_t i = 0; i + 1 < lengths[q]; i++, at++)
            EXPECT_NEAR((double)got[at], (double)want[i], tolerance);
    }
    serving_close(&s);
    eng_tape_free(tape);
    eng_net_free(net);
}

TEST(log_probs_of_the_golden_models_equal_the_serving_engine)
{
    static const char *const names[] = {
        "tiny-llama",          "tiny-gpt2",          "tiny-qwen2",         "tiny-gpt2-banded",
        "tiny-llama-f32.gguf", "tiny-gpt2-f32.gguf", "tiny-qwen2-f32.gguf"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        snprintf(name, sizeof name, "golden/models/%s", names[i]);
        expect_equals_serving(test_data(name), 1e-5);
    }
}

static const test_model_spec specs[] = {
    {.arch = "llama"},
    {.arch = "llama", .embd = 48, .heads = 6, .kv_heads = 1, .ff = 40, .qkv_bias = true},
    {.arch = "llama", .untied = true, .rope_freqs = true, .window = 24, .window_period = 2},
    {.arch = "qwen2", .layers = 1, .heads = 8, .kv_heads = 8},
    {.arch = "gpt2"},
    {.arch = "gpt2", .embd = 24, .heads = 3, .window = 70, .window_period = 1},
};
enum { N_SPECS = sizeof specs / sizeof *specs };

TEST(log_probs_of_any_shape_equal_the_serving_engine)
{
    for (int i = 0; i < N_SPECS; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%d.gguf", test_dir(), i);
        test_write_gguf(path, &specs[i]);
        expect_equals_serving(path, 1e-5);
    }
}

/* Thirty layers deep, where the two engines' orders of sums have parted further. */
TEST(log_probs_of_the_default_model_equal_the_serving_engine)
{
    test_skip_unless_heavy();
    expect_equals_serving(test_model(), 1e-4);
}

/* ---- a training step of several sequences --------------------------------------------------- */

typedef struct step {
    eng_net *net;
    fixture_pack p;
    fixture_targets t;
    float weights[FIXTURE_MAX_TOKENS]; /* dL/dl of each prediction, by row of the whole pack */
} step;

static void step_open(step *s, const test_model_spec *spec)
{
    static const uint32_t lengths[] = {40, 1, 90, 3, 64, 130};
    uint64_t state = 77;
    s->net = fixture_net(spec, ENG_HEAD_LM);
    fixture_fill(&s->p, lengths, 6, V, 21);
    fixture_target(&s->t, &s->p, 1);
    for (uint32_t i = 0; i < s->t.lm.n; i++)
        s->weights[i] = (float)(fixture_random(&state) % 1000) / 1000.0f - 0.3f;
}

static float slope_of(void *ctx, uint32_t i, float logprob)
{
    (void)logprob;
    return ((const float *)ctx)[i];
}

/* Gradients added to `grads`; log-probs of the step's predictions. */
static void run_step(step *s, const eng_tape_options *options, const eng_dropout *dropout,
                     float *grads, float *logprobs)
{
    eng_tape *tape = fixture_tape(s->net, options);
    eng_tape_forward(tape, s->net, &s->p.pack, dropout);
    eng_lm_backward(tape, s->net, &s->t.lm, slope_of, s->weights, logprobs, NULL, grads);
    eng_tape_backward(tape, s->net, grads);
    eng_tape_free(tape);
}

/* The same step, each sequence in a pack of its own. */
static void run_step_apart(step *s, const eng_tape_options *options, const eng_dropout *dropout,
                           float *grads, float *logprobs)
{
    eng_tape *tape = fixture_tape(s->net, options);
    uint32_t rows[FIXTURE_MAX_TOKENS];
    for (uint32_t r = 0; r < FIXTURE_MAX_TOKENS; r++)
        rows[r] = r;
    for (uint32_t q = 0, at = 0; q < s->p.pack.n_seqs; q++) {
        const uint32_t starts[2] = {0, s->p.starts[q + 1] - s->p.starts[q]};
        const eng_pack pack = {s->p.tokens + s->p.starts[q], starts, 1};
        eng_dropout own = dropout ? *dropout : (eng_dropout){0};
        own.seq_keys = s->p.keys + q;
        const eng_lm_rows lm = {rows, s->t.targets + at, starts[1] - 1, 1};
        eng_tape_forward(tape, s->net, &pack, &own);
        eng_lm_backward(tape, s->net, &lm, slope_of, s->weights + at, logprobs + at, NULL, grads);
        eng_tape_backward(tape, s->net, grads);
        at += lm.n;
    }
    eng_tape_free(tape);
}

/* Every tensor within 1e-5 of its own size. */
static void expect_gradients_near(const eng_net *net, const float *got, const float *want)
{
    uint32_t n;
    const eng_param *params = eng_net_params(net, &n);
    for (uint32_t i = 0; i < n; i++) {
        const size_t from = params[i].offset, floats = (size_t)params[i].rows * params[i].cols;
        double error = 0, size = 0;
        for (size_t j = from; j < from + floats; j++) {
            error += ((double)got[j] - (double)want[j]) * ((double)got[j] - (double)want[j]);
            size += (double)want[j] * (double)want[j];
        }
        if (!(sqrt(error) <= 1e-5 * sqrt(size)))
            FAIL("%s: gradients differ by %.3g of %.3g", params[i].name, sqrt(error), sqrt(size));
    }
}

typedef struct outcome {
    float *grads; /* [n] */
    size_t n;
    float logprobs[FIXTURE_MAX_TOKENS];
} outcome;

static outcome outcome_new(const step *s)
{
    outcome o = {.n = eng_net_n_floats(s->net)};
    o.grads = fixture_floats(o.n);
    return o;
}

static void expect_same_bits(const step *s, const outcome *a, const outcome *b)
{
    EXPECT_MEM(a->grads, b->grads, a->n * sizeof *a->grads);
    EXPECT_MEM(a->logprobs, b->logprobs, s->t.lm.n * sizeof *a->logprobs);
}

/* Every spec in f32 and in bf16. */
#define FOR_SPECS_AND_COMPUTES(i, how)                                                             \
    for (int i = 0; i < N_SPECS; i++)                                                              \
        for (eng_compute how = ENG_COMPUTE_F32; how <= ENG_COMPUTE_BF16; how++)

TEST(gradients_have_the_same_bits_on_any_number_of_threads)
{
    FOR_SPECS_AND_COMPUTES(i, how)
    {
        step s;
        step_open(&s, &specs[i]);
        const eng_dropout dropout = {0.2f, 1, 2, s.p.keys};
        eng_tape_options alone = fixture_options(&eng_serial);
        alone.compute = how;
        outcome want = outcome_new(&s);
        run_step(&s, &alone, &dropout, want.grads, want.logprobs);
        for (uint32_t width = 2; width <= 3; width++) {
            parallel_threads *threads = parallel_threads_create(width);
            eng_tape_options options = fixture_options(parallel_threads_parallel(threads));
            options.compute = how;
            outcome got = outcome_new(&s);
            run_step(&s, &options, &dropout, got.grads, got.logprobs);
            expect_same_bits(&s, &got, &want);
            parallel_threads_free(threads);
            free(got.grads);
        }
        free(want.grads);
        eng_net_free(s.net);
    }
}

TEST(checkpointed_layers_give_the_same_bits_for_a_fraction_of_the_memory)
{
    FOR_SPECS_AND_COMPUTES(i, how)
    {
        step s;
        step_open(&s, &specs[i]);
        const eng_dropout dropout = {0.2f, 1, 2, s.p.keys};
        eng_tape_options options = fixture_options(&eng_serial);
        options.compute = how;
        outcome want = outcome_new(&s), got = outcome_new(&s);
        run_step(&s, &options, &dropout, want.grads, want.logprobs);
        options.checkpoint = true;
        run_step(&s, &options, &dropout, got.grads, got.logprobs);
        expect_same_bits(&s, &got, &want);
        free(got.grads), free(want.grads);
        eng_net_free(s.net);
    }
}

TEST(every_kernel_set_gives_the_same_gradients)
{
    static const char *const sets[] = {"scalar", "avx2", "avx512"};
    for (int i = 0; i < N_SPECS; i++) {
        step s;
        step_open(&s, &specs[i]);
        const eng_dropout dropout = {0.2f, 1, 2, s.p.keys};
        outcome want = outcome_new(&s);
        for (int k = 0; k < 3; k++) {
            eng_tape_options options = fixture_options(&eng_serial);
            options.kernels = sets[k];
            outcome got = outcome_new(&s);
            run_step(&s, &options, &dropout, got.grads, got.logprobs);
            if (k == 0)
                memcpy(want.grads, got.grads, got.n * sizeof *got.grads);
            expect_gradients_near(s.net, got.grads, want.grads);
            free(got.grads);
            if (!strcmp(sets[k], eng_cpu_kernels()))
                break;
        }
        free(want.grads);
        eng_net_free(s.net);
    }
}

/* ---- rounded inputs ------------------------------------------------------------------------- */

/* |got - want| / |want| of all floats together. */
static double distance(const float *got, const float *want, size_t n)
{
    double error = 0, size = 0;
    for (size_t j = 0; j < n; j++) {
        error += ((double)got[j] - (double)want[j]) * ((double)got[j] - (double)want[j]);
        size += (double)want[j] * (double)want[j];
    }
    return sqrt(error / size);
}

/* To first order a product whose two inputs are each off by up to u = 2^-9 of themselves is off by
 * 2u of its size, and what went in wrong comes out no larger relative to it: a tensor's gradient is
 * made by at most 4 products a layer there, 4 a layer back, and the unembedding's three. */
static double rounding_bound(const eng_net *net)
{
    return (8 * eng_net_config(net)->n_layer + 3) * 2 * 0x1p-9;
}

static void expect_within_rounding(const eng_net *net, const float *got, const float *want,
                                   double *worst)
{
    uint32_t n;
    const eng_param *params = eng_net_params(net, &n);
    for (uint32_t i = 0; i < n; i++) {
        const size_t from = params[i].offset, floats = (size_t)params[i].rows * params[i].cols;
        const double d = distance(got + from, want + from, floats);
        if (!(d <= rounding_bound(net)))
            FAIL("%s: gradients are %.3g apart, expected at most %.3g", params[i].name, d,
                 rounding_bound(net));
        *worst = fmax(*worst, d);
    }
}

TEST(gradients_in_bf16_are_the_f32_ones_to_the_rounding_of_inputs)
{
    static const char *const sets[] = {"scalar", "avx2", "avx512"};
    double worst = 0;
    for (int i = 0; i < N_SPECS; i++) {
        step s;
        step_open(&s, &specs[i]);
        eng_tape_options options = fixture_options(&eng_serial);
        outcome want = outcome_new(&s);
        run_step(&s, &options, NULL, want.grads, want.logprobs);
        options.compute = ENG_COMPUTE_BF16;
        for (int k = 0; k < 3; k++) {
            options.kernels = sets[k];
            outcome got = outcome_new(&s);
            run_step(&s, &options, NULL, got.grads, got.logprobs);
            expect_within_rounding(s.net, got.grads, want.grads, &worst);
            const double d = distance(got.logprobs, want.logprobs, s.t.lm.n);
            EXPECT(d <= rounding_bound(s.net));
            EXPECT(distance(got.grads, want.grads, got.n) > 1e-4); /* inputs were rounded */
            free(got.grads);
            if (!strcmp(sets[k], eng_cpu_kernels()))
                break;
        }
        free(want.grads);
        eng_net_free(s.net);
    }
    printf("  at most %.2g apart\n", worst);
}

/* SmolLM2-135M's shape. */
static const eng_config shape_135m = {.arch = "llama",
                                      .n_layer = 30,
                                      .n_embd = 576,
                                      .n_head = 9,
                                      .n_kv_head = 3,
                                      .head_dim = 64,
                                      .n_ff = 1536,
                                      .n_vocab = 49152,
                                      .n_ctx = 2048,
                                      .pos = ENG_POS_ROPE_HALF,
                                      .rope_dims = 64,
                                      .tied = true};

TEST(a_tape_s_memory_grows_by_the_token_as_designed)
{
    eng_tape_options options = fixture_options(&eng_serial);
    size_t bytes[3][2];
    for (int kind = 0; kind < 3; kind++)
        for (int more = 0; more < 2; more++) {
            options.max_tokens = more ? 2048 : 1024;
            options.gradients = kind > 0;
            options.checkpoint = kind == 1;
            bytes[kind][more] = eng_tape_bytes(&shape_135m, &options);
        }
    const double forward = (double)(bytes[0][1] - bytes[0][0]) / 1024;
    const double checkpoint = (double)(bytes[1][1] - bytes[1][0]) / 1024;
    const double full = (double)(bytes[2][1] - bytes[2][0]) / 1024;
    /* 30 layers of 6d + 2d_kv + 3F floats; inputs alone are 30 d, plus what is reused */
    EXPECT_NEAR(full, 4 * 30 * 8448, 0.1 * 4 * 30 * 8448);
    EXPECT(checkpoint < 0.2 * full);
    EXPECT(forward < 0.6 * checkpoint);
}

TEST(a_batch_cut_into_other_packs_has_the_same_gradients)
{
    for (int i = 0; i < N_SPECS; i++)
        for (int dropped = 0; dropped < 2; dropped++) {
            step s;
            step_open(&s, &specs[i]);
            const eng_dropout dropout = {0.3f, 4, 5, s.p.keys};
            const eng_tape_options options = fixture_options(&eng_serial);
            outcome together = outcome_new(&s), apart = outcome_new(&s);
            run_step(&s, &options, dropped ? &dropout : NULL, together.grads, together.logprobs);
            run_step_apart(&s, &options, dropped ? &dropout : NULL, apart.grads, apart.logprobs);
            for (uint32_t j = 0; j < s.t.lm.n; j++)
                EXPECT_NEAR((double)apart.logprobs[j], (double)together.logprobs[j], 1e-5);
            expect_gradients_near(s.net, apart.grads, together.grads);
            free(together.grads), free(apart.grads);
            eng_net_free(s.net);
        }
}

/* ---- dropout -------------------------------------------------------------------------------- */

static void dropped_logprobs(step *s, const eng_dropout *dropout, float *out)
{
    const eng_tape_options options = fixture_options(&eng_serial);
    eng_tape *tape = fixture_tape(s->net, &options);
    eng_tape_forward(tape, s->net, &s->p.pack, dropout);
    eng_lm_forward(tape, s->net, &s->t.lm, out, NULL, NULL);
    eng_tape_free(tape);
}

TEST(dropout_follows_seed_step_and_sequence_and_nothing_else)
{
    step s;
    step_open(&s, &specs[0]);
    float first[FIXTURE_MAX_TOKENS], other[FIXTURE_MAX_TOKENS], none[FIXTURE_MAX_TOKENS];
    const size_t bytes = s.t.lm.n * sizeof *first;
    uint64_t keys[FIXTURE_MAX_SEQS];
    memcpy(keys, s.p.keys, sizeof keys);
    keys[5]++;
    dropped_logprobs(&s, NULL, none);
    dropped_logprobs(&s, &(eng_dropout){0.2f, 1, 2, s.p.keys}, first);
    dropped_logprobs(&s, &(eng_dropout){0.2f, 1, 2, s.p.keys}, other);
    EXPECT_MEM(other, first, bytes);
    EXPECT(memcmp(first, none, bytes) != 0);
    const eng_dropout others[] = {{0.2f, 2, 2, s.p.keys}, {0.2f, 1, 3, s.p.keys}};
    for (int i = 0; i < 2; i++) {
        dropped_logprobs(&s, &others[i], other);
        EXPECT(memcmp(first, other, bytes) != 0);
    }
    /* the last sequence's key changes the last sequence alone */
    dropped_logprobs(&s, &(eng_dropout){0.2f, 1, 2, keys}, other);
    const size_t before = s.t.lm.n - (s.p.starts[6] - s.p.starts[5] - 1);
    EXPECT_MEM(other, first, before * sizeof *first);
    EXPECT(memcmp(first + before, other + before, bytes - before * sizeof *first) != 0);
    dropped_logprobs(&s, &(eng_dropout){0, 1, 2, s.p.keys}, other);
    EXPECT_MEM(other, none, bytes);
    eng_net_free(s.net);
}

/* ---- heads ---------------------------------------------------------------------------------- */

/* What a row of logits says, in double. */
static void expect_row(const float *z, double temperature, int32_t target, float logprob,
                       float entropy, int32_t argmax)
{
    double max = -INFINITY, sum = 0, mean = 0;
    int32_t best = 0;
    for (int32_t j = 0; j < V; j++) {
        if ((double)z[j] > max)
            max = (double)z[j], best = j;
    }
    for (int32_t j = 0; j < V; j++) {
        const double e = exp(((double)z[j] - max) / temperature);
        sum += e;
        mean += e * ((double)z[j] - max) / temperature;
    }
    EXPECT_NEAR((double)logprob, ((double)z[target] - max) / temperature - log(sum), 2e-6);
    EXPECT_NEAR((double)entropy, log(sum) - mean / sum, 5e-6);
    EXPECT_EQ(argmax, best);
}

TEST(log_probs_entropies_and_best_tokens_follow_from_the_logits)
{
    step s;
    step_open(&s, &(test_model_spec){.untied = true});
    const eng_tape_options options = fixture_options(&eng_serial);
    eng_tape *tape = fixture_tape(s.net, &options);
    const float *w = eng_net_find(s.net, "output.weight")->data;
    const uint32_t c = eng_net_config(s.net)->n_embd;
    eng_tape_forward(tape, s.net, &s.p.pack, NULL);
    EXPECT(s.t.lm.n > 256); /* more than one chunk of logits */
    for (float temperature = 0.5f; temperature < 3; temperature *= 2) {
        float logprobs[FIXTURE_MAX_TOKENS], entropies[FIXTURE_MAX_TOKENS], z[V];
        int32_t best[FIXTURE_MAX_TOKENS];
        s.t.lm.temperature = temperature;
        eng_lm_forward(tape, s.net, &s.t.lm, logprobs, entropies, best);
        for (uint32_t i = 0; i < s.t.lm.n; i++) {
            const float *h = eng_tape_hidden(tape) + (size_t)s.t.rows[i] * c;
            for (uint32_t j = 0; j < V; j++) {
                double sum = 0;
                for (uint32_t k = 0; k < c; k++)
                    sum += (double)w[(size_t)j * c + k] * (double)h[k];
                z[j] = (float)sum;
            }
            expect_row(z, (double)temperature, s.t.targets[i], logprobs[i], entropies[i], best[i]);
        }
    }
    eng_tape_free(tape);
    eng_net_free(s.net);
}

/* PPO's ratio is exactly 1 at its first step only if these are the same bits. */
TEST(log_probs_have_the_same_bits_with_and_without_gradients)
{
    FOR_SPECS_AND_COMPUTES(i, how)
    {
        step s;
        step_open(&s, &specs[i]);
        eng_tape_options options = fixture_options(&eng_serial);
        options.compute = how;
        outcome trained = outcome_new(&s);
        run_step(&s, &options, NULL, trained.grads, trained.logprobs);
        options.gradients = false;
        eng_tape *tape = fixture_tape(s.net, &options);
        float scored[FIXTURE_MAX_TOKENS];
        eng_tape_forward(tape, s.net, &s.p.pack, NULL);
        eng_lm_forward(tape, s.net, &s.t.lm, scored, NULL, NULL);
        EXPECT_MEM(scored, trained.logprobs, s.t.lm.n * sizeof *scored);
        eng_tape_free(tape);
        free(trained.grads);
        eng_net_free(s.net);
    }
}

TEST(a_head_replaces_what_an_earlier_one_left)
{
    step s;
    step_open(&s, &specs[0]);
    const eng_tape_options options = fixture_options(&eng_serial);
    eng_tape *tape = fixture_tape(s.net, &options);
    outcome want = outcome_new(&s), got = outcome_new(&s), unused = outcome_new(&s);
    eng_tape_forward(tape, s.net, &s.p.pack, NULL);
    eng_lm_backward(tape, s.net, &s.t.lm, slope_of, s.weights, unused.logprobs, NULL, unused.grads);
    const eng_lm_rows few = {s.t.rows + 20, s.t.targets + 20, 5, 1};
    eng_lm_backward(tape, s.net, &few, slope_of, s.weights, got.logprobs, NULL, got.grads);
    eng_tape_backward(tape, s.net, got.grads);
    eng_tape_forward(tape, s.net, &s.p.pack, NULL);
    eng_lm_backward(tape, s.net, &few, slope_of, s.weights, want.logprobs, NULL, want.grads);
    eng_tape_backward(tape, s.net, want.grads);
    EXPECT_MEM(got.grads, want.grads, want.n * sizeof *want.grads);
    free(want.grads), free(got.grads), free(unused.grads);
    eng_tape_free(tape);
    eng_net_free(s.net);
}

TEST(gradients_add_to_what_is_there)
{
    step s;
    step_open(&s, &specs[1]);
    const eng_tape_options options = fixture_options(&eng_serial);
    outcome once = outcome_new(&s), twice = outcome_new(&s);
    run_step(&s, &options, NULL, once.grads, once.logprobs);
    run_step(&s, &options, NULL, twice.grads, twice.logprobs);
    run_step(&s, &options, NULL, twice.grads, twice.logprobs);
    for (size_t i = 0; i < once.n; i++)
        once.grads[i] *= 2;
    expect_gradients_near(s.net, twice.grads, once.grads);
    free(once.grads), free(twice.grads);
    eng_net_free(s.net);
}

/* ---- birth ---------------------------------------------------------------------------------- */

TEST(a_training_step_allocates_nothing)
{
#ifndef COUNTS_ALLOCATIONS
    SKIP("allocations cannot be counted here (sanitizer, or not glibc)");
#endif
    EXPECT(atomic_load(&allocations) > 0); /* the harness's own: it does count */
    step s;
    step_open(&s, &specs[0]);
    parallel_threads *threads = parallel_threads_create(2);
    for (int kind = 0; kind < 4; kind++) {
        eng_tape_options options = fixture_options(parallel_threads_parallel(threads));
        options.checkpoint = kind & 1;
        options.compute = kind & 2 ? ENG_COMPUTE_BF16 : ENG_COMPUTE_F32;
        eng_tape *tape = fixture_tape(s.net, &options);
        outcome o = outcome_new(&s);
        const eng_dropout dropout = {0.1f, 1, 2, s.p.keys};
        const unsigned before = atomic_load(&allocations);
        eng_tape_forward(tape, s.net, &s.p.pack, &dropout);
        eng_lm_backward(tape, s.net, &s.t.lm, slope_of, s.weights, o.logprobs, NULL, o.grads);
        eng_tape_backward(tape, s.net, o.grads);
        EXPECT_EQ(atomic_load(&allocations) - before, 0);
        free(o.grads);
        eng_tape_free(tape);
    }
    parallel_threads_free(threads);
    eng_net_free(s.net);
}

TEST(a_tape_that_cannot_be_made_is_refused)
{
    eng_tape *tape;
    eng_error err;
    eng_tape_options options = fixture_options(&eng_serial);
    options.kernels = "mmx";
    EXPECT_EQ(eng_tape_create(&tape, &shape_135m, &options, &err), ENG_UNSUPPORTED);
    EXPECT(strstr(err.text, "\"mmx\"") != NULL);
    options = fixture_options(&eng_serial);
    options.max_tokens = 0;
    EXPECT_EQ(eng_tape_create(&tape, &shape_135m, &options, &err), ENG_INVALID);
    eng_config huge = shape_135m;
    huge.n_layer = 4096, huge.n_ff = 1u << 23, options.max_tokens = UINT32_MAX;
    EXPECT_EQ(eng_tape_create(&tape, &huge, &options, &err), ENG_NOMEM);
    EXPECT(tape == NULL);
}

TEST(an_empty_pack_and_a_head_without_rows_do_nothing)
{
    step s;
    step_open(&s, &specs[0]);
    const eng_tape_options options = fixture_options(&eng_serial);
    eng_tape *tape = fixture_tape(s.net, &options);
    outcome o = outcome_new(&s), zero = outcome_new(&s);
    const uint32_t starts[1] = {0};
    const eng_lm_rows none = {NULL, NULL, 0, 1};
    eng_tape_forward(tape, s.net, &(eng_pack){NULL, starts, 0}, NULL);
    eng_lm_backward(tape, s.net, &none, slope_of, NULL, NULL, NULL, o.grads);
    eng_tape_backward(tape, s.net, o.grads);
    eng_tape_forward(tape, s.net, &s.p.pack, NULL);
    eng_lm_backward(tape, s.net, &none, slope_of, NULL, NULL, NULL, o.grads);
    eng_tape_backward(tape, s.net, o.grads);
    for (size_t i = 0; i < o.n; i++)
        EXPECT(o.grads[i] == 0);
    free(o.grads), free(zero.grads);
    eng_tape_free(tape);
    eng_net_free(s.net);
}
