/* A network that is trained or scored with: f32 parameters in one flat block, named and laid out
 * as the model's source has them, with a language-model head or a score head.
 *
 * Policy, reference, value and reward model are each one of these. A quantised base is dequantised
 * once, here. Names and layouts are canonical (formats/source.h): matrices [out][in]; gpt2's fused
 * attn_qkv is one tensor [3C][C]; ENG_HEAD_SCORE replaces the unembedding by "score.weight" [1][C]
 * and "score.bias" [1].
 *
 * Threads: one owner; several owners may read parameters that nobody writes. */
#ifndef ENG_TRAIN_NET_H
#define ENG_TRAIN_NET_H

#include "base/status.h"
#include "engine.h"

#include <stddef.h>
#include <stdint.h>

typedef struct eng_net eng_net;

typedef enum eng_head { ENG_HEAD_LM, ENG_HEAD_SCORE } eng_head;

typedef struct eng_param {
    const char *name;    /* canonical */
    float *data;         /* [rows][cols], inside the flat block */
    size_t offset;       /* floats from the block's start */
    uint32_t rows, cols; /* vectors: rows 1 */
} eng_param;

/* Opens a GGUF file or checkpoint directory with its tokenizer. ENG_HEAD_SCORE takes the score
 * tensors of the file; what it lacks of them is zero (transformers' reward models have no bias; see
 * eng_net_init_score). ENG_HEAD_LM of a
 * file that has a score head and no unembedding is refused. [any] */
ENG_MUST_CHECK eng_status eng_net_open(eng_net **out, const char *path, eng_head head,
                                       eng_error *err);
/* Likewise, for a directory that may lack its tokenizer: eng_net_tokenizer is NULL then. [any] */
ENG_MUST_CHECK eng_status eng_net_open_weights(eng_net **out, const char *path, eng_head head,
                                               eng_error *err);
/* A copy of the parameters with the same or another head; config and tokenizer are shared. */
ENG_MUST_CHECK eng_status eng_net_clone(eng_net **out, const eng_net *from, eng_head head,
                                        eng_error *err);
void eng_net_free(eng_net *net); /* NULL allowed */

const eng_config *eng_net_config(const eng_net *net);
const eng_tokenizer *eng_net_tokenizer(const eng_net *net);
eng_head eng_net_head(const eng_net *net);

/* The flat block: gradients, moments and averages use the same layout. */
float *eng_net_floats(eng_net *net);
const float *eng_net_floats_const(const eng_net *net);
size_t eng_net_n_floats(const eng_net *net);
const eng_param *eng_net_params(const eng_net *net, uint32_t *n);
const eng_param *eng_net_find(const eng_net *net, const char *name); /* or NULL */

/* score.weight ~ N(0, variance 1/(C+1)), score.bias = 0 (Stiennon et al. 2020, appendix), from the
 * counter-based generator keyed by seed. */
void eng_net_init_score(eng_net *net, uint64_t seed);

#endif
