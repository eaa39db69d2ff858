#include "formats/config.h"
#include "formats/hf.h"

#include <string.h>

typedef struct uint_key {
    const char *name;
    bool required;
    uint32_t max, *out;
} uint_key;

/* Absent and null keys leave *out alone unless required. */
static eng_status get_uint(const eng_json *root, uint_key k, eng_error *err)
{
    const eng_json *node = eng_json_get(root, k.name);
    uint64_t value;
    if (!node || node->type == ENG_JSON_NULL)
        return k.required ? eng_fail(err, ENG_FORMAT, "config.json, %s: missing", k.name) : ENG_OK;
    if (!eng_json_uint(node, 1, k.max, &value))
        return eng_fail(err, ENG_FORMAT, "config.json, %s: expected a whole number from 1 to %u",
                        k.name, k.max);
    *k.out = (uint32_t)value;
    return ENG_OK;
}

static eng_status get_uints(const eng_json *root, const uint_key *keys, size_t n, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; i < n && status == ENG_OK; i++)
        status = get_uint(root, keys[i], err);
    return status;
}

static eng_status get_float(const eng_json *root, const char *name, float *out, eng_error *err)
{
    const eng_json *node = eng_json_get(root, name);
    if (!node || node->type == ENG_JSON_NULL)
        return ENG_OK;
    if (node->type != ENG_JSON_NUMBER || node->number < 0.0 || node->number > 1e30)
        return eng_fail(err, ENG_FORMAT, "config.json, %s: expected a number from 0", name);
    *out = (float)node->number;
    return ENG_OK;
}

static bool is_true(const eng_json *root, const char *name)
{
    const eng_json *node = eng_json_get(root, name);
    return eng_json_is(node, ENG_JSON_BOOL) && node->boolean;
}

/* An absent string is as good as the first one that fits. */
static eng_status expect_string(const eng_json *root, const char *name, const char *one,
                                const char *other, eng_error *err)
{
    const char *found = eng_json_string(eng_json_get(root, name));
    if (!found || strcmp(found, one) == 0 || (other && strcmp(found, other) == 0))
        return ENG_OK;
    return eng_fail(err, ENG_UNSUPPORTED, "config.json, %s: %.64s, expected %s", name, found, one);
}

/* ---- attention windows ---- */

/* attention_layers: ["global", "local", ...], which must repeat with one local layer at the end of
 * each period. */
static eng_status get_layer_kinds(const eng_json *kinds, eng_config *c, eng_error *err)
{
    uint32_t period = 0;
    if (!eng_json_is(kinds, ENG_JSON_ARRAY) || kinds->n != c->n_layer)
        return eng_fail(err, ENG_FORMAT, "config.json, attention_layers: expected a list of %u",
                        c->n_layer);
    for (uint32_t l = 0; l < kinds->n; l++) {
        const char *kind = eng_json_string(&kinds->items[l]);
        bool local = kind && strcmp(kind, "local") == 0;
        if (!local && (!kind || strcmp(kind, "global") != 0))
            return eng_fail(err, ENG_FORMAT,
                            "config.json, attention_layers: element %u is neither "
                            "global nor local",
                            l);
        if (local && !period)
            period = l + 1;
        if (period && local != (l % period == period - 1))
            return eng_fail(err, ENG_UNSUPPORTED,
                            "config.json, attention_layers: element %u breaks "
                            "the period of %u",
                            l, period);
    }
    c->window_period = period;
    if (!period)
        c->window = 0;
    return ENG_OK;
}

static eng_status get_window(const eng_json *root, eng_config *c, eng_error *err)
{
    const eng_json *kinds = eng_json_get(root, "attention_layers");
    bool qwen2 = strcmp(c->arch, "qwen2") == 0;
    if (qwen2 && is_true(root, "use_sliding_window"))
        return eng_fail(err, ENG_UNSUPPORTED,
                        "config.json, use_sliding_window: true, expected "
                        "false for qwen2");
    if (kinds) {
        uint_key size = {"window_size", true, ENG__MAX_CONTEXT, &c->window};
        eng_status status = get_uint(root, size, err);
        return status == ENG_OK ? get_layer_kinds(kinds, c, err) : status;
    }
    if (qwen2 || c->pos == ENG_POS_LEARNED)
        return ENG_OK;
    uint_key size = {"sliding_window", false, ENG__MAX_CONTEXT, &c->window};
    return get_uint(root, size, err);
}

/* ---- positions ---- */

static eng_status refuse_rope_type(const eng_json *object, const char *where, eng_error *err)
{
    if (!object || object->type == ENG_JSON_NULL)
        return ENG_OK;
    const char *type = eng_json_string(eng_json_get(object, "rope_type"));
    if (!type)
        type = eng_json_string(eng_json_get(object, "type"));
    if (type && strcmp(type, "default") == 0)
        return ENG_OK;
    return eng_fail(err, ENG_UNSUPPORTED, "config.json, %s: %.64s, expected none", where,
                    type ? type : "no type");
}

