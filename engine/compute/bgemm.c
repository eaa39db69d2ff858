/* Both matrices are rounded and packed by all threads first, each once, and then multiplied; what
 * does not fit the two buffers goes through in parts.
 *
 * Not as in sgemm.c, where a task packs for itself: products run twice as fast here, so that
 * packing weighs twice as much, and a task of the same length sees too little of a matrix to pay
 * for it. The price is one more meeting of the threads a part.
 *
 * Blocks of k depend on k alone and parts hold whole blocks, so that neither parts nor tasks show
 * in a result. */
#include "compute/bgemm.h"
#include "compute/kernels/kernels.h"
#include "compute/sizes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_K = 320,         /* longest block of k, as in sgemm.c */
    USUAL_WORDS = 2 << 20, /* 8 MiB a matrix: both stay in the last cache between the two phases */
    PIECE_ROWS = 64,       /* rows of A in a piece of packing; of B it is a panel */
    LEAST_PACKED = 1 << 15 /* fewer words are packed by the caller alone */
};

struct eng_bgemm {
    const eng_parallel *parallel;
    const eng_sgemm_kernels *kernels;
    size_t a_words, b_words; /* that the buffers hold */
    float *a, *b;            /* words of two bf16, which are only moved as floats */
};

/* ---- life ---- */

/* Words between two rows of a plain A: no power of two, so that rows share no cache set. */
static size_t row_stride(size_t k)
{
    return round_up(ceil_div(k, 2), 16) + 16;
}

eng_status eng__bgemm_create(eng_bgemm **out, const eng_parallel *parallel, const eng_kernels *set,
                             size_t words, eng_error *err)
{
    *out = NULL;
    const size_t a_least = set->sgemm.rows * row_stride(BLOCK_K);
    const size_t b_least = (size_t)set->sgemm.cols * BLOCK_K / 2;
    const size_t a_words = round_up(max_size(words, a_least), 16);
    const size_t b_words = round_up(max_size(words, b_least), 16);
    const size_t bytes = (a_words + b_words) * sizeof(float);
    eng_bgemm *g = malloc(sizeof *g);
    float *a = aligned_alloc(64, bytes);
    if (!g || !a) {
        free(g);
        free(a);
        return eng_fail(err, ENG_NOMEM, "no memory for %zu bytes of rounded matrices", bytes);
    }
    *g = (eng_bgemm){.parallel = parallel,
                     .kernels = &set->sgemm,
                     .a_words = a_words,
                     .b_words = b_words,
                     .a = a,
                     .b = a + a_words};
    *out = g;
    return ENG_OK;
}

eng_status eng_bgemm_create(eng_bgemm **out, const eng_parallel *parallel, const char *kernels,
                            eng_error *err)
{
    const eng_kernels *set = eng__kernels_choose(kernels);
    *out = NULL;
    if (!set)
        return eng_fail(err, ENG_UNSUPPORTED, "kernels \"%s\": this CPU has no such set", kernels);
    return eng__bgemm_create(out, parallel, set, USUAL_WORDS, err);
}

void eng_bgemm_free(eng_bgemm *g)
{
    if (!g)
        return;
    free(g->a);
    free(g);
}

/* ---- one product ---- */

/* A product, or the part of one whose matrices are in the buffers. */
typedef struct product {
    const eng_bgemm *g;
    eng_transpose ta, tb;
    size_t m, n, k, lda, ldb, ldc;
    const float *a, *b;
    float *c;
    bool add, dithered;
    size_t b_row, b_col;       /* where b lies in the whole matrix as it is stored */
    size_t block_k;            /* length of each block of k but the last, even */
    size_t vectors, panels;    /* that hold all columns */
    size_t a_pieces, b_pieces; /* of packing; 0: packed already */
    size_t task_rows, task_panels, tasks_across;
} product;

/* The first column of panel i <= panels: panels are as equal as vectors allow. */
static size_t panel_at(const product *s, size_t i)
{
    return s->vectors * i / s->panels * s->g->kernels->lanes;
}

static void cut_columns(product *s)
{
    const eng_sgemm_kernels *kernels = s->g->kernels;
    s->vectors = ceil_div(s->n, kernels->lanes);
    s->panels = ceil_div(s->vectors, kernels->cols / kernels->lanes);
}

static size_t words_of_block(const product *s, size_t p)
{
    return ceil_div(min_size(s->block_k, s->k - p), 2);
}

/* Where block p of a transposed A, [slivers][words][R], and of B, [panels][words][columns], begins.
 */
static float *packed_a(const product *s, size_t p)
{
    return s->g->a + p / 2 * round_up(s->m, s->g->kernels->rows);
}

static float *packed_b(const product *s, size_t p)
{
    return s->g->b + p / 2 * s->vectors * s->g->kernels->lanes;
}

