/* Attention over a sequence's own KV blocks, for one instruction set. Included by kernels_<isa>.c
 * after rows_body.h.
 *
 * Query rows go in tiles of up to 4, so that a loaded K or V vector serves them all. Scores come in
 * vectors of 16 positions (K blocks lie with positions contiguous), so nothing is summed across
 * lanes: a score adds over d in ascending order, an output over positions in ascending order. */

enum { ATTEND_TILE = 4, BLOCK_T = ENG_GROUP_ROWS };

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

/* scores[r][t] = q_r . k_t for every position of the tile's blocks */
INLINE void attend_scores(const attend_tile *t, const int nq, const bool f32)
{
    const eng_attend_args *a = t->args;
    for (uint32_t b = t->b0; b < t->b1; b++) {
        for (int j = 0; j < NV; j++) {
            vf acc[ATTEND_TILE];
            for (int r = 0; r < nq; r++)
                acc[r] = vf_set1(0);
            for (uint32_t d = 0; d < a->head_dim; d++) {
                vf kv = load_kv(a->k_blocks[b], (size_t)d * BLOCK_T + (size_t)(j * LANES), f32);
                for (int r = 0; r < nq; r++)
                    acc[r] = vf_fma(vf_set1(a->q[t->q0 + (uint32_t)r][d]), kv, acc[r]);
            }
            for (int r = 0; r < nq; r++)
                vf_store(a->scores + (size_t)r * a->ld_scores + (size_t)b * BLOCK_T +
                             (size_t)(j * LANES),
                         acc[r]);
        }
    }
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
    const float max = max_of(big);
    for (uint32_t i = from; i < to; i += LANES)
        vf_store(s + i, vf_exp(vf_sub(vf_load(s + i), vf_set1(max))));
    for (uint32_t i = from; i < first; i++)
        s[i] = 0;
    for (uint32_t i = last + 1; i < to; i++)
        s[i] = 0;
    lanes16 acc = lanes16_set1(0);
    for (uint32_t i = from; i < to; i += BLOCK_T)
        for (int j = 0; j < NV; j++)
            acc.v[j] = vf_add(acc.v[j], vf_load(s + i + j * LANES));
    float sums[16];
    lanes16_store(sums, acc);
    const vf scale = vf_set1(1.0f / sum16(sums));
    for (uint32_t i = from; i < to; i += LANES)
        vf_store(s + i, vf_mul(vf_load(s + i), scale));
}

/* out[r][d0 .. d0+n*LANES) = sum over t of weight[r][t] * V[t][d0..]. Positions past a row's last
 * are skipped, not multiplied by zero: what lies there may be anything. */
INLINE void attend_values(const attend_tile *t, uint32_t d0, const int n, const int nq,
                          const bool f32)
{
    const eng_attend_args *a = t->args;
    vf acc[ATTEND_TILE][2];
    uint32_t last = 0, first = UINT32_MAX;
    for (int r = 0; r < nq; r++) {
        uint32_t l = a->last[t->q0 + (uint32_t)r], f = a->first[t->q0 + (uint32_t)r];
        last = l > last ? l : last;
        first = f < first ? f : first;
        for (int j = 0; j < n; j++)
            acc[r][j] = vf_set1(0);
    }
    for (uint32_t pos = first; pos <= last; pos++) {
        const void *block = a->v_blocks[pos / BLOCK_T];
        const size_t at = (size_t)(pos % BLOCK_T) * a->head_dim + d0;
        vf v[2];
        for (int j = 0; j < n; j++)
            v[j] = load_kv(block, at + (size_t)(j * LANES), f32);
        for (int r = 0; r < nq; r++) {
            vf w = vf_set1(a->scores[(size_t)r * a->ld_scores + pos]);
            for (int j = 0; j < n; j++)
                acc[r][j] = vf_fma(w, v[j], acc[r][j]);
        }
    }
    for (int r = 0; r < nq; r++)
        for (int j = 0; j < n; j++)
            vf_store(a->out[t->q0 + (uint32_t)r] + d0 + j * LANES, acc[r][j]);
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
    attend_scores(t, nq, f32);
    for (int r = 0; r < nq; r++)
        attend_softmax(t, r);
    uint32_t d = 0;
    for (; d + 2 * LANES <= t->args->head_dim; d += 2 * LANES)
        attend_values(t, d, 2, nq, f32);
    for (; d + LANES <= t->args->head_dim; d += LANES)
        attend_values(t, d, 1, nq, f32);
    attend_values_tail(t, d, nq);
}

static void attend(const eng_attend_args *args)
{
    for (uint32_t q0 = 0; q0 < args->n_q;) {
        uint32_t nq = args->n_q - q0 < ATTEND_TILE ? args->n_q - q0 : ATTEND_TILE;
        attend_tile t = {args, q0, args->first[q0] / BLOCK_T, 0};
        for (uint32_t q = q0; q < q0 + nq; q++) {
            uint32_t b0 = args->first[q] / BLOCK_T, b1 = args->last[q] / BLOCK_T + 1;
            t.b0 = b0 < t.b0 ? b0 : t.b0;
            t.b1 = b1 > t.b1 ? b1 : t.b1;
        }
        const bool f32 = args->f32;
        switch (nq) {
        case 1:
            f32 ? attend_tile_run(&t, 1, true) : attend_tile_run(&t, 1, false);
            break;
        case 2:
            f32 ? attend_tile_run(&t, 2, true) : attend_tile_run(&t, 2, false);
            break;
        case 3:
            f32 ? attend_tile_run(&t, 3, true) : attend_tile_run(&t, 3, false);
            break;
        default:
            f32 ? attend_tile_run(&t, 4, true) : attend_tile_run(&t, 4, false);
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
    .quantize = quantize, .rms_norm = rms_norm, .layer_norm = layer_norm, .swiglu = swiglu,        \
    .gelu_tanh = gelu_tanh, .add = add_rows, .rotate = rotate, .attend = attend,                   \
    .max_sum_exp = max_sum_exp, .exp_scaled = exp_scaled, .store_f16 = store_f16
