#include "daemon.h"

#include "base/data_dir.h"
#include "base/keys.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/thread_prompt.h"
#include "base/thread_roles.h"
#include "bridge/loop_wake.h"
#include "bridge/mailbox.h"
#include "bridge/messages.h"
#include "bridge/right_of_way.h"
#include "control/files.h"
#include "engine.h"
#include "host/events.h"
#include "human/label_sampler.h"
#include "net/generate.h"
#include "net/route.h"
#include "net/server.h"
#include "net/service.h"
#include "policy/policy.h"
#include "policy/publish.h"
#include "serve/scheduler.h"
#include "store/store.h"
#include "training.h"

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

typedef enum daemon_phase { PHASE_SERVING, PHASE_DRAINING, PHASE_STOPPED } daemon_phase;

struct instructd {
    daemon_options options; /* (i) */
    int lock_fd;
    uv_loop_t loop;
    bool loop_open;
    keys *keys;
    metrics *metrics;
    policy_registry *registry;
    store *store;
    events *events;
    training *training;
    mailbox inbox, outbox; /* to and from the scheduler */
    bool inbox_open, outbox_open;
    loop_wake wake, bus_wake; /* of outbox, of events */
    right_of_way way;         /* of the loop and its workers over serving's threads */
    bool wake_open, bus_wake_open;
    server *server;
    service service;
    sched *sched; /* NULL until the model is loaded */
    spare_time spare;

    uv_async_t stop, loaded, jobs_left; /* doorbells */
    atomic_uint stops;                  /* (a) calls of daemon_stop_async */
    uv_signal_t sigterm, sigint;
    uv_timer_t timer; /* the drain's end, or "all is quiet" in the next turn */
    bool handles_open;
    daemon_phase phase;    /* (l) */
    uint64_t drain_end_ms; /* (l) loop time */
    bool jobs_ended;       /* (l) training has come to rest, or has not begun */
    int exit_code;         /* (l) */
    error_text *err;       /* (l) of daemon_run */

    publisher *publisher;   /* the loader's until load_done, then (i) */
    label_sampler *sampler; /* likewise */
    pthread_t loader;
    bool loader_started; /* (l) */
    pthread_mutex_t mutex;
    bool load_done;       /* (m) */
    bool loop_left;       /* (m) no doorbell must be rung any more */
    eng_status load_rc;   /* (m) */
    eng_error load_error; /* (m) */
};

/* Where serving leaves cores free there is time to spare already. */
static uint32_t spare_percent(const config *c)
{
    return c->threads && c->threads < eng_cpu_count() ? 0 : c->train_share;
}

/* ---- the model ---- */

static eng_serve_type serve_type(config_weights weights)
{
    switch (weights) {
    case CONFIG_WEIGHTS_F32:
        return ENG_SERVE_F32;
    case CONFIG_WEIGHTS_BF16:
        return ENG_SERVE_BF16;
    case CONFIG_WEIGHTS_Q8_0:
        return ENG_SERVE_Q8_0;
    case CONFIG_WEIGHTS_FILE:
        break;
    }
    return ENG_SERVE_AS_FILE;
}

static eng_serve_type published_type(config_publish type)
{
    switch (type) {
    case CONFIG_PUBLISH_F32:
        return ENG_SERVE_F32;
    case CONFIG_PUBLISH_BF16:
        return ENG_SERVE_BF16;
    case CONFIG_PUBLISH_Q8_0:
        return ENG_SERVE_Q8_0;
    case CONFIG_PUBLISH_AUTO:
        break;
    }
    return ENG_SERVE_AS_FILE;
}

/* The narrowest type of a published policy's weights and of its keys and values. */
static const char *sampler_dtype(const config *c)
{
    static const char *const names[] = {[CONFIG_PUBLISH_F32] = "f32",
                                        [CONFIG_PUBLISH_BF16] = "bf16",
                                        [CONFIG_PUBLISH_Q8_0] = "q8_0"};
    eng_model_facts facts;
    eng_error err;
    config_publish type = c->publish_type;
    if (type == CONFIG_PUBLISH_AUTO) {
        bool f32 = eng_model_inspect(&facts, c->model, serve_type(c->weights), &err) == ENG_OK &&
                   strcmp(facts.dtype, "f32") == 0;
        type = f32 ? CONFIG_PUBLISH_F32 : CONFIG_PUBLISH_Q8_0;
    }
    return type == CONFIG_PUBLISH_F32 && c->kv_type == CONFIG_KV_F16 ? "f16" : names[type];
}

