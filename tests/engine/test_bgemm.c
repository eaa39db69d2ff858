/* Products of rounded inputs: right on every instruction set, and the same bits whatever the number
 * of threads and the parts. */
#include "bgemm_cases.h"
#include "count_allocations.h"
#include "parallel_threads.h"

static const char *const sets[] = {"scalar", "avx2", "avx512"};
enum { SETS = sizeof sets / sizeof *sets, MAX_THREADS = 4 };
enum { USUAL = 1 << 21, TINY = 0, SMALL = 40000 }; /* words of a buffer: whole, or in parts */

static eng_bgemm *make(const eng_parallel *parallel, const char *set, size_t words)
{
    eng_bgemm *g;
    eng_error err;
    EXPECT_OK(eng__bgemm_create(&g, parallel, eng__kernels_choose(set), words, &err), err);
    return g;
}

/* One product maker for each set of this CPU, the scalar one first, then NULL. */
static size_t make_sets(eng_bgemm *all[SETS + 1], size_t words)
{
    size_t n = 0;
    for (size_t i = 0; i < SETS; i++)
        if (eng__kernels_choose(sets[i]))
            all[n++] = make(&eng_serial, sets[i], words);
    all[n] = NULL;
    return n;
}

static void free_all(eng_bgemm **all)
{
    for (size_t i = 0; all[i]; i++)
        eng_bgemm_free(all[i]);
}

TEST(rounded_products_of_every_set_match_the_oracle)
{
    eng_bgemm *all[SETS + 1];
    make_sets(all, USUAL);
    for (size_t i = 0; all[i]; i++) {
        sgemm_for_small_shapes(bgemm_check_nearest, all[i]);
        sgemm_for_large_shapes(bgemm_check_nearest, all[i]);
        sgemm_for_small_shapes(bgemm_check_dithered, all[i]);
        if (test_heavy_allowed()) /* the rounding differs, not the way */
            sgemm_for_large_shapes(bgemm_check_dithered, all[i]);
    }
    free_all(all);
}

TEST(inputs_are_rounded_alike_by_every_set)
{
    eng_bgemm *all[SETS + 1];
    make_sets(all, USUAL);
    for (size_t i = 0; all[i]; i++) {
        bgemm_expect_roundings(all[i]);
        bgemm_expect_bad_weights(all[i]);
    }
    free_all(all);
}

/* AVX-512's vdpbf16ps may round a sum otherwise. */
TEST(rounded_products_of_scalar_and_avx2_are_equal_bit_for_bit)
{
    if (!eng__kernels_choose("avx2"))
        SKIP("this CPU has no AVX2");
    eng_bgemm *pair[] = {make(&eng_serial, "scalar", USUAL), make(&eng_serial, "avx2", USUAL),
                         NULL};
    sgemm_for_small_shapes(bgemm_check_equal, pair);
    sgemm_for_large_shapes(bgemm_check_equal, pair);
    free_all(pair);
}

TEST(parts_do_not_change_a_bit)
{
    for (size_t i = 0; i < SETS; i++) {
        if (!eng__kernels_choose(sets[i]))
            continue;
        eng_bgemm *all[] = {make(&eng_serial, sets[i], USUAL), make(&eng_serial, sets[i], SMALL),
                            make(&eng_serial, sets[i], TINY), NULL};
        sgemm_for_small_shapes(bgemm_check_equal, all);
        sgemm_for_large_shapes(bgemm_check_equal, all);
        free_all(all);
    }
}

TEST(the_number_of_threads_does_not_change_a_bit_of_a_rounded_product)
{
    parallel_threads *threads[MAX_THREADS];
    eng_bgemm *by_width[MAX_THREADS + 1] = {NULL};
    for (uint32_t w = 0; w < MAX_THREADS; w++) {
        threads[w] = parallel_threads_create(w + 1);
        by_width[w] = make(parallel_threads_parallel(threads[w]), NULL, USUAL);
    }
    sgemm_for_large_shapes(bgemm_check_equal, by_width);
    free_all(by_width);
    for (uint32_t w = 0; w < MAX_THREADS; w++)
        parallel_threads_free(threads[w]);
}

/* Rounding, not f32: a third has other bits in bf16. */
TEST(an_input_that_needs_more_than_8_bits_is_rounded)
{
    const float third = 1.0f / 3, one = 1;
    float c;
    eng_bgemm *g = make(&eng_serial, NULL, USUAL);
    eng_bgemm_run(g, ENG_PLAIN, ENG_PLAIN, 1, 1, 1, &third, 1, &one, 1, ENG_NEAREST, 0, &c, 1);
    EXPECT(c == 0x1.56p-2f); /* 1/3 = 0x1.5555p-2; bf16 keeps 8 bits */
    eng_bgemm_free(g);
}

/* 4,096 weights that a file has put on bf16 numbers, each moved by a twentieth of a step. To
 * nearest, all of it is lost; the dither lets every twentieth weight step, to within a few, along
 * rows as along columns. */
