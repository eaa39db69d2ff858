/* The table that the daemon lends to every plugin (instructd_host), and what stands behind its
 * functions. One per daemon; made before the plugins are loaded and freed after they are left. */
#ifndef DAEMON_HOST_HOST_TABLE_H
#define DAEMON_HOST_HOST_TABLE_H

#include "base/error_text.h"
#include "host/train_pool.h"
#include "instructd_plugin.h"

typedef struct host_table host_table;

/* train_threads: width of the training pool, 0 = all cores. spare: see train_pool.h. version: of
 * the daemon; outlives the table, as does sampler_dtype ("f32", "bf16", ...; see the ABI). NULL
 * with *err. [main] */
host_table *host_table_create(uint32_t train_threads, spare_time *spare, const char *version,
                              const char *sampler_dtype, error_text *err);
void host_table_free(host_table *h); /* NULL allowed; no job runs [main] */

const instructd_host *host_table_abi(const host_table *h); /* what plugins get */
train_pool *host_table_pool(const instructd_host *abi);    /* the pool behind it [any] */

#endif
