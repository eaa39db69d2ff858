#include "rlhf/report.h"

#include <assert.h>
#include <string.h>
#include <time.h>

void report_put(report *r, const char *name, double value)
{
    uint32_t i = 0;
    while (i < r->n && strcmp(r->values[i].name, name) != 0)
        i++;
    assert(i < REPORT_VALUES);
    r->n += i == r->n;
    r->values[i] = (instructd_metric){.name = name, .value = value};
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
