/* The order of parameters in the flat block, read from the config. */
#include "train/net_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { PER_LAYER = 16, AROUND = 8 }; /* parameters, generously */

typedef struct walk {
    eng__layout *layout;
    const eng_config *c;
    bool fused_qkv;
} walk;

/* The next parameter; returns its offset. */
static size_t add(walk *w, uint32_t rows, uint32_t cols, const char *name)
{
    eng__layout *l = w->layout;
    const size_t at = l->n_floats;
    snprintf(l->names[l->n_params], ENG__NAME_BYTES, "%s", name);
    l->params[l->n_params] =
        (eng_param){.name = l->names[l->n_params], .offset = at, .rows = rows, .cols = cols};
    l->n_params++;
    l->n_floats += (size_t)rows * cols;
    return at;
}

static size_t add_to_layer(walk *w, uint32_t layer, uint32_t rows, uint32_t cols, const char *part)
{
    char name[ENG__NAME_BYTES];
    snprintf(name, sizeof name, "blk.%u.%s", layer, part);
    return add(w, rows, cols, name);
}

static void add_norm(walk *w, uint32_t layer, const char *weight, const char *bias, size_t *at,
                     size_t *bias_at)
{
    *at = add_to_layer(w, layer, 1, w->c->n_embd, weight);
    *bias_at =
        w->c->norm == ENG_NORM_LAYER ? add_to_layer(w, layer, 1, w->c->n_embd, bias) : ENG__ABSENT;
}

static void add_qkv(walk *w, uint32_t l, eng__layer_at *at)
{
    const eng_config *c = w->c;
    const uint32_t nq = c->n_head * c->head_dim, nkv = c->n_kv_head * c->head_dim;
    at->qkv_bias = ENG__ABSENT;
    if (w->fused_qkv) {
        at->qkv = add_to_layer(w, l, nq + 2 * nkv, c->n_embd, "attn_qkv.weight");
        if (c->qkv_bias)
            at->qkv_bias = add_to_layer(w, l, 1, nq + 2 * nkv, "attn_qkv.bias");
        return;
    }
    at->qkv = add_to_layer(w, l, nq, c->n_embd, "attn_q.weight");
    add_to_layer(w, l, nkv, c->n_embd, "attn_k.weight");
    add_to_layer(w, l, nkv, c->n_embd, "attn_v.weight");
    if (!c->qkv_bias)
        return;
    at->qkv_bias = add_to_layer(w, l, 1, nq, "attn_q.bias");
    add_to_layer(w, l, 1, nkv, "attn_k.bias");
    add_to_layer(w, l, 1, nkv, "attn_v.bias");
}

static void add_mlp(walk *w, uint32_t l, eng__layer_at *at)
{
    const eng_config *c = w->c;
    const bool gated = c->mlp == ENG_MLP_SWIGLU;
    size_t gate = gated ? add_to_layer(w, l, c->n_ff, c->n_embd, "ffn_gate.weight") : 0;
    size_t up = add_to_layer(w, l, c->n_ff, c->n_embd, "ffn_up.weight");
    at->wide = gated ? gate : up;
    at->wide_bias = c->out_bias ? add_to_layer(w, l, 1, c->n_ff, "ffn_up.bias") : ENG__ABSENT;
    at->down = add_to_layer(w, l, c->n_embd, c->n_ff, "ffn_down.weight");
    at->down_bias = c->out_bias ? add_to_layer(w, l, 1, c->n_embd, "ffn_down.bias") : ENG__ABSENT;
}

static void add_layer(walk *w, uint32_t l)
{
    const eng_config *c = w->c;
    eng__layer_at *at = &w->layout->layers[l];
    add_norm(w, l, "attn_norm.weight", "attn_norm.bias", &at->attn_norm, &at->attn_norm_bias);
    add_qkv(w, l, at);
    at->o = add_to_layer(w, l, c->n_embd, c->n_head * c->head_dim, "attn_output.weight");
    at->o_bias = c->out_bias ? add_to_layer(w, l, 1, c->n_embd, "attn_output.bias") : ENG__ABSENT;
    add_norm(w, l, "ffn_norm.weight", "ffn_norm.bias", &at->ffn_norm, &at->ffn_norm_bias);
    add_mlp(w, l, at);
}

static void add_head(walk *w, eng_head head)
{
    eng__layout *l = w->layout;
    const eng_config *c = w->c;
    l->unembed = l->score = l->score_bias = ENG__ABSENT;
    if (head == ENG_HEAD_SCORE) {
        l->score = add(w, 1, c->n_embd, "score.weight");
        l->score_bias = add(w, 1, 1, "score.bias");
    } else {
        l->unembed = c->tied ? l->embed : add(w, c->n_vocab, c->n_embd, "output.weight");
    }
}

static eng_status allocate(eng__layout *l, const eng_config *c, eng_error *err)
{
    const size_t n = (size_t)c->n_layer * PER_LAYER + AROUND;
    l->layers = calloc(c->n_layer, sizeof *l->layers);
    l->params = calloc(n, sizeof *l->params);
    l->names = calloc(n, sizeof *l->names);
    if (!l->layers || !l->params || !l->names)
        return eng_fail(err, ENG_NOMEM, "a network of %u layers: out of memory", c->n_layer);
    return ENG_OK;
}

eng_status eng__layout_build(eng__layout *out, const eng_config *config, eng_head head,
                             bool fused_qkv, eng_error *err)
{
    *out = (eng__layout){0};
    if (config->mlp == ENG_MLP_SWIGLU && config->out_bias)
        return eng_fail(err, ENG_UNSUPPORTED,
                        "config: biases beside a gated MLP, which no known family has");
    eng_status st = allocate(out, config, err);
    if (st != ENG_OK)
        return st;
    walk w = {.layout = out, .c = config, .fused_qkv = fused_qkv};
    out->embed = add(&w, config->n_vocab, config->n_embd, "token_embd.weight");
    out->positions = config->pos == ENG_POS_LEARNED
                         ? add(&w, config->n_ctx, config->n_embd, "position_embd.weight")
                         : ENG__ABSENT;
    for (uint32_t l = 0; l < config->n_layer; l++)
        add_layer(&w, l);
    out->final_norm = add(&w, 1, config->n_embd, "output_norm.weight");
    out->final_norm_bias = config->norm == ENG_NORM_LAYER
                               ? add(&w, 1, config->n_embd, "output_norm.bias")
                               : ENG__ABSENT;
    add_head(&w, head);
    return ENG_OK;
}

void eng__layout_free(eng__layout *layout)
{
    free(layout->layers);
    free(layout->params);
    free(layout->names);
    *layout = (eng__layout){0};
}
