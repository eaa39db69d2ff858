#include "formats/config.h"
#include "formats/gguf.h"

#include <stdio.h>
#include <string.h>

/* The keys of one architecture: "llama" + "." + name. */
typedef struct arch_keys {
    const eng__gguf *gguf;
    const char *arch;
    eng_error *err;
    char key[96];
} arch_keys;

static const char *key_of(arch_keys *k, const char *name)
{
    snprintf(k->key, sizeof k->key, "%s.%s", k->arch, name);
    return k->key;
}

static eng_status get_uint(arch_keys *k, const char *name, bool required, uint64_t max,
                           uint32_t *out)
{
    const char *key = key_of(k, name);
    if (required && !eng__gguf_find(k->gguf, key))
        return eng_fail(k->err, ENG_FORMAT, "key %s: missing", key);
    return eng__gguf_get_uint(k->gguf, key, 1, max, out, k->err);
}

static eng_status get_float(arch_keys *k, const char *name, bool required, float *out)
{
    const char *key = key_of(k, name);
    if (required && !eng__gguf_find(k->gguf, key))
        return eng_fail(k->err, ENG_FORMAT, "key %s: missing", key);
    return eng__gguf_get_float(k->gguf, key, out, k->err);
}

static eng_status get_sizes(arch_keys *k, eng_config *c)
{
    const struct {
        const char *name;
        uint32_t max, *out;
    } sizes[] = {
        {"context_length", ENG__MAX_CONTEXT, &c->n_ctx},
        {"embedding_length", ENG__MAX_WIDTH, &c->n_embd},
        {"block_count", ENG__MAX_LAYERS, &c->n_layer},
        {"feed_forward_length", ENG__MAX_FF, &c->n_ff},
        {"attention.head_count", ENG__MAX_HEADS, &c->n_head},
    };
    eng_status status = ENG_OK;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && status == ENG_OK; i++)
        status = get_uint(k, sizes[i].name, true, sizes[i].max, sizes[i].out);
    return status;
}

/* Window period 0 stays when the key is absent. */
static eng_status get_window(arch_keys *k, eng_config *c)
{
    eng_status status = eng__gguf_get_uint(k->gguf, key_of(k, "attention.sliding_window"), 0,
                                           ENG__MAX_CONTEXT, &c->window, k->err);
    if (status == ENG_OK)
        status = get_uint(k, "attention.sliding_window_pattern", false, ENG__MAX_LAYERS,
                          &c->window_period);
    return status;
}

/* Positions are either plain or refused: a scaled RoPE run unscaled would answer, but wrongly. */
static eng_status refuse_scaling(arch_keys *k)
{
    const char *type = NULL, *prefix = NULL;
    char prefix_buf[64];
    float linear = 1.0f;
    eng_status status =
        eng__gguf_get_string(k->gguf, key_of(k, "rope.scaling.type"), &type, k->err);
    if (status == ENG_OK)
        status = get_float(k, "rope.scale_linear", false, &linear);
    if (status != ENG_OK)
        return status;
    if (linear != 1.0f)
        return eng_fail(k->err, ENG_UNSUPPORTED, "key %s.rope.scale_linear: %g, expected none",
                        k->arch, (double)linear);
    if (type && strcmp(type, "none") == 0)
        return ENG_OK;
    if (type)
        return eng_fail(k->err, ENG_UNSUPPORTED, "key %s.rope.scaling.type: %.64s, expected none",
                        k->arch, type);
    snprintf(prefix_buf, sizeof prefix_buf, "%s.rope.scaling.", k->arch);
    prefix = prefix_buf;
    for (size_t i = 0; i < k->gguf->n_kvs; i++) {
        const eng__gguf_kv *kv = &k->gguf->kvs[i];
        bool neutral = kv->type == ENG__GGUF_F32 && (kv->real == 0.0 || kv->real == 1.0);
        if (strncmp(kv->key, prefix, strlen(prefix)) == 0 && !neutral)
            return eng_fail(k->err, ENG_UNSUPPORTED, "key %.100s: scaled RoPE, expected none",
                            kv->key);
    }
    return ENG_OK;
}

