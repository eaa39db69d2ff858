/* Jobs with everything they stand on but the publisher, whose place a few functions take that
 * remember what was asked of them. The plugin is tests/plugins/echo_steps.c. */
#ifndef TESTS_DAEMON_JOBS_FIXTURE_H
#define TESTS_DAEMON_JOBS_FIXTURE_H

#include "base/log.h"
#include "daemon/store_fixture.h"
#include "host/host_table.h"
#include "host/jobs.h"
#include "model_files.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the publisher ---- */

typedef struct fake_publisher {
    atomic_int held, loaded, published, ensured;
    int result_to_give; /* of publisher_publish: a publish_result */
    char alias[65], stage[16], dataset[65];
    size_t n_datasets, n_gates, n_metrics;
    publish_gate gates[4];
} fake_publisher;
static fake_publisher fake;

publish_result publisher_hold(publisher *p, const char *id, char *path, size_t cap, error_text *err)
{
    (void)p;
    if (strcmp(id, "pol_00000000deadbeef") == 0) {
        error_text_set(err, "no such policy");
        return PUBLISH_NOT_FOUND;
    }
    if (strcmp(id, "pol_000000000000f011") == 0) {
        error_text_set(err, "held policies: 256");
        return PUBLISH_FULL;
    }
    snprintf(path, cap, "/policies/%s", id);
    atomic_fetch_add(&fake.held, 1);
    return PUBLISH_OK;
}

void publisher_release(publisher *p, const char *id)
{
    (void)p, (void)id;
    atomic_fetch_sub(&fake.held, 1);
}

void publisher_tidy(publisher *p)
{
    (void)p;
}

publish_result publisher_load_raw(publisher *p, const publish_weights *weights,
                                  char id[POLICY_ID_CHARS + 1], error_text *err)
{
    (void)p, (void)weights, (void)err;
    snprintf(id, POLICY_ID_CHARS + 1, "pol_%016x", atomic_fetch_add(&fake.loaded, 1));
    return PUBLISH_OK;
}

void publisher_unload(publisher *p, const char *id)
{
    (void)p, (void)id;
    atomic_fetch_sub(&fake.loaded, 1);
}

bool publisher_alias_takes(publisher *p, const char *name, bool scores)
{
    (void)p;
    return scores == (strcmp(name, "reward") == 0);
}

publish_result publisher_ensure(publisher *p, const char *id, error_text *err)
{
    (void)p, (void)id, (void)err;
    atomic_fetch_add(&fake.ensured, 1);
    return PUBLISH_OK;
}

publish_result publisher_publish(publisher *p, const publish_request *r,
                                 char id[POLICY_ID_CHARS + 1], error_text *err)
{
    (void)p;
    snprintf(fake.alias, sizeof fake.alias, "%s", r->alias ? r->alias : "");
    snprintf(fake.stage, sizeof fake.stage, "%s", r->stage);
    snprintf(fake.dataset, sizeof fake.dataset, "%s", r->n_datasets ? r->datasets[0] : "");
    fake.n_datasets = r->n_datasets;
    fake.n_gates = r->n_gates;
    fake.n_metrics = r->n_metrics;
    memcpy(fake.gates, r->gates, r->n_gates * sizeof fake.gates[0]);
    snprintf(id, POLICY_ID_CHARS + 1, "pol_%016x", 0xabc);
    error_text_set(err, "gate max_kl_ref is 2, measured was 3");
    atomic_fetch_add(&fake.published, 1);
    return (publish_result)fake.result_to_give;
}

/* ---- the rooms ---- */

typedef struct scene {
    jobs_options options;
    host_table *table;
    jobs *jobs;
} scene;

#define ECHO_PLUGIN TEST_BINARY_DIR "/tests/plugins/instructd_echo_steps.so"

static inline void scene_start_jobs(scene *s)
{
    error_text err;
    if (!jobs_start(&s->jobs, &s->options, &err))
        FAIL("jobs_start: %s", err.text);
}

/* Everything but the jobs, so that a test may spoil something first. */
static inline scene scene_open(const char *plugin)
{
    scene s = {0};
    error_text err;
    eng_error why;
    char model[300];
    fake = (fake_publisher){0};
    log_set_level(LOG_ERROR);
    s.options.store = fixture_open();
    s.options.data_dir = test_dir();
    s.options.registry = policy_registry_create();
    snprintf(model, sizeof model, "%s/model.gguf", test_dir());
    test_write_gguf(model, NULL);
    eng_model_options pack = {.n_threads = 1};
    EXPECT_OK(policy_registry_load(s.options.registry, "instruct", model, &pack, &why), why);
    s.options.events = events_create();
    s.options.metrics = metrics_create();
    s.table = host_table_create(2, NULL, "test", "f32", &err);
    EXPECT(s.table != NULL);
    s.options.lent = host_table_abi(s.table);
    EXPECT(plugin_host_open(&s.options.plugins, NULL, s.options.lent, &err));
    if (plugin && !plugin_host_load(s.options.plugins, plugin, &err))
        FAIL("%s", err.text);
    return s;
}

