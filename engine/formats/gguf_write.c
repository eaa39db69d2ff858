#include "formats/gguf_write.h"

#include "formats/file.h"
#include "formats/finite.h"
#include "formats/gguf.h"
#include "formats/tensor_out.h"
#include "formats/text_out.h"
#include "formats/vocab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_HEADER_BYTES = 256 * 1024 * 1024, ALIGNMENT = 32, GGUF_VERSION = 3 };
enum { FILE_TYPE_F32 = 0, FILE_TYPE_F16 = 1, FILE_TYPE_BF16 = 32 }; /* general.file_type */

typedef struct writer {
    const eng_source *src;
    const eng_gguf_options *options;
    const char *path;
    int fd;
    eng__text keys;  /* the key-values */
    uint64_t n_keys; /* put so far */
    eng_error *err;
} writer;

/* ---- values ---- */

static void put_bytes(eng__text *out, uint64_t v, int n)
{
    char bytes[8];
    for (int i = 0; i < n; i++)
        bytes[i] = (char)(v >> (8 * i));
    eng__text_put(out, bytes, (size_t)n);
}

static void put_string(eng__text *out, const char *s, size_t n)
{
    put_bytes(out, n, 8);
    eng__text_put(out, s, n);
}

static void put_key(writer *w, const char *key, eng__gguf_type type)
{
    put_string(&w->keys, key, strlen(key));
    put_bytes(&w->keys, type, 4);
    w->n_keys++;
}

static void put_uint(writer *w, const char *key, uint32_t v)
{
    put_key(w, key, ENG__GGUF_U32);
    put_bytes(&w->keys, v, 4);
}

static void put_float(writer *w, const char *key, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(w, key, ENG__GGUF_F32);
    put_bytes(&w->keys, bits, 4);
}

static void put_bool(writer *w, const char *key, bool v)
{
    put_key(w, key, ENG__GGUF_BOOL);
    put_bytes(&w->keys, v, 1);
}

static void put_text(writer *w, const char *key, const char *v)
{
    put_key(w, key, ENG__GGUF_STRING);
    put_string(&w->keys, v, strlen(v));
}

static void put_array(writer *w, const char *key, eng__gguf_type element, uint64_t n)
{
    put_key(w, key, ENG__GGUF_ARRAY);
    put_bytes(&w->keys, element, 4);
    put_bytes(&w->keys, n, 8);
}

/* ---- the config ---- */

typedef char key_text[80];

static const char *arch_key(key_text out, const eng_config *c, const char *name)
{
    snprintf(out, sizeof(key_text), "%s.%s", c->arch, name);
    return out;
}

static uint32_t file_type(eng_dtype type)
{
    return type == ENG_F16 ? FILE_TYPE_F16 : type == ENG_BF16 ? FILE_TYPE_BF16 : FILE_TYPE_F32;
}

static void put_rope(writer *w, const eng_config *c)
{
    key_text key;
    put_uint(w, arch_key(key, c, "attention.head_count_kv"), c->n_kv_head);
    put_uint(w, arch_key(key, c, "attention.key_length"), c->head_dim);
    put_uint(w, arch_key(key, c, "attention.value_length"), c->head_dim);
    put_float(w, arch_key(key, c, "attention.layer_norm_rms_epsilon"), c->norm_eps);
    put_uint(w, arch_key(key, c, "rope.dimension_count"), c->rope_dims);
    put_float(w, arch_key(key, c, "rope.freq_base"), c->rope_base);
}

static void put_config(writer *w)
{
    const eng_config *c = eng__source_config(w->src);
    key_text key;
    put_text(w, "general.architecture", c->arch);
    put_text(w, "general.type", "model");
    if (w->options->name)
        put_text(w, "general.name", w->options->name);
    put_uint(w, "general.file_type", file_type(w->options->dtype));
    put_uint(w, arch_key(key, c, "vocab_size"), c->n_vocab);
    put_uint(w, arch_key(key, c, "context_length"), c->n_ctx);
    put_uint(w, arch_key(key, c, "embedding_length"), c->n_embd);
    put_uint(w, arch_key(key, c, "block_count"), c->n_layer);
    put_uint(w, arch_key(key, c, "feed_forward_length"), c->n_ff);
    put_uint(w, arch_key(key, c, "attention.head_count"), c->n_head);
    if (c->pos == ENG_POS_LEARNED)
        put_float(w, arch_key(key, c, "attention.layer_norm_epsilon"), c->norm_eps);
    else
        put_rope(w, c);
    if (!c->window)
        return;
    put_uint(w, arch_key(key, c, "attention.sliding_window"), c->window);
    put_uint(w, arch_key(key, c, "attention.sliding_window_pattern"), c->window_period);
}

