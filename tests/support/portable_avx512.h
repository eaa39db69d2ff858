/* The AVX-512 intrinsics that engine/compute/kernels/simd_avx512.h uses, in portable C.
 *
 * Each does what Intel's intrinsics guide says of its instruction, so that the AVX-512 kernels can
 * be run and checked on a machine without AVX-512. Only for a test that defines
 * TESTS_PORTABLE_AVX512 and includes kernels_avx512.c; must not meet immintrin.h. */
#ifndef TESTS_SUPPORT_PORTABLE_AVX512_H
#define TESTS_SUPPORT_PORTABLE_AVX512_H

#include "base/dtype.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct __m512 {
    float f[16];
} __m512;
typedef struct __m512i {
    uint32_t u[16];
} __m512i;
typedef struct __m512bh {
    uint16_t h[32];
} __m512bh;
typedef struct __m256i {
    uint16_t h[16];
} __m256i;
typedef struct __m128i {
    uint8_t b[16];
} __m128i;

enum { _MM_FROUND_TO_NEAREST_INT = 0, _MM_FROUND_TO_ZERO = 3, _MM_FROUND_NO_EXC = 8 };

/* Inlined, these would make the compilers' work on the kernels' unrolled loops explode. */
#define NOINLINE static __attribute__((noinline, unused))

/* `expression` in lane l of o. */
#define LANE_BY_LANE(type, expression)                                                             \
    type o;                                                                                        \
    for (int l = 0; l < 16; l++)                                                                   \
        expression;                                                                                \
    return o

/* ---- memory and constants ---- */

NOINLINE __m512 _mm512_loadu_ps(const void *p)
{
    __m512 o;
    memcpy(&o, p, sizeof o);
    return o;
}
NOINLINE void _mm512_storeu_ps(void *p, __m512 a)
{
    memcpy(p, &a, sizeof a);
}
typedef uint16_t __mmask16;
NOINLINE __m512 _mm512_maskz_loadu_ps(__mmask16 mask, const void *p)
{
    const float *f = p;
    LANE_BY_LANE(__m512, o.f[l] = mask >> l & 1 ? f[l] : 0);
}
NOINLINE void _mm512_mask_storeu_ps(void *p, __mmask16 mask, __m512 a)
{
    float *f = p;
    for (int l = 0; l < 16; l++)
        if (mask >> l & 1)
            f[l] = a.f[l];
}
NOINLINE __m512i _mm512_loadu_si512(const void *p)
{
    __m512i o;
    memcpy(&o, p, sizeof o);
    return o;
}
NOINLINE __m256i _mm256_loadu_si256(const __m256i *p)
{
    __m256i o;
    memcpy(&o, p, sizeof o);
    return o;
}
NOINLINE void _mm256_storeu_si256(__m256i *p, __m256i a)
{
    memcpy(p, &a, sizeof a);
}
NOINLINE __m128i _mm_loadu_si128(const __m128i *p)
{
    __m128i o;
    memcpy(&o, p, sizeof o);
    return o;
}
NOINLINE void _mm_storeu_si128(__m128i *p, __m128i a)
{
    memcpy(p, &a, sizeof a);
}
NOINLINE __m512 _mm512_set1_ps(float x)
{
    LANE_BY_LANE(__m512, o.f[l] = x);
}
NOINLINE __m512i _mm512_set1_epi32(int32_t x)
{
    LANE_BY_LANE(__m512i, o.u[l] = (uint32_t)x);
}
NOINLINE __m512i _mm512_set1_epi8(char x)
{
    __m512i o;
    memset(&o, x, sizeof o);
    return o;
}
NOINLINE __m512i _mm512_setzero_si512(void)
{
    return (__m512i){{0}};
}
NOINLINE __m512 _mm512_castsi512_ps(__m512i a)
{
    return _mm512_loadu_ps(&a);
}
NOINLINE __m512i _mm512_castps_si512(__m512 a)
{
    return _mm512_loadu_si512(&a);
}

/* ---- floats ---- */

