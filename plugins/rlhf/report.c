#include "rlhf/report.h"

#include <assert.h>
#include <time.h>

void report_put(report *r, const char *name, double value)
{
    assert(r->n < REPORT_VALUES);
    r->values[r->n++] = (instructd_metric){.name = name, .value = value};
}

void report_send(const report *r, const job_host *host, uint64_t step)
{
    host_metrics(host, step, r->values, r->n);
}

double monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
