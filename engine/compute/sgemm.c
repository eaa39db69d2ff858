/* C is cut into rectangles, one a task; each goes through k in blocks, packs what it reads of A and
 * B for the caches of the thread it runs on, and hands both to the kernels.
 *
 * Blocks of k depend on k alone, and a kernel's sum over one does not depend on how C is cut: that
 * is why the cut may follow the number of threads and the size of a cache. */
#include "compute/sgemm.h"
#include "compute/kernels/kernels.h"
#include "compute/sizes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BLOCK_K = 320,     /* longest block of k: a running sum in f32 loses half as much as over 640 */
    DIRECT_COLS = 256, /* a task of no more columns reads a transposed A as it lies */
    DIRECT_ROWS = 128, /* one of no more rows a plain B: packing would not pay */
    PACKED_ROWS = 1024, /* most rows of a task that packs A */
    LONG_K = 4096, /* a longer k goes in parts of whole blocks, one after another: a task that */
    PART_K = 2048, /* took all of it and still ended soon would see a few rows and columns */
    CACHE_LEAST = 256 << 10,
    CACHE_MOST = 2 << 20
};

struct eng_sgemm {
    const eng_parallel *parallel;
    const eng_sgemm_kernels *kernels;
    size_t b_floats;      /* packed B that half of the second cache holds */
    size_t member_floats; /* packed A, then packed B, of one member */
    float *packed;        /* [width][member_floats] */
};

/* ---- life ---- */

static size_t second_cache_bytes(void)
{
    const long told = sysconf(_SC_LEVEL2_CACHE_SIZE); /* 0 or less: not known */
    return max_size(CACHE_LEAST, min_size(CACHE_MOST, told > 0 ? (size_t)told : 0));
}

eng_status eng__sgemm_create(eng_sgemm **out, const eng_parallel *parallel, const eng_kernels *set,
                             eng_error *err)
{
    *out = NULL;
    const size_t one_panel = (size_t)BLOCK_K * set->sgemm.cols;
    const size_t b_floats = max_size(second_cache_bytes() / 2 / sizeof(float), one_panel);
    const size_t member_floats = round_up((size_t)PACKED_ROWS * BLOCK_K + b_floats, 16);
    const size_t bytes = parallel->width * member_floats * sizeof(float);
    eng_sgemm *g = malloc(sizeof *g);
    float *packed = aligned_alloc(64, bytes);
    if (!g || !packed) {
        free(g);
        free(packed);
        return eng_fail(err, ENG_NOMEM, "no memory for %zu bytes of packed matrices", bytes);
    }
    *g = (eng_sgemm){.parallel = parallel,
                     .kernels = &set->sgemm,
                     .b_floats = b_floats,
                     .member_floats = member_floats,
                     .packed = packed};
    *out = g;
    return ENG_OK;
}

eng_status eng_sgemm_create(eng_sgemm **out, const eng_parallel *parallel, const char *kernels,
                            eng_error *err)
{
    const eng_kernels *set = eng__kernels_choose(kernels);
    *out = NULL;
    if (!set)
        return eng_fail(err, ENG_UNSUPPORTED, "kernels \"%s\": this CPU has no such set", kernels);
    return eng__sgemm_create(out, parallel, set, err);
}

void eng_sgemm_free(eng_sgemm *g)
{
    if (!g)
        return;
    free(g->packed);
    free(g);
}

/* ---- one product ---- */

typedef struct product {
    const eng_sgemm *g;
    eng_transpose ta, tb;
    size_t m, n, k, lda, ldb, ldc;
    const float *a, *b;
    float *c, beta;
    size_t block_k;              /* length of each block of k but the last */
    size_t task_rows, task_cols; /* of C, multiples of a tile's rows and of a vector */
    size_t tasks_across;         /* tasks side by side */
    size_t panel_cols;           /* columns of B packed at a time */
} product;

/* A task's part of C and the members' buffers. */
typedef struct task {
    size_t row, col, rows, cols;
    bool packs_a;
    float *packed_a, *packed_b;
} task;

