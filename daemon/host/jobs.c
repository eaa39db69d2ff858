#include "host/jobs.h"

#include "api/publish_spec.h"
#include "api/schema.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "host/job_dirs.h"
#include "host/job_lane.h"
#include "host/job_models.h"
#include "host/job_tell.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- start ---- */

static bool is_live(void *arg, const char *id)
{
    jobs *j = arg;
    store_job row;
    error_text err;
    store_status status = store_job_get(j->rooms.store, id, &row, &err);
    if (status != STORE_OK)
        return status == STORE_UNAVAILABLE; /* nothing is thrown away on a doubt */
    bool live = STORE_JOB_BIT(row.status) & STORE_JOB_LIVE;
    store_job_free(&row);
    return live;
}

/* What live jobs start from and need stays on disk. */
static bool hold_models(jobs *j, error_text *err)
{
    char after[65] = "";
    bool good = true;
    for (bool more = true; more && good;) {
        store_job *rows;
        size_t n;
        store_page page = {.after = after, .limit = 100};
        if (store_job_list(j->rooms.store, page, STORE_JOB_LIVE, &rows, &n, &more, err) != STORE_OK)
            return false;
        for (size_t i = 0; i < n; i++) {
            good = good && job_holds_recall(j->holds, &rows[i], err);
            snprintf(after, sizeof after, "%s", rows[i].id);
            store_job_free(&rows[i]);
        }
        free(rows);
        more = more && n;
    }
    return good;
}

static bool start_lane(jobs *j, job_lane *lane, bool checks)
{
    lane->owner = j;
    lane->checks = checks;
    lane->thread = job_thread_create(j->rooms.spare);
    if (!lane->thread)
        return false;
    pthread_mutex_lock(&j->mutex); /* the watcher's end counts down */
    bool started = pthread_create(&lane->watcher, NULL, job_lane_main, lane) == 0;
    j->lanes_left += started;
    pthread_mutex_unlock(&j->mutex);
    if (started)
        return true;
    job_thread_free(lane->thread);
    lane->thread = NULL;
    return false;
}

static jobs *create(const jobs_options *options)
{
    jobs *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->rooms = *options;
    if (!j->rooms.stop_ms)
        j->rooms.stop_ms = LIMIT_JOB_STOP_MS;
    if (!j->rooms.silent_cpu_ms)
        j->rooms.silent_cpu_ms = LIMIT_JOB_SILENT_CPU_MS;
    if (!j->rooms.silent_ms)
        j->rooms.silent_ms = LIMIT_JOB_SILENT_MS;
    clock_cond_init(&j->news_cond);
    pthread_mutex_init(&j->mutex, NULL);
    j->holds = job_holds_create(options->publisher, options->store);
    return j;
}

bool jobs_start(jobs **out, const jobs_options *options, error_text *err)
{
    jobs *j = create(options);
    if (!j || !j->holds) {
        jobs_free(j);
        return error_text_set(err, "jobs: out of memory");
    }
    job_dirs_sweep(j->rooms.data_dir, is_live, j);
    bool good = hold_models(j, err);
    for (int i = 0; good && i < JOB_LANES; i++) {
        good = start_lane(j, &j->lanes[i], i == 0);
        if (!good)
            error_text_set(err, "jobs: the system refuses a thread");
    }
    if (good)
        *out = j;
    else
        jobs_free(j);
    return good;
}

/* ---- end ---- */

void jobs_ask_stop(jobs *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->mutex);
    j->stopping = true;
    for (int i = 0; i < JOB_LANES; i++)
        if (j->lanes[i].current)
            atomic_store(&j->lanes[i].current->stop, true);
    pthread_cond_broadcast(&j->news_cond);
    pthread_mutex_unlock(&j->mutex);
}

bool jobs_have_left(jobs *j)
{
    if (!j)
        return true;
    pthread_mutex_lock(&j->mutex);
    bool left = j->lanes_left == 0;
    for (int i = 0; i < JOB_LANES; i++)
        left = left && !j->lanes[i].stuck;
    pthread_mutex_unlock(&j->mutex);
    return left;
}

