/* The tokenizer behind engine.h's text functions: built from a vocabulary, then immutable.
 *
 * eng_tokenize is a straight line: special tokens (special.h) cut the text into stretches, split
 * rules (pretokenize.h) cut those into pieces, merging (bpe.h) makes ids. */
#ifndef ENG_TEXT_TOKENIZER_H
#define ENG_TEXT_TOKENIZER_H

#include "engine.h"
#include "formats/source.h"

/* Copies what it needs: the source may be closed afterwards. Refuses a vocabulary whose ids, types
 * or merges do not fit together, naming the key. A chat template it cannot run is remembered, not
 * refused: eng_chat_render then says why. The caller frees. */
ENG_MUST_CHECK eng_status eng__tokenizer_create(eng_tokenizer **out, const eng_vocab *vocab,
                                                eng_error *err);
void eng__tokenizer_free(eng_tokenizer *tok); /* NULL allowed */

#endif
