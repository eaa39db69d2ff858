#include "compute/pack.h"

#include <math.h>
#include <string.h>

enum { R = ENG_GROUP_ROWS };

typedef struct tile_shape {
    uint32_t k;     /* elements of k in a tile */
    uint32_t bytes; /* of the tile */
} tile_shape;

static tile_shape tile_of(eng_dtype type)
{
    switch (type) {
    case ENG_F32:
        return (tile_shape){1, TILE_F32};
    case ENG_F16:
        return (tile_shape){1, TILE_F16};
    case ENG_BF16:
        return (tile_shape){2, TILE_BF16};
    case ENG_Q4_0:
        return (tile_shape){ENG_QBLOCK, TILE_Q4_0};
    case ENG_Q4_1:
        return (tile_shape){ENG_QBLOCK, TILE_Q4_1};
    case ENG_Q5_0:
        return (tile_shape){ENG_QBLOCK, TILE_Q5_0};
    case ENG_Q5_1:
        return (tile_shape){ENG_QBLOCK, TILE_Q5_1};
    case ENG_Q8_0:
        return (tile_shape){ENG_QBLOCK, TILE_Q8_0};
    case ENG_Q4_K:
        return (tile_shape){ENG_KBLOCK, TILE_Q4_K};
    case ENG_Q6_K:
        return (tile_shape){ENG_KBLOCK, TILE_Q6_K};
    }
    return (tile_shape){1, 0};
}

size_t eng__row_bytes(eng_dtype type, uint32_t k)
{
    const eng_dtype_info *info = eng_dtype_info_of(type);
    return (size_t)k / info->block_elements * info->block_bytes;
}

void eng__packed_shape(eng_packed *w, eng_dtype type, uint32_t n, uint32_t k)
{
    tile_shape t = tile_of(type);
    *w = (eng_packed){.type = type, .n = n, .k = k, .n_groups = (n + R - 1) / R};
    w->group_bytes = ((size_t)k + t.k - 1) / t.k * t.bytes;
}

/* ---- packing: each function writes row r's share of one tile ---- */

static void put_u16(uint8_t *dst, uint32_t r, const uint8_t *src)
{
    memcpy(dst + 2 * r, src, 2);
}

/* 32 values of k, one byte each, as 8 groups of 4. */
static void put_bytes(uint8_t *dst, uint32_t r, const uint8_t q[ENG_QBLOCK])
{
#pragma GCC unroll 8
    for (uint32_t g = 0; g < 8; g++)
        memcpy(dst + 4 * R * g + 4 * r, q + 4 * g, 4);
}

/* 32 values below 16: element j in the low nibble of byte j, j + 16 in the high one. */
static void put_nibbles(uint8_t *dst, uint32_t r, const uint8_t q[ENG_QBLOCK / 2])
{
#pragma GCC unroll 4
    for (uint32_t g = 0; g < 4; g++)
        memcpy(dst + 4 * R * g + 4 * r, q + 4 * g, 4);
}

static void five_bits(uint8_t q[ENG_QBLOCK], const uint8_t *qh, const uint8_t *nibbles)
{
    uint32_t high;
    memcpy(&high, qh, sizeof high);
    for (uint32_t j = 0; j < 16; j++) {
        q[j] = (uint8_t)((nibbles[j] & 15) | (high >> j & 1) << 4);
        q[j + 16] = (uint8_t)(nibbles[j] >> 4 | (high >> (j + 16) & 1) << 4);
    }
}

/* The 6-bit scale and minimum of sub-block j of a Q4_K block. */
static void q4_k_pair(const uint8_t s[12], uint32_t j, uint8_t *sc, uint8_t *m)
{
    if (j < 4) {
        *sc = s[j] & 63;
        *m = s[j + 4] & 63;
    } else {
        *sc = (uint8_t)((s[j + 4] & 15) | (s[j - 4] >> 6) << 4);
        *m = (uint8_t)(s[j + 4] >> 4 | (s[j] >> 6) << 4);
    }
}

