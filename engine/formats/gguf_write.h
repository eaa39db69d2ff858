/* A model as one GGUF file that llama.cpp loads. */
#ifndef ENG_FORMATS_GGUF_WRITE_H
#define ENG_FORMATS_GGUF_WRITE_H

#include "base/dtype.h"
#include "base/status.h"
#include "formats/source.h"

typedef struct eng_gguf_options {
    eng_dtype dtype;  /* of matrices: ENG_F32, ENG_F16 or ENG_BF16; vectors and learned positions
                         are F32 */
    const char *name; /* general.name; NULL = none */
} eng_gguf_options;

/* Writes `path`, which must not exist, synced. llama's Q and K rows become adjacent pairs, whatever
 * the source had; rows of the embedding past the last token get unused tokens "[PADn]", since the
 * format's readers count tokens. Same source, same bytes.
 *
 * Refuses reward and value models (the format has no place for their head), weights that are not
 * finite, and weights that ENG_F16 cannot hold. On failure nothing is left. options may be NULL. */
ENG_MUST_CHECK eng_status eng_gguf_write(const eng_source *src, const char *path,
                                         const eng_gguf_options *options, eng_error *err);

#endif
