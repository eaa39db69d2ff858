/* What test_kernels and test_kernels_avx512 check of a kernel set. Inputs are random from fixed
 * seeds; oracles are plain loops in double. */
#ifndef TESTS_ENGINE_KERNEL_CASES_H
#define TESTS_ENGINE_KERNEL_CASES_H

#include "compute/kernels/kernels.h"
#include "compute/pack.h"
#include "harness.h"
#include "model_files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const eng_dtype case_types[] = {ENG_F32,  ENG_F16,  ENG_BF16, ENG_Q4_0, ENG_Q4_1,
                                       ENG_Q5_0, ENG_Q5_1, ENG_Q8_0, ENG_Q4_K, ENG_Q6_K};
enum { CASE_TYPES = sizeof case_types / sizeof *case_types, CASE_MAX_ROWS = 13 };

static inline void *case_alloc(size_t n, size_t size)
{
    size_t bytes = (n * size + 63) / 64 * 64 + 64;
    void *p = aligned_alloc(64, bytes);
    if (!p)
        FAIL("out of memory");
    return memset(p, 0, bytes);
}

/* Uniform in [-1, 1). */
static inline float case_random(uint64_t *state)
{
    uint8_t b[4];
    float f;
    test_random_blocks(ENG_F32, b, 1, 0.57735027f, state);
    memcpy(&f, b, sizeof f);
    return f;
}

/* ---- products ------------------------------------------------------------------------------- */

typedef struct gemm_case {
    eng_packed w;
    uint8_t *rows; /* the weights as a file has them */
    size_t row_bytes;
    float *x; /* [m][k] */
    eng_acts acts;
    uint32_t m;
    size_t ld;
    float *out; /* [m][ld] */
} gemm_case;

static inline void case_free(gemm_case *c)
{
    void *const owned[] = {c->w.data,  c->rows,      c->x,         c->acts.q,
                           c->acts.d,  c->acts.s,    c->acts.sum,  c->acts.qk,
                           c->acts.dk, c->acts.sumk, c->acts.bf16, c->out};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
}

static inline void case_pack(gemm_case *c)
{
    for (uint32_t g = 0; g < c->w.n_groups; g++) {
        uint32_t n = c->w.n - 16 * g < 16 ? c->w.n - 16 * g : 16;
        eng__pack_group(&c->w, g, c->rows + (size_t)16 * g * c->row_bytes, c->row_bytes, n);
    }
}

static inline gemm_case case_make(eng_dtype type, uint32_t n, uint32_t k, uint32_t m, uint64_t seed)
{
    gemm_case c = {.m = m, .row_bytes = eng__row_bytes(type, k)};
    uint64_t state = seed;
    eng__packed_shape(&c.w, type, n, k);
    c.w.data = case_alloc(c.w.n_groups, c.w.group_bytes);
    c.rows = case_alloc(n, c.row_bytes);
    for (uint32_t r = 0; r < n; r++)
        test_random_blocks(type, c.rows + r * c.row_bytes, k, 0.5f, &state);
    case_pack(&c);
    c.x = case_alloc((size_t)m * k, sizeof *c.x);
    for (size_t i = 0; i < (size_t)m * k; i++)
        c.x[i] = 3 * case_random(&state);
    const size_t mk = (size_t)m * k;
    c.acts = (eng_acts){.max_m = m, .k = k, .x = c.x, .ld_x = k};
    c.acts.q = case_alloc(mk, 1);
    c.acts.d = case_alloc(mk / 32 + m, sizeof(float));
    c.acts.s = case_alloc(mk / 32 + m, sizeof(float));
    c.acts.sum = case_alloc(mk / 32 + m, sizeof(int32_t));
    c.acts.qk = case_alloc(mk, 1);
    c.acts.dk = case_alloc(mk / 256 + m, sizeof(float));
    c.acts.sumk = case_alloc(mk / 16 + m, sizeof(int32_t));
    c.acts.bf16 = case_alloc(mk + 2 * m, sizeof(uint16_t));
    c.ld = (size_t)16 * c.w.n_groups;
    c.out = case_alloc(m * c.ld, sizeof *c.out);
    return c;
}

