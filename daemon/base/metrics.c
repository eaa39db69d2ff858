#include "base/metrics.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    CODES = 24, /* distinct status codes of one route */
    BUCKETS = 16
};

/* How a value is printed. Values that share a name are one family with different labels, and stand
 * next to each other in the enum. */
typedef struct value_info {
    const char *name, *type, *labels, *help;
} value_info;

static const value_info values[METRIC_VALUES] = {
    [METRIC_REQUESTS_RUNNING] = {"num_requests_running", "gauge", "", "Requests being computed."},
    [METRIC_REQUESTS_WAITING] = {"num_requests_waiting", "gauge", "", "Requests in the queue."},
    [METRIC_KV_BLOCKS] = {NULL, NULL, NULL, NULL}, /* behind kv_cache_usage_perc */
    [METRIC_KV_BLOCKS_USED] = {NULL, NULL, NULL, NULL},
    [METRIC_PREFIX_QUERIES] = {"prefix_cache_queries_total", "counter", "",
                               "Prompt tokens looked up in the prefix cache."},
    [METRIC_PREFIX_HITS] = {"prefix_cache_hits_total", "counter", "",
                            "Prompt tokens found in the prefix cache."},
    [METRIC_PROMPT_TOKENS] = {"prompt_tokens_total", "counter", "", "Prompt tokens taken in."},
    [METRIC_GENERATION_TOKENS] = {"generation_tokens_total", "counter", "", "Tokens sampled."},
    [METRIC_SUCCESS_STOP] = {"request_success_total", "counter", "{finished_reason=\"stop\"}",
                             "Choices finished, by reason."},
    [METRIC_SUCCESS_LENGTH] = {"request_success_total", "counter", "{finished_reason=\"length\"}",
                               NULL},
    [METRIC_CANCELLED_QUEUED] = {"requests_cancelled_total", "counter", "{stage=\"queued\"}",
                                 "Requests whose client left, by stage."},
    [METRIC_CANCELLED_PREFILL] = {"requests_cancelled_total", "counter", "{stage=\"prefill\"}",
                                  NULL},
    [METRIC_CANCELLED_DECODE] = {"requests_cancelled_total", "counter", "{stage=\"decode\"}", NULL},
    [METRIC_PREEMPTIONS] = {"num_preemptions_total", "counter", "",
                            "Sequences that gave their blocks back and start over."},
    [METRIC_PUBLISHES_OK] = {"publishes_total", "counter", "{result=\"ok\"}",
                             "Attempts to publish weights, by result."},
    [METRIC_PUBLISHES_REFUSED] = {"publishes_total", "counter", "{result=\"refused\"}", NULL},
    [METRIC_PUBLISHES_INVALID] = {"publishes_total", "counter", "{result=\"invalid\"}", NULL},
    [METRIC_PUBLISHES_NO_MEMORY] = {"publishes_total", "counter", "{result=\"no_memory\"}", NULL},
    [METRIC_PUBLISHES_UNAVAILABLE] = {"publishes_total", "counter", "{result=\"unavailable\"}",
                                      NULL},
    [METRIC_PUBLISHES_STALE] = {"publishes_total", "counter", "{result=\"stale\"}", NULL},
    [METRIC_JOBS_WEDGED] = {"jobs_wedged", "gauge", "", "Jobs whose plugin hangs."},
    [METRIC_LABELS_DEMO] = {"labels_total", "counter", "{kind=\"demo\"}",
                            "Labels taken in, by kind; a skip is one of its own."},
    [METRIC_LABELS_RANK] = {"labels_total", "counter", "{kind=\"rank\"}", NULL},
    [METRIC_LABELS_EVAL] = {"labels_total", "counter", "{kind=\"eval\"}", NULL},
    [METRIC_LABELS_SKIP] = {"labels_total", "counter", "{kind=\"skip\"}", NULL},
    [METRIC_VOTES] = {"votes_total", "counter", "", "Votes on two answers of the Playground."},
};

