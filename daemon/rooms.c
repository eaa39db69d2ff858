#include "rooms.h"

#include "base/data_dir.h"
#include "base/limits.h"
#include "base/log.h"
#include "bridge/messages.h"
#include "control/files.h"
#include "doorbells.h"
#include "loading.h"
#include "net/generate.h"
#include "net/route.h"
#include "part_options.h"
#include "stopping.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static void fill_service(instructd *d)
{
    const config *c = &d->options.config;
    d->service = (service){.loop = &d->loop,
                           .workers = {.loop = &d->loop},
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
                           .bound = c->host,
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
                                      .sampler_dtype = part_sampler_dtype(c)};
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
ON_LOOP static bool open_loop(instructd *d, error_text *err)
{
    d->events = events_create();
    d->loop_open = uv_loop_init(&d->loop) == 0;
    d->metrics = metrics_create();
    d->registry = policy_registry_create();
    d->inbox_open = mailbox_init(&d->inbox, LIMIT_MAILBOX, NULL, NULL);
    d->outbox_open = mailbox_init(&d->outbox, LIMIT_MAILBOX, doorbells_ring, d);
    fill_service(d);
    return (d->events && d->loop_open && d->metrics && d->registry && d->inbox_open &&
            d->outbox_open && d->service.generate && doorbells_open(d)) ||
           error_text_set(err, "the system refuses memory or descriptors");
}

ON_LOOP static bool open_server(instructd *d, error_text *err)
{
    const config *c = &d->options.config;
    server_limits limits = server_default_limits();
    limits.idle_ms = c->idle_ms;
    server_hooks hooks = {.on_head = route_on_head,
                          .on_request = route_on_request,
                          .on_done = route_on_done,
                          .on_quiet = stopping_on_quiet,
                          .arg = &d->service};
    d->server = server_create(&d->loop, &limits, &hooks);
    if (!d->server)
        return error_text_set(err, "out of memory");
    return server_listen_tcp(d->server, c->host, c->port, err) &&
           (!c->unix_path || server_listen_unix(d->server, c->unix_path, err));
}

bool rooms_open(instructd *d, error_text *err)
{
    bool ok = open_data(d, err);
    role_enter_loop();
    ok = ok && open_loop(d, err) && open_server(d, err);
    role_leave_loop();
    return ok;
}

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

ON_LOOP static void close_loop(instructd *d)
{
    if (d->server)
        stopping_finish(d, 1);
    doorbells_close(d);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_loop_close(&d->loop);
}

bool rooms_close(instructd *d)
{
    role_enter_loop();
    if (d->loop_open)
        close_loop(d);
    loading_join(d);
    role_leave_loop();
    label_sampler_free(d->sampler);
    if (!training_free(d->training))
        return false;
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
    return true;
}
