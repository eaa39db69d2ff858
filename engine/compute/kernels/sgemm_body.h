/* Blocks of dense f32 products, for one instruction set: included by kernels_<isa>.c after
 * gemm_body.h.
 *
 * A tile of C, up to SGEMM_ROWS by SGEMM_VECTORS vectors, stays in registers while k runs; each of
 * its elements is one accumulator that starts at 0 and takes its products in ascending k, fused.
 * Neither the size of a tile, nor the width of a vector, nor packing shows in a result. */

/* Columns are cut into panels of as equal a number of vectors as can be, SGEMM_VECTORS at most: a
 * last panel of one vector would leave most accumulators idle. */
typedef struct sgemm_panels {
    size_t vectors, n; /* vectors that hold all columns; panels */
} sgemm_panels;

INLINE sgemm_panels sgemm_panels_of(size_t cols)
{
    const size_t vectors = (cols + LANES - 1) / LANES;
    return (sgemm_panels){vectors, (vectors + SGEMM_VECTORS - 1) / SGEMM_VECTORS};
}

/* The first column of panel i <= n. */
INLINE size_t sgemm_panel_at(sgemm_panels p, size_t i)
{
    return p.vectors * i / p.n * LANES;
}

/* ---- packing ---- */

/* Rows that lie far apart are not foreseen by the CPU: they are asked for a few steps ahead. What
 * is asked for past the matrix's end is never read. */
enum { AHEAD_FLOATS = 64, AHEAD_ROWS_B = 8, AHEAD_ROWS_A = 16 };

/* LANES columns of op(B), `width` floats apart, from as many rows of B. */
INLINE void sgemm_pack_transposed(float *out, size_t width, const float *b, size_t ldb, size_t k)
{
    size_t p = 0;
    for (; p + LANES <= k; p += LANES) {
        vf square[LANES];
        for (int j = 0; j < LANES; j++) {
            square[j] = vf_load(b + (size_t)j * ldb + p);
            __builtin_prefetch(b + (size_t)j * ldb + p + AHEAD_FLOATS);
        }
        vf_transpose(square);
        for (int j = 0; j < LANES; j++)
            vf_store(out + (p + (size_t)j) * width, square[j]);
    }
    for (; p < k; p++)
        for (size_t j = 0; j < LANES; j++)
            out[p * width + j] = b[j * ldb + p];
}

INLINE void sgemm_pack_plain(float *out, size_t width, const float *b, size_t ldb, size_t k)
{
    for (size_t p = 0; p < k; p++) {
        __builtin_prefetch(b + (p + AHEAD_ROWS_B) * ldb);
        vf_store(out + p * width, vf_load(b + p * ldb));
    }
}

/* LANES columns of which only `cols` exist; the others are zero. */
INLINE void sgemm_pack_edge(float *out, size_t width, const float *b, size_t b_k, size_t b_col,
                            size_t k, size_t cols)
{
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < LANES; j++)
            out[p * width + j] = j < cols ? b[p * b_k + j * b_col] : 0;
}

static void sgemm_pack_b(float *out, const float *b, size_t ldb, bool transposed, size_t k,
                         size_t cols)
{
    enum { RUN = AHEAD_ROWS_B }; /* rows of a plain B at a time: it is read along its rows */
    const sgemm_panels panels = sgemm_panels_of(cols);
    const size_t b_k = transposed ? 1 : ldb, b_col = transposed ? ldb : 1;
    const size_t run = transposed ? k : RUN, edge = cols / LANES * LANES;
    for (size_t p = 0; p < k; p += run)
        for (size_t i = 0; i < panels.n; i++) {
            const size_t first = sgemm_panel_at(panels, i), end = sgemm_panel_at(panels, i + 1);
            const size_t width = end - first, rows = k - p < run ? k - p : run;
            float *to = out + first * k + p * width;
            for (size_t col = first; col < end && col < edge; col += LANES, to += LANES)
                if (transposed)
                    sgemm_pack_transposed(to, width, b + col * ldb + p, ldb, rows);
                else
                    sgemm_pack_plain(to, width, b + p * ldb + col, ldb, rows);
            if (end > cols)
                sgemm_pack_edge(to, width, b + p * b_k + edge * b_col, b_k, b_col, rows,
                                cols - edge);
        }
}

