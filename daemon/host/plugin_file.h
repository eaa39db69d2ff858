/* Whether a plugin's file may be run inside the daemon at all: who owns it and its directory, and
 * who else can write them. */
#ifndef DAEMON_HOST_PLUGIN_FILE_H
#define DAEMON_HOST_PLUGIN_FILE_H

#include "base/error_text.h"

#include <stdbool.h>

/* False, with expected and found in *err, unless the directory belongs to this process' user or to
 * root and neither its group nor others can write it. [any] */
bool plugin_directory_check(const char *path, error_text *err);
/* The same for a file, which must be a regular one and no link, and for the directory it is in. */
bool plugin_file_check(const char *path, error_text *err);

#endif