static publisher_options policy_options(const config *c)
{
    return (publisher_options){.data_dir = c->data_dir,
                               .base_model = c->model,
                               .base_alias = c->alias,
                               .reset_alias = c->reset_alias,
                               .base = {.serve_type = serve_type(c->weights),
                                        .n_threads = c->threads,
                                        .kernels = c->kernels},
                               .published_type = published_type(c->publish_type),
                               .max_resident = c->max_resident,
                               .max_bytes = c->policy_bytes,
                               .code_rev = INSTRUCTD_VERSION};
}

static void finish(instructd *d, int exit_code) ON_LOOP;

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

static sched_options scheduler_options(instructd *d)
{
    const config *c = &d->options.config;
    return (sched_options){.runtime = {.n_threads = c->threads,
                                       .kv_bytes = c->kv_bytes,
                                       .kv_f32 = c->kv_type == CONFIG_KV_F32},
                           .kv_auto = c->kv_type == CONFIG_KV_AUTO,
                           .max_running = c->max_running,
                           .prefill_budget = c->prefill_budget,
                           .max_queued = c->max_queued,
                           .spare = &d->spare,
                           .way = &d->way};
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
    const config *c = &d->options.config;
    const sched_options rollouts = scheduler_options(d);
    const jobs_options rooms = {.data_dir = c->data_dir,
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
    publisher_options options = policy_options(&d->options.config);
    options.moved = on_moved;
    options.moved_arg = d;
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

static void on_loaded(uv_async_t *async)
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
        finish(d, 1);
    }
}

/* ---- stopping ---- */

static void free_commands(mailbox *box)
{
    for (mail *m = mailbox_take(box); m;) {
        mail *next = m->next;
        cmd_free((cmd *)(void *)m);
        m = next;
    }
}

static void free_events(mailbox *box)
{
    for (mail *m = mailbox_take(box); m;) {
        mail *next = m->next;
        event_free((event *)(void *)m);
        m = next;
    }
}

ON_LOOP static void close_handles(instructd *d)
{
    if (!d->handles_open)
        return;
    d->handles_open = false;
    pthread_mutex_lock(&d->mutex);
    d->loop_left = true;
    pthread_mutex_unlock(&d->mutex);
    uv_close((uv_handle_t *)&d->stop, NULL);
    uv_close((uv_handle_t *)&d->loaded, NULL);
    uv_close((uv_handle_t *)&d->jobs_left, NULL);
    uv_close((uv_handle_t *)&d->timer, NULL);
    uv_close((uv_handle_t *)&d->sigterm, NULL);
    uv_close((uv_handle_t *)&d->sigint, NULL);
    if (d->options.signals) { /* the end is near: one more must not cut it short */
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
    }
}

ON_LOOP static void close_wakes(instructd *d)
{
    if (d->wake_open)
        loop_wake_close(&d->wake);
    d->wake_open = false;
    if (!d->bus_wake_open)
        return;
    events_on_publish(d->events, NULL, NULL);
    loop_wake_close(&d->bus_wake);
    d->bus_wake_open = false;
}

/* Closes everything; the loop then runs out of handles and daemon_run returns. */
static void finish(instructd *d, int exit_code)
{
    if (d->phase == PHASE_STOPPED)
        return;
    d->phase = PHASE_STOPPED;
    d->exit_code = exit_code;
    server_close(d->server);
    if (d->sched)
        sched_stop(d->sched);
    d->sched = NULL;
    close_wakes(d);
    close_handles(d);
}

/* Streams have ended and jobs have written their checkpoints. */
ON_LOOP static bool is_drained(const instructd *d)
{
    return d->server->n_busy == 0 && d->jobs_ended;
}