/* Several slivers at a time, so that whole cache lines of A are read. */
static void sgemm_pack_a(float *out, const float *a, size_t lda, size_t k, size_t rows)
{
    enum { RUN = 64 };
    for (size_t first = 0; first < rows; first += RUN) {
        const size_t end = first + RUN < rows ? first + RUN : rows;
        for (size_t p = 0; p < k; p++)
            for (size_t r = first; r < end; r += SGEMM_ROWS) {
                float *to = out + r * k + p * SGEMM_ROWS;
                const float *from = a + p * lda + r;
                __builtin_prefetch(from + AHEAD_ROWS_A * lda);
                if (r + SGEMM_ROWS <= end)
                    memcpy(to, from, SGEMM_ROWS * sizeof *to);
                else
                    memcpy(to, from, (end - r) * sizeof *to);
            }
    }
}

/* ---- packing in words of two bf16 ---- */

/* How an element is rounded: to nearest, or as weights are, with its offset. */
typedef struct sgemm_rounding {
    bool dithered;
    uint32_t offset;
} sgemm_rounding;

INLINE vf sgemm_rounded(vf a, sgemm_rounding how)
{
    return how.dithered ? vf_dithered(a, how.offset) : a; /* which the words then hold as it is */
}

/* How the element `rows` and `cols` further is. */
INLINE sgemm_rounding sgemm_rounding_at(sgemm_rounding how, size_t rows, size_t cols)
{
    how.offset += (uint32_t)rows * ENG_DITHER_ROW + (uint32_t)cols * ENG_DITHER_COL;
    return how;
}

INLINE vf sgemm_load_part(const float *p, size_t n)
{
    return n >= (size_t)LANES ? vf_load(p) : vf_load_n(p, n);
}

/* Up to 2 LANES floats in a row, zeros beyond `left`, as words. */
INLINE vf sgemm_words(const float *p, size_t left, sgemm_rounding how)
{
    const vf first = sgemm_rounded(sgemm_load_part(p, left), how);
    if (left <= (size_t)LANES)
        return vf_words(first, vf_set1(0));
    return vf_words(first, sgemm_rounded(sgemm_load_part(p + LANES, left - LANES),
                                         sgemm_rounding_at(how, 0, LANES)));
}

/* Words of up to LANES columns of two rows, or of one and zeros. */
INLINE vf sgemm_row_words(const float *p, size_t ld, size_t cols, bool both, sgemm_rounding how)
{
    const vf even = sgemm_rounded(sgemm_load_part(p, cols), how);
    if (!both)
        return vf_word_pairs(even, vf_set1(0));
    return vf_word_pairs(
        even, sgemm_rounded(sgemm_load_part(p + ld, cols), sgemm_rounding_at(how, 1, 0)));
}

static void sgemm_word_rows(float *out, size_t ld, const float *a, size_t lda, size_t k,
                            size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t p = 0; p < k; p += 2 * LANES) {
            const size_t n = (k - p + 1) / 2;
            const vf words = sgemm_words(a + r * lda + p, k - p, (sgemm_rounding){false, 0});
            if (n >= (size_t)LANES)
                vf_store(out + r * ld + p / 2, words);
            else
                vf_store_n(out + r * ld + p / 2, words, n);
        }
}

static void sgemm_word_pack_a(float *out, const float *a, size_t lda, size_t k, size_t rows)
{
    enum { RUN = 64 }; /* as sgemm_pack_a */
    const size_t width = (k + 1) / 2;
    for (size_t first = 0; first < rows; first += RUN) {
        const size_t end = first + RUN < rows ? first + RUN : rows;
        for (size_t p = 0; p < k; p += 2)
            for (size_t r = first; r < end; r += LANES) {
                const float *from = a + p * lda + r;
                float words[LANES];
                __builtin_prefetch(from + AHEAD_ROWS_A * lda);
                __builtin_prefetch(from + (AHEAD_ROWS_A + 1) * lda);
                vf_store(words, sgemm_row_words(from, lda, end - r, p + 1 < k,
                                                (sgemm_rounding){false, 0}));
                for (size_t j = 0; j < LANES && r + j < end; j += SGEMM_ROWS)
                    memcpy(out + (r + j) * width + p / 2 * SGEMM_ROWS, words + j,
                           SGEMM_ROWS * sizeof *words);
            }
    }
}

