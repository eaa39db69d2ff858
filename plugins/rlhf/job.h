/* One job, read out of what the host hands over: who asked for what, with which numbers.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_JOB_H
#define RLHF_JOB_H

#include "base/arena.h"
#include "rlhf/host.h"
#include "rlhf/schema.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct job_publish {
    const char *alias; /* NULL: the job moves no alias */
    uint64_t every;    /* ppo: iterations between publishes; 0: at the end alone */
    bool raw;          /* publish the raw weights, not their moving average */
} job_publish;

/* All strings live until the host's call returns or job_free, whichever is first. */
typedef struct job {
    job_host host;
    job_method method;
    bool resumed;
    const char *id, *model;                      /* model: a policy id */
    const char *training_file, *validation_file; /* or NULL */
    const char *method_json;
    uint64_t seed;
    job_numbers numbers;
    job_names names;
    job_publish publish;
    eng_arena arena;
} job;

/* `out` stays where it is (see job_host_init) and is freed with job_free, also after a refusal;
 * param[64] receives the name of the field that is wrong, or "". */
ENG_MUST_CHECK job_code job_read(job *out, job_method method, const instructd_host *host,
                                 instructd_job *handle, const instructd_job_spec *spec, char *param,
                                 eng_error *err);
void job_free(job *job);

/* The file of prompts, of any method's rows: `prompts`, or the training file. */
const char *job_main_file(const job *job);
/* NAME when the reward model is the endpoint "http:NAME", else NULL. */
const char *job_reward_endpoint(const job *job);

#endif
