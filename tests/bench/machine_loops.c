/* Loops that keep one kind of unit busy and nothing else: twelve independent accumulators hide the
 * latency of any multiply-add to date, the empty asm keeps each turn's work from being folded. */
#include "machine_limits.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
enum { ACCUMULATORS = 12 };

/* ---- plain C: what other machines get ---- */

static void fp32_plain(uint64_t turns)
{
    float acc[8] = {0};
    for (uint64_t t = 0; t < turns; t++) {
        for (int i = 0; i < 8; i++)
            acc[i] = acc[i] * 0.5f + 1.0f;
        __asm__ volatile("" : : "r"(acc) : "memory");
    }
}

static void int8_plain(uint64_t turns)
{
    int8_t a[16], b[16];
    int32_t acc = 0;
    memset(a, 3, sizeof a);
    memset(b, 5, sizeof b);
    for (uint64_t t = 0; t < turns; t++) {
        __asm__ volatile("" : : "r"(a), "r"(b) : "memory");
        for (int i = 0; i < 16; i++)
            acc += a[i] * b[i];
    }
    __asm__ volatile("" : : "r"(acc));
}

static uint64_t read_plain(const void *data, size_t bytes)
{
    const uint64_t *p = data;
    uint64_t sum[4] = {0};
    for (size_t i = 0; i < bytes / 8; i += 4)
        for (int j = 0; j < 4; j++)
            sum[j] += p[i + j];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

#if defined(__x86_64__)

/* ---- 256 bits ---- */

#define AVX2 __attribute__((target("avx2,fma")))
#define AVX_VNNI __attribute__((target("avx2,avxvnni")))

AVX2 static void fp32_avx2(uint64_t turns)
{
    const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1.0f);
#define DECLARE(i) __m256 a##i = _mm256_set1_ps((float)i);
#define TURN(i) a##i = _mm256_fmadd_ps(a##i, half, one);
#define KEEP(i) __asm__ volatile("" : "+x"(a##i));
    TWELVE(DECLARE)
    for (uint64_t t = 0; t < turns; t++) {
        TWELVE(TURN)
        TWELVE(KEEP)
    }
#undef DECLARE
#undef TURN
}

/* Unsigned by signed bytes to 16 bits, pairs to 32 bits, add: a dot product without VNNI. */
AVX2 static void int8_avx2(uint64_t turns)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i u = _mm256_set1_epi8(3);
    const __m256i s = _mm256_set1_epi8(-5);
#define DECLARE(i) __m256i a##i = _mm256_setzero_si256();
#define TURN(i)                                                                                    \
    {                                                                                              \
        __asm__ volatile("" : "+x"(u)); /* or the product would be made once, outside the loop */  \
        a##i = _mm256_add_epi32(a##i, _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), ones));        \
    }
    TWELVE(DECLARE)
    for (uint64_t t = 0; t < turns; t++) {
        TWELVE(TURN)
        TWELVE(KEEP)
    }
#undef DECLARE
#undef TURN
}

AVX_VNNI static void int8_avx_vnni(uint64_t turns)
{
    const __m256i u = _mm256_set1_epi8(3), s = _mm256_set1_epi8(-5);
#define DECLARE(i) __m256i a##i = _mm256_setzero_si256();
#define TURN(i) a##i = _mm256_dpbusd_avx_epi32(a##i, u, s);
    TWELVE(DECLARE)
    for (uint64_t t = 0; t < turns; t++) {
        TWELVE(TURN)
        TWELVE(KEEP)
    }
#undef DECLARE
#undef TURN
#undef KEEP
}

AVX2 static uint64_t read_avx2(const void *data, size_t bytes)
{
    const __m256i *p = data, *end = p + bytes / sizeof *p;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (; p < end; p += 8) {
        a = _mm256_xor_si256(a, _mm256_xor_si256(p[0], p[1]));
        b = _mm256_xor_si256(b, _mm256_xor_si256(p[2], p[3]));
        c = _mm256_xor_si256(c, _mm256_xor_si256(p[4], p[5]));
        d = _mm256_xor_si256(d, _mm256_xor_si256(p[6], p[7]));
    }
    a = _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d));
    return (uint64_t)_mm256_extract_epi64(a, 0);
}

