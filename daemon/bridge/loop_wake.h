/* The loop's doorbell: mailbox_init(.., loop_wake_ring, wake) makes a posted message wake the loop.
 */
#ifndef DAEMON_BRIDGE_LOOP_WAKE_H
#define DAEMON_BRIDGE_LOOP_WAKE_H

#include "base/thread_roles.h"

#include <uv.h>

typedef struct loop_wake {
    uv_async_t async;
    void (*on_wake)(void *arg); /* runs on the loop; one call may stand for many rings */
    void *arg;
} loop_wake;

int loop_wake_init(loop_wake *wake, uv_loop_t *loop, void (*on_wake)(void *arg), void *arg) ON_LOOP;
void loop_wake_close(loop_wake *wake) ON_LOOP; /* wake must live until the loop has closed it */
void loop_wake_ring(void *wake) ANY_THREAD;

#endif
