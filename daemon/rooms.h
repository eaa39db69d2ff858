/* The rooms behind the network, opened in the order in which they need each other and closed the
 * other way round. Part of the root. */
#ifndef DAEMON_ROOMS_H
#define DAEMON_ROOMS_H

#include "daemon_state.h"

#include <stdbool.h>

/* What waits for the disk, then memory and the loop, then the sockets. False with *err; rooms_close
 * then closes what was opened. [main] */
bool rooms_open(instructd *d, error_text *err);
/* Waits for a model that is still being read and for jobs to come to rest. False: a plugin hangs,
 * and all that it may touch stays open, *d too. [main] */
bool rooms_close(instructd *d);

#endif
