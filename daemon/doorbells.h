/* What wakes the loop: the scheduler's events, those of the bus, a stop, the loader, training, the
 * drain's timer and signals. Part of the root. */
#ifndef DAEMON_DOORBELLS_H
#define DAEMON_DOORBELLS_H

#include "base/thread_roles.h"
#include "daemon_state.h"

#include <stdbool.h>

/* mailbox_init's wake for the outbox; `d` is the daemon. Not before doorbells_open. [any thread] */
void doorbells_ring(void *d);
/* Once the loop, the events and the service are there. False: the system refuses descriptors;
 * doorbells_close then closes those that were opened. */
bool doorbells_open(instructd *d) ON_LOOP;
/* Nobody rings the stop's, the loader's or training's from here on. Again is harmless. */
void doorbells_close(instructd *d) ON_LOOP;

#endif
