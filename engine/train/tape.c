/* Birth of a tape: one block of memory for every buffer, laid out by one walk that also measures.
 */
#include "train/tape.h"

#include "base/block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

/* Hands out the block's bytes; base NULL only counts them. */
typedef struct cursor {
    char *base;
    size_t used; /* SIZE_MAX once a size has overflowed */
} cursor;

static void *take(cursor *c, size_t count, size_t each, size_t size)
{
    size_t n, bytes, end;
    if (__builtin_mul_overflow(count, each, &n) || __builtin_mul_overflow(n, size, &bytes) ||
        __builtin_add_overflow(c->used, bytes, &end) || end > SIZE_MAX - 2 * ALIGN) {
        c->used = SIZE_MAX;
        return NULL;
    }
    void *p = c->base ? c->base + c->used : NULL;
    c->used = (end + ALIGN - 1) / ALIGN * ALIGN;
    return p;
}

static float *take_floats(cursor *c, size_t rows, size_t cols)
{
    return take(c, rows, cols, sizeof(float));
}

static eng_row_stats *take_stats(cursor *c, size_t rows)
{
    return take(c, rows, 1, sizeof(eng_row_stats));
}

/* ---- the walk ---- */

static void take_layer(eng_tape *t, cursor *at, eng__layer_tape *layer)
{
    const eng_config *c = &t->c;
    const size_t m = t->options.max_tokens, wide = (size_t)c->n_head * c->head_dim;
    layer->attn_stats = take_stats(at, m);
    layer->attn_in = take_floats(at, m, c->n_embd);
    layer->qkv = take_floats(at, m, t->g);
    layer->log_sum = take_floats(at, m, c->n_head);
    layer->heads = take_floats(at, m, wide);
    layer->mid = take_floats(at, m, c->n_embd);
    layer->mlp_stats = take_stats(at, m);
    layer->mlp_in = take_floats(at, m, c->n_embd);
    layer->wide = take_floats(at, m, t->w);
    layer->hidden = take_floats(at, m, c->n_ff);
}

/* x of layer l, or `last` for l = L: a buffer each where backward needs them, else the stream flows
 * to and fro between two. */
static float *take_stream(eng_tape *t, cursor *at, uint32_t l, float *pair[2])
{
    if (t->options.gradients || l < 2)
        pair[l % 2] = take_floats(at, t->options.max_tokens, t->c.n_embd);
    return pair[l % 2];
}

static void take_layers(eng_tape *t, cursor *at)
{
    const bool apart = t->options.gradients && !t->options.checkpoint;
    eng__layer_tape layer = {0};
    float *pair[2] = {NULL, NULL};
    for (uint32_t l = 0; l < t->c.n_layer; l++) {
        if (apart || l == 0)
            take_layer(t, at, &layer);
        layer.x = take_stream(t, at, l, pair);
        if (t->layers) /* none when the walk only measures */
            t->layers[l] = layer;
    }
    t->last = take_stream(t, at, t->c.n_layer, pair);
    t->final_stats = take_stats(at, t->options.max_tokens);
    t->hidden = take_floats(at, t->options.max_tokens, t->c.n_embd);
}

static void take_pack(eng_tape *t, cursor *at)
{
    const size_t m = t->options.max_tokens, s = t->options.max_seqs;
    t->position = take(at, m, 1, sizeof *t->position);
    t->seq = take(at, m, 1, sizeof *t->seq);
    t->drop_keys = take(at, s, 1, sizeof *t->drop_keys);
    t->first_block = take(at, s, 1, sizeof *t->first_block);
    t->blocks = take(at, t->max_blocks, 1, sizeof *t->blocks);
}

