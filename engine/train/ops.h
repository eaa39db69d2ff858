/* The operations that body.c puts in order, each forward beside its backward. Private to train/.
 *
 * Shapes in tape.h's letters. Each op returns when all of it is done; work is cut in pieces that
 * depend on the pack alone, and every sum has a fixed order, so no result depends on the number of
 * threads. Gradients of parameters are added to `grads`, a block in the net's layout. */
#ifndef ENG_TRAIN_OPS_H
#define ENG_TRAIN_OPS_H

#include "train/tape.h"

/* ---- pieces.c ---- */

/* Rows [r0, r1) of the work; piece = r0 / ENG__PIECE_ROWS. */
typedef void eng__rows_fn(void *arg, uint32_t r0, uint32_t r1, uint32_t piece);
void eng__for_rows(const eng_parallel *parallel, uint32_t m, eng__rows_fn *fn, void *arg);
/* Columns [c0, c1) of n. */
typedef void eng__columns_fn(void *arg, uint32_t c0, uint32_t c1);
void eng__for_columns(const eng_parallel *parallel, uint32_t n, eng__columns_fn *fn, void *arg);
/* to[n] += the first n columns of partials[piece][from..], pieces in order; to NULL: nothing. */
void eng__add_partials(eng_tape *t, float *to, size_t from, uint32_t n);

/* ---- embed.c ---- */

/* layers[0].x = token_embd[token] (+ position_embd[position]) */
void eng__embed_forward(eng_tape *t, const eng_net *net);
void eng__embed_backward(eng_tape *t, const eng_net *net, float *grads);

/* ---- norm.c ---- */

/* joined = stream + dropout(out + bias); normed = norm(joined). */
typedef struct eng__join {
    const float *stream;   /* [M][C] */
    const float *out;      /* [M][C], or NULL: joined is the stream as it stands */
    const float *out_bias; /* [C] or NULL */
    uint32_t sublayer;     /* 2l attention, 2l+1 MLP: dropout's counter */
    float *joined;         /* [M][C]; unused when out is NULL */
    const float *w, *b;    /* [C]; b NULL: RMS */
    float *normed;         /* [M][C] */
    eng_row_stats *stats;  /* [M] */
} eng__join;
void eng__join_forward(eng_tape *t, const eng__join *join);
/* dstream += dL/dx of normed = norm(x), given dnormed; dw, db are the norm's gradients. */
void eng__norm_backward(eng_tape *t, const float *x, const eng_row_stats *stats, const float *w,
                        float *dw, float *db);
/* dL/d(sublayer's output, bias included) [M][C]: dstream, or dout where dropout masks it. */
const float *eng__join_backward(eng_tape *t, uint32_t sublayer);

/* ---- linear.c ---- */

/* eng_sgemm_run, or what the tape's `compute` has in its place: C = A op(W), C += A^T X. */
void eng__product_of_weights(eng_tape *t, eng_transpose tw, size_t m, size_t n, size_t k,
                             const float *a, size_t lda, const float *w, size_t ldw, float *c,
                             size_t ldc);
void eng__product_to_gradients(eng_tape *t, size_t m, size_t n, size_t k, const float *a,
                               size_t lda, const float *x, size_t ldx, float *c, size_t ldc);

/* y[M][n] = x[M][k] w^T, w [n][k] */
void eng__linear_forward(eng_tape *t, float *y, const float *x, const float *w, uint32_t n,
                         uint32_t k);
/* dx[M][k] = dy[M][n] w; dw[n][k] += dy^T x; db[n] += column sums of dy (NULL: no bias) */
void eng__linear_backward(eng_tape *t, float *dx, float *dw, float *db, const float *dy,
                          const float *x, const float *w, uint32_t n, uint32_t k);

/* ---- attention.c: norm's output to projected heads ---- */

/* out = attention(attn_in) of layer l, without the projection's bias */
void eng__attention_forward(eng_tape *t, const eng_net *net, uint32_t l);
/* dnormed = dL/d(attn_in), given dy = dL/d(out) */
void eng__attention_backward(eng_tape *t, const eng_net *net, uint32_t l, const float *dy,
                             float *grads);

/* ---- attend.c: softmax(q k^T) v of each sequence ---- */

/* layer->heads and log_sum from layer->qkv; window 0: all earlier positions */
void eng__attend_forward(eng_tape *t, const eng__layer_tape *layer, uint32_t window);
/* q's part of dqkv, dk_heads and dv_heads from dheads; k_blocks and v_blocks are filled here */
void eng__attend_backward(eng_tape *t, const eng__layer_tape *layer, uint32_t window);

/* ---- mlp.c ---- */

/* layer->wide and hidden from mlp_in */
void eng__mlp_hidden(eng_tape *t, const eng_net *net, uint32_t l);
/* out = hidden w_down^T, without its bias */
void eng__mlp_project(eng_tape *t, const eng_net *net, uint32_t l);
/* dnormed = dL/d(mlp_in), given dy = dL/d(out); the layer's `wide` becomes its own gradient */
void eng__mlp_backward(eng_tape *t, const eng_net *net, uint32_t l, const float *dy, float *grads);

/* ---- dropout.c ---- */

/* Keys of this pack's sequences. */
void eng__dropout_begin(eng_tape *t);
/* y[C] = mask * x / (1 - rate) for one row of the pack; y may be x. Only where tape->dropout. */
void eng__dropout_row(const eng_tape *t, float *y, const float *x, uint32_t row, uint32_t sublayer);

#endif
