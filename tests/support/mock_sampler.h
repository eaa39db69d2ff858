/* The sampling half of mock_host: models in memory, rollouts through the engine's runtime. */
#ifndef TESTS_SUPPORT_MOCK_SAMPLER_H
#define TESTS_SUPPORT_MOCK_SAMPLER_H

#include "engine.h"
#include "instructd_plugin.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct mock_sampler mock_sampler;

mock_sampler *mock_sampler_create(eng_serve_type type, bool never_end);
void mock_sampler_free(mock_sampler *s);

/* Weights of the model at `base` under a new id; at most two at a time. */
eng_status mock_sampler_load(mock_sampler *s, const char *base, const eng_weights *weights,
                             char id[INSTRUCTD_POLICY_ID_BYTES], eng_error *err);
void mock_sampler_unload(mock_sampler *s, const char *id);
uint32_t mock_sampler_loaded(const mock_sampler *s);

/* Draws from the loaded policy of the request's id, else from the model at path; false when there
 * is neither. */
bool mock_sampler_draw(mock_sampler *s, const char *path, const instructd_rollout_request *request,
                       const instructd_rollouts **out);
void mock_sampler_free_rollouts(const instructd_rollouts *rollouts);

#endif
