/* softmax(q k^T) v over packed sequences, in blocks of ENG__BLOCK_T positions. What is kept of a
 * softmax is the log of its denominator: backward makes the probabilities anew, tile by tile (Dao
 * 2023, "FlashAttention-2", algorithms 1 and 2).
 *
 * Forward's pieces are (block of queries, head); backward's are (sequence, head), for the queries
 * of a sequence add into the same dk and dv, in their order. */
#include "train/ops.h"

#include <math.h>
#include <string.h>

enum { B = ENG__BLOCK_T };

typedef struct attend_job {
    eng_tape *t;
    const eng__layer_tape *layer;
    uint32_t window;
    const float *from; /* of a transposition: [M][G] at the first kv head */
    float *blocks;     /* and where to: k_blocks or v_blocks */
} attend_job;

/* One head of a sequence: pointers at its first row, strides of a row. */
typedef struct head_view {
    const float *q, *k, *v;           /* [T], stride G */
    const float *k_blocks, *v_blocks; /* [blocks][D][B] */
    const eng__block *blocks;         /* of the sequence */
    uint32_t window;
} head_view;

static head_view view_head(const attend_job *job, uint32_t first_block, uint32_t h)
{
    const eng_tape *t = job->t;
    const eng_config *c = &t->c;
    const uint32_t d = c->head_dim, kv = h / (c->n_head / c->n_kv_head);
    const size_t tiles = ((size_t)kv * t->max_blocks + first_block) * d * B;
    const float *row = job->layer->qkv + (size_t)t->blocks[first_block].row0 * t->g;
    return (head_view){.q = row + (size_t)h * d,
                       .k = row + (size_t)(c->n_head + kv) * d,
                       .v = row + (size_t)(c->n_head + c->n_kv_head + kv) * d,
                       .k_blocks = t->k_blocks + tiles,
                       .v_blocks = t->v_blocks ? t->v_blocks + tiles : NULL,
                       .blocks = t->blocks + first_block,
                       .window = job->window};
}

/* The first position that `position` sees. */
static uint32_t first_seen(const head_view *v, uint32_t position)
{
    return v->window && position + 1 > v->window ? position + 1 - v->window : 0;
}

/* ---- transposed blocks ---- */

/* [n][D] of one block and kv head to [D][B]. */
static void transpose_piece(void *arg, uint32_t i, uint32_t member)
{
    const attend_job *job = arg;
    const eng_tape *t = job->t;
    const uint32_t d = t->c.head_dim, kv = i % t->c.n_kv_head, b = i / t->c.n_kv_head;
    const eng__block *block = &t->blocks[b];
    const float *from = job->from + (size_t)block->row0 * t->g + (size_t)kv * d;
    float *to = job->blocks + ((size_t)kv * t->max_blocks + b) * d * B;
    (void)member;
    for (uint32_t r = 0; r < block->n; r++)
        for (uint32_t j = 0; j < d; j++)
            to[(size_t)j * B + r] = from[(size_t)r * t->g + j];
}

/* Columns from `column` of qkv, which are one row of kv heads. */
static void transpose_blocks(attend_job *job, size_t column, float *blocks)
{
    const eng_tape *t = job->t;
    job->from = job->layer->qkv + column;
    job->blocks = blocks;
    t->parallel->run(t->parallel->ctx, t->n_blocks * t->c.n_kv_head, transpose_piece, job);
}

static size_t k_column(const eng_config *c)
{
    return (size_t)c->n_head * c->head_dim;
}

static size_t v_column(const eng_config *c)
{
    return (size_t)(c->n_head + c->n_kv_head) * c->head_dim;
}

/* ---- forward ---- */

/* Scores to exponentials in s[0, n), zero outside [from, to); returns the log of their sum, and the
 * inverse of it in *inverse. */
