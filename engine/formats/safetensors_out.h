/* safetensors, the writing side: what stands in front of the tensors' bytes. */
#ifndef ENG_FORMATS_SAFETENSORS_OUT_H
#define ENG_FORMATS_SAFETENSORS_OUT_H

#include "base/dtype.h"
#include "formats/text_out.h"

#include <stddef.h>
#include <stdint.h>

typedef struct eng__safetensors_entry {
    const char *name;  /* needs no escape in JSON */
    eng_dtype dtype;   /* ENG_F32 or ENG_BF16 */
    uint32_t n_dims;   /* 1 or 2 */
    uint64_t shape[2]; /* outermost first */
} eng__safetensors_entry;

uint64_t eng__safetensors_entry_bytes(const eng__safetensors_entry *entry);

/* Puts the length and the header of a file whose tensors follow in the order given, without holes,
 * into the empty text. `metadata` is the text of a JSON object whose values are strings. */
void eng__safetensors_put_header(eng__text *out, const char *metadata,
                                 const eng__safetensors_entry *entries, size_t n);

#endif
