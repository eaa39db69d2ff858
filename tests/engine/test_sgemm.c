/* Products for training: right on every instruction set, and the same bits on any number of
 * threads. */
#include "count_allocations.h"
#include "parallel_threads.h"
#include "sgemm_cases.h"

static const char *const sets[] = {"scalar", "avx2", "avx512"};
enum { SETS = sizeof sets / sizeof *sets };

/* NULL where this CPU lacks the set; the widest is always there. */
static eng_sgemm *make_set(const char *set, const eng_parallel *parallel)
{
    eng_sgemm *g = NULL;
    eng_error err;
    eng_status st = eng_sgemm_create(&g, parallel, set, &err);
    if (st == ENG_UNSUPPORTED && set)
        return NULL;
    if (st != ENG_OK)
        FAIL("%s: %s", set ? set : "the widest", err.text);
    return g;
}

static void check_oracle(void *ctx, sgemm_case *s)
{
    sgemm_case_run(ctx, s);
    sgemm_case_expect_oracle(s);
}

TEST(products_of_every_set_match_the_oracle)
{
    for (int i = 0; i < SETS; i++) {
        eng_sgemm *g = make_set(sets[i], &eng_serial);
        if (!g)
            continue;
        sgemm_for_small_shapes(check_oracle, g);
        sgemm_for_large_shapes(check_oracle, g);
        eng_sgemm_free(g);
    }
}

TEST(a_set_that_does_not_exist_is_refused_by_name)
{
    eng_sgemm *g = NULL;
    eng_error err;
    EXPECT_EQ(eng_sgemm_create(&g, &eng_serial, "mmx", &err), ENG_UNSUPPORTED);
    EXPECT(strstr(err.text, "\"mmx\""));
    EXPECT(!g);
    eng_sgemm_free(g);
}

/* ---- threads ---- */

enum { MAX_THREADS = 4 };

static void check_same_bits(void *ctx, sgemm_case *s)
{
    eng_sgemm **by_width = ctx;
    sgemm_case_run(by_width[0], s);
    const size_t bytes = s->m * s->ldc * sizeof(float);
    float *want = malloc(bytes + 1);
    EXPECT(want);
    memcpy(want, s->c, bytes);
    for (int w = 1; w < MAX_THREADS; w++) {
        sgemm_case_run(by_width[w], s);
        EXPECT_MEM(s->c, want, bytes);
    }
    free(want);
}

TEST(the_number_of_threads_does_not_change_a_bit)
{
    parallel_threads *threads[MAX_THREADS];
    eng_sgemm *by_width[MAX_THREADS];
    for (uint32_t w = 0; w < MAX_THREADS; w++) {
        threads[w] = parallel_threads_create(w + 1);
        by_width[w] = make_set(NULL, parallel_threads_parallel(threads[w]));
    }
    sgemm_for_large_shapes(check_same_bits, by_width);
    for (int w = 0; w < MAX_THREADS; w++) {
        eng_sgemm_free(by_width[w]);
        parallel_threads_free(threads[w]);
    }
}

/* ---- memory ---- */

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
    eng_sgemm *g = make_set(NULL, parallel_threads_parallel(threads));
    EXPECT(atomic_load(&allocations) > before); /* it does count */
    sgemm_for_large_shapes(check_no_allocation, g);
    eng_sgemm_free(g);
    parallel_threads_free(threads);
}