static float softmax_row(const eng_train_kernels *k, float *s, uint32_t from, uint32_t to,
                         uint32_t n, float *inverse)
{
    const float max = k->max(s + from, to - from);
    const float sum = k->exp_shifted(s + from, s + from, to - from, max);
    memset(s, 0, from * sizeof *s);
    memset(s + to, 0, (n - to) * sizeof *s);
    *inverse = 1.0f / sum;
    return max + logf(sum);
}

static void attend_piece(void *arg, uint32_t i, uint32_t member)
{
    const attend_job *job = arg;
    const eng_tape *t = job->t;
    const uint32_t d = t->c.head_dim, heads = t->c.n_head;
    const uint32_t b = t->n_blocks - 1 - i / heads, h = i % heads; /* a sequence's longest first */
    const eng__block *queries = &t->blocks[b];
    const head_view v = view_head(job, queries->first, h);
    const uint32_t own = b - queries->first, p0 = own * B; /* block and position in the sequence */
    const uint32_t kb0 = first_seen(&v, p0) / B, n_keys = p0 + queries->n - kb0 * B;
    const size_t ld =
        (size_t)(own + 1 - kb0) * B + 16; /* no power of two: rows share no cache set */
    float *s = t->attend + (size_t)member * t->attend_floats;
    float *out = job->layer->heads + ((size_t)queries->row0 * heads + h) * d;
    float inverse[B];

    for (uint32_t kb = kb0; kb <= own; kb++)
        eng_sgemm_tile(t->gemm, queries->n, v.blocks[kb].n, d, v.q + (size_t)p0 * t->g, t->g, 1,
                       v.k_blocks + (size_t)kb * d * B, B, false, s + (size_t)(kb - kb0) * B, ld);
    for (uint32_t r = 0; r < queries->n; r++)
        job->layer->log_sum[(size_t)h * t->options.max_tokens + queries->row0 + r] =
            softmax_row(t->k, s + r * ld, first_seen(&v, p0 + r) - kb0 * B, p0 + r + 1 - kb0 * B,
                        n_keys, &inverse[r]);
    eng_sgemm_tile(t->gemm, queries->n, d, n_keys, s, ld, 1, v.v + (size_t)kb0 * B * t->g, t->g,
                   false, out, (size_t)heads * d);
    for (uint32_t r = 0; r < queries->n; r++)
        t->k->scale(out + (size_t)r * heads * d, inverse[r], d);
}

void eng__attend_forward(eng_tape *t, const eng__layer_tape *layer, uint32_t window)
{
    attend_job job = {.t = t, .layer = layer, .window = window};
    transpose_blocks(&job, k_column(&t->c), t->k_blocks);
    t->parallel->run(t->parallel->ctx, t->n_blocks * t->c.n_head, attend_piece, &job);
}

/* ---- backward ---- */

/* Where a head's gradients are and go: rows of the sequence, stride HD (dq: G). */
typedef struct head_gradients {
    const float *heads, *dheads, *log_sum;
    float *dq, *dk, *dv;
    float *p, *dp;  /* [B][B] scratch */
    float delta[B]; /* of the block of queries: sum over d of heads * dheads */
} head_gradients;

static head_gradients gradients_of(const attend_job *job, uint32_t row0, uint32_t h,
                                   uint32_t member)
{
    const eng_tape *t = job->t;
    const size_t at = ((size_t)row0 * t->c.n_head + h) * t->c.head_dim;
    float *scratch = t->attend + (size_t)member * t->attend_floats;
    return (head_gradients){.heads = job->layer->heads + at,
                            .dheads = t->dheads + at,
                            .log_sum =
                                job->layer->log_sum + (size_t)h * t->options.max_tokens + row0,
                            .dq = t->dqkv + (size_t)row0 * t->g + (size_t)h * t->c.head_dim,
                            .dk = t->dk_heads + at,
                            .dv = t->dv_heads + at,
                            .p = scratch,
                            .dp = scratch + B * B};
}

