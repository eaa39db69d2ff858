/* NaN, infinity and spikes: a bad step is skipped and counted, three in a row end the job, and
 * nothing bad is ever published. eng_grad_norm is wrapped by the linker, so that any step of a job
 * can be poisoned. */
#include "rlhf/guard.h"
#include "rlhf_fixture.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>

/* ---- the poison ---- */

static uint64_t calls, poison_first, poison_last; /* calls [first, last] give NaN; 0: none */

double __real_eng_grad_norm(const eng_parallel *parallel, const float *grads, size_t n);
double __wrap_eng_grad_norm(const eng_parallel *parallel, const float *grads, size_t n);
double __wrap_eng_grad_norm(const eng_parallel *parallel, const float *grads, size_t n)
{
    calls++;
    if (poison_first && calls >= poison_first && calls <= poison_last)
        return (double)NAN;
    return __real_eng_grad_norm(parallel, grads, n);
}

static void poison(uint64_t first, uint64_t last)
{
    calls = 0;
    poison_first = first;
    poison_last = last;
}

/* ---- the judge ---- */

TEST(good_steps_are_taken_and_bad_ones_skipped)
{
    guard g = {0};
    EXPECT_EQ(guard_judge(&g, 1, 2, 0, 1), GUARD_TAKE);
    EXPECT_EQ(guard_judge(&g, NAN, 2, 0, 2), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, 1, INFINITY, 0, 3), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, 1, 2, 0, 4), GUARD_TAKE); /* the row is broken */
    EXPECT_EQ(guard_judge(&g, INFINITY, 2, 0, 5), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, 1, NAN, 0, 6), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, NAN, NAN, 0, 7), GUARD_GIVE_UP);
    EXPECT_EQ(g.taken, 2);
    EXPECT_EQ(g.skipped, 5);
}

TEST(a_norm_above_ten_medians_of_the_last_hundred_is_a_spike)
{
    guard g = {0};
    for (int i = 0; i < 99; i++)
        EXPECT_EQ(guard_judge(&g, 1, 1, 0, 8), GUARD_TAKE);
    EXPECT_EQ(guard_judge(&g, 1, 1000, 0, 9), GUARD_TAKE); /* too early to know */
    EXPECT_EQ(guard_judge(&g, 1, 10.5, 0, 10), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, 1, 10, 0, 11), GUARD_TAKE);
    for (int i = 0; i < 100; i++) /* the old ones leave the window */
        EXPECT_EQ(guard_judge(&g, 1, 5, 0, 12), GUARD_TAKE);
    EXPECT_EQ(guard_judge(&g, 1, 49, 0, 13), GUARD_TAKE);
    EXPECT_EQ(guard_judge(&g, 1, 51, 0, 14), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, 1, 51, 4, 15), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, 1, 51, 6, 16), GUARD_TAKE); /* a median below the clip counts as it */
    EXPECT_EQ(guard_judge(&g, 1, 61, 6, 17), GUARD_SKIP);
}

TEST(spikes_of_one_batch_count_once_and_nan_every_time)
{
    guard g = {0};
    for (int i = 0; i < 100; i++)
        EXPECT_EQ(guard_judge(&g, 1, 1, 0, 1), GUARD_TAKE);
    EXPECT_EQ(guard_limit(&g, 0), 10);
    EXPECT_EQ(guard_limit(&g, 4), 40);
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(guard_judge(&g, 1, 50, 0, 2), GUARD_SKIP);
    EXPECT_EQ(g.in_row, 1);
    EXPECT_EQ(guard_judge(&g, 1, 50, 0, 3), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, 1, 1, 0, 3), GUARD_TAKE);
    EXPECT_EQ(guard_judge(&g, 1, 50, 0, 3), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, 1, 50, 0, 4), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, 1, 50, 0, 5), GUARD_GIVE_UP);
    g.in_row = 0;
    EXPECT_EQ(guard_judge(&g, NAN, 1, 0, 6), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, NAN, 1, 0, 6), GUARD_SKIP);
    EXPECT_EQ(guard_judge(&g, NAN, 1, 0, 6), GUARD_GIVE_UP);
}

/* ---- jobs ---- */

static const char *const ROWS = "{\"prompt\":\"a\",\"completion\":\"b\"}\n"
                                "{\"prompt\":\"c\",\"completion\":\"d\"}\n";

static const mock_job SPEC = {
    .method = "supervised",
    .model = "base",
    .training_file = "file-a",
    .method_json = "{\"hyperparameters\":{\"n_epochs\":100,\"batch_size\":1,\"dropout\":0,"
                   "\"learning_rate\":0.001}}"};

TEST(nan_at_any_one_of_200_steps_skips_that_step_alone)
{
    mock_host *m = make_host(NULL);
    mock_host_file(m, "file-a", ROWS);
    for (uint64_t step = 1; step <= 200; step += 33) {
        char event[64];
        poison(step, step);
        mock_host_must_run(m, &SPEC);
        snprintf(event, sizeof event, "step %llu was skipped", (unsigned long long)step);
        EXPECT(mock_host_had_event(m, event));
        EXPECT_EQ(calls, 200);
        EXPECT(isnan(mock_host_metric(m, step, "grad_norm")));
        EXPECT_EQ(mock_host_last_step(m), 200);
    }
    mock_host_free(m);
}

TEST(a_skipped_step_leaves_the_weights_as_they_are)
{
    mock_host *m = make_host(NULL);
    mock_host_file(m, "file-a", ROWS);
    mock_job spec = SPEC;
    spec.method_json = "{\"hyperparameters\":{\"n_epochs\":1,\"batch_size\":2,\"dropout\":0}}";
    poison(1, 1);
    mock_host_must_run(m, &spec);
    size_t n, k;
    char *before = test_read_file(in_dir("base/model.safetensors"), &n), path[512];
    snprintf(path, sizeof path, "%s/model.safetensors", mock_host_publish(m, 0)->path);
    char *after = test_read_file(path, &k);
    EXPECT_EQ(k, n);
    EXPECT_MEM(after, before, n);
    free(before);
    free(after);
    mock_host_free(m);
}

TEST(three_bad_steps_in_a_row_fail_the_job_and_nothing_is_published)
{
    mock_host *m = make_host(NULL);
    mock_host_file(m, "file-a", ROWS);
    char param[64], err[512];
    poison(50, 52);
    EXPECT_EQ(mock_host_run(m, &SPEC, param, err), INSTRUCTD_E_NOT_FINITE);
    EXPECT(strstr(err, "3 bad steps in a row; the last had loss"));
    EXPECT(strstr(err, "expected finite numbers"));
    EXPECT_EQ(calls, 52);
    EXPECT_EQ(mock_host_publishes(m), 0);
    poison(0, 0);
    mock_host_free(m);
}

TEST(weights_that_overflow_fail_the_job)
{
    mock_host *m = make_host(NULL);
    mock_host_file(m, "file-a", ROWS);
    mock_job spec = SPEC;
    /* Steps of 1e30 make the second forward pass overflow. */
    spec.method_json =
        "{\"hyperparameters\":{\"learning_rate\":1,\"learning_rate_multiplier\":1000,"
        "\"n_epochs\":1000,\"batch_size\":1,\"weight_decay\":1}}";
    char param[64], err[512];
    EXPECT_EQ(mock_host_run(m, &spec, param, err), INSTRUCTD_E_NOT_FINITE);
    EXPECT_EQ(mock_host_publishes(m), 0);
    mock_host_free(m);
}
