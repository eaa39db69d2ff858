/* A loaded model: what eng_model is made of. Immutable once open returned, shared by reference.
 *
 * Private to infer/. All weights live in one block, packed for the chosen kernels. */
#ifndef ENG_INFER_MODEL_H
#define ENG_INFER_MODEL_H

#include "compute/backend.h"
#include "engine.h"

#include <stdatomic.h>

typedef struct eng_layer {
    eng_norm attn_norm, ffn_norm;
    eng_linear q, k, v, o; /* [H*D][C], [KV*D][C], [KV*D][C], [C][H*D] */
    eng_linear gate;       /* [F][C]; no data for gpt2 */
    eng_linear up, down;   /* [F][C], [C][F] */
} eng_layer;

struct eng_model {
    atomic_uint refs;
    uint64_t uid; /* unique in this process: the KV cache's key for "which weights" */
    eng_config config;
    eng_tokenizer *tokenizer;
    const eng_kernels *kernels;
    char digest[65];

    eng_packed embed;  /* [V][C] */
    float *positions;  /* [T][C] or NULL */
    eng_layer *layers; /* [L] */
    eng_norm final_norm;
    eng_linear unembed;         /* [V][C]; embed itself when tied; no data with a score head */
    float *score;               /* [C] the score head of a reward or value model, or NULL */
    float *score_bias;          /* [1] or NULL */
    float *rope_cos, *rope_sin; /* [T][rope_dims/2] or NULL */

    uint8_t *matrices; /* every packed group */
    size_t matrix_bytes;
    float *vectors; /* norms, biases, positions, rope tables */
    size_t vector_floats;
    eng_dtype common_type;
};

#endif