/* Probabilities of queries [p0, p0 + nq) over the nk keys from k0, zero where unseen. */
static void probabilities(const eng_tape *t, const head_view *v, const head_gradients *g,
                          uint32_t p0, uint32_t nq, uint32_t k0, uint32_t nk)
{
    eng_sgemm_tile(t->gemm, nq, nk, t->c.head_dim, v->q + (size_t)p0 * t->g, t->g, 1,
                   v->k_blocks + (size_t)k0 * t->c.head_dim, B, false, g->p, B);
    for (uint32_t r = 0; r < nq; r++) {
        float *p = g->p + (size_t)r * B;
        uint32_t first = first_seen(v, p0 + r), from = first > k0 ? first - k0 : 0;
        uint32_t to = p0 + r + 1 - k0 < nk ? p0 + r + 1 - k0 : nk;
        from = from < to ? from : to;
        t->k->exp_shifted(p + from, p + from, to - from, g->log_sum[p0 + r]);
        memset(p, 0, from * sizeof *p);
        memset(p + to, 0, (nk - to) * sizeof *p);
    }
}

/* One tile, queries qb and keys kb: adds to dq, dk, dv. Queries come in ascending order and the
 * first to see a block of keys are its own, so there dk and dv begin. */
static void tile_backward(const eng_tape *t, const head_view *v, const head_gradients *g,
                          uint32_t qb, uint32_t kb, bool first_keys)
{
    const uint32_t d = t->c.head_dim, nq = v->blocks[qb].n, nk = v->blocks[kb].n;
    const uint32_t p0 = qb * B, k0 = kb * B;
    const size_t hd = (size_t)t->c.n_head * d;
    const float *dheads = g->dheads + p0 * hd;
    const bool add = qb != kb;
    probabilities(t, v, g, p0, nq, k0, nk);
    eng_sgemm_tile(t->gemm, nk, d, nq, g->p, 1, B, dheads, hd, add, g->dv + k0 * hd, hd);
    eng_sgemm_tile(t->gemm, nq, nk, d, dheads, hd, 1, v->v_blocks + (size_t)k0 * d, B, false, g->dp,
                   B);
    for (uint32_t r = 0; r < nq; r++)
        t->k->softmax_backward(g->dp + (size_t)r * B, g->p + (size_t)r * B, g->dp + (size_t)r * B,
                               g->delta[r], nk);
    eng_sgemm_tile(t->gemm, nq, d, nk, g->dp, B, 1, v->k + (size_t)k0 * t->g, t->g, !first_keys,
                   g->dq + (size_t)p0 * t->g, t->g);
    eng_sgemm_tile(t->gemm, nk, d, nq, g->dp, 1, B, v->q + (size_t)p0 * t->g, t->g, add,
                   g->dk + k0 * hd, hd);
}

static void backward_piece(void *arg, uint32_t i, uint32_t member)
{
    const attend_job *job = arg;
    const eng_tape *t = job->t;
    const uint32_t d = t->c.head_dim, heads = t->c.n_head, s = i / heads, h = i % heads;
    const uint32_t rows = t->pack->starts[s + 1] - t->pack->starts[s];
    const head_view v = view_head(job, t->first_block[s], h);
    head_gradients g = gradients_of(job, t->pack->starts[s], h, member);
    for (uint32_t qb = 0; qb * B < rows; qb++) {
        for (uint32_t r = 0; r < v.blocks[qb].n; r++) {
            const size_t at = (size_t)(qb * B + r) * heads * d;
            g.delta[r] = t->k->dot(g.heads + at, g.dheads + at, d);
        }
        const uint32_t kb0 = first_seen(&v, qb * B) / B;
        for (uint32_t kb = kb0; kb <= qb; kb++)
            tile_backward(t, &v, &g, qb, kb, kb == kb0);
    }
}

void eng__attend_backward(eng_tape *t, const eng__layer_tape *layer, uint32_t window)
{
    attend_job job = {.t = t, .layer = layer, .window = window};
    transpose_blocks(&job, k_column(&t->c), t->k_blocks);
    transpose_blocks(&job, v_column(&t->c), t->v_blocks);
    t->parallel->run(t->parallel->ctx, t->pack->n_seqs * t->c.n_head, backward_piece, &job);
}
