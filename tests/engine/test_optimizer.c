/* What happens between batches: AdamW against the same in double, norms, averages, schedules; the
 * same bits on any number of threads. */
#include "harness.h"
#include "parallel_threads.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3 * 65536 + 77 }; /* several pieces and a rest */

static float *floats(uint64_t seed, float size)
{
    float *x = malloc(N * sizeof *x);
    EXPECT(x);
    for (size_t i = 0; i < N; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x[i] = size * ((float)(seed >> 40) * 0x1p-23f - 1);
    }
    return x;
}

typedef struct block {
    float *params, *grads, *m, *v;
} block;

static block block_new(void)
{
    block b = {floats(1, 0.5f), floats(2, 1e-2f), floats(3, 1e-3f), floats(4, 1e-5f)};
    for (size_t i = 0; i < N; i++)
        b.v[i] = fabsf(b.v[i]);
    return b;
}

static void block_free(block *b)
{
    free(b->params), free(b->grads), free(b->m), free(b->v);
}

static const eng_adamw options = {
    .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .weight_decay = 0.1f};

TEST(adamw_equals_its_definition_in_double)
{
    const double lr = 1e-2, scale = 0.25;
    block b = block_new();
    double *theta = malloc(N * sizeof *theta), *m = malloc(N * sizeof *m),
           *v = malloc(N * sizeof *v);
    EXPECT(theta && m && v);
    for (size_t i = 0; i < N; i++)
        theta[i] = (double)b.params[i], m[i] = 0, v[i] = 0;
    memset(b.m, 0, N * sizeof *b.m);
    memset(b.v, 0, N * sizeof *b.v);
    for (uint64_t t = 1; t <= 5; t++) {
        for (size_t i = 0; i < N; i++) {
            const double g = scale * (double)b.grads[i];
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.95 * v[i] + 0.05 * g * g;
            const double mhat = m[i] / (1 - pow(0.9, (double)t));
            const double vhat = v[i] / (1 - pow(0.95, (double)t));
            theta[i] -= lr * 0.1 * theta[i];
            theta[i] -= lr * mhat / (sqrt(vhat) + 1e-8);
        }
        eng_adamw_step(&eng_serial, &options, b.params, b.grads, b.m, b.v, N, lr, t, (float)scale);
        for (size_t i = 0; i < N; i++)
            b.grads[i] = -0.7f * b.grads[i] + 1e-4f;
    }
    for (size_t i = 0; i < N; i++) {
        EXPECT_NEAR((double)b.params[i], theta[i], 1e-6);
        EXPECT_NEAR((double)b.m[i], m[i], 1e-6 * fabs(m[i]) + 1e-9);
        EXPECT_NEAR((double)b.v[i], v[i], 2e-6 * v[i] + 1e-16);
    }
    free(theta), free(m), free(v);
    block_free(&b);
}

TEST(a_learning_rate_of_zero_leaves_the_weights_bitwise)
{
    block b = block_new();
    b.params[0] = -0.0f, b.params[1] = 0.0f, b.m[0] = -1, b.m[1] = -1;
    float *before = malloc(N * sizeof *before);
    EXPECT(before);
    memcpy(before, b.params, N * sizeof *before);
    eng_adamw_step(&eng_serial, &options, b.params, b.grads, b.m, b.v, N, 0, 7, 1);
    EXPECT_MEM(b.params, before, N * sizeof *before);
    free(before);
    block_free(&b);
}

