/* The vector layer for AVX2 + FMA + F16C: 8 lanes. */
#ifndef ENG_COMPUTE_SIMD_AVX2_H
#define ENG_COMPUTE_SIMD_AVX2_H

#include "compute/kernels/kernels.h"

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 8, SGEMM_ROWS = 4, SGEMM_VECTORS = 3 };
/* tiles of products over packed weights: rows by vectors */
enum { QUANT_ROWS = 4, QUANT_VECTORS = 2, FLOAT_ROWS = 6, FLOAT_VECTORS = 2 };
/* attention: vectors that go together, fewer where a tile would have more sums than ATTEND_SUMS;
 * rows of a tile of scores */
enum { ATTEND_VECTORS = 4, ATTEND_SUMS = 8, SCORE_ROWS = 4 };

typedef __m256 vf;
typedef __m256i vi;

static inline vf vf_set1(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a);
}
/* The first n < LANES elements; the rest is zero. */
static inline vi first_lanes(size_t n)
{
    static const int32_t ones[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(ones + LANES - n));
}
static inline vf vf_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, first_lanes(n));
}
static inline void vf_store_n(float *p, vf a, size_t n)
{
    _mm256_maskstore_ps(p, first_lanes(n), a);
}
static inline vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
/* a, in a register. Left to itself, gcc puts sums off until all products are there, and keeps those
 * on the stack. */
static inline __attribute__((always_inline)) vi vi_pinned(vi a)
{
    __asm__("" : "+x"(a));
    return a;
}
static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
/* The larger of two magnitudes; NaN, whose bits are the largest, wins. vf_largest: of all lanes. */
static inline vf vf_larger(vf a, vf b)
{
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
static inline float vf_largest(vf a)
{
    __m128i bits = _mm_max_epi32(_mm_castps_si128(_mm256_castps256_ps128(a)),
                                 _mm_castps_si128(_mm256_extractf128_ps(a, 1)));
    bits = _mm_max_epi32(bits, _mm_shuffle_epi32(bits, 0x4e));
    bits = _mm_max_epi32(bits, _mm_shuffle_epi32(bits, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(bits));
}
static inline vf vf_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline vf vf_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf vf_round_away(vf a) /* simd_avx512.h says how */
{
    const vf sign = _mm256_and_ps(a, _mm256_set1_ps(-0.0f));
    const vf half = _mm256_or_ps(sign, _mm256_set1_ps(0x1.fffffep-2f));
    return _mm256_round_ps(_mm256_add_ps(a, half), _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}
static inline vf vf_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
static inline void vf_store_f16(uint16_t *p, vf a)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
static inline vf vf_from_vi(vi a)
{
    return _mm256_cvtepi32_ps(a);
}
static inline vi vi_from_vf(vf a)
{
    return _mm256_cvtps_epi32(a);
}
static inline vi vi_set1(int32_t x)
{
    return _mm256_set1_epi32(x);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
    return _mm256_mullo_epi32(a, b);
}
static inline int32_t vi_sum(vi a)
{
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}
static inline vi vi_load_u8(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
static inline vi vi_load_i8(const int8_t *p)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
static inline void vi_store_i8(int8_t *p, vi a)
{
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(words, words));
}
static inline vf vf_scale2(vf a, vi n)
{
    vi bits = _mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(a, _mm256_castsi256_ps(bits));
}
static inline vf vf_bf16_even(const uint16_t *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)p), 16));
}
static inline vf vf_bf16_odd(const uint16_t *p)
{
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256((const __m256i *)p),
                                                _mm256_set1_epi32((int)0xffff0000u)));
}
/* x[i] lane j <-> x[j] lane i: 4 x 4 floats in each half first, then the halves themselves. */
static inline __attribute__((always_inline)) void vf_transpose(vf x[8])
{
    vf quad[4][2]; /* [e][g]: half h holds lane 4h + e of x[4g .. 4g+3] */
    for (int g = 0; g < 2; g++) {
        const vf *r = x + 4 * g;
        vf a = _mm256_unpacklo_ps(r[0], r[1]), b = _mm256_unpacklo_ps(r[2], r[3]);
        vf c = _mm256_unpackhi_ps(r[0], r[1]), d = _mm256_unpackhi_ps(r[2], r[3]);
        quad[0][g] = _mm256_shuffle_ps(a, b, 0x44);
        quad[1][g] = _mm256_shuffle_ps(a, b, 0xee);
        quad[2][g] = _mm256_shuffle_ps(c, d, 0x44);
        quad[3][g] = _mm256_shuffle_ps(c, d, 0xee);
    }
    for (int e = 0; e < 4; e++) {
        x[e] = _mm256_permute2f128_ps(quad[e][0], quad[e][1], 0x20);
        x[e + 4] = _mm256_permute2f128_ps(quad[e][0], quad[e][1], 0x31);
    }
}

