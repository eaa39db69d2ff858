#include "rlhf/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(((eng_error *)0)->text) >= INSTRUCTD_ERROR_BYTES,
               "the host writes its errors straight into an eng_error");

enum { LINE_BYTES = 512 };

/* ---- codes ---- */

job_code code_of(eng_status status)
{
    switch (status) {
    case ENG_OK:
        return INSTRUCTD_OK;
    case ENG_IO:
        return INSTRUCTD_E_IO;
    case ENG_UNSUPPORTED:
        return INSTRUCTD_E_UNSUPPORTED;
    case ENG_NOMEM:
    case ENG_FULL:
        return INSTRUCTD_E_NOMEM;
    case ENG_FORMAT:
    case ENG_INVALID:
        return INSTRUCTD_E_INVALID;
    }
    return INSTRUCTD_E_INTERNAL;
}

job_code code_fail(eng_error *err, job_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return code;
}

/* ---- threads ---- */

static void run_on_pool(void *ctx, uint32_t n, eng_task_fn *fn, void *arg)
{
    const instructd_host *table = ctx;
    table->pool_run(table, n, fn, arg);
}

void job_host_init(job_host *out, const instructd_host *table, instructd_job *job)
{
    uint32_t width = table->pool_width(table);
    *out = (job_host){
        .table = table,
        .job = job,
        .parallel = {.ctx = (void *)(uintptr_t)table, .width = width, .run = run_on_pool}};
}

bool host_stopping(const job_host *host)
{
    return host->table->stop_requested(host->job) != 0;
}

job_code host_go_on(const job_host *host, eng_error *err)
{
    return host_stopping(host) ? code_fail(err, INSTRUCTD_E_STOPPED, "the job is being stopped")
                               : INSTRUCTD_OK;
}

bool host_pausing(const job_host *host)
{
    return host->table->pause_requested(host->job) != 0;
}

/* ---- what is told ---- */

void host_event(const job_host *host, int level, const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    host->table->event(host->job, level, line, NULL);
}

void host_metrics(const job_host *host, uint64_t step, const instructd_metric *values, uint32_t n)
{
    host->table->metrics(host->job, step, values, n);
}

void host_progress(const job_host *host, uint64_t done, uint64_t total, uint64_t trained_tokens)
{
    host->table->progress(host->job, done, total, trained_tokens);
}

/* ---- data and policies ---- */

job_code host_file_open(const job_host *host, const char *file_id, int *fd, eng_error *err)
{
    *fd = host->table->file_open(host->job, file_id, err->text);
    return *fd < 0 ? INSTRUCTD_E_NOT_FOUND : INSTRUCTD_OK;
}

job_code host_policy_find(const job_host *host, const char *name, host_policy *out, eng_error *err)
{
    job_code code = host->table->policy_resolve(host->job, name, out->id, err->text);
    if (code != INSTRUCTD_OK)
        return code;
    return host->table->policy_path(host->job, out->id, out->path, sizeof out->path, err->text);
}

void host_policy_release(const job_host *host, const char *id)
{
    if (INSTRUCTD_HAS(host->table, instructd_host, policy_release))
        host->table->policy_release(host->job, id);
}

job_code host_checkpoint_dir(const job_host *host, char *path, eng_error *err)
{
    return host->table->checkpoint_dir(host->job, path, HOST_PATH_BYTES, err->text);
}

/* ---- sampling and scoring ---- */

bool host_sampler_is_narrow(const job_host *host)
{
    const instructd_host *t = host->table;
    return !INSTRUCTD_HAS(t, instructd_host, sampler_dtype) || strcmp(t->sampler_dtype, "f32") != 0;
}

job_code host_sampler_load(const job_host *host, const instructd_weights *weights,
                           char id[INSTRUCTD_POLICY_ID_BYTES], eng_error *err)
{
    return host->table->sampler_load(host->job, weights, id, err->text);
}

void host_sampler_free(const job_host *host, const char *id)
{
    host->table->sampler_free(host->job, id);
}

static bool as_asked(const instructd_rollout_request *request, const instructd_rollouts *got)
{
    uint32_t i = 0;
    for (uint32_t p = 0; p < request->n_prompts; p++) {
        for (uint32_t s = 0; s < request->prompts[p].n_samples; s++, i++) {
            if (i >= got->n)
                return false;
            const instructd_rollout *r = &got->rollouts[i];
            if (r->prompt != p || r->sample != s || r->n_tokens < 1 ||
                r->n_tokens > request->max_tokens)
                return false;
        }
    }
    return i == got->n;
}

/* What the host gave, if it is what was asked for. */
static job_code checked(const job_host *host, const instructd_rollout_request *request,
                        const instructd_rollouts **out, job_code code, eng_error *err)
{
    if (code != INSTRUCTD_OK || as_asked(request, *out))
        return code;
    host_rollouts_free(host, *out);
    return code_fail(err, INSTRUCTD_E_INTERNAL,
                     "the host's rollouts are not those asked for: expected %u prompts' samples in "
                     "order, each of 1 to %u tokens",
                     request->n_prompts, request->max_tokens);
}

job_code host_generate(const job_host *host, const instructd_rollout_request *request,
                       const instructd_rollouts **out, eng_error *err)
{
    job_code code = host->table->generate(host->job, request, out, err->text);
    return checked(host, request, out, code, err);
}

bool host_draws_beside(const job_host *host)
{
    const instructd_host *t = host->table;
    return INSTRUCTD_HAS(t, instructd_host, generate_begin) &&
           INSTRUCTD_HAS(t, instructd_host, generate_wait);
}

job_code host_generate_begin(const job_host *host, const instructd_rollout_request *request,
                             eng_error *err)
{
    return host->table->generate_begin(host->job, request, err->text);
}

job_code host_generate_wait(const job_host *host, const instructd_rollout_request *request,
                            const instructd_rollouts **out, eng_error *err)
{
    job_code code = host->table->generate_wait(host->job, out, err->text);
    return checked(host, request, out, code, err);
}

void host_rollouts_free(const job_host *host, const instructd_rollouts *rollouts)
{
    host->table->rollouts_free(host->job, rollouts);
}

job_code host_reward_http(const job_host *host, const char *name, uint32_t n,
                          const char *const *prompts, const char *const *completions,
                          double *scores, eng_error *err)
{
    return host->table->reward_http(host->job, name, n, prompts, completions, scores, err->text);
}

job_code host_publish(const job_host *host, const instructd_publish *publish,
                      char id[INSTRUCTD_POLICY_ID_BYTES], eng_error *err)
{
    return host->table->publish(host->job, publish, id, err->text);
}
