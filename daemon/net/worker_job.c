#include "net/worker_job.h"

#include "base/limits.h"
#include "base/thread_prompt.h"
#include "net/response.h"

#include <stdlib.h>

static void on_work(uv_work_t *work)
{
    thread_be_prompt();
    worker_job *job = (worker_job *)(void *)work;
    job->run(job);
}

static void on_work_done(uv_work_t *work, int status);

ON_LOOP static bool begin(worker_job *job)
{
    service *s = job->service;
    if (uv_queue_work(s->loop, &job->work, on_work, on_work_done) < 0)
        return false;
    s->manage_jobs += job->manages;
    return true;
}

ON_LOOP static void end(worker_job *job)
{
    job->service->jobs--;
    if (job->x) {
        job->x->work = NULL;
        job->x->on_gone = NULL;
    }
    job->finish(job);
    free(job->body);
    free(job);
}

/* ---- the line: who manages, while others do ---- */

ON_LOOP static void stand_in_line(worker_job *job)
{
    service *s = job->service;
    if (s->last_in_line)
        s->last_in_line->next = job;
    else
        s->first_in_line = job;
    s->last_in_line = job;
}

/* False: it does not stand there. */
ON_LOOP static bool leave_line(worker_job *job)
{
    service *s = job->service;
    worker_job *before = NULL, **at = &s->first_in_line;
    for (; *at && *at != job; at = &before->next)
        before = *at;
    if (!*at)
        return false;
    *at = job->next;
    if (s->last_in_line == job)
        s->last_in_line = before;
    return true;
}

ON_LOOP static void call_next(service *s)
{
    worker_job *job = s->first_in_line;
    if (!job || s->manage_jobs >= LIMIT_MANAGE_JOBS || !begin(job))
        return;
    leave_line(job);
}

/* ---- on the loop ---- */

static void on_work_done(uv_work_t *work, int status)
{
    (void)status; /* a cancelled job has no x, and run made nothing */
    assert_on_loop();
    worker_job *job = (worker_job *)(void *)work;
    service *s = job->service;
    s->manage_jobs -= job->manages;
    end(job);
    call_next(s);
}

static void on_gone(exchange *x)
{
    assert_on_loop();
    worker_job *job = x->work;
    job->x = NULL;
    if (leave_line(job))
        end(job);
    else
        uv_cancel((uv_req_t *)&job->work); /* if it has not begun; on_work_done comes either way */
}

bool worker_job_start(worker_job *job, service *s, exchange *x)
{
    _Static_assert(offsetof(worker_job, work) == 0, "on_work casts");
    if (s->jobs >= LIMIT_WORKER_JOBS) {
        response_fail(x, 429, "rate_limit_error", "queue_full", "too many requests are waiting");
        return false;
    }
    job->service = s;
    job->body = buf_take(&x->request->body, &job->len);
    if (!job->body)
        job->body = calloc(1, 1);
    const bool waits = job->manages && s->manage_jobs >= LIMIT_MANAGE_JOBS;
    if (!job->body || (!waits && !begin(job))) {
        free(job->body);
        response_fail(x, 503, "unavailable_error", "out_of_memory", "no memory for this request");
        return false;
    }
    if (waits)
        stand_in_line(job);
    s->jobs++;
    job->x = x;
    x->work = job;
    x->on_gone = on_gone;
    return true;
}
