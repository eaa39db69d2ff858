/* The daemon as one job sees it: the host's table behind functions that report as the engine does.
 *
 * host.c and plugin.c are the only files that call through the ABI's tables; everybody else uses
 * its plain data (tensors, metrics, rollouts) and these functions.
 *
 * A result is a job_code: INSTRUCTD_OK or one of the ABI's INSTRUCTD_E_* codes, so that "stopped"
 * and "refused" travel beside real errors. err (never NULL here) says why.
 *
 * Threads: the job's one thread, unless marked [any]. */
#ifndef RLHF_HOST_H
#define RLHF_HOST_H

#include "base/parallel.h"
#include "base/status.h"
#include "instructd_plugin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int job_code;

/* The engine's refusal as a job_code; ENG_OK is INSTRUCTD_OK. [any] */
ENG_MUST_CHECK job_code code_of(eng_status status);
/* Fills err and returns the code, as eng_fail does. [any] */
job_code code_fail(eng_error *err, job_code code, const char *fmt, ...) ENG_PRINTF(3, 4);

typedef struct job_host {
    const instructd_host *table;
    instructd_job *job;
    eng_parallel parallel; /* the host's training threads */
} job_host;

/* `out` stays where it is while the job lives: `parallel` points into it. */
void job_host_init(job_host *out, const instructd_host *table, instructd_job *job);

/* Must the job leave now (between two micro-batches)? [any] */
bool host_stopping(const job_host *host);
/* The same as a code: INSTRUCTD_E_STOPPED, with err. Asked before every micro-batch and
 * every row read: it is also how a job shows that it lives. */
ENG_MUST_CHECK job_code host_go_on(const job_host *host, eng_error *err);
/* Must it leave after the checkpoint at the end of the step or iteration? [any] */
bool host_pausing(const job_host *host);

/* A line of the job's event list. */
void host_event(const job_host *host, int level, const char *fmt, ...) ENG_PRINTF(3, 4);
void host_metrics(const job_host *host, uint64_t step, const instructd_metric *values, uint32_t n);
void host_progress(const job_host *host, uint64_t done, uint64_t total, uint64_t trained_tokens);

/* An open descriptor, the caller's to close. */
ENG_MUST_CHECK job_code host_file_open(const job_host *host, const char *file_id, int *fd,
                                       eng_error *err);
/* A model's name to its policy id and where that policy's files lie. */
enum { HOST_PATH_BYTES = 4096 };
typedef struct host_policy {
    char id[INSTRUCTD_POLICY_ID_BYTES];
    char path[HOST_PATH_BYTES];
} host_policy;
ENG_MUST_CHECK job_code host_policy_find(const job_host *host, const char *name, host_policy *out,
                                         eng_error *err);
/* The job needs what it found no more; not for what its names stand for (models_fix). */
void host_policy_release(const job_host *host, const char *id);
/* path has HOST_PATH_BYTES. */
ENG_MUST_CHECK job_code host_checkpoint_dir(const job_host *host, char *path, eng_error *err);

/* Does the sampler compute with less than f32, so that its log-probs need importance weights? A
 * host that does not say is taken to. [any] */
bool host_sampler_is_narrow(const job_host *host);
ENG_MUST_CHECK job_code host_sampler_load(const job_host *host, const instructd_weights *weights,
                                          char id[INSTRUCTD_POLICY_ID_BYTES], eng_error *err);
void host_sampler_free(const job_host *host, const char *id);
/* *out is freed with host_rollouts_free. Checks what came back: as many rollouts as asked for, in
 * order, each of at least one token. */
ENG_MUST_CHECK job_code host_generate(const job_host *host,
                                      const instructd_rollout_request *request,
                                      const instructd_rollouts **out, eng_error *err);
/* The same in two halves, one at a time; only where host_draws_beside. */
ENG_MUST_CHECK job_code host_generate_begin(const job_host *host,
                                            const instructd_rollout_request *request,
                                            eng_error *err);
/* `request` is as begin had it; its policy and tokens are not looked at. */
ENG_MUST_CHECK job_code host_generate_wait(const job_host *host,
                                           const instructd_rollout_request *request,
                                           const instructd_rollouts **out, eng_error *err);
/* Can this host draw while the job computes? [any] */
bool host_draws_beside(const job_host *host);
void host_rollouts_free(const job_host *host, const instructd_rollouts *rollouts);
ENG_MUST_CHECK job_code host_reward_http(const job_host *host, const char *name, uint32_t n,
                                         const char *const *prompts, const char *const *completions,
                                         double *scores, eng_error *err);

ENG_MUST_CHECK job_code host_publish(const job_host *host, const instructd_publish *publish,
                                     char id[INSTRUCTD_POLICY_ID_BYTES], eng_error *err);

#endif
