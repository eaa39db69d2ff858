#include "daemon.h"

#include "base/log.h"
#include "base/thread_prompt.h"
#include "daemon_state.h"
#include "loading.h"
#include "part_options.h"
#include "rooms.h"
#include "stopping.h"

#include <signal.h>
#include <stdlib.h>

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
    d->spare.percent = part_spare_percent(&options->config);
    pthread_mutex_init(&d->mutex, NULL);
    if (!rooms_open(d, err)) {
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
    if (!loading_start(d)) {
        error_text_set(err, "the system refuses a thread");
        stopping_finish(d, 1);
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
    return loading_goes_on(d) || !training_has_left(d->training);
}

void daemon_free(instructd *d)
{
    if (!d || !rooms_close(d)) /* a plugin hangs: what it may touch stays */
        return;
    pthread_mutex_destroy(&d->mutex);
    free(d);
}
