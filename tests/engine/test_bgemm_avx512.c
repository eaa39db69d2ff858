/* The AVX-512 products of rounded inputs compiled over portable intrinsics, so that their logic is
 * checked on every machine: equal to the scalar set bit for bit, sums included, since the portable
 * vdpbf16ps adds as the scalar set does. */
#define TESTS_PORTABLE_AVX512
#define eng__kernels_avx512 portable_avx512 /* the library has the real one */
#include "compute/kernels/kernels_avx512.c"
#undef eng__kernels_avx512

#include "bgemm_cases.h"

TEST(avx512_rounded_products_equal_the_scalar_ones)
{
    eng_bgemm *scalar, *portable;
    eng_error err;
    const size_t words = 1 << 20;
    EXPECT_OK(eng__bgemm_create(&scalar, &eng_serial, &eng__kernels_scalar, words, &err), err);
    EXPECT_OK(eng__bgemm_create(&portable, &eng_serial, &portable_avx512, words, &err), err);
    eng_bgemm *pair[] = {scalar, portable, NULL};
    sgemm_for_small_shapes(bgemm_check_equal, pair);
    sgemm_for_large_shapes(bgemm_check_equal, pair);
    bgemm_expect_roundings(portable);
    bgemm_expect_bad_weights(portable);
    eng_bgemm_free(scalar);
    eng_bgemm_free(portable);
}
