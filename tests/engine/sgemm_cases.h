/* What test_sgemm and test_sgemm_avx512 run: products of random matrices inside larger ones whose
 * rows are padded with NaN, held against the oracle in double. */
#ifndef TESTS_ENGINE_SGEMM_CASES_H
#define TESTS_ENGINE_SGEMM_CASES_H

#include "compute/sgemm.h"
#include "harness.h"
#include "model_files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct sgemm_shape {
    size_t m, n, k;
} sgemm_shape;

typedef struct sgemm_case {
    eng_transpose ta, tb;
    size_t m, n, k, lda, ldb, ldc;
    float beta;
    float *a, *b;
    float *start; /* C before the product */
    float *c;
} sgemm_case;

static inline size_t sgemm_rows_a(const sgemm_case *s)
{
    return s->ta == ENG_PLAIN ? s->m : s->k;
}

static inline size_t sgemm_rows_b(const sgemm_case *s)
{
    return s->tb == ENG_PLAIN ? s->k : s->n;
}

/* [rows][ld], the first `cols` of a row in [-1, 1), the rest NaN. */
static inline float *sgemm_matrix(size_t rows, size_t cols, size_t ld, uint64_t *state)
{
    float *x = malloc((rows * ld + 1) * sizeof *x);
    EXPECT(x);
    test_random_blocks(ENG_F32, (uint8_t *)x, rows * ld, 0.57735027f, state);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = cols; i < ld; i++)
            x[r * ld + i] = NAN;
    return x;
}

/* Rows are `pad` floats longer than they need be. With beta 0, C is all NaN before. */
static inline sgemm_case sgemm_case_make(sgemm_shape shape, eng_transpose ta, eng_transpose tb,
                                         float beta, size_t pad)
{
    sgemm_case s = {.ta = ta, .tb = tb, .m = shape.m, .n = shape.n, .k = shape.k, .beta = beta};
    uint64_t state = shape.m * 1000003 + shape.n * 1009 + shape.k;
    const size_t cols_a = ta == ENG_PLAIN ? s.k : s.m, cols_b = tb == ENG_PLAIN ? s.n : s.k;
    s.lda = cols_a + pad;
    s.ldb = cols_b + pad;
    s.ldc = s.n + pad;
    s.a = sgemm_matrix(sgemm_rows_a(&s), cols_a, s.lda, &state);
    s.b = sgemm_matrix(sgemm_rows_b(&s), cols_b, s.ldb, &state);
    s.start = sgemm_matrix(s.m, beta == 0 ? 0 : s.n, s.ldc, &state);
    s.c = sgemm_matrix(s.m, 0, s.ldc, &state);
    return s;
}

static inline void sgemm_case_free(sgemm_case *s)
{
    free(s->a), free(s->b), free(s->start), free(s->c);
}

static inline void sgemm_case_run(eng_sgemm *g, sgemm_case *s)
{
    memcpy(s->c, s->start, s->m * s->ldc * sizeof *s->c);
    eng_sgemm_run(g, s->ta, s->tb, s->m, s->n, s->k, s->a, s->lda, s->b, s->ldb, s->beta, s->c,
                  s->ldc);
}

static inline void sgemm_absolute(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = fabsf(x[i]);
}

/* eng_sgemm_naive or eng_bgemm_naive */
typedef void sgemm_oracle(eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                          const float *a, size_t lda, const float *b, size_t ldb, float beta,
                          float *c, size_t ldc);

/* |C - want| <= (k + 2) u (|A||B| + |C before|), u = 2^-24, whatever the order of a sum (Higham,
 * Accuracy and Stability of Numerical Algorithms, 3.5); and the padding stands as it was. */
static inline void sgemm_case_expect_oracle(sgemm_case *s, sgemm_oracle *oracle)
{
    const size_t floats = s->m * s->ldc, bytes = floats * sizeof(float);
    float *want = malloc(bytes + 1), *size = malloc(bytes + 1);
    EXPECT(want && size);
    memcpy(want, s->start, bytes);
    oracle(s->ta, s->tb, s->m, s->n, s->k, s->a, s->lda, s->b, s->ldb, s->beta, want, s->ldc);
    memcpy(size, s->start, bytes);
    sgemm_absolute(size, floats);
    sgemm_absolute(s->a, sgemm_rows_a(s) * s->lda);
    sgemm_absolute(s->b, sgemm_rows_b(s) * s->ldb);
    oracle(s->ta, s->tb, s->m, s->n, s->k, s->a, s->lda, s->b, s->ldb, s->beta, size, s->ldc);
    for (size_t i = 0; i < floats; i++) {
        const size_t row = i / s->ldc, col = i % s->ldc;
        if (col >= s->n) {
            EXPECT_MEM(&s->c[i], &s->start[i], sizeof(float));
            continue;
        }
        const double bound = (double)(s->k + 2) * 0x1p-24 * (double)size[i];
        if (!(fabs((double)s->c[i] - (double)want[i]) <= bound))
            FAIL("%zux%zux%zu %d%d beta %g: C[%zu][%zu] = %.9g, want %.9g within %.3g", s->m, s->n,
                 s->k, s->ta, s->tb, (double)s->beta, row, col, (double)s->c[i], (double)want[i],
                 bound);
    }
    free(want), free(size);
}

