#include "formats/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

eng_status eng__config_family(eng_config *config, const char *arch, bool half_split_files,
                              const char *where, eng_error *err)
{
    bool gpt2 = strcmp(arch, "gpt2") == 0, qwen2 = strcmp(arch, "qwen2") == 0;
    if (!gpt2 && !qwen2 && strcmp(arch, "llama") != 0)
        return eng_fail(err, ENG_UNSUPPORTED, "%s: %.100s, expected llama, qwen2 or gpt2", where,
                        arch);
    snprintf(config->arch, sizeof config->arch, "%s", arch);
    if (gpt2) {
        config->norm = ENG_NORM_LAYER;
        config->pos = ENG_POS_LEARNED;
        config->mlp = ENG_MLP_GELU_TANH;
    } else {
        config->norm = ENG_NORM_RMS;
        config->pos = qwen2 || half_split_files ? ENG_POS_ROPE_HALF : ENG_POS_ROPE_PAIRS;
        config->mlp = ENG_MLP_SWIGLU;
        config->rope_base = 10000.0f;
    }
    config->qkv_bias = gpt2 || qwen2;
    config->out_bias = gpt2;
    return ENG_OK;
}

static eng_status check_heads(eng_config *c, eng_error *err)
{
    if (!c->n_kv_head)
        c->n_kv_head = c->n_head;
    if (c->n_head % c->n_kv_head)
        return eng_fail(err, ENG_FORMAT,
                        "config: %u heads over %u key-value heads, expected a "
                        "multiple",
                        c->n_head, c->n_kv_head);
    if (!c->head_dim && c->n_embd % c->n_head)
        return eng_fail(err, ENG_FORMAT, "config: width %u over %u heads, expected a multiple",
                        c->n_embd, c->n_head);
    if (!c->head_dim)
        c->head_dim = c->n_embd / c->n_head;
    if (c->pos == ENG_POS_LEARNED && c->head_dim * c->n_head != c->n_embd)
        return eng_fail(err, ENG_FORMAT, "config: %u heads of %u, expected the width %u", c->n_head,
                        c->head_dim, c->n_embd);
    if ((uint64_t)c->n_head * c->head_dim > ENG__MAX_WIDTH)
        return eng_fail(err, ENG_FORMAT, "config: %u heads of %u, expected at most %d together",
                        c->n_head, c->head_dim, ENG__MAX_WIDTH);
    return ENG_OK;
}

static eng_status check_rope(eng_config *c, eng_error *err)
{
    if (c->pos == ENG_POS_LEARNED) {
        c->rope_dims = 0;
        c->rope_base = 0.0f;
        return ENG_OK;
    }
    if (!c->rope_dims)
        c->rope_dims = c->head_dim;
    if (c->rope_dims % 2 || c->rope_dims > c->head_dim)
        return eng_fail(err, ENG_FORMAT,
                        "config: %u rotating dimensions, expected an even number "
                        "up to the head width %u",
                        c->rope_dims, c->head_dim);
    if (!isfinite(c->rope_base) || c->rope_base < 1.0f)
        return eng_fail(err, ENG_FORMAT, "config: RoPE base %g, expected at least 1",
                        (double)c->rope_base);
    return ENG_OK;
}

eng_status eng__config_finish(eng_config *c, eng_error *err)
{
    eng_status status = check_heads(c, err);
    if (status == ENG_OK)
        status = check_rope(c, err);
    if (status != ENG_OK)
        return status;
    if (!isfinite(c->norm_eps) || c->norm_eps < 0.0f || c->norm_eps > 1.0f)
        return eng_fail(err, ENG_FORMAT, "config: norm epsilon %g, expected 0 to 1",
                        (double)c->norm_eps);
    if (c->window && !c->window_period)
        c->window_period = 1;
    if (!c->window)
        c->window_period = 0;
    return ENG_OK;
}
