/* One plugin's look at uploaded files (file_check), on a thread of its own, so that a plugin that
 * hangs there keeps nobody waiting for ever. A look that computes or waits for longer than it may
 * is given up: its thread is left to itself, and the plugin is asked about no other file until it
 * returns. */
#ifndef DAEMON_HOST_PLUGIN_LOOK_H
#define DAEMON_HOST_PLUGIN_LOOK_H

#include "instructd_plugin.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct plugin_look_options {
    const char *plugin; /* its name; lives as long */
    int (*file_check)(int fd, instructd_file_report *report);
    uint32_t cpu_ms, ms; /* it may compute, and take in all; 0 = LIMIT_FILE_CHECK_* */
    uint32_t stop_ms;    /* and from plugin_look_ask_stop on */
} plugin_look_options;

typedef struct plugin_look plugin_look;

plugin_look *plugin_look_create(const plugin_look_options *options); /* NULL: memory is out */
/* False, and nothing is freed: a look that was given up has not returned. NULL allowed. Nobody is
 * in plugin_look_at. */
bool plugin_look_free(plugin_look *l);

/* Has the plugin read the file from its beginning; `fd` stays where it is. Returns what the plugin
 * does, or, with the reason in report->error, INSTRUCTD_E_STOPPED when it was given up or hangs
 * already, INSTRUCTD_E_NOMEM, INSTRUCTD_E_IO. [any thread that may wait] */
int plugin_look_at(plugin_look *l, int fd, instructd_file_report *report);
void plugin_look_ask_stop(plugin_look *l); /* the daemon ends [any] */
bool plugin_look_is_stuck(plugin_look *l); /* has one that was given up not returned? [any] */

#endif