/* LANES columns, `width` words apart, from the `cols` rows of B that exist. */
INLINE void sgemm_word_pack_transposed(float *out, size_t width, const float *b, size_t ldb,
                                       size_t k, size_t cols, sgemm_rounding how)
{
    for (size_t p = 0; p < k; p += 2 * LANES) {
        vf square[LANES];
        for (int j = 0; j < LANES; j++) {
            const float *from = b + (size_t)j * ldb + p;
            square[j] = (size_t)j < cols
                            ? sgemm_words(from, k - p, sgemm_rounding_at(how, (size_t)j, p))
                            : vf_set1(0);
            __builtin_prefetch(from + AHEAD_FLOATS);
        }
        vf_transpose(square);
        const size_t n = (k - p + 1) / 2 < (size_t)LANES ? (k - p + 1) / 2 : (size_t)LANES;
        for (size_t j = 0; j < n; j++)
            vf_store(out + (p / 2 + j) * width, square[j]);
    }
}

INLINE void sgemm_word_pack_plain(float *out, size_t width, const float *b, size_t ldb, size_t k,
                                  size_t cols, sgemm_rounding how)
{
    for (size_t p = 0; p < k; p += 2)
        for (size_t col = 0; col < cols; col += LANES) {
            const float *from = b + p * ldb + col;
            __builtin_prefetch(from + AHEAD_ROWS_B * ldb);
            __builtin_prefetch(from + (AHEAD_ROWS_B + 1) * ldb);
            vf_store(out + p / 2 * width + col, sgemm_row_words(from, ldb, cols - col, p + 1 < k,
                                                                sgemm_rounding_at(how, p, col)));
        }
}

INLINE void sgemm_word_panel(float *out, const float *b, size_t ldb, bool transposed, size_t k,
                             size_t cols, sgemm_rounding how)
{
    const size_t width = (cols + LANES - 1) / LANES * LANES;
    if (!transposed)
        sgemm_word_pack_plain(out, width, b, ldb, k, cols, how);
    for (size_t col = 0; transposed && col < cols; col += LANES)
        sgemm_word_pack_transposed(out + col, width, b + col * ldb, ldb, k, cols - col,
                                   sgemm_rounding_at(how, col, 0));
}

static void sgemm_word_pack_b(float *out, const float *b, size_t ldb, bool transposed, size_t k,
                              size_t cols, const uint32_t *dither)
{
    if (dither)
        sgemm_word_panel(out, b, ldb, transposed, k, cols, (sgemm_rounding){true, *dither});
    else
        sgemm_word_panel(out, b, ldb, transposed, k, cols, (sgemm_rounding){false, 0});
}

/* ---- a tile ---- */

typedef struct sgemm_tile {
    size_t k, a_row, a_k, b_k, ldc;
    const float *a, *b; /* A[i][p] = a[i * a_row + p * a_k]; B's row p begins at b + p * b_k */
    float *c;
    size_t last; /* columns in the last vector, of which no more is touched */
    bool add;
} sgemm_tile;

/* Vector v of `vectors` at p; `whole` and the sizes are constants, so that one load remains. */
INLINE vf sgemm_load(const float *p, int v, const int vectors, const bool whole, size_t last)
{
    return whole || v < vectors - 1 ? vf_load(p + v * LANES) : vf_load_n(p + v * LANES, last);
}

INLINE void sgemm_store(float *p, vf x, int v, const int vectors, const bool whole, size_t last)
{
    if (whole || v < vectors - 1)
        vf_store(p + v * LANES, x);
    else
        vf_store_n(p + v * LANES, x, last);
}

