/* The MLP as a sublayer: silu(gate) * up, or gelu(up), between two products. */
#include "train/ops.h"

#include <string.h>

typedef struct mlp_job {
    eng_tape *t;
    const eng__layer_tape *layer;
    const float *bias; /* [F] of up, or NULL */
} mlp_job;

static bool gated(const eng_tape *t)
{
    return t->c.mlp == ENG_MLP_SWIGLU;
}

static void activate_rows(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const mlp_job *job = arg;
    const eng_tape *t = job->t;
    const uint32_t f = t->c.n_ff;
    (void)piece;
    for (uint32_t r = r0; r < r1; r++) {
        float *wide = job->layer->wide + (size_t)r * t->w;
        float *hidden = job->layer->hidden + (size_t)r * f;
        if (gated(t)) {
            t->k->swiglu(hidden, wide, wide + f, f);
            continue;
        }
        if (job->bias)
            t->k->add(wide, job->bias, f);
        memcpy(hidden, wide, f * sizeof *hidden);
        t->k->gelu_tanh(hidden, f);
    }
}

void eng__mlp_hidden(eng_tape *t, const eng_net *net, uint32_t l)
{
    const eng__layer_at *at = &net->layout.layers[l];
    const eng__layer_tape *layer = &t->layers[l];
    eng__linear_forward(t, layer->wide, layer->mlp_in, net->floats + at->wide, t->w, t->c.n_embd);
    mlp_job job = {t, layer, eng__param(net->floats, at->wide_bias)};
    eng__for_rows(t->parallel, t->m, activate_rows, &job);
}

void eng__mlp_project(eng_tape *t, const eng_net *net, uint32_t l)
{
    eng__linear_forward(t, t->out, t->layers[l].hidden, net->floats + net->layout.layers[l].down,
                        t->c.n_embd, t->c.n_ff);
}

static void deactivate_rows(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const mlp_job *job = arg;
    const eng_tape *t = job->t;
    const uint32_t f = t->c.n_ff;
    (void)piece;
    for (uint32_t r = r0; r < r1; r++) {
        float *wide = job->layer->wide + (size_t)r * t->w;
        const float *d = t->dhidden + (size_t)r * f;
        if (gated(t))
            t->k->swiglu_backward(wide, wide + f, d, wide, wide + f, f);
        else
            t->k->gelu_backward(wide, d, wide, f);
    }
}

void eng__mlp_backward(eng_tape *t, const eng_net *net, uint32_t l, const float *dy, float *grads)
{
    const eng__layer_at *at = &net->layout.layers[l];
    const eng__layer_tape *layer = &t->layers[l];
    const uint32_t c = t->c.n_embd;
    eng__linear_backward(t, t->dhidden, grads + at->down, eng__grad(grads, at->down_bias), dy,
                         layer->hidden, net->floats + at->down, c, t->c.n_ff);
    mlp_job job = {.t = t, .layer = layer};
    eng__for_rows(t->parallel, t->m, deactivate_rows, &job);
    eng__linear_backward(t, t->dnormed, grads + at->wide, eng__grad(grads, at->wide_bias),
                         layer->wide, layer->mlp_in, net->floats + at->wide, t->w, c);
}
