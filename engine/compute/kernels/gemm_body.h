/* Matrix products over packed weights, for one instruction set: included by kernels_<isa>.c after
 * its simd_<isa>.h.
 *
 * A tile is mt activation rows by nv vectors of LANES output rows: whole groups, or the two halves
 * of one where LANES is 8. One inline function a weight type adds one step of k (a block, or one
 * element) to its accumulators; one skeleton runs it over k, over the vectors and over the rows.
 * Several vectors share a loaded activation, several rows a loaded weight: a tile of one would wait
 * for loads, not for products. Every output has one accumulator and ascending k, so a tile of one
 * row gives the same bits as a tile of many. */
#include "compute/kernels/kernels.h"

/* Tile sizes are arguments: only inlining makes them constants and keeps a tile in registers. The
 * scalar set defines it otherwise: it is there to be right, and to compile in seconds. */
#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

/* Where a tile stands. Accumulators and dot products lie by vector, then row: [nv][mt]. */
typedef struct gemm_at {
    const eng_acts *a;
    size_t group_bytes;
    uint32_t m0;    /* first activation row of the tile */
    uint32_t lane0; /* first lane of the first group: 0, or 8 */
} gemm_at;

enum { GROUP_VECTORS = ENG_GROUP_ROWS / LANES, MAX_DOTS = QUANT_ROWS * QUANT_VECTORS };

/* Where vector j's weights of a step begin that holds its first vector's at w: with `lane_bytes` of
 * one output row beside the next. */
INLINE const uint8_t *vector_at(const uint8_t *w, gemm_at at, int j, size_t lane_bytes)
{
    const size_t lane = at.lane0 + (size_t)(j % GROUP_VECTORS) * LANES;
    return w + (size_t)(j / GROUP_VECTORS) * at.group_bytes + lane * lane_bytes;
}

INLINE vf scales_at(const uint8_t *w, gemm_at at, int j)
{
    return vf_load_f16((const uint16_t *)(const void *)vector_at(w, at, j, sizeof(uint16_t)));
}

/* What the dot products below need of the weights: each vector's bytes, 4 k a row. */
INLINE dot_weights weights_at(const uint8_t *w, gemm_at at, int nv)
{
    dot_weights found = {.n = nv};
    for (int j = 0; j < nv; j++)
        found.w[j] = vector_at(w, at, j, 4);
    return found;
}

/* acc += (d_w * d_a) * dot, d_w the scales at w */
INLINE void add_scaled(vf *acc, const uint8_t *w, gemm_at at, const vi *dot, const float *da,
                       size_t stride, int mt, int nv)
{
    for (int j = 0; j < nv; j++) {
        const vf d = scales_at(w, at, j);
        for (int r = 0; r < mt; r++) {
            const int i = j * mt + r;
            acc[i] = vf_fma(vf_mul(d, vf_set1(da[(size_t)r * stride])), vf_from_vi(dot[i]), acc[i]);
        }
    }
}

/* acc += m_w * s_a, m_w the scales at w */
INLINE void add_minimum(vf *acc, const uint8_t *w, gemm_at at, const float *sa, size_t stride,
                        int mt, int nv)
{
    for (int j = 0; j < nv; j++) {
        const vf m = scales_at(w, at, j);
        for (int r = 0; r < mt; r++)
            acc[j * mt + r] = vf_fma(m, vf_set1(sa[(size_t)r * stride]), acc[j * mt + r]);
    }
}

/* dot -= offset * sum of the activations, for weights stored as q + offset */
INLINE void take_offset(vi *dot, int offset, const int32_t *sum, size_t stride, int mt, int nv)
{
    for (int r = 0; r < mt; r++) {
        const vi taken = vi_set1(offset * sum[(size_t)r * stride]);
        for (int j = 0; j < nv; j++)
            dot[j * mt + r] = vi_sub(dot[j * mt + r], taken);
    }
}

