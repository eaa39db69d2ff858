/* The plugin's side of the ABI: its entry, its table, its methods. */
#include "instructd_plugin.h"
#include "rlhf/check.h"
#include "rlhf/file_check.h"
#include "rlhf/methods.h"
#include "rlhf/models.h"

#include <stdio.h>
#include <stdlib.h>

#define PLUGIN_VERSION "0.1.0"

static void give_error(char *err, const eng_error *why)
{
    snprintf(err, INSTRUCTD_ERROR_BYTES, "%s", why->text);
}

static int check(job_method method, const instructd_host *host, instructd_job *handle,
                 const instructd_job_spec *spec, char *param, char *err)
{
    job j;
    eng_error why = {{0}};
    job_code code = job_read(&j, method, host, handle, spec, param, &why);
    if (code == INSTRUCTD_OK)
        code = job_check(&j, param, &why);
    job_free(&j);
    give_error(err, &why);
    return code;
}

typedef job_code method_run(const job *j, eng_error *err);

static int run(job_method method, method_run *body, const instructd_host *host,
               instructd_job *handle, const instructd_job_spec *spec, char *err)
{
    job j;
    char param[64];
    eng_error why = {{0}};
    job_code code = job_read(&j, method, host, handle, spec, param, &why);
    if (code == INSTRUCTD_OK)
        code = models_fix(&j, &why);
    if (code == INSTRUCTD_OK)
        code = body(&j, &why);
    job_free(&j);
    give_error(err, &why);
    return code;
}

/* The ABI's callbacks carry no argument of ours: each method has a pair of its own. */
#define METHOD(name, method, body)                                                                 \
    static int check_##name(const instructd_host *host, instructd_job *handle,                     \
                            const instructd_job_spec *spec, char *param, char *err)                \
    {                                                                                              \
        return check(method, host, handle, spec, param, err);                                      \
    }                                                                                              \
    static int run_##name(const instructd_host *host, instructd_job *handle,                       \
                          const instructd_job_spec *spec, char *err)                               \
    {                                                                                              \
        return run(method, body, host, handle, spec, err);                                         \
    }                                                                                              \
    static instructd_method method_##name = {                                                      \
        .size = sizeof(instructd_method), .type = #name, .check = check_##name, .run = run_##name}

METHOD(pretrain, JOB_PRETRAIN, pretrain_run);
METHOD(supervised, JOB_SUPERVISED, supervised_run);
METHOD(reward_model, JOB_REWARD_MODEL, reward_model_run);
METHOD(ppo, JOB_PPO, ppo_run);

/* In the order of job_method. */
static instructd_method *const METHODS[] = {&method_pretrain, &method_supervised,
                                            &method_reward_model, &method_ppo};
enum { N_METHODS = sizeof METHODS / sizeof METHODS[0] };

static int check_file(int fd, instructd_file_report *report)
{
    data_format format;
    eng_error why;
    job_code code = file_check(fd, &format, &report->rows, &report->bad_line, &why);
    snprintf(report->format, sizeof report->format, "%s", data_format_name(format));
    give_error(report->error, &why);
    return code;
}

static void forget_schemas(void)
{
    for (int m = 0; m < N_METHODS; m++) {
        free((char *)(uintptr_t)METHODS[m]->schema_json);
        METHODS[m]->schema_json = NULL;
    }
}

static const instructd_plugin PLUGIN = {
    .size = sizeof(instructd_plugin),
    .magic = INSTRUCTD_PLUGIN_MAGIC,
    .abi_major = INSTRUCTD_ABI_MAJOR,
    .abi_minor = INSTRUCTD_ABI_MINOR,
    .name = "rlhf",
    .version = PLUGIN_VERSION,
    .n_methods = N_METHODS,
    .methods = (const instructd_method *const *)METHODS,
    .file_check = check_file,
    .shutdown = forget_schemas,
};

const instructd_plugin *instructd_plugin_entry(const instructd_host *host, char *err)
{
    (void)host;
    for (int m = 0; m < N_METHODS; m++) {
        if (!METHODS[m]->schema_json)
            METHODS[m]->schema_json = schema_json((job_method)m);
        if (!METHODS[m]->schema_json) {
            snprintf(err, INSTRUCTD_ERROR_BYTES, "no memory for the schema of %s",
                     METHODS[m]->type);
            forget_schemas();
            return NULL;
        }
    }
    return &PLUGIN;
}
