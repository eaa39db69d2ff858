#include "formats/vocab.h"

#include <string.h>

static const char *const pre_names[] = {
    [ENG_PRE_GPT2] = "gpt-2",
    [ENG_PRE_SMOLLM] = "smollm",
    [ENG_PRE_LLAMA_BPE] = "llama-bpe",
    [ENG_PRE_QWEN2] = "qwen2",
};

eng_status eng__pretokenizer_of(const char *name, eng_pretokenizer *out, eng_error *err)
{
    for (size_t i = 0; i < sizeof pre_names / sizeof pre_names[0]; i++)
        if (strcmp(name, pre_names[i]) == 0) {
            *out = (eng_pretokenizer)i;
            return ENG_OK;
        }
    return eng_fail(err, ENG_UNSUPPORTED,
                    "key tokenizer.ggml.pre: %.64s, expected gpt-2, smollm, "
                    "llama-bpe or qwen2",
                    name);
}

const char *eng__pretokenizer_name(eng_pretokenizer pre)
{
    return pre_names[pre];
}

static eng_status check_merges(const eng_vocab *v, eng_error *err)
{
    for (uint32_t i = 0; i < v->n_merges; i++) {
        const char *m = v->merges[i], *end = m + v->merge_lens[i];
        const char *space = memchr(m, ' ', v->merge_lens[i]);
        if (!space || space == m || space + 1 == end ||
            memchr(space + 1, ' ', (size_t)(end - space - 1)))
            return eng_fail(err, ENG_FORMAT,
                            "merge %u: \"%.60s\", expected two parts and one "
                            "space",
                            i, m);
    }
    return ENG_OK;
}

static eng_status check_role(const char *name, int32_t id, const eng_vocab *v, eng_error *err)
{
    if (id < -1 || (id >= 0 && (uint32_t)id >= v->n_tokens))
        return eng_fail(err, ENG_FORMAT, "tokenizer: %s id %d, the vocabulary has %u tokens", name,
                        id, v->n_tokens);
    return ENG_OK;
}

eng_status eng__vocab_check(const eng_vocab *v, eng_error *err)
{
    if (v->n_tokens == 0)
        return eng_fail(err, ENG_FORMAT, "tokenizer: no tokens");
    for (uint32_t i = 0; i < v->n_tokens; i++)
        if (v->types[i] < ENG_TOKEN_NORMAL || v->types[i] > ENG_TOKEN_BYTE)
            return eng_fail(err, ENG_FORMAT, "token %u: of type %u, expected 1 to 6", i,
                            v->types[i]);
    eng_status status = check_merges(v, err);
    if (status == ENG_OK)
        status = check_role("bos", v->bos, v, err);
    if (status == ENG_OK)
        status = check_role("eos", v->eos, v, err);
    if (status == ENG_OK)
        status = check_role("eot", v->eot, v, err);
    if (status == ENG_OK)
        status = check_role("unknown", v->unk, v, err);
    if (status == ENG_OK)
        status = check_role("padding", v->pad, v, err);
    return status;
}
