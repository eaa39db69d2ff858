/* The oracle of bgemm.c: what the product means, in three loops. */
#include "compute/bgemm.h"

#include "base/dtype.h"

#include <math.h>

static double rounded(float x)
{
    return fabsf(x) < 0x1p-126f ? 0 : (double)eng_bf16_to_f32(eng_f32_to_bf16(x));
}

void eng_bgemm_naive(eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                     const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                     size_t ldc)
{
    const size_t a_row = ta == ENG_PLAIN ? lda : 1, a_k = ta == ENG_PLAIN ? 1 : lda;
    const size_t b_k = tb == ENG_PLAIN ? ldb : 1, b_col = tb == ENG_PLAIN ? 1 : ldb;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = beta != 0 ? (double)c[i * ldc + j] : 0;
            for (size_t p = 0; p < k; p++)
                sum += rounded(a[i * a_row + p * a_k]) * rounded(b[p * b_k + j * b_col]);
            c[i * ldc + j] = (float)sum;
        }
}
