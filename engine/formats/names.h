/* Tensor names: canonical (GGUF) <-> Hugging Face, and which of them a model may have. */
#ifndef ENG_FORMATS_NAMES_H
#define ENG_FORMATS_NAMES_H

#include "engine.h"

#include <stdbool.h>
#include <stddef.h>

enum { ENG__NAME_BYTES = 96 };

typedef enum eng__name_kind {
    ENG__NAME_UNKNOWN, /* no part of such a model */
    ENG__NAME_SKIP,    /* known and not needed: a buffer, or a repeated tied head */
    ENG__NAME_TENSOR
} eng__name_kind;

/* Is `name` a canonical name of a tensor that a model of this config may have? Also true of
 * score.weight and score.bias, the heads of reward and value models. */
bool eng__name_is_canonical(const eng_config *config, const char *name);

/* A name of a Hugging Face file to its canonical form. *conv1d: the file stores it [in][out]. */
eng__name_kind eng__name_from_hf(const eng_config *config, const char *hf,
                                 char canonical[ENG__NAME_BYTES], bool *conv1d);
/* The reverse; ENG__NAME_SKIP for tensors that a Hugging Face directory does not have. */
eng__name_kind eng__name_to_hf(const eng_config *config, const char *canonical,
                               char hf[ENG__NAME_BYTES], bool *conv1d);

#endif
