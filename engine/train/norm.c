/* The residual stream: a sublayer's output joins it, and the next sublayer sees its norm. */
#include "train/ops.h"

#include <string.h>

/* ---- forward ---- */

typedef struct join_job {
    eng_tape *t;
    const eng__join *join;
} join_job;

/* The row that is normed: stream + dropout(out + bias), or the stream as it stands. */
static const float *join_row(eng_tape *t, const eng__join *j, uint32_t r)
{
    const uint32_t c = t->c.n_embd;
    const float *stream = j->stream + (size_t)r * c;
    if (!j->out)
        return stream;
    float *joined = j->joined + (size_t)r * c;
    const float *out = j->out + (size_t)r * c;
    memcpy(joined, out, c * sizeof *joined);
    if (j->out_bias)
        t->k->add(joined, j->out_bias, c);
    if (t->dropout)
        eng__dropout_row(t, joined, joined, r, j->sublayer);
    t->k->add(joined, stream, c);
    return joined;
}

static void join_rows(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const join_job *job = arg;
    const eng__join *j = job->join;
    eng_tape *t = job->t;
    const uint32_t c = t->c.n_embd;
    (void)piece;
    for (uint32_t r = r0; r < r1; r++)
        j->stats[r] =
            t->k->norm(j->normed + (size_t)r * c, join_row(t, j, r), j->w, j->b, c, t->c.norm_eps);
}

void eng__join_forward(eng_tape *t, const eng__join *join)
{
    join_job job = {t, join};
    eng__for_rows(t->parallel, t->m, join_rows, &job);
}

/* ---- backward ---- */

typedef struct norm_job {
    eng_tape *t;
    const float *x, *w;
    const eng_row_stats *stats;
    bool biased;
} norm_job;

static void norm_rows(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const norm_job *job = arg;
    eng_tape *t = job->t;
    const uint32_t c = t->c.n_embd;
    float *dw = t->partials + piece * t->ld_partials, *db = job->biased ? dw + c : NULL;
    memset(dw, 0, (job->biased ? 2 : 1) * (size_t)c * sizeof *dw);
    for (uint32_t r = r0; r < r1; r++) {
        const size_t at = (size_t)r * c;
        t->k->norm_backward(t->dstream + at, dw, db, t->dnormed + at, job->x + at, job->w, c,
                            job->stats[r]);
    }
}

void eng__norm_backward(eng_tape *t, const float *x, const eng_row_stats *stats, const float *w,
                        float *dw, float *db)
{
    norm_job job = {.t = t, .x = x, .w = w, .stats = stats, .biased = db != NULL};
    eng__for_rows(t->parallel, t->m, norm_rows, &job);
    eng__add_partials(t, dw, 0, t->c.n_embd);
    eng__add_partials(t, db, t->c.n_embd, t->c.n_embd);
}

typedef struct mask_job {
    eng_tape *t;
    uint32_t sublayer;
} mask_job;

static void mask_rows(void *arg, uint32_t r0, uint32_t r1, uint32_t piece)
{
    const mask_job *job = arg;
    eng_tape *t = job->t;
    (void)piece;
    for (uint32_t r = r0; r < r1; r++) {
        const size_t at = (size_t)r * t->c.n_embd;
        eng__dropout_row(t, t->dout + at, t->dstream + at, r, job->sublayer);
    }
}

const float *eng__join_backward(eng_tape *t, uint32_t sublayer)
{
    mask_job job = {t, sublayer};
    if (!t->dropout)
        return t->dstream;
    eng__for_rows(t->parallel, t->m, mask_rows, &job);
    return t->dout;
}
