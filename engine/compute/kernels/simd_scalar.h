/* The vector layer in plain C: 16 lanes as arrays. Slow and obvious: the oracle. */
#ifndef ENG_COMPUTE_SIMD_SCALAR_H
#define ENG_COMPUTE_SIMD_SCALAR_H

#include "base/dtype.h"
#include "compute/kernels/kernels.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static __attribute__((unused))

enum { LANES = 16, SGEMM_ROWS = 4, SGEMM_VECTORS = 3 };
/* tiles of products over packed weights: rows by vectors */
enum { QUANT_ROWS = 2, QUANT_VECTORS = 1, FLOAT_ROWS = 2, FLOAT_VECTORS = 1 };
/* attention: vectors that go together, fewer where a tile would have more sums than ATTEND_SUMS;
 * rows of a tile of scores */
enum { ATTEND_VECTORS = 4, ATTEND_SUMS = 16, SCORE_ROWS = 8 };

typedef struct vf {
    float v[LANES];
} vf;
typedef struct vi {
    int32_t v[LANES];
} vi;

#define FOR_LANES for (int i_ = 0; i_ < LANES; i_++)

static inline vf vf_set1(float x)
{
    vf o;
    FOR_LANES o.v[i_] = x;
    return o;
}
static inline vf vf_load(const float *p)
{
    vf o;
    memcpy(o.v, p, sizeof o.v);
    return o;
}
static inline void vf_store(float *p, vf a)
{
    memcpy(p, a.v, sizeof a.v);
}
/* The first n < LANES elements; the rest is zero. */
static inline vf vf_load_n(const float *p, size_t n)
{
    vf o = vf_set1(0);
    memcpy(o.v, p, n * sizeof *p);
    return o;
}
static inline void vf_store_n(float *p, vf a, size_t n)
{
    memcpy(p, a.v, n * sizeof *p);
}
static inline vf vf_add(vf a, vf b)
{
    FOR_LANES a.v[i_] += b.v[i_];
    return a;
}
static inline vf vf_sub(vf a, vf b)
{
    FOR_LANES a.v[i_] -= b.v[i_];
    return a;
}
static inline vf vf_mul(vf a, vf b)
{
    FOR_LANES a.v[i_] *= b.v[i_];
    return a;
}
static inline vf vf_div(vf a, vf b)
{
    FOR_LANES a.v[i_] /= b.v[i_];
    return a;
}
static inline vf vf_sqrt(vf a)
{
    FOR_LANES a.v[i_] = sqrtf(a.v[i_]);
    return a;
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    FOR_LANES a.v[i_] = fmaf(a.v[i_], b.v[i_], c.v[i_]);
    return a;
}
/* Like the instruction: the second operand when either is NaN. */
static inline vf vf_max(vf a, vf b)
{
    FOR_LANES a.v[i_] = a.v[i_] > b.v[i_] ? a.v[i_] : b.v[i_];
    return a;
}
static inline vf vf_min(vf a, vf b)
{
    FOR_LANES a.v[i_] = a.v[i_] < b.v[i_] ? a.v[i_] : b.v[i_];
    return a;
}
/* The larger of two magnitudes; NaN, whose bits are the largest, wins. */
static inline vf vf_larger(vf a, vf b)
{
    FOR_LANES
    {
        int32_t x, y;
        memcpy(&x, &a.v[i_], sizeof x);
        memcpy(&y, &b.v[i_], sizeof y);
        a.v[i_] = x > y ? a.v[i_] : b.v[i_];
    }
    return a;
}
static inline float vf_largest(vf a)
{
    int32_t lanes[LANES], most;
    float f;
    memcpy(lanes, a.v, sizeof lanes);
    most = lanes[0];
    FOR_LANES most = lanes[i_] > most ? lanes[i_] : most;
    memcpy(&f, &most, sizeof f);
    return f;
}
static inline vf vf_abs(vf a)
{
    FOR_LANES a.v[i_] = fabsf(a.v[i_]);
    return a;
}
static inline vf vf_round(vf a)
{
    FOR_LANES a.v[i_] = nearbyintf(a.v[i_]);
    return a;
}
static inline vf vf_round_away(vf a)
{
    FOR_LANES a.v[i_] = roundf(a.v[i_]);
    return a;
}
static inline vf vf_load_f16(const uint16_t *p)
{
    vf o;
    FOR_LANES o.v[i_] = eng_f16_to_f32(p[i_]);
    return o;
}
static inline void vf_store_f16(uint16_t *p, vf a)
{
    FOR_LANES p[i_] = eng_f32_to_f16(a.v[i_]);
}
static inline vf vf_from_vi(vi a)
{
    vf o;
    FOR_LANES o.v[i_] = (float)a.v[i_];
    return o;
}
static inline vi vi_from_vf(vf a) /* whole numbers, or NaN */
{
    vi o;
    FOR_LANES o.v[i_] = a.v[i_] == a.v[i_] ? (int32_t)a.v[i_] : INT32_MIN;
    return o;
}
static inline vi vi_set1(int32_t x)
{
    vi o;
    FOR_LANES o.v[i_] = x;
    return o;
}
static inline vi vi_add(vi a, vi b)
{
    FOR_LANES a.v[i_] += b.v[i_];
    return a;
}
static inline vi vi_sub(vi a, vi b)
{
    FOR_LANES a.v[i_] -= b.v[i_];
    return a;
}
static inline vi vi_mul(vi a, vi b)
{
    FOR_LANES a.v[i_] *= b.v[i_];
    return a;
}
static inline int32_t vi_sum(vi a)
{
    int32_t sum = 0;
    FOR_LANES sum += a.v[i_];
    return sum;
}
static inline vi vi_load_u8(const uint8_t *p)
{
    vi o;
    FOR_LANES o.v[i_] = p[i_];
    return o;
}
static inline vi vi_load_i8(const int8_t *p)
{
    vi o;
    FOR_LANES o.v[i_] = p[i_];
    return o;
}
static inline void vi_store_i8(int8_t *p, vi a) /* values within -128..127 */
{
    FOR_LANES p[i_] = (int8_t)a.v[i_];
}
/* a * 2^n for n in -126..127 */
static inline vf vf_scale2(vf a, vi n)
{
    FOR_LANES
    {
        uint32_t bits = (uint32_t)(n.v[i_] + 127) << 23;
        float f;
        memcpy(&f, &bits, sizeof f);
        a.v[i_] *= f;
    }
    return a;
}
/* LANES pairs of bf16: the even and the odd elements as floats. */
static inline vf vf_bf16_even(const uint16_t *p)
{
    vf o;
    FOR_LANES o.v[i_] = eng_bf16_to_f32(p[2 * i_]);
    return o;
}
static inline vf vf_bf16_odd(const uint16_t *p)
{
    vf o;
    FOR_LANES o.v[i_] = eng_bf16_to_f32(p[2 * i_ + 1]);
    return o;
}

