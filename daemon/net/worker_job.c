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

static void on_work_done(uv_work_t *work, int status)
{
    (void)status; /* a cancelled job has no x, and run made nothing */
    assert_on_loop();
    worker_job *job = (worker_job *)(void *)work;
    job->service->jobs--;
    if (job->x) {
        job->x->work = NULL;
        job->x->on_gone = NULL;
    }
    job->finish(job);
    free(job->body);
    free(job);
}

static void on_gone(exchange *x)
{
    worker_job *job = x->work;
    job->x = NULL;
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
    if (!job->body || uv_queue_work(s->loop, &job->work, on_work, on_work_done) < 0) {
        free(job->body);
        response_fail(x, 503, "unavailable_error", "out_of_memory", "no memory for this request");
        return false;
    }
    s->jobs++;
    job->x = x;
    x->work = job;
    x->on_gone = on_gone;
    return true;
}
