/* Tokens and positions to the residual stream's first state. */
#include "train/ops.h"

#include <string.h>

typedef struct embed_job {
    eng_tape *t;
    const eng_net *net;
    float *grads;
} embed_job;

static void embed_rows(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const embed_job *job = arg;
    const eng_tape *t = job->t;
    const uint32_t c = t->c.n_embd;
    const float *table = job->net->floats + job->net->layout.embed;
    const float *positions = eng__param(job->net->floats, job->net->layout.positions);
    (void)piece;
    for (uint32_t r = r0; r < r1; r++) {
        float *x = t->layers[0].x + (size_t)r * c;
        memcpy(x, table + (size_t)t->pack->tokens[r] * c, c * sizeof *x);
        if (positions)
            t->k->add(x, positions + (size_t)t->position[r] * c, c);
    }
}

void eng__embed_forward(eng_tape *t, const eng_net *net)
{
    embed_job job = {.t = t, .net = net};
    eng__for_rows(t->parallel, t->m, embed_rows, &job);
}

/* A token may stand in many rows: a piece takes some columns of all rows, in row order. */
static void embed_columns(void *arg, uint32_t c0, uint32_t c1)
{
    const embed_job *job = arg;
    const eng_tape *t = job->t;
    const uint32_t c = t->c.n_embd;
    float *table = job->grads + job->net->layout.embed;
    float *positions = eng__grad(job->grads, job->net->layout.positions);
    for (uint32_t r = 0; r < t->m; r++) {
        const float *d = t->dstream + (size_t)r * c + c0;
        t->k->add(table + (size_t)t->pack->tokens[r] * c + c0, d, c1 - c0);
        if (positions)
            t->k->add(positions + (size_t)t->position[r] * c + c0, d, c1 - c0);
    }
}

void eng__embed_backward(eng_tape *t, const eng_net *net, float *grads)
{
    embed_job job = {t, net, grads};
    eng__for_columns(t->parallel, t->c.n_embd, embed_columns, &job);
}
