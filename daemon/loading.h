/* The model is read beside the loop, which answers /health meanwhile; then training, the label
 * sampler and the scheduler start, and /ready turns 200. A model that cannot be served ends the
 * daemon. Part of the root. */
#ifndef DAEMON_LOADING_H
#define DAEMON_LOADING_H

#include "base/thread_roles.h"
#include "daemon_state.h"

#include <stdbool.h>
#include <uv.h>

/* Starts the loader. False: the system refuses a thread. */
bool loading_start(instructd *d) ON_LOOP;
/* The doorbell that the loader rings when it is done; async->data is the daemon. [loop] */
void loading_on_done(uv_async_t *async);
/* Is the model still being read? [any thread] */
bool loading_goes_on(instructd *d);
/* Waits for the loader, if it was started. */
void loading_join(instructd *d) ON_LOOP;

#endif
