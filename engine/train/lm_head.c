/* The language-model head: a few hundred rows of logits at a time, from which log-probs, entropies
 * and, on the way back, dL/d(logits) are made in place.
 *
 *   l = z_target - log sum exp z,  z = logits / temperature
 *   dl/dlogit_j = ([j = target] - softmax(z)_j) / temperature */
#include "train/ops.h"

#include <assert.h>
#include <math.h>
#include <string.h>

typedef struct lm_job {
    eng_tape *t;
    const eng_net *net;
    const eng_lm_rows *rows;
    uint32_t first, n; /* predictions of this chunk */
    float *logprobs, *entropies;
    int32_t *argmax;
    eng_lm_slope *slope; /* NULL: forward alone */
    void *ctx;
    float *grads;
} lm_job;

static int32_t first_equal(const float *x, uint32_t n, float value)
{
    uint32_t i = 0;
    while (i + 1 < n && x[i] != value)
        i++;
    return (int32_t)i;
}

/* Prediction i of the chunk, from its row of logits; with a slope the row becomes its gradient. */
static void lm_row(void *arg, uint32_t i, uint32_t member)
{
    const lm_job *job = arg;
    const eng_tape *t = job->t;
    const uint32_t v = t->c.n_vocab, at = job->first + i;
    const float per_degree = 1.0f / job->rows->temperature;
    const int32_t target = job->rows->targets[at];
    float *z = t->logits + (size_t)i * v;
    double sum, dot;
    (void)member;
    const float max = t->k->max(z, v), goal = (z[target] - max) * per_degree;
    if (job->argmax)
        job->argmax[at] = first_equal(z, v, max);
    t->k->softmax(z, z, v, max, per_degree, &sum, &dot);
    const double log_sum = log(sum);
    const float logprob = (float)((double)goal - log_sum);
    job->logprobs[at] = logprob;
    if (job->entropies)
        job->entropies[at] = (float)(log_sum - dot / sum);
    if (!job->slope)
        return;
    const double slope = (double)job->slope(job->ctx, at, logprob) * (double)per_degree;
    t->k->scale(z, (float)(-slope / sum), v);
    z[target] += (float)slope;
}

static void gather(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const lm_job *job = arg;
    const eng_tape *t = job->t;
    const size_t c = t->c.n_embd;
    (void)piece;
    for (uint32_t r = r0; r < r1; r++)
        memcpy(t->head_x + r * c, t->hidden + job->rows->rows[job->first + r] * c,
               c * sizeof(float));
}

static void scatter(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const lm_job *job = arg;
    const eng_tape *t = job->t;
    const size_t c = t->c.n_embd;
    (void)piece;
    for (uint32_t r = r0; r < r1; r++)
        memcpy(t->dnormed + job->rows->rows[job->first + r] * c, t->head_dx + r * c,
               c * sizeof(float));
}

static void lm_chunk(lm_job *job)
{
    eng_tape *t = job->t;
    const eng__layout *layout = &job->net->layout;
    const size_t c = t->c.n_embd, v = t->c.n_vocab, n = job->n;
    const float *w = job->net->floats + layout->unembed;
    eng__for_rows(t->parallel, job->n, gather, job);
    eng__product_of_weights(t, ENG_TRANSPOSED, n, v, c, t->head_x, c, w, c, t->logits, v);
    t->parallel->run(t->parallel->ctx, job->n, lm_row, job);
    if (!job->slope)
        return;
    eng__product_of_weights(t, ENG_PLAIN, n, c, v, t->logits, v, w, c, t->head_dx, c);
    eng__product_to_gradients(t, v, c, n, t->logits, v, t->head_x, c, job->grads + layout->unembed,
                              c);
    eng__for_rows(t->parallel, job->n, scatter, job);
}

static void lm_run(lm_job *job)
{
    assert(job->net->layout.unembed != ENG__ABSENT);
    for (job->first = 0; job->first < job->rows->n; job->first += job->n) {
        const uint32_t left = job->rows->n - job->first;
        job->n = left < ENG__LOGIT_ROWS ? left : ENG__LOGIT_ROWS;
        lm_chunk(job);
    }
}

void eng_lm_forward(eng_tape *t, const eng_net *net, const eng_lm_rows *rows, float *logprobs,
                    float *entropies, int32_t *argmax)
{
    lm_job job = {.t = t,
                  .net = net,
                  .rows = rows,
                  .logprobs = logprobs,
                  .entropies = entropies,
                  .argmax = argmax};
    lm_run(&job);
}

void eng_lm_backward(eng_tape *t, const eng_net *net, const eng_lm_rows *rows, eng_lm_slope *slope,
                     void *ctx, float *logprobs, float *entropies, float *grads)
{
    lm_job job = {.t = t,
                  .net = net,
                  .rows = rows,
                  .logprobs = logprobs,
                  .entropies = entropies,
                  .slope = slope,
                  .ctx = ctx,
                  .grads = grads};
    assert(t->options.gradients);
    memset(t->dnormed, 0, (size_t)t->m * t->c.n_embd * sizeof *t->dnormed);
    lm_run(&job);
}
