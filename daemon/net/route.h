/* The route table: method, path, scope, body, handler and metric name of everything the daemon
 * answers, and the checks that stand in front of every handler, in this order:
 *
 *   Host 403 -> path 404 -> OPTIONS 204 -> method 405 -> Origin 403 -> key 401, 403 ->
 *   connections of the key 429 -> drain 503 -> Content-Type 415 -> handler
 *
 * A route without a scope is public; every other needs one: forgetting to give a scope is not
 * possible. Loop thread. */
#ifndef DAEMON_NET_ROUTE_H
#define DAEMON_NET_ROUTE_H

#include "base/thread_roles.h"
#include "control/control.h"
#include "net/exchange.h"
#include "net/service.h"

typedef enum route_access {
    ROUTE_PUBLIC = -1,
    ROUTE_SCOPE_UNSET = 0 /* a row that names no scope lets nobody in */
} route_access;

typedef enum route_body {
    ROUTE_BODY_NONE,
    ROUTE_BODY_JSON,
    ROUTE_BODY_FORM /* multipart/form-data with a file, which goes to disk as it arrives */
} route_body;

typedef struct route {
    const char *path; /* a segment {name} stands for any one segment; at most two of them */
    unsigned methods; /* http_method bits; one path may have several rows */
    int scope;        /* key_scope bits, of which one must be held, or ROUTE_PUBLIC */
    route_body body;
    bool while_draining;
    void (*handle)(service *s, exchange *x);
    const char *metric;
    control_fn *control; /* what `manage` runs on a worker; NULL for other handlers */
    bool takes_long;     /* minutes, perhaps: for the publisher, or by all that there is to read */
} route;

/* The server's hooks; arg is the service. */
bool route_on_head(void *service, exchange *x) ON_LOOP;
void route_on_request(void *service, exchange *x) ON_LOOP;
void route_on_done(void *service, exchange *x) ON_LOOP;

#endif
