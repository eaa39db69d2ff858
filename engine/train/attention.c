/* Attention as a sublayer: q, k, v; biases and rotation; the softmax (attend.c); the projection. */
#include "formats/config.h"
#include "train/ops.h"

#include <math.h>
#include <string.h>

typedef struct qkv_job {
    eng_tape *t;
    const eng_net *net;
    float *qkv;        /* [M][G] */
    const float *bias; /* [G] or NULL */
} qkv_job;

/* Turns `heads` heads at x by the row's position; sign -1 turns back. */
static void rotate_heads(const qkv_job *job, float *x, uint32_t heads, uint32_t row, float sign)
{
    const eng_tape *t = job->t;
    const eng__net_shared *s = job->net->shared;
    const uint32_t half = t->c.rope_dims / 2;
    const size_t at = (size_t)t->position[row] * half;
    for (uint32_t h = 0; s->rope_cos && h < heads; h++, x += t->c.head_dim)
        t->k->rotate(x, s->rope_cos + at, s->rope_sin + at, half, t->c.pos == ENG_POS_ROPE_PAIRS,
                     sign);
}

static float score_scale(const eng_config *c)
{
    return 1.0f / sqrtf((float)c->head_dim);
}

/* Bias, rotation of q and k, q's scale. */
static void finish_rows(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const qkv_job *job = arg;
    const eng_tape *t = job->t;
    const eng_config *c = &t->c;
    const size_t nq = (size_t)c->n_head * c->head_dim;
    (void)piece;
    for (uint32_t r = r0; r < r1; r++) {
        float *x = job->qkv + (size_t)r * t->g;
        if (job->bias)
            t->k->add(x, job->bias, t->g);
        rotate_heads(job, x, c->n_head + c->n_kv_head, r, 1);
        t->k->scale(x, score_scale(c), nq);
    }
}

void eng__attention_forward(eng_tape *t, const eng_net *net, uint32_t l)
{
    const eng__layer_at *at = &net->layout.layers[l];
    const eng__layer_tape *layer = &t->layers[l];
    const uint32_t c = t->c.n_embd;
    eng__linear_forward(t, layer->qkv, layer->attn_in, net->floats + at->qkv, t->g, c);
    qkv_job job = {t, net, layer->qkv, eng__param(net->floats, at->qkv_bias)};
    eng__for_rows(t->parallel, t->m, finish_rows, &job);
    eng__attend_forward(t, layer, eng__layer_window(&t->c, l));
    eng__linear_forward(t, t->out, layer->heads, net->floats + at->o, c,
                        t->c.n_head * t->c.head_dim);
}

/* The row's dk and dv: each kv head adds up its group of query heads, in order. */
static void add_groups(const eng_tape *t, float *dk, uint32_t row)
{
    const eng_config *c = &t->c;
    const uint32_t d = c->head_dim, group = c->n_head / c->n_kv_head;
    const size_t nkv = (size_t)c->n_kv_head * d, at = (size_t)row * c->n_head * d;
    const float *const parts[2] = {t->dk_heads + at, t->dv_heads + at};
    for (int p = 0; p < 2; p++)
        for (uint32_t h = 0; h < c->n_head; h++) {
            float *to = dk + (size_t)p * nkv + (size_t)(h / group) * d;
            if (h % group == 0)
                memcpy(to, parts[p] + (size_t)h * d, d * sizeof *to);
            else
                t->k->add(to, parts[p] + (size_t)h * d, d);
        }
}

static void unfinish_rows(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const qkv_job *job = arg;
    const eng_tape *t = job->t;
    const eng_config *c = &t->c;
    const size_t nq = (size_t)c->n_head * c->head_dim;
    (void)piece;
    for (uint32_t r = r0; r < r1; r++) {
        float *d = job->qkv + (size_t)r * t->g;
        t->k->scale(d, score_scale(c), nq);
        add_groups(t, d + nq, r);
        rotate_heads(job, d, c->n_head + c->n_kv_head, r, -1);
    }
}

void eng__attention_backward(eng_tape *t, const eng_net *net, uint32_t l, const float *dy,
                             float *grads)
{
    const eng__layer_at *at = &net->layout.layers[l];
    const eng__layer_tape *layer = &t->layers[l];
    const uint32_t c = t->c.n_embd;
    eng__linear_backward(t, t->dheads, grads + at->o, eng__grad(grads, at->o_bias), dy,
                         layer->heads, net->floats + at->o, c, t->c.n_head * t->c.head_dim);
    eng__attend_backward(t, layer, eng__layer_window(&t->c, l));
    qkv_job job = {.t = t, .net = net, .qkv = t->dqkv};
    eng__for_rows(t->parallel, t->m, unfinish_rows, &job);
    eng__linear_backward(t, t->dnormed, grads + at->qkv, eng__grad(grads, at->qkv_bias), t->dqkv,
                         layer->attn_in, net->floats + at->qkv, t->g, c);
}
