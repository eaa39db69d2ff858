/* y = x w^T + b and its three gradients. */
#include "train/ops.h"

#include <string.h>

void eng__product_of_weights(eng_tape *t, eng_transpose tw, size_t m, size_t n, size_t k,
                             const float *a, size_t lda, const float *w, size_t ldw, float *c,
                             size_t ldc)
{
    if (t->rounded)
        eng_bgemm_run(t->rounded, ENG_PLAIN, tw, m, n, k, a, lda, w, ldw, ENG_DITHERED, 0, c, ldc);
    else
        eng_sgemm_run(t->gemm, ENG_PLAIN, tw, m, n, k, a, lda, w, ldw, 0, c, ldc);
}

void eng__product_to_gradients(eng_tape *t, size_t m, size_t n, size_t k, const float *a,
                               size_t lda, const float *x, size_t ldx, float *c, size_t ldc)
{
    if (t->rounded)
        eng_bgemm_run(t->rounded, ENG_TRANSPOSED, ENG_PLAIN, m, n, k, a, lda, x, ldx, ENG_NEAREST,
                      1, c, ldc);
    else
        eng_sgemm_run(t->gemm, ENG_TRANSPOSED, ENG_PLAIN, m, n, k, a, lda, x, ldx, 1, c, ldc);
}

void eng__linear_forward(eng_tape *t, float *y, const float *x, const float *w, uint32_t n,
                         uint32_t k)
{
    eng__product_of_weights(t, ENG_TRANSPOSED, t->m, n, k, x, k, w, k, y, n);
}

typedef struct sums_job {
    eng_tape *t;
    const float *dy;
    uint32_t n;
} sums_job;

static void sum_rows(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const sums_job *job = arg;
    const eng_tape *t = job->t;
    float *sums = t->partials + piece * t->ld_partials;
    memset(sums, 0, job->n * sizeof *sums);
    for (uint32_t r = r0; r < r1; r++)
        t->k->add(sums, job->dy + (size_t)r * job->n, job->n);
}

void eng__linear_backward(eng_tape *t, float *dx, float *dw, float *db, const float *dy,
                          const float *x, const float *w, uint32_t n, uint32_t k)
{
    eng__product_of_weights(t, ENG_PLAIN, t->m, k, n, dy, n, w, k, dx, k);
    eng__product_to_gradients(t, n, k, t->m, dy, n, x, k, dw, k);
    if (!db)
        return;
    sums_job job = {t, dy, n};
    eng__for_rows(t->parallel, t->m, sum_rows, &job);
    eng__add_partials(t, db, 0, n);
}