/* ---- packing ---- */

static void pack_a_piece(const product *s, size_t i)
{
    const eng_sgemm_kernels *kernels = s->g->kernels;
    const size_t row = i * PIECE_ROWS, rows = min_size(PIECE_ROWS, s->m - row);
    if (s->ta == ENG_PLAIN) {
        const size_t ld = row_stride(s->k);
        kernels->word_rows(s->g->a + row * ld, ld, s->a + row * s->lda, s->lda, s->k, rows);
        return;
    }
    for (size_t p = 0; p < s->k; p += s->block_k)
        kernels->word_pack_a(packed_a(s, p) + row * words_of_block(s, p), s->a + p * s->lda + row,
                             s->lda, min_size(s->block_k, s->k - p), rows);
}

static void pack_b_piece(const product *s, size_t i)
{
    const size_t col = panel_at(s, i), cols = min_size(panel_at(s, i + 1), s->n) - col;
    const bool plain = s->tb == ENG_PLAIN;
    for (size_t p = 0; p < s->k; p += s->block_k) {
        const size_t down = plain ? p : col, across = plain ? col : p;
        const uint32_t offset =
            (uint32_t)((s->b_row + down) * ENG_DITHER_ROW + (s->b_col + across) * ENG_DITHER_COL);
        s->g->kernels->word_pack_b(
            packed_b(s, p) + col * words_of_block(s, p), s->b + down * s->ldb + across, s->ldb,
            !plain, min_size(s->block_k, s->k - p), cols, s->dithered ? &offset : NULL);
    }
}

static void pack_piece(void *arg, uint32_t i, uint32_t member)
{
    const product *s = arg;
    (void)member;
    if (i < s->a_pieces)
        pack_a_piece(s, i);
    else
        pack_b_piece(s, i - s->a_pieces);
}

static void pack(product *s)
{
    const eng_parallel *parallel = s->g->parallel;
    const size_t words = (s->a_pieces ? s->m * s->k : 0) / 2 + (s->b_pieces ? s->n * s->k : 0) / 2;
    const uint32_t pieces = (uint32_t)(s->a_pieces + s->b_pieces);
    if (words >= LEAST_PACKED) {
        parallel->run(parallel->ctx, pieces, pack_piece, s);
        return;
    }
    for (uint32_t i = 0; i < pieces; i++)
        pack_piece(s, i, 0);
}

/* ---- multiplying ---- */

/* One panel of a task against one block of k: the panel stays in the first cache while slivers of A
 * come from the second. */
static void run_panel(const product *s, size_t row, size_t rows, size_t panel, size_t p)
{
    const eng_sgemm_kernels *kernels = s->g->kernels;
    const size_t words = words_of_block(s, p), col = panel_at(s, panel);
    const bool plain = s->ta == ENG_PLAIN;
    const size_t ld = row_stride(s->k), sliver = kernels->rows;
    eng_sgemm_block block = {.rows = rows,
                             .cols = min_size(panel_at(s, panel + 1), s->n) - col,
                             .k = words,
                             .a = plain ? s->g->a + row * ld + p / 2 : packed_a(s, p) + row * words,
                             .a_sliver = sliver * (plain ? ld : words),
                             .a_row = plain ? ld : 1,
                             .a_k = plain ? 1 : sliver,
                             .b = packed_b(s, p) + col * words,
                             .c = s->c + row * s->ldc + col,
                             .ldc = s->ldc,
                             .add = p > 0 || s->add};
    kernels->word_block(&block);
}

static void run_task(void *arg, uint32_t i, uint32_t member)
{
    const product *s = arg;
    const size_t row = i / s->tasks_across * s->task_rows,
                 rows = min_size(s->task_rows, s->m - row);
    const size_t first = i % s->tasks_across * s->task_panels;
    const size_t end = min_size(first + s->task_panels, s->panels);
    (void)member;
    for (size_t p = 0; p < s->k; p += s->block_k)
        for (size_t panel = first; panel < end; panel++)
            run_panel(s, row, rows, panel, p);
}

/* Multiply-adds of a task: as in sgemm.c, though they take half as long here. */
enum { LEAST_WORK = 1 << 20, MOST_WORK = 24 << 20 };

/* Of the grids whose tasks end soon the one that is done first, as in sgemm.c. A row of A or a
 * column of B to be fetched is worth 16 of the other. */