/* Where a tile's activations of block b begin. */
#define ACTS(at, b)                                                                                \
    const eng_acts *a = (at).a;                                                                    \
    const size_t k = a->k, nb = k / ENG_QBLOCK, row = (at).m0;                                     \
    const int8_t *q = a->q + row * k + (size_t)(b)*ENG_QBLOCK;                                     \
    const float *da = a->d + row * nb + (b);                                                       \
    const float *sa = a->s + row * nb + (b);                                                       \
    const int32_t *sum = a->sum + row * nb + (b);                                                  \
    (void)sa, (void)sum

INLINE void step_q4_0(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt, const int nv)
{
    ACTS(at, b);
    vi dot[MAX_DOTS];
    dot_nibbles(dot, weights_at(w + SCALE_BYTES, at, nv), q, k, mt);
    take_offset(dot, 8, sum, nb, mt, nv);
    add_scaled(acc, w, at, dot, da, nb, mt, nv);
}

INLINE void step_q4_1(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt, const int nv)
{
    ACTS(at, b);
    vi dot[MAX_DOTS];
    dot_nibbles(dot, weights_at(w + 2 * SCALE_BYTES, at, nv), q, k, mt);
    add_scaled(acc, w, at, dot, da, nb, mt, nv);
    add_minimum(acc, w + SCALE_BYTES, at, sa, nb, mt, nv);
}

INLINE void step_q5_0(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt, const int nv)
{
    ACTS(at, b);
    vi dot[MAX_DOTS];
    dot_u5(dot, weights_at(w + SCALE_BYTES, at, nv), q, k, mt);
    take_offset(dot, 16, sum, nb, mt, nv);
    add_scaled(acc, w, at, dot, da, nb, mt, nv);
}

INLINE void step_q5_1(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt, const int nv)
{
    ACTS(at, b);
    vi dot[MAX_DOTS];
    dot_u5(dot, weights_at(w + 2 * SCALE_BYTES, at, nv), q, k, mt);
    add_scaled(acc, w, at, dot, da, nb, mt, nv);
    add_minimum(acc, w + SCALE_BYTES, at, sa, nb, mt, nv);
}

INLINE void step_q8_0(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt, const int nv)
{
    ACTS(at, b);
    vi dot[MAX_DOTS];
    dot_i8(dot, weights_at(w + SCALE_BYTES, at, nv), q, sum, k, nb, mt);
    add_scaled(acc, w, at, dot, da, nb, mt, nv);
}

/* Super-blocks of 256: the sub-blocks' small integer scales multiply in int32, then one f32 step.
 */
INLINE void step_q4_k(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt, const int nv)
{
    const eng_acts *a = at.a;
    const size_t k = a->k, nb = k / ENG_KBLOCK, row = at.m0;
    const int8_t *q = a->qk + row * k + (size_t)b * ENG_KBLOCK;
    const int32_t *sums = a->sumk + row * (k / 16) + (size_t)b * 16;
    const uint8_t *sc = w + 2 * SCALE_BYTES, *mn = sc + 8 * ENG_GROUP_ROWS;
    const uint8_t *nibbles = mn + 8 * ENG_GROUP_ROWS;
    vi total[MAX_DOTS], minimum[MAX_DOTS];
    for (int i = 0; i < mt * nv; i++)
        total[i] = minimum[i] = vi_set1(0);
    for (int n = 0; n < 8; n++) {
        vi dot[MAX_DOTS];
        dot_nibbles(dot, weights_at(nibbles + n * NIBBLE_BYTES, at, nv), q + n * ENG_QBLOCK, k, mt);
        for (int j = 0; j < nv; j++) {
            const vi scale = vi_load_u8(vector_at(sc + n * ENG_GROUP_ROWS, at, j, 1));
            const vi low = vi_load_u8(vector_at(mn + n * ENG_GROUP_ROWS, at, j, 1));
            for (int r = 0; r < mt; r++) {
                const int i = j * mt + r;
                const int32_t *s = sums + (size_t)r * (k / 16) + 2 * n;
                total[i] = vi_add(total[i], vi_mul(scale, dot[i]));
                minimum[i] = vi_add(minimum[i], vi_mul(low, vi_set1(s[0] + s[1])));
            }
        }
    }
    for (int j = 0; j < nv; j++) {
        const vf d = scales_at(w, at, j), dmin = scales_at(w + SCALE_BYTES, at, j);
        for (int r = 0; r < mt; r++) {
            const int i = j * mt + r;
            const float da = a->dk[(row + (size_t)r) * nb + b];
            acc[i] = vf_fma(vf_mul(d, vf_set1(da)), vf_from_vi(total[i]), acc[i]);
            acc[i] = vf_fma(vf_mul(dmin, vf_set1(-da)), vf_from_vi(minimum[i]), acc[i]);
        }
    }
}

