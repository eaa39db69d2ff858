#include "base/dtype.h"

#include <assert.h>
#include <string.h>

enum { QK = 32, QK_K = 256 };

const eng_dtype_info *eng_dtype_info_of(uint32_t type)
{
    static const eng_dtype_info infos[] = {
        [ENG_F32] = {"f32", 1, 4},        [ENG_F16] = {"f16", 1, 2},
        [ENG_Q4_0] = {"q4_0", QK, 18},    [ENG_Q4_1] = {"q4_1", QK, 20},
        [ENG_Q5_0] = {"q5_0", QK, 22},    [ENG_Q5_1] = {"q5_1", QK, 24},
        [ENG_Q8_0] = {"q8_0", QK, 34},    [ENG_Q4_K] = {"q4_k", QK_K, 144},
        [ENG_Q6_K] = {"q6_k", QK_K, 210}, [ENG_BF16] = {"bf16", 1, 2},
    };
    if (type >= sizeof infos / sizeof infos[0] || !infos[type].name)
        return NULL;
    return &infos[type];
}

/* ---- half and bfloat16 ---- */

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float eng_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, magnitude = h & 0x7fffu;
    if (magnitude >= 0x7c00u) /* infinity, NaN: the exponent becomes all ones */
        return float_of(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    if (magnitude < 0x0400u) /* subnormal: a multiple of 2^-24, exact in a float */
        return float_of(sign | bits_of((float)magnitude * 0x1p-24f));
    return float_of(sign | ((magnitude << 13) + (112u << 23)));
}

uint16_t eng_f32_to_f16(float f)
{
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x3ffu));
    if (a >= bits_of(65520.0f)) /* half way between the largest half and the next step */
        return (uint16_t)(sign | 0x7c00u);
    if (a < bits_of(0x1p-14f)) /* 0.5's last place is 2^-24, so the addition rounds for us */
        return (uint16_t)(sign | (bits_of(float_of(a) + 0.5f) - bits_of(0.5f)));
    a += 0xfffu + (a >> 13 & 1u);
    return (uint16_t)(sign | (a - (112u << 23)) >> 13);
}

uint16_t eng_f32_to_bf16(float f)
{
    uint32_t u = bits_of(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

/* ---- packed blocks ---- */

static uint16_t half_bits_at(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static float half_at(const uint8_t *p)
{
    return eng_f16_to_f32(half_bits_at(p));
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void block_q4_0(const uint8_t *b, float *dst)
{
    float d = half_at(b);
    for (int j = 0; j < 16; j++) {
        dst[j] = d * (float)((b[2 + j] & 15) - 8);
        dst[j + 16] = d * (float)((b[2 + j] >> 4) - 8);
    }
}

static void block_q4_1(const uint8_t *b, float *dst)
{
    float d = half_at(b), m = half_at(b + 2);
    for (int j = 0; j < 16; j++) {
        dst[j] = d * (float)(b[4 + j] & 15) + m;
        dst[j + 16] = d * (float)(b[4 + j] >> 4) + m;
    }
}

static void block_q5_0(const uint8_t *b, float *dst)
{
    float d = half_at(b);
    uint32_t high = u32_at(b + 2);
    for (int j = 0; j < 16; j++) {
        int lo = (b[6 + j] & 15) | (int)(high >> j & 1) << 4;
        int hi = b[6 + j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
        dst[j] = d * (float)(lo - 16);
        dst[j + 16] = d * (float)(hi - 16);
    }
}

static void block_q5_1(const uint8_t *b, float *dst)
{
    float d = half_at(b), m = half_at(b + 2);
    uint32_t high = u32_at(b + 4);
    for (int j = 0; j < 16; j++) {
        int lo = (b[8 + j] & 15) | (int)(high >> j & 1) << 4;
        int hi = b[8 + j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
        dst[j] = d * (float)lo + m;
        dst[j + 16] = d * (float)hi + m;
    }
}

static void block_q8_0(const uint8_t *b, float *dst)
{
    float d = half_at(b);
    for (int j = 0; j < QK; j++)
        dst[j] = d * (float)(int8_t)b[2 + j];
}

/* The j-th pair of 6-bit scale and minimum out of the 12 bytes s. */
static void scale_min_q4_k(const uint8_t *s, int j, int *sc, int *m)
{
    if (j < 4) {
        *sc = s[j] & 63;
        *m = s[j + 4] & 63;
    } else {
        *sc = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *m = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

static void block_q4_k(const uint8_t *b, float *dst)
{
    float d = half_at(b), dmin = half_at(b + 2);
    for (int j = 0; j < 8; j++) {
        const uint8_t *q = b + 16 + 32 * (j / 2);
        int sc, m, shift = 4 * (j & 1);
        scale_min_q4_k(b + 4, j, &sc, &m);
        float step = d * (float)sc, low = dmin * (float)m;
        for (int l = 0; l < 32; l++)
            dst[32 * j + l] = step * (float)(q[l] >> shift & 15) - low;
    }
}

static void block_q6_k(const uint8_t *b, float *dst)
{
    float d = half_at(b + 208);
    for (int h = 0; h < 2; h++) {
        const uint8_t *ql = b + 64 * h, *qh = b + 128 + 32 * h, *sc = b + 192 + 8 * h;
        float *out = dst + 128 * h;
        for (int l = 0; l < 32; l++) {
            int q[4] = {(ql[l] & 15) | (qh[l] & 3) << 4, (ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4,
                        ql[l] >> 4 | (qh[l] >> 4 & 3) << 4, ql[l + 32] >> 4 | (qh[l] >> 6) << 4};
            for (int k = 0; k < 4; k++) {
                float step = d * (float)(int8_t)sc[l / 16 + 2 * k];
                out[l + 32 * k] = step * (float)(q[k] - 32);
            }
        }
    }
}

/* ---- rows ---- */

static void dequantize_blocks(const uint8_t *src, float *dst, size_t n, const eng_dtype_info *info,
                              void (*block)(const uint8_t *, float *))
{
    for (size_t i = 0; i < n; i += info->block_elements, src += info->block_bytes)
        block(src, dst + i);
}

void eng_dequantize_row(eng_dtype type, const void *src, float *dst, size_t n)
{
    static void (*const blocks[])(const uint8_t *, float *) = {
        [ENG_Q4_0] = block_q4_0, [ENG_Q4_1] = block_q4_1, [ENG_Q5_0] = block_q5_0,
        [ENG_Q5_1] = block_q5_1, [ENG_Q8_0] = block_q8_0, [ENG_Q4_K] = block_q4_k,
        [ENG_Q6_K] = block_q6_k,
    };
    const eng_dtype_info *info = eng_dtype_info_of((uint32_t)type);
    assert(info && n % info->block_elements == 0);
    const uint8_t *bytes = src;
    switch (type) {
    case ENG_F32:
        memcpy(dst, src, n * sizeof *dst);
        break;
    case ENG_F16:
        for (size_t i = 0; i < n; i++)
            dst[i] = half_at(bytes + 2 * i);
        break;
    case ENG_BF16:
        for (size_t i = 0; i < n; i++)
            dst[i] = eng_bf16_to_f32(half_bits_at(bytes + 2 * i));
        break;
    default:
        dequantize_blocks(bytes, dst, n, info, blocks[type]);
        break;
    }
}
