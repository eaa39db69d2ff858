/* The AVX-512 kernels compiled over portable intrinsics, so that their logic is checked on every
 * machine: equal to the scalar set bit for bit, but for bf16, which splits its activations. */
#define TESTS_PORTABLE_AVX512
#define eng__kernels_avx512 portable_avx512 /* the library has the real one */
#include "compute/kernels/kernels_avx512.c"
#undef eng__kernels_avx512

#include "kernel_cases.h"

static const eng_kernels *const k = &portable_avx512;

TEST(avx512_products_equal_the_scalar_ones)
{
    expect_products_equal(k, &eng__kernels_scalar);
}

TEST(avx512_products_match_a_naive_product_in_double)
{
    expect_products_match_the_oracle(k);
}

TEST(avx512_product_rows_do_not_depend_on_the_rows_beside_them)
{
    expect_rows_do_not_depend_on_company(k);
}

TEST(avx512_products_of_extreme_values_do_not_saturate)
{
    expect_extremes_do_not_saturate(k);
}

TEST(avx512_activations_are_quantised_like_the_reference_rounds)
{
    expect_quantized_like_the_reference(k);
}

TEST(avx512_weights_are_encoded_in_q8_0_to_the_bytes_of_the_reference)
{
    expect_q8_0_encoded_as_by_pack(k);
}

TEST(avx512_a_nan_or_infinity_in_a_row_reaches_all_its_outputs)
{
    expect_not_finite_stays_visible(k);
}

TEST(avx512_attention_equals_the_scalar_one)
{
    for_attend_cases(k, &eng__kernels_scalar, attend_check_equal);
}

TEST(avx512_attention_of_a_query_does_not_depend_on_the_queries_beside_it)
{
    for_attend_cases(k, NULL, attend_check_tiles);
}

TEST(avx512_row_kernels_equal_the_scalar_ones)
{
    expect_rowwise_equal(k, &eng__kernels_scalar);
}

TEST(avx512_wants_bf16_activations)
{
    EXPECT(k->bf16_dot);
    EXPECT_EQ(eng__acts_forms_of(k, ENG_BF16), ENG_ACTS_BF16);
}
