#include "mock_host.h"

#include "base/random.h"
#include "formats/checkpoint.h"
#include "harness.h"
#include "mock_sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_FILES = 16,
    MAX_POLICIES = 64,
    MAX_PUBLISHES = 256,
    MAX_EVENTS = 1024,
    PATH_BYTES = 512
};

typedef struct named_policy {
    char name[80], id[INSTRUCTD_POLICY_ID_BYTES], path[PATH_BYTES];
    bool needed; /* asked for and not let go */
} named_policy;

typedef struct metric_row {
    uint64_t step;
    char name[32];
    double value;
} metric_row;

struct mock_host {
    instructd_host table; /* first: the table is the host */
    char dir[PATH_BYTES];
    eng_parallel parallel;
    mock_options options;
    mock_sampler *sampler;
    struct {
        char id[64], path[PATH_BYTES];
    } files[MAX_FILES];
    uint32_t n_files;
    named_policy policies[MAX_POLICIES];
    uint32_t n_policies;
    mock_score *score;
    void *score_ctx;

    const instructd_rollouts *begun; /* of generate_begin, until generate_wait */

    uint64_t polls, stop_at, pause_at, last_step;
    uint32_t refusals;
    int refusal; /* the code */
    metric_row *metrics;
    size_t n_metrics, cap_metrics;
    char *events[MAX_EVENTS];
    uint32_t n_events;
    mock_publish publishes[MAX_PUBLISHES];
    uint32_t n_publishes;
};

/* The job's handle is the host: there is one job. */
static mock_host *of_job(instructd_job *job)
{
    return (mock_host *)(void *)job;
}

static mock_host *of_table(const instructd_host *table)
{
    return (mock_host *)(uintptr_t)table;
}

static int refuse(char *err, int code, const char *what, const char *name)
{
    snprintf(err, INSTRUCTD_ERROR_BYTES, "%.100s: %.380s", what, name);
    return code;
}

/* ---- stop and pause ---- */

static int stop_requested(instructd_job *job)
{
    mock_host *m = of_job(job);
    m->polls++;
    return m->stop_at && m->polls >= m->stop_at;
}

static int pause_requested(instructd_job *job)
{
    mock_host *m = of_job(job);
    return m->pause_at && m->last_step >= m->pause_at;
}

void mock_host_stop_at_poll(mock_host *m, uint64_t n)
{
    m->stop_at = n ? m->polls + n : 0;
}

void mock_host_pause_at_step(mock_host *m, uint64_t step)
{
    m->pause_at = step;
}

void mock_host_refuse(mock_host *m, uint32_t n)
{
    mock_host_fail_publishes(m, n, INSTRUCTD_E_REFUSED);
}

void mock_host_fail_publishes(mock_host *m, uint32_t n, int code)
{
    m->refusals = n;
    m->refusal = code;
}

uint64_t mock_host_polls(const mock_host *m)
{
    return m->polls;
}

/* ---- what is told ---- */

static void on_log(const instructd_host *host, int level, const char *message)
{
    (void)host, (void)level, (void)message;
}

static void on_event(instructd_job *job, int level, const char *message, const char *data_json)
{
    mock_host *m = of_job(job);
    (void)level, (void)data_json;
    if (m->n_events == MAX_EVENTS)
        FAIL("more than %d events", MAX_EVENTS);
    m->events[m->n_events++] = strdup(message);
}

static void add_metric(mock_host *m, uint64_t step, const instructd_metric *metric)
{
    if (m->n_metrics == m->cap_metrics) {
        m->cap_metrics = m->cap_metrics ? m->cap_metrics * 2 : 1024;
        m->metrics = realloc(m->metrics, m->cap_metrics * sizeof *m->metrics);
        if (!m->metrics)
            FAIL("no memory for %zu metrics", m->cap_metrics);
    }
    metric_row *row = &m->metrics[m->n_metrics++];
    row->step = step;
    row->value = metric->value;
    snprintf(row->name, sizeof row->name, "%s", metric->name);
}

static void on_metrics(instructd_job *job, uint64_t step, const instructd_metric *values,
                       uint32_t n)
{
    mock_host *m = of_job(job);
    m->last_step = step;
    for (uint32_t i = 0; i < n; i++)
        add_metric(m, step, &values[i]);
}

static void on_progress(instructd_job *job, uint64_t done, uint64_t total, uint64_t tokens)
{
    (void)job, (void)tokens;
    if (done > total)
        FAIL("progress: %llu of %llu steps", (unsigned long long)done, (unsigned long long)total);
}

uint64_t mock_host_last_step(const mock_host *m)
{
    return m->last_step;
}

