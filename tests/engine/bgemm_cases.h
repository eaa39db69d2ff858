/* What test_bgemm and test_bgemm_avx512 run: sgemm_cases.h's products with rounded inputs. */
#ifndef TESTS_ENGINE_BGEMM_CASES_H
#define TESTS_ENGINE_BGEMM_CASES_H

#include "compute/bgemm.h"
#include "sgemm_cases.h"

static inline void bgemm_case_run(eng_bgemm *g, sgemm_case *s, eng_rounding how)
{
    memcpy(s->c, s->start, s->m * s->ldc * sizeof *s->c);
    eng_bgemm_run(g, s->ta, s->tb, s->m, s->n, s->k, s->a, s->lda, s->b, s->ldb, how, s->beta, s->c,
                  s->ldc);
}

static inline void bgemm_nearest(eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                                 const float *a, size_t lda, const float *b, size_t ldb, float beta,
                                 float *c, size_t ldc)
{
    eng_bgemm_naive(ta, tb, m, n, k, a, lda, b, ldb, ENG_NEAREST, beta, c, ldc);
}

static inline void bgemm_dithered(eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                                  const float *a, size_t lda, const float *b, size_t ldb,
                                  float beta, float *c, size_t ldc)
{
    eng_bgemm_naive(ta, tb, m, n, k, a, lda, b, ldb, ENG_DITHERED, beta, c, ldc);
}

/* sgemm_cases.h's bound: a product of two bf16 is exact, so a sum rounds no more often. Absolute
 * values are rounded as the values are. */
static inline void bgemm_check_nearest(void *ctx, sgemm_case *s)
{
    bgemm_case_run(ctx, s, ENG_NEAREST);
    sgemm_case_expect_oracle(s, bgemm_nearest);
}

static inline void bgemm_check_dithered(void *ctx, sgemm_case *s)
{
    bgemm_case_run(ctx, s, ENG_DITHERED);
    sgemm_case_expect_oracle(s, bgemm_dithered);
}

/* ctx: several eng_bgemm *, the last NULL, that must agree bit for bit. */
static inline void bgemm_check_equal(void *ctx, sgemm_case *s)
{
    eng_bgemm **all = ctx;
    const size_t bytes = s->m * s->ldc * sizeof(float);
    float *want = malloc(bytes + 1);
    EXPECT(want);
    for (eng_rounding how = ENG_NEAREST; how <= ENG_DITHERED; how++) {
        bgemm_case_run(all[0], s, how);
        memcpy(want, s->c, bytes);
        for (size_t i = 1; all[i]; i++) {
            bgemm_case_run(all[i], s, how);
            EXPECT_MEM(s->c, want, bytes);
        }
    }
    free(want);
}

/* What rounding must do with each of these; the halves of a word must not touch each other. */
typedef struct bgemm_rounding {
    uint32_t from, to; /* bits of f32 */
} bgemm_rounding;

static const bgemm_rounding bgemm_roundings[] = {
    {0x3f800000, 0x3f800000}, {0x3f807fff, 0x3f800000}, /* below half of a step: down */
    {0x3f808000, 0x3f800000}, {0x3f808001, 0x3f810000}, /* half of it: to even; above: up */
    {0x3f818000, 0x3f820000}, {0xbf818000, 0xbf820000}, {0x3fffffff, 0x40000000}, /* carries */
    {0x7f7f7fff, 0x7f7f0000}, {0x7f7fffff, 0x7f800000}, /* the largest: to infinity */
    {0x7f800000, 0x7f800000}, {0xff800000, 0xff800000}, {0x00800000, 0x00800000},
    {0x80800000, 0x80800000}, /* the smallest normal one */
    {0x007fffff, 0x00000000}, {0x00000001, 0x00000000}, {0x00000000, 0x00000000},
    {0x7f800001, 0x7fc00000}, {0x7fc00000, 0x7fc00000}, {0xffffffff, 0x7fc00000}, /* NaN */
};
enum { BGEMM_ROUNDINGS = sizeof bgemm_roundings / sizeof *bgemm_roundings };

static inline float bgemm_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bgemm_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return x == x ? bits : 0x7fc00000;
}

/* One value at one place of an otherwise zero A (or B) against ones: a row (or column) of sums that
 * are the rounded value itself. Both halves of a word, whole vectors and ends of rows; A and B as
 * they lie and transposed. */
static inline void bgemm_expect_rounding(eng_bgemm *g, const bgemm_rounding *r, bool in_b,
                                         bool transposed, size_t at)
{
    enum { M = 21, K = 67 };
    static float x[M * K], ones[K * M], c[M * M];
    const size_t row = at % M;
    memset(x, 0, sizeof x);
    for (size_t i = 0; i < K * M; i++)
        ones[i] = 1;
    /* op(A) is [M][K], op(B) [K][M] */
    x[in_b ? (transposed ? row * K + at : at * M + row)
           : (transposed ? at * M + row : row * K + at)] = bgemm_float(r->from);
    const eng_transpose t = transposed ? ENG_TRANSPOSED : ENG_PLAIN;
    const size_t ld = in_b == transposed ? K : M;
    if (in_b)
        eng_bgemm_run(g, ENG_PLAIN, t, M, M, K, ones, K, x, ld, ENG_NEAREST, 0, c, M);
    else
        eng_bgemm_run(g, t, ENG_PLAIN, M, M, K, x, ld, ones, M, ENG_NEAREST, 0, c, M);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < M; j++) {
            const uint32_t want = (in_b ? j : i) == row ? r->to : 0;
            const uint32_t got = bgemm_bits(c[i * M + j]);
            if (got != want)
                FAIL("%08x at k %zu of %s%s: C[%zu][%zu] is %08x, expected %08x", r->from, at,
                     in_b ? "B" : "A", transposed ? " transposed" : "", i, j, got, want);
        }
}

/* NaN and infinity among weights stay in their column, and stay what they are. */
static inline void bgemm_expect_bad_weights(eng_bgemm *g)
{
    static const uint32_t bad[] = {0x7f800001, 0x7fffffff, 0xffffffff, 0x7f800000, 0xff800000};
    enum { N = 40, K = 70 };
    static float b[K * N], ones[K], c[N];
    for (size_t i = 0; i < K; i++)
        ones[i] = 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t at = 0; at < K * N; at += 37) {
            memset(b, 0, sizeof b);
            b[at] = bgemm_float(bad[i]);
            eng_bgemm_run(g, ENG_PLAIN, ENG_PLAIN, 1, N, K, ones, K, b, N, ENG_DITHERED, 0, c, N);
            for (size_t j = 0; j < N; j++)
                EXPECT_EQ(bgemm_bits(c[j]), j == at % N ? bgemm_bits(bgemm_float(bad[i])) : 0);
        }
}

static inline void bgemm_expect_roundings(eng_bgemm *g)
{
    static const size_t places[] = {0, 1, 14, 31, 32, 47, 63, 64, 65, 66};
    for (size_t i = 0; i < BGEMM_ROUNDINGS; i++)
        for (int v = 0; v < 4; v++)
            for (size_t p = 0; p < sizeof places / sizeof *places; p++)
                bgemm_expect_rounding(g, &bgemm_roundings[i], v & 1, v & 2, places[p]);
}

#endif