INLINE void step_q6_k(vf *acc, const uint8_t *w, gemm_at at, uint32_t b, const int mt, const int nv)
{
    const eng_acts *a = at.a;
    const size_t k = a->k, nb = k / ENG_KBLOCK, row = at.m0;
    const int8_t *q = a->qk + row * k + (size_t)b * ENG_KBLOCK;
    const int32_t *sums = a->sumk + row * (k / 16) + (size_t)b * 16;
    const uint8_t *sc = w + SCALE_BYTES, *bytes = sc + 16 * ENG_GROUP_ROWS;
    vi total[MAX_DOTS];
    for (int i = 0; i < mt * nv; i++)
        total[i] = vi_set1(0);
    for (int n = 0; n < 16; n++) {
        vi dot[MAX_DOTS];
        dot_u6_16(dot, weights_at(bytes + n * (BYTE_BYTES / 2), at, nv), q + n * 16, k, mt);
        take_offset(dot, 32, sums + n, k / 16, mt, nv);
        for (int j = 0; j < nv; j++) {
            const uint8_t *scales = vector_at(sc + n * ENG_GROUP_ROWS, at, j, 1);
            const vi scale = vi_load_i8((const int8_t *)scales);
            for (int r = 0; r < mt; r++)
                total[j * mt + r] = vi_add(total[j * mt + r], vi_mul(scale, dot[j * mt + r]));
        }
    }
    add_scaled(acc, w, at, total, a->dk + row * nb + b, nb, mt, nv);
}

/* acc += w * x for nv vectors of weights and a tile's column of x */
INLINE void add_products(vf *acc, const vf *w, const float *x, size_t ld, int mt, int nv)
{
    for (int r = 0; r < mt; r++) {
        const vf xr = vf_set1(x[(size_t)r * ld]);
        for (int j = 0; j < nv; j++)
            acc[j * mt + r] = vf_fma(w[j], xr, acc[j * mt + r]);
    }
}

INLINE void step_f32(vf *acc, const uint8_t *w, gemm_at at, uint32_t k, const int mt, const int nv)
{
    vf wv[FLOAT_VECTORS];
    for (int j = 0; j < nv; j++)
        wv[j] = vf_load((const float *)(const void *)vector_at(w, at, j, sizeof(float)));
    add_products(acc, wv, at.a->x + (size_t)at.m0 * at.a->ld_x + k, at.a->ld_x, mt, nv);
}

INLINE void step_f16(vf *acc, const uint8_t *w, gemm_at at, uint32_t k, const int mt, const int nv)
{
    vf wv[FLOAT_VECTORS];
    for (int j = 0; j < nv; j++)
        wv[j] = scales_at(w, at, j);
    add_products(acc, wv, at.a->x + (size_t)at.m0 * at.a->ld_x + k, at.a->ld_x, mt, nv);
}

/* Two k a step. With a bf16 dot instruction activations are bf16 too, as where such weights are
 * trained; without one, f32 costs no more. */
