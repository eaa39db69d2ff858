/* Byte-pair merging: one piece of text to token ids.
 *
 * Every byte starts as the token that stands for it; then the adjacent pair of the lowest rank, the
 * leftmost of equals, is merged until no pair has a rank. Immutable after eng__bpe_init, so any
 * number of threads may merge at once. */
#ifndef ENG_TEXT_BPE_H
#define ENG_TEXT_BPE_H

#include "base/arena.h"
#include "formats/source.h"
#include "text/vocab_text.h"

typedef struct eng__merge_slot eng__merge_slot;
typedef struct eng__piece_slot eng__piece_slot;

typedef struct eng__bpe {
    const eng__vocab_text *texts;
    int32_t byte_token[256]; /* -1: no token stands for this byte alone */
    int32_t unknown;         /* given for such bytes; -1: they are left out */
    eng__merge_slot *merges; /* open addressing over (left id, right id) */
    eng__piece_slot *pieces; /* open addressing over a token's bytes */
    uint32_t merge_mask, piece_mask;
    size_t max_piece; /* no token of `pieces` has more bytes */
} eng__bpe;

/* Ids being written: at most cap are stored, n counts all. */
typedef struct eng__ids {
    int32_t *out;
    size_t cap, n;
} eng__ids;

static inline void eng__ids_push(eng__ids *ids, int32_t id)
{
    if (ids->n < ids->cap)
        ids->out[ids->n] = id;
    ids->n++;
}

/* Builds the tables in `arena`. whole_first: a piece that is a token's bytes becomes that token
 * without merging (llama-bpe). Refuses a merge that names or makes no token of the byte alphabet;
 * so no merge can make a special token. unknown: see the field. */
ENG_MUST_CHECK eng_status eng__bpe_init(eng__bpe *bpe, eng_arena *arena, const eng_vocab *vocab,
                                        const eng__vocab_text *texts, bool whole_first,
                                        int32_t unknown, eng_error *err);

/* Appends the ids of piece[0..len). O(len) for known pieces, else O(len log len). ENG_NOMEM leaves
 * ids as they were. [any thread] */
ENG_MUST_CHECK eng_status eng__bpe_piece(const eng__bpe *bpe, const char *piece, size_t len,
                                         eng__ids *ids);

#endif
