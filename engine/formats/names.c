#include "formats/names.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef enum family { LLAMA = 1, GPT2 = 2, BOTH = 3 } family;

typedef struct module {
    const char *canonical;
    const char *llama, *gpt2; /* Hugging Face names; NULL = not in such directories */
    family has_weight, has_bias;
    bool layered; /* one in each layer */
    bool conv1d;  /* gpt2 directories store it [in][out] */
    bool head;    /* outside the "model." or "transformer." prefix */
} module;

static const module modules[] = {
    {"token_embd", "embed_tokens", "wte", BOTH, 0, false, false, false},
    {"position_embd", NULL, "wpe", GPT2, 0, false, false, false},
    {"output_norm", "norm", "ln_f", BOTH, GPT2, false, false, false},
    {"rope_freqs", NULL, NULL, LLAMA, 0, false, false, false},
    {"output", "lm_head", "lm_head", BOTH, 0, false, false, true},
    {"score", "score", "score", BOTH, BOTH, false, false, true},
    {"attn_norm", "input_layernorm", "ln_1", BOTH, GPT2, true, false, false},
    {"attn_q", "self_attn.q_proj", NULL, LLAMA, LLAMA, true, false, false},
    {"attn_k", "self_attn.k_proj", NULL, LLAMA, LLAMA, true, false, false},
    {"attn_v", "self_attn.v_proj", NULL, LLAMA, LLAMA, true, false, false},
    {"attn_qkv", NULL, "attn.c_attn", GPT2, GPT2, true, true, false},
    {"attn_output", "self_attn.o_proj", "attn.c_proj", BOTH, GPT2, true, true, false},
    {"ffn_norm", "post_attention_layernorm", "ln_2", BOTH, GPT2, true, false, false},
    {"ffn_gate", "mlp.gate_proj", NULL, LLAMA, 0, true, false, false},
    {"ffn_up", "mlp.up_proj", "mlp.c_fc", BOTH, GPT2, true, true, false},
    {"ffn_down", "mlp.down_proj", "mlp.c_proj", BOTH, GPT2, true, true, false},
};
enum { N_MODULES = sizeof modules / sizeof modules[0] };

/* A name taken apart: prefix, layer, module, parameter. */
typedef struct parts {
    const module *module;
    uint32_t layer;
    bool bias;
} parts;

static family family_of(const eng_config *config)
{
    return config->pos == ENG_POS_LEARNED ? GPT2 : LLAMA;
}

static const char *skip_prefix(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/* "12.rest" -> 12 and "rest"; NULL unless a plain number below n stands there. */
static const char *parse_layer(const char *s, uint32_t n, uint32_t *layer)
{
    uint64_t value = 0;
    const char *p = s;
    for (; *p >= '0' && *p <= '9' && p - s < 6; p++)
        value = value * 10 + (uint64_t)(*p - '0');
    if (p == s || *p != '.' || value >= n || (p - s > 1 && *s == '0'))
        return NULL;
    *layer = (uint32_t)value;
    return p + 1;
}

static const char *module_name(const module *m, family f, bool hf)
{
    return !hf ? m->canonical : f == GPT2 ? m->gpt2 : m->llama;
}

/* `rest` is "<module>.weight" or "<module>.bias". */
static bool parse_module(const char *rest, family f, bool hf, bool layered, parts *out)
{
    for (int i = 0; i < N_MODULES; i++) {
        const char *name = module_name(&modules[i], f, hf);
        const char *param = name ? skip_prefix(rest, name) : NULL;
        if (!param || modules[i].layered != layered)
            continue;
        bool weight = strcmp(param, ".weight") == 0 && (modules[i].has_weight & f);
        bool bias = strcmp(param, ".bias") == 0 && (modules[i].has_bias & f);
        if (weight || bias) {
            out->module = &modules[i];
            out->bias = bias;
            return true;
        }
    }
    return false;
}

static bool parse_canonical(const eng_config *config, const char *name, parts *out)
{
    family f = family_of(config);
    const char *rest = skip_prefix(name, "blk.");
    if (!rest)
        return parse_module(name, f, false, false, out);
    rest = parse_layer(rest, config->n_layer, &out->layer);
    return rest && parse_module(rest, f, false, true, out);
}

static void print_canonical(const parts *p, char out[ENG__NAME_BYTES])
{
    const char *param = p->bias ? "bias" : "weight";
    if (p->module->layered)
        snprintf(out, ENG__NAME_BYTES, "blk.%u.%s.%s", p->layer, p->module->canonical, param);
    else
        snprintf(out, ENG__NAME_BYTES, "%s.%s", p->module->canonical, param);
}

bool eng__name_is_canonical(const eng_config *config, const char *name)
{
    parts p;
    return parse_canonical(config, name, &p);
}

/* Buffers that older files keep: causal masks and rotation frequencies, both recomputed here. */
static bool is_buffer(const char *name)
{
    static const char *const ends[] = {".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t m = strlen(ends[i]);
        if (n >= m && strcmp(name + n - m, ends[i]) == 0)
            return true;
    }
    return false;
}

eng__name_kind eng__name_from_hf(const eng_config *config, const char *hf,
                                 char canonical[ENG__NAME_BYTES], bool *conv1d)
{
    family f = family_of(config);
    const char *stripped = skip_prefix(hf, f == GPT2 ? "transformer." : "model.");
    const char *name = stripped ? stripped : hf;
    const char *rest = skip_prefix(name, f == GPT2 ? "h." : "layers.");
    parts p = {0};
    if (is_buffer(name))
        return ENG__NAME_SKIP;
    bool layered = rest != NULL;
    if (layered)
        rest = parse_layer(rest, config->n_layer, &p.layer);
    else
        rest = name;
    if (!rest || !parse_module(rest, f, true, layered, &p) || (p.module->head && stripped))
        return ENG__NAME_UNKNOWN;
    if (config->tied && strcmp(p.module->canonical, "output") == 0)
        return ENG__NAME_SKIP;
    print_canonical(&p, canonical);
    *conv1d = f == GPT2 && p.module->conv1d && !p.bias;
    return ENG__NAME_TENSOR;
}

eng__name_kind eng__name_to_hf(const eng_config *config, const char *canonical,
                               char hf[ENG__NAME_BYTES], bool *conv1d)
{
    parts p = {0};
    family f = family_of(config);
    if (!parse_canonical(config, canonical, &p))
        return ENG__NAME_UNKNOWN;
    const char *name = module_name(p.module, f, true), *param = p.bias ? "bias" : "weight";
    const char *prefix = f == GPT2 ? "transformer." : "model.";
    if (!name)
        return ENG__NAME_SKIP;
    if (p.module->layered)
        snprintf(hf, ENG__NAME_BYTES, "%s%s.%u.%s.%s", prefix, f == GPT2 ? "h" : "layers", p.layer,
                 name, param);
    else
        snprintf(hf, ENG__NAME_BYTES, "%s%s.%s", p.module->head ? "" : prefix, name, param);
    *conv1d = f == GPT2 && p.module->conv1d && !p.bias;
    return ENG__NAME_TENSOR;
}
