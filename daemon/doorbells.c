#include "doorbells.h"

#include "loading.h"
#include "net/generate.h"
#include "net/listeners.h"
#include "stopping.h"

#include <signal.h>

static void on_wake(void *arg)
{
    assert_on_loop();
    instructd *d = arg;
    const size_t streams = generate_count(d->service.generate);
    generate_on_events(d->service.generate, mailbox_take(&d->outbox));
    right_of_way_served(&d->way, generate_count(d->service.generate) < streams);
}

void doorbells_ring(void *arg)
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
    if (uv_async_init(&d->loop, &d->stop, stopping_on_stop) < 0 ||
        uv_async_init(&d->loop, &d->loaded, loading_on_done) < 0 ||
        uv_async_init(&d->loop, &d->jobs_left, stopping_on_jobs_left) < 0)
        return false;
    uv_timer_init(&d->loop, &d->timer);
    uv_signal_init(&d->loop, &d->sigterm);
    uv_signal_init(&d->loop, &d->sigint);
    d->stop.data = d->loaded.data = d->jobs_left.data = d->timer.data = d->sigterm.data =
        d->sigint.data = d;
    d->handles_open = true;
    if (d->options.signals && (uv_signal_start(&d->sigterm, stopping_on_signal, SIGTERM) < 0 ||
                               uv_signal_start(&d->sigint, stopping_on_signal, SIGINT) < 0))
        return false;
    return true;
}

bool doorbells_open(instructd *d)
{
    if (!open_handles(d))
        return false;
    d->wake_open = loop_wake_init(&d->wake, &d->loop, on_wake, d) == 0;
    if (!d->wake_open)
        return false;
    d->bus_wake_open =
        loop_wake_init(&d->bus_wake, &d->loop, on_bus_wake, &d->service.listeners) == 0;
    if (d->bus_wake_open)
        events_on_publish(d->events, loop_wake_ring, &d->bus_wake);
    return d->bus_wake_open;
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

void doorbells_close(instructd *d)
{
    close_wakes(d);
    close_handles(d);
}
