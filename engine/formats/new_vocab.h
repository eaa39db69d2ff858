/* The tokenizer of a model that does not exist yet. */
#ifndef ENG_FORMATS_NEW_VOCAB_H
#define ENG_FORMATS_NEW_VOCAB_H

#include "base/arena.h"
#include "base/status.h"
#include "formats/source.h"

/* One token a byte, three special ones and ChatML; see new_model.h. Everything lives in the arena.
 */
ENG_MUST_CHECK eng_status eng__vocab_bytes(eng_arena *arena, eng_vocab *vocab, eng_error *err);
/* The tokenizer of a tokenizer.json, a GGUF file or a checkpoint directory; weights are not read,
 * and a directory needs none. */
ENG_MUST_CHECK eng_status eng__vocab_from_path(const char *path, eng_arena *arena, eng_vocab *vocab,
                                               eng_error *err);

#endif