static inline void case_quantize(const eng_kernels *k, gemm_case *c)
{
    for (uint32_t r = 0; r < c->m; r++)
        k->quantize(&c->acts, r, eng__acts_forms_of(k, c->w.type));
}

static inline void case_run(const eng_kernels *k, gemm_case *c)
{
    case_quantize(k, c);
    k->gemm[c->w.type](c->out, c->ld, &c->w, 0, c->w.n_groups, &c->acts, 0, c->m);
}

/* Element i of activation row r as the product sees it. */
static inline double case_activation(const gemm_case *c, unsigned form, uint32_t r, uint32_t i)
{
    const eng_acts *a = &c->acts;
    const uint32_t k = a->k, even = (k + 1) & ~1u;
    if (form == ENG_ACTS_Q8)
        return (double)a->q[r * k + i] * (double)a->d[r * (k / 32) + i / 32];
    if (form == ENG_ACTS_Q8K)
        return (double)a->qk[r * k + i] * (double)a->dk[r * (k / 256) + i / 256];
    if (form == ENG_ACTS_BF16)
        return (double)eng_bf16_to_f32(a->bf16[r * even + i]);
    return (double)a->x[r * k + i];
}

/* Q4_1 and Q5_1 multiply a block's minimum by f16(d * sum q), not by d * sum q itself. */
static inline double case_minimum_rounding(const gemm_case *c, uint32_t r, uint32_t n)
{
    if (c->w.type != ENG_Q4_1 && c->w.type != ENG_Q5_1)
        return 0;
    double sum = 0;
    const uint32_t nb = c->w.k / 32;
    for (uint32_t b = 0; b < nb; b++) {
        uint16_t minimum;
        memcpy(&minimum, c->rows + n * c->row_bytes + b * (c->row_bytes / nb) + 2, 2);
        const size_t at = (size_t)r * nb + b;
        sum += (double)eng_f16_to_f32(minimum) *
               ((double)c->acts.s[at] - (double)c->acts.d[at] * c->acts.sum[at]);
    }
    return sum;
}

static inline void case_expect_oracle(const gemm_case *c, unsigned form)
{
    const uint32_t k = c->w.k;
    float *w = case_alloc(k, sizeof *w);
    for (uint32_t n = 0; n < c->w.n; n++) {
        eng_dequantize_row(c->w.type, c->rows + n * c->row_bytes, w, k);
        for (uint32_t r = 0; r < c->m; r++) {
            double want = case_minimum_rounding(c, r, n), size = 1e-30;
            for (uint32_t i = 0; i < k; i++) {
                double term = (double)w[i] * case_activation(c, form, r, i);
                want += term;
                size += fabs(term);
            }
            /* f32 accumulation: 2^-24 a step, and the steps of one sign do not all meet */
            EXPECT_NEAR((double)c->out[r * c->ld + n], want, 4e-6 * size);
        }
    }
    free(w);
}

/* The shapes every type runs in: whole groups and not, one block and several; floats also with k
 * that is odd or 1. */
typedef struct case_shape {
    uint32_t n, k, m;
    bool floats_only;
} case_shape;
static const case_shape case_shapes[] = {
    {16, 256, 1, false}, {37, 512, 5, false}, {1, 256, 2, false},
    {17, 33, 13, true},  {5, 1, 3, true},     {16, 255, 2, true},
};
enum { CASE_SHAPES = sizeof case_shapes / sizeof *case_shapes };

static inline bool case_is_float(eng_dtype type)
{
    return type == ENG_F32 || type == ENG_F16 || type == ENG_BF16;
}

static inline void expect_products_match_the_oracle(const eng_kernels *k)
{
    for (int t = 0; t < CASE_TYPES; t++)
        for (int s = 0; s < CASE_SHAPES; s++) {
            const case_shape *shape = &case_shapes[s];
            if (shape->floats_only && !case_is_float(case_types[t]))
                continue;
            gemm_case c = case_make(case_types[t], shape->n, shape->k, shape->m, (uint64_t)s + 1);
            case_run(k, &c);
            case_expect_oracle(&c, eng__acts_forms_of(k, case_types[t]));
            case_free(&c);
        }
}

