/* The device seam: the operations a forward pass is made of, over resident tensors.
 *
 * Every op is called by all members of the team with the same arguments and returns when the whole
 * op is done and visible to all; how it is split is the backend's affair. Results never depend on
 * the split. backend_cpu.c runs them with the kernels of kernels.h.
 *
 * Shapes: M rows of a step; C model width; D head width; V vocabulary. */
#ifndef ENG_COMPUTE_BACKEND_H
#define ENG_COMPUTE_BACKEND_H

#include "compute/kernels/kernels.h"
#include "compute/team.h"

typedef struct eng_backend {
    const eng_kernels *kernels;
    eng_team *team;
    float **attend_scratch;     /* [members] ENG_ATTEND_ROWS * T floats each */
    const void **block_scratch; /* [members * 3 * max_blocks] */
    uint32_t max_blocks;
} eng_backend;

/* A matrix and its bias: y = W x + b. */
typedef struct eng_linear {
    eng_packed w;
    float *bias; /* [16 * n_groups] or NULL */
} eng_linear;

typedef struct eng_norm {
    float *weight; /* [C] */
    float *bias;   /* [C], layer norm only */
    bool layer;    /* layer norm, else RMS */
    float eps;
} eng_norm;

/* out[m] = table[ids[m]] (+ positions[pos[m]]), [M][C] */
void eng__op_embed(const eng_backend *be, float *out, const eng_packed *table,
                   const float *positions, const int32_t *ids, const uint32_t *pos, uint32_t m,
                   uint32_t c);

/* acts->x = norm(x[rows[m]]) (rows NULL: x[m]), and the asked quantised forms of it. acts->x must
 * be a buffer of at least [M][C]. */
void eng__op_norm(const eng_backend *be, const eng_norm *norm, const float *x, const uint32_t *rows,
                  eng_acts *acts, unsigned forms, uint32_t m, uint32_t c);

/* The asked forms of acts->x as it stands. */
void eng__op_quantize(const eng_backend *be, eng_acts *acts, unsigned forms, uint32_t m);

typedef struct eng_linear_job {
    const eng_linear *linear;
    float *out; /* [M][ld] */
    size_t ld;
    float *residual; /* [M][ld_residual] or NULL: residual += out, out is scratch then */
    size_t ld_residual;
} eng_linear_job;

/* Up to 3 products with the same input. `member` is the caller's number: of its share of the
 * pieces. */
void eng__op_linear(const eng_backend *be, const eng_linear_job *jobs, uint32_t n_jobs,
                    const eng_acts *acts, uint32_t m, uint32_t member);

/* acts->x = silu(gate) * up, or gelu(up) when gate is NULL, with its quantised forms. */
void eng__op_mlp(const eng_backend *be, const float *gate, const float *up, size_t ld,
                 eng_acts *acts, unsigned forms, uint32_t m, uint32_t ff);

/* Rows of one sequence in a step: positions pos0 .. pos0+n-1. */
typedef struct eng_span {
    uint32_t row0, n, pos0;
    const uint32_t *blocks; /* the sequence's block table */
} eng_span;

/* One layer's part of the KV pool. A block of 16 positions holds, for each layer and kv head, K as
 * [D][16] and V as [16][D]. */
typedef struct eng_kv_view {
    uint8_t *pool;
    size_t block_bytes, head_bytes; /* head_bytes: K and V of one head in one block */
    size_t layer_offset;            /* of this layer within a block */
    uint32_t head_dim, n_head, n_kv_head;
    bool f32;
} eng_kv_view;

typedef struct eng_rope {
    const float *cos, *sin; /* [T][dims/2]; NULL = no rotation */
    uint32_t dims;
    bool pairs; /* (2i, 2i+1), else (i, i + dims/2) */
} eng_rope;

/* Rotates q [M][ld_q] (and scales it by 1/sqrt(D)) and k in place, and stores k and v. */
void eng__op_store_kv(const eng_backend *be, const eng_kv_view *kv, const eng_rope *rope,
                      const eng_span *spans, const uint32_t *row_span, float *q, size_t ld_q,
                      float *k, float *v, size_t ld_kv, uint32_t m);

/* out[M][ld] = attention of q over each row's own sequence; window 0 = all earlier positions.
 * `member` is the caller's number, for its scratch. */
void eng__op_attend(const eng_backend *be, const eng_kv_view *kv, const eng_span *spans,
                    uint32_t n_spans, const float *q, size_t ld_q, float *out, size_t ld_out,
                    uint32_t window, uint32_t member);

#endif
