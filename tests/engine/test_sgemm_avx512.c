/* The AVX-512 products compiled over portable intrinsics, so that their logic is checked on every
 * machine: equal to the scalar set bit for bit. */
#define TESTS_PORTABLE_AVX512
#define eng__kernels_avx512 portable_avx512 /* the library has the real one */
#include "compute/kernels/kernels_avx512.c"
#undef eng__kernels_avx512

#include "sgemm_cases.h"

TEST(avx512_products_equal_the_scalar_ones)
{
    eng_sgemm *scalar, *portable;
    eng_error err;
    EXPECT_OK(eng__sgemm_create(&scalar, &eng_serial, &eng__kernels_scalar, &err), err);
    EXPECT_OK(eng__sgemm_create(&portable, &eng_serial, &portable_avx512, &err), err);
    eng_sgemm *pair[] = {scalar, portable, NULL};
    sgemm_for_small_shapes(sgemm_check_equal, pair);
    sgemm_for_large_shapes(sgemm_check_equal, pair);
    eng_sgemm_free(scalar);
    eng_sgemm_free(portable);
}
