/* The CPU kernels: pure functions (out, in, dims), one table per instruction set, chosen at run
 * time. All sets share one source (the *_body.h files) over a thin vector layer (simd_*.h), use the
 * same packed layout and reduce in the same order, so their results are equal bit for bit; the
 * scalar set is the oracle. (The one exception: bf16 on AVX-512, see gemm_body.h.)
 *
 * Shapes: a matrix W [N][K] times activations A [M][K] gives out [M][N]. Every output is reduced
 * over k in ascending order by one accumulator, whatever M is: a row's result does not depend on
 * the rows beside it. */
#ifndef ENG_COMPUTE_KERNELS_H
#define ENG_COMPUTE_KERNELS_H

#include "base/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- packed weights ------------------------------------------------------------------------- */

enum {
    ENG_GROUP_ROWS = 16, /* output rows interleaved in a group */
    ENG_QBLOCK = 32,     /* elements that share a scale */
    ENG_KBLOCK = 256,    /* elements of a K-quant super-block */
    ENG_ATTEND_ROWS = 8  /* query rows that an attention kernel takes at a time, at most */
};

/* Groups of 16 output rows, each a contiguous stream over k:
 *   F32        per k:        16 f32
 *   F16        per k:        16 f16
 *   BF16       per k pair:   16 x 2 bf16 (odd K: a zero is appended)
 *   Q8_0       per 32 k:     16 f16 d; 8 x (16 rows x 4 k) i8
 *   Q4_0, Q4_1 per 32 k:     16 f16 d; Q4_1: 16 f16 m; 4 x (16 x 4) bytes, low nibbles k = 4g..,
 *                            high nibbles k = 16 + 4g..
 *   Q5_0, Q5_1 per 32 k:     16 f16 d; Q5_1: 16 f16 m; 8 x (16 x 4) u8, 0..31
 *   Q4_K       per 256 k:    16 f16 d; 16 f16 dmin; 8 x 16 u8 sc; 8 x 16 u8 m; 8 x Q4 nibbles
 *   Q6_K       per 256 k:    16 f16 d; 16 x 16 i8 sc; 8 x [8 x (16 x 4) u8, 0..63]
 * Rows beyond N are zero. One such step of k is a tile: */
enum {
    SCALE_BYTES = 2 * ENG_GROUP_ROWS,
    NIBBLE_BYTES = ENG_GROUP_ROWS * ENG_QBLOCK / 2,
    BYTE_BYTES = ENG_GROUP_ROWS * ENG_QBLOCK,
    TILE_Q4_0 = SCALE_BYTES + NIBBLE_BYTES,
    TILE_Q4_1 = 2 * SCALE_BYTES + NIBBLE_BYTES,
    TILE_Q5_0 = SCALE_BYTES + BYTE_BYTES,
    TILE_Q5_1 = 2 * SCALE_BYTES + BYTE_BYTES,
    TILE_Q8_0 = SCALE_BYTES + BYTE_BYTES,
    TILE_Q4_K = 2 * SCALE_BYTES + 16 * ENG_GROUP_ROWS + 8 * NIBBLE_BYTES,
    TILE_Q6_K = SCALE_BYTES + 16 * ENG_GROUP_ROWS + 8 * BYTE_BYTES,
    TILE_F32 = 4 * ENG_GROUP_ROWS,
    TILE_F16 = 2 * ENG_GROUP_ROWS,
    TILE_BF16 = 4 * ENG_GROUP_ROWS /* two k */
};

typedef struct eng_packed {
    eng_dtype type;
    uint32_t n, k;
    uint32_t n_groups; /* ceil(n / 16) */
    size_t group_bytes;
    uint8_t *data; /* 64-byte aligned; owned by the model's weight block */
} eng_packed;

/* ---- activations ---------------------------------------------------------------------------- */

/* What a product needs of its input rows, beside the floats. */
typedef enum eng_acts_form {
    ENG_ACTS_F32 = 1, /* x alone: F32, F16, BF16 weights */
    ENG_ACTS_Q8 = 2,  /* 8-bit blocks of 32: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 weights */
    ENG_ACTS_Q8K = 4, /* 8-bit blocks of 256: Q4_K, Q6_K weights */
    ENG_ACTS_BF16 = 8 /* x rounded to bf16: BF16 weights with AVX-512 */
} eng_acts_form;

/* M input rows in every form that was asked for. Quantised like llama.cpp does, so that the two
 * agree to rounding: d = max|x| / 127 kept as f16, q = round(x * 127 / max|x|). */
