#include "formats/checkpoint_text.h"
#include "formats/hf.h"

#include <string.h>

static bool is_added(const eng_vocab *v, uint32_t i)
{
    return v->types[i] == ENG_TOKEN_CONTROL || v->types[i] == ENG_TOKEN_USER ||
           v->types[i] == ENG_TOKEN_UNKNOWN;
}

static void put_token(eng__text *out, const eng_vocab *v, int32_t id)
{
    if (id < 0)
        eng__text_put(out, "null", 4);
    else
        eng__text_json(out, v->tokens[id], v->token_lens[id]);
}

static void put_added(eng__text *out, const eng_vocab *v)
{
    bool first = true;
    eng__text_printf(out, "\"added_tokens\":[");
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        if (!is_added(v, i))
            continue;
        eng__text_printf(out, "%s{\"id\":%u,\"content\":", first ? "" : ",", i);
        put_token(out, v, (int32_t)i);
        eng__text_printf(out,
                         ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                         "\"normalized\":false,\"special\":%s}",
                         v->types[i] == ENG_TOKEN_USER ? "false" : "true");
        first = false;
    }
    eng__text_printf(out, "],\n");
}

/* A begin token in front of every text is the post-processor's work. */
static void put_post_processor(eng__text *out, const eng_vocab *v)
{
    eng__text_printf(out, "\"post_processor\":");
    if (!v->add_bos || v->bos < 0) {
        eng__text_printf(out, "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                              "\"trim_offsets\":false,\"use_regex\":true},\n");
        return;
    }
    eng__text_printf(out,
                     "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":");
    put_token(out, v, v->bos);
    eng__text_printf(out, ",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
                          "\"pair\":[{\"SpecialToken\":{\"id\":");
    put_token(out, v, v->bos);
    eng__text_printf(out, ",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                          "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],\"special_tokens\":{");
    put_token(out, v, v->bos);
    eng__text_printf(out, ":{\"id\":");
    put_token(out, v, v->bos);
    eng__text_printf(out, ",\"ids\":[%d],\"tokens\":[", v->bos);
    put_token(out, v, v->bos);
    eng__text_printf(out, "]}}},\n");
}

static void put_model(eng__text *out, const eng_vocab *v)
{
    eng__text_printf(
        out,
        "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
        "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
        "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":%s,\n\"vocab\":{",
        v->pre == ENG_PRE_LLAMA_BPE ? "true" : "false");
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        eng__text_printf(out, "%s", i ? ",\n" : "\n");
        put_token(out, v, (int32_t)i);
        eng__text_printf(out, ":%u", i);
    }
    eng__text_printf(out, "},\n\"merges\":[");
    for (uint32_t i = 0; i < v->n_merges; i++) {
        eng__text_printf(out, "%s", i ? ",\n" : "\n");
        eng__text_json(out, v->merges[i], v->merge_lens[i]);
    }
    eng__text_printf(out, "]}}\n");
}

void eng__checkpoint_tokenizer(eng__text *out, const eng_vocab *v)
{
    const char *pre = eng__hf_pretokenizer_json(v->pre);
    eng__text_printf(out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n");
    put_added(out, v);
    eng__text_printf(out, "\"normalizer\":null,\n\"pre_tokenizer\":");
    eng__text_put(out, pre, strlen(pre));
    eng__text_put(out, ",\n", 2);
    put_post_processor(out, v);
    eng__text_printf(out, "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                          "\"trim_offsets\":true,\"use_regex\":true},\n");
    put_model(out, v);
}

static void put_role(eng__text *out, const eng_vocab *v, const char *key, int32_t id)
{
    eng__text_printf(out, "  \"%s\": ", key);
    put_token(out, v, id);
    eng__text_put(out, ",\n", 2);
}

void eng__checkpoint_tokenizer_config(eng__text *out, const eng_source *src)
{
    const eng_vocab *v = eng__source_vocab(src);
    eng__text_printf(out, "{\n  \"add_bos_token\": %s,\n  \"add_eos_token\": %s,\n",
                     v->add_bos ? "true" : "false", v->add_eos ? "true" : "false");
    put_role(out, v, "bos_token", v->bos);
    if (v->chat_template) {
        eng__text_printf(out, "  \"chat_template\": ");
        eng__text_json(out, v->chat_template, strlen(v->chat_template));
        eng__text_put(out, ",\n", 2);
    }
    eng__text_printf(out, "  \"clean_up_tokenization_spaces\": false,\n");
    put_role(out, v, "eos_token", v->eos);
    eng__text_printf(out, "  \"model_max_length\": %u,\n", eng__source_config(src)->n_ctx);
    put_role(out, v, "pad_token", v->pad);
    put_role(out, v, "unk_token", v->unk);
    eng__text_printf(out, "  \"tokenizer_class\": \"PreTrainedTokenizerFast\"\n}\n");
}

static void put_id(eng__text *out, const char *key, int32_t id)
{
    if (id >= 0)
        eng__text_printf(out, "  \"%s\": %d,\n", key, id);
}

void eng__checkpoint_generation_config(eng__text *out, const eng_vocab *v)
{
    eng__text_printf(out, "{\n");
    put_id(out, "bos_token_id", v->bos);
    if (v->eos >= 0 && v->eot >= 0 && v->eot != v->eos)
        eng__text_printf(out, "  \"eos_token_id\": [%d, %d],\n", v->eos, v->eot);
    else
        put_id(out, "eos_token_id", v->eos >= 0 ? v->eos : v->eot);
    put_id(out, "pad_token_id", v->pad);
    eng__text_printf(out, "  \"_from_model_config\": false\n}\n");
}