/* Bit for bit; bf16 with a tolerance when one of the two multiplies pairs of bf16. */
static inline void expect_products_equal(const eng_kernels *got, const eng_kernels *want)
{
    for (int t = 0; t < CASE_TYPES; t++)
        for (int s = 0; s < CASE_SHAPES; s++) {
            const case_shape *shape = &case_shapes[s];
            const eng_dtype type = case_types[t];
            if (shape->floats_only && !case_is_float(type))
                continue;
            gemm_case a = case_make(type, shape->n, shape->k, shape->m, 70 + (uint64_t)s);
            gemm_case b = case_make(type, shape->n, shape->k, shape->m, 70 + (uint64_t)s);
            const bool rounds = type == ENG_BF16 && got->bf16_dot != want->bf16_dot;
            if (rounds) /* both sides see what the one with dot products makes of x */
                for (size_t i = 0; i < (size_t)b.m * shape->k; i++)
                    b.x[i] = eng_bf16_to_f32(eng_f32_to_bf16(b.x[i]));
            case_run(got, &a);
            case_run(want, &b);
            const size_t floats = a.m * a.ld;
            if (rounds) {
                /* sums of k products |x w| < 3 in another order: each add rounds to 2^-24 of it */
                for (size_t i = 0; i < floats; i++)
                    EXPECT_NEAR((double)a.out[i], (double)b.out[i],
                                shape->k * shape->k * 3 * 0x1p-24);
            } else {
                EXPECT_MEM(a.out, b.out, floats * sizeof(float));
            }
            case_free(&a);
            case_free(&b);
        }
}

/* Row r of a product of 1..13 rows, wherever it starts and in whatever runs of groups, is what r
 * gives alone. */
static inline void expect_rows_do_not_depend_on_company(const eng_kernels *k)
{
    for (int t = 0; t < CASE_TYPES; t++) {
        gemm_case c = case_make(case_types[t], 100, 256, CASE_MAX_ROWS, 5);
        float *alone = case_alloc(c.m * c.ld, sizeof *alone);
        eng_gemm_fn *gemm = k->gemm[c.w.type];
        case_quantize(k, &c);
        for (uint32_t r = 0; r < c.m; r++)
            for (uint32_t g = 0; g < c.w.n_groups; g++)
                gemm(alone, c.ld, &c.w, g, 1, &c.acts, r, 1);
        for (uint32_t first = 0; first < 3; first++)
            for (uint32_t m = 1; first + m <= c.m; m++) {
                memset(c.out, 0xff, c.m * c.ld * sizeof *c.out);
                /* run by run, as the team splits it */
                const uint32_t run = 1 + (first + m) % c.w.n_groups;
                for (uint32_t g = 0; g < c.w.n_groups; g += run)
                    gemm(c.out, c.ld, &c.w, g, run < c.w.n_groups - g ? run : c.w.n_groups - g,
                         &c.acts, first, m);
                EXPECT_MEM(c.out + first * c.ld, alone + first * c.ld, m * c.ld * sizeof *alone);
            }
        free(alone);
        case_free(&c);
    }
}

/* Every weight and activation as large as its format allows: nothing saturates on the way. */
static inline void expect_extremes_do_not_saturate(const eng_kernels *k)
{
    static const uint8_t fills[] = {0x80, 0x7f, 0xff, 0x00};
    for (int t = 0; t < CASE_TYPES; t++)
        for (size_t f = 0; f < sizeof fills; f++)
            for (int sign = -1; sign <= 1; sign += 2) {
                const eng_dtype_info *info = eng_dtype_info_of(case_types[t]);
                if (info->block_elements == 1)
                    continue;
                gemm_case c = case_make(case_types[t], 16, 512, 3, 9);
                for (size_t at = 0; at < 16 * c.row_bytes; at += info->block_bytes) {
                    uint8_t *block = c.rows + at;
                    const size_t scale = case_types[t] == ENG_Q6_K ? 208 : 0;
                    memset(block, fills[f], info->block_bytes);
                    memcpy(block + scale, (const uint16_t[]){0x1c00}, 2); /* 2^-8 */
                    if (case_types[t] == ENG_Q4_1 || case_types[t] == ENG_Q5_1 ||
                        case_types[t] == ENG_Q4_K)
                        memcpy(block + 2, (const uint16_t[]){0x9c00}, 2);
                }
                case_pack(&c);
                for (uint32_t i = 0; i < 3 * 512; i++) /* row 0: one sign; 1, 2: mixed */
                    c.x[i] = (float)(sign * (i < 512 || i % 3 ? 127 : -127));
                case_run(k, &c);
                case_expect_oracle(&c, eng__acts_forms_of(k, case_types[t]));
                case_free(&c);
            }
}