typedef struct eng_acts {
    uint32_t max_m, k;
    const float *x; /* [M][ld_x] */
    size_t ld_x;
    int8_t *q;      /* [M][k]    8-bit values, blocks of 32 */
    float *d;       /* [M][k/32] their scales */
    float *s;       /* [M][k/32] f16(d * sum of q) */
    int32_t *sum;   /* [M][k/32] sum of q */
    int8_t *qk;     /* [M][k]    8-bit values, blocks of 256 */
    float *dk;      /* [M][k/256] */
    int32_t *sumk;  /* [M][k/16] sums of 16 qk */
    uint16_t *bf16; /* [M][k rounded up to even] x to the nearest, ties to even */
} eng_acts;

/* ---- dense f32 products (sgemm.h) ----------------------------------------------------------- */

/* C[rows][cols] = (add ? C : 0) + A B over k, where op(A) is A[rows][k] and op(B) is B[k][cols].
 * Every element is one sum of fused products in ascending k from 0, then added to C. */
typedef struct eng_sgemm_block {
    size_t rows, cols, k;
    /* A[i][p] lies at a + i / R * a_sliver + i % R * a_row + p * a_k, R = `rows` of the set. */
    const float *a;
    size_t a_sliver, a_row, a_k;
    const float *b; /* [k][ldb], or what pack_b made (ldb = 0) */
    size_t ldb;
    float *c; /* [rows][ldc] */
    size_t ldc;
    bool add;
} eng_sgemm_block;

typedef struct eng_sgemm_kernels {
    uint32_t rows, cols; /* of a tile in registers */
    uint32_t lanes;
    /* out[ceil(rows / R)][k][R], R = `rows` above, from A stored [k][lda]. */
    void (*pack_a)(float *out, const float *a, size_t lda, size_t k, size_t rows);
    /* Panels of at most `cols` columns, [k][columns] each; k * (cols rounded up to `lanes`) floats,
     * those beyond cols zero. B is stored [k][ldb], or [cols][ldb] if transposed. */
    void (*pack_b)(float *out, const float *b, size_t ldb, bool transposed, size_t k, size_t cols);
    void (*block)(const eng_sgemm_block *block);
    /* The same in words (bgemm.h): the bf16 of two neighbours in k, the first in the lower half, in
     * place of a float; W = ceil(k / 2) of them, the last one's second element 0 if k is odd. Words
     * are only moved as floats.
     * out[rows][ld] words from A stored [rows][lda]: */
    void (*word_rows)(float *out, size_t ld, const float *a, size_t lda, size_t k, size_t rows);
    /* out[ceil(rows / R)][W][R] from A stored [k][lda]: */
    void (*word_pack_a)(float *out, const float *a, size_t lda, size_t k, size_t rows);
    /* One panel of at most `cols` columns, [W][columns rounded up to `lanes`], rounded to nearest
     * or (dither not NULL: the offset of b[0]) as weights are: */
    void (*word_pack_b)(float *out, const float *b, size_t ldb, bool transposed, size_t k,
                        size_t cols, const uint32_t *dither);
    /* Strides and k count words. A word's two products are added odd one first, on AVX-512 as
     * vdpbf16ps does it. */
    void (*word_block)(const eng_sgemm_block *block);
} eng_sgemm_kernels;

/* Weights are rounded to bf16 by a dither: up or down by how near either neighbour is, compared
 * with an offset that depends on the element's place alone. To the nearest, a weight that a bf16
 * file has put on a neighbour would stay there until its updates add up to half a step, and
 * fine-tuning's are a hundredth of one; so as many weights step as the updates would have moved
 * them by, and a sum over many is unbiased. Offsets in row r, column c of the matrix as it is
 * stored are (r * ROW + c * COL) mod 2^16, in units of 2^-16 steps: Roberts's R2 sequence, which
 * fills the unit interval evenly along rows, along columns and over both. */
enum { ENG_DITHER_ROW = 37345, ENG_DITHER_COL = 49471 }; /* 2^16 / g^2, 2^16 / g, g^3 = g + 1 */
#define DITHER_STEP(l) ((l) * (uint32_t)ENG_DITHER_COL)
/* Of 16 lanes, from the first one's on. */
#define DITHER_STEPS                                                                               \
    {                                                                                              \
        DITHER_STEP(0), DITHER_STEP(1), DITHER_STEP(2), DITHER_STEP(3), DITHER_STEP(4),            \
            DITHER_STEP(5), DITHER_STEP(6), DITHER_STEP(7), DITHER_STEP(8), DITHER_STEP(9),        \
            DITHER_STEP(10), DITHER_STEP(11), DITHER_STEP(12), DITHER_STEP(13), DITHER_STEP(14),   \
            DITHER_STEP(15)                                                                        \
    }

