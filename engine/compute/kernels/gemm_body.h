/* Matrix products over packed weights, for one instruction set: included by kernels_<isa>.c after
 * its simd_<isa>.h.
 *
 * One inline function a weight type adds one step of k (a block, or one element) to MT accumulators
 * of LANES output rows; one skeleton runs it over k, over the two halves of a group where LANES is
 * 8, and over the rows in tiles. Every output has one accumulator and ascending k, so a tile of one
 * row gives the same bits as a tile of many. */
#include "compute/kernels/kernels.h"

/* Tile sizes are arguments: only inlining makes them constants and keeps a tile in registers. The
 * scalar set defines it otherwise: it is there to be right, and to compile in seconds. */
#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

enum {
    DOT_ROWS = QUANT_TILE > 4 ? QUANT_TILE : 4,
    Q6_TILE = QUANT_TILE > 4 ? 4 : QUANT_TILE /* Q6_K keeps more vectors a row */
};

/* A step's view: the group's weights from half `lane0` on, and activation rows m0... */
typedef struct gemm_at {
    const eng_acts *a;
    uint32_t m0;    /* first activation row of the tile */
    uint32_t lane0; /* first lane of the group: 0, or 8 */
} gemm_at;

INLINE vf scales_at(const uint8_t *w, uint32_t lane0)
{
    return vf_load_f16((const uint16_t *)(const void *)w + lane0);
}

/* acc += (d_w * d_a) * dot */
INLINE void add_scaled(vf *acc, vf d, const vi *dot, const float *da, size_t stride, int mt)
{
    for (int r = 0; r < mt; r++)
        acc[r] = vf_fma(vf_mul(d, vf_set1(da[(size_t)r * stride])), vf_from_vi(dot[r]), acc[r]);
}

/* acc += m_w * s_a */
INLINE void add_minimum(vf *acc, vf m, const float *sa, size_t stride, int mt)
{
    for (int r = 0; r < mt; r++)
        acc[r] = vf_fma(m, vf_set1(sa[(size_t)r * stride]), acc[r]);
}

/* dot -= offset * sum of the activations, for weights stored as q + offset */
INLINE void take_offset(vi *dot, int offset, const int32_t *sum, size_t stride, int mt)
{
    for (int r = 0; r < mt; r++)
        dot[r] = vi_sub(dot[r], vi_set1(offset * sum[(size_t)r * stride]));
}

/* Where a tile's activations of block b begin. */
#define ACTS(at, b)                                                                                \
    const eng_acts *a = (at).a;                                                                    \
    const size_t k = a->k, nb = k / ENG_QBLOCK, row = (at).m0;                                     \
    const int8_t *q = a->q + row * k + (size_t)(b)*ENG_QBLOCK;                                     \
    const float *da = a->d + row * nb + (b);                                                       \
    const float *sa = a->s + row * nb + (b);                                                       \
    const int32_t *sum = a->sum + row * nb + (b);                                                  \
    const uint32_t lane0 = (at).lane0;                                                             \
    (void)sa, (void)sum

INLINE void step_q4_0(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt)
{
    ACTS(at, b);
    vi dot[DOT_ROWS];
    dot_nibbles(dot, w + SCALE_BYTES + 4 * lane0, q, k, mt);
    take_offset(dot, 8, sum, nb, mt);
    add_scaled(acc, scales_at(w, lane0), dot, da, nb, mt);
}

INLINE void step_q4_1(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt)
{
    ACTS(at, b);
    vi dot[DOT_ROWS];
    dot_nibbles(dot, w + 2 * SCALE_BYTES + 4 * lane0, q, k, mt);
    add_scaled(acc, scales_at(w, lane0), dot, da, nb, mt);
    add_minimum(acc, scales_at(w + SCALE_BYTES, lane0), sa, nb, mt);
}

INLINE void step_q5_0(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt)
{
    ACTS(at, b);
    vi dot[DOT_ROWS];
    dot_u5(dot, w + SCALE_BYTES + 4 * lane0, q, k, mt);
    take_offset(dot, 16, sum, nb, mt);
    add_scaled(acc, scales_at(w, lane0), dot, da, nb, mt);
}