/* ---- attention ------------------------------------------------------------------------------ */

enum { ATTEND_BLOCKS = 5, ATTEND_T = 16 * ATTEND_BLOCKS, ATTEND_MAX_Q = 9, ATTEND_MAX_D = 128 };

typedef struct attend_case {
    uint32_t n_q, d, first[ATTEND_MAX_Q], last[ATTEND_MAX_Q];
    bool f32;
    float q[ATTEND_MAX_Q][ATTEND_MAX_D], out[ATTEND_MAX_Q][ATTEND_MAX_D];
    _Alignas(64) uint8_t k[ATTEND_BLOCKS][16 * ATTEND_MAX_D * 4],
        v[ATTEND_BLOCKS][16 * ATTEND_MAX_D * 4];
    _Alignas(64) float scores[ENG_ATTEND_ROWS * ATTEND_T];
} attend_case;

static inline void attend_put(attend_case *c, uint8_t *block, size_t i, float x)
{
    const uint16_t half = eng_f32_to_f16(x);
    if (c->f32)
        memcpy(block + 4 * i, &x, 4);
    else
        memcpy(block + 2 * i, &half, 2);
}

static inline double attend_get(const attend_case *c, const uint8_t *block, size_t i)
{
    float x;
    uint16_t half;
    if (c->f32)
        memcpy(&x, block + 4 * i, 4);
    else
        memcpy(&half, block + 2 * i, 2), x = eng_f16_to_f32(half);
    return (double)x;
}

/* n_q queries at the last n_q of n_positions positions; what lies after them is NaN. */
static inline attend_case *attend_make(uint32_t d, uint32_t n_q, uint32_t n_positions,
                                       uint32_t window, bool f32)
{
    attend_case *c = case_alloc(1, sizeof *c);
    uint64_t state = d * 1000 + n_positions;
    c->n_q = n_q;
    c->d = d;
    c->f32 = f32;
    for (uint32_t t = 0; t < ATTEND_T; t++)
        for (uint32_t i = 0; i < d; i++) {
            const bool filled = t < n_positions;
            attend_put(c, c->k[t / 16], i * 16 + t % 16, filled ? case_random(&state) : NAN);
            attend_put(c, c->v[t / 16], t % 16 * d + i, filled ? case_random(&state) : NAN);
        }
    for (uint32_t r = 0; r < n_q; r++) {
        c->last[r] = n_positions - n_q + r;
        c->first[r] = window && c->last[r] + 1 > window ? c->last[r] + 1 - window : 0;
        for (uint32_t i = 0; i < d; i++)
            c->q[r][i] = case_random(&state);
    }
    return c;
}

