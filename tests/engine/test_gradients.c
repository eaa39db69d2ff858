/* Losses and gradients of whole networks against PyTorch's, tensor by tensor, and against
 * themselves under other packs, threads, kernels and files. The golden side is made by
 * tests/golden/train. */
#include "formats/file.h"
#include "formats/safetensors.h"
#include "gradient_file.h"
#include "gradient_run.h"
#include "harness.h"
#include "parallel_threads.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The relative error of a tensor is |ours - theirs| / |theirs| in the 2-norm. A tensor whose
 * gradient vanishes but for rounding (the score bias, say, under rankings) is measured against the
 * norm of all gradients together. */
static const double TOLERANCE = 1e-4, VANISHED = 1e-7;

enum { PACK_TOKENS = 2048, ARENA_BYTES = 64 * 1024 * 1024 };

/* ---- files of gradients ---- */

typedef struct gradients {
    eng_arena arena;
    eng__directory dir;
    float **data; /* [dir.n] */
    double norm;  /* of all together */
} gradients;

static double norm_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

static gradients load_gradients(const char *path)
{
    gradients g;
    eng__file file;
    eng_error err;
    double squares = 0;
    eng_arena_init(&g.arena, ARENA_BYTES);
    EXPECT_OK(eng__file_open(&file, AT_FDCWD, path, &err), err);
    EXPECT_OK(eng__safetensors_read(&g.dir, &file, &g.arena, &err), err);
    g.data = eng_arena_array(&g.arena, g.dir.n, sizeof *g.data);
    for (size_t i = 0; i < g.dir.n; i++) {
        const eng__stored *t = &g.dir.tensors[i];
        size_t n = (size_t)t->info.n_elements;
        g.data[i] = eng_arena_array(&g.arena, n, sizeof **g.data);
        EXPECT(g.data[i]);
        EXPECT_OK(eng__file_read(&file, t->offset, g.data[i], n * sizeof **g.data, &err), err);
        squares += pow(norm_of(g.data[i], n), 2);
    }
    eng__file_close(&file);
    g.norm = sqrt(squares);
    return g;
}

static double relative_error(const float *got, const float *want, size_t n, double whole)
{
    double norm = norm_of(want, n), squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
    return sqrt(squares) / (norm > VANISHED * whole ? norm : whole);
}

/* Fails on other names or shapes, or a tensor past the tolerance; returns the greatest error. */
static double expect_close(const gradients *got, const gradients *want, double tolerance)
{
    double worst = 0;
    EXPECT_EQ(got->dir.n, want->dir.n);
    for (size_t i = 0; i < want->dir.n; i++) {
        const eng_tensor_info *w = &want->dir.tensors[i].info;
        const eng__stored *t = eng__directory_find(&got->dir, w->name);
        if (!t)
            FAIL("no gradient of %s", w->name);
        if (t->info.n_dims != w->n_dims || memcmp(t->info.dims, w->dims, sizeof w->dims) != 0)
            FAIL("%s: shape %llu x %llu, expected %llu x %llu", w->name,
                 (unsigned long long)t->info.dims[1], (unsigned long long)t->info.dims[0],
                 (unsigned long long)w->dims[1], (unsigned long long)w->dims[0]);
        double error = relative_error(got->data[t - got->dir.tensors], want->data[i],
                                      (size_t)w->n_elements, want->norm);
        if (!(error <= tolerance))
            FAIL("%s: relative error %.3g, expected at most %.3g", w->name, error, tolerance);
        worst = fmax(worst, error);
    }
    return worst;
}

/* The loss that the maker put into the metadata: a decimal number. */
static double golden_loss(const char *path)
{
    static const char key[] = "\"golden\":\"loss ";
    size_t len;
    char *text = test_read_file(path, &len);
    const char *at = memmem(text, len, key, strlen(key));
    if (!at)
        FAIL("%s: no loss in the metadata", path);
    double loss = strtod(at + strlen(key), NULL);
    free(text);
    return loss;
}

/* ---- a model with a batch ---- */

typedef struct problem {
    eng_net *net;
    gradient_batch batch;
    gradient_result result;
    float *grads;
} problem;

/* `model` in golden/models; the batch is golden/train/`batch`/<loss>.json. */
static problem open_problem(const char *model, const char *batch, gradient_loss loss)
{
    char name[128];
    eng_error err;
    problem p = {0};
    snprintf(name, sizeof name, "golden/models/%s", model);
    EXPECT_OK(eng_net_open(&p.net, test_data(name),
                           gradient_loss_scores(loss) ? ENG_HEAD_SCORE : ENG_HEAD_LM, &err),
              err);
    snprintf(name, sizeof name, "golden/train/%s/%s.json", batch, gradient_loss_name(loss));
    EXPECT_OK(gradient_batch_read(&p.batch, test_data(name), loss, eng_net_config(p.net), &err),
              err);
    if (p.batch.score_weight) {
        const eng_param *weight = eng_net_find(p.net, "score.weight");
        memcpy(weight->data, p.batch.score_weight, weight->cols * sizeof(float));
        eng_net_find(p.net, "score.bias")->data[0] = p.batch.score_bias;
    }
    p.grads = malloc(eng_net_n_floats(p.net) * sizeof *p.grads);
    return p;
}