static void pack_q4_k(uint8_t *tile, uint32_t r, const uint8_t *block)
{
    const uint8_t *s = block + 4, *q = block + 16;
    uint8_t *sc = tile + 2 * SCALE_BYTES, *m = sc + 8 * R, *nibbles = m + 8 * R;
    put_u16(tile, r, block);
    put_u16(tile + SCALE_BYTES, r, block + 2);
    for (uint32_t j = 0; j < 8; j++) {
        q4_k_pair(s, j, &sc[j * R + r], &m[j * R + r]);
        uint8_t out[16];
        const uint8_t *from = q + 32 * (j / 2);
        const unsigned shift = j % 2 ? 4 : 0;
        for (uint32_t i = 0; i < 16; i++)
            out[i] = (uint8_t)((from[i] >> shift & 15) | (from[i + 16] >> shift & 15) << 4);
        put_nibbles(nibbles + j * NIBBLE_BYTES, r, out);
    }
}

static void pack_q6_k(uint8_t *tile, uint32_t r, const uint8_t *block)
{
    uint8_t q[ENG_KBLOCK];
    for (uint32_t h = 0; h < 2; h++) {
        const uint8_t *ql = block + 64 * h, *qh = block + 128 + 32 * h;
        uint8_t *o = q + 128 * h;
        for (uint32_t l = 0; l < 32; l++) {
            uint8_t b = qh[l];
            o[l] = (uint8_t)((ql[l] & 15) | (b & 3) << 4);
            o[l + 32] = (uint8_t)((ql[l + 32] & 15) | (b >> 2 & 3) << 4);
            o[l + 64] = (uint8_t)(ql[l] >> 4 | (b >> 4 & 3) << 4);
            o[l + 96] = (uint8_t)(ql[l + 32] >> 4 | (b >> 6) << 4);
        }
    }
    put_u16(tile, r, block + 208);
    for (uint32_t j = 0; j < 16; j++)
        tile[SCALE_BYTES + j * R + r] = block[192 + j];
    for (uint32_t j = 0; j < 8; j++)
        put_bytes(tile + SCALE_BYTES + 16 * R + j * BYTE_BYTES, r, q + 32 * j);
}

/* Inlined where the type is known, so that a matrix asks for it once and not for every block. */
static inline __attribute__((always_inline)) void pack_tile(eng_dtype type, uint8_t *tile,
                                                            uint32_t r, const uint8_t *block)
{
    uint8_t q[ENG_QBLOCK];
    switch (type) {
    case ENG_F32:
        memcpy(tile + 4 * r, block, 4);
        break;
    case ENG_F16:
        put_u16(tile, r, block);
        break;
    case ENG_BF16: /* two elements */
        memcpy(tile + 4 * r, block, 4);
        break;
    case ENG_Q4_0:
        put_u16(tile, r, block);
        put_nibbles(tile + SCALE_BYTES, r, block + 2);
        break;
    case ENG_Q4_1:
        put_u16(tile, r, block);
        put_u16(tile + SCALE_BYTES, r, block + 2);
        put_nibbles(tile + 2 * SCALE_BYTES, r, block + 4);
        break;
    case ENG_Q5_0:
        put_u16(tile, r, block);
        five_bits(q, block + 2, block + 6);
        put_bytes(tile + SCALE_BYTES, r, q);
        break;
    case ENG_Q5_1:
        put_u16(tile, r, block);
        put_u16(tile + SCALE_BYTES, r, block + 2);
        five_bits(q, block + 4, block + 8);
        put_bytes(tile + 2 * SCALE_BYTES, r, q);
        break;
    case ENG_Q8_0:
        put_u16(tile, r, block);
        put_bytes(tile + SCALE_BYTES, r, block + 2);
        break;
    case ENG_Q4_K:
        pack_q4_k(tile, r, block);
        break;
    case ENG_Q6_K:
        pack_q6_k(tile, r, block);
        break;
    }
}

/* Tile by tile, all rows of each: it is written whole while it lies in the first cache. */
static inline __attribute__((always_inline)) void pack_tiles(eng_dtype type, const eng_packed *w,
                                                             uint8_t *tiles, const uint8_t *rows,
                                                             size_t row_bytes, uint32_t n_rows)
{
    const tile_shape t = tile_of(type);
    const eng_dtype_info *info = eng_dtype_info_of(type);
    const size_t step = (size_t)info->block_bytes * (t.k / info->block_elements);
    const uint32_t whole = w->k / t.k;
    if (n_rows < R)
        memset(tiles, 0, w->group_bytes);
    for (uint32_t b = 0; b < whole; b++, tiles += t.bytes)
        for (uint32_t r = 0; r < n_rows; r++)
            pack_tile(type, tiles, r, rows + r * row_bytes + b * step);
    if (type == ENG_BF16 && w->k % 2) {
        memset(tiles, 0, t.bytes);
        for (uint32_t r = 0; r < n_rows; r++)
            put_u16(tiles, 2 * r, rows + r * row_bytes + whole * step);
    }
}