static inline scene scene_begin(void)
{
    scene s = scene_open(ECHO_PLUGIN);
    scene_start_jobs(&s);
    return s;
}

static inline void scene_close(scene *s)
{
    EXPECT(jobs_free(s->jobs));
    EXPECT_EQ(fake.held, 0);
    EXPECT_EQ(fake.loaded, 0);
    plugin_host_free(s->options.plugins);
    host_table_free(s->table);
    metrics_free(s->options.metrics);
    events_free(s->options.events);
    policy_registry_free(s->options.registry);
    store_close(s->options.store);
}

/* A data file of lines, known to the store. */
static inline void scene_file(const scene *s, const char *id, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/files", test_dir());
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/files/%s", test_dir(), id);
    test_write_file(path, text, strlen(text));
    store_file row = fixture_file(id);
    row.format = "lines";
    row.sha256 = "5ea1";
    STORE_GOOD(store_file_insert(s->options.store, &row, &err));
}

/* ---- jobs ---- */

typedef struct wish {
    uint64_t n_steps, step_ms, at_step;
    const char *deed, *publish_json, *model, *file;
} wish;

static inline job_refusal try_to_create(const scene *s, wish w, store_job *out, const char **param,
                                        error_text *err)
{
    char method[256];
    snprintf(method, sizeof method,
             "{\"hyperparameters\":{\"n_steps\":%llu,\"step_ms\":%llu,\"at_step\":%llu},"
             "\"deed\":\"%s\"}",
             (unsigned long long)w.n_steps, (unsigned long long)w.step_ms,
             (unsigned long long)w.at_step, w.deed ? w.deed : "none");
    const job_request r = {.model = w.model ? w.model : "instruct",
                           .training_file = w.file ? w.file : "file-a",
                           .method = "echo_steps",
                           .method_json = method,
                           .publish_json = w.publish_json,
                           .seed = 7};
    return jobs_create(s->jobs, &r, out, param, err);
}

/* The new job's id, until three more were made. */
static inline const char *create_job(const scene *s, wish w)
{
    static char ids[4][64];
    static unsigned turn;
    char *id = ids[turn++ % 4];
    store_job row;
    const char *param;
    error_text err = {""};
    if (try_to_create(s, w, &row, &param, &err) != JOB_REFUSED_NOT)
        FAIL("jobs_create: %s: %s", param, err.text);
    EXPECT_EQ(row.status, STORE_JOB_VALIDATING);
    snprintf(id, sizeof ids[0], "%s", row.id);
    store_job_free(&row);
    return id;
}

static inline store_job get_job(const scene *s, const char *id)
{
    store_job row;
    STORE_GOOD(store_job_get(s->options.store, id, &row, &err));
    return row;
}

/* Waits for a status; a job that ends otherwise fails the test with its reason. */
static inline void await_status(const scene *s, const char *id, store_job_status status)
{
    for (int i = 0; i < 20000; i++) {
        store_job row = get_job(s, id);
        store_job_status found = row.status;
        if (found != status && !(STORE_JOB_BIT(found) & STORE_JOB_LIVE))
            FAIL("the job is %s, expected %s: %s", store_job_status_text(found),
                 store_job_status_text(status), row.error_message ? row.error_message : "");
        store_job_free(&row);
        if (found == status)
            return;
        usleep(2000);
    }
    FAIL("the job did not become %s", store_job_status_text(status));
}

/* The directory of a job that is over goes a moment after its status. */
static inline void await_no_directory(const char *id)
{
    char path[512];
    snprintf(path, sizeof path, "%s/jobs/%s", test_dir(), id);
    for (int i = 0; i < 20000 && access(path, F_OK) == 0; i++)
        usleep(2000);
    EXPECT(access(path, F_OK) != 0);
}

static inline void await_metric(const scene *s, metric_value metric, int64_t value)
{
    for (int i = 0; i < 20000 && metrics_get(s->options.metrics, metric) != value; i++)
        usleep(2000);
    EXPECT_EQ(metrics_get(s->options.metrics, metric), value);
}

/* Ends a hang of the plugin's. */
static inline void wake_plugin(const char *id)
{
    char path[512];
    snprintf(path, sizeof path, "%s/jobs/%s/wake", test_dir(), id);
    test_write_file(path, "", 0);
}

/* The job's events whose message holds this. */
static inline uint32_t count_events(const scene *s, const char *id, const char *part)
{
    store_event *rows;
    size_t n;
    uint32_t found = 0;
    STORE_GOOD(store_event_since(s->options.store, id, 0, 10000, &rows, &n, &err));
    for (size_t i = 0; i < n; i++) {
        found += strstr(rows[i].message, part) != NULL;
        store_event_free(&rows[i]);
    }
    free(rows);
    return found;
}

/* A job's last words follow its last status. */
static inline void expect_event(const scene *s, const char *id, const char *part)
{
    bool found = count_events(s, id, part) > 0;
    for (int i = 0; i < 5000 && !found; i++, found = count_events(s, id, part) > 0)
        usleep(2000);
    if (!found)
        FAIL("no event of %s says \"%s\"", id, part);
}

#endif
