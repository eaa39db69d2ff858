/* A plugin to copy: one method, "template", that does everything a training method does but train.
 *
 * It walks through the training file n_epochs times, step_lines lines a step, and reports the mean
 * length of a line as if that were a loss. Read it from the bottom up: the entry gives the host a
 * table, the table lists the method, the method has a schema, a check and a run.
 *
 *   mkdir plugins/mine && cp plugins/template/template.c plugins/mine/mine.c
 *   instructd_plugin(mine ${PLUGIN_FOLDER} mine/mine.c)      in plugins/CMakeLists.txt
 *
 * give it its own .type and .name, and the next ./quickstart up builds and offers it:
 * GET /v1/fine_tuning/methods. */
#include "instructd_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what a request may say -------------------------------------------------------------------
 */

/* The host checks every request against this, fills in the defaults and hands over the result. */
static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"hyperparameters\":{\"type\":\"object\",\"properties\":{"
    "\"n_epochs\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":3,"
    "\"description\":\"passes over the training file\"},"
    "\"step_lines\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":8,"
    "\"description\":\"lines of one step\"}}}},\"x-training-formats\":[\"lines\"]}";

/* A number of the method's object. Searching for its text is enough here because the host wrote the
 * object and every member is there; a plugin with strings in its object wants a JSON library. */
static uint64_t number_of(const instructd_job_spec *spec, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(spec->method_json, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 1;
}

/* ---- the data ---------------------------------------------------------------------------------
 */

typedef struct lines {
    char **text;
    size_t n;
} lines;

static void lines_free(lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->text[i]);
    free(l->text);
}

static int lines_read(lines *out, FILE *file, char *err)
{
    char *line = NULL;
    size_t cap = 0;
    *out = (lines){0};
    while (getline(&line, &cap, file) >= 0) {
        char **text = realloc(out->text, (out->n + 1) * sizeof *text);
        if (!text)
            break;
        out->text = text;
        out->text[out->n++] = line;
        line = NULL;
        cap = 0;
    }
    free(line);
    if (feof(file) && !ferror(file) && out->n > 0)
        return INSTRUCTD_OK;
    /* Errors say what was expected and what was found, and name the line where there is one. */
    snprintf(err, INSTRUCTD_ERROR_BYTES, "the training file: expected lines, found %s",
             feof(file) ? "none" : "a file that cannot be read");
    lines_free(out);
    return INSTRUCTD_E_INVALID;
}

/* Files and models are named by ids; the host alone knows where they lie. */
static int lines_open(lines *out, const instructd_host *host, instructd_job *job,
                      const instructd_job_spec *spec, char *err)
{
    int fd = host->file_open(job, spec->training_file, err);
    if (fd < 0)
        return INSTRUCTD_E_NOT_FOUND;
    FILE *file = fdopen(fd, "r");
    if (!file) {
        close(fd);
        return INSTRUCTD_E_NOMEM;
    }
    int rc = lines_read(out, file, err);
    fclose(file);
    return rc;
}

/* ---- the checkpoint: all that a job needs to go on after the process ended --------------------
 */

typedef struct state {
    unsigned long long step, bytes, lines;
} state;

static int state_path(const instructd_host *host, instructd_job *job, char *path, size_t cap,
                      char *err)
{
    int rc = host->checkpoint_dir(job, path, cap - sizeof "/state.tmp", err);
    if (rc == INSTRUCTD_OK)
        strcat(path, "/state");
    return rc;
}

/* Beside, synced, and only then in place: a crash leaves the old state or the new one. */
static int state_save(const instructd_host *host, instructd_job *job, const state *s, char *err)
{
    char path[4096], beside[4096 + 4];
    int rc = state_path(host, job, path, sizeof path, err);
    if (rc != INSTRUCTD_OK)
        return rc;
    snprintf(beside, sizeof beside, "%s.tmp", path);
    FILE *file = fopen(beside, "w");
    int good = file && fprintf(file, "%llu %llu %llu\n", s->step, s->bytes, s->lines) > 0 &&
               fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (file && fclose(file) != 0)
        good = 0;
    if (good && rename(beside, path) == 0)
        return INSTRUCTD_OK;
    snprintf(err, INSTRUCTD_ERROR_BYTES, "the checkpoint cannot be written to %.300s", path);
    return INSTRUCTD_E_IO;
}

/* Nothing there is no error: the process may have ended before the first checkpoint. */
static int state_load(const instructd_host *host, instructd_job *job, state *s, char *err)
{
    char path[4096];
    int rc = state_path(host, job, path, sizeof path, err);
    FILE *file = rc == INSTRUCTD_OK ? fopen(path, "r") : NULL;
    *s = (state){0};
    if (file) {
        if (fscanf(file, "%llu %llu %llu", &s->step, &s->bytes, &s->lines) != 3)
            *s = (state){0};
        fclose(file);
    }
    return rc;
}

/* ---- one step ---------------------------------------------------------------------------------
 */

typedef struct step {
    const lines *data;
    uint64_t first;
    uint64_t *bytes; /* [lines of the step] */
} step;

