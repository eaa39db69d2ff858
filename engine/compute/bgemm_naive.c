/* The oracle of bgemm.c: what the product means, in three loops. */
#include "compute/bgemm.h"

#include "base/dtype.h"

#include <math.h>
#include <string.h>

static double nearest(float x)
{
    return fabsf(x) < 0x1p-126f ? 0 : (double)eng_bf16_to_f32(eng_f32_to_bf16(x));
}

/* Of the bf16 towards zero and the next one away from it: by how far x is from the first, in 2^-16
 * of their distance, and the place's offset. */
static double dithered(float x, size_t row, size_t col)
{
    const uint32_t offset = (uint32_t)(row * ENG_DITHER_ROW + col * ENG_DITHER_COL) % (1u << 16);
    uint32_t bits;
    if (!isfinite(x))
        return (double)x;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t down = bits >> 16, way = bits % (1u << 16);
    return nearest(eng_bf16_to_f32((uint16_t)(way + offset < 1u << 16 ? down : down + 1)));
}

void eng_bgemm_naive(eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                     const float *a, size_t lda, const float *b, size_t ldb,
                     eng_rounding b_rounding, float beta, float *c, size_t ldc)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = beta != 0 ? (double)c[i * ldc + j] : 0;
            for (size_t p = 0; p < k; p++) {
                const size_t row = tb == ENG_PLAIN ? p : j, col = tb == ENG_PLAIN ? j : p;
                const float x = b[row * ldb + col];
                sum += nearest(ta == ENG_PLAIN ? a[i * lda + p] : a[p * lda + i]) *
                       (b_rounding == ENG_DITHERED ? dithered(x, row, col) : nearest(x));
            }
            c[i * ldc + j] = (float)sum;
        }
}
