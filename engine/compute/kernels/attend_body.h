/* Attention over a sequence's own KV blocks, for one instruction set. Included by kernels_<isa>.c
 * after rows_body.h.
 *
 * Query rows go in tiles of up to ATTEND_TILE, so that a loaded K or V vector serves them all.
 * Scores come in vectors of positions (K blocks lie with positions contiguous), so nothing is
 * summed across lanes: a score adds over d in ascending order, an output over positions in
 * ascending order. How many vectors go together (the vector layer's ATTEND_VECTORS)
 * never shows in the result. */

enum {
    ATTEND_TILE = ENG_ATTEND_ROWS,
    VALUE_ROWS = 4, /* query rows of a tile of outputs */
    BLOCK_T = ENG_GROUP_ROWS
};

/* Where a tile's loops run: blocks [b0, b1). */
typedef struct attend_tile {
    const eng_attend_args *args;
    uint32_t q0; /* first query row */
    uint32_t b0, b1;
} attend_tile;

INLINE vf load_kv(const void *p, size_t i, const bool f32)
{
    return f32 ? vf_load((const float *)p + i) : vf_load_f16((const uint16_t *)p + i);
}

/* A decode step's keys and values come from memory, in blocks that lie anywhere: what is needed
 * soon is fetched while scores are summed. Element i of the block of K, and of its V. */
INLINE void fetch_soon(const eng_attend_args *a, uint32_t block, size_t i, const bool f32)
{
    const size_t at = i * (f32 ? sizeof(float) : sizeof(uint16_t));
    __builtin_prefetch((const uint8_t *)a->k_blocks[block] + at);
    __builtin_prefetch((const uint8_t *)a->v_blocks[block] + at);
}

/* What is attended next, a position's part of a block of K and V at a time: once, with the first of
 * the outputs. */
INLINE void fetch_next(const eng_attend_args *a, uint32_t pos, const bool f32)
{
    const size_t part = 2 * (size_t)a->head_dim * (f32 ? sizeof(float) : sizeof(uint16_t));
    const uint8_t *at = (const uint8_t *)a->next[pos / BLOCK_T] + pos % BLOCK_T * part;
    for (size_t i = 0; i < part; i += CACHE_LINE)
        __builtin_prefetch(at + i);
}

/* scores[r][t] = q_r . k_t for rows [r0, r0+nr) of the tile's nq and nv vectors of positions, from
 * vector v0 of the sequence on */
INLINE void score_vectors(const attend_tile *t, uint32_t v0, uint32_t r0, const int nr,
                          const int nq, const int nv, const bool f32)
{
    const eng_attend_args *a = t->args;
    vf acc[ATTEND_VECTORS][SCORE_ROWS];
    const void *k[ATTEND_VECTORS];
    const float *q[SCORE_ROWS];
    for (int j = 0; j < nv; j++) {
        const uint32_t v = v0 + (uint32_t)j;
        k[j] = (const uint8_t *)a->k_blocks[v / NV] + v % NV * LANES * (f32 ? 4 : 2);
        for (int r = 0; r < nr; r++)
            acc[j][r] = vf_set1(0);
    }
    for (int r = 0; r < nr; r++)
        q[r] = a->q[t->q0 + r0 + (uint32_t)r];
    const uint32_t next = (v0 + (uint32_t)nv) / NV;
    const bool fetch = nq < ATTEND_TILE && v0 + 2 * (uint32_t)nv <= t->b1 * NV;
    for (uint32_t d = 0; d < a->head_dim; d++) {
        for (int j = 0; j < nv; j++) {
            if (fetch && j % NV == 0)
                fetch_soon(a, next + (uint32_t)(j / NV), (size_t)d * BLOCK_T, f32);
            vf kv = load_kv(k[j], (size_t)d * BLOCK_T, f32);
            for (int r = 0; r < nr; r++)
                acc[j][r] = vf_fma(vf_set1(q[r][d]), kv, acc[j][r]);
        }
    }
    for (int j = 0; j < nv; j++)
        for (int r = 0; r < nr; r++)
            vf_store(a->scores + ((size_t)r0 + (size_t)r) * a->ld_scores +
                         ((size_t)v0 + (size_t)j) * LANES,
                     acc[j][r]);
}

/* How many vectors a tile of n rows takes at a time. */
INLINE int attend_vectors(const int n)
{
    return n * ATTEND_VECTORS <= ATTEND_SUMS ? ATTEND_VECTORS : ATTEND_SUMS / n;
}