double mock_host_metric(const mock_host *m, uint64_t step, const char *name)
{
    for (size_t i = m->n_metrics; i-- > 0;) /* a row told again replaces the one before */
        if (m->metrics[i].step == step && strcmp(m->metrics[i].name, name) == 0)
            return m->metrics[i].value;
    return NAN;
}

uint32_t mock_host_events(const mock_host *m, const char *part)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n_events; i++)
        n += strstr(m->events[i], part) != NULL;
    return n;
}

bool mock_host_had_event(const mock_host *m, const char *part)
{
    return mock_host_events(m, part) > 0;
}

/* ---- files and policies ---- */

void mock_host_file(mock_host *m, const char *id, const char *text)
{
    uint32_t i = 0;
    while (i < m->n_files && strcmp(m->files[i].id, id) != 0)
        i++;
    if (i == MAX_FILES)
        FAIL("more than %d files", MAX_FILES);
    if (i == m->n_files)
        m->n_files++;
    snprintf(m->files[i].id, sizeof m->files[i].id, "%s", id);
    snprintf(m->files[i].path, PATH_BYTES, "%.400s/%.64s.jsonl", m->dir, id);
    test_write_file(m->files[i].path, text, strlen(text));
}

static int file_open(instructd_job *job, const char *id, char *err)
{
    mock_host *m = of_job(job);
    for (uint32_t i = 0; i < m->n_files; i++)
        if (strcmp(m->files[i].id, id) == 0)
            return open(m->files[i].path, O_RDONLY | O_CLOEXEC);
    refuse(err, -1, "no such file", id);
    return -1;
}

static named_policy *find_policy(mock_host *m, const char *name)
{
    for (uint32_t i = m->n_policies; i-- > 0;)
        if (strcmp(m->policies[i].name, name) == 0 || strcmp(m->policies[i].id, name) == 0)
            return &m->policies[i];
    return NULL;
}

static named_policy *add_policy(mock_host *m, const char *name, const char *id, const char *path)
{
    if (m->n_policies == MAX_POLICIES)
        FAIL("more than %d policies", MAX_POLICIES);
    named_policy *p = &m->policies[m->n_policies++];
    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(p->id, sizeof p->id, "%s", id);
    snprintf(p->path, sizeof p->path, "%s", path);
    return p;
}

const char *mock_host_policy(mock_host *m, const char *name, const char *path)
{
    char digest[65], id[INSTRUCTD_POLICY_ID_BYTES];
    eng_error err;
    EXPECT_OK(eng_model_file_digest(path, digest, &err), err);
    snprintf(id, sizeof id, "pol_%.16s", digest);
    return add_policy(m, name, id, path)->id;
}

static int policy_resolve(instructd_job *job, const char *name, char *id, char *err)
{
    const named_policy *p = find_policy(of_job(job), name);
    if (!p)
        return refuse(err, INSTRUCTD_E_NOT_FOUND, "no such model", name);
    snprintf(id, INSTRUCTD_POLICY_ID_BYTES, "%s", p->id);
    return INSTRUCTD_OK;
}

static int policy_path(instructd_job *job, const char *id, char *path, size_t cap, char *err)
{
    named_policy *p = find_policy(of_job(job), id);
    if (!p)
        return refuse(err, INSTRUCTD_E_NOT_FOUND, "no such policy", id);
    snprintf(path, cap, "%s", p->path);
    p->needed = true;
    return INSTRUCTD_OK;
}

static void policy_release(instructd_job *job, const char *id)
{
    mock_host *m = of_job(job);
    for (uint32_t i = 0; i < m->n_policies; i++)
        if (strcmp(m->policies[i].id, id) == 0)
            m->policies[i].needed = false;
}

bool mock_host_needs(const mock_host *m, const char *id)
{
    bool needed = false;
    for (uint32_t i = 0; i < m->n_policies; i++)
        needed |= m->policies[i].needed && strcmp(m->policies[i].id, id) == 0;
    return needed;
}

static int checkpoint_dir(instructd_job *job, char *path, size_t cap, char *err)
{
    snprintf(path, cap, "%s/job", of_job(job)->dir);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return refuse(err, INSTRUCTD_E_IO, path, strerror(errno));
    return INSTRUCTD_OK;
}

/* ---- threads ---- */

static uint32_t pool_width(const instructd_host *host)
{
    return of_table(host)->parallel.width;
}

static void pool_run(const instructd_host *host, uint32_t n,
                     void (*fn)(void *arg, uint32_t i, uint32_t member), void *arg)
{
    const eng_parallel *p = &of_table(host)->parallel;
    p->run(p->ctx, n, fn, arg);
}

