/* Rows of C are shared out; each is a sum of multiples of B's rows, or of dot products. */
#include "compute/sgemm.h"
#include "compute/kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

struct eng_sgemm {
    const eng_parallel *parallel;
};

eng_status eng_sgemm_create(eng_sgemm **out, const eng_parallel *parallel, const char *kernels,
                            eng_error *err)
{
    *out = NULL;
    if (!eng__kernels_choose(kernels))
        return eng_fail(err, ENG_UNSUPPORTED, "kernels \"%s\": this CPU has no such set", kernels);
    eng_sgemm *g = malloc(sizeof *g);
    if (!g)
        return eng_fail(err, ENG_NOMEM, "no memory for a matrix product");
    *g = (eng_sgemm){.parallel = parallel};
    *out = g;
    return ENG_OK;
}

void eng_sgemm_free(eng_sgemm *g)
{
    free(g);
}

typedef struct product {
    size_t n, k;
    const float *a, *b;
    size_t a_row, a_k; /* strides of A's rows and columns */
    size_t ldb;
    eng_transpose tb;
    float beta;
    float *c;
    size_t ldc;
} product;

static void run_row(void *arg, uint32_t i, uint32_t member)
{
    const product *p = arg;
    const float *a = p->a + i * p->a_row;
    float *c = p->c + i * p->ldc;
    (void)member;
    if (p->beta == 0)
        memset(c, 0, p->n * sizeof *c);
    if (p->tb == ENG_PLAIN) {
        for (size_t l = 0; l < p->k; l++) {
            const float *b = p->b + l * p->ldb, x = a[l * p->a_k];
            for (size_t j = 0; j < p->n; j++)
                c[j] += x * b[j];
        }
        return;
    }
    for (size_t j = 0; j < p->n; j++) {
        const float *b = p->b + j * p->ldb;
        float sum = 0;
        for (size_t l = 0; l < p->k; l++)
            sum += a[l * p->a_k] * b[l];
        c[j] += sum;
    }
}

void eng_sgemm_run(eng_sgemm *g, eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                   const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                   size_t ldc)
{
    product p = {.n = n,
                 .k = k,
                 .a = a,
                 .b = b,
                 .a_row = ta == ENG_PLAIN ? lda : 1,
                 .a_k = ta == ENG_PLAIN ? 1 : lda,
                 .ldb = ldb,
                 .tb = tb,
                 .beta = beta,
                 .c = c,
                 .ldc = ldc};
    g->parallel->run(g->parallel->ctx, (uint32_t)m, run_row, &p);
}
