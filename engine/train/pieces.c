/* Work cut in pieces of fixed size, so that sums over pieces never depend on the threads. */
#include "train/ops.h"

typedef struct rows_job {
    eng__rows_fn *fn;
    void *arg;
    uint32_t m;
} rows_job;

static void run_rows(void *arg, uint32_t i, uint32_t member)
{
    const rows_job *job = arg;
    const uint32_t r0 = i * ENG__PIECE_ROWS;
    (void)member;
    job->fn(job->arg, r0, job->m - r0 < ENG__PIECE_ROWS ? job->m : r0 + ENG__PIECE_ROWS, i);
}

static uint32_t n_pieces(uint32_t n, uint32_t each)
{
    return n / each + (n % each != 0);
}

void eng__for_rows(const eng_parallel *parallel, uint32_t m, eng__rows_fn *fn, void *arg)
{
    rows_job job = {fn, arg, m};
    parallel->run(parallel->ctx, n_pieces(m, ENG__PIECE_ROWS), run_rows, &job);
}

typedef struct columns_job {
    eng__columns_fn *fn;
    void *arg;
    uint32_t n;
} columns_job;

static void run_columns(void *arg, uint32_t i, uint32_t member)
{
    const columns_job *job = arg;
    const uint32_t c0 = i * ENG__PIECE_COLUMNS;
    (void)member;
    job->fn(job->arg, c0, job->n - c0 < ENG__PIECE_COLUMNS ? job->n : c0 + ENG__PIECE_COLUMNS);
}

void eng__for_columns(const eng_parallel *parallel, uint32_t n, eng__columns_fn *fn, void *arg)
{
    columns_job job = {fn, arg, n};
    parallel->run(parallel->ctx, n_pieces(n, ENG__PIECE_COLUMNS), run_columns, &job);
}

typedef struct partials_job {
    const eng_tape *t;
    float *to;
    size_t from;
} partials_job;

static void add_columns(void *arg, uint32_t c0, uint32_t c1)
{
    const partials_job *job = arg;
    const eng_tape *t = job->t;
    const float *partial = t->partials + job->from + c0;
    for (uint32_t p = 0; p < n_pieces(t->m, ENG__PIECE_ROWS); p++, partial += t->ld_partials)
        t->k->add(job->to + c0, partial, c1 - c0);
}

void eng__add_partials(eng_tape *t, float *to, size_t from, uint32_t n)
{
    partials_job job = {t, to, from};
    if (to)
        eng__for_columns(t->parallel, n, add_columns, &job);
}
