/* Sampling and scoring on a job's behalf. */
#include "host/lent.h"

#include "host/train_job.h"
#include "host/reward_http.h"
#include "host/rollout.h"

#include <stdlib.h>
#include <string.h>

/* What draws belongs to run: a check must not wait for the cores. */
static int only_in_run(const instructd_job *job, char *err)
{
    return job->checking ? train_job_fail(err, INSTRUCTD_E_UNSUPPORTED,
                                          "sampling belongs to run, and this is check")
                         : INSTRUCTD_OK;
}

/* ---- policies in memory alone ---- */

typedef struct sampler_call {
    instructd_job *job;
    const instructd_weights *weights;
    char *id, *err;
} sampler_call;

static char *free_sampler(instructd_job *job)
{
    for (int i = 0; i < JOB_SAMPLERS; i++)
        if (!job->samplers[i][0])
            return job->samplers[i];
    return NULL;
}

static int do_sampler_load(void *arg)
{
    const sampler_call *c = arg;
    error_text why;
    publish_weights weights;
    char *id = free_sampler(c->job);
    if (only_in_run(c->job, c->err) != INSTRUCTD_OK)
        return INSTRUCTD_E_UNSUPPORTED;
    if (!id)
        return train_job_fail(c->err, INSTRUCTD_E_INVALID,
                              "sampler_load: expected at most %d at a time, found one more",
                              JOB_SAMPLERS);
    if (!train_job_weights(c->weights, &weights))
        return train_job_fail(c->err, INSTRUCTD_E_NOMEM, "out of memory");
    publish_result result = publisher_load_raw(c->job->rooms->publisher, &weights, id, &why);
    train_job_weights_free(&weights);
    if (result != PUBLISH_OK) {
        id[0] = 0;
        return train_job_fail(c->err, train_job_code_of(result), "%.400s", why.text);
    }
    memcpy(c->id, id, POLICY_ID_CHARS + 1);
    return INSTRUCTD_OK;
}

static int sampler_load(instructd_job *job, const instructd_weights *weights, char *id, char *err)
{
    sampler_call c = {job, weights, id, err};
    return train_job_call(job, do_sampler_load, &c, err);
}

static int do_sampler_free(void *arg)
{
    const sampler_call *c = arg;
    for (int i = 0; i < JOB_SAMPLERS; i++) {
        char *id = c->job->samplers[i];
        if (!id[0] || strcmp(id, c->id) != 0)
            continue;
        publisher_unload(c->job->rooms->publisher, id);
        id[0] = 0;
    }
    return INSTRUCTD_OK;
}

static void sampler_free(instructd_job *job, const char *id)
{
    char copy[POLICY_ID_CHARS + 1] = "";
    if (id)
        strncat(copy, id, POLICY_ID_CHARS);
    sampler_call c = {job, NULL, copy, NULL};
    train_job_call(job, do_sampler_free, &c, NULL);
}

/* ---- completions ---- */

typedef struct generate_call {
    instructd_job *job;
    const instructd_rollout_request *request;
    const instructd_rollouts **out;
    char *err;
} generate_call;

static int do_begin(void *arg)
{
    const generate_call *c = arg;
    error_text why;
    if (only_in_run(c->job, c->err) != INSTRUCTD_OK)
        return INSTRUCTD_E_UNSUPPORTED;
    if (!c->job->rooms->rollouts)
        return train_job_fail(c->err, INSTRUCTD_E_UNSUPPORTED, "this daemon draws no rollouts");
    /* A job's own model lies on disk alone, if nobody has asked for it since the last start. */
    publish_result there = publisher_ensure(c->job->rooms->publisher, c->request->policy, &why);
    if (there != PUBLISH_OK)
        return train_job_fail(c->err, train_job_code_of(there), "rollouts: %.400s", why.text);
    return rollout_begin(c->job->rooms->rollouts, c->request, c->err);
}

static int do_wait(void *arg)
{
    const generate_call *c = arg;
    if (!c->job->rooms->rollouts)
        return train_job_fail(c->err, INSTRUCTD_E_UNSUPPORTED, "this daemon draws no rollouts");
    if (only_in_run(c->job, c->err) != INSTRUCTD_OK)
        return INSTRUCTD_E_UNSUPPORTED;
    return rollout_wait(c->job->rooms->rollouts, train_job_is_ending, c->job, c->out, c->err);
}

static int do_generate(void *arg)
{
    int rc = do_begin(arg);
    return rc == INSTRUCTD_OK ? do_wait(arg) : rc;
}

static int generate_begin(instructd_job *job, const instructd_rollout_request *request, char *err)
{
    generate_call c = {.job = job, .request = request, .err = err};
    return train_job_call(job, do_begin, &c, err);
}

static int generate_wait(instructd_job *job, const instructd_rollouts **out, char *err)
{
    generate_call c = {.job = job, .out = out, .err = err};
    return train_job_call(job, do_wait, &c, err);
}

static int generate(instructd_job *job, const instructd_rollout_request *request,
                    const instructd_rollouts **out, char *err)
{
    generate_call c = {job, request, out, err};
    return train_job_call(job, do_generate, &c, err);
}

static void rollouts_free(instructd_job *job, const instructd_rollouts *rollouts)
{
    (void)job;
    rollout_free(rollouts);
}

/* ---- scores ---- */

typedef struct reward_call {
    instructd_job *job;
    const char *name;
    uint32_t n;
    const char *const *prompts, *const *completions;
    double *scores;
    char *err;
} reward_call;

static int do_reward(void *arg)
{
    const reward_call *c = arg;
    return reward_score(c->job->rooms->rewards, c->name, c->n, c->prompts, c->completions,
                        c->scores, train_job_is_ending, c->job, c->err);
}

static int reward_http(instructd_job *job, const char *name, uint32_t n, const char *const *prompts,
                       const char *const *completions, double *scores, char *err)
{
    reward_call c = {job, name, n, prompts, completions, scores, err};
    return train_job_call(job, do_reward, &c, err);
}

void lent_sample(instructd_host *abi)
{
    abi->sampler_load = sampler_load;
    abi->sampler_free = sampler_free;
    abi->generate = generate;
    abi->generate_begin = generate_begin;
    abi->generate_wait = generate_wait;
    abi->rollouts_free = rollouts_free;
    abi->reward_http = reward_http;
}