/* The scores of every position of the tile's blocks for its rows [r0, r0+nr). */
INLINE void attend_scores(const attend_tile *t, uint32_t r0, const int nr, const int nq,
                          const bool f32)
{
    const int most = attend_vectors(nr);
    uint32_t v = t->b0 * NV;
    const uint32_t end = t->b1 * NV;
    for (; v + (uint32_t)most <= end; v += (uint32_t)most)
        score_vectors(t, v, r0, nr, nq, most, f32);
    for (; v + 2 <= end; v += 2)
        score_vectors(t, v, r0, nr, nq, 2, f32);
    for (; v < end; v++)
        score_vectors(t, v, r0, nr, nq, 1, f32);
}

/* Row r's scores to softmax weights in place, zero outside [first, last]. The sum runs in 16 lanes
 * by position mod 16. */
INLINE void attend_softmax(const attend_tile *t, int r)
{
    const eng_attend_args *a = t->args;
    float *s = a->scores + (size_t)r * a->ld_scores;
    const uint32_t first = a->first[t->q0 + (uint32_t)r], last = a->last[t->q0 + (uint32_t)r];
    const uint32_t from = t->b0 * BLOCK_T, to = t->b1 * BLOCK_T;
    for (uint32_t i = from; i < first; i++)
        s[i] = -INFINITY;
    for (uint32_t i = last + 1; i < to; i++)
        s[i] = -INFINITY;
    vf big = vf_load(s + from);
    for (uint32_t i = from + LANES; i < to; i += LANES)
        big = vf_max(big, vf_load(s + i));
    const vf max = vf_set1(max_of(big));
    lanes16 acc = lanes16_set1(0);
    for (uint32_t i = from; i < to; i += BLOCK_T) {
        lanes16 e;
        for (int j = 0; j < NV; j++) {
            e.v[j] = vf_exp(vf_sub(vf_load(s + i + j * LANES), max));
            vf_store(s + i + j * LANES, e.v[j]);
        }
        if (i < first || i + BLOCK_T > last + 1) { /* a block with positions that are not seen */
            for (uint32_t n = i; n < i + BLOCK_T; n++)
                s[n] = n < first || n > last ? 0 : s[n];
            for (int j = 0; j < NV; j++)
                e.v[j] = vf_load(s + i + j * LANES);
        }
        for (int j = 0; j < NV; j++)
            acc.v[j] = vf_add(acc.v[j], e.v[j]);
    }
    float sums[16];
    lanes16_store(sums, acc);
    const vf scale = vf_set1(1.0f / sum16(sums));
    for (uint32_t i = from; i < to; i += LANES)
        vf_store(s + i, vf_mul(vf_load(s + i), scale));
}

/* out[r][d0 .. d0+n*LANES) = sum over t of weight[r][t] * V[t][d0..] for the tile's rows
 * [r0, r0+nr). Positions past a row's last are skipped, not multiplied by zero: what lies there may
 * be anything. */
INLINE void attend_values(const attend_tile *t, uint32_t r0, uint32_t d0, const int n, const int nr,
                          const bool f32)
{
    const eng_attend_args *a = t->args;
    vf acc[VALUE_ROWS][ATTEND_VECTORS];
    const float *w[VALUE_ROWS];
    const uint32_t fetch = nr < VALUE_ROWS && t->q0 == 0 && d0 == 0 ? a->n_next * BLOCK_T : 0;
    uint32_t last = 0, first = UINT32_MAX;
    for (int r = 0; r < nr; r++) {
        const uint32_t row = r0 + (uint32_t)r, q = t->q0 + row;
        last = a->last[q] > last ? a->last[q] : last;
        first = a->first[q] < first ? a->first[q] : first;
        w[r] = a->scores + row * a->ld_scores;
        for (int j = 0; j < n; j++)
            acc[r][j] = vf_set1(0);
    }
    for (uint32_t pos = first; pos <= last;) {
        const void *block = a->v_blocks[pos / BLOCK_T];
        const uint32_t whole = (pos / BLOCK_T + 1) * BLOCK_T, to = whole <= last ? whole : last + 1;
        for (; pos < to; pos++) {
            const size_t at = (size_t)(pos % BLOCK_T) * a->head_dim + d0;
            vf v[ATTEND_VECTORS];
            if (pos < fetch)
                fetch_next(a, pos, f32);
            for (int j = 0; j < n; j++)
                v[j] = load_kv(block, at + (size_t)(j * LANES), f32);
            for (int r = 0; r < nr; r++)
                for (int j = 0; j < n; j++)
                    acc[r][j] = vf_fma(vf_set1(w[r][pos]), v[j], acc[r][j]);
        }
    }
    for (int r = 0; r < nr; r++)
        for (int j = 0; j < n; j++)
            vf_store(a->out[t->q0 + r0 + (uint32_t)r] + d0 + j * LANES, acc[r][j]);
}

