/* Splitting text into the pieces that merging works on: the tokenizers' regexes as scanners.
 *
 * Each rule is a list of alternatives tried in order at the start of what is left. None looks
 * behind, so a piece depends on the text after its start only; all run in linear time, without
 * recursion or allocation. [any thread] */
#ifndef ENG_TEXT_PRETOKENIZE_H
#define ENG_TEXT_PRETOKENIZE_H

#include "formats/source.h"

#include <stddef.h>

/* The length in bytes (>= 1) of the first piece of text[0..len), len >= 1. Bytes that are not UTF-8
 * count as symbols. The text's end matters to the rules: do not pass a cut one. */
size_t eng__pretoken_len(eng_pretokenizer rule, const char *text, size_t len);

#endif
