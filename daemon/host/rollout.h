/* Rollouts: a job's completions, drawn by a scheduler of their own.
 *
 * A step of the serving scheduler cannot be interrupted, so a class of requests that shared its
 * steps with streams would be felt in every gap between their tokens. Rollouts therefore run in a
 * second instance of the same scheduler, whose threads give way to all others: continuous batching
 * and shared prefixes as there, on the cores' spare time. It starts with the first rollouts of a
 * shape of model and ends with the source.
 *
 * Owner: the job thread, but for create and free [main]. */
#ifndef DAEMON_HOST_ROLLOUT_H
#define DAEMON_HOST_ROLLOUT_H

#include "instructd_plugin.h"
#include "policy/policy.h"
#include "serve/scheduler.h"

#include <stdbool.h>

typedef struct rollout_source rollout_source;

/* The registry outlives it; low_priority is set here. NULL when memory is out. */
rollout_source *rollout_source_create(policy_registry *registry, const sched_options *options);
void rollout_source_free(rollout_source *r); /* NULL allowed */

/* instructd_host.generate_begin: the request is copied; INSTRUCTD_E_INVALID while one is under way.
 * err: INSTRUCTD_ERROR_BYTES. */
int rollout_begin(rollout_source *r, const instructd_rollout_request *request, char *err);
/* Hands the scheduler more of what was begun, as it has room: wanted every while, at no cost when
 * nothing is under way. True: nothing is left to draw. */
bool rollout_pump(rollout_source *r);
/* instructd_host.generate_wait: blocks until what was begun is drawn, or has failed; it is under
 * way no more then. `stopped` is asked about ten times a second (NULL: never); when it says so,
 * what is left is cancelled. On INSTRUCTD_OK *out is freed with rollout_free. */
int rollout_wait(rollout_source *r, bool (*stopped)(void *arg), void *arg,
                 const instructd_rollouts **out, char *err);
void rollout_cancel(rollout_source *r); /* what was begun, if anything */

/* Begin and wait in one. */
int rollout_generate(rollout_source *r, const instructd_rollout_request *request,
                     bool (*stopped)(void *arg), void *arg, const instructd_rollouts **out,
                     char *err);
void rollout_free(const instructd_rollouts *rollouts); /* NULL allowed [any] */

#endif
