#include "train/optimizer.h"

#include "compute/kernels/train_kernels.h"

#include <math.h>
#include <string.h>

enum { PIECE = 1 << 16 }; /* floats of a piece: sums of pieces are added in order */

static uint32_t n_pieces(size_t n)
{
    return (uint32_t)((n + PIECE - 1) / PIECE);
}

static size_t piece_floats(size_t n, size_t from)
{
    return n - from < PIECE ? n - from : PIECE;
}

/* ---- AdamW ---- */

typedef struct adamw_job {
    const eng_train_kernels *k;
    eng_adamw_numbers numbers;
    float *params, *m, *v;
    const float *grads;
    size_t n;
} adamw_job;

static void adamw_piece(void *arg, uint32_t i, uint32_t member)
{
    const adamw_job *job = arg;
    const size_t at = (size_t)i * PIECE;
    (void)member;
    job->k->adamw(job->params + at, job->grads + at, job->m + at, job->v + at,
                  piece_floats(job->n, at), &job->numbers);
}

void eng_adamw_step(const eng_parallel *parallel, const eng_adamw *options, float *params,
                    const float *grads, float *m, float *v, size_t n, double lr, uint64_t t,
                    float scale)
{
    const double correction1 = 1 - pow((double)options->beta1, (double)t);
    const double correction2 = 1 - pow((double)options->beta2, (double)t);
    adamw_job job = {.k = eng__train_kernels_choose(NULL),
                     .numbers = {.grad_scale = scale,
                                 .beta1 = options->beta1,
                                 .beta2 = options->beta2,
                                 .decay = (float)(1 - lr * (double)options->weight_decay),
                                 .step = (float)(lr / correction1),
                                 .inverse_root = (float)(1 / sqrt(correction2)),
                                 .eps = options->eps},
                     .params = params,
                     .m = m,
                     .v = v,
                     .grads = grads,
                     .n = n};
    parallel->run(parallel->ctx, n_pieces(n), adamw_piece, &job);
}

/* ---- gradients ---- */

typedef struct clear_job {
    float *x;
    size_t n;
} clear_job;

static void clear_piece(void *arg, uint32_t i, uint32_t member)
{
    const clear_job *job = arg;
    const size_t at = (size_t)i * PIECE;
    (void)member;
    memset(job->x + at, 0, piece_floats(job->n, at) * sizeof *job->x);
}

void eng_grads_clear(const eng_parallel *parallel, float *grads, size_t n)
{
    clear_job job = {grads, n};
    parallel->run(parallel->ctx, n_pieces(n), clear_piece, &job);
}

enum { WAVE = 256 }; /* pieces at a time, so that their sums need no memory of their own */

typedef struct norm_job {
    const eng_train_kernels *k;
    const float *x; /* [n] of this wave */
    size_t n;
    double sums[WAVE];
} norm_job;

static void norm_piece(void *arg, uint32_t i, uint32_t member)
{
    norm_job *job = arg;
    const size_t at = (size_t)i * PIECE;
    (void)member;
    job->sums[i] = job->k->sum_squares(job->x + at, piece_floats(job->n, at));
}

double eng_grad_norm(const eng_parallel *parallel, const float *grads, size_t n)
{
    const size_t wave = (size_t)WAVE * PIECE;
    norm_job job = {.k = eng__train_kernels_choose(NULL)};
    double sum = 0;
    for (size_t from = 0; from < n; from += wave) {
        job.x = grads + from;
        job.n = n - from < wave ? n - from : wave;
        parallel->run(parallel->ctx, n_pieces(job.n), norm_piece, &job);
        for (uint32_t i = 0; i < n_pieces(job.n); i++)
            sum += job.sums[i];
    }
    return sqrt(sum);
}

float eng_clip_scale(double norm, double max_norm)
{
    const double scale = max_norm > 0 ? max_norm / (norm + 1e-6) : 1;
    return scale < 1 ? (float)scale : 1;
}

/* ---- the average ---- */

typedef struct ema_job {
    const eng_train_kernels *k;
    float *average;
    const float *params;
    size_t n;
    float rate;
} ema_job;

static void ema_piece(void *arg, uint32_t i, uint32_t member)
{
    const ema_job *job = arg;
    const size_t at = (size_t)i * PIECE;
    (void)member;
    job->k->ema(job->average + at, job->params + at, piece_floats(job->n, at), job->rate);
}

void eng_ema_update(const eng_parallel *parallel, float *average, const float *params, size_t n,
                    double decay)
{
    ema_job job = {eng__train_kernels_choose(NULL), average, params, n, (float)(1 - decay)};
    parallel->run(parallel->ctx, n_pieces(n), ema_piece, &job);
}

/* ---- schedules ---- */

double eng_lr_cosine(double peak, double final_ratio, uint64_t step, uint64_t steps)
{
    const double done = steps ? (double)step / (double)steps : 1;
    return peak * (final_ratio + (1 - final_ratio) * (1 + cos(M_PI * done)) / 2);
}

double eng_lr_warmup(double peak, uint64_t i, uint64_t warmup)
{
    const double done = warmup && i < warmup ? (double)i / (double)warmup : 1;
    return peak * (0.1 + 0.9 * done);
}
