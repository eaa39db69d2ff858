/* A row of metrics being put together.
 *
 * Threads: the job's one thread, unless marked [any]. */
#ifndef RLHF_REPORT_H
#define RLHF_REPORT_H

#include "rlhf/host.h"

enum { REPORT_VALUES = 48 };

typedef struct report {
    instructd_metric values[REPORT_VALUES];
    uint32_t n;
} report;

/* `name` is a string that stays: a column of the job's metrics. A second value replaces the
 * first. */
void report_put(report *r, const char *name, double value);
void report_send(const report *r, const job_host *host, uint64_t step);

/* Seconds since some fixed moment, unmoved by the clock being set. [any] */
double monotonic_seconds(void);

#endif