void eng__pack_group(eng_packed *w, uint32_t g, const uint8_t *rows, size_t row_bytes,
                     uint32_t n_rows)
{
    uint8_t *tiles = w->data + (size_t)g * w->group_bytes;
#define PACK(type)                                                                                 \
    case type:                                                                                     \
        pack_tiles(type, w, tiles, rows, row_bytes, n_rows);                                       \
        break
    switch (w->type) {
        PACK(ENG_F32);
        PACK(ENG_F16);
        PACK(ENG_BF16);
        PACK(ENG_Q4_0);
        PACK(ENG_Q4_1);
        PACK(ENG_Q5_0);
        PACK(ENG_Q5_1);
        PACK(ENG_Q8_0);
        PACK(ENG_Q4_K);
        PACK(ENG_Q6_K);
    }
#undef PACK
}

/* ---- unpacking ---- */

static float f16_at(const uint8_t *scales, uint32_t r)
{
    uint16_t h;
    memcpy(&h, scales + 2 * r, sizeof h);
    return eng_f16_to_f32(h);
}

static void take_bytes(const uint8_t *src, uint32_t r, uint8_t q[ENG_QBLOCK])
{
    for (uint32_t g = 0; g < 8; g++)
        memcpy(q + 4 * g, src + 4 * R * g + 4 * r, 4);
}

static void take_nibbles(const uint8_t *src, uint32_t r, uint8_t q[ENG_QBLOCK])
{
    for (uint32_t i = 0; i < 16; i++) {
        uint8_t b = src[4 * R * (i / 4) + 4 * r + i % 4];
        q[i] = b & 15;
        q[i + 16] = b >> 4;
    }
}

static void unpack_q4_k(const uint8_t *tile, uint32_t r, float *out)
{
    const float d = f16_at(tile, r), dmin = f16_at(tile + SCALE_BYTES, r);
    const uint8_t *sc = tile + 2 * SCALE_BYTES, *m = sc + 8 * R, *nibbles = m + 8 * R;
    for (uint32_t j = 0; j < 8; j++) {
        uint8_t q[ENG_QBLOCK];
        take_nibbles(nibbles + j * NIBBLE_BYTES, r, q);
        for (uint32_t i = 0; i < ENG_QBLOCK; i++)
            out[32 * j + i] = d * sc[j * R + r] * q[i] - dmin * m[j * R + r];
    }
}

static void unpack_q6_k(const uint8_t *tile, uint32_t r, float *out)
{
    const float d = f16_at(tile, r);
    for (uint32_t j = 0; j < 8; j++) {
        uint8_t q[ENG_QBLOCK];
        take_bytes(tile + SCALE_BYTES + 16 * R + j * BYTE_BYTES, r, q);
        for (uint32_t i = 0; i < ENG_QBLOCK; i++) {
            int8_t sc = (int8_t)tile[SCALE_BYTES + (2 * j + i / 16) * R + r];
            out[32 * j + i] = d * sc * (float)(q[i] - 32);
        }
    }
}

/* value = d * (q - offset) + m for the types with blocks of 32 */
static void unpack_32(const uint8_t *tile, uint32_t r, bool nibbles, bool minimum, int offset,
                      float *out)
{
    uint8_t q[ENG_QBLOCK];
    const float d = f16_at(tile, r), m = minimum ? f16_at(tile + SCALE_BYTES, r) : 0;
    const uint8_t *body = tile + (minimum ? 2 : 1) * SCALE_BYTES;
    if (nibbles)
        take_nibbles(body, r, q);
    else
        take_bytes(body, r, q);
    for (uint32_t i = 0; i < ENG_QBLOCK; i++)
        out[i] = d * (float)(q[i] - offset) + m;
}

static void unpack_q8_0(const uint8_t *tile, uint32_t r, float *out)
{
    uint8_t q[ENG_QBLOCK];
    const float d = f16_at(tile, r);
    take_bytes(tile + SCALE_BYTES, r, q);
    for (uint32_t i = 0; i < ENG_QBLOCK; i++)
        out[i] = d * (float)(int8_t)q[i];
}