/* A piece of work for the training threads. Each piece writes its own place and the sum is taken in
 * order afterwards, so that the result does not depend on how many threads there are. */
static void measure_line(void *arg, uint32_t i, uint32_t member)
{
    step *s = arg;
    (void)member; /* which thread, for scratch memory of its own */
    s->bytes[i] = strlen(s->data->text[(s->first + i) % s->data->n]);
}

static void take_step(const instructd_host *host, const lines *data, uint32_t n, uint64_t *bytes,
                      state *s)
{
    step piece = {.data = data, .first = s->lines, .bytes = bytes};
    host->pool_run(host, n, measure_line, &piece);
    for (uint32_t i = 0; i < n; i++)
        s->bytes += bytes[i];
    s->lines += n;
    s->step++;
}

static void tell(const instructd_host *host, instructd_job *job, const state *s, uint64_t total)
{
    const instructd_metric values[] = {{"loss", (double)s->bytes / (double)s->lines}};
    host->metrics(job, s->step, values, 1);
    host->progress(job, s->step, total, s->bytes);
}

static int walk(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
                const lines *data, uint64_t *bytes, char *err)
{
    state s;
    uint32_t n = (uint32_t)number_of(spec, "step_lines");
    uint64_t total = (number_of(spec, "n_epochs") * data->n + n - 1) / n;
    int rc = state_load(host, job, &s, err);
    if (rc == INSTRUCTD_OK && spec->resumed)
        host->event(job, INSTRUCTD_LOG_INFO, "resumed", NULL);
    while (rc == INSTRUCTD_OK && s.step < total) {
        if (host->stop_requested(job)) /* leave at once; the last checkpoint counts */
            return INSTRUCTD_E_STOPPED;
        take_step(host, data, n, bytes, &s);
        tell(host, job, &s, total);
        rc = state_save(host, job, &s, err);
        if (rc == INSTRUCTD_OK && host->pause_requested(job)) /* leave behind a checkpoint */
            return INSTRUCTD_E_STOPPED;
    }
    /* A method that trains ends with host->publish(job, ...), which makes its weights a policy. */
    return rc;
}

/* ---- the method -------------------------------------------------------------------------------
 */

/* Before the job is queued: is there anything that could only fail hours later? */
static int check(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
                 char *param, char *err)
{
    lines data;
    int rc = lines_open(&data, host, job, spec, err);
    if (rc == INSTRUCTD_OK)
        lines_free(&data);
    else
        strcpy(param, "training_file");
    return rc;
}

static int run(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
               char *err)
{
    lines data;
    int rc = lines_open(&data, host, job, spec, err);
    if (rc != INSTRUCTD_OK)
        return rc;
    uint64_t *bytes = calloc(number_of(spec, "step_lines"), sizeof *bytes);
    rc = bytes ? walk(host, job, spec, &data, bytes, err) : INSTRUCTD_E_NOMEM;
    free(bytes);
    lines_free(&data);
    return rc;
}

/* When a file is uploaded, each plugin is asked whether it knows the format. What it cannot know at
 * all is INSTRUCTD_E_UNSUPPORTED, so that another plugin is asked; a bad row in a file that it does
 * know goes into the report, and the file is refused with that line before any job names it. */
static int file_check(int fd, instructd_file_report *report)
{
    FILE *file = fdopen(dup(fd), "r"); /* fd itself stays the host's */
    char *line = NULL;
    size_t cap = 0;
    if (!file)
        return INSTRUCTD_E_NOMEM;
    strcpy(report->format, "lines");
    while (!report->bad_line && getline(&line, &cap, file) >= 0) {
        report->rows++;
        if (line[0] != '\n' && line[0] != '{')
            continue;
        report->bad_line = report->rows;
        snprintf(report->error, sizeof report->error, "expected text, found %s",
                 line[0] == '{' ? "JSON" : "an empty line");
    }
    int foreign = report->bad_line == 1 && line[0] == '{';
    free(line);
    fclose(file);
    return foreign ? INSTRUCTD_E_UNSUPPORTED : INSTRUCTD_OK;
}

/* ---- the plugin -------------------------------------------------------------------------------
 */

static const instructd_method method = {
    .size = sizeof method, .type = "template", .schema_json = schema, .check = check, .run = run};

static const instructd_method *const methods[] = {&method};

static const instructd_plugin plugin = {.size = sizeof plugin,
                                        .magic = INSTRUCTD_PLUGIN_MAGIC,
                                        .abi_major = INSTRUCTD_ABI_MAJOR,
                                        .abi_minor = INSTRUCTD_ABI_MINOR,
                                        .name = "template",
                                        .version = "0.1.0",
                                        .n_methods = 1,
                                        .methods = methods,
                                        .file_check = file_check};

/* The one symbol the loader looks for. The host's table stays valid until shutdown. */
const instructd_plugin *instructd_plugin_entry(const instructd_host *host, char *err)
{
    (void)err; /* a plugin that cannot work here returns NULL and says why */
    host->log(host, INSTRUCTD_LOG_DEBUG, "template: a plugin to copy");
    return &plugin;
}
