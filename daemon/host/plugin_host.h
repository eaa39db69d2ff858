/* The plugins of the configured directory: found, checked, loaded, and what they offer.
 *
 * A file is refused, with expected and found, when it or its directory belongs to another user or
 * can be written by others, is no regular file, lacks the entry, has another magic or major
 * version, a newer minor, a table shorter than its version promises, no name, a method without
 * type, schema, check or run, a type that another plugin has, or a schema that does not parse.
 *
 * Threads: create and free [main]; the rest is immutable in between [any]. */
#ifndef DAEMON_HOST_PLUGIN_HOST_H
#define DAEMON_HOST_PLUGIN_HOST_H

#include "instructd_plugin.h"
#include "base/error_text.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct plugin_host plugin_host;

/* `host` is lent to every plugin and outlives them. directory NULL or absent: no plugins. A refused
 * file is logged and left out; false only when memory is out. */
bool plugin_host_open(plugin_host **out, const char *directory, const instructd_host *host,
                      error_text *err);
/* shutdown, dlclose; not while one is stuck. NULL allowed. */
void plugin_host_free(plugin_host *p);

/* Loads one file by the rules above: the directory scan and the tests use it. [main] */
bool plugin_host_load(plugin_host *p, const char *path, error_text *err);
/* Where plugins lie unless the operator says otherwise: ../lib/plugins beside the executable's
 * directory. False: the path is too long. */
bool plugin_host_default_directory(char *out, size_t cap);

typedef struct plugin_method {
    const char *plugin; /* its name */
    const instructd_method *method;
    struct schema *schema; /* of method->schema_json; the host's */
} plugin_method;

size_t plugin_host_methods(const plugin_host *p, const plugin_method **out);
const plugin_method *plugin_host_find(const plugin_host *p, const char *type); /* or NULL */
/* Asks each plugin what the file is, for no longer than LIMIT_FILE_CHECK_*. False: none knows its
 * format (report->error tells). The descriptor stays where it stands. [any thread that may wait] */
bool plugin_host_file_check(const plugin_host *p, int fd, instructd_file_report *report);
void plugin_host_ask_stop(plugin_host *p); /* the daemon ends: file checks may last no longer */
bool plugin_host_is_stuck(const plugin_host *p); /* has a plugin not returned from a file check? */

#endif
