/* What the parts of the daemon's root share: one daemon. Only daemon.c, rooms.c, doorbells.c,
 * loading.c and stopping.c see its fields; main.c and tests use daemon.h.
 *
 * (i) never changes once daemon_create has returned, (l) loop thread, (a) atomic, (m) under
 * `mutex`; without a letter: opened by rooms.c and doorbells.c before daemon_run, closed by them
 * after it. */
#ifndef DAEMON_DAEMON_STATE_H
#define DAEMON_DAEMON_STATE_H

#include "base/keys.h"
#include "base/metrics.h"
#include "bridge/loop_wake.h"
#include "bridge/mailbox.h"
#include "bridge/right_of_way.h"
#include "daemon.h"
#include "engine.h"
#include "host/events.h"
#include "human/label_sampler.h"
#include "net/server.h"
#include "net/service.h"
#include "policy/policy.h"
#include "policy/publish.h"
#include "serve/scheduler.h"
#include "store/store.h"
#include "training.h"

#include <pthread.h>
#include <stdatomic.h>
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

#endif
