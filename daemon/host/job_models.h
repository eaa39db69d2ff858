/* What a model's name means to a job. [any thread that may wait] */
#ifndef DAEMON_HOST_JOB_MODELS_H
#define DAEMON_HOST_JOB_MODELS_H

#include "policy/publish.h"

/* "instruct", "instruct@pol_...", "pol_..." to the policy's id, whether it is in memory or on disk
 * alone. PUBLISH_NOT_FOUND with *err otherwise. */
publish_result job_model_resolve(policy_registry *registry, publisher *versions, const char *name,
                                 char id[POLICY_ID_CHARS + 1], error_text *err);

#endif
