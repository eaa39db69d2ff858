/* Whether what a plugin's entry gave is a table of the ABI that this daemon speaks. Pure. */
#ifndef DAEMON_HOST_PLUGIN_TABLE_H
#define DAEMON_HOST_PLUGIN_TABLE_H

#include "base/error_text.h"
#include "instructd_plugin.h"

#include <stdbool.h>

/* False, with expected and found in *err, when the magic, the version, a table's size, a name or a
 * method's member is not as instructd_plugin.h says. Schemas are not read here. */
bool plugin_table_check(const instructd_plugin *table, error_text *err);

#endif