/* Queries [q0, q0 + n) in one call. */
static inline void attend_run(const eng_kernels *k, attend_case *c, uint32_t q0, uint32_t n)
{
    float *out[ATTEND_MAX_Q];
    const float *q[ATTEND_MAX_Q];
    const void *kb[ATTEND_BLOCKS], *vb[ATTEND_BLOCKS];
    for (uint32_t r = 0; r < n; r++) {
        out[r] = c->out[q0 + r];
        q[r] = c->q[q0 + r];
    }
    for (uint32_t b = 0; b < ATTEND_BLOCKS; b++) {
        kb[b] = c->k[b];
        vb[b] = c->v[b];
    }
    memset(c->scores, 0xff, sizeof c->scores); /* NaN */
    k->attend(&(eng_attend_args){.out = out,
                                 .q = q,
                                 .first = c->first + q0,
                                 .last = c->last + q0,
                                 .n_q = n,
                                 .head_dim = c->d,
                                 .k_blocks = kb,
                                 .v_blocks = vb,
                                 .next = vb, /* any will do: it never shows */
                                 .n_next = ATTEND_BLOCKS / 2,
                                 .f32 = c->f32,
                                 .scores = c->scores,
                                 .ld_scores = ATTEND_T});
}

static inline void attend_expect_oracle(const attend_case *c)
{
    for (uint32_t r = 0; r < c->n_q; r++) {
        double weight[ATTEND_T], sum = 0, max = -INFINITY;
        for (uint32_t t = c->first[r]; t <= c->last[r]; t++) {
            double s = 0;
            for (uint32_t i = 0; i < c->d; i++)
                s += (double)c->q[r][i] * attend_get(c, c->k[t / 16], i * 16 + t % 16);
            weight[t] = s;
            max = s > max ? s : max;
        }
        for (uint32_t t = c->first[r]; t <= c->last[r]; t++)
            sum += weight[t] = exp(weight[t] - max);
        for (uint32_t i = 0; i < c->d; i++) {
            double want = 0;
            for (uint32_t t = c->first[r]; t <= c->last[r]; t++)
                want += weight[t] / sum * attend_get(c, c->v[t / 16], t % 16 * c->d + i);
            /* |v| < 1; scores of up to 128 terms below 1 in f32 */
            EXPECT_NEAR((double)c->out[r][i], want, 1e-5);
        }
    }
}

typedef void attend_check(const eng_kernels *k, const eng_kernels *other, attend_case *c);

static inline void for_attend_cases(const eng_kernels *k, const eng_kernels *other,
                                    attend_check *check)
{
    static const uint32_t dims[] = {8, 12, 16, 24, 40, 64, 80, 128}, windows[] = {0, 1, 5, 20};
    static const struct {
        uint32_t n_q, n_positions;
    } places[] = {{1, 1}, {1, 16}, {2, 17}, {3, 33}, {4, 47}, {9, 70}};
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++)
            for (size_t p = 0; p < sizeof places / sizeof *places; p++)
                for (int f32 = 0; f32 < 2; f32++) {
                    attend_case *c =
                        attend_make(dims[d], places[p].n_q, places[p].n_positions, windows[w], f32);
                    check(k, other, c);
                    free(c);
                }
}

static inline void attend_check_oracle(const eng_kernels *k, const eng_kernels *other,
                                       attend_case *c)
{
    (void)other;
    attend_run(k, c, 0, c->n_q);
    attend_expect_oracle(c);
}

static inline void attend_check_equal(const eng_kernels *k, const eng_kernels *other,
                                      attend_case *c)
{
    static float want[ATTEND_MAX_Q][ATTEND_MAX_D];
    attend_run(other, c, 0, c->n_q);
    memcpy(want, c->out, sizeof want);
    memset(c->out, 0, sizeof c->out);
    attend_run(k, c, 0, c->n_q);
    EXPECT_MEM(c->out, want, sizeof want);
}

static inline void attend_check_tiles(const eng_kernels *k, const eng_kernels *other,
                                      attend_case *c)
{
    static float want[ATTEND_MAX_Q][ATTEND_MAX_D];
    (void)other;
    for (uint32_t r = 0; r < c->n_q; r++)
        attend_run(k, c, r, 1);
    memcpy(want, c->out, sizeof want);
    for (uint32_t n = 2; n <= c->n_q; n++)
        for (uint32_t q0 = 0; q0 + n <= c->n_q; q0++) {
            attend_run(k, c, q0, n);
            EXPECT_MEM(c->out, want, sizeof want);
        }
}

/* ---- row-wise kernels ----------------------------------------------------------------------- */

