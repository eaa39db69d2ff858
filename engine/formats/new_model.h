/* A small random model, written as a native checkpoint directory: the start of a pretraining run,
 * or something to test with.
 *
 * Weights are N(0, 0.02) as GPT-2's (Radford et al. 2019), those of projections onto the residual
 * stream N(0, 0.02 / sqrt(2 L)); norms are 1, biases 0. Each tensor draws from the counter-based
 * generator under (seed, its name): the same spec gives the same bytes, hence the same policy id,
 * on every machine. */
#ifndef ENG_FORMATS_NEW_MODEL_H
#define ENG_FORMATS_NEW_MODEL_H

#include "base/dtype.h"
#include "base/status.h"
#include "formats/checkpoint.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct eng_new_model {
    const char *arch; /* "llama", "qwen2" or "gpt2" */
    uint32_t n_layer, n_embd, n_head, n_ctx;
    uint32_t n_kv_head; /* 0 = n_head; gpt2 has no other */
    uint32_t n_ff;      /* 0 = 4 n_embd for gpt2, else 8/3 n_embd rounded up to a multiple of 32 */
    uint32_t n_vocab;   /* 0 = one row a token; more pads */
    bool untied;        /* an unembedding of its own */
    bool score;         /* a score head instead of an unembedding: a reward model */
    eng_dtype dtype;    /* of matrices: ENG_F32 or ENG_BF16 */
    uint64_t seed;
    /* NULL: 256 byte tokens (id = byte), <|endoftext|> 256, <|im_start|> 257, <|im_end|> 258, no
     * merges, ChatML. Else whose tokenizer to take: a tokenizer.json (with the files beside it), a
     * GGUF file or a checkpoint directory. */
    const char *tokenizer;
} eng_new_model;

/* Writes the directory as eng_checkpoint_write does (stage "base", the seed in the lineage) and
 * refuses, naming the field, numbers that make no model. */
ENG_MUST_CHECK eng_status eng_model_new(const char *dir, const eng_new_model *spec,
                                        char id[ENG_POLICY_ID_BYTES], eng_error *err);

#endif
