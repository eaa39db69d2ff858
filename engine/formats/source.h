/* A model on disk, opened: config, tokenizer material and named tensors, whatever the format.
 *
 * Names and layout are canonical: GGUF names ("blk.3.attn_q.weight"), matrices as rows [out][in]
 * with `in` contiguous. A Hugging Face directory is translated on the way (Conv1D transposed, names
 * mapped); its RoPE keeps half-split pairs, which config.pos says. gpt2's fused attn_qkv stays one
 * tensor [3C][C].
 *
 * Files are hostile: every offset and count is checked before use, and errors name the tensor or
 * key with expected and found. Opening reads headers only.
 *
 * Threads: open and close by one owner; everything else may be called by any thread in between. */
#ifndef ENG_FORMATS_SOURCE_H
#define ENG_FORMATS_SOURCE_H

#include "base/dtype.h"
#include "base/status.h"
#include "engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct eng_source eng_source;

typedef struct eng_tensor_info {
    const char *name; /* canonical */
    eng_dtype type;
    uint32_t n_dims;  /* 1 or 2 for every tensor a model uses */
    uint64_t dims[4]; /* dims[0] is the contiguous dimension (input features) */
    uint64_t n_elements;
    uint64_t n_bytes; /* as read by eng__source_read */
} eng_tensor_info;

enum {
    ENG_TOKEN_NORMAL = 1,
    ENG_TOKEN_UNKNOWN,
    ENG_TOKEN_CONTROL,
    ENG_TOKEN_USER,
    ENG_TOKEN_UNUSED,
    ENG_TOKEN_BYTE
};

typedef enum eng_pretokenizer {
    ENG_PRE_GPT2,
    ENG_PRE_SMOLLM,
    ENG_PRE_LLAMA_BPE,
    ENG_PRE_QWEN2
} eng_pretokenizer;

/* What a tokenizer is made of; strings live as long as the source. Token and merge texts are in
 * GPT-2's byte alphabet (special tokens of types CONTROL and USER: as plain text). */
typedef struct eng_vocab {
    eng_pretokenizer pre;
    uint32_t n_tokens;
    const char **tokens;  /* [n_tokens] */
    uint32_t *token_lens; /* [n_tokens] */
    uint8_t *types;       /* [n_tokens] ENG_TOKEN_* */
    uint32_t n_merges;
    const char **merges;             /* [n_merges] "a b"; rank = index */
    uint32_t *merge_lens;            /* [n_merges] */
    int32_t bos, eos, eot, unk, pad; /* -1 = absent */
    bool add_bos, add_eos, add_space_prefix;
    const char *chat_template; /* NULL = none */
} eng_vocab;

/* path: a .gguf file or a directory with config.json, model.safetensors and tokenizer.json. */
ENG_MUST_CHECK eng_status eng__source_open(eng_source **out, const char *path, eng_error *err);
/* Likewise, for what needs weights alone: a directory may lack tokenizer.json, and its vocabulary
 * has no tokens then. */
ENG_MUST_CHECK eng_status eng__source_open_weights(eng_source **out, const char *path,
                                                   eng_error *err);
/* Likewise as eng__source_open, for who will ask for the digest: that of a GGUF file is begun at
 * once, on two threads of the source's own, and goes on beside everything else. */
ENG_MUST_CHECK eng_status eng__source_open_digesting(eng_source **out, const char *path,
                                                     eng_error *err);
void eng__source_close(eng_source *src); /* NULL allowed */

const eng_config *eng__source_config(const eng_source *src);
const eng_vocab *eng__source_vocab(const eng_source *src);
/* SHA-256 (64 hex digits) as eng_model_digest promises: of the GGUF file; of manifest.json where
 * there is one; else of the lines "<sha256 of the file>  <name>\n" for config.json,
 * model.safetensors and tokenizer.json in this order. Reads the whole file(s), or waits for who
 * does. [any one thread] */
ENG_MUST_CHECK eng_status eng__source_digest(const eng_source *src, char out[65], eng_error *err);

size_t eng__source_n_tensors(const eng_source *src);
const eng_tensor_info *eng__source_tensor(const eng_source *src, size_t i);
const eng_tensor_info *eng__source_find(const eng_source *src, const char *name); /* or NULL */
/* Like find, but refuses (naming expected and found) unless the tensor is there with these dims;
 * dim1 0 means one-dimensional. */
ENG_MUST_CHECK eng_status eng__source_expect(const eng_source *src, const char *name, uint64_t dim0,
                                             uint64_t dim1, const eng_tensor_info **out,
                                             eng_error *err);
/* Reads all n_bytes of a tensor (in its stored type, canonical layout) into dst. Weights that are
 * not finite are refused. */
ENG_MUST_CHECK eng_status eng__source_read(const eng_source *src, const eng_tensor_info *tensor,
                                           void *dst, eng_error *err);
/* Likewise, converted to n_elements floats. */
ENG_MUST_CHECK eng_status eng__source_read_f32(const eng_source *src, const eng_tensor_info *tensor,
                                               float *dst, eng_error *err);
/* Where the tensor begins in its file: who reads in this order finds what the system read ahead. */
uint64_t eng__source_place(const eng_tensor_info *tensor);
/* Do the tensor's rows lie in the file as they are read, so that some of them can be read alone?
 * Not where weights are made or stored transposed. */
bool eng__source_has_rows(const eng_source *src, const eng_tensor_info *tensor);
/* Heap that the reading functions hold at most, beside what they fill. */
size_t eng__source_read_scratch(const eng_source *src, const eng_tensor_info *tensor);
/* Rows [first, first + n) of such a tensor, of dims[0] elements each; first + n <= dims[1]. */
ENG_MUST_CHECK eng_status eng__source_read_rows(const eng_source *src,
                                                const eng_tensor_info *tensor, uint64_t first,
                                                uint64_t n, void *dst, eng_error *err);
ENG_MUST_CHECK eng_status eng__source_read_rows_f32(const eng_source *src,
                                                    const eng_tensor_info *tensor, uint64_t first,
                                                    uint64_t n, float *dst, eng_error *err);

/* Makes weights: fills n_elements floats of a tensor, canonical name and layout. */
typedef eng_status (*eng__source_maker)(void *ctx, const eng_tensor_info *tensor, float *dst,
                                        eng_error *err);
/* Replaces the weights of an opened source: from here on every tensor is ENG_F32 and `make` fills
 * it; files are not read any more and there is no digest. With `scored`, score.weight [1][C] and
 * score.bias [1] take the unembedding's place, if they were not there already. ctx outlives the
 * source. */
ENG_MUST_CHECK eng_status eng__source_override(eng_source *src, bool scored, eng__source_maker make,
                                               void *ctx, eng_error *err);
/* The same with weights in memory, which outlive the source. ENG_INVALID names the first tensor
 * that is missing, unknown, listed twice or of another size. */
ENG_MUST_CHECK eng_status eng__source_take_weights(eng_source *src, const eng_weights *weights,
                                                   eng_error *err);
/* The caller's own n_elements floats of a tensor, if the source has taken weights, else NULL: what
 * eng__source_read_f32 copies and checks. Here nobody has looked whether they are finite. */
const float *eng__source_lent(const eng_source *src, const eng_tensor_info *tensor);

#endif
