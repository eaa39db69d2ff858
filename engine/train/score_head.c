/* The score head: one number a row, w . hidden + b. */
#include "train/ops.h"

#include <assert.h>
#include <string.h>

typedef struct score_job {
    eng_tape *t;
    const float *w; /* [C] */
    float *dw;
    const uint32_t *rows;
    uint32_t n;
    const float *dscores; /* [n] */
} score_job;

void eng_score_forward(eng_tape *t, const eng_net *net, const uint32_t *rows, uint32_t n,
                       float *scores)
{
    const uint32_t c = t->c.n_embd;
    const float *w = net->floats + net->layout.score;
    assert(net->layout.score != ENG__ABSENT);
    for (uint32_t i = 0; i < n; i++)
        scores[i] =
            t->k->dot(w, t->hidden + (size_t)rows[i] * c, c) + net->floats[net->layout.score_bias];
}

static void score_columns(void *arg, uint32_t c0, uint32_t c1)
{
    const score_job *job = arg;
    const eng_tape *t = job->t;
    for (uint32_t i = 0; i < job->n; i++) {
        const size_t at = (size_t)job->rows[i] * t->c.n_embd + c0;
        t->k->axpy(job->dw + c0, job->dscores[i], t->hidden + at, c1 - c0);
        t->k->axpy(t->dnormed + at, job->dscores[i], job->w + c0, c1 - c0);
    }
}

void eng_score_backward(eng_tape *t, const eng_net *net, const uint32_t *rows, uint32_t n,
                        const float *dscores, float *grads)
{
    const eng__layout *at = &net->layout;
    score_job job = {t, net->floats + at->score, grads + at->score, rows, n, dscores};
    assert(t->options.gradients && at->score != ENG__ABSENT);
    memset(t->dnormed, 0, (size_t)t->m * t->c.n_embd * sizeof *t->dnormed);
    eng__for_columns(t->parallel, t->c.n_embd, score_columns, &job);
    for (uint32_t i = 0; i < n; i++)
        grads[at->score_bias] += dscores[i];
}
