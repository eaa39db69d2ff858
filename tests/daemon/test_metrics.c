#include "harness.h"

#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *written(metrics *m)
{
    buf out;
    size_t len;
    buf_init(&out, 1 << 20);
    metrics_write(m, &out);
    return buf_take(&out, &len);
}

static void expect_line(const char *text, const char *line)
{
    char whole[256];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    if (!strstr(text, whole))
        FAIL("no line \"%s\" in\n%s", line, text);
}

/* The names that dashboards go by: a renamed one breaks them. */
TEST(every_metric_of_the_contract_is_there_with_help_and_type)
{
    static const char *const families[] = {"num_requests_running gauge",
                                           "num_requests_waiting gauge",
                                           "kv_cache_usage_perc gauge",
                                           "prefix_cache_queries_total counter",
                                           "prefix_cache_hits_total counter",
                                           "prompt_tokens_total counter",
                                           "generation_tokens_total counter",
                                           "http_requests_total counter",
                                           "request_success_total counter",
                                           "requests_cancelled_total counter",
                                           "time_to_first_token_seconds histogram",
                                           "inter_token_latency_seconds histogram",
                                           "e2e_request_latency_seconds histogram",
                                           "request_queue_time_seconds histogram",
                                           "request_prefill_time_seconds histogram",
                                           "request_decode_time_seconds histogram",
                                           "train_step gauge",
                                           "train_loss gauge",
                                           "train_reward gauge",
                                           "train_kl gauge",
                                           "train_sampler_mismatch gauge",
                                           "jobs_wedged gauge"};
    metrics *m = metrics_create();
    char *text = written(m);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        char line[128], help[128];
        snprintf(line, sizeof line, "# TYPE instructd_%s", families[i]);
        expect_line(text, line);
        snprintf(help, sizeof help, "# HELP instructd_%.*s ", (int)strcspn(families[i], " "),
                 families[i]);
        EXPECT(strstr(text, help));
    }
    free(text);
    metrics_free(m);
}

TEST(gauges_of_training_are_nan_until_a_job_tells_them)
{
    metrics *m = metrics_create();
    char *text = written(m);
    expect_line(text, "instructd_train_loss NaN");
    free(text);
    metrics_set_real(m, METRIC_TRAIN_LOSS, 0.125);
    metrics_set_real(m, METRIC_TRAIN_KL, -1.0 / 0.0);
    metrics_set_real(m, METRIC_TRAIN_STEP, 123456789);
    text = written(m);
    expect_line(text, "instructd_train_loss 0.125");
    expect_line(text, "instructd_train_kl -Inf");
    expect_line(text, "instructd_train_step 123456789");
    free(text);
    metrics_free(m);
}

TEST(values_labels_and_ratios_are_printed)
{
    metrics *m = metrics_create();
    metrics_set(m, METRIC_REQUESTS_RUNNING, 3);
    metrics_add(m, METRIC_SUCCESS_STOP, 2);
    metrics_add(m, METRIC_SUCCESS_LENGTH, 1);
    metrics_add(m, METRIC_CANCELLED_DECODE, 5);
    metrics_set(m, METRIC_KV_BLOCKS, 200);
    metrics_set(m, METRIC_KV_BLOCKS_USED, 50);
    metrics_http(m, 0, "health", 200);
    metrics_http(m, 0, "health", 200);
    metrics_http(m, 4, "completions", 429);
    char *text = written(m);
    expect_line(text, "instructd_num_requests_running 3");
    expect_line(text, "instructd_request_success_total{finished_reason=\"stop\"} 2");
    expect_line(text, "instructd_request_success_total{finished_reason=\"length\"} 1");
    expect_line(text, "instructd_requests_cancelled_total{stage=\"decode\"} 5");
    expect_line(text, "instructd_kv_cache_usage_perc 0.25");
    expect_line(text, "instructd_http_requests_total{route=\"health\",code=\"200\"} 2");
    expect_line(text, "instructd_http_requests_total{route=\"completions\",code=\"429\"} 1");
    free(text);
    metrics_free(m);
}

TEST(histograms_are_cumulative)
{
    metrics *m = metrics_create();
    metrics_observe(m, METRIC_TTFT_SECONDS, 0.0005);
    metrics_observe(m, METRIC_TTFT_SECONDS, 0.03);
    metrics_observe(m, METRIC_TTFT_SECONDS, 1000);
    char *text = written(m);
    expect_line(text, "instructd_time_to_first_token_seconds_bucket{le=\"0.001\"} 1");
    expect_line(text, "instructd_time_to_first_token_seconds_bucket{le=\"0.05\"} 2");
    expect_line(text, "instructd_time_to_first_token_seconds_bucket{le=\"160\"} 2");
    expect_line(text, "instructd_time_to_first_token_seconds_bucket{le=\"+Inf\"} 3");
    expect_line(text, "instructd_time_to_first_token_seconds_sum 1000.030500");
    expect_line(text, "instructd_time_to_first_token_seconds_count 3");
    free(text);
    metrics_free(m);
}

static void *add_many(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        metrics_add(arg, METRIC_GENERATION_TOKENS, 1);
        metrics_observe(arg, METRIC_INTER_TOKEN_SECONDS, 0.01);
    }
    return NULL;
}

TEST(updates_from_many_threads_add_up)
{
    metrics *m = metrics_create();
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, add_many, m);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    EXPECT_EQ(metrics_get(m, METRIC_GENERATION_TOKENS), 40000);
    char *text = written(m);
    expect_line(text, "instructd_inter_token_latency_seconds_count 40000");
    expect_line(text, "instructd_inter_token_latency_seconds_sum 400.000000");
    free(text);
    metrics_free(m);
}
