/* How much memory the system would still give. */
#ifndef DAEMON_BASE_MEMORY_H
#define DAEMON_BASE_MEMORY_H

#include <stdint.h>

/* Bytes that can be had without swapping: what /proc/meminfo calls available, or what is left below
 * the control group's limit if that is less. UINT64_MAX where neither can be read. [any] */
uint64_t memory_available(void);

#endif