static void free_problem(problem *p)
{
    gradient_batch_free(&p->batch);
    eng_net_free(p->net);
    free(p->grads);
}

static const gradient_options plain = {.parallel = &eng_serial, .pack_tokens = PACK_TOKENS};

static void run_problem(problem *p, const gradient_options *options)
{
    eng_error err;
    memset(p->grads, 0, eng_net_n_floats(p->net) * sizeof *p->grads);
    EXPECT_OK(gradient_run(p->net, &p->batch, options, p->grads, &p->result, &err), err);
}

/* Through a file, as eng-gradients writes it; the problem's gradients are used up. */
static gradients written(problem *p)
{
    char path[512];
    eng_error err;
    snprintf(path, sizeof path, "%s/gradients.safetensors", test_dir());
    EXPECT_OK(gradient_file_write(path, p->net, p->grads, p->batch.loss, &p->result, NULL, &err),
              err);
    return load_gradients(path);
}

/* ---- against PyTorch ---- */

static void expect_golden(const char *model, gradient_loss loss, const gradient_options *options)
{
    char name[128];
    problem p = open_problem(model, model, loss);
    snprintf(name, sizeof name, "golden/train/%s/%s.safetensors", model, gradient_loss_name(loss));
    const char *path = test_data(name);
    run_problem(&p, options);
    double want_loss = golden_loss(path), loss_scale = fmax(1, fabs(want_loss));
    EXPECT_NEAR(p.result.loss, want_loss, 1e-5 * loss_scale);
    gradients got = written(&p), want = load_gradients(path);
    double worst = expect_close(&got, &want, TOLERANCE);
    printf("  %s %s: greatest relative error %.1e\n", model, gradient_loss_name(loss), worst);
    eng_arena_free(&got.arena);
    eng_arena_free(&want.arena);
    free_problem(&p);
}

TEST(llama_gradients_of_every_loss_equal_pytorch)
{
    for (int loss = 0; loss < GRADIENT_N_LOSSES; loss++)
        expect_golden("micro-llama", (gradient_loss)loss, &plain);
}

TEST(gpt2_gradients_of_every_loss_equal_pytorch)
{
    for (int loss = 0; loss < GRADIENT_N_LOSSES; loss++)
        expect_golden("micro-gpt2", (gradient_loss)loss, &plain);
}

TEST(qwen2_gradients_with_biases_equal_pytorch)
{
    expect_golden("micro-qwen2", GRADIENT_LM, &plain);
    expect_golden("micro-qwen2", GRADIENT_VALUE, &plain);
    expect_golden("micro-qwen2", GRADIENT_PPO, &plain);
}

TEST(gradients_through_locally_banded_layers_equal_pytorch)
{
    expect_golden("micro-gpt2-banded", GRADIENT_LM, &plain);
    expect_golden("micro-gpt2-banded", GRADIENT_REWARD, &plain);
    expect_golden("micro-gpt2-banded", GRADIENT_PPO, &plain);
}

TEST(gradients_of_portable_kernels_equal_pytorch)
{
    gradient_options scalar = plain;
    scalar.kernels = "scalar";
    expect_golden("micro-llama", GRADIENT_PPO, &scalar);
    expect_golden("micro-gpt2", GRADIENT_REWARD, &scalar);
}

/* ---- against themselves ---- */

static void expect_same_bits(problem *p, const gradient_options *options)
{
    size_t n = eng_net_n_floats(p->net);
    run_problem(p, &plain);
    double loss = p->result.loss;
    float *want = malloc(n * sizeof *want);
    memcpy(want, p->grads, n * sizeof *want);
    run_problem(p, options);
    EXPECT(p->result.loss == loss);
    EXPECT_MEM(p->grads, want, n * sizeof *want);
    free(want);
}

static const struct {
    const char *model;
    gradient_loss loss;
} samples[] = {{"micro-llama", GRADIENT_LM},    {"micro-llama", GRADIENT_REWARD},
               {"micro-qwen2", GRADIENT_VALUE}, {"micro-gpt2", GRADIENT_PPO},
               {"micro-gpt2", GRADIENT_PTX},    {"micro-gpt2-banded", GRADIENT_LM}};
enum { N_SAMPLES = sizeof samples / sizeof samples[0] };

