/* Training's kernels: every set this CPU runs equal to the scalar one bit for bit, and the scalar
 * one right. That the backward rows are derivatives of the forward ones is test_gradients_fp64's
 * affair, which compiles the same source in double. */
#include "train_kernel_cases.h"

static const eng_train_kernels *kernel_set(int i)
{
    static const char *const names[] = {"scalar", "avx2", "avx512"};
    return i < 3 ? eng__train_kernels_choose(names[i]) : NULL;
}

#define FOR_KERNEL_SETS(k)                                                                         \
    for (int set_ = 0; set_ < 3; set_++)                                                           \
        for (const eng_train_kernels *k = kernel_set(set_); k; k = NULL)

static const eng_train_kernels *const scalar = &eng__train_scalar;

TEST(rows_are_equal_bit_for_bit_in_every_kernel_set)
{
    FOR_KERNEL_SETS(k)
    expect_rows_equal(k, scalar);
}

TEST(norms_match_double)
{
    float x[100], w[100], b[100], y[100];
    case_fill(x, 100, 2, 1), case_fill(w, 100, 1, 2), case_fill(b, 100, 1, 3);
    for (int layer = 0; layer < 2; layer++) {
        const eng_row_stats s = scalar->norm(y, x, w, layer ? b : NULL, 100, 1e-5f);
        double mean = 0, square = 0;
        for (int i = 0; i < 100; i++)
            mean += layer ? (double)x[i] / 100 : 0;
        for (int i = 0; i < 100; i++)
            square += ((double)x[i] - mean) * ((double)x[i] - mean) / 100;
        const double inverse = 1 / sqrt(square + 1e-5);
        EXPECT_NEAR((double)s.mean, mean, 1e-6);
        EXPECT_NEAR((double)s.inverse, inverse, 1e-6);
        for (int i = 0; i < 100; i++)
            EXPECT_NEAR((double)y[i],
                        ((double)x[i] - mean) * inverse * (double)w[i] + (layer ? (double)b[i] : 0),
                        2e-6);
    }
}

TEST(a_softmax_and_its_sums_match_double)
{
    float x[CASE_ROW], y[CASE_ROW];
    case_fill(x, CASE_ROW, 4, 1);
    const float max = scalar->max(x, CASE_ROW);
    double sum, dot, want_sum = 0, want_dot = 0;
    scalar->softmax(y, x, CASE_ROW, max, 0.5f, &sum, &dot);
    for (int i = 0; i < CASE_ROW; i++) {
        EXPECT(x[i] <= max);
        const double z = ((double)x[i] - (double)max) * 0.5, e = exp(z);
        EXPECT_NEAR((double)y[i], e, (3e-7 - 2e-7 * z) * e); /* z itself is rounded */
        want_sum += e;
        want_dot += e * z;
    }
    EXPECT_NEAR(sum, want_sum, 1e-6 * want_sum);
    EXPECT_NEAR(dot, want_dot, 1e-6 * fabs(want_dot));
}

TEST(a_value_that_is_not_finite_reaches_the_sum_of_its_softmax)
{
    float x[40] = {0}, y[40];
    double sum, dot;
    x[33] = NAN;
    FOR_KERNEL_SETS(k)
    {
        k->softmax(y, x, 40, k->max(x, 40), 1, &sum, &dot);
        EXPECT(isnan(sum));
        EXPECT(isnan(k->exp_shifted(y, x, 40, 0)));
    }
}

TEST(dropout_follows_philox_and_keeps_the_expectation)
{
    enum { N = 40000 };
    static float x[N], y[N];
    const uint32_t counter[3] = {1, 2, 3}, key[2] = {4, 5};
    const double rate = 0.2;
    const uint32_t threshold = (uint32_t)(rate * 0x1p32);
    const float scale = (float)(1 / (1 - rate));
    double sum = 0;
    for (int i = 0; i < N; i++)
        x[i] = 1;
    scalar->dropout(y, x, N, counter, key, threshold, scale);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t words[4] = {i / 4, counter[0], counter[1], counter[2]};
        eng__philox4x32(words, key[0], key[1]);
        EXPECT(y[i] == (words[i % 4] < threshold ? 0 : scale));
        sum += (double)y[i];
    }
    /* the mean of N variables of variance rate / (1 - rate), within four standard errors */
    EXPECT_NEAR(sum / N, 1, 4 * sqrt(rate / (1 - rate) / N));
}

TEST(unknown_kernel_sets_are_refused)
{
    EXPECT(eng__train_kernels_choose("mmx") == NULL);
    EXPECT(eng__train_kernels_choose(NULL) != NULL);
}
