/* What the handlers of the routes share: the rooms behind the network. One per daemon, made by
 * rooms.c, outliving the server. Loop thread. */
#ifndef DAEMON_NET_SERVICE_H
#define DAEMON_NET_SERVICE_H

#include "base/keys.h"
#include "base/metrics.h"
#include "bridge/mailbox.h"
#include "bridge/right_of_way.h"
#include "control/control.h"
#include "net/listeners.h"
#include "net/work_line.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct generate;

typedef struct service {
    uv_loop_t *loop;
    policy_registry *registry;
    keys *keys;
    metrics *metrics;
    mailbox *inbox;            /* of the scheduler */
    right_of_way *way;         /* asked for while bodies are parsed; or NULL */
    struct generate *generate; /* requests being generated */
    listeners listeners;       /* who follow what happens */
    control control;           /* the rooms behind the management routes */
    const char *build;         /* for system_fingerprint */
    bool anonymous;            /* keyless requests may infer */
    const char *bound;         /* what --host names: its Host is taken, unless it is a wildcard */
    const char *const *hosts;  /* Host values taken beside that and the loopback ones */
    size_t n_hosts;
    const char *const *cors_origins; /* foreign origins that may call infer routes */
    size_t n_cors_origins;

    uint32_t pool_tokens; /* what the KV pool holds of one sequence; set before `ready` */
    bool ready;           /* a model is loaded and the scheduler runs */
    bool draining;        /* the daemon is going down */
    uint32_t jobs;        /* worker jobs under way */
    work_line workers;    /* who has one, who waits for one */
    uint32_t uploads;     /* bodies going to disk */
} service;

#endif
