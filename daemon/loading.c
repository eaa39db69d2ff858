#include "loading.h"

#include "base/log.h"
#include "bridge/messages.h"
#include "part_options.h"
#include "stopping.h"

#include <stdio.h>

static sched_options scheduler_options(instructd *d)
{
    return part_scheduler_options(&d->options.config, &d->spare, &d->way);
}

/* Those that follow the alias are the scheduler's to move. */
static void on_moved(void *arg, const char *alias, policy *to)
{
    instructd *d = arg;
    cmd *c = cmd_create(CMD_MOVE, 0);
    if (!c)
        return; /* they finish where they are */
    snprintf(c->alias, sizeof c->alias, "%s", alias);
    c->policy = policy_ref(to);
    if (!mailbox_post(&d->inbox, &c->mail))
        cmd_free(c);
}

/* A thread of training's: its last job has been left. */
static void on_jobs_stopped(void *arg)
{
    instructd *d = arg;
    pthread_mutex_lock(&d->mutex);
    if (!d->loop_left)
        uv_async_send(&d->jobs_left);
    pthread_mutex_unlock(&d->mutex);
}

static eng_status start_training(instructd *d, eng_error *err)
{
    const sched_options rollouts = scheduler_options(d);
    const jobs_options rooms = {.data_dir = d->options.config.data_dir,
                                .store = d->store,
                                .publisher = d->publisher,
                                .registry = d->registry,
                                .events = d->events,
                                .metrics = d->metrics,
                                .on_stopped = on_jobs_stopped,
                                .arg = d};
    error_text why;
    return training_start(d->training, &rooms, &rollouts, &why)
               ? ENG_OK
               : eng_fail(err, ENG_IO, "%.400s", why.text);
}

static eng_status start_sampler(instructd *d, eng_error *err)
{
    const sched_options options = scheduler_options(d);
    error_text why;
    d->sampler = label_sampler_start(d->store, d->publisher, d->registry, &options, &why);
    return d->sampler ? ENG_OK : eng_fail(err, ENG_IO, "%.400s", why.text);
}

static void *load_model(void *arg)
{
    instructd *d = arg;
    publisher_options options = part_publisher_options(&d->options.config);
    options.moved = on_moved;
    options.moved_arg = d;
    options.spare = &d->spare;
    eng_error err = {{0}};
    eng_status rc =
        publisher_open(&d->publisher, &options, d->registry, d->store, d->events, d->metrics, &err);
    if (rc == ENG_OK)
        rc = start_training(d, &err);
    if (rc == ENG_OK)
        rc = start_sampler(d, &err);
    pthread_mutex_lock(&d->mutex);
    d->load_rc = rc;
    d->load_error = err;
    d->load_done = true;
    if (!d->loop_left)
        uv_async_send(&d->loaded);
    pthread_mutex_unlock(&d->mutex);
    return NULL;
}

bool loading_start(instructd *d)
{
    d->loader_started = pthread_create(&d->loader, NULL, load_model, d) == 0;
    return d->loader_started;
}

bool loading_goes_on(instructd *d)
{
    pthread_mutex_lock(&d->mutex);
    bool loading = d->loader_started && !d->load_done;
    pthread_mutex_unlock(&d->mutex);
    return loading;
}

void loading_join(instructd *d)
{
    if (d->loader_started)
        pthread_join(d->loader, NULL);
}

static void tell_ready(instructd *d, policy *p, bool kv_f32)
{
    const config *c = &d->options.config;
    eng_model *model = policy_model(p);
    daemon_facts facts = {.model = c->model,
                          .policy = policy_id(p),
                          .stage = policy_stage(p),
                          .alias = c->alias,
                          .dtype = eng_model_dtype(model),
                          .kernels = eng_model_kernels(model),
                          .kv_type = kv_f32 ? "f32" : "f16",
                          .threads = c->threads ? c->threads : eng_cpu_count(),
                          .weight_bytes = eng_model_bytes(model),
                          .kv_bytes = c->kv_bytes};
    log_event(LOG_INFO, "ready", "policy=%s weights=%s kernels=%s threads=%u", facts.policy,
              facts.dtype, facts.kernels, facts.threads);
    if (d->options.on_ready)
        d->options.on_ready(d->options.arg, &facts);
}

ON_LOOP static eng_status start_serving(instructd *d, eng_error *err)
{
    policy *p;
    char label[96];
    if (policy_resolve(d->registry, NULL, &p, label) != POLICY_FOUND)
        return eng_fail(err, ENG_INVALID, "the loaded model has no name");
    const sched_options options = scheduler_options(d);
    eng_status rc = sched_start(&d->sched, p, &options, &d->inbox, &d->outbox, d->metrics, err);
    if (rc == ENG_OK) {
        d->service.pool_tokens = sched_pool_tokens(d->sched);
        d->service.control.publisher = d->publisher;
        d->service.control.jobs = training_jobs(d->training);
        d->service.control.sampler = d->sampler;
        d->service.ready = true;
        tell_ready(d, p, sched_kv_f32(d->sched));
    }
    policy_unref(p);
    return rc;
}

void loading_on_done(uv_async_t *async)
{
    assert_on_loop();
    instructd *d = async->data;
    eng_error err = {{0}};
    pthread_mutex_lock(&d->mutex);
    bool done = d->load_done;
    eng_status rc = d->load_rc;
    err = d->load_error;
    pthread_mutex_unlock(&d->mutex);
    if (!done || d->phase != PHASE_SERVING || d->sched)
        return;
    if (rc == ENG_OK)
        rc = start_serving(d, &err);
    if (rc != ENG_OK) {
        error_text_set(d->err, "%s: %s", d->options.config.model,
                       err.text[0] ? err.text : eng_status_text(rc));
        stopping_finish(d, 1);
    }
}
