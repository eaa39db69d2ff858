/* A tensor as a Hugging Face directory has it: its name, shape and order of elements there. */
#ifndef ENG_FORMATS_HF_TENSOR_H
#define ENG_FORMATS_HF_TENSOR_H

#include "base/status.h"
#include "engine.h"
#include "formats/names.h"
#include "formats/source.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct eng__hf_tensor {
    char name[ENG__NAME_BYTES];
    uint32_t n_dims;     /* 1 or 2 */
    uint64_t shape[2];   /* outermost first */
    bool conv1d;         /* stored [in][out] */
    uint32_t rope_heads; /* heads whose rows change from adjacent pairs to half-split; 0 = none */
} eng__hf_tensor;

/* From the canonical name and dims. ENG_UNSUPPORTED where such a directory has no place for it,
 * ENG_FORMAT where its rows are not the config's heads. [any] */
ENG_MUST_CHECK eng_status eng__hf_tensor_of(eng__hf_tensor *out, const eng_config *config,
                                            const eng_tensor_info *info, eng_error *err);
/* How many floats of `other` the next one needs: none, a head's rows, or the whole tensor. [any] */
size_t eng__hf_relayout_floats(const eng__hf_tensor *tensor, const eng_config *config);
/* Reorders the tensor's floats from canonical layout to the directory's; the result is `data` or
 * `other`, and the one that is not holds nothing of use. [any] */
float *eng__hf_relayout(const eng__hf_tensor *tensor, const eng_config *config, float *data,
                        float *other);

#endif
