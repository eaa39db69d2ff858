/* Small files that are written whole and survive crashes: beside their place, synced, and then
 * renamed into it. */
#ifndef DAEMON_BASE_FILE_REPLACE_H
#define DAEMON_BASE_FILE_REPLACE_H

#include "base/error_text.h"

#include <stdbool.h>
#include <stddef.h>

/* Puts the bytes at <dir>/<name>, mode 0600, in place of what was there. True: durable, whatever
 * comes. False with *err, "CALL: REASON": there is the old file, or none as before; if only the
 * folder's sync failed, either. A crash in between may leave <name>.tmp, which the next call
 * replaces. Blocks on the disk; one call at a time for a name. [any thread] */
bool file_replace(int dir_fd, const char *name, const void *bytes, size_t len, error_text *err);
/* The same by the folder's path. */
bool file_replace_in(const char *dir, const char *name, const void *bytes, size_t len,
                     error_text *err);

#endif
