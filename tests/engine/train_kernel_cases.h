/* What test_train_kernels and test_train_kernels_avx512 check of a set of training's kernels.
 * Inputs are random from fixed seeds; oracles are plain loops in double. */
#ifndef TESTS_ENGINE_TRAIN_KERNEL_CASES_H
#define TESTS_ENGINE_TRAIN_KERNEL_CASES_H

#include "base/random.h"
#include "compute/kernels/train_kernels.h"
#include "harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t case_lengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 576, 2051};
enum { CASE_LENGTHS = sizeof case_lengths / sizeof *case_lengths, CASE_ROW = 2051 };

#define FOR_LENGTHS(n)                                                                             \
    for (uint32_t len_ = 0, n; len_ < CASE_LENGTHS && (n = case_lengths[len_], true); len_++)

static inline void case_fill(float *x, size_t n, double sd, uint32_t stream)
{
    eng__fill_normal(x, n, sd, 42, stream);
}

/* ---- equal to another set, bit for bit ------------------------------------------------------ */

/* Every row kernel over rows of n, results one after the other; returns how many floats. */
static inline size_t run_rows_of(const eng_train_kernels *k, uint32_t n, float *out)
{
    static float x[CASE_ROW], y[CASE_ROW], w[CASE_ROW], b[CASE_ROW];
    static const uint32_t counter[3] = {5, 6, 7}, key[2] = {8, 9};
    case_fill(x, n, 2, 1), case_fill(y, n, 1, 2), case_fill(w, n, 1, 3), case_fill(b, n, 1, 4);
    float *at = out;
    for (int layer = 0; layer < 2; layer++) {
        eng_row_stats s = k->norm(at, x, w, layer ? b : NULL, n, 1e-5f);
        memcpy(at + n, &s, sizeof s);
        at += n + 2;
        memset(at, 0, 3 * n * sizeof *at);
        k->norm_backward(at, at + n, layer ? at + 2 * n : NULL, y, x, w, n, s);
        at += 3 * n;
    }
    k->swiglu(at, x, y, n), at += n;
    k->swiglu_backward(at, at + n, y, x, w, n), at += 2 * n;
    memcpy(at, x, n * sizeof *at), k->gelu_tanh(at, n), at += n;
    k->gelu_backward(at, y, x, n), at += n;
    memcpy(at, x, n * sizeof *at), k->add(at, y, n), k->axpy(at, 0.3f, w, n), k->scale(at, 1.7f, n);
    k->rotate(at, y, w, n / 2, false, -1), k->rotate(at, y, w, n / 2, true, 1), at += n;
    k->dropout(at, x, n, counter, key, 1u << 30, 4.0f / 3), at += n;
    *at++ = k->dot(x, y, n), *at++ = k->max(x, n);
    double sums[3];
    k->softmax(at, x, n, 3, 0.7f, &sums[0], &sums[1]), at += n;
    sums[2] = k->sum_squares(x, n);
    memcpy(at, sums, sizeof sums), at += 6;
    *at = k->exp_shifted(at + 1, x, n, 1.5f), at += n + 1;
    k->softmax_backward(at, x, y, 0.2f, n), at += n;
    for (int i = 0; i < 4; i++)
        memcpy(at + i * n, i == 0 ? x : i == 1 ? y : i == 2 ? w : b, n * sizeof *at);
    for (uint32_t i = 0; i < n; i++)
        at[3 * n + i] = fabsf(at[3 * n + i]);
    k->adamw(at, at + n, at + 2 * n, at + 3 * n, n,
             &(eng_adamw_numbers){0.5f, 0.9f, 0.95f, 0.99f, 1e-2f, 1.3f, 1e-8f});
    k->ema(at, y, n, 0.008f);
    return (size_t)(at + 4 * n - out);
}

static inline void expect_rows_equal(const eng_train_kernels *got, const eng_train_kernels *want)
{
    enum { RESULTS = 30 };
    float *a = calloc((size_t)RESULTS * CASE_ROW, sizeof *a);
    float *b = calloc((size_t)RESULTS * CASE_ROW, sizeof *b);
    EXPECT(a && b);
    FOR_LENGTHS(n)
    {
        const size_t floats = run_rows_of(got, n, a);
        EXPECT(floats <= (size_t)RESULTS * CASE_ROW);
        run_rows_of(want, n, b);
        EXPECT_MEM(a, b, floats * sizeof *a);
    }
    free(a), free(b);
}

#endif
