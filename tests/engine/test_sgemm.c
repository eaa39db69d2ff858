/* Products for training: right on every instruction set, and the same bits whatever the set and the
 * number of threads. */
#include "count_allocations.h"
#include "parallel_threads.h"
#include "sgemm_cases.h"

static const char *const sets[] = {"scalar", "avx2", "avx512"};
enum { SETS = sizeof sets / sizeof *sets, MAX_THREADS = 4 };

static eng_sgemm *make_widest(const eng_parallel *parallel)
{
    eng_sgemm *g;
    eng_error err;
    EXPECT_OK(eng_sgemm_create(&g, parallel, NULL, &err), err);
    return g;
}

/* One product maker for each set of this CPU, the scalar one first, then NULL. */
static void make_sets(eng_sgemm *all[SETS + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < SETS; i++) {
        eng_error err;
        if (!eng__kernels_choose(sets[i]))
            continue;
        EXPECT_OK(eng_sgemm_create(&all[n++], &eng_serial, sets[i], &err), err);
    }
    all[n] = NULL;
}

static void free_all(eng_sgemm **all)
{
    for (size_t i = 0; all[i]; i++)
        eng_sgemm_free(all[i]);
}

TEST(products_of_every_set_match_the_oracle)
{
    eng_sgemm *all[SETS + 1];
    make_sets(all);
    for (size_t i = 0; all[i]; i++) {
        sgemm_for_small_shapes(sgemm_check_oracle, all[i]);
        sgemm_for_large_shapes(sgemm_check_oracle, all[i]);
    }
    free_all(all);
}

TEST(products_of_every_set_are_equal_bit_for_bit)
{
    eng_sgemm *all[SETS + 1];
    make_sets(all);
    sgemm_for_small_shapes(sgemm_check_equal, all);
    sgemm_for_large_shapes(sgemm_check_equal, all);
    free_all(all);
}

TEST(a_tile_has_the_bits_of_a_product)
{
    eng_sgemm *all[SETS + 1];
    make_sets(all);
    for (size_t i = 0; all[i]; i++)
        sgemm_for_small_shapes(sgemm_check_tile, all[i]);
    free_all(all);
}

TEST(the_number_of_threads_does_not_change_a_bit)
{
    parallel_threads *threads[MAX_THREADS];
    eng_sgemm *by_width[MAX_THREADS + 1] = {NULL};
    for (uint32_t w = 0; w < MAX_THREADS; w++) {
        threads[w] = parallel_threads_create(w + 1);
        by_width[w] = make_widest(parallel_threads_parallel(threads[w]));
    }
    sgemm_for_large_shapes(sgemm_check_equal, by_width);
    free_all(by_width);
    for (uint32_t w = 0; w < MAX_THREADS; w++)
        parallel_threads_free(threads[w]);
}

TEST(a_nan_or_infinity_reaches_its_row_and_column_alone)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    eng_sgemm *g = make_widest(&eng_serial);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sgemm_case s = sgemm_case_make((sgemm_shape){19, 37, 50}, ENG_PLAIN, ENG_TRANSPOSED, 0, 0);
        s.a[11 * s.lda + 49] = bad[i];
        s.b[36 * s.ldb + 7] = bad[i];
        sgemm_case_run(g, &s);
        for (size_t r = 0; r < s.m; r++)
            for (size_t j = 0; j < s.n; j++)
                if (isfinite(s.c[r * s.ldc + j]) == (r == 11 || j == 36))
                    FAIL("%g in A's row 11 and B's column 36: C[%zu][%zu] = %g", (double)bad[i], r,
                         j, (double)s.c[r * s.ldc + j]);
        sgemm_case_free(&s);
    }
    eng_sgemm_free(g);
}

TEST(a_set_that_does_not_exist_is_refused_by_name)
{
    eng_sgemm *g;
    eng_error err;
    EXPECT_EQ(eng_sgemm_create(&g, &eng_serial, "mmx", &err), ENG_UNSUPPORTED);
    EXPECT_STR(err.text, "kernels \"mmx\": this CPU has no such set");
    EXPECT(!g);
    eng_sgemm_free(g);
}

static void check_no_allocation(void *ctx, sgemm_case *s)
{
    const uint32_t before = atomic_load(&allocations);
    sgemm_case_run(ctx, s);
    EXPECT_EQ(atomic_load(&allocations) - before, 0);
}

TEST(a_product_allocates_nothing)
{
#ifndef COUNTS_ALLOCATIONS
    SKIP("allocations cannot be counted here (sanitizer, or not glibc)");
#endif
    parallel_threads *threads = parallel_threads_create(2);
    const uint32_t before = atomic_load(&allocations);
    eng_sgemm *g = make_widest(parallel_threads_parallel(threads));
    EXPECT(atomic_load(&allocations) > before); /* it does count */
    sgemm_for_large_shapes(check_no_allocation, g);
    eng_sgemm_free(g);
    parallel_threads_free(threads);
}
