/* From the command line's options to those of the parts. Nothing is opened here; strings are the
 * configuration's, or live as long as the process. */
#ifndef DAEMON_PART_OPTIONS_H
#define DAEMON_PART_OPTIONS_H

#include "base/config.h"
#include "bridge/right_of_way.h"
#include "policy/publish.h"
#include "serve/scheduler.h"

/* Of spare_time; 0 where serving leaves cores free. [any thread] */
uint32_t part_spare_percent(const config *c);
/* `moved` is left to the caller. [any thread] */
publisher_options part_publisher_options(const config *c);
/* Of serving, and of rollouts and label outputs below it. [any thread] */
sched_options part_scheduler_options(const config *c, spare_time *spare, right_of_way *way);
/* The narrowest type of a published policy's weights and of its keys and values: see host_table.h.
 * Reads the head of the model's file. [main] */
const char *part_sampler_dtype(const config *c);

#endif