bool jobs_free(jobs *j)
{
    bool stuck = false;
    if (!j)
        return true;
    jobs_ask_stop(j);
    for (int i = 0; i < JOB_LANES; i++) {
        if (!j->lanes[i].thread)
            continue;
        pthread_join(j->lanes[i].watcher, NULL);
        stuck = stuck || j->lanes[i].stuck;
    }
    if (stuck)
        return false;
    for (int i = 0; i < JOB_LANES; i++)
        job_thread_free(j->lanes[i].thread);
    job_holds_free(j->holds);
    pthread_cond_destroy(&j->news_cond);
    pthread_mutex_destroy(&j->mutex);
    free(j);
    return true;
}

/* ---- making one ---- */

static bool check_file(const jobs *j, const char *param, const char *id, const schema *s,
                       error_text *err)
{
    store_file file;
    error_text why;
    char formats[128];
    schema_describe_formats(s, formats);
    if (!id && schema_takes_format(s, NULL))
        return true;
    if (!id)
        return error_text_set(err, "%s: the method needs %s", param, formats);
    store_status status = store_file_get(j->rooms.store, id, &file, &why);
    if (status != STORE_OK)
        return error_text_set(err, "%s: %.64s: %.300s", param, id, why.text);
    bool good = true;
    if (strcmp(file.status, "processed") != 0)
        good = error_text_set(err, "%s: %.64s has an error: %.300s", param, id,
                              file.status_details ? file.status_details : "unknown");
    else if (!schema_takes_format(s, file.format ? file.format : ""))
        good = error_text_set(err, "%s: %.64s: expected %s, found one of format %.32s", param, id,
                              formats, file.format ? file.format : "unknown");
    store_file_free(&file);
    return good;
}

/* A name for answers that a job would give scores, or the other way round, is told before the
 * training: afterwards the publish could but say so too. */
static bool check_alias(const jobs *j, const job_request *r, const schema *s, error_text *err)
{
    publish_spec spec;
    bool scores;
    if (!r->publish_json || !schema_result_scores(s, &scores) ||
        !publish_spec_read(r->publish_json, &spec) ||
        publisher_alias_takes(j->rooms.publisher, spec.alias, scores))
        return true;
    return error_text_set(err,
                          "expected an alias for a model that %s, as the method's does, found "
                          "\"%s\", which is for one that %s",
                          scores ? "scores" : "writes", spec.alias, scores ? "writes" : "scores");
}

static job_refusal check_request(jobs *j, const job_request *r, const char *id,
                                 char model[POLICY_ID_CHARS + 1], const char **param,
                                 error_text *err)
{
    char path[PATH_MAX];
    const schema *s = plugin_host_find(j->rooms.plugins, r->method)->schema;
    *param = "training_file";
    if (!check_file(j, *param, r->training_file, s, err))
        return JOB_REFUSED_FILE;
    *param = "validation_file";
    if (r->validation_file && !check_file(j, *param, r->validation_file, s, err))
        return JOB_REFUSED_FILE;
    *param = "publish.alias";
    if (!check_alias(j, r, s, err))
        return JOB_REFUSED_ALIAS;
    *param = "model";
    publish_result result =
        job_model_resolve(j->rooms.registry, j->rooms.publisher, r->model, model, err);
    if (result == PUBLISH_OK)
        result = job_holds_add(j->holds, id, model, path, sizeof path, err);
    if (result != PUBLISH_OK)
        return result == PUBLISH_FULL ? JOB_REFUSED_FULL : JOB_REFUSED_MODEL;
    *param = NULL;
    return JOB_REFUSED_NOT;
}

