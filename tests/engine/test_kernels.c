/* Every kernel set this CPU runs against oracles in double, and against the scalar set bit for
 * bit. test_kernels_avx512.c does the same for AVX-512 where the CPU has none. */
#include "kernel_cases.h"

#include <float.h>

/* "scalar" and whatever wider sets run here. */
static const eng_kernels *kernel_set(int i)
{
    static const char *const names[] = {"scalar", "avx2", "avx512"};
    return i < 3 ? eng__kernels_choose(names[i]) : NULL;
}

#define FOR_KERNEL_SETS(k)                                                                         \
    for (int set_ = 0; set_ < 3; set_++)                                                           \
        for (const eng_kernels *k = kernel_set(set_); k; k = NULL)

TEST(products_of_every_type_match_a_naive_product_in_double)
{
    FOR_KERNEL_SETS(k)
    expect_products_match_the_oracle(k);
}

TEST(products_are_equal_bit_for_bit_in_every_kernel_set)
{
    FOR_KERNEL_SETS(k)
    expect_products_equal(k, kernel_set(0));
}

TEST(product_rows_do_not_depend_on_the_rows_beside_them)
{
    FOR_KERNEL_SETS(k)
    expect_rows_do_not_depend_on_company(k);
}

TEST(products_of_extreme_values_do_not_saturate)
{
    FOR_KERNEL_SETS(k)
    expect_extremes_do_not_saturate(k);
}

TEST(groups_outside_the_asked_range_are_not_written)
{
    FOR_KERNEL_SETS(k)
    {
        gemm_case c = case_make(ENG_Q4_0, 64, 64, 3, 8);
        case_quantize(k, &c);
        for (size_t i = 0; i < c.m * c.ld; i++)
            c.out[i] = 12345;
        k->gemm[ENG_Q4_0](c.out, c.ld, &c.w, 1, 2, &c.acts, 1, 1);
        for (uint32_t r = 0; r < c.m; r++)
            for (uint32_t n = 0; n < c.ld; n++)
                EXPECT_EQ(c.out[r * c.ld + n] == 12345, r != 1 || n < 16 || n >= 48);
        case_free(&c);
    }
}

TEST(activations_are_quantised_like_the_reference_rounds)
{
    FOR_KERNEL_SETS(k)
    expect_quantized_like_the_reference(k);
}

TEST(weights_are_encoded_in_q8_0_to_the_bytes_of_the_reference)
{
    FOR_KERNEL_SETS(k)
    expect_q8_0_encoded_as_by_pack(k);
}

TEST(a_nan_or_infinity_in_a_row_reaches_all_its_outputs)
{
    FOR_KERNEL_SETS(k)
    expect_not_finite_stays_visible(k);
}

TEST(attention_matches_a_naive_softmax_in_double)
{
    FOR_KERNEL_SETS(k)
    for_attend_cases(k, NULL, attend_check_oracle);
}

TEST(attention_is_equal_bit_for_bit_in_every_kernel_set)
{
    FOR_KERNEL_SETS(k)
    for_attend_cases(k, kernel_set(0), attend_check_equal);
}

TEST(attention_of_a_query_does_not_depend_on_the_queries_beside_it)
{
    FOR_KERNEL_SETS(k)
    for_attend_cases(k, NULL, attend_check_tiles);
}

TEST(attention_to_a_nan_key_or_value_is_nan)
{
    FOR_KERNEL_SETS(k)
    for (int in_v = 0; in_v < 2; in_v++) {
        attend_case *c = attend_make(64, 1, 40, 0, false);
        for (uint32_t i = 0; i < 64; i++)
            if (in_v)
                attend_put(c, c->v[1], 4 * 64 + i, NAN);
            else
                attend_put(c, c->k[1], i * 16 + 4, NAN);
        attend_run(k, c, 0, 1);
        for (uint32_t i = 0; i < 64; i++)
            EXPECT(isnan(c->out[0][i]));
        free(c);
    }
}

