/* The JSON files of a checkpoint directory as text. */
#ifndef ENG_FORMATS_CHECKPOINT_TEXT_H
#define ENG_FORMATS_CHECKPOINT_TEXT_H

#include "base/sha256.h"
#include "formats/checkpoint.h"
#include "formats/text_out.h"

void eng__checkpoint_config(eng__text *out, const eng_source *src, eng_dtype dtype);
void eng__checkpoint_tokenizer(eng__text *out, const eng_vocab *vocab);
void eng__checkpoint_tokenizer_config(eng__text *out, const eng_source *src);
void eng__checkpoint_generation_config(eng__text *out, const eng_vocab *vocab);

/* What has been written, for the manifest. */
typedef struct eng__digest_entry {
    char *name;
    uint64_t bytes;
    char sha256[ENG_SHA256_HEX];
} eng__digest_entry;

/* Both lists sorted by name. */
void eng__checkpoint_manifest(eng__text *out, const eng_checkpoint_options *options,
                              const eng__digest_entry *files, size_t n_files,
                              const eng__digest_entry *tensors, size_t n_tensors);

#endif