/* x[i] lane j <-> x[j] lane i */
static inline void vf_transpose(vf x[LANES])
{
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < i; j++) {
            const float swapped = x[i].v[j];
            x[i].v[j] = x[j].v[i];
            x[j].v[i] = swapped;
        }
}

/* ---- words of two bf16, the first in the lower half, in vectors of floats that are only moved
 * ----
 *
 * A float is rounded to nearest even; NaN stays NaN; what is below 2^-126 becomes 0 of its sign, as
 * AVX-512's instructions have it. */

static inline uint32_t round_word(float even, float odd)
{
    const float both[2] = {even, odd};
    uint32_t halves[2];
    for (int i = 0; i < 2; i++)
        halves[i] = eng_f32_to_bf16(fabsf(both[i]) < 0x1p-126f ? copysignf(0, both[i]) : both[i]);
    return halves[0] | halves[1] << 16;
}
/* 2 LANES floats in a row to LANES words. */
static inline vf vf_words(vf first, vf second)
{
    const float *const halves[2] = {first.v, second.v};
    vf o;
    FOR_LANES
    {
        const float *two = halves[2 * i_ / LANES] + 2 * i_ % LANES;
        const uint32_t word = round_word(two[0], two[1]);
        memcpy(&o.v[i_], &word, sizeof word);
    }
    return o;
}
/* Word l: even[l], odd[l]. */
static inline vf vf_word_pairs(vf even, vf odd)
{
    vf o;
    FOR_LANES
    {
        const uint32_t word = round_word(even.v[i_], odd.v[i_]);
        memcpy(&o.v[i_], &word, sizeof word);
    }
    return o;
}
/* Finite lanes to one of the two bf16 beside them, the upper one if the share of the way to it and
 * the lane's offset, (first + l * ENG_DITHER_COL) mod 2^16 of 2^16, make 1: kernels.h says why. */
