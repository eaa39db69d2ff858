/* The daemon's counters, gauges and histograms, as GET /metrics gives them. One enum names them,
 * one table in metrics.c says how they are printed. All updates are relaxed atomics: any thread, no
 * lock. */
#ifndef DAEMON_BASE_METRICS_H
#define DAEMON_BASE_METRICS_H

#include "base/buf.h"

#include <stdint.h>

typedef enum metric_value { /* counters (_total) and gauges */
                            METRIC_REQUESTS_RUNNING,
                            METRIC_REQUESTS_WAITING,
                            METRIC_KV_BLOCKS,      /* gauges behind kv_cache_usage_perc */
                            METRIC_KV_BLOCKS_USED, /* held by live sequences */
                            METRIC_PREFIX_QUERIES,
                            METRIC_PREFIX_HITS,
                            METRIC_PROMPT_TOKENS,
                            METRIC_GENERATION_TOKENS,
                            METRIC_SUCCESS_STOP,
                            METRIC_SUCCESS_LENGTH,
                            METRIC_CANCELLED_QUEUED,
                            METRIC_CANCELLED_PREFILL,
                            METRIC_CANCELLED_DECODE,
                            METRIC_PREEMPTIONS,
                            METRIC_PUBLISHES_OK,
                            METRIC_PUBLISHES_REFUSED,
                            METRIC_PUBLISHES_INVALID,
                            METRIC_PUBLISHES_NO_MEMORY,
                            METRIC_PUBLISHES_UNAVAILABLE,
                            METRIC_PUBLISHES_STALE,
                            METRIC_JOBS_WEDGED,
                            METRIC_LABELS_DEMO,
                            METRIC_LABELS_RANK,
                            METRIC_LABELS_EVAL,
                            METRIC_LABELS_SKIP,
                            METRIC_VOTES,
                            METRIC_VALUES
} metric_value;

typedef enum metric_real { /* gauges that are no whole numbers; NaN until they are set */
                           METRIC_TRAIN_STEP,
                           METRIC_TRAIN_LOSS,
                           METRIC_TRAIN_REWARD,
                           METRIC_TRAIN_KL,
                           METRIC_TRAIN_SAMPLER_MISMATCH,
                           METRIC_REALS
} metric_real;

typedef enum metric_histogram {
    METRIC_TTFT_SECONDS,
    METRIC_INTER_TOKEN_SECONDS,
    METRIC_E2E_SECONDS,
    METRIC_QUEUE_SECONDS,
    METRIC_PREFILL_SECONDS,
    METRIC_DECODE_SECONDS,
    METRIC_PUBLISH_SECONDS,
    METRIC_HISTOGRAMS
} metric_histogram;

enum { METRIC_ROUTES = 128 }; /* places of http_requests_total */

typedef struct metrics metrics;

metrics *metrics_create(void);
void metrics_free(metrics *m);
void metrics_add(metrics *m, metric_value value, int64_t delta);
void metrics_set(metrics *m, metric_value value, int64_t to);
int64_t metrics_get(const metrics *m, metric_value value);
void metrics_set_real(metrics *m, metric_real value, double to);
void metrics_observe(metrics *m, metric_histogram histogram, double seconds);
/* http_requests_total{route,code}; route is an index the route table hands out, below
 * METRIC_ROUTES. [loop] */
void metrics_http(metrics *m, unsigned route, const char *route_name, int code);
/* Prometheus text format. [loop] */
void metrics_write(const metrics *m, buf *out);

#endif
