/* Training's AVX-512 kernels compiled over portable intrinsics, so that their logic is checked on
 * every machine: equal to the scalar set bit for bit. */
#define TESTS_PORTABLE_AVX512
#define eng__train_avx512 portable_avx512 /* the library has the real one */
#include "compute/kernels/train_avx512.c"
#undef eng__train_avx512

#include "train_kernel_cases.h"

TEST(avx512_rows_of_training_equal_the_scalar_ones)
{
    expect_rows_equal(&portable_avx512, &eng__train_scalar);
}
