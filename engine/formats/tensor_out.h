/* What happens to a tensor's floats on their way into a file: row orders, narrower types. */
#ifndef ENG_FORMATS_TENSOR_OUT_H
#define ENG_FORMATS_TENSOR_OUT_H

#include "base/dtype.h"
#include "engine.h"

#include <stddef.h>
#include <stdint.h>

/* Heads of a tensor whose rows RoPE turns (attn_q, attn_k, their biases); 0 for every other. */
uint32_t eng__rope_heads(const eng_config *config, const char *canonical);

/* Rows of rotating elements, in place: row 2i+a of a head (adjacent pairs) <-> row a*r/2 + i
 * (half-split), where r = config->rope_dims rows lead each head of head_dim.
 * data [n_heads][head_dim][n_in]; scratch holds one head. */
void eng__rope_to_half(float *data, float *scratch, const eng_config *config, uint32_t n_heads,
                       size_t n_in);
void eng__rope_to_pairs(float *data, float *scratch, const eng_config *config, uint32_t n_heads,
                        size_t n_in);

/* n floats to ENG_F16 or ENG_BF16 in place, from the front; ENG_F32 leaves them. */
void eng__narrow(float *data, size_t n, eng_dtype type);

#endif