ON_LOOP static void begin_drain(instructd *d)
{
    log_event(LOG_INFO, "draining", "requests=%u", d->server->n_busy);
    d->phase = PHASE_DRAINING;
    d->service.draining = true;
    server_drain(d->server);
    listeners_end(&d->service.listeners);
    cmd *c = cmd_create(CMD_DRAIN, 0);
    if (c && !mailbox_post(&d->inbox, &c->mail))
        cmd_free(c); /* the service refuses on its own; this is for what is on its way */
    label_sampler_ask_stop(d->service.control.sampler);
    if (d->service.ready)
        training_ask_stop(d->training);
    else
        d->jobs_ended = true;
    if (is_drained(d))
        finish(d, 0);
}

static void on_timer(uv_timer_t *timer)
{
    assert_on_loop();
    instructd *d = timer->data;
    uint64_t now = uv_now(&d->loop);
    if (is_drained(d)) {
        finish(d, 0);
        return;
    }
    if (now < d->drain_end_ms) {
        uv_timer_start(&d->timer, on_timer, d->drain_end_ms - now, 0);
        return;
    }
    if (generate_count(d->service.generate))
        log_event(LOG_WARN, "drain_cut", "streams=%zu", generate_count(d->service.generate));
    if (!d->jobs_ended)
        log_event(LOG_WARN, "drain_cut",
                  "a job has not come to rest; it goes on at the next start");
    generate_abort_all(d->service.generate);
    finish(d, 0);
}

/* The last request under way has ended; the server may be in the middle of saying so. */
static void on_quiet(void *arg)
{
    instructd *d = (instructd *)((char *)arg - offsetof(instructd, service));
    if (d->phase == PHASE_DRAINING)
        uv_timer_start(&d->timer, on_timer, 0, 0);
}

static void on_jobs_left(uv_async_t *async)
{
    assert_on_loop();
    instructd *d = async->data;
    d->jobs_ended = true;
    on_quiet(&d->service);
}

static void on_stop(uv_async_t *async)
{
    assert_on_loop();
    instructd *d = async->data;
    if (atomic_load(&d->stops) > 1) {
        finish(d, 1);
        return;
    }
    if (d->phase != PHASE_SERVING)
        return;
    d->drain_end_ms = uv_now(&d->loop) + LIMIT_DRAIN_MS;
    uv_timer_start(&d->timer, on_timer, LIMIT_DRAIN_MS, 0);
    begin_drain(d);
}

void daemon_stop_async(instructd *d)
{
    atomic_fetch_add(&d->stops, 1);
    pthread_mutex_lock(&d->mutex);
    if (!d->loop_left)
        uv_async_send(&d->stop);
    pthread_mutex_unlock(&d->mutex);
}

static void on_signal(uv_signal_t *handle, int number)
{
    assert_on_loop();
    log_event(LOG_INFO, "signal", "number=%d", number);
    daemon_stop_async(handle->data);
}

/* ---- making and running ---- */

static void on_wake(void *arg)
{
    assert_on_loop();
    instructd *d = arg;
    const size_t streams = generate_count(d->service.generate);
    generate_on_events(d->service.generate, mailbox_take(&d->outbox));
    right_of_way_served(&d->way, generate_count(d->service.generate) < streams);
}

static void ring_loop(void *arg)
{
    instructd *d = arg;
    right_of_way_ring(&d->way);
    loop_wake_ring(&d->wake);
}

static void on_bus_wake(void *all)
{
    assert_on_loop();
    listeners_wake(all);
}

ON_LOOP static bool open_handles(instructd *d)
{
    if (uv_async_init(&d->loop, &d->stop, on_stop) < 0 ||
        uv_async_init(&d->loop, &d->loaded, on_loaded) < 0 ||
        uv_async_init(&d->loop, &d->jobs_left, on_jobs_left) < 0)
        return false;
    uv_timer_init(&d->loop, &d->timer);
    uv_signal_init(&d->loop, &d->sigterm);
    uv_signal_init(&d->loop, &d->sigint);
    d->stop.data = d->loaded.data = d->jobs_left.data = d->timer.data = d->sigterm.data =
        d->sigint.data = d;
    d->handles_open = true;
    if (d->options.signals && (uv_signal_start(&d->sigterm, on_signal, SIGTERM) < 0 ||
                               uv_signal_start(&d->sigint, on_signal, SIGINT) < 0))
        return false;
    return true;
}

