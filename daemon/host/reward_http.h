/* Rewards from an HTTP endpoint of the operator's: named in the configuration (--reward NAME=URL),
 * never in a request.
 *
 *   POST URL {"prompt":"...","completions":["...",...]} -> 200 {"scores":[0.5,...]}
 *
 * Completions of one prompt that stand next to each other go out together. A reply of 5xx or 429,
 * or none in time, is tried again a few times with growing pauses; anything else that is not as
 * above is an error at once. Redirections are not followed. Limits: limits.h. */
#ifndef DAEMON_HOST_REWARD_HTTP_H
#define DAEMON_HOST_REWARD_HTTP_H

#include "base/error_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct reward_endpoints reward_endpoints;

/* How long is waited; 0 = limits.h. */
typedef struct reward_timing {
    uint32_t connect_ms, total_ms; /* of one try */
    uint32_t pause_ms;             /* before the second try; it doubles with each */
} reward_timing;

/* From "NAME=URL" texts, which outlive it: NAME of [a-z0-9_-]{1,32}, each once, http or https.
 * timing NULL: limits.h. NULL with *err. Initialises libcurl. [main] */
reward_endpoints *reward_endpoints_create(const char *const *specs, size_t n,
                                          const reward_timing *timing, error_text *err);
void reward_endpoints_free(reward_endpoints *e); /* NULL allowed [main] */

/* instructd_host.reward_http: scores[i] for each pair. Blocks; `stopped(arg)` is asked several
 * times a second. An INSTRUCTD_ code; err has INSTRUCTD_ERROR_BYTES. [any thread that may wait] */
int reward_score(const reward_endpoints *e, const char *name, uint32_t n,
                 const char *const *prompts, const char *const *completions, double *scores,
                 bool (*stopped)(void *arg), void *arg, char *err);

#endif
