/* Where randomness comes from: a number for each purpose and place of a job, never a stream. What
 * happens to one draw changes no other, so pausing, resuming and other traffic change nothing. */
#ifndef RLHF_KEY_H
#define RLHF_KEY_H

#include <stdint.h>

typedef enum key_purpose {
    KEY_ORDER = 1,      /* a = epoch */
    KEY_PRETRAIN_ORDER, /* a = epoch of the pretraining windows */
    KEY_MINIBATCH,      /* a = iteration, b = ppo epoch */
    KEY_DROPOUT,
    KEY_SCORE_HEAD,
    KEY_ROLLOUT, /* a = episode, counted over the job */
    KEY_TRIAL    /* a = validation prompt: the same at every trial, so that trials compare */
} key_purpose;

/* 64 bits of Philox4x32-10 under `seed` at counter (a, b, purpose). [any] */
uint64_t key_of(uint64_t seed, key_purpose purpose, uint64_t a, uint32_t b);

#endif