TEST(gradients_are_bit_identical_on_any_number_of_threads)
{
    for (uint32_t width = 2; width <= 3; width++) {
        parallel_threads *threads = parallel_threads_create(width);
        gradient_options options = plain;
        options.parallel = parallel_threads_parallel(threads);
        for (int i = 0; i < N_SAMPLES; i++) {
            problem p = open_problem(samples[i].model, samples[i].model, samples[i].loss);
            expect_same_bits(&p, &options);
            free_problem(&p);
        }
        parallel_threads_free(threads);
    }
}

TEST(recomputed_activations_give_bit_identical_gradients)
{
    gradient_options options = plain;
    options.checkpoint = true;
    for (int i = 0; i < N_SAMPLES; i++) {
        problem p = open_problem(samples[i].model, samples[i].model, samples[i].loss);
        expect_same_bits(&p, &options);
        free_problem(&p);
    }
}

TEST(gradients_do_not_depend_on_how_the_batch_is_cut_into_packs)
{
    for (int i = 0; i < N_SAMPLES; i++) {
        problem p = open_problem(samples[i].model, samples[i].model, samples[i].loss);
        gradient_options options = plain;
        run_problem(&p, &options);
        double loss = p.result.loss;
        uint32_t packs = p.result.n_packs;
        gradients want = written(&p);
        for (options.pack_tokens = 1; options.pack_tokens < 200; options.pack_tokens *= 6) {
            run_problem(&p, &options);
            EXPECT(p.result.n_packs > packs);
            EXPECT_NEAR(p.result.loss, loss, 1e-6 * fmax(1, fabs(loss)));
            gradients got = written(&p);
            expect_close(&got, &want, 1e-5);
            eng_arena_free(&got.arena);
        }
        eng_arena_free(&want.arena);
        free_problem(&p);
    }
}

/* Reverses the outputs of every prompt. */
static void permute_outputs(gradient_batch *b)
{
    uint32_t first = 0;
    for (uint32_t p = 0; p < b->n_prompts; first += b->prompts[p++].k)
        for (uint32_t i = 0, j = b->prompts[p].k - 1; i < j; i++, j--) {
            batch_seq *x = &b->seqs.items[first + i], *y = &b->seqs.items[first + j], seq = *x;
            uint32_t *group = b->prompts[p].group, rank = group[i];
            bool joined = x->joined;
            *x = *y;
            *y = seq;
            y->joined = x->joined;
            x->joined = joined;
            group[i] = group[j];
            group[j] = rank;
        }
}

TEST(gradients_do_not_depend_on_the_order_of_a_prompts_outputs)
{
    problem p = open_problem("micro-llama", "micro-llama", GRADIENT_REWARD);
    run_problem(&p, &plain);
    double loss = p.result.loss;
    gradients want = written(&p);
    permute_outputs(&p.batch);
    run_problem(&p, &plain);
    EXPECT_NEAR(p.result.loss, loss, 1e-7);
    gradients got = written(&p);
    expect_close(&got, &want, 1e-5);
    eng_arena_free(&got.arena);
    eng_arena_free(&want.arena);
    free_problem(&p);
}

TEST(ppo_with_a_ptx_coefficient_of_0_is_plain_ppo)
{
    problem p = open_problem("micro-gpt2", "micro-gpt2", GRADIENT_PPO);
    size_t n = eng_net_n_floats(p.net);
    float *with = malloc(n * sizeof *with);
    p.batch.ptx_coef = 0;
    run_problem(&p, &plain);
    double loss = p.result.loss;
    memcpy(with, p.grads, n * sizeof *with);
    p.batch.ptx.n = 0;
    run_problem(&p, &plain);
    EXPECT(p.result.loss == loss);
    for (size_t i = 0; i < n; i++)
        EXPECT(p.grads[i] == with[i]); /* -0 may stand for 0 */
    free(with);
    free_problem(&p);
}

/* The same weights in two files whose rotary pairs lie differently. */
TEST(a_gguf_file_and_its_hugging_face_directory_give_the_same_gradients)
{
    static const char *const names[][2] = {{"tiny-llama", "tiny-llama-f32.gguf"},
                                           {"tiny-gpt2", "tiny-gpt2-f32.gguf"}};
    for (int i = 0; i < 2; i++) {
        problem p = open_problem(names[i][0], "micro-llama", GRADIENT_LM);
        run_problem(&p, &plain);
        gradients want = written(&p);
        free_problem(&p);
        p = open_problem(names[i][1], "micro-llama", GRADIENT_LM);
        run_problem(&p, &plain);
        gradients got = written(&p);
        free_problem(&p);
        expect_close(&got, &want, 1e-5);
        eng_arena_free(&got.arena);
        eng_arena_free(&want.arena);
    }
}