static void fill_service(instructd *d)
{
    const config *c = &d->options.config;
    d->service = (service){.loop = &d->loop,
                           .registry = d->registry,
                           .keys = d->keys,
                           .metrics = d->metrics,
                           .inbox = &d->inbox,
                           .way = &d->way,
                           .control = {.data_dir = c->data_dir,
                                       .registry = d->registry,
                                       .store = d->store,
                                       .events = d->events,
                                       .metrics = d->metrics,
                                       .plugins = training_plugins(d->training)},
                           .build = INSTRUCTD_VERSION,
                           .anonymous = c->anonymous && config_host_is_loopback(c->host),
                           .hosts = c->hosts,
                           .n_hosts = c->n_hosts,
                           .cors_origins = c->cors_origins,
                           .n_cors_origins = c->n_cors_origins};
    d->service.generate = generate_create(&d->service);
}

/* A broken chain stops nobody's work, but is told at each start. The end is told outside of the
 * database, so that a cut can be seen. */
static void check_audit(store *s)
{
    store_audit_state state;
    error_text why;
    if (store_audit_check(s, &state, &why) != STORE_OK)
        log_event(LOG_ERROR, "audit_unreadable", "%.400s", why.text);
    else if (state.broken)
        log_event(LOG_ERROR, "audit_broken", "seq=%" PRIu64 " does not follow from those before",
                  state.broken);
    else
        log_event(LOG_INFO, "audit_checked", "rows=%" PRIu64 " hash=%s", state.rows, state.hash);
}

static bool open_store(instructd *d, error_text *err)
{
    char path[PATH_MAX];
    const char *data_dir = d->options.config.data_dir;
    snprintf(path, sizeof path, "%s/instructd.db", data_dir);
    if (!store_open(&d->store, path, err))
        return false;
    check_audit(d->store);
    control_files_sweep(&(control){.data_dir = data_dir, .store = d->store});
    return true;
}

static bool open_training(instructd *d, error_text *err)
{
    const config *c = &d->options.config;
    const training_options options = {.plugin_dir = c->plugin_dir,
                                      .threads = c->train_threads,
                                      .spare = &d->spare,
                                      .rewards = c->rewards,
                                      .n_rewards = c->n_rewards,
                                      .version = INSTRUCTD_VERSION,
                                      .sampler_dtype = sampler_dtype(c)};
    d->training = training_open(&options, err);
    return d->training != NULL;
}

/* What waits for the disk. */
static bool open_data(instructd *d, error_text *err)
{
    d->lock_fd = data_dir_lock(d->options.config.data_dir, err);
    if (d->lock_fd < 0)
        return false;
    d->keys = keys_open(d->options.config.data_dir, d->options.config.key_file, err);
    return d->keys && open_store(d, err) && open_training(d, err);
}

/* Everything that needs memory or the system's leave, before the first socket. */
ON_LOOP static bool open_rooms(instructd *d, error_text *err)
{
    d->events = events_create();
    d->loop_open = uv_loop_init(&d->loop) == 0;
    d->metrics = metrics_create();
    d->registry = policy_registry_create();
    d->inbox_open = mailbox_init(&d->inbox, LIMIT_MAILBOX, NULL, NULL);
    d->outbox_open = mailbox_init(&d->outbox, LIMIT_MAILBOX, ring_loop, d);
    fill_service(d);
    bool ok = d->events && d->loop_open && d->metrics && d->registry && d->inbox_open &&
              d->outbox_open && d->service.generate && open_handles(d);
    if (ok)
        d->wake_open = ok = loop_wake_init(&d->wake, &d->loop, on_wake, d) == 0;
    if (ok)
        d->bus_wake_open = ok =
            loop_wake_init(&d->bus_wake, &d->loop, on_bus_wake, &d->service.listeners) == 0;
    if (ok)
        events_on_publish(d->events, loop_wake_ring, &d->bus_wake);
    return ok || error_text_set(err, "the system refuses memory or descriptors");
}

