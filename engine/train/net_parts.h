/* Inside a network: where each parameter lies. Private to train/.
 *
 * Parameters stand in the flat block without gaps in the order that layout.c walks, so matrices
 * with one input lie together: q, k, v are one [(H+2K)D][C] product, gate and up one [2F][C],
 * whether a file keeps them apart or not. Gradients lie at the same offsets.
 *
 * Threads: one owner; clones on several threads share eng__net_shared, which nobody writes. */
#ifndef ENG_TRAIN_NET_PARTS_H
#define ENG_TRAIN_NET_PARTS_H

#include "formats/names.h"
#include "formats/source.h"
#include "train/net.h"

#include <stdatomic.h>
#include <stdbool.h>

#define ENG__ABSENT SIZE_MAX /* offset of a parameter that this network lacks */

/* Offsets in floats. */
typedef struct eng__layer_at {
    size_t attn_norm, attn_norm_bias; /* [C] */
    size_t qkv, qkv_bias;             /* [(H+2K)D][C], [(H+2K)D] */
    size_t o, o_bias;                 /* [C][HD], [C] */
    size_t ffn_norm, ffn_norm_bias;   /* [C] */
    size_t wide, wide_bias;           /* gate over up [2F][C], or up [F][C]; no bias with a gate */
    size_t down, down_bias;           /* [C][F], [C] */
} eng__layer_at;

typedef struct eng__layout {
    size_t embed;     /* [V][C] */
    size_t positions; /* [T][C] */
    eng__layer_at *layers;
    size_t final_norm, final_norm_bias; /* [C] */
    size_t unembed;           /* [V][C], embed itself when tied; absent with a score head */
    size_t score, score_bias; /* [C], [1] */
    size_t n_floats;
    uint32_t n_params;
    eng_param *params;              /* [n_params]; data is set once the block exists */
    char (*names)[ENG__NAME_BYTES]; /* [n_params] */
} eng__layout;

/* fused_qkv: the source keeps attn_qkv as one tensor. The caller frees with eng__layout_free, also
 * after a failure. */
ENG_MUST_CHECK eng_status eng__layout_build(eng__layout *out, const eng_config *config,
                                            eng_head head, bool fused_qkv, eng_error *err);
void eng__layout_free(eng__layout *layout);

/* What clones have in common; immutable. */
typedef struct eng__net_shared {
    atomic_uint refs;
    eng_config config;
    bool fused_qkv;
    eng_tokenizer *tokenizer;
    float *rope_cos, *rope_sin; /* [T][rope_dims/2] or NULL */
} eng__net_shared;

struct eng_net {
    eng__net_shared *shared;
    eng_head head;
    eng__layout layout;
    float *floats; /* [layout.n_floats], a block of base/block.h */
};

/* The parameter at an offset of a flat block, or NULL. */
static inline const float *eng__param(const float *floats, size_t at)
{
    return at == ENG__ABSENT ? NULL : floats + at;
}
static inline float *eng__grad(float *grads, size_t at)
{
    return at == ENG__ABSENT ? NULL : grads + at;
}

#endif
