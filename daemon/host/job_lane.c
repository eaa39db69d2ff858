#include "host/job_lane.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "host/host_table.h"
#include "host/job_dirs.h"
#include "host/job_tell.h"
#include "host/job_watch.h"
#include "host/rollout.h"

#include <string.h>
#include <time.h>

/* ---- waiting for work ---- */

static bool is_stopping(jobs *j)
{
    pthread_mutex_lock(&j->mutex);
    bool stopping = j->stopping;
    pthread_mutex_unlock(&j->mutex);
    return stopping;
}

static void wait_for_news(jobs *j, uint64_t seen)
{
    pthread_mutex_lock(&j->mutex);
    while (j->news == seen && !j->stopping)
        pthread_cond_wait(&j->news_cond, &j->mutex);
    pthread_mutex_unlock(&j->mutex);
}

/* Before something that failed is tried again. */
static void wait_to_retry(jobs *j)
{
    const struct timespec until = clock_in_ms(LIMIT_JOB_RETRY_S * 1000);
    int rc = 0;
    pthread_mutex_lock(&j->mutex);
    while (!j->stopping && rc == 0)
        rc = pthread_cond_timedwait(&j->news_cond, &j->mutex, &until);
    pthread_mutex_unlock(&j->mutex);
}

/* A job that was interrupted goes before any that was not begun. */
static store_status find_work(const job_lane *lane, store_job *row, error_text *err)
{
    store *s = lane->owner->rooms.store;
    if (lane->checks)
        return store_job_oldest(s, STORE_JOB_BIT(STORE_JOB_VALIDATING), row, err);
    store_status status = store_job_oldest(s, STORE_JOB_BIT(STORE_JOB_RUNNING), row, err);
    return status == STORE_NOT_FOUND
               ? store_job_oldest(s, STORE_JOB_BIT(STORE_JOB_QUEUED), row, err)
               : status;
}

/* False: the lane is to end. */
static bool take(job_lane *lane, store_job *row)
{
    jobs *j = lane->owner;
    for (;;) {
        error_text err;
        pthread_mutex_lock(&j->mutex);
        bool stopping = j->stopping;
        uint64_t seen = j->news;
        pthread_mutex_unlock(&j->mutex);
        if (stopping)
            return false;
        store_status status = find_work(lane, row, &err);
        if (status == STORE_OK)
            return true;
        if (status == STORE_NOT_FOUND) {
            wait_for_news(j, seen);
            continue;
        }
        log_event(LOG_WARN, "jobs_wait", "%.300s", err.text);
        wait_to_retry(j);
    }
}

static void set_current(job_lane *lane, instructd_job *job)
{
    pthread_mutex_lock(&lane->owner->mutex);
    lane->current = job;
    pthread_mutex_unlock(&lane->owner->mutex);
}

void jobs_tell_news(jobs *j)
{
    pthread_mutex_lock(&j->mutex);
    j->news++;
    pthread_cond_broadcast(&j->news_cond);
    pthread_mutex_unlock(&j->mutex);
}

/* ---- moving a job on ---- */

/* The move, again and again while the store fails: a job that has come to its end must not be run
 * once more. False: somebody else has moved the job (it was cancelled), or the lane is to end. */
static bool move(const job_lane *lane, const instructd_job *job, store_job_status from,
                 store_job_status to, const store_job *change)
{
    jobs *j = lane->owner;
    const char *id = job->row.id;
    error_text err;
    store_status status;
    while ((status = store_job_move(j->rooms.store, id, STORE_JOB_BIT(from), to, change, &err)) ==
           STORE_UNAVAILABLE) {
        log_event(LOG_WARN, "job_waits_for_store", "id=%s %.300s", id, err.text);
        if (is_stopping(j))
            return false;
        wait_to_retry(j);
    }
    if (status == STORE_OK)
        job_tell_status(&j->rooms, id, to);
    return status == STORE_OK;
}

static store_job_status own_status(const job_lane *lane)
{
    return lane->checks ? STORE_JOB_VALIDATING : STORE_JOB_RUNNING;
}

static void fail_job(const job_lane *lane, instructd_job *job, const char *code,
                     const char *message, const char *param)
{
    const store_job change = {.error_code = (char *)(uintptr_t)code,
                              .error_message = (char *)(uintptr_t)message,
                              .error_param = (char *)(uintptr_t)(param && param[0] ? param : NULL)};
    if (move(lane, job, own_status(lane), STORE_JOB_FAILED, &change))
        job_tell(job->rooms, job->row.id, "error", NULL, "The job failed: %s", message);
}

void job_clean_up(jobs *j, const char *id)
{
    store_job row;
    error_text err;
    if (store_job_get(j->rooms.store, id, &row, &err) != STORE_OK)
        return;
    if (!(STORE_JOB_BIT(row.status) & STORE_JOB_LIVE)) {
        job_dir_remove(j->rooms.data_dir, id);
        job_holds_drop(j->holds, id);
    }
    store_job_free(&row);
}

/* ---- in the plugin's hands ---- */