/* ctx is the check's own. */
typedef void sgemm_check(void *ctx, sgemm_case *s);

static inline void sgemm_check_oracle(void *ctx, sgemm_case *s)
{
    sgemm_case_run(ctx, s);
    sgemm_case_expect_oracle(s, eng_sgemm_naive);
}

/* ctx: several eng_sgemm *, the last NULL, that must agree bit for bit. */
static inline void sgemm_check_equal(void *ctx, sgemm_case *s)
{
    eng_sgemm **all = ctx;
    const size_t bytes = s->m * s->ldc * sizeof(float);
    float *want = malloc(bytes + 1);
    EXPECT(want);
    sgemm_case_run(all[0], s);
    memcpy(want, s->c, bytes);
    for (size_t i = 1; all[i]; i++) {
        sgemm_case_run(all[i], s);
        EXPECT_MEM(s->c, want, bytes);
    }
    free(want);
}

/* A tile of a B that is not transposed is a product whose k is not cut. */
static inline void sgemm_check_tile(void *ctx, sgemm_case *s)
{
    const size_t a_row = s->ta == ENG_PLAIN ? s->lda : 1, a_k = s->ta == ENG_PLAIN ? 1 : s->lda;
    const size_t bytes = s->m * s->ldc * sizeof(float);
    if (s->tb == ENG_TRANSPOSED)
        return;
    float *want = malloc(bytes + 1);
    EXPECT(want);
    sgemm_case_run(ctx, s);
    memcpy(want, s->c, bytes);
    memcpy(s->c, s->start, bytes);
    eng_sgemm_tile(ctx, s->m, s->n, s->k, s->a, a_row, a_k, s->b, s->ldb, s->beta != 0, s->c,
                   s->ldc);
    EXPECT_MEM(s->c, want, bytes);
    free(want);
}

/* All transposes and both betas. */
static inline void sgemm_for_variants(sgemm_shape shape, size_t pad, sgemm_check *check, void *ctx)
{
    for (int v = 0; v < 8; v++) {
        sgemm_case s = sgemm_case_make(shape, v & 1 ? ENG_TRANSPOSED : ENG_PLAIN,
                                       v & 2 ? ENG_TRANSPOSED : ENG_PLAIN, v & 4 ? 1 : 0, pad);
        check(ctx, &s);
        sgemm_case_free(&s);
    }
}

/* Tiles and vectors that end early, each in every dimension; every other shape has padded rows. */
static inline void sgemm_for_small_shapes(sgemm_check *check, void *ctx)
{
    static const size_t m[] = {1, 3, 8, 14, 23};
    static const size_t n[] = {1, 8, 15, 16, 17, 31, 48, 63, 97};
    static const size_t k[] = {0, 1, 2, 5, 16, 33};
    for (size_t i = 0; i < sizeof m / sizeof *m; i++)
        for (size_t j = 0; j < sizeof n / sizeof *n; j++)
            for (size_t l = 0; l < sizeof k / sizeof *k; l++)
                sgemm_for_variants((sgemm_shape){m[i], n[j], k[l]}, (i + j + l) % 2 * 3, check,
                                   ctx);
}

/* Several blocks of k, panels, tasks; A and B packed and as they lie; nothing at all. */
static inline void sgemm_for_large_shapes(sgemm_check *check, void *ctx)
{
    static const sgemm_shape shapes[] = {{3, 5, 1500},   {37, 300, 700}, {300, 37, 700},
                                         {70, 64, 1300}, {140, 96, 70},  {24, 100, 5003},
                                         {1100, 260, 5}, {1, 1100, 40},  {1100, 1, 40},
                                         {0, 9, 9},      {9, 0, 9}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        sgemm_for_variants(shapes[i], 3, check, ctx);
}

#endif