/* A's and B's elements are floats or, with `words`, words of two bf16. */
INLINE void sgemm_tile_run(const sgemm_tile *t, const int rows, const int vectors, const bool whole,
                           const bool words)
{
    const float *a = t->a, *b = t->b;
    const size_t a_row = t->a_row, a_k = t->a_k, b_k = t->b_k, ldc = t->ldc, last = t->last;
    float *c = t->c;
    vf acc[SGEMM_ROWS][SGEMM_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = vf_set1(0);
            __builtin_prefetch(c + (size_t)r * ldc + v * LANES);
        }
    for (size_t p = t->k; p > 0; p--, a += a_k, b += b_k) {
        vf bv[SGEMM_VECTORS];
        for (int v = 0; v < vectors; v++)
            bv[v] = sgemm_load(b, v, vectors, whole, last);
        for (int r = 0; r < rows; r++) {
            const vf av = vf_set1(a[(size_t)r * a_row]);
            for (int v = 0; v < vectors; v++)
                acc[r][v] =
                    words ? vf_dot_words(acc[r][v], bv[v], av) : vf_fma(av, bv[v], acc[r][v]);
        }
    }
    if (t->add) /* outside the stores' loop, or clang keeps the tile in memory */
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++)
                acc[r][v] =
                    vf_add(sgemm_load(c + (size_t)r * ldc, v, vectors, whole, last), acc[r][v]);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sgemm_store(c + (size_t)r * ldc, acc[r][v], v, vectors, whole, last);
}

INLINE void sgemm_tile_of(const sgemm_tile *t, const int rows, size_t vectors, const bool whole,
                          const bool words)
{
    if (vectors == 3)
        sgemm_tile_run(t, rows, 3, whole, words);
    else if (vectors == 2)
        sgemm_tile_run(t, rows, 2, whole, words);
    else
        sgemm_tile_run(t, rows, 1, whole, words);
}

/* ---- a block ---- */

/* `rows` rows of C from `row` on, in all panels. */
INLINE void sgemm_sliver(const eng_sgemm_block *s, size_t row, const int rows, const bool words)
{
    const sgemm_panels panels = sgemm_panels_of(s->cols);
    sgemm_tile t = {.k = s->k,
                    .a = s->a + row / SGEMM_ROWS * s->a_sliver + row % SGEMM_ROWS * s->a_row,
                    .a_row = s->a_row,
                    .a_k = s->a_k,
                    .ldc = s->ldc,
                    .last = (s->cols - 1) % LANES + 1,
                    .add = s->add};
    for (size_t i = 0; i < panels.n; i++) {
        const size_t col = sgemm_panel_at(panels, i), end = sgemm_panel_at(panels, i + 1);
        t.b = s->b + (s->ldb ? col : col * s->k);
        t.b_k = s->ldb ? s->ldb : end - col;
        t.c = s->c + row * s->ldc + col;
        if (end <= s->cols)
            sgemm_tile_of(&t, rows, (end - col) / LANES, true, words);
        else
            sgemm_tile_of(&t, rows, (end - col) / LANES, false, words);
    }
}

INLINE void sgemm_block_of(const eng_sgemm_block *s, const bool words)
{
    size_t r = 0;
    for (; r + SGEMM_ROWS <= s->rows; r += SGEMM_ROWS)
        sgemm_sliver(s, r, SGEMM_ROWS, words);
    for (; r + 4 <= s->rows; r += 4)
        sgemm_sliver(s, r, 4, words);
    if (r + 2 <= s->rows) {
        sgemm_sliver(s, r, 2, words);
        r += 2;
    }
    if (r < s->rows)
        sgemm_sliver(s, r, 1, words);
}

static void sgemm_block(const eng_sgemm_block *s)
{
    sgemm_block_of(s, false);
}

static void sgemm_word_block(const eng_sgemm_block *s)
{
    sgemm_block_of(s, true);
}

#define SGEMM_TABLE                                                                                \
    .sgemm = {.rows = SGEMM_ROWS,                                                                  \
              .cols = SGEMM_VECTORS * LANES,                                                       \
              .lanes = LANES,                                                                      \
              .pack_a = sgemm_pack_a,                                                              \
              .pack_b = sgemm_pack_b,                                                              \
              .block = sgemm_block,                                                                \
              .word_rows = sgemm_word_rows,                                                        \
              .word_pack_a = sgemm_word_pack_a,                                                    \
              .word_pack_b = sgemm_word_pack_b,                                                    \
              .word_block = sgemm_word_block}
