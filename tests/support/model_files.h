/* Tiny random models as GGUF files, for tests that need something to open and run.
 *
 * Vocabulary (288 tokens): 0 <|endoftext|> (unknown), 1 <|im_start|> (bos), 2 <|im_end|> (eos and
 * pad), 3..258 the 256 bytes in byte order, 259..287 what 29 merges make ("he", " the", "hello",
 * ...). The chat template is plain ChatML unless the spec brings one.
 *
 * The same spec gives the same bytes. Weights are scaled so that activations stay near 1. */
#ifndef TESTS_SUPPORT_MODEL_FILES_H
#define TESTS_SUPPORT_MODEL_FILES_H

#include "base/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TEST_TOKEN_END_OF_TEXT = 0,
    TEST_TOKEN_IM_START = 1,
    TEST_TOKEN_IM_END = 2,
    TEST_TOKEN_BYTE0 = 3, /* the token of byte b is TEST_TOKEN_BYTE0 + b */
    TEST_TOKEN_MERGED0 = 259,
    TEST_N_MERGES = 29,
    TEST_N_VOCAB = 288
};

/* Zero means the default given behind each field. */
typedef struct test_model_spec {
    const char *arch;  /* "llama" | "qwen2" | "gpt2"; llama */
    uint32_t layers;   /* 2 */
    uint32_t embd;     /* 64; 256 for K-quants */
    uint32_t heads;    /* 4 */
    uint32_t kv_heads; /* heads / 2; always heads for gpt2 */
    uint32_t ff;       /* 2 * embd; 4 * embd for gpt2 */
    uint32_t ctx;      /* 256 */
    eng_dtype type;    /* of every matrix, the embedding too; F32. Rows that no whole block fits
                          become q8_0 or f32 */
    uint64_t seed;     /* any */
    bool qkv_bias;     /* llama: attn_{q,k,v}.bias too (qwen2 and gpt2 always have them) */
    bool untied;       /* an output.weight of its own (not for gpt2) */
    bool rope_freqs;   /* a rope_freqs.weight of divisors in [1, 2) (not for gpt2) */
    uint32_t window;   /* attention.sliding_window; no key */
    uint32_t window_period;    /* attention.sliding_window_pattern; no key */
    const char *pre;           /* "gpt-2" for gpt2, "qwen2" for qwen2, else "smollm" */
    const char *chat_template; /* ChatML; "" = none */
} test_model_spec;

/* Fails the running test when the file cannot be written. spec NULL = all defaults. */
void test_write_gguf(const char *path, const test_model_spec *spec);
/* The same bytes in memory; the caller frees. */
uint8_t *test_build_gguf(const test_model_spec *spec, size_t *len);
/* Fills n_bytes of `type` blocks with random values of about the standard deviation sd; `state` is
 * the generator's state and moves on. */
void test_random_blocks(eng_dtype type, uint8_t *dst, size_t n_elements, float sd, uint64_t *state);
size_t test_dtype_bytes(eng_dtype type, size_t n_elements);

/* ---- a growing byte buffer, to build files by hand ---- */

typedef struct test_bytes {
    uint8_t *data; /* the caller frees */
    size_t len, cap;
} test_bytes;

void test_put(test_bytes *b, const void *data, size_t n);
void test_put_u32(test_bytes *b, uint32_t v);
void test_put_u64(test_bytes *b, uint64_t v);
void test_put_f32(test_bytes *b, float v);
/* Zero bytes up to the next multiple of `align`. */
void test_pad(test_bytes *b, size_t align);
/* GGUF: a length-prefixed string; whole key-values. */
void test_put_string(test_bytes *b, const char *s);
void test_put_kv_u32(test_bytes *b, const char *key, uint32_t v);
void test_put_kv_f32(test_bytes *b, const char *key, float v);
void test_put_kv_bool(test_bytes *b, const char *key, bool v);
void test_put_kv_string(test_bytes *b, const char *key, const char *v);

#endif
