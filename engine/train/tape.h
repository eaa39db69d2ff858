/* Inside a tape: buffers of one forward and its backward. Private to train/.
 *
 * Letters: M tokens of the pack, C width, H query heads, K key-value heads, D head width,
 * G = (H+2K)D, F feed-forward, W = 2F with a gate else F, V vocabulary, S sequences. A buffer's
 * capacity is options.max_tokens where its shape says M.
 *
 * Threads: the tape's one owner; its pieces of work write disjoint rows or columns, on whatever
 * threads `parallel` has. */
#ifndef ENG_TRAIN_TAPE_H
#define ENG_TRAIN_TAPE_H

#include "compute/kernels/train_kernels.h"
#include "compute/bgemm.h"
#include "compute/sgemm.h"
#include "train/net_parts.h"
#include "train/train.h"

enum {
    ENG__PIECE_ROWS = 32,    /* rows of a piece of row-wise work, and of a partial column sum */
    ENG__PIECE_COLUMNS = 64, /* columns of a piece of column-wise work */
    ENG__BLOCK_T = 64,       /* positions of a block of attention */
    ENG__LOGIT_ROWS = 256    /* rows whose logits are in memory at once */
};

/* What one layer leaves for its backward. */
typedef struct eng__layer_tape {
    float *x;                  /* [M][C] residual stream, the layer's input */
    eng_row_stats *attn_stats; /* [M] */
    float *attn_in;            /* [M][C] norm of x */
    float *qkv;                /* [M][G] rotated, q scaled by 1/sqrt(D) */
    float *log_sum;            /* [H][M] log of each softmax's denominator */
    float *heads;              /* [M][HD] attention's output before its projection */
    float *mid;                /* [M][C] residual stream after attention */
    eng_row_stats *mlp_stats;  /* [M] */
    float *mlp_in;             /* [M][C] norm of mid */
    float *wide;               /* [M][W] gate and up, or up, with bias; dL/d(it) after backward */
    float *hidden;             /* [M][F] what the activation makes of it */
} eng__layer_tape;

/* ENG__BLOCK_T positions of one sequence, or what is left at its end. */
typedef struct eng__block {
    uint32_t row0, n; /* rows of the pack */
    uint32_t first;   /* the first block of its sequence */
} eng__block;

struct eng_tape {
    eng_config c;
    eng_tape_options options;
    const eng_parallel *parallel;
    const eng_train_kernels *k;
    eng_sgemm *gemm;
    eng_bgemm *rounded; /* with ENG_COMPUTE_BF16, else NULL */
    uint32_t g, w;      /* G, W */
    uint32_t max_blocks;

    /* ---- the pack of the last forward ---- */
    const eng_pack *pack;
    const eng_dropout *dropout; /* NULL: none */
    uint32_t m, n_blocks;
    uint32_t *position, *seq; /* [M] of each row */
    uint32_t (*drop_keys)[2]; /* [S] Philox key of each sequence */
    uint32_t *first_block;    /* [S] */
    eng__block *blocks;       /* [max_blocks] */

    /* ---- saved by forward ---- */
    /* Buffers of their own for each layer; without gradients or with checkpoints all layers have
     * the same ones, but for x, which checkpoints keep apart. */
    eng__layer_tape *layers;    /* [L] */
    float *last;                /* [M][C] residual stream after the last layer */
    eng_row_stats *final_stats; /* [M] */
    float *hidden;              /* [M][C] the final norm's output */

    /* ---- scratch ---- */
    float *out;      /* [M][C] a sublayer's output before it joins the stream */
    float *k_blocks; /* [K][max_blocks][D][BLOCK_T] keys of each block, transposed */
    float *v_blocks; /* likewise values, for backward */
    float *attend;   /* [members][attend_floats] tiles of scores */
    size_t attend_floats;

    /* ---- backward ---- */
    float *dstream;             /* [M][C] dL/d(residual stream) */
    float *dout;                /* [M][C] dL/d(a sublayer's output), where dropout parts it */
    float *dnormed;             /* [M][C] dL/d(a norm's output); a head leaves dL/d(hidden) here */
    float *dhidden;             /* [M][F] */
    float *dheads;              /* [M][HD] */
    float *dqkv;                /* [M][G] */
    float *dk_heads, *dv_heads; /* [M][HD] of each query head, before a group adds up */
    float *partials;            /* [pieces of rows][ld_partials] column sums of each piece */
    size_t ld_partials;

    /* ---- heads ---- */
    float *logits;           /* [LOGIT_ROWS][V] */
    float *head_x, *head_dx; /* [LOGIT_ROWS][C] */

    void *block; /* all of the above */
    size_t block_bytes;
};

#endif
