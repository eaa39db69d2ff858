/* A method whose every turn a test can choose: it counts its steps, and does on the way what its
 * hyperparameters say. What it counts survives restarts in its checkpoint directory. */
#include "instructd_plugin.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char schema[] =
    "{\"type\":\"object\",\"description\":\"counts to n_steps\",\"properties\":{"
    "\"hyperparameters\":{\"type\":\"object\",\"properties\":{"
    "\"n_steps\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000000,\"default\":3},"
    "\"step_ms\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":60000,\"default\":0},"
    "\"at_step\":{\"type\":\"integer\",\"minimum\":0,\"default\":1}}},"
    "\"deed\":{\"type\":\"string\",\"default\":\"none\",\"enum\":"
    "[\"none\",\"refuse\",\"fail\",\"hang\",\"spin\",\"hang_in_check\",\"stop\",\"crash\","
    "\"publish\","
    "\"sample\"],"
    "\"description\":\"what happens in check, or at at_step\"}},"
    "\"x-training-formats\":[\"lines\"],\"x-result-scores\":false}";

static uint64_t number_of(const instructd_job_spec *spec, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(spec->method_json, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static int does(const instructd_job_spec *spec, const char *deed)
{
    char text[64];
    snprintf(text, sizeof text, "\"deed\":\"%s\"", deed);
    return strstr(spec->method_json, text) != NULL;
}

static void sleep_ms(uint64_t ms)
{
    const struct timespec t = {.tv_sec = (time_t)(ms / 1000),
                               .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* Deaf, asleep or busy, until a file "wake" lies in the job's directory, so that a test can end it.
 */
static int hang(const instructd_host *host, instructd_job *job, int asleep, char *err)
{
    char path[4096];
    int rc = host->checkpoint_dir(job, path, sizeof path - 8, err);
    strcat(path, "/wake");
    while (rc == INSTRUCTD_OK && access(path, F_OK) != 0)
        if (asleep)
            sleep_ms(2);
    return rc == INSTRUCTD_OK ? INSTRUCTD_E_STOPPED : rc;
}

static int check(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
                 char *param, char *err)
{
    char line[16] = "";
    int fd = host->file_open(job, spec->training_file, err);
    if (fd < 0)
        return INSTRUCTD_E_NOT_FOUND;
    ssize_t n = read(fd, line, sizeof line - 1);
    close(fd);
    if (n <= 0 || does(spec, "refuse")) {
        strcpy(param, "training_file");
        snprintf(err, INSTRUCTD_ERROR_BYTES, "line 1: expected \"step\", found \"%s\"", line);
        return INSTRUCTD_E_INVALID;
    }
    return does(spec, "hang_in_check") ? hang(host, job, 1, err) : INSTRUCTD_OK;
}

static const float one = 1;
static const instructd_tensor tensor = {.name = "one", .data = &one, .n = 1};

static instructd_weights weights_of(const instructd_job_spec *spec)
{
    return (instructd_weights){.size = sizeof(instructd_weights),
                               .n_tensors = 1,
                               .tensors = &tensor,
                               .base_policy = spec->model};
}

/* A refusal by a gate is no reason to end. */
static int publish(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
                   char *err)
{
    char id[INSTRUCTD_POLICY_ID_BYTES];
    const instructd_metric measured[] = {{"kl_ref", 3}, {"lm_loss_rise", 0.01}, {"seconds", 1.5}};
    const instructd_publish p = {.size = sizeof p,
                                 .n_measured = 3,
                                 .weights = weights_of(spec),
                                 .stage = "ppo",
                                 .alias = spec->publish_json ? "instruct" : NULL,
                                 .measured = measured,
                                 .parent = spec->model,
                                 .kl_coef = 0.02,
                                 .ptx_coef = 0.0 / 0.0,
                                 .step = number_of(spec, "at_step")};
    int rc = host->publish(job, &p, id, err);
    return rc == INSTRUCTD_E_REFUSED ? INSTRUCTD_OK : rc;
}

/* Two samplers, and a third that there is no place for. The host takes back what is left. */
static int sample(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
                  char *err)
{
    char id[INSTRUCTD_POLICY_ID_BYTES];
    const instructd_weights weights = weights_of(spec);
    int rc = host->sampler_load(job, &weights, id, err);
    if (rc == INSTRUCTD_OK)
        rc = host->sampler_load(job, &weights, id, err);
    if (rc != INSTRUCTD_OK)
        return rc;
    if (host->sampler_load(job, &weights, id, err) != INSTRUCTD_E_INVALID)
        return INSTRUCTD_E_INTERNAL;
    host->sampler_free(job, id);
    return host->sampler_load(job, &weights, id, err);
}

/* Names two models and keeps the first. */
static int look(const instructd_host *host, instructd_job *job, char *err)
{
    char id[INSTRUCTD_POLICY_ID_BYTES];
    int rc = host->policy_resolve(job, "pol_000000000000000a", id, err);
    if (rc == INSTRUCTD_OK)
        rc = host->policy_resolve(job, "pol_000000000000000b", id, err);
    if (rc == INSTRUCTD_OK)
        host->policy_release(job, id);
    return rc;
}

static int do_deed(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
                   char *err)
{
    if (does(spec, "fail")) {
        snprintf(err, INSTRUCTD_ERROR_BYTES, "step %llu: the loss is not finite",
                 (unsigned long long)number_of(spec, "at_step"));
        return INSTRUCTD_E_NOT_FINITE;
    }
    if (does(spec, "stop"))
        return INSTRUCTD_E_STOPPED;
    if (does(spec, "crash"))
        raise(SIGSEGV);
    if (does(spec, "publish"))
        return publish(host, job, spec, err);
    if (does(spec, "sample"))
        return sample(host, job, spec, err);
    if (does(spec, "look"))
        return look(host, job, err);
    if (does(spec, "spin"))
        return hang(host, job, 0, err);
    return does(spec, "hang") ? hang(host, job, 1, err) : INSTRUCTD_OK;
}

static unsigned long long load(const char *path)
{
    unsigned long long step = 0;
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%llu", &step) != 1)
        step = 0;
    if (file)
        fclose(file);
    return step;
}

static void save(const char *path, unsigned long long step)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return;
    fprintf(file, "%llu\n", step);
    fclose(file);
}

static int run(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
               char *err)
{
    char path[4096];
    uint64_t n = number_of(spec, "n_steps");
    int rc = host->checkpoint_dir(job, path, sizeof path - 8, err);
    strcat(path, "/step");
    uint64_t step = load(path);
    int fd = host->file_open(job, spec->training_file, err);
    if (fd < 0)
        return INSTRUCTD_E_NOT_FOUND;
    close(fd);
    if (spec->resumed)
        host->event(job, INSTRUCTD_LOG_INFO, "resumed", "{\"at\":1}");
    while (rc == INSTRUCTD_OK && step < n) {
        if (host->stop_requested(job))
            return INSTRUCTD_E_STOPPED;
        sleep_ms(number_of(spec, "step_ms"));
        step++;
        const instructd_metric values[] = {
            {"loss", 1.0 / (double)step}, {"reward", (double)step}, {"unknown", 0.0 / 0.0}};
        host->metrics(job, step, values, 3);
        host->progress(job, step, n, step * 10);
        save(path, step);
        if (step == number_of(spec, "at_step"))
            rc = do_deed(host, job, spec, err);
        if (rc == INSTRUCTD_OK && host->pause_requested(job))
            return INSTRUCTD_E_STOPPED;
    }
    return rc;
}

static int file_check(int fd, instructd_file_report *report)
{
    char text[256];
    ssize_t n = read(fd, text, sizeof text);
    if (n < 4 || memcmp(text, "step", 4) != 0) {
        snprintf(report->error, sizeof report->error, "line 1: expected \"step\"");
        return INSTRUCTD_E_UNSUPPORTED;
    }
    strcpy(report->format, "lines");
    for (ssize_t i = 0; i < n; i++)
        report->rows += text[i] == '\n';
    return INSTRUCTD_OK;
}

static const instructd_method method = {
    .size = sizeof method, .type = "echo_steps", .schema_json = schema, .check = check, .run = run};
static const instructd_method *const methods[] = {&method};
static const instructd_plugin plugin = {.size = sizeof plugin,
                                        .magic = INSTRUCTD_PLUGIN_MAGIC,
                                        .abi_major = INSTRUCTD_ABI_MAJOR,
                                        .abi_minor = INSTRUCTD_ABI_MINOR,
                                        .name = "echo",
                                        .version = "1.0",
                                        .n_methods = 1,
                                        .methods = methods,
                                        .file_check = file_check};

const instructd_plugin *instructd_plugin_entry(const instructd_host *host, char *err)
{
    (void)host, (void)err;
    return &plugin;
}