/* Runs everything that is row-wise over n random floats, for comparing two sets: 11 n floats. */
static inline void run_rowwise(const eng_kernels *k, float *out, uint32_t n, float size)
{
    uint64_t state = n * 7 + 1;
    float *x = case_alloc(n, sizeof *x), *w = case_alloc(n, sizeof *w);
    float *b = case_alloc(n, sizeof *b);
    uint16_t *half = case_alloc(3 * n, sizeof *half);
    for (uint32_t i = 0; i < n; i++) {
        x[i] = size * case_random(&state);
        w[i] = case_random(&state);
        b[i] = case_random(&state);
    }
    k->rms_norm(out, x, w, n, 1e-5f);
    k->layer_norm(out + n, x, w, b, n, 1e-5f);
    k->swiglu(out + 2 * n, x, w, n);
    memcpy(out + 3 * n, x, n * sizeof *x);
    k->gelu_tanh(out + 3 * n, n);
    memcpy(out + 4 * n, x, n * sizeof *x);
    k->add(out + 4 * n, w, n);
    k->exp_scaled(out + 5 * n, x, n, x[0], 0.7f);
    k->store_f16(half, 1, x, n);
    for (uint32_t i = 0; i < n; i++)
        out[6 * n + i] = half[i];
    k->store_f16(half, 3, x, n);
    for (uint32_t i = 0; i < n; i++)
        out[7 * n + i] = half[3 * i];
    float max;
    double sum;
    bool finite;
    k->max_sum_exp(x, n, &max, &sum, &finite);
    EXPECT(finite);
    out[8 * n] = max;
    out[9 * n] = (float)sum;
    out[10 * n] = (float)(sum - (double)(float)sum);
    free(x), free(w), free(b), free(half);
}

static inline void expect_rowwise_equal(const eng_kernels *got, const eng_kernels *want)
{
    static const uint32_t lengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 576, 2051};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (float size = 0.01f; size < 1000; size *= 30) {
            const uint32_t n = lengths[i];
            float *a = case_alloc(11 * n, sizeof *a), *b = case_alloc(11 * n, sizeof *b);
            run_rowwise(got, a, n, size);
            run_rowwise(want, b, n, size);
            EXPECT_MEM(a, b, 11 * n * sizeof *a);
            free(a), free(b);
        }
}

/* ---- quantised activations ------------------------------------------------------------------ */

static inline void expect_q8_block(const gemm_case *c, size_t b)
{
    const float *x = c->x + 32 * b;
    float max = 0;
    int32_t sum = 0;
    for (int i = 0; i < 32; i++)
        max = fmaxf(max, fabsf(x[i]));
    const float scale = max >= 1e-36f ? 127.0f / max : 0; /* 127 / less is no float */
    for (int i = 0; i < 32; i++) {
        int q = (int)nearbyintf(x[i] * scale);
        EXPECT_EQ(c->acts.q[32 * b + (size_t)i], q > 127 ? 127 : q);
        sum += q > 127 ? 127 : q;
    }
    EXPECT_EQ(c->acts.sum[b], sum);
    EXPECT(c->acts.d[b] == eng_f16_to_f32(eng_f32_to_f16(max / 127.0f)));
    EXPECT(c->acts.s[b] == eng_f16_to_f32(eng_f32_to_f16(max / 127.0f * (float)sum)));
}

static inline void expect_q8k_block(const gemm_case *c, size_t b)
{
    const float *x = c->x + 256 * b;
    float max = 0;
    for (int i = 0; i < 256; i++)
        if (fabsf(x[i]) > fabsf(max))
            max = x[i];
    const float scale = fabsf(max) >= 1e-36f ? -127.0f / max : 0;
    for (int j = 0; j < 16; j++) {
        int32_t sum = 0;
        for (int i = 16 * j; i < 16 * j + 16; i++) {
            int q = (int)nearbyintf(x[i] * scale);
            EXPECT_EQ(c->acts.qk[256 * b + (size_t)i], q > 127 ? 127 : q);
            sum += q > 127 ? 127 : q;
        }
        EXPECT_EQ(c->acts.sumk[16 * b + (size_t)j], sum);
    }
    EXPECT(c->acts.dk[b] == (scale != 0 ? 1 / scale : 0));
}