INLINE void step_bf16(vf *acc, const uint8_t *w, gemm_at at, uint32_t pair, const int mt,
                      const int nv)
{
    const uint16_t *wp[FLOAT_VECTORS];
    for (int j = 0; j < nv; j++)
        wp[j] = (const uint16_t *)(const void *)vector_at(w, at, j, 2 * sizeof(uint16_t));
#ifdef SIMD_HAS_BF16_DOT
    const size_t ld = (at.a->k + 1u) & ~1u, from = (size_t)at.m0 * ld + 2 * (size_t)pair;
    for (int r = 0; r < mt; r++) {
        const uint16_t *x = at.a->bf16 + from + (size_t)r * ld;
        for (int j = 0; j < nv; j++)
            acc[j * mt + r] = vf_dot_bf16(acc[j * mt + r], wp[j], x);
    }
#else
    const float *x = at.a->x + (size_t)at.m0 * at.a->ld_x + 2 * (size_t)pair;
    const size_t second = 2 * pair + 1 < at.a->k; /* the appended zero of an odd K has no x */
    vf wv[FLOAT_VECTORS]; /* even k first, then odd ones: both at once would fill the registers */
    for (int j = 0; j < nv; j++)
        wv[j] = vf_bf16_even(wp[j]);
    add_products(acc, wv, x, at.a->ld_x, mt, nv);
    for (int j = 0; j < nv; j++)
        wv[j] = vf_bf16_odd(wp[j]);
    add_products(acc, wv, x + second, at.a->ld_x, mt, nv);
#endif
}

/* The next vectors' groups are fetched from memory while these are computed: each tile of rows asks
 * for its share of their lines, a run of steps at a time. So are those behind the last vectors: a
 * caller goes on there, or the model's next matrix begins. A lone tile walks its weights once, in
 * order and one vector at a time: there the CPU's own prefetcher is as good, if it sees one stream.
 */
typedef struct gemm_ahead {
    const uint8_t *next;    /* NULL: nothing to fetch */
    uint32_t tile, n_tiles; /* of the rows */
} gemm_ahead;

enum { CACHE_LINE = 64, FETCH_BYTES = 768 };

/* Steps between two fetches: one, unless they are small. */
INLINE uint32_t fetch_run(const uint32_t step_bytes)
{
    return 3 * step_bytes <= FETCH_BYTES ? FETCH_BYTES / step_bytes : 1;
}

INLINE void fetch_ahead(const uint8_t *at, const uint8_t *end)
{
    for (; at < end; at += CACHE_LINE)
        __builtin_prefetch(at, 0, 2);
}

/* Rows go in tiles of MAX_ROWS, then of 4, 2 and 1. A tile of 2 leaves the units waiting for its
 * few sums: the last 8 rows go as two of 4, not as 6 and 2. */
INLINE uint32_t whole_tiles(uint32_t m, const uint32_t max_rows)
{
    return m / max_rows - (max_rows == 6 && m >= 8 && m % 6 == 2);
}

INLINE uint32_t count_tiles(uint32_t m, const uint32_t max_rows)
{
    const uint32_t left = m % max_rows, fours = max_rows > 4 ? left / 4 : 0;
    return m / max_rows + fours + (left - 4 * fours) / 2 + left % 2;
}

/* A run of nv vectors, or the group that a single one is a part of. */
INLINE uint32_t whole_vectors(const uint32_t nv)
{
    return nv > GROUP_VECTORS ? nv : GROUP_VECTORS;
}

/* Vectors at a time for a lone tile: one group's, if a tile holds them. */
INLINE uint32_t lone_vectors(const uint32_t max_vectors)
{
    return max_vectors < GROUP_VECTORS ? 1 : GROUP_VECTORS;
}

/* The most common tiles stand apart: among others, gcc runs out of registers for their rows. Their
 * loop stands with them: a call passes structs in memory, and reading one back waits until the last
 * tile's outputs have left the store queue. */
#define APART __attribute__((noinline))

/* gemm_tile: one tile of mt rows by nv vectors. gemm_tiles: n of them, one below the other.
 * gemm_rows: nv vectors against all rows. gemm: all vectors, in runs of MAX_VECTORS and those that
 * are left one by one. */