static inline vf vf_dithered(vf a, uint32_t first)
{
    FOR_LANES
    {
        const uint32_t offset = (first + (uint32_t)i_ * ENG_DITHER_COL) & 0xffff;
        uint32_t bits;
        memcpy(&bits, &a.v[i_], sizeof bits);
        bits = (bits + offset) & 0xffff0000u;
        if (isfinite(a.v[i_]))
            memcpy(&a.v[i_], &bits, sizeof bits);
    }
    return a;
}
/* acc + the dot products of a's words and b's: the odd elements first, fused. */
static inline vf vf_dot_words(vf acc, vf a, vf b)
{
    uint32_t x[LANES], y[LANES];
    memcpy(x, a.v, sizeof x);
    memcpy(y, b.v, sizeof y);
    FOR_LANES for (int upper = 1; upper >= 0; upper--) acc.v[i_] =
        fmaf(eng_bf16_to_f32((uint16_t)(x[i_] >> 16 * upper)),
             eng_bf16_to_f32((uint16_t)(y[i_] >> 16 * upper)), acc.v[i_]);
    return acc;
}

/* The dot products below multiply one vector of weights, in rows of 4-byte groups, 64 bytes from
 * one group of k to the next, with one or more activation rows lying `stride` apart, and give one
 * int32 a lane and row. */
typedef struct dot_weights {
    const uint8_t *w[QUANT_VECTORS];
    int n;
} dot_weights;

static inline void dot_i32(vi *dot, const uint8_t *w, int is_signed, int n_groups, const int8_t *a,
                           size_t stride, int mt)
{
    for (int r = 0; r < mt; r++) {
        vi sum = vi_set1(0);
        for (int g = 0; g < n_groups; g++)
            FOR_LANES for (int j = 0; j < 4; j++)
            {
                uint8_t b = w[64 * g + 4 * i_ + j];
                int32_t wv = is_signed ? (int8_t)b : b;
                sum.v[i_] += wv * a[(size_t)r * stride + (size_t)(4 * g + j)];
            }
        dot[r] = sum;
    }
}
static inline void dot_nibbles(vi *dot, dot_weights w, const int8_t *a, size_t stride, int mt)
{
    uint8_t bytes[8 * 64];
    for (int g = 0; g < 4; g++)
        for (int i = 0; i < 4 * LANES; i++) {
            bytes[64 * g + i] = w.w[0][64 * g + i] & 15;
            bytes[64 * (g + 4) + i] = w.w[0][64 * g + i] >> 4;
        }
    dot_i32(dot, bytes, 0, 8, a, stride, mt);
}
static inline void dot_u5(vi *dot, dot_weights w, const int8_t *a, size_t stride, int mt)
{
    dot_i32(dot, w.w[0], 0, 8, a, stride, mt);
}
static inline void dot_u6_16(vi *dot, dot_weights w, const int8_t *a, size_t stride, int mt)
{
    dot_i32(dot, w.w[0], 0, 4, a, stride, mt);
}
static inline void dot_i8(vi *dot, dot_weights w, const int8_t *a, const int32_t *sum,
                          size_t stride, size_t sum_stride, int mt)
{
    (void)sum, (void)sum_stride;
    dot_i32(dot, w.w[0], 1, 8, a, stride, mt);
}

#endif