/* ---- sampling and scoring ---- */

/* The engine's view of the same list. */
static eng_weight *as_engine(const instructd_weights *weights, eng_weights *out)
{
    eng_weight *list = calloc(weights->n_tensors, sizeof *list);
    if (!list)
        FAIL("no memory for %u tensors", weights->n_tensors);
    for (uint32_t i = 0; i < weights->n_tensors; i++)
        list[i] =
            (eng_weight){weights->tensors[i].name, weights->tensors[i].data, weights->tensors[i].n};
    *out = (eng_weights){list, weights->n_tensors};
    return list;
}

/* The list then points into the block returned. The same deviations every time. */
static float *add_noise(const eng_weights *all, eng_weight *list, float noise)
{
    size_t n = 0, at = 0;
    for (uint32_t i = 0; i < all->n; i++)
        n += list[i].n;
    float *block = malloc(n * sizeof *block);
    if (!block)
        FAIL("no memory for %zu weights", n);
    eng__fill_normal(block, n, (double)noise, 1, 0);
    for (uint32_t i = 0; i < all->n; i++) {
        for (size_t k = 0; k < list[i].n; k++)
            block[at + k] = list[i].data[k] * (1 + block[at + k]);
        list[i].data = block + at;
        at += list[i].n;
    }
    return block;
}

static int sampler_load(instructd_job *job, const instructd_weights *weights, char *id, char *err)
{
    mock_host *m = of_job(job);
    const named_policy *base = find_policy(m, weights->base_policy);
    eng_weights all;
    eng_error why;
    if (!base)
        return refuse(err, INSTRUCTD_E_NOT_FOUND, "no such base policy", weights->base_policy);
    eng_weight *list = as_engine(weights, &all);
    float *noisy =
        m->options.sampler_noise != 0 ? add_noise(&all, list, m->options.sampler_noise) : NULL;
    eng_status status = mock_sampler_load(m->sampler, base->path, &all, id, &why);
    free(noisy);
    free(list);
    return status == ENG_OK ? INSTRUCTD_OK
                            : refuse(err, INSTRUCTD_E_INVALID, "sampler_load", why.text);
}

static void sampler_free(instructd_job *job, const char *id)
{
    mock_sampler_unload(of_job(job)->sampler, id);
}

uint32_t mock_host_samplers(const mock_host *m)
{
    return mock_sampler_loaded(m->sampler);
}

static int generate(instructd_job *job, const instructd_rollout_request *request,
                    const instructd_rollouts **out, char *err)
{
    mock_host *m = of_job(job);
    if (m->begun)
        return refuse(err, INSTRUCTD_E_INVALID, "one request at a time", request->policy);
    const named_policy *p = find_policy(m, request->policy);
    if (!mock_sampler_draw(m->sampler, p ? p->path : NULL, request, out))
        return refuse(err, INSTRUCTD_E_NOT_FOUND, "no such policy", request->policy);
    return INSTRUCTD_OK;
}

/* Draws at once: when is nobody's business but the clock's. */
static int generate_begin(instructd_job *job, const instructd_rollout_request *request, char *err)
{
    const instructd_rollouts *drawn;
    int code = generate(job, request, &drawn, err);
    if (code == INSTRUCTD_OK)
        of_job(job)->begun = drawn;
    return code;
}

static int generate_wait(instructd_job *job, const instructd_rollouts **out, char *err)
{
    mock_host *m = of_job(job);
    if (!m->begun)
        return refuse(err, INSTRUCTD_E_INVALID, "generate_wait", "nothing was begun");
    *out = m->begun;
    m->begun = NULL;
    return INSTRUCTD_OK;
}

/* The job is left. */
static void cancel_begun(mock_host *m)
{
    if (m->begun)
        mock_sampler_free_rollouts(m->begun);
    m->begun = NULL;
}

static void rollouts_free(instructd_job *job, const instructd_rollouts *rollouts)
{
    (void)job;
    mock_sampler_free_rollouts(rollouts);
}

static int reward_http(instructd_job *job, const char *name, uint32_t n, const char *const *prompts,
                       const char *const *completions, double *scores, char *err)
{
    mock_host *m = of_job(job);
    if (!m->score)
        return refuse(err, INSTRUCTD_E_NOT_FOUND, "no such endpoint", name);
    for (uint32_t i = 0; i < n; i++)
        scores[i] = m->score(m->score_ctx, prompts[i], completions[i]);
    return INSTRUCTD_OK;
}

void mock_host_endpoint(mock_host *m, mock_score *score, void *ctx)
{
    m->score = score;
    m->score_ctx = ctx;
}

