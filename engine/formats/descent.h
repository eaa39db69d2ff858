/* Are weights what training could have made of a model, or has something gone wrong on the way?
 *
 * Each tensor is held against the one of the same name in the model that it grew from. Training
 * moves weights; it does not blank a tensor, multiply one by a number, or put one layer's matrix in
 * another's place. Those leave every value finite, and a broken model may still write fluent
 * nonsense, so they are looked for where they can be seen without doubt. */
#ifndef ENG_FORMATS_DESCENT_H
#define ENG_FORMATS_DESCENT_H

#include "base/status.h"
#include "engine.h"
#include "formats/source.h"

/* ENG_INVALID names the first tensor that
 *   - is all zeros, and was not,
 *   - points where the base's does (cosine > 0.99) at less than 1/2 or more than 2 times its length
 *     (vectors: 1/8 and 8, as gains may grow alike), or
 *   - is a matrix unlike its own (cosine < 0.5) and like another layer's (> 0.9).
 * Tensors that the base lacks, and heads, are not looked at. Compares samples of at most 16384
 * elements; reads each tensor of the base once. weights are those of eng_model_open_with. [any] */
ENG_MUST_CHECK eng_status eng_weights_check_descent(const char *base, const eng_weights *weights,
                                                    eng_error *err);
/* Heap that this takes at most, for a base that is opened as src. */
size_t eng__descent_scratch(const eng_source *src);

#endif
