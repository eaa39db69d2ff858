/* GGUF version 3: the header of a file as key-values and a tensor directory.
 *
 * Nothing is believed: a count allocates only after the rest of the file has been found long enough
 * to hold that many elements, and every error names the key or tensor. Strings are NUL-terminated
 * copies; strings with a NUL inside are refused.
 *
 * Everything lives in the caller's arena. Read-only after eng__gguf_read, hence any thread. */
#ifndef ENG_FORMATS_GGUF_H
#define ENG_FORMATS_GGUF_H

#include "base/arena.h"
#include "base/status.h"
#include "formats/directory.h"
#include "formats/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum eng__gguf_type {
    ENG__GGUF_U8,
    ENG__GGUF_I8,
    ENG__GGUF_U16,
    ENG__GGUF_I16,
    ENG__GGUF_U32,
    ENG__GGUF_I32,
    ENG__GGUF_F32,
    ENG__GGUF_BOOL,
    ENG__GGUF_STRING,
    ENG__GGUF_ARRAY,
    ENG__GGUF_U64,
    ENG__GGUF_I64,
    ENG__GGUF_F64,
    ENG__GGUF_N_TYPES
} eng__gguf_type;

typedef struct eng__gguf_kv {
    const char *key;
    eng__gguf_type type;
    uint64_t bits;      /* integers, sign-extended; bool */
    double real;        /* f32, f64 */
    const char *string; /* of len bytes */
    uint32_t len;
    struct { /* of type ARRAY */
        eng__gguf_type type;
        uint32_t n;
        const void *elements;  /* packed as in the file; not for strings */
        const char **strings;  /* [n], for strings */
        uint32_t *string_lens; /* [n], for strings */
    } array;
} eng__gguf_kv;

typedef struct eng__gguf {
    eng__gguf_kv *kvs;
    size_t n_kvs;
    eng__directory tensors;
} eng__gguf;

/* Reads the header of an open file. `gguf` keeps nothing of the file. */
ENG_MUST_CHECK eng_status eng__gguf_read(eng__gguf *gguf, const eng__file *file, eng_arena *arena,
                                         eng_error *err);

const eng__gguf_kv *eng__gguf_find(const eng__gguf *gguf, const char *key); /* or NULL */

/* The getters below leave *out alone when the key is absent; they refuse a value of another type
 * or outside [min, max]. Integers may be stored in any integer type. */
ENG_MUST_CHECK eng_status eng__gguf_get_uint(const eng__gguf *gguf, const char *key, uint64_t min,
                                             uint64_t max, uint32_t *out, eng_error *err);
ENG_MUST_CHECK eng_status eng__gguf_get_float(const eng__gguf *gguf, const char *key, float *out,
                                              eng_error *err);
ENG_MUST_CHECK eng_status eng__gguf_get_bool(const eng__gguf *gguf, const char *key, bool *out,
                                             eng_error *err);
ENG_MUST_CHECK eng_status eng__gguf_get_string(const eng__gguf *gguf, const char *key,
                                               const char **out, eng_error *err);
/* Refuses an absent key, another type, another element type. */
ENG_MUST_CHECK eng_status eng__gguf_get_array(const eng__gguf *gguf, const char *key,
                                              eng__gguf_type element, const eng__gguf_kv **out,
                                              eng_error *err);

/* What the header says about the model and its tokenizer, checked (gguf_config.c, gguf_vocab.c).
 * The vocabulary's arrays live in the arena. */
ENG_MUST_CHECK eng_status eng__gguf_config(const eng__gguf *gguf, eng_config *config,
                                           eng_error *err);
ENG_MUST_CHECK eng_status eng__gguf_vocab(const eng__gguf *gguf, eng_arena *arena, eng_vocab *vocab,
                                          eng_error *err);

#endif