TEST(a_sum_of_weights_feels_updates_smaller_than_a_step_of_bf16)
{
    enum { K = 4096, N = 3 };
    static float ones[K], w[K * N];
    const double step = 0x1p-7, moved = step / 20;
    float c[N];
    eng_bgemm *g = make(&eng_serial, NULL, USUAL);
    for (size_t i = 0; i < K; i++)
        ones[i] = 1;
    for (size_t i = 0; i < (size_t)K * N; i++)
        w[i] = (float)(1 + moved);
    for (int v = 0; v < 4; v++) {
        const eng_rounding how = v & 1 ? ENG_DITHERED : ENG_NEAREST;
        const bool transposed = v & 2;
        eng_bgemm_run(g, ENG_PLAIN, transposed ? ENG_TRANSPOSED : ENG_PLAIN, 1, N, K, ones, K, w,
                      transposed ? K : N, how, 0, c, N);
        for (int j = 0; j < N; j++)
            EXPECT_NEAR((double)c[j], K + (how == ENG_DITHERED ? K * moved : 0), 4 * step);
    }
    eng_bgemm_free(g);
}

/* Forward and dX see one and the same rounded weight. */
TEST(a_weight_is_rounded_alike_as_it_lies_and_transposed)
{
    enum { ROWS = 70, COLS = 90 };
    static float w[ROWS * COLS], unit[ROWS * ROWS], there[ROWS * COLS], back[ROWS * COLS];
    uint64_t state = 9;
    eng_bgemm *g = make(&eng_serial, NULL, USUAL);
    test_random_blocks(ENG_F32, (uint8_t *)w, ROWS * COLS, 1, &state);
    for (size_t i = 0; i < ROWS; i++)
        unit[i * ROWS + i] = 1;
    eng_bgemm_run(g, ENG_PLAIN, ENG_PLAIN, ROWS, COLS, ROWS, unit, ROWS, w, COLS, ENG_DITHERED, 0,
                  there, COLS);
    static float wide[COLS * COLS];
    for (size_t i = 0; i < COLS; i++)
        wide[i * COLS + i] = 1;
    eng_bgemm_run(g, ENG_PLAIN, ENG_TRANSPOSED, COLS, ROWS, COLS, wide, COLS, w, COLS, ENG_DITHERED,
                  0, back, ROWS);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLS; j++)
            EXPECT(there[i * COLS + j] == back[j * ROWS + i]);
    eng_bgemm_free(g);
}

TEST(a_set_that_does_not_exist_is_refused_by_name_here_too)
{
    eng_bgemm *g;
    eng_error err;
    EXPECT_EQ(eng_bgemm_create(&g, &eng_serial, "mmx", &err), ENG_UNSUPPORTED);
    EXPECT_STR(err.text, "kernels \"mmx\": this CPU has no such set");
    EXPECT(!g);
    eng_bgemm_free(g);
}

static void check_no_allocation(void *ctx, sgemm_case *s)
{
    const uint32_t before = atomic_load(&allocations);
    bgemm_case_run(ctx, s, ENG_DITHERED);
    EXPECT_EQ(atomic_load(&allocations) - before, 0);
}

TEST(a_rounded_product_allocates_nothing)
{
#ifndef COUNTS_ALLOCATIONS
    SKIP("allocations cannot be counted here (sanitizer, or not glibc)");
#endif
    parallel_threads *threads = parallel_threads_create(2);
    const uint32_t before = atomic_load(&allocations);
    eng_bgemm *g = make(parallel_threads_parallel(threads), NULL, SMALL);
    EXPECT(atomic_load(&allocations) > before); /* it does count */
    sgemm_for_large_shapes(check_no_allocation, g);
    eng_bgemm_free(g);
    parallel_threads_free(threads);
}

/* ---- tasks are short ---- */

static const eng_kernels *counted_set;
static size_t work, most_work; /* multiply-adds of the task that runs, of the longest */

static void counting_block(const eng_sgemm_block *block)
{
    work += block->rows * block->cols * 2 * block->k;
    counted_set->sgemm.word_block(block);
}

static void run_and_count(void *ctx, uint32_t n, eng_task_fn *fn, void *arg)
{
    (void)ctx;
    for (uint32_t i = 0; i < n; i++) {
        work = 0;
        fn(arg, i, 0);
        most_work = work > most_work ? work : most_work;
    }
}

/* A thread that gives way to serving does so between two tasks (compute/README.md). */
TEST(no_task_of_a_rounded_product_has_more_than_24m_multiply_adds)
{
    static const sgemm_shape shapes[] = {{1024, 576, 576}, {300, 3072, 576}, {200, 96, 20000}};
    const eng_parallel parallel = {NULL, 2, run_and_count};
    counted_set = eng__kernels_choose(NULL);
    eng_kernels counting = *counted_set;
    counting.sgemm.word_block = counting_block;
    eng_bgemm *g;
    eng_error err;
    EXPECT_OK(eng__bgemm_create(&g, &parallel, &counting, USUAL, &err), err);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        sgemm_case s = sgemm_case_make(shapes[i], ENG_PLAIN, ENG_TRANSPOSED, 0, 0);
        most_work = 0;
        bgemm_case_run(g, &s, ENG_DITHERED);
        if (most_work > 24 << 20 || most_work < 1 << 20)
            FAIL("%zux%zux%zu: a task of %zu multiply-adds, expected 1 to 24 million", s.m, s.n,
                 s.k, most_work);
        sgemm_case_free(&s);
    }
    eng_bgemm_free(g);
}
