/* A host for plugins, in the test's process: data files and policies that the test gives, rollouts
 * by the engine's runtime, publishes into the test's directory, and a record of all that was told.
 *
 * What a real host does on other threads is done within the call. Strings handed in are copied.
 * A failure of the mock itself fails the running test. */
#ifndef TESTS_SUPPORT_MOCK_HOST_H
#define TESTS_SUPPORT_MOCK_HOST_H

#include "base/parallel.h"
#include "engine.h"
#include "instructd_plugin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mock_host mock_host;

typedef struct mock_options {
    const char *dir;              /* e.g. test_dir(): policies and checkpoints go below it */
    const eng_parallel *parallel; /* the training threads; NULL: the caller's alone */
    eng_serve_type sampler;       /* of rollouts; ENG_SERVE_AS_FILE means f32 */
    float sampler_noise; /* sampler_load weights are each off by this relative deviation, as
                            a coarse quantisation would have them */
    bool never_end;      /* end tokens are tokens like all others: every rollout is as long
                            as max_tokens */
} mock_options;

mock_host *mock_host_create(const mock_options *options);
void mock_host_free(mock_host *m);
const instructd_host *mock_host_table(mock_host *m);
instructd_job *mock_host_job(mock_host *m);

/* ---- what the host has ---- */

void mock_host_file(mock_host *m, const char *id, const char *text);
/* A model under a name (and later its id, which is returned and lives as long as m). */
const char *mock_host_policy(mock_host *m, const char *name, const char *path);
/* The endpoint that "http:NAME" stands for. */
typedef double mock_score(void *ctx, const char *prompt, const char *completion);
void mock_host_endpoint(mock_host *m, mock_score *score, void *ctx);

/* ---- running a job ---- */

typedef struct mock_job {
    const char *method, *model; /* model: a name given to mock_host_policy */
    const char *training_file, *validation_file;
    const char *method_json; /* NULL: {} */
    const char *publish_json;
    uint64_t seed;
    bool resumed;
} mock_job;

/* Check, then run if check accepts; the plugin's code, with err and (of check) param. */
int mock_host_run(mock_host *m, const mock_job *job, char param[64], char err[512]);
int mock_host_check(mock_host *m, const mock_job *job, char param[64], char err[512]);
/* mock_host_run that must end well. */
void mock_host_must_run(mock_host *m, const mock_job *job);
/* Runs it until it pauses after that step; from then on it is a job that goes on. */
void mock_host_must_pause(mock_host *m, mock_job *job, uint64_t step);

/* ---- interfering ---- */

/* stop_requested says yes from its n-th call on, counted from now; 0: never. */
void mock_host_stop_at_poll(mock_host *m, uint64_t n);
/* pause_requested says yes once metrics of this step have come; 0: never. */
void mock_host_pause_at_step(mock_host *m, uint64_t step);
/* The next n publishes that move an alias are refused, or fail with this code. */
void mock_host_refuse(mock_host *m, uint32_t n);
void mock_host_fail_publishes(mock_host *m, uint32_t n, int code);

/* ---- what was told ---- */

uint64_t mock_host_polls(const mock_host *m); /* calls of stop_requested so far */
uint64_t mock_host_last_step(const mock_host *m);
/* A value of a metrics row; NAN when it was not told. */
double mock_host_metric(const mock_host *m, uint64_t step, const char *name);
/* Lines that contain it: is there one, how many. */
bool mock_host_had_event(const mock_host *m, const char *part);
uint32_t mock_host_events(const mock_host *m, const char *part);
uint32_t mock_host_samplers(const mock_host *m); /* loaded and not freed */

typedef struct mock_publish {
    char id[INSTRUCTD_POLICY_ID_BYTES];
    const char *path; /* a checkpoint directory */
    char alias[64], stage[16], parent[80], reward_model[80];
    double kl_coef, ptx_coef;
    uint64_t step;
    bool refused;
    uint32_t n_measured;
    struct {
        char name[32];
        double value;
    } measured[8];
} mock_publish;
uint32_t mock_host_publishes(const mock_host *m);
const mock_publish *mock_host_publish(const mock_host *m, uint32_t i);
/* Has the job asked for the policy and not let it go? */
bool mock_host_needs(const mock_host *m, const char *id);
double mock_publish_measured(const mock_publish *p, const char *name); /* NAN: not measured */

#endif