/* All outputs of the tile's rows [r0, r0+nr) that fill vectors; returns how many elements. */
INLINE uint32_t attend_outputs(const attend_tile *t, uint32_t r0, const int nr, const bool f32)
{
    const int most = attend_vectors(nr);
    const uint32_t run = (uint32_t)most * LANES;
    uint32_t d = 0;
    for (; d + run <= t->args->head_dim; d += run)
        attend_values(t, r0, d, most, nr, f32);
    for (; d + 2 * LANES <= t->args->head_dim; d += 2 * LANES)
        attend_values(t, r0, d, 2, nr, f32);
    for (; d + LANES <= t->args->head_dim; d += LANES)
        attend_values(t, r0, d, 1, nr, f32);
    return d;
}

/* The elements of a head that do not fill a vector. */
INLINE void attend_values_tail(const attend_tile *t, uint32_t d0, int nq)
{
    const eng_attend_args *a = t->args;
    for (int r = 0; r < nq; r++)
        for (uint32_t d = d0; d < a->head_dim; d++) {
            uint32_t q = t->q0 + (uint32_t)r;
            float sum = 0;
            for (uint32_t pos = a->first[q]; pos <= a->last[q]; pos++) {
                size_t at = (size_t)(pos % BLOCK_T) * a->head_dim + d;
                const void *block = a->v_blocks[pos / BLOCK_T];
                float v = a->f32 ? ((const float *)block)[at]
                                 : eng_f16_to_f32(((const uint16_t *)block)[at]);
                sum = fmaf(a->scores[(size_t)r * a->ld_scores + pos], v, sum);
            }
            a->out[q][d] = sum;
        }
}

INLINE void attend_tile_run(const attend_tile *t, const int nq, const bool f32)
{
    attend_scores(t, 0, nq < SCORE_ROWS ? nq : SCORE_ROWS, nq, f32);
    if (nq > SCORE_ROWS)
        attend_scores(t, SCORE_ROWS, nq - SCORE_ROWS, nq, f32);
    for (int r = 0; r < nq; r++)
        attend_softmax(t, r);
    uint32_t d = attend_outputs(t, 0, nq < VALUE_ROWS ? nq : VALUE_ROWS, f32);
    if (nq > VALUE_ROWS)
        attend_outputs(t, VALUE_ROWS, nq - VALUE_ROWS, f32);
    attend_values_tail(t, d, nq);
}

#define ATTEND_CASE(n)                                                                             \
    case n:                                                                                        \
        args->f32 ? attend_tile_run(&t, n, true) : attend_tile_run(&t, n, false);                  \
        break

static void attend(const eng_attend_args *args)
{
    for (uint32_t q0 = 0; q0 < args->n_q;) {
        uint32_t nq = args->n_q - q0;
        nq = nq >= ATTEND_TILE ? ATTEND_TILE : nq < VALUE_ROWS ? nq : VALUE_ROWS;
        attend_tile t = {args, q0, args->first[q0] / BLOCK_T, 0};
        for (uint32_t q = q0; q < q0 + nq; q++) {
            uint32_t b0 = args->first[q] / BLOCK_T, b1 = args->last[q] / BLOCK_T + 1;
            t.b0 = b0 < t.b0 ? b0 : t.b0;
            t.b1 = b1 > t.b1 ? b1 : t.b1;
        }
        switch (nq) {
            ATTEND_CASE(1);
            ATTEND_CASE(2);
            ATTEND_CASE(3);
            ATTEND_CASE(4);
            ATTEND_CASE(ATTEND_TILE);
        }
        q0 += nq;
    }
}

/* What every set's table holds, beside its name. */
#define KERNEL_TABLE                                                                               \
    .gemm = {[ENG_F32] = gemm_f32,   [ENG_F16] = gemm_f16,   [ENG_BF16] = gemm_bf16,               \
             [ENG_Q4_0] = gemm_q4_0, [ENG_Q4_1] = gemm_q4_1, [ENG_Q5_0] = gemm_q5_0,               \
             [ENG_Q5_1] = gemm_q5_1, [ENG_Q8_0] = gemm_q8_0, [ENG_Q4_K] = gemm_q4_k,               \
             [ENG_Q6_K] = gemm_q6_k},                                                              \
    .quantize = quantize, .encode_q8_0 = encode_q8_0, .rms_norm = rms_norm,                        \
    .layer_norm = layer_norm, .swiglu = swiglu, .gelu_tanh = gelu_tanh, .add = add_rows,           \
    .rotate = rotate, .attend = attend, .max_sum_exp = max_sum_exp, .exp_scaled = exp_scaled,      \
    .store_f16 = store_f16