static void unpack_tile(eng_dtype type, const uint8_t *tile, uint32_t r, float *out, uint32_t left)
{
    switch (type) {
    case ENG_F32:
        memcpy(out, tile + 4 * r, 4);
        break;
    case ENG_F16:
        *out = f16_at(tile, r);
        break;
    case ENG_BF16:
        for (uint32_t i = 0; i < 2 && i < left; i++) {
            uint16_t h;
            memcpy(&h, tile + 4 * r + 2 * i, sizeof h);
            out[i] = eng_bf16_to_f32(h);
        }
        break;
    case ENG_Q4_0:
        unpack_32(tile, r, true, false, 8, out);
        break;
    case ENG_Q4_1:
        unpack_32(tile, r, true, true, 0, out);
        break;
    case ENG_Q5_0:
        unpack_32(tile, r, false, false, 16, out);
        break;
    case ENG_Q5_1:
        unpack_32(tile, r, false, true, 0, out);
        break;
    case ENG_Q8_0:
        unpack_q8_0(tile, r, out);
        break;
    case ENG_Q4_K:
        unpack_q4_k(tile, r, out);
        break;
    case ENG_Q6_K:
        unpack_q6_k(tile, r, out);
        break;
    }
}

void eng__packed_row(const eng_packed *w, uint32_t r, float *out)
{
    const tile_shape t = tile_of(w->type);
    const uint8_t *tile = w->data + (size_t)(r / R) * w->group_bytes;
    for (uint32_t k = 0; k < w->k; k += t.k, tile += t.bytes)
        unpack_tile(w->type, tile, r % R, out + k, w->k - k);
}

/* ---- checks ---- */

static bool f16_finite(const uint8_t *p)
{
    return (p[1] & 0x7c) != 0x7c;
}

static bool float_finite(eng_dtype type, const uint8_t *p)
{
    if (type == ENG_F16)
        return f16_finite(p);
    const uint8_t *top = p + (type == ENG_F32 ? 2 : 0); /* the upper half: sign, exponent */
    return ((top[1] & 0x7f) << 1 | top[0] >> 7) != 0xff;
}

bool eng__row_finite(eng_dtype type, const uint8_t *row, uint32_t k)
{
    const eng_dtype_info *info = eng_dtype_info_of(type);
    const size_t n = k / info->block_elements;
    const bool two = type == ENG_Q4_1 || type == ENG_Q5_1 || type == ENG_Q4_K;
    const size_t at = type == ENG_Q6_K ? 208 : 0;
    for (size_t i = 0; i < n; i++, row += info->block_bytes) {
        if (info->block_elements == 1 ? !float_finite(type, row) : !f16_finite(row + at))
            return false;
        if (two && !f16_finite(row + 2))
            return false;
    }
    return true;
}

/* ---- encoding ---- */

/* The largest magnitude as its bits, which order as the floats do; NaN is above all. */
static float magnitude(const float *x)
{
    int32_t most = 0;
    float max;
    for (uint32_t i = 0; i < ENG_QBLOCK; i++) {
        int32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= INT32_MAX;
        most = bits > most ? bits : most;
    }
    memcpy(&max, &most, sizeof max);
    return max;
}

/* roundf of |v| < 2^22 without a call: the largest float below a half takes every tie, and nothing
 * else, over the edge. */
static int32_t round_small(float v)
{
    return (int32_t)(v + copysignf(0x1.fffffep-2f, v));
}

static void encode_q8_0(const float *x, uint8_t *dst, uint32_t k)
{
    for (uint32_t b = 0; b < k / ENG_QBLOCK; b++, x += ENG_QBLOCK, dst += 34) {
        const float d =
            magnitude(x) / 127.0f; /* 1/d is no float for 0 and the smallest subnormals */
        const float inverse = isfinite(1.0f / d) ? 1.0f / d : 0;
        const uint16_t h = eng_f32_to_f16(d);
        memcpy(dst, &h, 2);
        for (uint32_t i = 0; i < ENG_QBLOCK; i++)
            dst[2 + i] = (uint8_t)(int8_t)round_small(x[i] * inverse);
    }
}

void eng__encode_row(eng_dtype type, const float *x, uint8_t *dst, uint32_t k)
{
    if (type == ENG_Q8_0) {
        encode_q8_0(x, dst, k);
    } else if (type == ENG_BF16) {
        for (uint32_t i = 0; i < k; i++) {
            uint16_t h = eng_f32_to_bf16(x[i]);
            memcpy(dst + 2 * (size_t)i, &h, 2);
        }
    } else {
        memcpy(dst, x, (size_t)k * 4);
    }
}
