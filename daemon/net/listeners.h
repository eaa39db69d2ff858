/* Everybody who follows what happens: streams of the bus (GET /v1/events) and of one job's events.
 * They have no end of their own, so a drain ends them. Loop thread. */
#ifndef DAEMON_NET_LISTENERS_H
#define DAEMON_NET_LISTENERS_H

#include "api/error.h"
#include "base/thread_roles.h"
#include "net/sse.h"

#include <stddef.h>

/* The first member of a stream that listens; its owner frees it after listener_leave. */
typedef struct listener {
    struct listener *prev, *next;
    sse sse;
    void (*on_news)(struct listener *l); /* something was published */
    void (*on_end)(struct listener *l);  /* says goodbye and leaves */
} listener;

typedef struct listeners {
    listener *first;
    size_t n;
} listeners;

/* False: there are LIMIT_LISTENERS already. */
bool listener_enter(listeners *all, listener *l) ON_LOOP;
void listener_leave(listeners *all, listener *l) ON_LOOP;
/* Last-Event-ID, if the client sent one; *since stays as it is otherwise. False with *err: 400. */
bool listener_resume_at(const exchange *x, uint64_t *since, api_error *err);
void listeners_wake(listeners *all) ON_LOOP;
void listeners_end(listeners *all) ON_LOOP;

#endif