TEST(attention_with_huge_scores_is_finite)
{
    FOR_KERNEL_SETS(k)
    {
        attend_case *c = attend_make(16, 1, 40, 0, true);
        for (uint32_t i = 0; i < 16; i++)
            c->q[0][i] *= 1e6f;
        attend_run(k, c, 0, 1);
        attend_expect_oracle(c);
        free(c);
    }
}

/* ---- row-wise ---- */

TEST(row_kernels_are_equal_bit_for_bit_in_every_kernel_set)
{
    FOR_KERNEL_SETS(k)
    expect_rowwise_equal(k, kernel_set(0));
}

static const uint32_t lengths[] = {1, 7, 16, 63, 64, 576};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths, LONGEST = 576 };

/* Mean about `offset`, so that the variance must not come from a difference of squares. */
static void norm_inputs(uint32_t n, float offset, float *x, float *w, float *b)
{
    uint64_t state = n;
    for (uint32_t i = 0; i < n; i++) {
        x[i] = offset + 2 * case_random(&state);
        w[i] = case_random(&state);
        b[i] = case_random(&state);
    }
}

TEST(rms_norm_matches_double)
{
    float x[LONGEST], w[LONGEST], b[LONGEST], y[LONGEST];
    FOR_KERNEL_SETS(k)
    for (int l = 0; l < N_LENGTHS; l++) {
        const uint32_t n = lengths[l];
        norm_inputs(n, 0, x, w, b);
        k->rms_norm(y, x, w, n, 1e-5f);
        double squares = 0;
        for (uint32_t i = 0; i < n; i++)
            squares += (double)x[i] * (double)x[i];
        const double scale = 1 / sqrt(squares / n + 1e-5);
        for (uint32_t i = 0; i < n; i++) {
            const double want = (double)x[i] * scale * (double)w[i];
            EXPECT_NEAR((double)y[i], want, 1e-6 * fabs(want));
        }
    }
}

TEST(layer_norm_matches_double_even_far_from_zero)
{
    float x[LONGEST], w[LONGEST], b[LONGEST], y[LONGEST];
    FOR_KERNEL_SETS(k)
    for (int l = 0; l < N_LENGTHS; l++) {
        const uint32_t n = lengths[l];
        norm_inputs(n, 100, x, w, b);
        k->layer_norm(y, x, w, b, n, 1e-5f);
        double mean = 0, variance = 0;
        for (uint32_t i = 0; i < n; i++)
            mean += (double)x[i] / n;
        for (uint32_t i = 0; i < n; i++)
            variance += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
        const double scale = 1 / sqrt(variance + 1e-5);
        /* the mean of numbers near 100 is known to about 1e-5 in f32 */
        for (uint32_t i = 0; i < n; i++)
            EXPECT_NEAR((double)y[i], ((double)x[i] - mean) * scale * (double)w[i] + (double)b[i],
                        3e-5 * scale + 1e-6);
    }
}

TEST(swiglu_matches_double)
{
    FOR_KERNEL_SETS(k)
    for (float g = -120; g < 120; g += 0.37f) {
        const float up = 1.5f;
        float y;
        k->swiglu(&y, &g, &up, 1);
        const double want = (double)g / (1 + exp(-(double)g)) * 1.5;
        EXPECT_NEAR((double)y, want, 1e-6 * fabs(want) + 1e-35);
    }
}

TEST(gelu_tanh_matches_double)
{
    FOR_KERNEL_SETS(k)
    for (float g = -40; g < 40; g += 0.077f) {
        const double x = (double)g;
        const double z = sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x);
        float y = g;
        k->gelu_tanh(&y, 1);
        /* x/2 (1 + tanh z) without the cancellation; in the tail z's rounding is multiplied by z */
        const double want = x / (1 + exp(-2 * z));
        EXPECT_NEAR((double)y, want, 1e-6 * fabs(want) * (1 + fabs(z)) + 1e-35);
    }
}

