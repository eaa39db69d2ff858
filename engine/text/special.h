/* Finding special tokens in text: a trie over their bytes.
 *
 * The leftmost match wins, and of those that start together the longest. A match needs every byte
 * trusted. Immutable after eng__special_init; lives in the tokenizer's arena. */
#ifndef ENG_TEXT_SPECIAL_H
#define ENG_TEXT_SPECIAL_H

#include "base/arena.h"
#include "formats/source.h"
#include "text/vocab_text.h"

typedef struct eng__special_node eng__special_node;

typedef struct eng__special {
    eng__special_node *nodes; /* node 0 is the root */
    uint32_t n_nodes;
    uint32_t first[256]; /* the root's child by byte; 0 = none */
} eng__special;

/* Enters the unknown, control and user-defined tokens; of equal texts the lowest id. */
ENG_MUST_CHECK eng_status eng__special_init(eng__special *special, eng_arena *arena,
                                            const eng_vocab *vocab, const eng__vocab_text *texts,
                                            eng_error *err);

typedef struct eng__special_match {
    size_t start, len; /* start == the text's length: no match */
    int32_t id;
} eng__special_match;

/* The first match in text[from..len). trusted: 0 or 1 per byte of text, or NULL for all 1. O(length
 * scanned x longest special). [any thread] */
eng__special_match eng__special_next(const eng__special *special, const char *text, size_t len,
                                     size_t from, const uint8_t *trusted);

#endif