static const value_info reals[METRIC_REALS] = {
    [METRIC_TRAIN_STEP] = {"train_step", "gauge", "", "Step of the last metrics of a job."},
    [METRIC_TRAIN_LOSS] = {"train_loss", "gauge", "", "Loss at that step."},
    [METRIC_TRAIN_REWARD] = {"train_reward", "gauge", "", "Mean reward, divergence included."},
    [METRIC_TRAIN_KL] = {"train_kl", "gauge", "", "Divergence from the reference, nats."},
    [METRIC_TRAIN_SAMPLER_MISMATCH] = {"train_sampler_mismatch", "gauge", "",
                                       "Mean difference of sampler and trainer, nats."},
};

/* Upper bounds in seconds, ascending; +Inf is implied. */
typedef struct histogram_info {
    const char *name, *help;
    double bounds[BUCKETS];
} histogram_info;

#define SECONDS_LONG                                                                               \
    {                                                                                              \
        0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160            \
    }
#define SECONDS_SHORT                                                                              \
    {                                                                                              \
        0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5,  \
            1, 5                                                                                   \
    }

static const histogram_info histograms[METRIC_HISTOGRAMS] = {
    [METRIC_TTFT_SECONDS] = {"time_to_first_token_seconds", "Arrival to first token.",
                             SECONDS_LONG},
    [METRIC_INTER_TOKEN_SECONDS] = {"inter_token_latency_seconds",
                                    "Between two tokens of a sequence.", SECONDS_SHORT},
    [METRIC_E2E_SECONDS] = {"e2e_request_latency_seconds", "Arrival to last token.", SECONDS_LONG},
    [METRIC_QUEUE_SECONDS] = {"request_queue_time_seconds", "Time waiting.", SECONDS_LONG},
    [METRIC_PREFILL_SECONDS] = {"request_prefill_time_seconds", "Admission to first token.",
                                SECONDS_LONG},
    [METRIC_DECODE_SECONDS] = {"request_decode_time_seconds", "First token to last.", SECONDS_LONG},
    [METRIC_PUBLISH_SECONDS] = {"publish_seconds", "Weights to a policy that serves.",
                                SECONDS_LONG},
};

typedef struct histogram {
    atomic_uint_least64_t buckets[BUCKETS + 1]; /* (a) not cumulative; the last is +Inf */
    atomic_uint_least64_t sum_us;               /* (a) */
} histogram;

typedef struct route_count {
    const char *name; /* (l) static */
    struct {
        int code;
        uint64_t count;
    } codes[CODES]; /* (l) */
} route_count;

struct metrics {
    atomic_int_least64_t values[METRIC_VALUES]; /* (a) */
    _Atomic double reals[METRIC_REALS];         /* (a) */
    histogram histograms[METRIC_HISTOGRAMS];
    route_count routes[METRIC_ROUTES]; /* (l) */
};

metrics *metrics_create(void)
{
    metrics *m = calloc(1, sizeof *m);
    for (int i = 0; m && i < METRIC_REALS; i++)
        atomic_init(&m->reals[i], NAN);
    return m;
}

void metrics_free(metrics *m)
{
    free(m);
}

void metrics_add(metrics *m, metric_value value, int64_t delta)
{
    atomic_fetch_add_explicit(&m->values[value], delta, memory_order_relaxed);
}

void metrics_set(metrics *m, metric_value value, int64_t to)
{
    atomic_store_explicit(&m->values[value], to, memory_order_relaxed);
}

int64_t metrics_get(const metrics *m, metric_value value)
{
    return atomic_load_explicit(&m->values[value], memory_order_relaxed);
}

void metrics_set_real(metrics *m, metric_real value, double to)
{
    atomic_store_explicit(&m->reals[value], to, memory_order_relaxed);
}

