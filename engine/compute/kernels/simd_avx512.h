/* The vector layer for AVX-512 with VNNI and BF16: 16 lanes.
 *
 * TESTS_PORTABLE_AVX512 compiles this very file over the intrinsics in portable C, so that its
 * logic is tested on machines without AVX-512. */
#ifndef ENG_COMPUTE_SIMD_AVX512_H
#define ENG_COMPUTE_SIMD_AVX512_H

#include "compute/kernels/kernels.h"

#ifdef TESTS_PORTABLE_AVX512
#include "portable_avx512.h"
#else
#include <immintrin.h>
#endif
#include <stdint.h>
#include <string.h>

enum { LANES = 16, SGEMM_ROWS = 8, SGEMM_VECTORS = 3 };
/* tiles of products over packed weights: rows by vectors */
enum { QUANT_ROWS = 4, QUANT_VECTORS = 2, FLOAT_ROWS = 8, FLOAT_VECTORS = 3 };
/* attention: vectors that go together, fewer where a tile would have more sums than ATTEND_SUMS;
 * rows of a tile of scores */
enum { ATTEND_VECTORS = 4, ATTEND_SUMS = 16, SCORE_ROWS = 8 };

typedef __m512 vf;
typedef __m512i vi;

static inline vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, vf a)
{
    _mm512_storeu_ps(p, a);
}
/* The first n < LANES elements; the rest is zero. */
static inline vf vf_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
static inline void vf_store_n(float *p, vf a, size_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a);
}
static inline vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
/* The larger of two magnitudes; NaN, whose bits are the largest, wins. vf_largest: of all lanes. */
static inline vf vf_larger(vf a, vf b)
{
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
static inline float vf_largest(vf a)
{
    const int32_t most = _mm512_reduce_max_epi32(_mm512_castps_si512(a));
    float f;
    memcpy(&f, &most, sizeof f);
    return f;
}
static inline vf vf_abs(vf a)
{
    return _mm512_abs_ps(a);
}
static inline vf vf_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* To the nearest whole number as roundf does, for magnitudes below 2^22: the largest float below a
 * half takes every tie, and nothing else, over the edge. */
static inline vf vf_round_away(vf a)
{
    const vi sign = _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(INT32_MIN));
    const vi half = _mm512_castps_si512(_mm512_set1_ps(0x1.fffffep-2f));
    return _mm512_roundscale_ps(_mm512_add_ps(a, _mm512_castsi512_ps(_mm512_xor_si512(half, sign))),
                                _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}
static inline vf vf_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline void vf_store_f16(uint16_t *p, vf a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
static inline vf vf_from_vi(vi a)
{
    return _mm512_cvtepi32_ps(a);
}
static inline vi vi_from_vf(vf a)
{
    return _mm512_cvtps_epi32(a);
}
static inline vi vi_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
    return _mm512_mullo_epi32(a, b);
}
static inline int32_t vi_sum(vi a)
{
    return _mm512_reduce_add_epi32(a);
}
static inline vi vi_load_u8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
static inline vi vi_load_i8(const int8_t *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
}
static inline void vi_store_i8(int8_t *p, vi a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(a));
}
static inline vf vf_scale2(vf a, vi n)
{
    vi bits = _mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23);
    return _mm512_mul_ps(a, _mm512_castsi512_ps(bits));
}
static inline vf vf_bf16_even(const uint16_t *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16));
}
static inline vf vf_bf16_odd(const uint16_t *p)
{
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32((int)0xffff0000u)));
}

/* x[i] lane j <-> x[j] lane i: 4 x 4 floats in each quarter first, then the quarters themselves. */
static inline __attribute__((always_inline)) void vf_transpose(vf x[16])
{
    vf quad[4][4]; /* [e][g]: quarter q holds lane 4q + e of x[4g .. 4g+3] */
    for (int g = 0; g < 4; g++) {
        const vf *r = x + 4 * g;
        vf a = _mm512_unpacklo_ps(r[0], r[1]), b = _mm512_unpacklo_ps(r[2], r[3]);
        vf c = _mm512_unpackhi_ps(r[0], r[1]), d = _mm512_unpackhi_ps(r[2], r[3]);
        quad[0][g] = _mm512_shuffle_ps(a, b, 0x44);
        quad[1][g] = _mm512_shuffle_ps(a, b, 0xee);
        quad[2][g] = _mm512_shuffle_ps(c, d, 0x44);
        quad[3][g] = _mm512_shuffle_ps(c, d, 0xee);
    }
    for (int e = 0; e < 4; e++) {
        const vf *r = quad[e];
        vf even = _mm512_shuffle_f32x4(r[0], r[1], 0x88),
           odd = _mm512_shuffle_f32x4(r[0], r[1], 0xdd);
        vf even2 = _mm512_shuffle_f32x4(r[2], r[3], 0x88),
           odd2 = _mm512_shuffle_f32x4(r[2], r[3], 0xdd);
        x[e] = _mm512_shuffle_f32x4(even, even2, 0x88);
        x[e + 4] = _mm512_shuffle_f32x4(odd, odd2, 0x88);
        x[e + 8] = _mm512_shuffle_f32x4(even, even2, 0xdd);
        x[e + 12] = _mm512_shuffle_f32x4(odd, odd2, 0xdd);
    }
}

static inline vi bcast4(const int8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm512_set1_epi32(four);
}

/* Vectors of weights whose dot products are made together: 4 bytes of k a lane, 64 bytes from one
 * such group of k to the next. dot[j * mt + r] is vector j's with row r, rows `stride` apart. */
typedef struct dot_weights {
    const uint8_t *w[QUANT_VECTORS];
    int n;
} dot_weights;