TEST(exp_has_a_relative_error_below_2e7)
{
    enum { N = 1000 };
    float x[N], y[N];
    FOR_KERNEL_SETS(k)
    for (float from = -87; from < 0; from += 1) {
        for (int i = 0; i < N; i++)
            x[i] = from + (float)i / N;
        k->exp_scaled(y, x, N, 0, 1);
        for (int i = 0; i < N; i++)
            EXPECT_NEAR((double)y[i], exp((double)x[i]), 2e-7 * exp((double)x[i]));
    }
}

TEST(exp_far_below_zero_is_tiny_and_positive)
{
    const float x[] = {-87.3f, -88, -1000, -1e30f, -FLT_MAX};
    float y[5];
    FOR_KERNEL_SETS(k)
    {
        k->exp_scaled(y, x, 5, 0, 1);
        for (int i = 0; i < 5; i++)
            EXPECT(y[i] > 0 && y[i] < 1.3e-38f);
    }
}

TEST(max_sum_exp_matches_double)
{
    static float x[5000];
    FOR_KERNEL_SETS(k)
    for (uint32_t n = 1; n <= 5000; n = n * 3 + 1) {
        uint64_t state = n;
        double want = 0, sum, max = -INFINITY;
        float got;
        bool finite;
        for (uint32_t i = 0; i < n; i++) {
            x[i] = 20 * case_random(&state) - 300;
            max = (double)x[i] > max ? (double)x[i] : max;
        }
        for (uint32_t i = 0; i < n; i++)
            want += exp((double)x[i] - max);
        k->max_sum_exp(x, n, &got, &sum, &finite);
        EXPECT(finite);
        EXPECT(got == (float)max);
        EXPECT_NEAR(sum, want, 1e-6 * want);
    }
}

TEST(max_sum_exp_sees_a_nan_or_infinity_anywhere)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    float x[70], max;
    double sum;
    bool finite;
    FOR_KERNEL_SETS(k)
    for (uint32_t n = 1; n <= 70; n += n < 34 ? 1 : 9)
        for (uint32_t at = 0; at < n; at++)
            for (int b = 0; b < 3; b++) {
                for (uint32_t i = 0; i < n; i++)
                    x[i] = i % 5 == 0 ? -FLT_MAX : FLT_MAX / (float)(i + 1);
                k->max_sum_exp(x, n, &max, &sum, &finite);
                EXPECT(finite);
                x[at] = bad[b];
                k->max_sum_exp(x, n, &max, &sum, &finite);
                EXPECT(!finite);
            }
}

TEST(store_f16_rounds_to_nearest_even_at_any_stride)
{
    const float x[] = {0,          -0.0f,      1,        65504,    65520,  1e9f,
                       -1e9f,      1e-8f,      6e-8f,    2049,     2051,   0.1f,
                       -0.1f,      3.3e-5f,    1.0f / 3, 5.96e-8f, 1e-40f, -2.5e-7f,
                       0x1.ffcp0f, 0x1.ffep0f, INFINITY, 7};
    enum { N = sizeof x / sizeof *x };
    uint16_t half[N * 5];
    FOR_KERNEL_SETS(k)
    for (size_t stride = 1; stride <= 5; stride += 2) {
        memset(half, 0xab, sizeof half);
        k->store_f16(half, stride, x, N);
        for (size_t i = 0; i < N * 5; i++)
            EXPECT_EQ(half[i],
                      i % stride == 0 && i / stride < N ? eng_f32_to_f16(x[i / stride]) : 0xabab);
    }
}

TEST(unknown_kernel_sets_are_refused)
{
    EXPECT(eng__kernels_choose("avx1024") == NULL);
    EXPECT(eng__kernels_choose("") == NULL);
    EXPECT(eng__kernels_choose(NULL) != NULL);
}