INLINE void step_q5_1(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt)
{
    ACTS(at, b);
    vi dot[DOT_ROWS];
    dot_u5(dot, w + 2 * SCALE_BYTES + 4 * lane0, q, k, mt);
    add_scaled(acc, scales_at(w, lane0), dot, da, nb, mt);
    add_minimum(acc, scales_at(w + SCALE_BYTES, lane0), sa, nb, mt);
}

INLINE void step_q8_0(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt)
{
    ACTS(at, b);
    vi dot[DOT_ROWS];
    dot_i8(dot, w + SCALE_BYTES + 4 * lane0, q, sum, k, nb, mt);
    add_scaled(acc, scales_at(w, lane0), dot, da, nb, mt);
}

/* Super-blocks of 256: the sub-blocks' small integer scales multiply in int32, then one f32 step.
 */
INLINE void step_q4_k(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt)
{
    const eng_acts *a = at.a;
    const size_t k = a->k, nb = k / ENG_KBLOCK, row = at.m0;
    const int8_t *q = a->qk + row * k + (size_t)b * ENG_KBLOCK;
    const int32_t *sums = a->sumk + row * (k / 16) + (size_t)b * 16;
    const uint8_t *sc = w + 2 * SCALE_BYTES + at.lane0, *mn = sc + 8 * ENG_GROUP_ROWS;
    const uint8_t *nibbles = w + 2 * SCALE_BYTES + 16 * ENG_GROUP_ROWS + 4 * at.lane0;
    vi total[DOT_ROWS], minimum[DOT_ROWS];
    for (int r = 0; r < mt; r++)
        total[r] = minimum[r] = vi_set1(0);
    for (int j = 0; j < 8; j++) {
        vi dot[DOT_ROWS];
        dot_nibbles(dot, nibbles + j * NIBBLE_BYTES, q + j * ENG_QBLOCK, k, mt);
        vi scale = vi_load_u8(sc + j * ENG_GROUP_ROWS), low = vi_load_u8(mn + j * ENG_GROUP_ROWS);
        for (int r = 0; r < mt; r++) {
            const int32_t *s = sums + (size_t)r * (k / 16) + 2 * j;
            total[r] = vi_add(total[r], vi_mul(scale, dot[r]));
            minimum[r] = vi_add(minimum[r], vi_mul(low, vi_set1(s[0] + s[1])));
        }
    }
    vf d = scales_at(w, at.lane0), dmin = scales_at(w + SCALE_BYTES, at.lane0);
    for (int r = 0; r < mt; r++) {
        float da = a->dk[(row + (size_t)r) * nb + b];
        acc[r] = vf_fma(vf_mul(d, vf_set1(da)), vf_from_vi(total[r]), acc[r]);
        acc[r] = vf_fma(vf_mul(dmin, vf_set1(-da)), vf_from_vi(minimum[r]), acc[r]);
    }
}

INLINE void step_q6_k(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt)
{
    const eng_acts *a = at.a;
    const size_t k = a->k, nb = k / ENG_KBLOCK, row = at.m0;
    const int8_t *q = a->qk + row * k + (size_t)b * ENG_KBLOCK;
    const int32_t *sums = a->sumk + row * (k / 16) + (size_t)b * 16;
    const int8_t *sc = (const int8_t *)w + SCALE_BYTES + at.lane0;
    const uint8_t *bytes = w + SCALE_BYTES + 16 * ENG_GROUP_ROWS + 4 * at.lane0;
    vi total[DOT_ROWS];
    for (int r = 0; r < mt; r++)
        total[r] = vi_set1(0);
    for (int j = 0; j < 16; j++) {
        vi dot[DOT_ROWS];
        dot_u6_16(dot, bytes + j * (BYTE_BYTES / 2), q + j * 16, k, mt);
        take_offset(dot, 32, sums + j, k / 16, mt);
        vi scale = vi_load_i8(sc + j * ENG_GROUP_ROWS);
        for (int r = 0; r < mt; r++)
            total[r] = vi_add(total[r], vi_mul(scale, dot[r]));
    }
    add_scaled(acc, scales_at(w, at.lane0), total, a->dk + row * nb + b, nb, mt);
}