/* Blocks of every size a float can have, zeros, one large value, ties (n + 1/2). */
/* Random blocks of any magnitude, zeros, subnormals, and every tie. */
static inline void expect_q8_0_encoded_as_by_pack(const eng_kernels *k)
{
    enum { N = 64 * ENG_QBLOCK, BYTES = 64 * 34 };
    float x[N];
    uint8_t want[BYTES], got[BYTES];
    uint32_t state = 99;
    for (uint32_t i = 0; i < N; i++) {
        const uint32_t b = i / ENG_QBLOCK;
        state = state * 1664525u + 1013904223u;
        const float unit = (float)(state >> 8) / 8388608.0f - 1.0f;
        x[i] = b == 0 ? 0 : b == 1 ? unit * 1e-39f : ldexpf(unit, (int)(b % 40) - 20);
        if (b >= 48) /* a scale of exactly 1 */
            x[i] = i % ENG_QBLOCK == 0 ? 127 : (float)(i - 48 * ENG_QBLOCK) / 2 - 127;
    }
    k->encode_q8_0(got, x, N);
    eng__encode_row(ENG_Q8_0, x, want, N);
    EXPECT_MEM(got, want, BYTES);
    x[77] = NAN;
    x[5 * ENG_QBLOCK + 9] = -INFINITY;
    k->encode_q8_0(got, x, N);
    for (size_t b = 0; b < 64; b++)
        EXPECT_EQ(eng__row_finite(ENG_Q8_0, got + b * 34, ENG_QBLOCK),
                  b != 77 / ENG_QBLOCK && b != 5);
}

static inline void expect_quantized_like_the_reference(const eng_kernels *k)
{
    gemm_case c = case_make(ENG_Q8_0, 16, 512, 12, 3);
    for (uint32_t r = 0; r < c.m; r++)
        for (uint32_t i = 0; i < 512; i++) {
            float *x = &c.x[r * 512 + i];
            if (r < 7)
                *x *= powf(10, (float)(8 * (int)r) - 44); /* 1e-44 .. 1e4 */
            else if (r == 7)
                *x = 0;
            else if (r == 8)
                *x = i % 32 == 5 ? -1e6f : *x;
            else if (r == 9)
                *x = i % 32 == 0 ? 127 : (float)(i % 37) - 18.5f;
        }
    for (uint32_t r = 0; r < c.m; r++)
        k->quantize(&c.acts, r, ENG_ACTS_Q8 | ENG_ACTS_Q8K | ENG_ACTS_BF16);
    for (size_t b = 0; b < (size_t)c.m * 16; b++)
        expect_q8_block(&c, b);
    for (size_t b = 0; b < (size_t)c.m * 2; b++)
        expect_q8k_block(&c, b);
    for (size_t i = 0; i < (size_t)c.m * 512; i++)
        EXPECT_EQ(c.acts.bf16[i], eng_f32_to_bf16(c.x[i]));
    case_free(&c);
}

/* One NaN or infinity anywhere in a row reaches every output of the row, and no other row. */
static inline void expect_not_finite_stays_visible(const eng_kernels *k)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int t = 0; t < CASE_TYPES; t++) {
        gemm_case c = case_make(case_types[t], 16, 256, 2, 4);
        for (uint32_t at = 0; at < 256; at += 3)
            for (int b = 0; b < 3; b++) {
                const float kept = c.x[256 + at];
                c.x[256 + at] = bad[b];
                case_run(k, &c);
                for (int n = 0; n < 16; n++) {
                    if (!isfinite(c.out[n]))
                        FAIL("%s: row 0 is not finite", eng_dtype_info_of(c.w.type)->name);
                    if (isfinite(c.out[c.ld + (size_t)n]))
                        FAIL("%s: %g at %u gives %g", eng_dtype_info_of(c.w.type)->name,
                             (double)bad[b], at, (double)c.out[c.ld + (size_t)n]);
                }
                c.x[256 + at] = kept;
            }
        case_free(&c);
    }
}

#endif
