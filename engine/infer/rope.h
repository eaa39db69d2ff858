/* The tables behind rotary positions (Su et al. 2021), which serving and training share. [any] */
#ifndef ENG_INFER_ROPE_H
#define ENG_INFER_ROPE_H

#include "formats/source.h"

#include <stddef.h>

/* Floats of one table: [T][rope_dims / 2]; 0 for a model whose positions are learned. */
size_t eng__rope_floats(const eng_config *config);
/* cos and sin of position * base^(-2i/dims), the product rounded to f32 as the reference
 * implementations do; the source's rope_freqs.weight divides the frequencies where it has one. */
ENG_MUST_CHECK eng_status eng__rope_fill(float *cosines, float *sines, const eng_source *src,
                                         eng_error *err);

#endif
