/* Everything that training needs, opened and closed together: the plugins and what they are lent,
 * reward endpoints, rollouts, jobs. Part of the root.
 *
 *   training_open    plugins are loaded                          (daemon_create)
 *   training_start   jobs run                                    (once the publisher is open)
 *   training_ask_stop, training_has_left                         (while streams drain)
 *   training_free    jobs gone, plugins left                     (daemon_free) */
#ifndef DAEMON_TRAINING_H
#define DAEMON_TRAINING_H

#include "host/jobs.h"
#include "serve/scheduler.h"

typedef struct training training;

typedef struct training_options {
    const char *plugin_dir;     /* NULL: beside the executable */
    uint32_t threads;           /* 0: one per core */
    spare_time *spare;          /* outlives it */
    const char *const *rewards; /* NAME=URL */
    size_t n_rewards;
    const char *version, *sampler_dtype; /* see host_table.h */
} training_options;

/* Strings outlive it. NULL with *err. [main] */
training *training_open(const training_options *options, error_text *err);

/* The rest of jobs_options is filled in here. `rollouts` is what serving has. [loader thread] */
bool training_start(training *t, const jobs_options *rooms, const sched_options *rollouts,
                    error_text *err);
plugin_host *training_plugins(const training *t);
jobs *training_jobs(const training *t); /* NULL until started */

void training_ask_stop(training *t); /* jobs_ask_stop; NULL allowed [any] */
/* Is nothing of training at work any more, so that training_free does not wait and frees? [any] */
bool training_has_left(training *t);
/* False: a plugin hangs, and all that it may touch stays (jobs_free). NULL allowed. [main] */
bool training_free(training *t);

#endif
