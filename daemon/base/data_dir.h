/* The data directory: made 0700, held by one daemon at a time. */
#ifndef DAEMON_BASE_DATA_DIR_H
#define DAEMON_BASE_DATA_DIR_H

#include "base/error_text.h"

/* Makes the directory (parents too) if it is missing, refuses one that others may enter, and takes
 * <path>/lock. Returns the lock's descriptor, to be closed by the caller when the daemon is done;
 * -1 with *err saying why, naming the pid of a daemon that has it. */
int data_dir_lock(const char *path, error_text *err);

#endif
