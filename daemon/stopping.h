/* The daemon's end. First stop: new requests are refused, streams and jobs have LIMIT_DRAIN_MS;
 * second stop: at once. Part of the root. */
#ifndef DAEMON_STOPPING_H
#define DAEMON_STOPPING_H

#include "base/thread_roles.h"
#include "daemon_state.h"

#include <uv.h>

/* Closes everything on the loop, which then runs out of handles, and daemon_run returns
 * `exit_code`. The first call counts. */
void stopping_finish(instructd *d, int exit_code) ON_LOOP;
/* server_hooks.on_quiet; `service` is the daemon's. [loop] */
void stopping_on_quiet(void *service);

/* Doorbells and signals; handle->data is the daemon. [loop] */
void stopping_on_stop(uv_async_t *async);
void stopping_on_jobs_left(uv_async_t *async);
void stopping_on_signal(uv_signal_t *handle, int number);

#endif