ON_LOOP static bool open_server(instructd *d, error_text *err)
{
    const config *c = &d->options.config;
    server_limits limits = server_default_limits();
    limits.idle_ms = c->idle_ms;
    server_hooks hooks = {.on_head = route_on_head,
                          .on_request = route_on_request,
                          .on_done = route_on_done,
                          .on_quiet = on_quiet,
                          .arg = &d->service};
    d->server = server_create(&d->loop, &limits, &hooks);
    if (!d->server)
        return error_text_set(err, "out of memory");
    return server_listen_tcp(d->server, c->host, c->port, err) &&
           (!c->unix_path || server_listen_unix(d->server, c->unix_path, err));
}

instructd *daemon_create(const daemon_options *options, error_text *err)
{
    if (!config_check(&options->config, err))
        return NULL;
    instructd *d = calloc(1, sizeof *d);
    if (!d) {
        error_text_set(err, "out of memory");
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN); /* a client that left is an error of its write, not our end */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow */
    d->options = *options;
    d->lock_fd = -1;
    d->spare.percent = spare_percent(&options->config);
    pthread_mutex_init(&d->mutex, NULL);
    bool ok = open_data(d, err);
    role_enter_loop();
    ok = ok && open_rooms(d, err) && open_server(d, err);
    role_leave_loop();
    if (!ok) {
        daemon_free(d);
        return NULL;
    }
    log_event(LOG_INFO, "listening", "host=%s port=%u", options->config.host, daemon_port(d));
    return d;
}

int daemon_run(instructd *d, error_text *err)
{
    role_enter_loop();
    d->err = err;
    thread_be_prompt();
    d->loader_started = pthread_create(&d->loader, NULL, load_model, d) == 0;
    if (!d->loader_started) {
        error_text_set(err, "the system refuses a thread");
        finish(d, 1);
    }
    uv_run(&d->loop, UV_RUN_DEFAULT);
    role_leave_loop();
    error_text unsaid;
    if (store_flush(d->store, &unsaid) != STORE_OK) /* what jobs have told */
        log_event(LOG_WARN, "store", "%.300s", unsaid.text);
    log_event(LOG_INFO, "stopped", "code=%d", d->exit_code);
    return d->exit_code;
}

uint16_t daemon_port(const instructd *d)
{
    return d->server->port;
}

bool daemon_must_exit(instructd *d)
{
    pthread_mutex_lock(&d->mutex);
    bool loading = d->loader_started && !d->load_done;
    pthread_mutex_unlock(&d->mutex);
    return loading || !training_has_left(d->training);
}

ON_LOOP static void close_loop(instructd *d)
{
    if (d->server)
        finish(d, 1);
    close_wakes(d);
    close_handles(d);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_loop_close(&d->loop);
}

void daemon_free(instructd *d)
{
    if (!d)
        return;
    role_enter_loop();
    if (d->loop_open)
        close_loop(d);
    if (d->loader_started)
        pthread_join(d->loader, NULL);
    role_leave_loop();
    label_sampler_free(d->sampler);
    if (!training_free(d->training))
        return; /* a plugin hangs: what it may touch stays */
    role_enter_loop();
    server_free(d->server);
    generate_free(d->service.generate);
    role_leave_loop();
    if (d->inbox_open) {
        free_commands(&d->inbox);
        mailbox_destroy(&d->inbox);
    }
    if (d->outbox_open) {
        free_events(&d->outbox);
        mailbox_destroy(&d->outbox);
    }
    publisher_free(d->publisher);
    policy_registry_free(d->registry);
    store_close(d->store);
    events_free(d->events);
    metrics_free(d->metrics);
    keys_free(d->keys);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    pthread_mutex_destroy(&d->mutex);
    free(d);
}