/* On the plugin's thread. */
static int enter_plugin(void *arg)
{
    instructd_job *job = arg;
    const instructd_method *m = job->method->method;
    const instructd_host *host = job->rooms->lent;
    return job->checking ? m->check(host, job, &job->spec, job->param, job->err)
                         : m->run(host, job, &job->spec, job->err);
}

static void fill_spec(instructd_job *job)
{
    const store_job *row = &job->row;
    job->spec = (instructd_job_spec){.size = sizeof job->spec,
                                     .resumed = row->started,
                                     .id = row->id,
                                     .method = row->method,
                                     .model = row->model_policy,
                                     .training_file = row->training_file,
                                     .validation_file = row->validation_file,
                                     .seed = row->seed,
                                     .method_json = row->method_json,
                                     .publish_json = row->publish_json};
}

/* Only ever grows; the pool works for what runs, so its signs are none of a check's. */
static uint64_t life_of(const job_lane *lane, const instructd_job *job)
{
    uint64_t pool = lane->checks ? 0 : train_pool_life(host_table_pool(job->rooms->lent));
    return atomic_load(&job->polls) + job_thread_calls(lane->thread) + pool;
}

/* Gives the job up. Its plugin may return one day; until then the lane has nothing else to do. */
static void wedge(job_lane *lane, instructd_job *job, const char *why)
{
    atomic_store(&job->stop, true);
    atomic_store(&job->barred, true);
    log_event(LOG_ERROR, "job_wedged", "id=%s plugin=%s %s", job->row.id, job->method->plugin, why);
    job_tell(job->rooms, job->row.id, "error", NULL,
             "Wedged: the plugin %s %s. It can publish no more, and no other job starts until it "
             "returns or the daemon is started again",
             job->method->plugin, why);
    metrics_add(job->rooms->metrics, METRIC_JOBS_WEDGED, 1);
    fail_job(lane, job, "wedged", why, NULL);
}

/* Serves the plugin's calls until it returns. False: the daemon ends and it has not returned. */
static bool attend(job_lane *lane, instructd_job *job, int *rc)
{
    const jobs_options *rooms = job->rooms;
    job_watch watch = {.silent_cpu_ms = rooms->silent_cpu_ms, .silent_ms = rooms->silent_ms};
    int64_t stop_ms = 0; /* when it was told to stop */
    bool wedged = false;
    job_watch_begin(&watch, life_of(lane, job), clock_now_ms(), job_thread_cpu_ms(lane->thread));
    while (!job_thread_attend(lane->thread, LIMIT_JOB_TICK_MS, rc)) {
        if (!lane->checks && rooms->rollouts)
            rollout_pump(rooms->rollouts);
        const int64_t now = clock_now_ms();
        const bool stopping = is_stopping(lane->owner);
        if (stopping)
            atomic_store(&job->stop, true);
        if (!stop_ms && atomic_load(&job->stop))
            stop_ms = now;
        const bool late = stop_ms && now - stop_ms >= rooms->stop_ms;
        if (late && stopping)
            return false;
        const bool silent =
            job_watch_is_silent(&watch, life_of(lane, job), now, job_thread_cpu_ms(lane->thread));
        if (!wedged && (late || silent))
            wedge(lane, job, late ? "did not return when it was told to stop" : "gives no sign");
        wedged = wedged || late || silent;
    }
    if (wedged) {
        metrics_add(rooms->metrics, METRIC_JOBS_WEDGED, -1);
        log_event(LOG_WARN, "job_returned", "id=%s after it was given up", job->row.id);
    }
    return true;
}

/* ---- what came of it ---- */

static const char *code_name(int rc)
{
    switch (rc) {
    case INSTRUCTD_E_INVALID:
        return "invalid_value";
    case INSTRUCTD_E_NOT_FOUND:
        return "not_found";
    case INSTRUCTD_E_NOMEM:
        return "out_of_memory";
    case INSTRUCTD_E_IO:
        return "io_error";
    case INSTRUCTD_E_REFUSED:
        return "refused";
    case INSTRUCTD_E_NOT_FINITE:
        return "not_finite";
    case INSTRUCTD_E_UNSUPPORTED:
        return "unsupported";
    default:
        return "internal_error";
    }
}

/* The result of a job that moved no alias is loaded, so that its name can be used at once. */
static void make_result_resident(const instructd_job *job)
{
    store_job row;
    error_text err;
    if (job->row.publish_json ||
        store_job_get(job->rooms->store, job->row.id, &row, &err) != STORE_OK)
        return;
    if (row.fine_tuned_model &&
        publisher_ensure(job->rooms->publisher, row.fine_tuned_model, &err) != PUBLISH_OK)
        job_tell(job->rooms, row.id, "warn", NULL, "%s is on disk but not in memory: %.300s",
                 row.fine_tuned_model, err.text);
    store_job_free(&row);
}

static void settle_check(job_lane *lane, instructd_job *job)
{
    if (!move(lane, job, STORE_JOB_VALIDATING, STORE_JOB_QUEUED, NULL))
        return;
    job_tell(job->rooms, job->row.id, "info", NULL, "Files validated, moving job to queued state");
    jobs_tell_news(lane->owner);
}