/* The request's strings are borrowed: the store copies them. */
static store_job row_of(const job_request *r, const char *id, const char *model)
{
#define BORROW(s) ((char *)(uintptr_t)(s))
    return (store_job){.id = BORROW(id),
                       .status = STORE_JOB_VALIDATING,
                       .method = BORROW(r->method),
                       .model = BORROW(r->model),
                       .model_policy = BORROW(model),
                       .training_file = BORROW(r->training_file),
                       .validation_file = BORROW(r->validation_file),
                       .method_json = BORROW(r->method_json),
                       .publish_json = BORROW(r->publish_json),
                       .suffix = BORROW(r->suffix),
                       .metadata_json = BORROW(r->metadata_json),
                       .seed = r->seed,
                       .created_at = time(NULL),
                       .actor = r->actor};
#undef BORROW
}

job_refusal jobs_create(jobs *j, const job_request *request, store_job *out, const char **param,
                        error_text *err)
{
    char id[sizeof "ftjob-" + 24] = "ftjob-", model[POLICY_ID_CHARS + 1];
    random_hex(id + strlen(id), 12);
    job_refusal refusal = check_request(j, request, id, model, param, err);
    if (refusal != JOB_REFUSED_NOT)
        return refusal;
    const store_job row = row_of(request, id, model);
    if (store_job_insert(j->rooms.store, &row, err) != STORE_OK ||
        store_job_get(j->rooms.store, id, out, err) != STORE_OK) {
        job_holds_drop(j->holds, id);
        return JOB_REFUSED_STORE;
    }
    job_tell(&j->rooms, id, "info", NULL, "Created fine-tuning job: %s", id);
    job_tell_status(&j->rooms, id, STORE_JOB_VALIDATING);
    jobs_tell_news(j);
    return JOB_REFUSED_NOT;
}

/* ---- cancelling, pausing, resuming ---- */

/* Is a lane at work on it? Then the flags are set for it to see. */
static bool flag(jobs *j, const char *id, bool cancel)
{
    bool found = false;
    pthread_mutex_lock(&j->mutex);
    for (int i = 0; i < JOB_LANES; i++) {
        instructd_job *job = j->lanes[i].current;
        if (!job || strcmp(job->row.id, id) != 0)
            continue;
        found = true;
        atomic_store(cancel ? &job->barred : &job->pause, true);
        if (cancel)
            atomic_store(&job->stop, true);
    }
    pthread_mutex_unlock(&j->mutex);
    return found;
}

store_status jobs_cancel(jobs *j, const char *id, store_job *out, error_text *err)
{
    store_status status =
        store_job_move(j->rooms.store, id, STORE_JOB_LIVE, STORE_JOB_CANCELLED, NULL, err);
    if (status != STORE_OK)
        return status;
    if (!flag(j, id, true))
        job_clean_up(j, id);
    job_tell(&j->rooms, id, "info", NULL, "The job was cancelled");
    job_tell_status(&j->rooms, id, STORE_JOB_CANCELLED);
    return store_job_get(j->rooms.store, id, out, err);
}

store_status jobs_pause(jobs *j, const char *id, store_job *out, error_text *err)
{
    store *s = j->rooms.store;
    store_status status =
        store_job_move(s, id, STORE_JOB_BIT(STORE_JOB_QUEUED), STORE_JOB_PAUSED, NULL, err);
    if (status == STORE_OK) {
        job_tell_status(&j->rooms, id, STORE_JOB_PAUSED);
    } else if (status == STORE_CONFLICT) {
        status = store_job_request(s, id, STORE_JOB_BIT(STORE_JOB_RUNNING), true, false, err);
        if (status == STORE_OK)
            flag(j, id, false);
    }
    if (status != STORE_OK)
        return status;
    job_tell(&j->rooms, id, "info", NULL, "Asked to pause");
    return store_job_get(s, id, out, err);
}

store_status jobs_resume(jobs *j, const char *id, store_job *out, error_text *err)
{
    store_status status = store_job_move(j->rooms.store, id, STORE_JOB_BIT(STORE_JOB_PAUSED),
                                         STORE_JOB_QUEUED, NULL, err);
    if (status != STORE_OK)
        return status;
    job_tell(&j->rooms, id, "info", NULL, "Asked to go on");
    job_tell_status(&j->rooms, id, STORE_JOB_QUEUED);
    jobs_tell_news(j);
    return store_job_get(j->rooms.store, id, out, err);
}