NOINLINE __m512 _mm512_add_ps(__m512 a, __m512 b)
{
    LANE_BY_LANE(__m512, o.f[l] = a.f[l] + b.f[l]);
}
NOINLINE __m512 _mm512_sub_ps(__m512 a, __m512 b)
{
    LANE_BY_LANE(__m512, o.f[l] = a.f[l] - b.f[l]);
}
NOINLINE __m512 _mm512_mul_ps(__m512 a, __m512 b)
{
    LANE_BY_LANE(__m512, o.f[l] = a.f[l] * b.f[l]);
}
NOINLINE __m512 _mm512_div_ps(__m512 a, __m512 b)
{
    LANE_BY_LANE(__m512, o.f[l] = a.f[l] / b.f[l]);
}
NOINLINE __m512 _mm512_sqrt_ps(__m512 a)
{
    LANE_BY_LANE(__m512, o.f[l] = sqrtf(a.f[l]));
}
NOINLINE __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c)
{
    LANE_BY_LANE(__m512, o.f[l] = fmaf(a.f[l], b.f[l], c.f[l]));
}
/* max, min: the second operand when either is NaN. */
NOINLINE __m512 _mm512_max_ps(__m512 a, __m512 b)
{
    LANE_BY_LANE(__m512, o.f[l] = a.f[l] > b.f[l] ? a.f[l] : b.f[l]);
}
NOINLINE __m512 _mm512_min_ps(__m512 a, __m512 b)
{
    LANE_BY_LANE(__m512, o.f[l] = a.f[l] < b.f[l] ? a.f[l] : b.f[l]);
}
NOINLINE __m512 _mm512_abs_ps(__m512 a)
{
    LANE_BY_LANE(__m512, o.f[l] = fabsf(a.f[l]));
}
NOINLINE __m512 _mm512_roundscale_ps(__m512 a, int how)
{
    const bool cut = how & _MM_FROUND_TO_ZERO; /* else to nearest, ties to even: the default mode */
    LANE_BY_LANE(__m512, o.f[l] = cut ? truncf(a.f[l]) : nearbyintf(a.f[l]));
}

/* ---- shuffles ---- */

/* The low (high) two floats of each quarter of a and b, in turns. */
NOINLINE __m512 _mm512_unpacklo_ps(__m512 a, __m512 b)
{
    LANE_BY_LANE(__m512, o.f[l] = (l & 1 ? b : a).f[l / 4 * 4 + l % 4 / 2]);
}
NOINLINE __m512 _mm512_unpackhi_ps(__m512 a, __m512 b)
{
    LANE_BY_LANE(__m512, o.f[l] = (l & 1 ? b : a).f[l / 4 * 4 + l % 4 / 2 + 2]);
}
/* In each quarter two floats of a, then two of b, by two bits of `how` each. */
NOINLINE __m512 _mm512_shuffle_ps(__m512 a, __m512 b, unsigned how)
{
    LANE_BY_LANE(__m512, o.f[l] = (l & 2 ? b : a).f[l / 4 * 4 + (int)(how >> 2 * (l % 4) & 3)]);
}
/* Two quarters of a, then two of b, by two bits of `how` each. */
NOINLINE __m512 _mm512_shuffle_f32x4(__m512 a, __m512 b, unsigned how)
{
    LANE_BY_LANE(__m512, o.f[l] = (l & 8 ? b : a).f[(int)(how >> 2 * (l / 4) & 3) * 4 + l % 4]);
}

/* ---- conversions ---- */

NOINLINE __m512 _mm512_cvtph_ps(__m256i a)
{
    LANE_BY_LANE(__m512, o.f[l] = eng_f16_to_f32(a.h[l]));
}
NOINLINE __m256i _mm512_cvtps_ph(__m512 a, int how)
{
    (void)how;
    LANE_BY_LANE(__m256i, o.h[l] = eng_f32_to_f16(a.f[l]));
}
NOINLINE __m512 _mm512_cvtepi32_ps(__m512i a)
{
    LANE_BY_LANE(__m512, o.f[l] = (float)(int32_t)a.u[l]);
}
/* 0x80000000 for what no int32 holds. */
NOINLINE __m512i _mm512_cvtps_epi32(__m512 a)
{
    LANE_BY_LANE(__m512i, {
        float r = nearbyintf(a.f[l]);
        o.u[l] = r >= -0x1p31f && r < 0x1p31f ? (uint32_t)(int32_t)r : 0x80000000u;
    });
}
NOINLINE __m512i _mm512_cvtepu8_epi32(__m128i a)
{
    LANE_BY_LANE(__m512i, o.u[l] = a.b[l]);
}
NOINLINE __m512i _mm512_cvtepi8_epi32(__m128i a)
{
    LANE_BY_LANE(__m512i, o.u[l] = (uint32_t)(int8_t)a.b[l]);
}
NOINLINE __m128i _mm512_cvtsepi32_epi8(__m512i a)
{
    LANE_BY_LANE(__m128i, {
        int32_t x = (int32_t)a.u[l];
        o.b[l] = (uint8_t)(x > 127 ? 127 : x < -128 ? -128 : x);
    });
}

/* ---- integers; they wrap ---- */