/* ---- the tokenizer ---- */

static void put_tokens(writer *w, const eng_vocab *v, uint32_t n_rows)
{
    char pad[24];
    put_array(w, "tokenizer.ggml.tokens", ENG__GGUF_STRING, n_rows);
    for (uint32_t i = 0; i < v->n_tokens; i++)
        put_string(&w->keys, v->tokens[i], v->token_lens[i]);
    for (uint32_t i = v->n_tokens; i < n_rows; i++)
        put_string(&w->keys, pad, (size_t)snprintf(pad, sizeof pad, "[PAD%u]", i));
    put_array(w, "tokenizer.ggml.token_type", ENG__GGUF_I32, n_rows);
    for (uint32_t i = 0; i < n_rows; i++)
        put_bytes(&w->keys, i < v->n_tokens ? v->types[i] : ENG_TOKEN_UNUSED, 4);
    put_array(w, "tokenizer.ggml.merges", ENG__GGUF_STRING, v->n_merges);
    for (uint32_t i = 0; i < v->n_merges; i++)
        put_string(&w->keys, v->merges[i], v->merge_lens[i]);
}

static void put_role(writer *w, const char *key, int32_t id)
{
    if (id >= 0)
        put_uint(w, key, (uint32_t)id);
}

static void put_tokenizer(writer *w)
{
    const eng_vocab *v = eng__source_vocab(w->src);
    put_text(w, "tokenizer.ggml.model", "gpt2"); /* byte-level BPE, whatever the architecture */
    put_text(w, "tokenizer.ggml.pre", eng__pretokenizer_name(v->pre));
    put_tokens(w, v, eng__source_config(w->src)->n_vocab);
    put_role(w, "tokenizer.ggml.bos_token_id", v->bos);
    put_role(w, "tokenizer.ggml.eos_token_id", v->eos);
    put_role(w, "tokenizer.ggml.eot_token_id", v->eot);
    put_role(w, "tokenizer.ggml.unknown_token_id", v->unk);
    put_role(w, "tokenizer.ggml.padding_token_id", v->pad);
    put_bool(w, "tokenizer.ggml.add_bos_token", v->add_bos);
    put_bool(w, "tokenizer.ggml.add_eos_token", v->add_eos);
    if (v->add_space_prefix)
        put_bool(w, "tokenizer.ggml.add_space_prefix", true);
    if (v->chat_template)
        put_text(w, "tokenizer.chat_template", v->chat_template);
}

/* ---- the tensors ---- */

static eng_dtype type_of(const writer *w, const eng_tensor_info *t)
{
    bool matrix = t->n_dims == 2 && strcmp(t->name, "position_embd.weight") != 0;
    return matrix ? w->options->dtype : ENG_F32;
}

static uint64_t bytes_of(const writer *w, const eng_tensor_info *t)
{
    return t->n_elements * eng_dtype_info_of((uint32_t)type_of(w, t))->block_bytes;
}

static uint64_t aligned(uint64_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static eng_status put_tensor_infos(writer *w, eng__text *out)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < eng__source_n_tensors(w->src); i++) {
        const eng_tensor_info *t = eng__source_tensor(w->src, i);
        if (strncmp(t->name, "score.", 6) == 0)
            return eng_fail(w->err, ENG_UNSUPPORTED,
                            "tensor %s: GGUF has no place for the head of a reward model", t->name);
        put_string(out, t->name, strlen(t->name));
        put_bytes(out, t->n_dims, 4);
        for (uint32_t d = 0; d < t->n_dims; d++)
            put_bytes(out, t->dims[d], 8);
        put_bytes(out, type_of(w, t), 4);
        put_bytes(out, offset, 8);
        offset += aligned(bytes_of(w, t));
    }
    return ENG_OK;
}

static eng_status put_file(const writer *w, const void *data, size_t n)
{
    return eng__write_all(w->fd, data, n)
               ? ENG_OK
               : eng_fail(w->err, ENG_IO, "%s: write: %s", w->path, strerror(errno));
}

static eng_status put_padding(const writer *w, uint64_t written)
{
    static const char zeros[ALIGNMENT];
    return put_file(w, zeros, (size_t)(aligned(written) - written));
}

