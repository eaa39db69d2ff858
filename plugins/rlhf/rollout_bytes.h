/* Rollouts as bytes: what a checkpoint keeps of those that wait to be learnt from. */
#ifndef RLHF_ROLLOUT_BYTES_H
#define RLHF_ROLLOUT_BYTES_H

#include "rlhf/rollout.h"

/* *bytes [*n], the caller's to free; every bit of items, ended and logprobs. No rollouts are bytes
 * too. */
ENG_MUST_CHECK job_code rollouts_to_bytes(const rollouts *from, void **bytes, size_t *n,
                                          eng_error *err);
/* The way back, on a machine of the same byte order. INSTRUCTD_E_INVALID when these are no bytes of
 * rollouts. Freed with rollouts_free, also after a refusal. */
ENG_MUST_CHECK job_code rollouts_of_bytes(rollouts *out, const void *bytes, size_t n,
                                          eng_error *err);

#endif