INLINE void step_f32(vf *acc, const uint8_t *w, gemm_at at, uint32_t k, const int mt)
{
    const float *x = at.a->x + (size_t)at.m0 * at.a->ld_x + k;
    vf wv = vf_load((const float *)(const void *)w + at.lane0);
    for (int r = 0; r < mt; r++)
        acc[r] = vf_fma(wv, vf_set1(x[(size_t)r * at.a->ld_x]), acc[r]);
}

INLINE void step_f16(vf *acc, const uint8_t *w, gemm_at at, uint32_t k, const int mt)
{
    const float *x = at.a->x + (size_t)at.m0 * at.a->ld_x + k;
    vf wv = scales_at(w, at.lane0);
    for (int r = 0; r < mt; r++)
        acc[r] = vf_fma(wv, vf_set1(x[(size_t)r * at.a->ld_x]), acc[r]);
}

/* Two k a step. With a bf16 dot instruction the activation is split into two bf16 whose sum is x
 * (hi + lo), which keeps 16 bits of it: the result differs from f32 activations by rounding only.
 */
INLINE void step_bf16(vf *acc, const uint8_t *w, gemm_at at, uint32_t pair, const int mt)
{
    const uint16_t *wp = (const uint16_t *)(const void *)w + 2 * at.lane0;
#ifdef SIMD_HAS_BF16_DOT
    const size_t ld = (at.a->k + 1u) & ~1u, from = (size_t)at.m0 * ld + 2 * (size_t)pair;
    for (int r = 0; r < mt; r++) {
        acc[r] = vf_dot_bf16(acc[r], wp, at.a->hi + from + (size_t)r * ld);
        acc[r] = vf_dot_bf16(acc[r], wp, at.a->lo + from + (size_t)r * ld);
    }
#else
    const float *x = at.a->x + (size_t)at.m0 * at.a->ld_x + 2 * (size_t)pair;
    const size_t second = 2 * pair + 1 < at.a->k; /* the appended zero of an odd K has no x */
    vf even = vf_bf16_even(wp), odd = vf_bf16_odd(wp);
    for (int r = 0; r < mt; r++) {
        const float *xr = x + (size_t)r * at.a->ld_x;
        acc[r] = vf_fma(even, vf_set1(xr[0]), acc[r]);
        acc[r] = vf_fma(odd, vf_set1(xr[second]), acc[r]);
    }
#endif
}

/* A group is fetched from memory while the one before it is computed: each tile of rows asks for
 * its share of the next group's lines, a run of steps at a time. A lone tile walks its weights
 * once, in order: there the CPU's own prefetcher is as good. */
typedef struct gemm_ahead {
    const uint8_t *next;    /* NULL: nothing to fetch */
    uint32_t tile, n_tiles; /* of the rows */
} gemm_ahead;

enum { CACHE_LINE = 64, FETCH_BYTES = 384 };

/* Steps between two fetches. */
INLINE uint32_t fetch_run(const uint32_t tile_bytes)
{
    return tile_bytes < FETCH_BYTES ? FETCH_BYTES / tile_bytes : 1;
}

INLINE void fetch_ahead(const uint8_t *at, const uint8_t *end)
{
    for (; at < end; at += CACHE_LINE)
        __builtin_prefetch(at, 0, 2);
}

/* Rows go in tiles of MAX_TILE, then of 4, 2 and 1. */
INLINE uint32_t count_tiles(uint32_t m, const uint32_t max_tile)
{
    const uint32_t left = m % max_tile, fours = max_tile > 4 ? left / 4 : 0;
    return m / max_tile + fours + (left - 4 * fours) / 2 + left % 2;
}

