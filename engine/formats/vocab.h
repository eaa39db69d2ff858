/* What the readers of a tokenizer share: names of split rules, checks every vocabulary passes. */
#ifndef ENG_FORMATS_VOCAB_H
#define ENG_FORMATS_VOCAB_H

#include "base/status.h"
#include "formats/source.h"

/* "gpt-2", "smollm", "llama-bpe" or "qwen2"; ENG_UNSUPPORTED for another name. */
ENG_MUST_CHECK eng_status eng__pretokenizer_of(const char *name, eng_pretokenizer *out,
                                               eng_error *err);
const char *eng__pretokenizer_name(eng_pretokenizer pre);
/* Merges are "a b"; types are ENG_TOKEN_*; role ids are -1 or inside the vocabulary. */
ENG_MUST_CHECK eng_status eng__vocab_check(const eng_vocab *vocab, eng_error *err);

#endif
