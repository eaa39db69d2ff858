/* The order of a transformer's layers, read from the config: forward, and backward as its mirror.
 */
#include "train/ops.h"

#include <assert.h>
#include <string.h>

/* ---- the pack ---- */

static void index_rows(eng_tape *t)
{
    const eng_pack *p = t->pack;
    for (uint32_t s = 0; s < p->n_seqs; s++)
        for (uint32_t r = p->starts[s]; r < p->starts[s + 1]; r++) {
            t->position[r] = r - p->starts[s];
            t->seq[r] = s;
        }
}

static void index_blocks(eng_tape *t)
{
    const eng_pack *p = t->pack;
    t->n_blocks = 0;
    for (uint32_t s = 0; s < p->n_seqs; s++) {
        const uint32_t first = t->n_blocks, end = p->starts[s + 1];
        t->first_block[s] = first;
        for (uint32_t r = p->starts[s]; r < end; r += ENG__BLOCK_T)
            t->blocks[t->n_blocks++] = (eng__block){
                .row0 = r, .n = end - r < ENG__BLOCK_T ? end - r : ENG__BLOCK_T, .first = first};
        assert(end > p->starts[s] && end - p->starts[s] <= t->c.n_ctx);
    }
}

static void begin_pack(eng_tape *t, const eng_net *net, const eng_pack *pack,
                       const eng_dropout *dropout)
{
    const eng_config *c = &net->shared->config;
    assert(c->n_layer == t->c.n_layer && c->n_embd == t->c.n_embd && c->n_ff == t->c.n_ff &&
           c->n_vocab == t->c.n_vocab);
    t->pack = pack;
    t->dropout = dropout && dropout->rate > 0 ? dropout : NULL;
    t->m = pack->starts[pack->n_seqs];
    assert(t->m <= t->options.max_tokens && pack->n_seqs <= t->options.max_seqs);
    index_rows(t);
    index_blocks(t);
    eng__dropout_begin(t);
}

/* ---- forward ---- */

/* attn_in = norm(x) of layer l */
static eng__join enter_layer(const eng_tape *t, const eng_net *net, uint32_t l)
{
    const eng__layer_at *at = &net->layout.layers[l];
    const eng__layer_tape *layer = &t->layers[l];
    return (eng__join){.stream = layer->x,
                       .w = net->floats + at->attn_norm,
                       .b = eng__param(net->floats, at->attn_norm_bias),
                       .normed = layer->attn_in,
                       .stats = layer->attn_stats};
}

static eng__join enter_final_norm(const eng_tape *t, const eng_net *net)
{
    return (eng__join){.stream = t->last,
                       .w = net->floats + net->layout.final_norm,
                       .b = eng__param(net->floats, net->layout.final_norm_bias),
                       .normed = t->hidden,
                       .stats = t->final_stats};
}

/* From attn_in to the MLP's hidden state. */
static void layer_forward(eng_tape *t, const eng_net *net, uint32_t l)
{
    const eng__layer_at *at = &net->layout.layers[l];
    const eng__layer_tape *layer = &t->layers[l];
    eng__attention_forward(t, net, l);
    eng__join_forward(t, &(eng__join){.stream = layer->x,
                                      .out = t->out,
                                      .out_bias = eng__param(net->floats, at->o_bias),
                                      .sublayer = 2 * l,
                                      .joined = layer->mid,
                                      .w = net->floats + at->ffn_norm,
                                      .b = eng__param(net->floats, at->ffn_norm_bias),
                                      .normed = layer->mlp_in,
                                      .stats = layer->mlp_stats});
    eng__mlp_hidden(t, net, l);
}

/* The rest: the MLP's output joins the stream, which the next layer or the final norm enters. */
static void leave_layer(eng_tape *t, const eng_net *net, uint32_t l)
{
    const bool last = l + 1 == t->c.n_layer;
    eng__join join = last ? enter_final_norm(t, net) : enter_layer(t, net, l + 1);
    eng__mlp_project(t, net, l);
    join.joined = last ? t->last : t->layers[l + 1].x;
    join.stream = t->layers[l].mid;
    join.out = t->out;
    join.out_bias = eng__param(net->floats, net->layout.layers[l].down_bias);
    join.sublayer = 2 * l + 1;
    eng__join_forward(t, &join);
}

void eng_tape_forward(eng_tape *t, const eng_net *net, const eng_pack *pack,
                      const eng_dropout *dropout)
{
    begin_pack(t, net, pack, dropout);
    eng__embed_forward(t, net);
    const eng__join first = enter_layer(t, net, 0);
    eng__join_forward(t, &first);
    for (uint32_t l = 0; l < t->c.n_layer; l++) {
        layer_forward(t, net, l);
        leave_layer(t, net, l);
    }
}

/* ---- backward ---- */

/* A checkpoint kept x alone: the same operations on the same numbers give the rest again. */
static void recompute_layer(eng_tape *t, const eng_net *net, uint32_t l)
{
    const eng__join again = enter_layer(t, net, l);
    eng__join_forward(t, &again);
    layer_forward(t, net, l);
}

static void layer_backward(eng_tape *t, const eng_net *net, uint32_t l, float *grads)
{
    const eng__layer_at *at = &net->layout.layers[l];
    const eng__layer_tape *layer = &t->layers[l];
    eng__mlp_backward(t, net, l, eng__join_backward(t, 2 * l + 1), grads);
    eng__norm_backward(t, layer->mid, layer->mlp_stats, net->floats + at->ffn_norm,
                       grads + at->ffn_norm, eng__grad(grads, at->ffn_norm_bias));
    eng__attention_backward(t, net, l, eng__join_backward(t, 2 * l), grads);
    eng__norm_backward(t, layer->x, layer->attn_stats, net->floats + at->attn_norm,
                       grads + at->attn_norm, eng__grad(grads, at->attn_norm_bias));
}

void eng_tape_backward(eng_tape *t, const eng_net *net, float *grads)
{
    const eng__layout *at = &net->layout;
    assert(t->options.gradients);
    memset(t->dstream, 0, (size_t)t->m * t->c.n_embd * sizeof *t->dstream);
    eng__norm_backward(t, t->last, t->final_stats, net->floats + at->final_norm,
                       grads + at->final_norm, eng__grad(grads, at->final_norm_bias));
    for (uint32_t l = t->c.n_layer; l-- > 0;) {
        if (t->options.checkpoint)
            recompute_layer(t, net, l);
        layer_backward(t, net, l, grads);
    }
    eng__embed_backward(t, net, grads);
}