static void choose_tasks(product *s)
{
    const size_t sliver = s->g->kernels->rows, width = s->g->parallel->width;
    const double work = (double)s->m * (double)s->n * (double)s->k, a_member = 8;
    const double wish = fmax(width > 1 ? a_member * (double)width : 1, 2 * work / MOST_WORK);
    const size_t most = (size_t)fmax(1, fmin(work / LEAST_WORK, wish));
    double best = INFINITY;
    bool best_soon = false;
    for (size_t down = 1; down <= most; down++)
        for (size_t across = 1; across == 1 || (down * across <= most && across <= s->panels);
             across++) {
            const size_t rows = round_up(ceil_div(s->m, down), sliver);
            const size_t panels = ceil_div(s->panels, across);
            const size_t cols = min_size(panels * s->g->kernels->cols, s->n);
            const size_t tasks = ceil_div(s->m, rows) * ceil_div(s->panels, panels);
            const double r = (double)rows, c = (double)cols;
            const double rounds = (double)ceil_div(tasks, width) + (width > 1 ? 0.25 : 0);
            const double cost = rounds * (r * c + 16 * (r + c));
            const bool soon = r * c * (double)s->k <= MOST_WORK || (rows <= sliver && panels == 1);
            if (soon > best_soon || (soon == best_soon && cost < best)) {
                best = cost;
                best_soon = soon;
                s->task_rows = rows;
                s->task_panels = panels;
            }
        }
    s->tasks_across = ceil_div(s->panels, s->task_panels);
}

static void run_part(product *s)
{
    const eng_parallel *parallel = s->g->parallel;
    pack(s);
    choose_tasks(s);
    const size_t tasks = ceil_div(s->m, s->task_rows) * s->tasks_across;
    if (tasks == 1)
        run_task(s, 0, 0);
    else
        parallel->run(parallel->ctx, (uint32_t)tasks, run_task, s);
}

/* ---- parts ---- */

/* The most of each dimension that the buffers hold together: whole blocks of k, as many as leave
 * room for a C of decent size, then rows and columns. */
typedef struct part_sizes {
    size_t m, n, k;
} part_sizes;

static part_sizes choose_parts(const product *s)
{
    enum { DECENT = 1024 };
    const eng_bgemm *g = s->g;
    const size_t sliver = g->kernels->rows, tile = g->kernels->cols;
    const size_t rows = round_up(min_size(s->m, DECENT), sliver);
    const size_t cols = round_up(min_size(s->n, DECENT), tile);
    const size_t blocks = ceil_div(s->k, s->block_k);
    size_t fit = blocks;
    while (fit > 1 && (rows * row_stride(fit * s->block_k) > g->a_words ||
                       cols * (fit * s->block_k / 2) > g->b_words))
        fit--;
    const size_t k = fit * s->block_k;
    const size_t most_rows = g->a_words / row_stride(k) / sliver * sliver;
    const size_t most_cols = g->b_words / (k / 2) / tile * tile;
    return (part_sizes){min_size(s->m, most_rows), min_size(s->n, most_cols), min_size(s->k, k)};
}

/* The part of C at (i, j) over k from p. */
static product part_of(const product *s, const part_sizes *size, size_t i, size_t j, size_t p)
{
    product part = *s;
    part.m = min_size(size->m, s->m - i);
    part.n = min_size(size->n, s->n - j);
    part.k = min_size(size->k, s->k - p);
    part.a = s->ta == ENG_PLAIN ? s->a + i * s->lda + p : s->a + p * s->lda + i;
    part.b_row = s->tb == ENG_PLAIN ? p : j;
    part.b_col = s->tb == ENG_PLAIN ? j : p;
    part.b = s->b + part.b_row * s->ldb + part.b_col;
    part.c = s->c + i * s->ldc + j;
    part.add = s->add || p > 0;
    cut_columns(&part);
    return part;
}

void eng_bgemm_run(eng_bgemm *g, eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                   const float *a, size_t lda, const float *b, size_t ldb, eng_rounding b_rounding,
                   float beta, float *c, size_t ldc)
{
    const product s = {.g = g,
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
                       .add = beta != 0,
                       .dithered = b_rounding == ENG_DITHERED,
                       .block_k = k ? round_up(ceil_div(k, ceil_div(k, BLOCK_K)), 16) : 0};
    if (m == 0 || n == 0)
        return;
    if (k == 0) {
        for (size_t i = 0; i < m && beta == 0; i++)
            memset(c + i * ldc, 0, n * sizeof *c);
        return;
    }
    const part_sizes size = choose_parts(&s);
    for (size_t p = 0; p < k; p += size.k)
        for (size_t j = 0; j < n; j += size.n)
            for (size_t i = 0; i < m; i += size.m) {
                product part = part_of(&s, &size, i, j, p);
                const bool a_is_there = size.m >= m && j > 0;
                part.a_pieces = a_is_there ? 0 : ceil_div(part.m, PIECE_ROWS);
                part.b_pieces = i > 0 ? 0 : part.panels;
                run_part(&part);
            }
}