#define DEFINE_GEMM(type, TILE_BYTES, K_STEP, MAX_ROWS, MAX_VECTORS)                               \
    INLINE void gemm_tile_##type(float *out, size_t ld, const uint8_t *w, uint32_t n_steps,        \
                                 gemm_at at, gemm_ahead ahead, const int mt, const int nv)         \
    {                                                                                              \
        vf acc[(MAX_ROWS) * (MAX_VECTORS)];                                                        \
        for (int i = 0; i < mt * nv; i++)                                                          \
            acc[i] = vf_set1(0);                                                                   \
        const uint32_t step_bytes = whole_vectors((uint32_t)nv) / GROUP_VECTORS * TILE_BYTES;      \
        const uint32_t run = fetch_run(step_bytes);                                                \
        const uint32_t lines = (run * step_bytes + CACHE_LINE - 1) / CACHE_LINE;                   \
        const uint32_t from = CACHE_LINE * (lines * ahead.tile / ahead.n_tiles);                   \
        const uint32_t to = CACHE_LINE * (lines * (ahead.tile + 1) / ahead.n_tiles);               \
        const uint8_t *next = ahead.next ? ahead.next + from : w;                                  \
        const size_t share = ahead.next ? to - from : 0;                                           \
        uint32_t b = 0; /* there is a step: else gcc would keep the sums in memory */              \
        if (run == 1)   /* a loop around one step would cost registers */                          \
            do {                                                                                   \
                fetch_ahead(next, next + share);                                                   \
                step_##type(acc, w, at, b, mt, nv);                                                \
                w += TILE_BYTES, next += step_bytes;                                               \
            } while (++b < n_steps);                                                               \
        else                                                                                       \
            do {                                                                                   \
                const uint32_t end = b + run < n_steps ? b + run : n_steps;                        \
                fetch_ahead(next, next + share);                                                   \
                next += run * step_bytes;                                                          \
                do {                                                                               \
                    step_##type(acc, w, at, b, mt, nv);                                            \
                    w += TILE_BYTES;                                                               \
                } while (++b < end);                                                               \
            } while (b < n_steps);                                                                 \
        for (int j = 0; j < nv; j++)                                                               \
            for (int r = 0; r < mt; r++)                                                           \
                vf_store(out + (size_t)r * ld + j * LANES, acc[j * mt + r]);                       \
    }                                                                                              \
    INLINE void gemm_tiles_##type(float *out, size_t ld, const uint8_t *w, uint32_t n_steps,       \
                                  gemm_at at, gemm_ahead ahead, uint32_t n, const int mt,          \
                                  const int nv)                                                    \
    {                                                                                              \
        for (; n > 0; n--, at.m0 += (uint32_t)mt, ahead.tile++)                                    \
            gemm_tile_##type(out + at.m0 * ld, ld, w, n_steps, at, ahead, mt, nv);                 \
    }                                                                                              \
    static APART void gemm_whole_##type(float *out, size_t ld, const uint8_t *w, uint32_t n_steps, \
                                        gemm_at at, gemm_ahead ahead, uint32_t n)                  \
    {                                                                                              \
        gemm_tiles_##type(out, ld, w, n_steps, at, ahead, n, MAX_ROWS, MAX_VECTORS);               \
    }                                                                                              \
    static APART void gemm_fours_##type(float *out, size_t ld, const uint8_t *w, uint32_t n_steps, \
                                        gemm_at at, gemm_ahead ahead, uint32_t n)                  \
    {                                                                                              \
        gemm_tiles_##type(out, ld, w, n_steps, at, ahead, n, 4, MAX_VECTORS);                      \
    }                                                                                              \
    INLINE void gemm_rows_##type(float *out, size_t ld, const eng_packed *w, uint32_t v,           \
                                 const eng_acts *a, uint32_t m0, uint32_t end, gemm_ahead ahead,   \
                                 const int nv)                                                     \
    {                                                                                              \
        const uint32_t n_steps = (w->k + (K_STEP)-1) / (K_STEP);                                   \
        const uint8_t *data = w->data + (size_t)(v / GROUP_VECTORS) * w->group_bytes;              \
        float *o = out + (size_t)v * LANES;                                                        \
        gemm_at at = {a, w->group_bytes, m0, v % GROUP_VECTORS * LANES};                           \
        const uint32_t whole = whole_tiles(end - at.m0, MAX_ROWS);                                 \
        if (nv == MAX_VECTORS)                                                                     \
            gemm_whole_##type(o, ld, data, n_steps, at, ahead, whole);                             \
        else                                                                                       \
            gemm_tiles_##type(o, ld, data, n_steps, at, ahead, whole, MAX_ROWS, nv);               \
        at.m0 += whole * MAX_ROWS, ahead.tile += whole;                                            \
        const uint32_t fours = MAX_ROWS > 4 ? (end - at.m0) / 4 : 0;                               \
        if (fours && nv == MAX_VECTORS)                                                            \
            gemm_fours_##type(o, ld, data, n_steps, at, ahead, fours);                             \
        else                                                                                       \
            gemm_tiles_##type(o, ld, data, n_steps, at, ahead, fours, 4, nv);                      \
        at.m0 += fours * 4, ahead.tile += fours;                                                   \
        const uint32_t twos = (end - at.m0) / 2;                                                   \
        gemm_tiles_##type(o, ld, data, n_steps, at, ahead, twos, 2, nv);                           \
        at.m0 += twos * 2, ahead.tile += twos;                                                     \
        if (at.m0 < end)                                                                           \
            gemm_tiles_##type(o, ld, data, n_steps, at, ahead, 1, 1, nv);                          \
    }                                                                                              \
    static void gemm_##type(float *out, size_t ld, const eng_packed *w, uint32_t g0, uint32_t ng,  \
                            const eng_acts *a, uint32_t m0, uint32_t m)                            \
    {                                                                                              \
        const uint32_t end = (g0 + ng) * GROUP_VECTORS, lone = lone_vectors(MAX_VECTORS);          \
        gemm_ahead ahead = {.n_tiles = count_tiles(m, MAX_ROWS)};                                  \
        const bool many = ahead.n_tiles > 1;                                                       \
        uint32_t v = g0 * GROUP_VECTORS;                                                           \
        for (; (many || lone == MAX_VECTORS) && v + MAX_VECTORS <= end; v += MAX_VECTORS) {        \
            const uint32_t next = v + whole_vectors(MAX_VECTORS);                                  \
            const bool fetch = many && v % GROUP_VECTORS == 0;                                     \
            ahead.next = fetch ? w->data + (size_t)(next / GROUP_VECTORS) * w->group_bytes : NULL; \
            gemm_rows_##type(out, ld, w, v, a, m0, m0 + m, ahead, MAX_VECTORS);                    \
        }                                                                                          \
        ahead.next = NULL;                                                                         \
        for (; lone != MAX_VECTORS && v < end; v += lone)                                          \
            gemm_rows_##type(out, ld, w, v, a, m0, m0 + m, ahead, lone);                           \
    }