/* `data` and `scratch` hold the largest tensor as floats. */
static eng_status write_tensor(const writer *w, const eng_tensor_info *t, float *data,
                               float *scratch)
{
    const eng_config *c = eng__source_config(w->src);
    const size_t n = (size_t)t->n_elements;
    eng_status status = eng__source_read_f32(w->src, t, data, w->err);
    if (status != ENG_OK)
        return status;
    uint32_t heads = eng__rope_heads(c, t->name);
    if (heads && c->pos == ENG_POS_ROPE_HALF && strcmp(c->arch, "llama") == 0)
        eng__rope_to_pairs(data, scratch, c, heads, t->n_dims == 2 ? (size_t)t->dims[0] : 1);
    eng__narrow(data, n, type_of(w, t));
    if (!eng__is_finite(type_of(w, t), data, n))
        return eng_fail(w->err, ENG_INVALID, "tensor %s: a weight that %s cannot hold", t->name,
                        eng_dtype_info_of((uint32_t)type_of(w, t))->name);
    status = put_file(w, data, (size_t)bytes_of(w, t));
    return status == ENG_OK ? put_padding(w, bytes_of(w, t)) : status;
}

static eng_status write_tensors(const writer *w)
{
    uint64_t most = 1;
    for (size_t i = 0; i < eng__source_n_tensors(w->src); i++)
        if (eng__source_tensor(w->src, i)->n_elements > most)
            most = eng__source_tensor(w->src, i)->n_elements;
    bool fits = most <= SIZE_MAX / sizeof(float);
    float *data = fits ? malloc((size_t)most * sizeof *data) : NULL;
    float *scratch = fits ? malloc((size_t)most * sizeof *scratch) : NULL;
    eng_status status = ENG_OK;
    if (!data || !scratch)
        status = eng_fail(w->err, ENG_NOMEM, "no memory for twice %llu floats",
                          (unsigned long long)most);
    for (size_t i = 0; i < eng__source_n_tensors(w->src) && status == ENG_OK; i++)
        status = write_tensor(w, eng__source_tensor(w->src, i), data, scratch);
    free(scratch);
    free(data);
    return status;
}

/* ---- the file ---- */

/* Magic, version, counts, key-values, tensor infos, padding. */
static eng_status write_head(writer *w)
{
    eng__text front;
    eng__text_init(&front, MAX_HEADER_BYTES);
    put_config(w);
    put_tokenizer(w);
    eng__text_put(&front, "GGUF", 4);
    put_bytes(&front, GGUF_VERSION, 4);
    put_bytes(&front, eng__source_n_tensors(w->src), 8);
    put_bytes(&front, w->n_keys, 8);
    if (!w->keys.failed)
        eng__text_put(&front, w->keys.data, w->keys.len);
    eng_status status = put_tensor_infos(w, &front);
    if (status == ENG_OK && (front.failed || w->keys.failed))
        status = eng_fail(w->err, ENG_NOMEM, "%s: no memory for its header", w->path);
    if (status == ENG_OK)
        status = put_file(w, front.data, front.len);
    if (status == ENG_OK)
        status = put_padding(w, front.len);
    eng__text_free(&front);
    return status;
}

static eng_status close_file(writer *w, eng_status status)
{
    if (status == ENG_OK && !eng__file_sync(w->fd))
        status = eng_fail(w->err, ENG_IO, "%s: fsync: %s", w->path, strerror(errno));
    if (close(w->fd) != 0 && status == ENG_OK)
        status = eng_fail(w->err, ENG_IO, "%s: close: %s", w->path, strerror(errno));
    if (status != ENG_OK)
        unlink(w->path);
    return status;
}

eng_status eng_gguf_write(const eng_source *src, const char *path, const eng_gguf_options *options,
                          eng_error *err)
{
    static const eng_gguf_options defaults;
    writer w = {.src = src, .options = options ? options : &defaults, .path = path, .err = err};
    eng_dtype type = w.options->dtype;
    if (type != ENG_F32 && type != ENG_F16 && type != ENG_BF16)
        return eng_fail(err, ENG_INVALID, "a GGUF file of type %d, expected f32, f16 or bf16",
                        (int)type);
    w.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w.fd < 0)
        return eng_fail(err, ENG_IO, "%s: %s", path, strerror(errno));
    eng__text_init(&w.keys, MAX_HEADER_BYTES);
    eng_status status = write_head(&w);
    if (status == ENG_OK)
        status = write_tensors(&w);
    eng__text_free(&w.keys);
    return close_file(&w, status);
}