static void settle_run(job_lane *lane, instructd_job *job)
{
    make_result_resident(job);
    if (move(lane, job, STORE_JOB_RUNNING, STORE_JOB_SUCCEEDED, NULL))
        job_tell(job->rooms, job->row.id, "info", NULL, "The job has successfully completed");
}

static void settle_stopped(job_lane *lane, instructd_job *job)
{
    if (!atomic_load(&job->pause) || lane->checks)
        fail_job(lane, job, "internal_error", "the plugin stopped without having been asked to",
                 NULL);
    else if (move(lane, job, STORE_JOB_RUNNING, STORE_JOB_PAUSED, NULL))
        job_tell(job->rooms, job->row.id, "info", NULL, "The job is paused");
}

static void settle(job_lane *lane, instructd_job *job, int rc)
{
    job->err[sizeof job->err - 1] = job->param[sizeof job->param - 1] = 0;
    if (atomic_load(&job->barred))
        return; /* its row has been moved already */
    if (rc != INSTRUCTD_OK && atomic_load(&job->stop))
        return; /* the daemon ends: the row stays as it is, and the job goes on at the next start */
    if (rc == INSTRUCTD_E_STOPPED)
        settle_stopped(lane, job);
    else if (rc != INSTRUCTD_OK)
        fail_job(lane, job, code_name(rc), job->err[0] ? job->err : "the plugin gave no reason",
                 job->param);
    else if (lane->checks)
        settle_check(lane, job);
    else
        settle_run(lane, job);
}

/* ---- one job ---- */

/* A pause asked for after the row was taken and before others could see the job in the lane's hands
 * stands in the store alone. */
static void see_late_pause(instructd_job *job)
{
    store_job row;
    error_text err;
    if (store_job_get(job->rooms->store, job->row.id, &row, &err) != STORE_OK)
        return;
    if (row.pause_requested)
        atomic_store(&job->pause, true);
    store_job_free(&row);
}

/* Moves a queued job to running. False: it is not to run now. */
static bool begin_run(job_lane *lane, instructd_job *job)
{
    static const unsigned from = STORE_JOB_BIT(STORE_JOB_QUEUED) | STORE_JOB_BIT(STORE_JOB_RUNNING);
    const store_job *row = &job->row;
    error_text err;
    if (row->pause_requested) { /* the process ended while it was pausing */
        move(lane, job, STORE_JOB_RUNNING, STORE_JOB_PAUSED, NULL);
        return false;
    }
    store_status status =
        store_job_move(job->rooms->store, row->id, from, STORE_JOB_RUNNING, NULL, &err);
    if (status == STORE_UNAVAILABLE)
        wait_to_retry(lane->owner);
    if (status != STORE_OK)
        return false;
    job_tell_status(job->rooms, row->id, STORE_JOB_RUNNING);
    see_late_pause(job);
    return true;
}

/* May the plugin have it? */
static bool admit(job_lane *lane, instructd_job *job)
{
    if (!lane->checks && !begin_run(lane, job))
        return false;
    if (!job->method) {
        fail_job(lane, job, "unsupported", "no plugin offers the job's method any more",
                 "method.type");
        return false;
    }
    job_tell(job->rooms, job->row.id, "info", NULL, "%s",
             lane->checks ? "Validating training file"
                          : (job->row.started ? "The job goes on" : "The job started"));
    return true;
}

/* False: the plugin has not returned and the daemon ends; the job stays in the lane's hands. */
static bool work_on(job_lane *lane, store_job *row)
{
    jobs *j = lane->owner;
    instructd_job *job = train_job_create(&j->rooms, j->holds, lane->thread, row, lane->checks);
    int rc;
    if (!job) {
        log_event(LOG_ERROR, "jobs_wait", "out of memory");
        wait_to_retry(j);
        return true;
    }
    set_current(lane, job);
    if (admit(lane, job)) {
        fill_spec(job);
        job_thread_start(lane->thread, enter_plugin, job);
        if (!attend(lane, job, &rc))
            return false;
        settle(lane, job, rc);
    }
    set_current(lane, NULL);
    job_clean_up(j, job->row.id);
    train_job_free(job);
    return true;
}

void *job_lane_main(void *arg)
{
    job_lane *lane = arg;
    jobs *j = lane->owner;
    store_job row;
    bool stuck = false;
    while (!stuck && take(lane, &row))
        stuck = !work_on(lane, &row);
    if (stuck)
        log_event(LOG_ERROR, "plugin_stuck", "job=%s plugin=%s", lane->current->row.id,
                  lane->current->method->plugin);
    pthread_mutex_lock(&j->mutex);
    lane->stuck = stuck;
    bool last = --j->lanes_left == 0;
    pthread_mutex_unlock(&j->mutex);
    if (last && j->rooms.on_stopped)
        j->rooms.on_stopped(j->rooms.arg);
    return NULL;
}
