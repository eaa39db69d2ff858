#include "host/train_job.h"

#include "host/rollout.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOT_CALLED = INT_MIN };

instructd_job *train_job_create(const jobs_options *rooms, job_holds *holds, job_thread *thread,
                                store_job *row, bool checking)
{
    instructd_job *job = calloc(1, sizeof *job);
    if (!job) {
        store_job_free(row);
        return NULL;
    }
    job->rooms = rooms;
    job->holds = holds;
    job->thread = thread;
    job->method = plugin_host_find(rooms->plugins, row->method);
    job->row = *row;
    job->checking = checking;
    atomic_init(&job->pause, row->pause_requested);
    return job;
}

void train_job_free(instructd_job *job)
{
    if (!job->checking && job->rooms->rollouts)
        rollout_cancel(job->rooms->rollouts);
    for (int i = 0; i < JOB_SAMPLERS; i++)
        if (job->samplers[i][0])
            publisher_unload(job->rooms->publisher, job->samplers[i]);
    for (size_t i = 0; i < job->n_digests; i++)
        free(job->digests[i]);
    store_job_free(&job->row);
    free(job);
}

int train_job_fail(char *err, int code, const char *fmt, ...)
{
    va_list args;
    if (!err)
        return code;
    va_start(args, fmt);
    vsnprintf(err, INSTRUCTD_ERROR_BYTES, fmt, args);
    va_end(args);
    return code;
}

int train_job_call(instructd_job *job, job_thread_fn *fn, void *args, char *err)
{
    atomic_fetch_add(&job->polls, 1);
    if (atomic_load(&job->barred))
        return train_job_fail(err, INSTRUCTD_E_STOPPED, "the job has been given up");
    int rc = job_thread_call(job->thread, fn, args, NOT_CALLED);
    if (rc == NOT_CALLED)
        return train_job_fail(err, INSTRUCTD_E_INTERNAL,
                              "only the thread that check or run was called on may call this");
    return rc;
}

int train_job_code_of(publish_result result)
{
    switch (result) {
    case PUBLISH_OK:
        return INSTRUCTD_OK;
    case PUBLISH_REFUSED:
    case PUBLISH_STALE: /* somebody moved the alias meanwhile, and has the last word */
    case PUBLISH_EXISTS:
    case PUBLISH_IN_USE:
        return INSTRUCTD_E_REFUSED;
    case PUBLISH_INVALID:
        return INSTRUCTD_E_INVALID;
    case PUBLISH_FULL: /* no room either, and no gate's word */
    case PUBLISH_NO_MEMORY:
        return INSTRUCTD_E_NOMEM;
    case PUBLISH_UNAVAILABLE:
        return INSTRUCTD_E_IO;
    case PUBLISH_NOT_FOUND:
        return INSTRUCTD_E_NOT_FOUND;
    case PUBLISH_LATER: /* no job asks for a move */
        break;
    }
    return INSTRUCTD_E_INTERNAL;
}

bool train_job_weights(const instructd_weights *weights, publish_weights *out)
{
    publish_tensor *tensors = calloc((size_t)weights->n_tensors + 1, sizeof *tensors);
    if (!tensors)
        return false;
    for (uint32_t i = 0; i < weights->n_tensors; i++) {
        const instructd_tensor *t = &weights->tensors[i];
        tensors[i] = (publish_tensor){.name = t->name, .data = t->data, .n = t->n};
    }
    *out = (publish_weights){
        .base_policy = weights->base_policy, .tensors = tensors, .n_tensors = weights->n_tensors};
    return true;
}

void train_job_weights_free(publish_weights *weights)
{
    free((void *)(uintptr_t)weights->tensors);
}

bool train_job_is_ending(void *arg)
{
    const instructd_job *job = arg;
    return atomic_load(&job->stop) || atomic_load(&job->barred);
}