/* Words of two bf16, the first in the lower half, in vectors of floats that are only moved; see
 * simd_scalar.h for the rounding. Here: the bf16 in the upper half of each lane. */
static inline vi round_upper(vf a)
{
    const vi bits = _mm256_castps_si256(a);
    const vi size = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
    const vi odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const vi up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const vi quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const vi sign = _mm256_andnot_si256(_mm256_set1_epi32(0x7fffffff), bits);
    const vi is_nan = _mm256_cmpgt_epi32(size, _mm256_set1_epi32(0x7f800000));
    const vi is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x00800000), size);
    return _mm256_blendv_epi8(_mm256_blendv_epi8(up, quiet, is_nan), sign, is_small);
}
/* 2 LANES floats in a row to LANES words. */
static inline vf vf_words(vf first, vf second)
{
    const vi quarters = _mm256_packus_epi32(_mm256_srli_epi32(round_upper(first), 16),
                                            _mm256_srli_epi32(round_upper(second), 16));
    return _mm256_castsi256_ps(_mm256_permute4x64_epi64(quarters, 0xd8));
}
/* Word l: even[l], odd[l]. */
static inline vf vf_word_pairs(vf even, vf odd)
{
    return _mm256_castsi256_ps(
        _mm256_blend_epi16(_mm256_srli_epi32(round_upper(even), 16), round_upper(odd), 0xaa));
}
/* The lanes to bf16 by a dither, see simd_scalar.h. */
static inline vf vf_dithered(vf a, uint32_t first)
{
    static const uint32_t steps[16] = DITHER_STEPS;
    const vi bits = _mm256_castps_si256(a);
    const vi at =
        _mm256_add_epi32(_mm256_set1_epi32((int)first), _mm256_loadu_si256((const __m256i *)steps));
    const vi up = _mm256_add_epi32(bits, _mm256_and_si256(at, _mm256_set1_epi32(0xffff)));
    const vi size = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
    const vi finite = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x7f800000), size);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(
        bits, _mm256_and_si256(up, _mm256_set1_epi32((int)0xffff0000u)), finite));
}
static inline vf lower_half(vf words)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(words), 16));
}
static inline vf upper_half(vf words)
{
    return _mm256_castsi256_ps(
        _mm256_and_si256(_mm256_castps_si256(words), _mm256_set1_epi32((int)0xffff0000u)));
}
/* acc + the dot products of a's words and b's. */
static inline vf vf_dot_words(vf acc, vf a, vf b)
{
    acc = _mm256_fmadd_ps(upper_half(a), upper_half(b), acc);
    return _mm256_fmadd_ps(lower_half(a), lower_half(b), acc);
}

static inline vi bcast4(const int8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm256_set1_epi32(four);
}
static inline vi load_w(const uint8_t *w)
{
    return _mm256_loadu_si256((const __m256i *)w);
}
/* Vectors of weights whose dot products are made together: 4 bytes of k a lane, 64 bytes from one
 * such group of k to the next. dot[j * mt + r] is vector j's with row r, rows `stride` apart. */
typedef struct dot_weights {
    const uint8_t *w[QUANT_VECTORS];
    int n;
} dot_weights;