static eng_status get_rope(arch_keys *k, eng_config *c)
{
    uint32_t value_width = 0;
    eng_status status =
        get_uint(k, "attention.head_count_kv", false, ENG__MAX_HEADS, &c->n_kv_head);
    if (status == ENG_OK)
        status = get_uint(k, "attention.key_length", false, ENG__MAX_WIDTH, &c->head_dim);
    if (status == ENG_OK)
        status = get_uint(k, "attention.value_length", false, ENG__MAX_WIDTH, &value_width);
    if (status == ENG_OK)
        status = get_uint(k, "rope.dimension_count", false, ENG__MAX_WIDTH, &c->rope_dims);
    if (status == ENG_OK)
        status = get_float(k, "rope.freq_base", false, &c->rope_base);
    if (status == ENG_OK)
        status = get_float(k, "attention.layer_norm_rms_epsilon", true, &c->norm_eps);
    if (status == ENG_OK)
        status = refuse_scaling(k);
    if (status != ENG_OK)
        return status;
    uint32_t key_width = c->head_dim ? c->head_dim : c->n_embd / c->n_head;
    if (value_width && value_width != key_width)
        return eng_fail(k->err, ENG_UNSUPPORTED,
                        "key %s.attention.value_length: %u, expected the "
                        "key width %u",
                        k->arch, value_width, key_width);
    return ENG_OK;
}

static eng_status refuse_variants(arch_keys *k)
{
    uint32_t n = 0;
    eng_status status =
        eng__gguf_get_uint(k->gguf, key_of(k, "expert_count"), 0, UINT32_MAX, &n, k->err);
    if (status == ENG_OK && n)
        return eng_fail(k->err, ENG_UNSUPPORTED, "key %s: %u experts, expected a dense model",
                        k->key, n);
    if (status == ENG_OK)
        status = eng__gguf_get_uint(k->gguf, "split.count", 0, UINT32_MAX, &n, k->err);
    if (status == ENG_OK && n > 1)
        return eng_fail(k->err, ENG_UNSUPPORTED, "key split.count: %u, expected one file", n);
    return status;
}

/* The embedding's rows decide the vocabulary; the key, where given, must agree. */
static eng_status get_vocab_size(arch_keys *k, eng_config *c)
{
    const eng__stored *embd = eng__directory_find(&k->gguf->tensors, "token_embd.weight");
    if (!embd)
        return eng_fail(k->err, ENG_FORMAT, "tensor token_embd.weight: missing");
    if (embd->info.n_dims != 2 || embd->info.dims[1] > ENG__MAX_VOCAB)
        return eng_fail(k->err, ENG_FORMAT,
                        "tensor token_embd.weight: %u dimensions, %llu rows; "
                        "expected 2 and at most %d",
                        embd->info.n_dims, (unsigned long long)embd->info.dims[1], ENG__MAX_VOCAB);
    c->n_vocab = (uint32_t)embd->info.dims[1];
    uint32_t stated = c->n_vocab;
    eng_status status = get_uint(k, "vocab_size", false, ENG__MAX_VOCAB, &stated);
    if (status == ENG_OK && stated > c->n_vocab)
        return eng_fail(k->err, ENG_FORMAT, "key %s: %u, tensor token_embd.weight has %u rows",
                        k->key, stated, c->n_vocab);
    return status;
}

eng_status eng__gguf_config(const eng__gguf *gguf, eng_config *config, eng_error *err)
{
    arch_keys k = {.gguf = gguf, .err = err};
    *config = (eng_config){0};
    eng_status status = eng__gguf_get_string(gguf, "general.architecture", &k.arch, err);
    if (status != ENG_OK)
        return status;
    if (!k.arch)
        return eng_fail(err, ENG_FORMAT, "key general.architecture: missing");
    status = eng__config_family(config, k.arch, false, "key general.architecture", err);
    if (status == ENG_OK)
        status = refuse_variants(&k);
    if (status == ENG_OK)
        status = get_sizes(&k, config);
    if (status == ENG_OK)
        status = config->pos == ENG_POS_LEARNED
                     ? get_float(&k, "attention.layer_norm_epsilon", true, &config->norm_eps)
                     : get_rope(&k, config);
    if (status == ENG_OK)
        status = get_window(&k, config);
    if (status == ENG_OK)
        status = eng__config_finish(config, err);
    if (status == ENG_OK)
        status = get_vocab_size(&k, config);
    if (status != ENG_OK)
        return status;
    config->tied = !eng__directory_find(&gguf->tensors, "output.weight");
    config->qkv_bias = config->qkv_bias || eng__directory_find(&gguf->tensors, "blk.0.attn_q.bias");
    return ENG_OK;
}