TEST(steps_norms_and_averages_have_the_same_bits_on_any_number_of_threads)
{
    block want = block_new();
    const double norm = eng_grad_norm(&eng_serial, want.grads, N);
    eng_adamw_step(&eng_serial, &options, want.params, want.grads, want.m, want.v, N, 1e-3, 3, 1);
    eng_ema_update(&eng_serial, want.m, want.params, N, 0.992);
    for (uint32_t width = 2; width <= 3; width++) {
        parallel_threads *threads = parallel_threads_create(width);
        const eng_parallel *p = parallel_threads_parallel(threads);
        block got = block_new();
        const double norm_here = eng_grad_norm(p, got.grads, N);
        EXPECT_MEM(&norm_here, &norm, sizeof norm);
        eng_adamw_step(p, &options, got.params, got.grads, got.m, got.v, N, 1e-3, 3, 1);
        eng_ema_update(p, got.m, got.params, N, 0.992);
        EXPECT_MEM(got.params, want.params, N * sizeof(float));
        EXPECT_MEM(got.m, want.m, N * sizeof(float));
        EXPECT_MEM(got.v, want.v, N * sizeof(float));
        eng_grads_clear(p, got.grads, N);
        for (size_t i = 0; i < N; i++)
            EXPECT_EQ(got.grads[i], 0);
        block_free(&got);
        parallel_threads_free(threads);
    }
    block_free(&want);
}

TEST(the_norm_is_the_root_of_the_sum_of_squares_and_sees_what_is_not_finite)
{
    float *x = floats(5, 3);
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += (double)x[i] * (double)x[i];
    EXPECT_NEAR(eng_grad_norm(&eng_serial, x, N), sqrt(sum), 1e-12 * sqrt(sum));
    EXPECT_NEAR(eng_grad_norm(&eng_serial, x, 0), 0, 0);
    x[N - 1] = 1e30f; /* its square is no float */
    EXPECT_NEAR(eng_grad_norm(&eng_serial, x, N), 1e30, 1e23);
    x[70000] = INFINITY;
    EXPECT(isinf(eng_grad_norm(&eng_serial, x, N)));
    x[3] = NAN;
    EXPECT(isnan(eng_grad_norm(&eng_serial, x, N)));
    free(x);
}

TEST(a_norm_over_many_pieces_is_whole)
{
    const size_t n = (size_t)300 * 65536 + 5; /* more pieces than one wave takes */
    float *ones = malloc(n * sizeof *ones);
    EXPECT(ones);
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    const double norm = eng_grad_norm(&eng_serial, ones, n);
    free(ones);
    EXPECT_NEAR(norm * norm, (double)n, 1e-3);
}

TEST(clipping_scales_as_pytorch_does)
{
    EXPECT_NEAR((double)eng_clip_scale(4, 1), 1 / (4 + 1e-6), 1e-7);
    EXPECT_NEAR((double)eng_clip_scale(0.5, 1), 1, 0);
    EXPECT_NEAR((double)eng_clip_scale(0, 1), 1, 0);
    EXPECT_NEAR((double)eng_clip_scale(1e9, 0), 1, 0);
}

TEST(an_average_closes_on_the_weights_at_its_rate)
{
    float average[3] = {0, 1, -2}, params[3] = {1, 1, 2};
    for (int i = 0; i < 86; i++) /* the half-life of 0.992 */
        eng_ema_update(&eng_serial, average, params, 3, 0.992);
    EXPECT_NEAR((double)average[0], 0.5, 2e-3);
    EXPECT_NEAR((double)average[1], 1, 0);
    EXPECT_NEAR((double)average[2], 0, 8e-3);
}

TEST(schedules_have_the_papers_ends)
{
    EXPECT_NEAR(eng_lr_cosine(2, 0.1, 0, 100), 2, 1e-15);
    EXPECT_NEAR(eng_lr_cosine(2, 0.1, 50, 100), 2 * (0.1 + 0.45), 1e-15);
    EXPECT_NEAR(eng_lr_cosine(2, 0.1, 100, 100), 0.2, 1e-15);
    EXPECT_NEAR(eng_lr_warmup(5, 0, 10), 0.5, 1e-15);
    EXPECT_NEAR(eng_lr_warmup(5, 5, 10), 5 * 0.55, 1e-15);
    EXPECT_NEAR(eng_lr_warmup(5, 10, 10), 5, 1e-15);
    EXPECT_NEAR(eng_lr_warmup(5, 99, 10), 5, 1e-15);
    EXPECT_NEAR(eng_lr_warmup(5, 0, 0), 5, 1e-15);
}
