#include "rlhf/job.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

enum { JOB_JSON_BYTES = 4 * 1024 * 1024, PARAM_BYTES = 64 };

static job_code refuse(char *param, const char *name, eng_error *err, const char *expected)
{
    snprintf(param, PARAM_BYTES, "%s", name);
    return code_fail(err, INSTRUCTD_E_INVALID, "%s: expected %s", name, expected);
}

static job_code read_publish(job *j, const char *text, char *param, eng_error *err)
{
    const eng_json *object;
    if (!text)
        return INSTRUCTD_OK;
    eng_status status = eng_json_parse(&object, text, strlen(text), &j->arena, err);
    if (status != ENG_OK)
        return code_of(status);
    j->publish.alias = eng_json_string(eng_json_get(object, "alias"));
    if (!j->publish.alias)
        return refuse(param, "publish.alias", err, "the name of an alias");
    const eng_json *every = eng_json_get(object, "every");
    if (every && every->type != ENG_JSON_NULL &&
        !eng_json_uint(every, 1, UINT64_C(1) << 32, &j->publish.every))
        return refuse(param, "publish.every", err, "a whole number from 1");
    const eng_json *weights = eng_json_get(object, "weights");
    const char *which =
        weights && weights->type != ENG_JSON_NULL ? eng_json_string(weights) : "ema";
    if (!which || (strcmp(which, "ema") != 0 && strcmp(which, "raw") != 0))
        return refuse(param, "publish.weights", err, "\"ema\" or \"raw\"");
    j->publish.raw = strcmp(which, "raw") == 0;
    return INSTRUCTD_OK;
}

/* What no single field can be blamed for alone. */
static job_code check_together(job *j, char *param, eng_error *err)
{
    const job_numbers *n = &j->numbers;
    if (!job_main_file(j))
        return refuse(param, "training_file", err, "a file: this method learns from one");
    if (j->method == JOB_PPO && n->batch_size % n->minibatch_size != 0)
        return refuse(param, "minibatch_size", err, "a divisor of batch_size");
    if (j->method == JOB_SUPERVISED && n->pretrain_fraction > 0 && !j->names.pretrain)
        return refuse(param, "pretrain", err, "a file: pretrain_fraction is above 0");
    if (job_reward_endpoint(j) && !job_reward_endpoint(j)[0])
        return refuse(param, "reward_model", err, "a name after http:");
    return INSTRUCTD_OK;
}

job_code job_read(job *out, job_method method, const instructd_host *host, instructd_job *handle,
                  const instructd_job_spec *spec, char *param, eng_error *err)
{
    const eng_json *object;
    *out = (job){.method = method,
                 .resumed = spec->resumed != 0,
                 .id = spec->id,
                 .model = spec->model,
                 .training_file = spec->training_file,
                 .validation_file = spec->validation_file,
                 .method_json = spec->method_json,
                 .seed = spec->seed};
    job_host_init(&out->host, host, handle);
    eng_arena_init(&out->arena, JOB_JSON_BYTES);
    param[0] = 0;
    eng_status status =
        eng_json_parse(&object, spec->method_json, strlen(spec->method_json), &out->arena, err);
    if (status == ENG_OK)
        status = schema_read(method, object, &out->numbers, &out->names, param, err);
    job_code code = code_of(status);
    if (code == INSTRUCTD_OK)
        code = read_publish(out, spec->publish_json, param, err);
    return code == INSTRUCTD_OK ? check_together(out, param, err) : code;
}

void job_free(job *j)
{
    eng_arena_free(&j->arena);
}

const char *job_main_file(const job *j)
{
    return j->names.prompts ? j->names.prompts : j->training_file;
}

const char *job_reward_endpoint(const job *j)
{
    const char *name = j->names.reward_model;
    return name && strncmp(name, "http:", 5) == 0 ? name + 5 : NULL;
}