/* ---- the table ------------------------------------------------------------------------------ */

/* Rows [m0, m0+m) of out = A * W^T for groups [g0, g0+ng): out[r*ld + 16g + i] is written for all
 * 16 i, so ld >= 16 * n_groups. */
typedef void eng_gemm_fn(float *out, size_t ld, const eng_packed *w, uint32_t g0, uint32_t ng,
                         const eng_acts *a, uint32_t m0, uint32_t m);

/* One (sequence, kv head): n_q query rows against T positions.
 * K block: [D][16] (positions contiguous), V block: [16][D], both f16 or f32. */
typedef struct eng_attend_args {
    float *const *out;     /* n_q pointers to D floats */
    const float *const *q; /* n_q pointers to D floats, already rotated and scaled */
    const uint32_t *first; /* per query: first visible position */
    const uint32_t *last;  /* per query: last visible position (inclusive) */
    uint32_t n_q;
    uint32_t head_dim;           /* D, a multiple of 8 */
    const void *const *k_blocks; /* block b holds positions 16b..16b+15 */
    const void *const *v_blocks;
    const void *const *next; /* n_next blocks, K and V of each in a row, that are attended after
                                these: fetched meanwhile if rows are few */
    uint32_t n_next;
    bool f32;
    float *scores; /* scratch: ENG_ATTEND_ROWS * (T rounded up to 16) */
    size_t ld_scores;
} eng_attend_args;

typedef struct eng_kernels {
    const char *name;
    bool bf16_dot;         /* BF16 weights want ENG_ACTS_BF16 */
    eng_gemm_fn *gemm[32]; /* by eng_dtype; NULL where the type does not exist */

    /* Fills the asked forms of row m of acts from acts->x. */
    void (*quantize)(eng_acts *a, uint32_t m, unsigned forms);
    /* k finite floats, a multiple of 32, as stored Q8_0 blocks: the bytes of eng__encode_row. With
     * others among them the block's scale is not finite. */
    void (*encode_q8_0)(uint8_t *dst, const float *x, uint32_t k);
    /* y[C] = x / sqrt(mean(x^2) + eps) * w     (Zhang & Sennrich 2019) */
    void (*rms_norm)(float *y, const float *x, const float *w, uint32_t c, float eps);
    /* y[C] = (x - mean) / sqrt(var + eps) * w + b     (Ba et al. 2016) */
    void (*layer_norm)(float *y, const float *x, const float *w, const float *b, uint32_t c,
                       float eps);
    /* y[i] = silu(gate[i]) * up[i], silu(x) = x / (1 + exp(-x)) */
    void (*swiglu)(float *y, const float *gate, const float *up, size_t n);
    /* y[i] = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) with x = y[i] */
    void (*gelu_tanh)(float *y, size_t n);
    void (*add)(float *y, const float *x, size_t n); /* y += x */
    /* Rotary position embedding (Su et al. 2021): turns each of `half` pairs of x by the angle
     * whose cosine and sine are given; sign -1 turns back. Pairs are (2i, 2i+1) if `pairs`, else
     * (i, i + half). */
    void (*rotate)(float *x, const float *cosines, const float *sines, uint32_t half, bool pairs,
                   float sign);
    /* softmax(q K^T) V for every query row */
    void (*attend)(const eng_attend_args *args);
    /* max x, and sum exp(x - max) over n floats unless sum is NULL; *finite: none is NaN or
     * +-Inf */
    void (*max_sum_exp)(const float *x, size_t n, float *max, double *sum, bool *finite);
    /* y[i] = exp((x[i] - max) * scale) */
    void (*exp_scaled)(float *y, const float *x, size_t n, float max, float scale);
    /* dst[i*stride] = f16(src[i]) */
    void (*store_f16)(uint16_t *dst, size_t stride, const float *src, size_t n);
    eng_sgemm_kernels sgemm;
} eng_kernels;

extern const eng_kernels eng__kernels_scalar, eng__kernels_avx2, eng__kernels_avx512;

/* name NULL: the widest this CPU runs; else the named set, or NULL when the CPU (or the build)
 * lacks it. [any thread] */
const eng_kernels *eng__kernels_choose(const char *name);

/* What a product with these weights needs of its input, as eng_acts_form bits. */
unsigned eng__acts_forms_of(const eng_kernels *k, eng_dtype type);

#endif