/* ---- publishing ---- */

static void note_publish(mock_publish *p, const instructd_publish *publish)
{
    *p = (mock_publish){.kl_coef = publish->kl_coef,
                        .ptx_coef = publish->ptx_coef,
                        .step = publish->step,
                        .n_measured = publish->n_measured};
    snprintf(p->alias, sizeof p->alias, "%s", publish->alias ? publish->alias : "");
    snprintf(p->stage, sizeof p->stage, "%s", publish->stage);
    snprintf(p->parent, sizeof p->parent, "%s", publish->parent ? publish->parent : "");
    snprintf(p->reward_model, sizeof p->reward_model, "%s",
             publish->reward_model ? publish->reward_model : "");
    for (uint32_t i = 0; i < publish->n_measured && i < 8; i++) {
        snprintf(p->measured[i].name, sizeof p->measured[i].name, "%s", publish->measured[i].name);
        p->measured[i].value = publish->measured[i].value;
    }
}

/* Writes the directory under a temporary name, then under its id, unless that is there already. */
static eng_status write_policy(mock_host *m, const instructd_publish *publish, const char *base,
                               char *id, char *path, eng_error *err)
{
    static unsigned serial; /* of all hosts: several may share a directory */
    char temporary[PATH_BYTES];
    eng_weights all;
    eng_weight *list = as_engine(&publish->weights, &all);
    snprintf(temporary, sizeof temporary, "%.400s/tmp-%d-%u", m->dir, (int)getpid(), serial++);
    const eng_checkpoint_options options = {.stage = publish->stage, .parent = publish->parent};
    eng_status status = eng_checkpoint_write_weights(base, &all, temporary, &options, id, err);
    free(list);
    if (status != ENG_OK)
        return status;
    snprintf(path, PATH_BYTES, "%.400s/%s", m->dir, id);
    if (rename(temporary, path) != 0 && errno != ENOTEMPTY && errno != EEXIST)
        FAIL("rename to %s: %s", path, strerror(errno));
    return ENG_OK;
}

/* As the host does. */
static void tell_published(instructd_job *job, const instructd_publish *publish, const char *id)
{
    char line[256];
    snprintf(line, sizeof line,
             publish->alias ? "Step %llu: published %s as %s" : "Step %llu: kept as %s",
             (unsigned long long)publish->step, id, publish->alias);
    on_event(job, INSTRUCTD_LOG_INFO, line, NULL);
}

static int on_publish(instructd_job *job, const instructd_publish *publish, char *id, char *err)
{
    mock_host *m = of_job(job);
    char path[PATH_BYTES];
    eng_error why;
    const named_policy *base = find_policy(m, publish->weights.base_policy);
    if (m->n_publishes == MAX_PUBLISHES)
        FAIL("more than %d publishes", MAX_PUBLISHES);
    if (!base)
        return refuse(err, INSTRUCTD_E_NOT_FOUND, "no such base", publish->weights.base_policy);
    mock_publish *p = &m->publishes[m->n_publishes];
    note_publish(p, publish);
    if (publish->alias && m->refusals) {
        m->refusals--;
        m->n_publishes++;
        p->refused = true;
        if (m->refusal ==
            INSTRUCTD_E_REFUSED) /* the rest is told by who gets it, as with the host */
            on_event(job, INSTRUCTD_LOG_WARN, "not published: the gate of the test", NULL);
        return refuse(err, m->refusal, "the gate of the test", publish->alias);
    }
    if (write_policy(m, publish, base->path, id, path, &why) != ENG_OK)
        return refuse(err, INSTRUCTD_E_NOT_FINITE, "publish", why.text);
    m->n_publishes++;
    snprintf(p->id, sizeof p->id, "%s", id);
    p->path = add_policy(m, publish->alias ? publish->alias : id, id, path)->path;
    tell_published(job, publish, id);
    return INSTRUCTD_OK;
}

uint32_t mock_host_publishes(const mock_host *m)
{
    return m->n_publishes;
}

const mock_publish *mock_host_publish(const mock_host *m, uint32_t i)
{
    if (i >= m->n_publishes)
        FAIL("publish %u of %u", i, m->n_publishes);
    return &m->publishes[i];
}

double mock_publish_measured(const mock_publish *p, const char *name)
{
    for (uint32_t i = 0; i < p->n_measured; i++)
        if (strcmp(p->measured[i].name, name) == 0)
            return p->measured[i].value;
    return NAN;
}

/* ---- life ---- */

