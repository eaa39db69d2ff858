/* Draws the outputs that label tasks wait for: a thread of its own with a rollout source of its own
 * (host/rollout.h), whose scheduler gives way to everybody. Both come with the first task that
 * waits and go when none does, so that no memory is held meanwhile.
 *
 * What is left to do stands in the store: a restart goes on where the last one ended. */
#ifndef DAEMON_HUMAN_LABEL_SAMPLER_H
#define DAEMON_HUMAN_LABEL_SAMPLER_H

#include "base/error_text.h"
#include "policy/publish.h"
#include "serve/scheduler.h"
#include "store/store.h"

typedef struct label_sampler label_sampler;

/* All outlive it; publisher may be NULL (then only resident policies can be drawn from). options:
 * as serving has. NULL with *err: no memory or no thread. */
label_sampler *label_sampler_start(store *s, publisher *p, policy_registry *r,
                                   const sched_options *options, error_text *err);
/* There may be new tasks. NULL allowed. [any] */
void label_sampler_wake(label_sampler *l);
/* Ends what is being drawn, soon; its task is drawn at the next start. NULL allowed. [any] */
void label_sampler_ask_stop(label_sampler *l);
/* Asks, waits and frees. NULL allowed. */
void label_sampler_free(label_sampler *l);

#endif