static eng_status get_rope(const eng_json *root, eng_config *c, eng_error *err)
{
    const eng_json *parameters = eng_json_get(root, "rope_parameters");
    float turning = 1.0f;
    eng_status status = refuse_rope_type(eng_json_get(root, "rope_scaling"), "rope_scaling", err);
    if (status == ENG_OK)
        status = refuse_rope_type(parameters, "rope_parameters", err);
    if (status == ENG_OK)
        status = get_float(root, "rope_theta", &c->rope_base, err);
    if (status == ENG_OK && parameters)
        status = get_float(parameters, "rope_theta", &c->rope_base, err);
    if (status == ENG_OK)
        status = get_float(root, "partial_rotary_factor", &turning, err);
    if (status != ENG_OK)
        return status;
    if (turning <= 0.0f || turning > 1.0f)
        return eng_fail(err, ENG_FORMAT,
                        "config.json, partial_rotary_factor: %g, expected more "
                        "than 0, at most 1",
                        (double)turning);
    uint32_t head_dim = c->head_dim ? c->head_dim : c->n_embd / c->n_head;
    c->rope_dims = (uint32_t)((float)head_dim * turning);
    return ENG_OK;
}

/* ---- families ---- */

static eng_status get_llama(const eng_json *root, eng_config *c, eng_error *err)
{
    const uint_key keys[] = {
        {"hidden_size", true, ENG__MAX_WIDTH, &c->n_embd},
        {"intermediate_size", true, ENG__MAX_FF, &c->n_ff},
        {"num_hidden_layers", true, ENG__MAX_LAYERS, &c->n_layer},
        {"num_attention_heads", true, ENG__MAX_HEADS, &c->n_head},
        {"num_key_value_heads", false, ENG__MAX_HEADS, &c->n_kv_head},
        {"head_dim", false, ENG__MAX_WIDTH, &c->head_dim},
        {"max_position_embeddings", true, ENG__MAX_CONTEXT, &c->n_ctx},
        {"vocab_size", true, ENG__MAX_VOCAB, &c->n_vocab},
    };
    c->norm_eps = 1e-6f; /* the library's default for both families */
    eng_status status = get_uints(root, keys, sizeof keys / sizeof keys[0], err);
    if (status == ENG_OK)
        status = get_float(root, "rms_norm_eps", &c->norm_eps, err);
    if (status == ENG_OK)
        status = expect_string(root, "hidden_act", "silu", NULL, err);
    if (status == ENG_OK)
        status = get_rope(root, c, err);
    c->tied = is_true(root, "tie_word_embeddings");
    return status;
}

static eng_status get_gpt2(const eng_json *root, eng_config *c, eng_error *err)
{
    const uint_key keys[] = {
        {"n_embd", true, ENG__MAX_WIDTH, &c->n_embd},
        {"n_layer", true, ENG__MAX_LAYERS, &c->n_layer},
        {"n_head", true, ENG__MAX_HEADS, &c->n_head},
        {"n_positions", true, ENG__MAX_CONTEXT, &c->n_ctx},
        {"n_inner", false, ENG__MAX_FF, &c->n_ff},
        {"vocab_size", true, ENG__MAX_VOCAB, &c->n_vocab},
    };
    c->norm_eps = 1e-5f;
    eng_status status = get_uints(root, keys, sizeof keys / sizeof keys[0], err);
    if (status == ENG_OK)
        status = get_float(root, "layer_norm_epsilon", &c->norm_eps, err);
    if (status == ENG_OK)
        status = expect_string(root, "activation_function", "gelu_new", "gelu_pytorch_tanh", err);
    if (status != ENG_OK)
        return status;
    const eng_json *scaled = eng_json_get(root, "scale_attn_weights");
    if (is_true(root, "scale_attn_by_inverse_layer_idx") ||
        (eng_json_is(scaled, ENG_JSON_BOOL) && !scaled->boolean))
        return eng_fail(err, ENG_UNSUPPORTED, "config.json, %s: expected the default",
                        is_true(root, "scale_attn_by_inverse_layer_idx")
                            ? "scale_attn_by_inverse_layer_idx"
                            : "scale_attn_weights");
    if (!c->n_ff)
        c->n_ff = 4 * c->n_embd;
    const eng_json *tie = eng_json_get(root, "tie_word_embeddings");
    c->tied = !tie || is_true(root, "tie_word_embeddings");
    return ENG_OK;
}

eng_status eng__hf_config(const eng_json *root, eng_config *config, eng_error *err)
{
    *config = (eng_config){0};
    const char *family = eng_json_string(eng_json_get(root, "model_type"));
    if (!family)
        return eng_fail(err, ENG_FORMAT, "config.json, model_type: missing");
    eng_status status = eng__config_family(config, family, true, "config.json, model_type", err);
    if (status != ENG_OK)
        return status;
    const eng_json *quantized = eng_json_get(root, "quantization_config");
    if (quantized && quantized->type != ENG_JSON_NULL)
        return eng_fail(err, ENG_UNSUPPORTED,
                        "config.json, quantization_config: expected plain "
                        "weights");
    status =
        config->pos == ENG_POS_LEARNED ? get_gpt2(root, config, err) : get_llama(root, config, err);
    if (status == ENG_OK)
        status = get_window(root, config, err);
    if (status == ENG_OK)
        status = eng__config_finish(config, err);
    return status;
}