static const char *dtype_name(const mock_options *o)
{
    const eng_serve_type type = o->sampler;
    if (o->sampler_noise != 0)
        return "noisy";
    return type == ENG_SERVE_BF16 ? "bf16" : type == ENG_SERVE_Q8_0 ? "q8_0" : "f32";
}

mock_host *mock_host_create(const mock_options *options)
{
    mock_host *m = calloc(1, sizeof *m);
    if (!m)
        FAIL("no memory for a host");
    m->table = (instructd_host){.size = sizeof m->table,
                                .abi_major = INSTRUCTD_ABI_MAJOR,
                                .abi_minor = INSTRUCTD_ABI_MINOR,
                                .version = "test",
                                .log = on_log,
                                .stop_requested = stop_requested,
                                .pause_requested = pause_requested,
                                .event = on_event,
                                .metrics = on_metrics,
                                .progress = on_progress,
                                .file_open = file_open,
                                .policy_resolve = policy_resolve,
                                .policy_path = policy_path,
                                .policy_release = policy_release,
                                .checkpoint_dir = checkpoint_dir,
                                .pool_width = pool_width,
                                .pool_run = pool_run,
                                .sampler_dtype = dtype_name(options),
                                .sampler_load = sampler_load,
                                .sampler_free = sampler_free,
                                .generate = generate,
                                .generate_begin = generate_begin,
                                .generate_wait = generate_wait,
                                .rollouts_free = rollouts_free,
                                .reward_http = reward_http,
                                .publish = on_publish};
    m->options = *options;
    m->parallel = options->parallel ? *options->parallel : eng_serial;
    m->sampler = mock_sampler_create(options->sampler, options->never_end);
    snprintf(m->dir, sizeof m->dir, "%s", options->dir);
    return m;
}

void mock_host_free(mock_host *m)
{
    mock_sampler_free(m->sampler);
    for (uint32_t i = 0; i < m->n_events; i++)
        free(m->events[i]);
    free(m->metrics);
    free(m);
}

const instructd_host *mock_host_table(mock_host *m)
{
    return &m->table;
}

instructd_job *mock_host_job(mock_host *m)
{
    return (instructd_job *)(void *)m;
}

/* ---- jobs ---- */

static const instructd_method *find_method(const instructd_host *host, const char *type)
{
    char err[INSTRUCTD_ERROR_BYTES] = "";
    const instructd_plugin *plugin = instructd_plugin_entry(host, err);
    if (!plugin)
        FAIL("the plugin's entry: %s", err);
    for (uint32_t i = 0; i < plugin->n_methods; i++)
        if (strcmp(plugin->methods[i]->type, type) == 0)
            return plugin->methods[i];
    FAIL("the plugin has no method %s", type);
}

static instructd_job_spec spec_of(mock_host *m, const mock_job *job)
{
    const named_policy *model = find_policy(m, job->model);
    return (instructd_job_spec){.size = sizeof(instructd_job_spec),
                                .resumed = job->resumed,
                                .id = "ftjob-test",
                                .method = job->method,
                                .model = model ? model->id : job->model,
                                .training_file = job->training_file,
                                .validation_file = job->validation_file,
                                .seed = job->seed,
                                .method_json = job->method_json ? job->method_json : "{}",
                                .publish_json = job->publish_json};
}

int mock_host_check(mock_host *m, const mock_job *job, char param[64], char err[512])
{
    const instructd_job_spec spec = spec_of(m, job);
    param[0] = err[0] = 0;
    return find_method(&m->table, job->method)
        ->check(&m->table, mock_host_job(m), &spec, param, err);
}

int mock_host_run(mock_host *m, const mock_job *job, char param[64], char err[512])
{
    const instructd_job_spec spec = spec_of(m, job);
    int code = mock_host_check(m, job, param, err);
    if (code != INSTRUCTD_OK)
        return code;
    code = find_method(&m->table, job->method)->run(&m->table, mock_host_job(m), &spec, err);
    cancel_begun(m);
    return code;
}

void mock_host_must_run(mock_host *m, const mock_job *job)
{
    char param[64], err[512];
    int code = mock_host_run(m, job, param, err);
    if (code != INSTRUCTD_OK)
        FAIL("%s: code %d, %s %s", job->method, code, param, err);
}

void mock_host_must_pause(mock_host *m, mock_job *job, uint64_t step)
{
    char param[64], err[512];
    mock_host_pause_at_step(m, step);
    int code = mock_host_run(m, job, param, err);
    if (code != INSTRUCTD_E_STOPPED)
        FAIL("%s: code %d instead of a pause, %s %s", job->method, code, param, err);
    mock_host_pause_at_step(m, 0);
    job->resumed = true;
}
