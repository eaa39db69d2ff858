/* The bytes every token stands for, and GPT-2's byte alphabet, in which files write them.
 *
 * The alphabet names each of the 256 bytes by one printable character: 33-126, 161-172 and 174-255
 * by themselves, the other 68 in order by U+0100 and on. Immutable after eng__vocab_text_init;
 * lives in the tokenizer's arena. [any thread] */
#ifndef ENG_TEXT_VOCAB_TEXT_H
#define ENG_TEXT_VOCAB_TEXT_H

#include "base/arena.h"
#include "formats/source.h"

#include <stdbool.h>

typedef struct eng__vocab_text {
    uint32_t n;
    const char *bytes;     /* all tokens, each followed by a NUL */
    const uint32_t *start; /* [n + 1] token i is bytes[start[i] .. start[i + 1] - 1) */
    const bool *spelled;   /* [n] built of the byte alphabet: text may merge into it */
} eng__vocab_text;

/* Decodes the vocabulary. Normal and unused tokens are spelled in the alphabet; one that leaves it
 * stands for its own text, as special tokens do. Byte tokens "<0x0A>" are that byte. */
ENG_MUST_CHECK eng_status eng__vocab_text_init(eng__vocab_text *texts, eng_arena *arena,
                                               const eng_vocab *vocab, eng_error *err);

static inline const char *eng__vocab_text_of(const eng__vocab_text *texts, uint32_t id, size_t *len)
{
    *len = texts->start[id + 1] - texts->start[id] - 1;
    return texts->bytes + texts->start[id];
}

/* text[0..len) in the alphabet to bytes, at most len of them. False when a character is not of the
 * alphabet. */
bool eng__alphabet_decode(char *out, size_t *n, const char *text, size_t len);

#endif
