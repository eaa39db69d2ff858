/* A job's wish to move an alias: the "publish" object of its method,
 *
 *   {"alias":"instruct","every":5,"weights":"ema",
 *    "gate":{"min_rm_delta":0,"max_kl_ref":10,"max_lm_loss_rise":0.05,"max_seconds":60}}
 *
 * Pure functions. */
#ifndef DAEMON_API_PUBLISH_SPEC_H
#define DAEMON_API_PUBLISH_SPEC_H

#include "api/error.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

typedef struct publish_spec {
    char alias[65];
    double min_rm_delta, max_kl_ref, max_lm_loss_rise, max_seconds; /* NaN: not given */
} publish_spec;

/* Checks the object as a request gives it and brings it to its normal form, in which `every` and
 * `weights` are filled in and a gate holds what was given. `path` is put before names. */
bool publish_spec_apply(cJSON *object, const char *path, api_error *err);
/* Reads the normal form's text. False: it is none, or memory is out. */
bool publish_spec_read(const char *json, publish_spec *out);

#endif
