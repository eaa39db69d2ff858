/* Products in double: the oracle of sgemm.h, which here is the product itself. */
#include "compute/sgemm.h"

struct eng_sgemm {
    const eng_parallel *parallel;
};

eng_status eng_sgemm_create(eng_sgemm **out, const eng_parallel *parallel, const char *kernels,
                            eng_error *err)
{
    static eng_sgemm only;
    (void)parallel, (void)kernels, (void)err;
    *out = &only;
    return ENG_OK;
}

void eng_sgemm_free(eng_sgemm *g)
{
    (void)g;
}

void eng_sgemm_run(eng_sgemm *g, eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                   const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                   size_t ldc)
{
    (void)g;
    eng_sgemm_naive(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
}

void eng_sgemm_tile(const eng_sgemm *g, size_t m, size_t n, size_t k, const float *a, size_t a_row,
                    size_t a_k, const float *b, size_t ldb, bool add, float *c, size_t ldc)
{
    (void)g;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = add ? c[i * ldc + j] : 0;
            for (size_t p = 0; p < k; p++)
                sum += a[i * a_row + p * a_k] * b[p * ldb + j];
            c[i * ldc + j] = sum;
        }
}
