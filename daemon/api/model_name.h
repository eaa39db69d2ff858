/* The `model` of a request -> a policy. */
#ifndef DAEMON_API_MODEL_NAME_H
#define DAEMON_API_MODEL_NAME_H

#include "api/error.h"
#include "policy/policy.h"

#include <cjson/cJSON.h>

/* name: NULL for the default alias. On success *out is the caller's reference and label is filled
 * as by policy_resolve; else 404 model_not_found or policy_not_resident, or 503 not_ready. */
bool api_resolve(policy_registry *registry, const char *name, policy **out, char label[96],
                 api_error *err);
/* The same for a body's "model", absent and null included; another type is 400. */
bool api_resolve_member(policy_registry *registry, const cJSON *root, policy **out, char label[96],
                        api_error *err);
/* Does a body's "model" name an alias whose requests move with it? */
bool api_member_follows(policy_registry *registry, const cJSON *root);

#endif
