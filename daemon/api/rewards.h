/* POST /v1/rewards: texts to a request for a reward model's scores. */
#ifndef DAEMON_API_REWARDS_H
#define DAEMON_API_REWARDS_H

#include "api/generate.h"

/* {model, input: [{prompt, completion} | {messages}]}, 1 to LIMIT_REWARD_INPUTS of them. Each
 * becomes a prompt of the request, composed as in training; members of the body that are not known
 * go to `ignored`, which may be NULL. As api_generate_parse otherwise; the reply is gen_reply's.
 * [any thread] */
bool api_rewards_parse(const char *body, size_t len, const api_context *context, gen_request **out,
                       api_ignored *ignored, api_error *err);

#endif