/* Pairs of unsigned-by-signed products stay below 2^15 for `chain` additions in 16 bits: 8 for
 * 4-bit weights (8*2*15*127 = 30480), 4 for 5-bit (31496), 2 for 6-bit (32004). */
static inline vi widen(vi words)
{
    return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

static inline __attribute__((always_inline)) void
dot_nibbles(vi *dot, dot_weights w, const int8_t *a, size_t stride, int mt)
{
    const vi mask = _mm256_set1_epi8(15);
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        vi low[QUANT_VECTORS], high[QUANT_VECTORS];
        for (int j = 0; j < w.n; j++) {
            const vi bytes = load_w(w.w[j] + 64 * g);
            low[j] = _mm256_and_si256(bytes, mask);
            high[j] = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
        }
        for (int r = 0; r < mt; r++) {
            const int8_t *x = a + (size_t)r * stride + 4 * g;
            const vi first = bcast4(x), second = bcast4(x + 16);
            for (int j = 0; j < w.n; j++) {
                const vi both = _mm256_add_epi16(_mm256_maddubs_epi16(low[j], first),
                                                 _mm256_maddubs_epi16(high[j], second));
                vi *sum = &dot[j * mt + r];
                *sum = vi_pinned(g ? _mm256_add_epi16(*sum, both) : both);
            }
        }
    }
    for (int i = 0; i < mt * w.n; i++)
        dot[i] = widen(dot[i]);
}
/* n_groups groups of 4 k, `chain` of them at a time in 16 bits. */
static inline __attribute__((always_inline)) void dot_unsigned(vi *dot, dot_weights w,
                                                               const int8_t *a, size_t stride,
                                                               int mt, int n_groups, int chain)
{
#pragma GCC unroll 8
    for (int g = 0; g < n_groups; g += chain) {
        for (int r = 0; r < mt; r++) {
            vi sum[QUANT_VECTORS];
            for (int i = 0; i < chain; i++) {
                const vi x = bcast4(a + (size_t)r * stride + 4 * (g + i));
                for (int j = 0; j < w.n; j++) {
                    const vi some = _mm256_maddubs_epi16(load_w(w.w[j] + 64 * (g + i)), x);
                    sum[j] = i ? _mm256_add_epi16(sum[j], some) : some;
                }
            }
            for (int j = 0; j < w.n; j++) {
                vi *total = &dot[j * mt + r];
                *total = vi_pinned(g ? _mm256_add_epi32(*total, widen(sum[j])) : widen(sum[j]));
            }
        }
    }
}
static inline __attribute__((always_inline)) void dot_u5(vi *dot, dot_weights w, const int8_t *a,
                                                         size_t stride, int mt)
{
    dot_unsigned(dot, w, a, stride, mt, 8, 4);
}
static inline __attribute__((always_inline)) void dot_u6_16(vi *dot, dot_weights w, const int8_t *a,
                                                            size_t stride, int mt)
{
    dot_unsigned(dot, w, a, stride, mt, 4, 2);
}
/* Signed weights: |w| times a with w's sign; 2*128*127 = 32512 fits 16 bits once. */
static inline __attribute__((always_inline)) void dot_i8(vi *dot, dot_weights w, const int8_t *a,
                                                         const int32_t *sum, size_t stride,
                                                         size_t sum_stride, int mt)
{
    (void)sum, (void)sum_stride;
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        vi bytes[QUANT_VECTORS], magnitude[QUANT_VECTORS];
        for (int j = 0; j < w.n; j++) {
            bytes[j] = load_w(w.w[j] + 64 * g);
            magnitude[j] = _mm256_abs_epi8(bytes[j]);
        }
        for (int r = 0; r < mt; r++) {
            const vi x = bcast4(a + (size_t)r * stride + 4 * g);
            for (int j = 0; j < w.n; j++) {
                const vi signs = _mm256_sign_epi8(x, bytes[j]);
                const vi products = widen(_mm256_maddubs_epi16(magnitude[j], signs));
                vi *total = &dot[j * mt + r];
                *total = vi_pinned(g ? _mm256_add_epi32(*total, products) : products);
            }
        }
    }
}

#endif
