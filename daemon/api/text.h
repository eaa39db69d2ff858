/* /tokenize, /detokenize, /tokenizer_info and /v1/models: pure functions JSON -> JSON.
 *
 * Each appends the whole reply to out, or returns false with *err set; what out holds then is not a
 * reply. Members that a body should not have go to `ignored`, which may be NULL. [any thread] */
#ifndef DAEMON_API_TEXT_H
#define DAEMON_API_TEXT_H

#include "api/error.h"
#include "api/ignored.h"
#include "policy/policy.h"

bool api_tokenize(policy_registry *registry, const char *body, size_t len, buf *out,
                  api_ignored *ignored, api_error *err);
bool api_detokenize(policy_registry *registry, const char *body, size_t len, buf *out,
                    api_ignored *ignored, api_error *err);
/* name: the `model` query parameter or NULL. */
bool api_tokenizer_info(policy_registry *registry, const char *name, buf *out, api_error *err);
/* limit and after: the query parameters' decoded text, or NULL. */
bool api_models_page(policy_registry *registry, const char *limit, const char *after, buf *out,
                     api_error *err);
bool api_model_get(policy_registry *registry, const char *name, buf *out, api_error *err);

#endif