/* ---- 512 bits ---- */

#define AVX512 __attribute__((target("avx512f")))
#define AVX512_VNNI __attribute__((target("avx512f,avx512vnni")))
#define AVX512_BF16 __attribute__((target("avx512f,avx512bw,avx512bf16")))
#define KEEP(i) __asm__ volatile("" : "+v"(a##i));

AVX512 static void fp32_avx512(uint64_t turns)
{
    const __m512 half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1.0f);
#define DECLARE(i) __m512 a##i = _mm512_set1_ps((float)i);
#define TURN(i) a##i = _mm512_fmadd_ps(a##i, half, one);
    TWELVE(DECLARE)
    for (uint64_t t = 0; t < turns; t++) {
        TWELVE(TURN)
        TWELVE(KEEP)
    }
#undef DECLARE
#undef TURN
}

AVX512_VNNI static void int8_avx512_vnni(uint64_t turns)
{
    const __m512i u = _mm512_set1_epi8(3), s = _mm512_set1_epi8(-5);
#define DECLARE(i) __m512i a##i = _mm512_setzero_si512();
#define TURN(i) a##i = _mm512_dpbusd_epi32(a##i, u, s);
    TWELVE(DECLARE)
    for (uint64_t t = 0; t < turns; t++) {
        TWELVE(TURN)
        TWELVE(KEEP)
    }
#undef DECLARE
#undef TURN
}

AVX512_BF16 static void bf16_avx512(uint64_t turns)
{
    const __m512bh half = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.5f));
#define DECLARE(i) __m512 a##i = _mm512_set1_ps((float)i);
#define TURN(i) a##i = _mm512_dpbf16_ps(a##i, half, half);
    TWELVE(DECLARE)
    for (uint64_t t = 0; t < turns; t++) {
        TWELVE(TURN)
        TWELVE(KEEP)
    }
#undef DECLARE
#undef TURN
#undef KEEP
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

/* By cpuid: not every compiler we build with knows the feature's name. */
static bool has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4));
}

compute_loop limits_fp32_loop(void)
{
    if (has_avx512())
        return (compute_loop){"avx512 vfmadd", 2.0 * 16 * ACCUMULATORS, fp32_avx512};
    if (has_avx2())
        return (compute_loop){"avx2 vfmadd", 2.0 * 8 * ACCUMULATORS, fp32_avx2};
    return (compute_loop){"plain C", 2.0 * 8, fp32_plain};
}

compute_loop limits_int8_loop(void)
{
    if (has_avx512() && __builtin_cpu_supports("avx512vnni"))
        return (compute_loop){"avx512 vpdpbusd", 2.0 * 64 * ACCUMULATORS, int8_avx512_vnni};
    if (has_avx_vnni())
        return (compute_loop){"avx-vnni vpdpbusd", 2.0 * 32 * ACCUMULATORS, int8_avx_vnni};
    if (has_avx2())
        return (compute_loop){"avx2 vpmaddubsw", 2.0 * 32 * ACCUMULATORS, int8_avx2};
    return (compute_loop){"plain C", 2.0 * 16, int8_plain};
}

compute_loop limits_bf16_loop(void)
{
    if (has_avx512() && __builtin_cpu_supports("avx512bf16"))
        return (compute_loop){"avx512 vdpbf16ps", 2.0 * 32 * ACCUMULATORS, bf16_avx512};
    return (compute_loop){0};
}

uint64_t limits_read(const void *data, size_t bytes)
{
    return has_avx2() ? read_avx2(data, bytes) : read_plain(data, bytes);
}

#else

compute_loop limits_fp32_loop(void)
{
    return (compute_loop){"plain C", 2.0 * 8, fp32_plain};
}

compute_loop limits_int8_loop(void)
{
    return (compute_loop){"plain C", 2.0 * 16, int8_plain};
}

compute_loop limits_bf16_loop(void)
{
    return (compute_loop){0};
}

uint64_t limits_read(const void *data, size_t bytes)
{
    return read_plain(data, bytes);
}

#endif
