#include "formats/checkpoint_text.h"
#include "formats/names.h"

#include <string.h>

static void put_bool(eng__text *out, const char *key, bool v)
{
    eng__text_printf(out, "  \"%s\": %s,\n", key, v ? "true" : "false");
}

static void put_uint(eng__text *out, const char *key, uint32_t v)
{
    eng__text_printf(out, "  \"%s\": %u,\n", key, v);
}

static void put_float(eng__text *out, const char *key, float v)
{
    eng__text_printf(out, "  \"%s\": ", key);
    eng__text_float(out, v);
    eng__text_put(out, ",\n", 2);
}

static void put_string(eng__text *out, const char *key, const char *v)
{
    eng__text_printf(out, "  \"%s\": \"%s\",\n", key, v);
}

static void put_id(eng__text *out, const char *key, int32_t id)
{
    if (id >= 0)
        put_uint(out, key, (uint32_t)id);
}

/* Each layer by name, for patterns and for families without a key for a window everywhere. */
static void put_window(eng__text *out, const eng_config *c)
{
    if (!c->window)
        return;
    put_uint(out, "window_size", c->window);
    eng__text_printf(out, "  \"attention_layers\": [");
    for (uint32_t l = 0; l < c->n_layer; l++)
        eng__text_printf(out, "%s\"%s\"", l ? ", " : "",
                         l % c->window_period == c->window_period - 1 ? "local" : "global");
    eng__text_printf(out, "],\n");
}

static void put_gpt2(eng__text *out, const eng_config *c)
{
    put_string(out, "activation_function", "gelu_new");
    put_float(out, "layer_norm_epsilon", c->norm_eps);
    put_uint(out, "n_embd", c->n_embd);
    put_uint(out, "n_head", c->n_head);
    put_uint(out, "n_inner", c->n_ff);
    put_uint(out, "n_layer", c->n_layer);
    put_uint(out, "n_positions", c->n_ctx);
}

static void put_llama(eng__text *out, const eng_config *c)
{
    bool qwen2 = strcmp(c->arch, "qwen2") == 0;
    put_string(out, "hidden_act", "silu");
    put_uint(out, "hidden_size", c->n_embd);
    put_uint(out, "intermediate_size", c->n_ff);
    put_uint(out, "num_hidden_layers", c->n_layer);
    put_uint(out, "num_attention_heads", c->n_head);
    put_uint(out, "num_key_value_heads", c->n_kv_head);
    put_uint(out, "head_dim", c->head_dim);
    put_uint(out, "max_position_embeddings", c->n_ctx);
    put_float(out, "rms_norm_eps", c->norm_eps);
    put_float(out, "rope_theta", c->rope_base);
    if (c->rope_dims != c->head_dim)
        put_float(out, "partial_rotary_factor", (float)c->rope_dims / (float)c->head_dim);
    if (!qwen2) {
        put_bool(out, "attention_bias", c->qkv_bias);
        put_bool(out, "mlp_bias", false);
    }
}

void eng__checkpoint_config(eng__text *out, const eng_source *src, eng_dtype dtype)
{
    const eng_config *c = eng__source_config(src);
    const eng_vocab *v = eng__source_vocab(src);
    bool gpt2 = c->pos == ENG_POS_LEARNED, scored = eng__source_find(src, "score.weight") != NULL;
    const char *family = gpt2 ? "GPT2" : strcmp(c->arch, "qwen2") == 0 ? "Qwen2" : "Llama";
    const char *head = !scored ? "ForCausalLM" : "ForSequenceClassification";
    eng__text_printf(out, "{\n  \"architectures\": [\"%s%s\"],\n", family,
                     gpt2 && !scored ? "LMHeadModel" : head);
    if (scored)
        put_uint(out, "num_labels", 1);
    if (gpt2)
        put_gpt2(out, c);
    else
        put_llama(out, c);
    put_window(out, c);
    put_string(out, "model_type", c->arch);
    put_id(out, "bos_token_id", v->bos);
    put_id(out, "eos_token_id", v->eos);
    put_id(out, "pad_token_id", v->pad);
    put_bool(out, "tie_word_embeddings", c->tied && !scored);
    put_string(out, "torch_dtype", dtype == ENG_BF16 ? "bfloat16" : "float32");
    eng__text_printf(out, "  \"vocab_size\": %u\n}\n", c->n_vocab);
}