/* A's part of a block: rows as they lie, columns as they lie, or packed. */
static void set_a(eng_sgemm_block *block, const product *s, const task *t, size_t p)
{
    const size_t sliver = s->g->kernels->rows;
    if (s->ta == ENG_PLAIN) {
        block->a = s->a + t->row * s->lda + p;
        block->a_sliver = sliver * s->lda;
        block->a_row = s->lda;
        block->a_k = 1;
        return;
    }
    block->a = t->packs_a ? t->packed_a : s->a + p * s->lda + t->row;
    block->a_sliver = t->packs_a ? sliver * block->k : sliver;
    block->a_row = 1;
    block->a_k = t->packs_a ? sliver : s->lda;
}

static void set_b(eng_sgemm_block *block, const product *s, const task *t, size_t p, size_t col)
{
    const eng_sgemm_kernels *kernels = s->g->kernels;
    const bool plain = s->tb == ENG_PLAIN;
    block->b = plain ? s->b + p * s->ldb + col : s->b + col * s->ldb + p;
    block->ldb = s->ldb;
    if (plain && t->rows <= DIRECT_ROWS)
        return;
    kernels->pack_b(t->packed_b, block->b, s->ldb, !plain, block->k, block->cols);
    block->b = t->packed_b;
    block->ldb = 0;
}

static void run_task(void *arg, uint32_t i, uint32_t member)
{
    const product *s = arg;
    const eng_sgemm_kernels *kernels = s->g->kernels;
    task t = {.row = i / s->tasks_across * s->task_rows,
              .col = i % s->tasks_across * s->task_cols,
              .packed_a = s->g->packed + member * s->g->member_floats};
    t.packed_b = t.packed_a + (size_t)PACKED_ROWS * BLOCK_K;
    t.rows = min_size(s->task_rows, s->m - t.row);
    t.cols = min_size(s->task_cols, s->n - t.col);
    t.packs_a = s->ta == ENG_TRANSPOSED && t.cols > DIRECT_COLS;
    for (size_t p = 0; p < s->k; p += s->block_k) {
        const size_t k = min_size(s->block_k, s->k - p), end = t.col + t.cols;
        if (t.packs_a)
            kernels->pack_a(t.packed_a, s->a + p * s->lda + t.row, s->lda, k, t.rows);
        for (size_t col = t.col; col < end; col += s->panel_cols) {
            eng_sgemm_block block = {.rows = t.rows,
                                     .cols = min_size(s->panel_cols, end - col),
                                     .k = k,
                                     .c = s->c + t.row * s->ldc + col,
                                     .ldc = s->ldc,
                                     .add = p > 0 || s->beta != 0};
            set_a(&block, s, &t, p);
            set_b(&block, s, &t, p, col);
            kernels->block(&block);
        }
    }
}

/* ---- the cut ---- */

/* What a task costs, in multiply-adds of one k: a column of B to be packed is worth about 12 rows,
 * a row of A to be fetched about 8 columns, and as many again if it is packed. */
static double task_cost(const product *s, size_t rows, size_t cols)
{
    const double r = (double)rows, c = (double)cols;
    const bool packs_a = s->ta == ENG_TRANSPOSED && cols > DIRECT_COLS;
    return r * c + 12 * c + (packs_a ? 16 * r : 8 * r);
}

/* Multiply-adds of a task. It should outweigh the wake-up of a thread; and end soon, some 200 us on
 * a fast core: a thread that gives way to serving does so between two tasks. */
enum { LEAST_WORK = 1 << 20, MOST_WORK = 24 << 20 };

/* More tasks than this are not worth a look. */
static size_t most_tasks(const product *s)
{
    const double work = (double)s->m * (double)s->n * (double)s->k, a_member = 8;
    const double width = s->g->parallel->width;
    const double most = fmax(width > 1 ? a_member * width : 1, 2 * work / MOST_WORK);
    return (size_t)fmax(1, fmin(work / LEAST_WORK, most));
}

static bool ends_soon(const product *s, size_t rows, size_t cols)
{
    const eng_sgemm_kernels *kernels = s->g->kernels;
    return (double)rows * (double)cols * (double)s->k <= MOST_WORK ||
           (rows <= kernels->rows && cols <= kernels->lanes);
}