/* One tile of mt rows against one half group. */
#define DEFINE_GEMM(type, TILE_BYTES, K_STEP, MAX_TILE)                                            \
    INLINE void gemm_tile_##type(float *out, size_t ld, const uint8_t *w, uint32_t n_steps,        \
                                 gemm_at at, gemm_ahead ahead, const int mt)                       \
    {                                                                                              \
        vf acc[MAX_TILE > 4 ? MAX_TILE : 4];                                                       \
        for (int r = 0; r < mt; r++)                                                               \
            acc[r] = vf_set1(0);                                                                   \
        const uint32_t run = fetch_run(TILE_BYTES);                                                \
        const uint32_t lines = (run * TILE_BYTES + CACHE_LINE - 1) / CACHE_LINE;                   \
        const uint32_t from = CACHE_LINE * (lines * ahead.tile / ahead.n_tiles);                   \
        const uint32_t to = CACHE_LINE * (lines * (ahead.tile + 1) / ahead.n_tiles);               \
        const uint8_t *next = ahead.next ? ahead.next + from : w;                                  \
        const size_t share = ahead.next ? to - from : 0;                                           \
        if (run == 1) /* a loop around one step would cost registers */                            \
            for (uint32_t b = 0; b < n_steps; b++, w += TILE_BYTES, next += TILE_BYTES) {          \
                fetch_ahead(next, next + share);                                                   \
                step_##type(acc, w, at, b, mt);                                                    \
            }                                                                                      \
        else                                                                                       \
            for (uint32_t b = 0, end; b < n_steps; next += run * TILE_BYTES) {                     \
                fetch_ahead(next, next + share);                                                   \
                for (end = b + run < n_steps ? b + run : n_steps; b < end; b++, w += TILE_BYTES)   \
                    step_##type(acc, w, at, b, mt);                                                \
            }                                                                                      \
        for (int r = 0; r < mt; r++)                                                               \
            vf_store(out + (size_t)r * ld, acc[r]);                                                \
    }                                                                                              \
    static void gemm_##type(float *out, size_t ld, const eng_packed *w, uint32_t g0, uint32_t ng,  \
                            const eng_acts *a, uint32_t m0, uint32_t m)                            \
    {                                                                                              \
        const uint32_t n_steps = (w->k + (K_STEP)-1) / (K_STEP), end = m0 + m;                     \
        gemm_ahead ahead = {.n_tiles = count_tiles(m, MAX_TILE)};                                  \
        for (uint32_t g = g0; g < g0 + ng; g++) {                                                  \
            const uint8_t *data = w->data + (size_t)g * w->group_bytes;                            \
            for (uint32_t lane0 = 0; lane0 < ENG_GROUP_ROWS; lane0 += LANES) {                     \
                float *o = out + (size_t)g * ENG_GROUP_ROWS + lane0;                               \
                gemm_at at = {a, m0, lane0};                                                       \
                ahead.next = NULL;                                                                 \
                if (ahead.n_tiles > 1 && g + 1 < g0 + ng && !lane0)                                \
                    ahead.next = data + w->group_bytes;                                            \
                ahead.tile = 0;                                                                    \
                for (; at.m0 + MAX_TILE <= end; at.m0 += MAX_TILE, ahead.tile++)                   \
                    gemm_tile_##type(o + at.m0 * ld, ld, data, n_steps, at, ahead, MAX_TILE);      \
                for (; MAX_TILE > 4 && at.m0 + 4 <= end; at.m0 += 4, ahead.tile++)                 \
                    gemm_tile_##type(o + at.m0 * ld, ld, data, n_steps, at, ahead, 4);             \
                for (; at.m0 + 2 <= end; at.m0 += 2, ahead.tile++)                                 \
                    gemm_tile_##type(o + at.m0 * ld, ld, data, n_steps, at, ahead, 2);             \
                if (at.m0 < end)                                                                   \
                    gemm_tile_##type(o + at.m0 * ld, ld, data, n_steps, at, ahead, 1);             \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_GEMM(q4_0, TILE_Q4_0, ENG_QBLOCK, QUANT_TILE)
DEFINE_GEMM(q4_1, TILE_Q4_1, ENG_QBLOCK, QUANT_TILE)
DEFINE_GEMM(q5_0, TILE_Q5_0, ENG_QBLOCK, QUANT_TILE)
DEFINE_GEMM(q5_1, TILE_Q5_1, ENG_QBLOCK, QUANT_TILE)
DEFINE_GEMM(q8_0, TILE_Q8_0, ENG_QBLOCK, QUANT_TILE)
DEFINE_GEMM(q4_k, TILE_Q4_K, ENG_KBLOCK, QUANT_TILE)
DEFINE_GEMM(q6_k, TILE_Q6_K, ENG_KBLOCK, Q6_TILE)
DEFINE_GEMM(f32, TILE_F32, 1, FLOAT_TILE)
DEFINE_GEMM(f16, TILE_F16, 1, FLOAT_TILE)
DEFINE_GEMM(bf16, TILE_BF16, 2, FLOAT_TILE)
