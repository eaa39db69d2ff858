#include "host/job_watch.h"

void job_watch_begin(job_watch *w, uint64_t life, int64_t now_ms, int64_t cpu_ms)
{
    w->life = life;
    w->since_ms = now_ms;
    w->since_cpu_ms = cpu_ms;
}

bool job_watch_is_silent(job_watch *w, uint64_t life, int64_t now_ms, int64_t cpu_ms)
{
    if (life != w->life)
        job_watch_begin(w, life, now_ms, cpu_ms);
    return cpu_ms - w->since_cpu_ms >= w->silent_cpu_ms || now_ms - w->since_ms >= w->silent_ms;
}