DEFINE_GEMM(q4_0, TILE_Q4_0, ENG_QBLOCK, QUANT_ROWS, QUANT_VECTORS)
DEFINE_GEMM(q4_1, TILE_Q4_1, ENG_QBLOCK, QUANT_ROWS, QUANT_VECTORS)
DEFINE_GEMM(q5_0, TILE_Q5_0, ENG_QBLOCK, QUANT_ROWS, QUANT_VECTORS)
DEFINE_GEMM(q5_1, TILE_Q5_1, ENG_QBLOCK, QUANT_ROWS, QUANT_VECTORS)
DEFINE_GEMM(q8_0, TILE_Q8_0, ENG_QBLOCK, QUANT_ROWS, QUANT_VECTORS)
DEFINE_GEMM(q4_k, TILE_Q4_K, ENG_KBLOCK, QUANT_ROWS, 1)
DEFINE_GEMM(q6_k, TILE_Q6_K, ENG_KBLOCK, QUANT_ROWS, QUANT_VECTORS)
DEFINE_GEMM(f32, TILE_F32, 1, FLOAT_ROWS, FLOAT_VECTORS)
DEFINE_GEMM(f16, TILE_F16, 1, FLOAT_ROWS, FLOAT_VECTORS)
DEFINE_GEMM(bf16, TILE_BF16, 2, FLOAT_ROWS, FLOAT_VECTORS)