/* Of the grids whose tasks end soon the one that is done first. Threads share their cores with
 * other work, so that the last round ends unevenly: a quarter of a task is added for that. */
static void choose_tasks(product *s)
{
    const eng_sgemm_kernels *kernels = s->g->kernels;
    const size_t width = s->g->parallel->width, most = most_tasks(s);
    const size_t fewest_down = s->ta == ENG_TRANSPOSED ? ceil_div(s->m, PACKED_ROWS) : 1;
    double best = INFINITY;
    bool best_soon = false;
    for (size_t down = fewest_down; down == fewest_down || down <= most; down++)
        for (size_t across = 1; across == 1 || down * across <= most; across++) {
            const size_t rows = round_up(ceil_div(s->m, down), kernels->rows);
            const size_t cols = round_up(ceil_div(s->n, across), kernels->lanes);
            const size_t tasks = ceil_div(s->m, rows) * ceil_div(s->n, cols);
            const double rounds = (double)ceil_div(tasks, width) + (width > 1 ? 0.25 : 0);
            const double cost = rounds * task_cost(s, rows, cols);
            const bool soon = ends_soon(s, rows, cols);
            if (soon > best_soon || (soon == best_soon && cost < best)) {
                best = cost;
                best_soon = soon;
                s->task_rows = rows;
                s->task_cols = cols;
            }
        }
    s->tasks_across = ceil_div(s->n, s->task_cols);
}

static void choose_panels(product *s)
{
    const eng_sgemm *g = s->g;
    const size_t tile = g->kernels->cols;
    const size_t most = max_size(g->b_floats / s->block_k / tile, 1) * tile;
    s->panel_cols = round_up(ceil_div(s->task_cols, ceil_div(s->task_cols, most)), tile);
}

static void run_product(product *s)
{
    const eng_parallel *parallel = s->g->parallel;
    choose_tasks(s);
    choose_panels(s);
    const size_t tasks = ceil_div(s->m, s->task_rows) * s->tasks_across;
    if (tasks == 1)
        run_task(s, 0, 0);
    else
        parallel->run(parallel->ctx, (uint32_t)tasks, run_task, s);
}

/* Blocks of k from p on, at most `k` of it. */
static product part_of(const product *s, size_t p, size_t k)
{
    product part = *s;
    part.k = min_size(k, s->k - p);
    part.a += s->ta == ENG_PLAIN ? p : p * s->lda;
    part.b += s->tb == ENG_PLAIN ? p * s->ldb : p;
    part.beta = p > 0 ? 1 : s->beta;
    return part;
}

void eng_sgemm_run(eng_sgemm *g, eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                   const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                   size_t ldc)
{
    product s = {.g = g,
                 .ta = ta,
                 .tb = tb,
                 .m = m,
                 .n = n,
                 .k = k,
                 .lda = lda,
                 .ldb = ldb,
                 .ldc = ldc,
                 .a = a,
                 .b = b,
                 .c = c,
                 .beta = beta};
    if (m == 0 || n == 0)
        return;
    if (k == 0) {
        for (size_t i = 0; i < m && beta == 0; i++)
            memset(c + i * ldc, 0, n * sizeof *c);
        return;
    }
    s.block_k = round_up(ceil_div(k, ceil_div(k, BLOCK_K)), 16);
    const size_t part_k = k > LONG_K ? PART_K / s.block_k * s.block_k : k;
    for (size_t p = 0; p < k; p += part_k) {
        product part = part_of(&s, p, part_k);
        run_product(&part);
    }
}

void eng_sgemm_tile(const eng_sgemm *g, size_t m, size_t n, size_t k, const float *a, size_t a_row,
                    size_t a_k, const float *b, size_t ldb, bool add, float *c, size_t ldc)
{
    g->kernels->block(&(eng_sgemm_block){.rows = m,
                                         .cols = n,
                                         .k = k,
                                         .a = a,
                                         .a_sliver = g->kernels->rows * a_row,
                                         .a_row = a_row,
                                         .a_k = a_k,
                                         .b = b,
                                         .ldb = ldb,
                                         .c = c,
                                         .ldc = ldc,
                                         .add = add});
}
