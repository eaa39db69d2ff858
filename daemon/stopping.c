#include "stopping.h"

#include "base/limits.h"
#include "base/log.h"
#include "bridge/messages.h"
#include "doorbells.h"
#include "net/generate.h"

#include <stddef.h>

void stopping_finish(instructd *d, int exit_code)
{
    if (d->phase == PHASE_STOPPED)
        return;
    d->phase = PHASE_STOPPED;
    d->exit_code = exit_code;
    server_close(d->server);
    if (d->sched)
        sched_stop(d->sched);
    d->sched = NULL;
    doorbells_close(d);
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
        stopping_finish(d, 0);
}

static void on_timer(uv_timer_t *timer)
{
    assert_on_loop();
    instructd *d = timer->data;
    uint64_t now = uv_now(&d->loop);
    if (is_drained(d)) {
        stopping_finish(d, 0);
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
    stopping_finish(d, 0);
}

/* The last request under way has ended; the server may be in the middle of saying so. */
void stopping_on_quiet(void *arg)
{
    instructd *d = (instructd *)((char *)arg - offsetof(instructd, service));
    if (d->phase == PHASE_DRAINING)
        uv_timer_start(&d->timer, on_timer, 0, 0);
}

void stopping_on_jobs_left(uv_async_t *async)
{
    assert_on_loop();
    instructd *d = async->data;
    d->jobs_ended = true;
    stopping_on_quiet(&d->service);
}

void stopping_on_stop(uv_async_t *async)
{
    assert_on_loop();
    instructd *d = async->data;
    if (atomic_load(&d->stops) > 1) {
        stopping_finish(d, 1);
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

void stopping_on_signal(uv_signal_t *handle, int number)
{
    assert_on_loop();
    log_event(LOG_INFO, "signal", "number=%d", number);
    daemon_stop_async(handle->data);
}