static void take_scratch(eng_tape *t, cursor *at)
{
    const eng_config *c = &t->c;
    const size_t m = t->options.max_tokens;
    const size_t tiles = (size_t)c->n_kv_head * t->max_blocks;
    t->out = take_floats(at, m, c->n_embd);
    t->k_blocks = take_floats(at, tiles, (size_t)c->head_dim * ENG__BLOCK_T);
    t->attend = take_floats(at, t->parallel->width, t->attend_floats);
    t->logits = take_floats(at, ENG__LOGIT_ROWS, c->n_vocab);
    t->head_x = take_floats(at, ENG__LOGIT_ROWS, c->n_embd);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void take_backward(eng_tape *t, cursor *at)
{
    const eng_config *c = &t->c;
    const size_t m = t->options.max_tokens, wide = (size_t)c->n_head * c->head_dim;
    const size_t tiles = (size_t)c->n_kv_head * t->max_blocks;
    const size_t pieces = (m + ENG__PIECE_ROWS - 1) / ENG__PIECE_ROWS;
    t->ld_partials = larger(larger(2 * (size_t)c->n_embd, t->g), t->w);
    t->dstream = take_floats(at, m, c->n_embd);
    t->dout = take_floats(at, m, c->n_embd);
    t->dnormed = take_floats(at, m, c->n_embd);
    t->dhidden = take_floats(at, m, c->n_ff);
    t->dheads = take_floats(at, m, wide);
    t->dqkv = take_floats(at, m, t->g);
    t->dk_heads = take_floats(at, m, wide);
    t->dv_heads = take_floats(at, m, wide);
    t->v_blocks = take_floats(at, tiles, (size_t)c->head_dim * ENG__BLOCK_T);
    t->partials = take_floats(at, pieces, t->ld_partials);
    t->head_dx = take_floats(at, ENG__LOGIT_ROWS, c->n_embd);
}

/* Lays every buffer out from base (NULL: nowhere) and returns the bytes they take. */
static size_t lay_out(eng_tape *t, void *base)
{
    cursor at = {.base = base};
    take_pack(t, &at);
    take_layers(t, &at);
    take_scratch(t, &at);
    if (t->options.gradients)
        take_backward(t, &at);
    return at.used;
}

static void set_shape(eng_tape *t, const eng_config *shape, const eng_tape_options *options)
{
    const eng_config *c = shape;
    t->c = *shape;
    t->options = *options;
    t->parallel = options->parallel;
    t->g = (c->n_head + 2 * c->n_kv_head) * c->head_dim;
    t->w = c->mlp == ENG_MLP_SWIGLU ? 2 * c->n_ff : c->n_ff;
    t->max_blocks = options->max_tokens / ENG__BLOCK_T + options->max_seqs;
    t->attend_floats = ENG__BLOCK_T * ((size_t)options->max_tokens + 3 * (size_t)ENG__BLOCK_T);
}

size_t eng_tape_bytes(const eng_config *shape, const eng_tape_options *options)
{
    eng_tape t = {0};
    set_shape(&t, shape, options);
    return lay_out(&t, NULL);
}

/* ---- birth and death ---- */

static eng_status allocate(eng_tape *t, eng_error *err)
{
    t->layers = calloc(t->c.n_layer, sizeof *t->layers);
    if (!t->layers)
        return eng_fail(err, ENG_NOMEM, "tape: out of memory");
    t->block_bytes = lay_out(t, NULL);
    t->block = t->block_bytes == SIZE_MAX ? NULL : eng_block_alloc(t->block_bytes);
    if (!t->block)
        return eng_fail(err, ENG_NOMEM,
                        "a tape of %u tokens needs %zu bytes, which the system refused",
                        t->options.max_tokens, t->block_bytes);
    lay_out(t, t->block);
    return ENG_OK;
}

static eng_status fill(eng_tape *t, eng_error *err)
{
    const eng_tape_options *o = &t->options;
    if (o->max_tokens == 0 || o->max_seqs == 0)
        return eng_fail(err, ENG_INVALID, "a tape of %u tokens and %u sequences, expected both > 0",
                        o->max_tokens, o->max_seqs);
    t->k = eng__train_kernels_choose(o->kernels);
    if (!t->k)
        return eng_fail(err, ENG_UNSUPPORTED, "this CPU does not run the kernel set \"%s\"",
                        o->kernels);
    eng_status st = eng_sgemm_create(&t->gemm, t->parallel, o->kernels, err);
    if (st == ENG_OK && o->compute == ENG_COMPUTE_BF16)
        st = eng_bgemm_create(&t->rounded, t->parallel, o->kernels, err);
    return st == ENG_OK ? allocate(t, err) : st;
}

eng_status eng_tape_create(eng_tape **out, const eng_config *shape, const eng_tape_options *options,
                           eng_error *err)
{
    *out = NULL;
    eng_tape *t = calloc(1, sizeof *t);
    if (!t)
        return eng_fail(err, ENG_NOMEM, "tape: out of memory");
    set_shape(t, shape, options);
    eng_status st = fill(t, err);
    if (st != ENG_OK) {
        eng_tape_free(t);
        return st;
    }
    *out = t;
    return ENG_OK;
}

void eng_tape_free(eng_tape *t)
{
    if (!t)
        return;
    eng_block_free(t->block, t->block_bytes);
    eng_sgemm_free(t->gemm);
    eng_bgemm_free(t->rounded);
    free(t->layers);
    free(t);
}

const float *eng_tape_hidden(const eng_tape *t)
{
    return t->hidden;
}
