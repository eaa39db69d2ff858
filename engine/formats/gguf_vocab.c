#include "formats/gguf.h"
#include "formats/vocab.h"

#include <string.h>

static eng_status get_tokens(const eng__gguf *gguf, eng_vocab *v, eng_error *err)
{
    const eng__gguf_kv *kv;
    eng_status status =
        eng__gguf_get_array(gguf, "tokenizer.ggml.tokens", ENG__GGUF_STRING, &kv, err);
    if (status != ENG_OK)
        return status;
    v->n_tokens = kv->array.n;
    v->tokens = kv->array.strings;
    v->token_lens = kv->array.string_lens;
    status = eng__gguf_get_array(gguf, "tokenizer.ggml.merges", ENG__GGUF_STRING, &kv, err);
    if (status != ENG_OK)
        return status;
    v->n_merges = kv->array.n;
    v->merges = kv->array.strings;
    v->merge_lens = kv->array.string_lens;
    return ENG_OK;
}

/* Absent types are all "normal". */
static eng_status get_types(const eng__gguf *gguf, eng_arena *arena, eng_vocab *v, eng_error *err)
{
    static const char key[] = "tokenizer.ggml.token_type";
    v->types = eng_arena_alloc(arena, v->n_tokens);
    if (!v->types)
        return eng_fail(err, ENG_NOMEM, "no memory for %u token types", v->n_tokens);
    memset(v->types, ENG_TOKEN_NORMAL, v->n_tokens);
    const eng__gguf_kv *kv = eng__gguf_find(gguf, key);
    if (!kv)
        return ENG_OK;
    bool u32 = kv->type == ENG__GGUF_ARRAY && kv->array.type == ENG__GGUF_U32;
    eng_status status =
        eng__gguf_get_array(gguf, key, u32 ? ENG__GGUF_U32 : ENG__GGUF_I32, &kv, err);
    if (status != ENG_OK)
        return status;
    if (kv->array.n != v->n_tokens)
        return eng_fail(err, ENG_FORMAT, "key %s: %u elements, tokenizer.ggml.tokens has %u", key,
                        kv->array.n, v->n_tokens);
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        int32_t type;
        memcpy(&type, (const char *)kv->array.elements + 4 * (size_t)i, sizeof type);
        if (type < ENG_TOKEN_NORMAL || type > ENG_TOKEN_BYTE)
            return eng_fail(err, ENG_FORMAT, "key %s: element %u is %d, expected 1 to 6", key, i,
                            type);
        v->types[i] = (uint8_t)type;
    }
    return ENG_OK;
}

static eng_status get_roles(const eng__gguf *gguf, eng_vocab *v, eng_error *err)
{
    const struct {
        const char *key;
        int32_t *out;
    } roles[] = {
        {"tokenizer.ggml.bos_token_id", &v->bos},     {"tokenizer.ggml.eos_token_id", &v->eos},
        {"tokenizer.ggml.eot_token_id", &v->eot},     {"tokenizer.ggml.unknown_token_id", &v->unk},
        {"tokenizer.ggml.padding_token_id", &v->pad},
    };
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        uint32_t id = UINT32_MAX;
        eng_status status = eng__gguf_get_uint(gguf, roles[i].key, 0, v->n_tokens - 1, &id, err);
        if (status != ENG_OK)
            return status;
        *roles[i].out = id == UINT32_MAX ? -1 : (int32_t)id;
    }
    return ENG_OK;
}

static eng_status get_flags(const eng__gguf *gguf, eng_vocab *v, eng_error *err)
{
    v->add_bos = v->pre == ENG_PRE_LLAMA_BPE;
    eng_status status = eng__gguf_get_bool(gguf, "tokenizer.ggml.add_bos_token", &v->add_bos, err);
    if (status == ENG_OK)
        status = eng__gguf_get_bool(gguf, "tokenizer.ggml.add_eos_token", &v->add_eos, err);
    if (status == ENG_OK)
        status =
            eng__gguf_get_bool(gguf, "tokenizer.ggml.add_space_prefix", &v->add_space_prefix, err);
    if (status == ENG_OK)
        status = eng__gguf_get_string(gguf, "tokenizer.chat_template", &v->chat_template, err);
    return status;
}

static eng_status get_kind(const eng__gguf *gguf, eng_vocab *v, eng_error *err)
{
    const char *model = NULL, *pre = NULL;
    eng_status status = eng__gguf_get_string(gguf, "tokenizer.ggml.model", &model, err);
    if (status == ENG_OK)
        status = eng__gguf_get_string(gguf, "tokenizer.ggml.pre", &pre, err);
    if (status != ENG_OK)
        return status;
    if (!model || !pre)
        return eng_fail(err, ENG_FORMAT, "key tokenizer.ggml.%s: missing", model ? "pre" : "model");
    if (strcmp(model, "gpt2") != 0)
        return eng_fail(err, ENG_UNSUPPORTED,
                        "key tokenizer.ggml.model: %.64s, expected gpt2 "
                        "(byte-level BPE)",
                        model);
    return eng__pretokenizer_of(pre, &v->pre, err);
}

eng_status eng__gguf_vocab(const eng__gguf *gguf, eng_arena *arena, eng_vocab *vocab,
                           eng_error *err)
{
    *vocab = (eng_vocab){0};
    eng_status status = get_kind(gguf, vocab, err);
    if (status == ENG_OK)
        status = get_tokens(gguf, vocab, err);
    if (status == ENG_OK && vocab->n_tokens == 0)
        status = eng_fail(err, ENG_FORMAT, "key tokenizer.ggml.tokens: empty");
    if (status == ENG_OK)
        status = get_types(gguf, arena, vocab, err);
    if (status == ENG_OK)
        status = get_roles(gguf, vocab, err);
    if (status == ENG_OK)
        status = get_flags(gguf, vocab, err);
    if (status == ENG_OK)
        status = eng__vocab_check(vocab, err);
    return status;
}