void metrics_observe(metrics *m, metric_histogram which, double seconds)
{
    histogram *h = &m->histograms[which];
    const double *bounds = histograms[which].bounds;
    double s = seconds > 0 ? seconds : 0;
    unsigned i = 0;
    while (i < BUCKETS && s > bounds[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, (uint64_t)(s * 1e6 + 0.5), memory_order_relaxed);
}

void metrics_http(metrics *m, unsigned route, const char *route_name, int code)
{
    if (route >= METRIC_ROUTES)
        return;
    route_count *r = &m->routes[route];
    r->name = route_name;
    for (int i = 0; i < CODES; i++)
        if (r->codes[i].code == code || r->codes[i].code == 0) {
            r->codes[i].code = code;
            r->codes[i].count++;
            return;
        }
}

static void write_family(buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP instructd_%s %s\n# TYPE instructd_%s %s\n", name, help, name, type);
}

static void write_values(const metrics *m, buf *out)
{
    for (int i = 0; i < METRIC_VALUES; i++) {
        const value_info *v = &values[i];
        if (!v->name)
            continue;
        if (v->help)
            write_family(out, v->name, v->type, v->help);
        buf_printf(out, "instructd_%s%s %lld\n", v->name, v->labels,
                   (long long)metrics_get(m, (metric_value)i));
    }
    int64_t blocks = metrics_get(m, METRIC_KV_BLOCKS);
    int64_t used = metrics_get(m, METRIC_KV_BLOCKS_USED);
    write_family(out, "kv_cache_usage_perc", "gauge", "Share of KV blocks in use, 0 to 1.");
    buf_printf(out, "instructd_kv_cache_usage_perc %.6g\n",
               blocks > 0 ? (double)used / (double)blocks : 0.0);
}

static void write_reals(const metrics *m, buf *out)
{
    for (int i = 0; i < METRIC_REALS; i++) {
        double v = atomic_load_explicit(&m->reals[i], memory_order_relaxed);
        write_family(out, reals[i].name, reals[i].type, reals[i].help);
        if (isfinite(v))
            buf_printf(out, "instructd_%s %.9g\n", reals[i].name, v);
        else
            buf_printf(out, "instructd_%s %s\n", reals[i].name,
                       isnan(v) ? "NaN" : (v > 0 ? "+Inf" : "-Inf"));
    }
}

static void write_histogram(const histogram *h, const histogram_info *info, buf *out)
{
    uint64_t total = 0;
    write_family(out, info->name, "histogram", info->help);
    for (int i = 0; i < BUCKETS; i++) {
        total += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        buf_printf(out, "instructd_%s_bucket{le=\"%g\"} %llu\n", info->name, info->bounds[i],
                   (unsigned long long)total);
    }
    total += atomic_load_explicit(&h->buckets[BUCKETS], memory_order_relaxed);
    uint64_t sum_us = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
    buf_printf(out, "instructd_%s_bucket{le=\"+Inf\"} %llu\n", info->name,
               (unsigned long long)total);
    buf_printf(out, "instructd_%s_sum %.6f\ninstructd_%s_count %llu\n", info->name,
               (double)sum_us / 1e6, info->name, (unsigned long long)total);
}

void metrics_write(const metrics *m, buf *out)
{
    write_values(m, out);
    write_reals(m, out);
    write_family(out, "http_requests_total", "counter", "Replies by route and status.");
    for (int r = 0; r < METRIC_ROUTES; r++)
        for (int i = 0; m->routes[r].name && i < CODES && m->routes[r].codes[i].code; i++)
            buf_printf(out, "instructd_http_requests_total{route=\"%s\",code=\"%d\"} %llu\n",
                       m->routes[r].name, m->routes[r].codes[i].code,
                       (unsigned long long)m->routes[r].codes[i].count);
    for (int i = 0; i < METRIC_HISTOGRAMS; i++)
        write_histogram(&m->histograms[i], &histograms[i], out);
}