NOINLINE __m512i _mm512_add_epi32(__m512i a, __m512i b)
{
    LANE_BY_LANE(__m512i, o.u[l] = a.u[l] + b.u[l]);
}
NOINLINE __m512i _mm512_sub_epi32(__m512i a, __m512i b)
{
    LANE_BY_LANE(__m512i, o.u[l] = a.u[l] - b.u[l]);
}
NOINLINE __m512i _mm512_mullo_epi32(__m512i a, __m512i b)
{
    LANE_BY_LANE(__m512i, o.u[l] = a.u[l] * b.u[l]);
}
NOINLINE __m512i _mm512_and_si512(__m512i a, __m512i b)
{
    LANE_BY_LANE(__m512i, o.u[l] = a.u[l] & b.u[l]);
}
NOINLINE __m512i _mm512_xor_si512(__m512i a, __m512i b)
{
    LANE_BY_LANE(__m512i, o.u[l] = a.u[l] ^ b.u[l]);
}
NOINLINE __m512i _mm512_slli_epi32(__m512i a, unsigned n)
{
    LANE_BY_LANE(__m512i, o.u[l] = a.u[l] << n);
}
NOINLINE __m512i _mm512_srli_epi16(__m512i a, unsigned n)
{
    LANE_BY_LANE(__m512i, o.u[l] = a.u[l] >> 16 >> n << 16 | (a.u[l] & 0xffffu) >> n);
}
NOINLINE __m512i _mm512_max_epi32(__m512i a, __m512i b)
{
    LANE_BY_LANE(__m512i, o.u[l] = (int32_t)a.u[l] > (int32_t)b.u[l] ? a.u[l] : b.u[l]);
}
NOINLINE int32_t _mm512_reduce_max_epi32(__m512i a)
{
    int32_t most = (int32_t)a.u[0];
    for (int l = 1; l < 16; l++)
        most = (int32_t)a.u[l] > most ? (int32_t)a.u[l] : most;
    return most;
}
NOINLINE int32_t _mm512_reduce_add_epi32(__m512i a)
{
    uint32_t sum = 0;
    for (int l = 0; l < 16; l++)
        sum += a.u[l];
    return (int32_t)sum;
}
/* Unsigned bytes of a by signed bytes of b: four products added to each int32, no saturation. */
NOINLINE __m512i _mm512_dpbusd_epi32(__m512i sum, __m512i a, __m512i b)
{
    LANE_BY_LANE(__m512i, {
        o.u[l] = sum.u[l];
        for (int shift = 0; shift < 32; shift += 8)
            o.u[l] += (uint32_t)((int32_t)(a.u[l] >> shift & 255) * (int8_t)(b.u[l] >> shift));
    });
}

/* Odd elements first. The instruction also flushes subnormals to zero, which a comparison with a
 * tolerance does not see. */
NOINLINE __m512 _mm512_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b)
{
    LANE_BY_LANE(__m512, {
        o.f[l] = sum.f[l];
        for (int i = 2 * l + 1; i >= 2 * l; i--)
            o.f[l] = fmaf(eng_bf16_to_f32(a.h[i]), eng_bf16_to_f32(b.h[i]), o.f[l]);
    });
}
/* b's elements in the lower half. Subnormals become 0 of their sign. */
NOINLINE __m512bh _mm512_cvtne2ps_pbh(__m512 a, __m512 b)
{
    __m512bh o;
    for (int i = 0; i < 32; i++) {
        const float x = i < 16 ? b.f[i] : a.f[i - 16];
        o.h[i] = eng_f32_to_bf16(fabsf(x) < 0x1p-126f ? copysignf(0, x) : x);
    }
    return o;
}
NOINLINE __mmask16 _mm512_cmpgt_epi32_mask(__m512i a, __m512i b)
{
    unsigned mask = 0;
    for (int l = 0; l < 16; l++)
        mask |= (unsigned)((int32_t)a.u[l] > (int32_t)b.u[l]) << l;
    return (__mmask16)mask;
}
NOINLINE __m512 _mm512_mask_blend_ps(__mmask16 mask, __m512 a, __m512 b)
{
    LANE_BY_LANE(__m512, o.f[l] = (mask >> l & 1 ? b : a).f[l]);
}
NOINLINE __m512i _mm512_permutexvar_epi16(__m512i which, __m512i a)
{
    uint16_t from[32], at[32], to[32];
    __m512i o;
    memcpy(from, &a, sizeof from);
    memcpy(at, &which, sizeof at);
    for (int i = 0; i < 32; i++)
        to[i] = from[at[i] & 31];
    memcpy(&o, to, sizeof o);
    return o;
}

#undef LANE_BY_LANE
#undef NOINLINE

#endif
