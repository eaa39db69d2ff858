#include "net/worker_job.h"

#include "base/limits.h"
#include "net/response.h"

#include <stdlib.h>

static void on_run(work *w)
{
    worker_job *job = (worker_job *)(void *)w;
    job->run(job);
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

static void on_done(work *w)
{
    assert_on_loop();
    worker_job *job = (worker_job *)(void *)w;
    if (!job->again || !job->x) {
        end(job);
        return;
    }
    job->again = false;
    w->kind = WORK_LONG;
    work_start(&job->service->workers, w);
}

static void on_gone(exchange *x)
{
    assert_on_loop();
    worker_job *job = x->work;
    job->x = NULL;
    if (work_cancel(&job->work))
        end(job);
}

bool worker_job_start(worker_job *job, service *s, exchange *x)
{
    _Static_assert(offsetof(worker_job, work) == 0, "on_run casts");
    if (s->jobs >= LIMIT_WORKER_JOBS) {
        response_fail(x, 429, "rate_limit_error", "queue_full", "too many requests are waiting");
        return false;
    }
    job->body = buf_take(&x->request->body, &job->len);
    if (!job->body)
        job->body = calloc(1, 1);
    if (!job->body) {
        response_fail(x, 503, "unavailable_error", "out_of_memory", "no memory for this request");
        return false;
    }
    job->service = s;
    job->work.run = on_run;
    job->work.done = on_done;
    s->jobs++;
    job->x = x;
    x->work = job;
    x->on_gone = on_gone;
    work_start(&s->workers, &job->work);
    return true;
}