/* vpdpbusd: unsigned by signed bytes, four products added to each int32. Unrolled by name: gcc's
 * own choice would copy every sum at each turn. */
static inline __attribute__((always_inline)) void
dot_nibbles(vi *dot, dot_weights w, const int8_t *a, size_t stride, int mt)
{
    const vi mask = _mm512_set1_epi8(15);
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        vi low[QUANT_VECTORS], high[QUANT_VECTORS];
        for (int j = 0; j < w.n; j++) {
            const vi bytes = _mm512_loadu_si512(w.w[j] + 64 * g);
            low[j] = _mm512_and_si512(bytes, mask);
            high[j] = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), mask);
        }
        for (int r = 0; r < mt; r++) {
            const int8_t *x = a + (size_t)r * stride + 4 * g;
            const vi first = bcast4(x), second = bcast4(x + 16);
            for (int j = 0; j < w.n; j++) {
                vi sum = g ? dot[j * mt + r] : _mm512_setzero_si512();
                dot[j * mt + r] = _mm512_dpbusd_epi32(sum, low[j], first);
            }
            for (int j = 0; j < w.n; j++)
                dot[j * mt + r] = _mm512_dpbusd_epi32(dot[j * mt + r], high[j], second);
        }
    }
}
/* Bytes `flip`ped, then taken as unsigned. */
static inline __attribute__((always_inline)) void
dot_bytes(vi *dot, dot_weights w, vi flip, const int8_t *a, size_t stride, int mt, int n_groups)
{
#pragma GCC unroll 8
    for (int g = 0; g < n_groups; g++) {
        vi bytes[QUANT_VECTORS];
        for (int j = 0; j < w.n; j++)
            bytes[j] = _mm512_xor_si512(_mm512_loadu_si512(w.w[j] + 64 * g), flip);
        for (int r = 0; r < mt; r++) {
            const vi x = bcast4(a + (size_t)r * stride + 4 * g);
            for (int j = 0; j < w.n; j++) {
                vi start = g ? dot[j * mt + r] : _mm512_setzero_si512();
                dot[j * mt + r] = _mm512_dpbusd_epi32(start, bytes[j], x);
            }
        }
    }
}
static inline __attribute__((always_inline)) void dot_u5(vi *dot, dot_weights w, const int8_t *a,
                                                         size_t stride, int mt)
{
    dot_bytes(dot, w, _mm512_setzero_si512(), a, stride, mt, 8);
}
static inline __attribute__((always_inline)) void dot_u6_16(vi *dot, dot_weights w, const int8_t *a,
                                                            size_t stride, int mt)
{
    dot_bytes(dot, w, _mm512_setzero_si512(), a, stride, mt, 4);
}
/* Signed weights become unsigned by adding 128; 128 times the row's sum is taken off again. */
static inline __attribute__((always_inline)) void dot_i8(vi *dot, dot_weights w, const int8_t *a,
                                                         const int32_t *sum, size_t stride,
                                                         size_t sum_stride, int mt)
{
    dot_bytes(dot, w, _mm512_set1_epi8((char)-128), a, stride, mt, 8);
    for (int r = 0; r < mt; r++) {
        const vi added = _mm512_set1_epi32(128 * sum[(size_t)r * sum_stride]);
        for (int j = 0; j < w.n; j++)
            dot[j * mt + r] = _mm512_sub_epi32(dot[j * mt + r], added);
    }
}

/* acc + the dot product of bf16 pairs, in f32. */
#define SIMD_HAS_BF16_DOT 1
static inline __m512bh as_bf16(vi a)
{
    __m512bh b; /* not a cast: the portable types are structs */
    memcpy(&b, &a, sizeof b);
    return b;
}
static inline vf vf_dot_bf16(vf acc, const uint16_t *w, const uint16_t *pair)
{
    int32_t two;
    memcpy(&two, pair, sizeof two);
    return _mm512_dpbf16_ps(acc, as_bf16(_mm512_loadu_si512(w)), as_bf16(_mm512_set1_epi32(two)));
}

/* Words of two bf16, the first in the lower half, in vectors of floats that are only moved; see
 * simd_scalar.h for the rounding. */
static inline vf vf_of_bf16(__m512bh a)
{
    vf words;
    memcpy(&words, &a, sizeof words);
    return words;
}
/* 2 LANES floats in a row to LANES words. */
static inline vf vf_words(vf first, vf second)
{
    return vf_of_bf16(_mm512_cvtne2ps_pbh(second, first));
}
/* Word l: even[l], odd[l]. */
static inline vf vf_word_pairs(vf even, vf odd)
{
    static const uint16_t turns[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                       21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_loadu_si512(turns),
                                                        _mm512_castps_si512(vf_words(even, odd))));
}
/* The lanes to bf16 by a dither, see simd_scalar.h. */
static inline vf vf_dithered(vf a, uint32_t first)
{
    static const uint32_t steps[LANES] = DITHER_STEPS;
    const vi bits = _mm512_castps_si512(a);
    const vi at = _mm512_add_epi32(_mm512_set1_epi32((int)first), _mm512_loadu_si512(steps));
    const vi up = _mm512_add_epi32(bits, _mm512_and_si512(at, _mm512_set1_epi32(0xffff)));
    const vi size = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
    return _mm512_mask_blend_ps(
        _mm512_cmpgt_epi32_mask(_mm512_set1_epi32(0x7f800000), size), a,
        _mm512_castsi512_ps(_mm512_and_si512(up, _mm512_set1_epi32((int)0xffff0000u))));
}
/* acc + the dot products of a's words and b's. */
static inline vf vf_dot_words(vf acc, vf a, vf b)
{
    return _mm512_dpbf16_ps(acc, as_bf16(_mm512_castps_si512(a)), as_bf16(_mm512_castps_si512(b)));
}

#endif
