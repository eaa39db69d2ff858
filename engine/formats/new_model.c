#include "formats/new_model.h"

#include "base/random.h"
#include "formats/config.h"
#include "formats/names.h"
#include "formats/new_vocab.h"
#include "formats/source_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the config ---- */

static eng_status check_spec(const eng_new_model *spec, eng_error *err)
{
    const struct {
        const char *name;
        uint32_t value, min, max;
    } fields[] = {
        {"layers", spec->n_layer, 1, ENG__MAX_LAYERS},
        {"dim", spec->n_embd, 1, ENG__MAX_WIDTH},
        {"heads", spec->n_head, 1, ENG__MAX_HEADS},
        {"kv-heads", spec->n_kv_head, 0, ENG__MAX_HEADS},
        {"ff", spec->n_ff, 0, ENG__MAX_FF},
        {"context", spec->n_ctx, 1, ENG__MAX_CONTEXT},
        {"vocab", spec->n_vocab, 0, ENG__MAX_VOCAB},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].value < fields[i].min || fields[i].value > fields[i].max)
            return eng_fail(err, ENG_INVALID, "%s: %u, expected %u to %u", fields[i].name,
                            fields[i].value, fields[i].min, fields[i].max);
    return ENG_OK;
}

static uint32_t default_ff(const eng_config *c)
{
    uint64_t ff = c->pos == ENG_POS_LEARNED ? 4 * (uint64_t)c->n_embd
                                            : ((uint64_t)c->n_embd * 8 / 3 + 31) / 32 * 32;
    return ff < ENG__MAX_FF ? (uint32_t)ff : ENG__MAX_FF;
}

static eng_status make_config(eng_config *c, const eng_new_model *spec, eng_error *err)
{
    *c = (eng_config){0};
    eng_status status = check_spec(spec, err);
    if (status == ENG_OK)
        status = eng__config_family(c, spec->arch, true, "arch", err);
    if (status != ENG_OK)
        return status;
    if (c->pos == ENG_POS_LEARNED && spec->n_kv_head && spec->n_kv_head != spec->n_head)
        return eng_fail(err, ENG_INVALID, "kv-heads: %u, expected the %u heads of %s",
                        spec->n_kv_head, spec->n_head, c->arch);
    c->n_layer = spec->n_layer;
    c->n_embd = spec->n_embd;
    c->n_head = spec->n_head;
    c->n_kv_head = spec->n_kv_head;
    c->n_ff = spec->n_ff ? spec->n_ff : default_ff(c);
    c->n_ctx = spec->n_ctx;
    c->norm_eps = 1e-5f;
    c->tied = !spec->untied;
    return eng__config_finish(c, err);
}

static eng_status make_vocab(eng_source *src, const eng_new_model *spec, eng_error *err)
{
    eng_error why;
    eng_status status = spec->tokenizer
                            ? eng__vocab_from_path(spec->tokenizer, &src->arena, &src->vocab, &why)
                            : eng__vocab_bytes(&src->arena, &src->vocab, &why);
    if (status != ENG_OK)
        return eng_fail(err, status, "tokenizer: %.480s", why.text);
    uint32_t n_tokens = src->vocab.n_tokens;
    src->config.n_vocab = spec->n_vocab ? spec->n_vocab : n_tokens;
    if (src->config.n_vocab < n_tokens)
        return eng_fail(err, ENG_INVALID, "vocab: %u, expected at least the tokenizer's %u tokens",
                        spec->n_vocab, n_tokens);
    return ENG_OK;
}

/* ---- the tensors ---- */

enum { GLOBAL_TENSORS = 6, LAYER_TENSORS = 16 }; /* at most */

typedef struct plan {
    eng_source *src;
    bool failed; /* no memory */
} plan;

/* rows 0: a vector of `cols`. */
static void add(plan *p, const char *name, uint64_t rows, uint64_t cols)
{
    eng__directory *dir = &p->src->tensors;
    eng__stored *t = &dir->tensors[dir->n++];
    uint64_t n = (rows ? rows : 1) * cols;
    t->info = (eng_tensor_info){.name = eng_arena_strndup(&p->src->arena, name, strlen(name)),
                                .type = ENG_F32,
                                .n_dims = rows ? 2 : 1,
                                .dims = {cols, rows},
                                .n_elements = n,
                                .n_bytes = n * sizeof(float)};
    p->failed = p->failed || !t->info.name;
}

static void add_norm(plan *p, const char *stem)
{
    const eng_config *c = &p->src->config;
    char name[ENG__NAME_BYTES];
    snprintf(name, sizeof name, "%s.weight", stem);
    add(p, name, 0, c->n_embd);
    snprintf(name, sizeof name, "%s.bias", stem);
    if (c->norm == ENG_NORM_LAYER)
        add(p, name, 0, c->n_embd);
}

static void add_linear(plan *p, uint32_t layer, const char *part, uint64_t rows, uint64_t cols,
                       bool biased)
{
    char name[ENG__NAME_BYTES];
    snprintf(name, sizeof name, "blk.%u.%s.weight", layer, part);
    add(p, name, rows, cols);
    snprintf(name, sizeof name, "blk.%u.%s.bias", layer, part);
    if (biased)
        add(p, name, 0, rows);
}

static void add_layer(plan *p, uint32_t l)
{
    const eng_config *c = &p->src->config;
    const uint64_t q = (uint64_t)c->n_head * c->head_dim, kv = (uint64_t)c->n_kv_head * c->head_dim;
    char stem[ENG__NAME_BYTES];
    snprintf(stem, sizeof stem, "blk.%u.attn_norm", l);
    add_norm(p, stem);
    if (c->pos == ENG_POS_LEARNED) {
        add_linear(p, l, "attn_qkv", q + 2 * kv, c->n_embd, c->qkv_bias);
    } else {
        add_linear(p, l, "attn_q", q, c->n_embd, c->qkv_bias);
        add_linear(p, l, "attn_k", kv, c->n_embd, c->qkv_bias);
        add_linear(p, l, "attn_v", kv, c->n_embd, c->qkv_bias);
    }
    add_linear(p, l, "attn_output", c->n_embd, q, c->out_bias);
    snprintf(stem, sizeof stem, "blk.%u.ffn_norm", l);
    add_norm(p, stem);
    if (c->mlp == ENG_MLP_SWIGLU)
        add_linear(p, l, "ffn_gate", c->n_ff, c->n_embd, c->out_bias);
    add_linear(p, l, "ffn_up", c->n_ff, c->n_embd, c->out_bias);
    add_linear(p, l, "ffn_down", c->n_embd, c->n_ff, c->out_bias);
}

static eng_status make_tensors(eng_source *src, bool score, eng_error *err)
{
    const eng_config *c = &src->config;
    size_t most = GLOBAL_TENSORS + (size_t)LAYER_TENSORS * c->n_layer;
    plan p = {.src = src};
    src->tensors.tensors = eng_arena_array(&src->arena, most, sizeof *src->tensors.tensors);
    if (!src->tensors.tensors)
        return eng_fail(err, ENG_NOMEM, "no memory for the names of %zu tensors", most);
    add(&p, "token_embd.weight", c->n_vocab, c->n_embd);
    if (c->pos == ENG_POS_LEARNED)
        add(&p, "position_embd.weight", c->n_ctx, c->n_embd);
    for (uint32_t l = 0; l < c->n_layer; l++)
        add_layer(&p, l);
    add_norm(&p, "output_norm");
    if (score) {
        add(&p, "score.weight", 1, c->n_embd);
        add(&p, "score.bias", 0, 1);
    } else if (!c->tied) {
        add(&p, "output.weight", c->n_vocab, c->n_embd);
    }
    if (p.failed)
        return eng_fail(err, ENG_NOMEM, "no memory for the names of %zu tensors", src->tensors.n);
    return eng__directory_index(&src->tensors, &src->arena, err);
}

/* ---- the weights ---- */

typedef struct recipe {
    uint64_t seed;
    double residual_sd; /* of projections onto the residual stream */
} recipe;

static const double weight_sd = 0.02;

/* FNV-1a: each tensor's own stream of random numbers. */
static uint32_t stream_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (const char *p = name; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return hash;
}

static eng_status make_weights(void *ctx, const eng_tensor_info *t, float *dst, eng_error *err)
{
    const recipe *r = ctx;
    (void)err;
    if (t->n_dims == 1) {
        float value = strstr(t->name, "norm.weight") ? 1.0f : 0.0f;
        for (uint64_t i = 0; i < t->n_elements; i++)
            dst[i] = value;
        return ENG_OK;
    }
    bool residual = strstr(t->name, ".attn_output.") || strstr(t->name, ".ffn_down.");
    eng__fill_normal(dst, (size_t)t->n_elements, residual ? r->residual_sd : weight_sd, r->seed,
                     stream_of(t->name));
    return ENG_OK;
}

eng_status eng_model_new(const char *dir, const eng_new_model *spec, char id[ENG_POLICY_ID_BYTES],
                         eng_error *err)
{
    eng_source *src = eng__source_blank();
    if (!src)
        return eng_fail(err, ENG_NOMEM, "no memory for a model");
    recipe r = {spec->seed, 0.0};
    src->make = make_weights;
    src->make_ctx = &r;
    eng_status status = make_config(&src->config, spec, err);
    if (status == ENG_OK)
        status = make_vocab(src, spec, err);
    if (status == ENG_OK)
        status = make_tensors(src, spec->score, err);
    if (status == ENG_OK) {
        eng_checkpoint_options options = {.dtype = spec->dtype, .seed = &spec->seed};
        r.residual_sd = weight_sd / sqrt(2.0 * src->config.n_layer);
        status = eng_checkpoint_write(src, dir, &options, id, err);
    }
    eng__source_close(src);
    return status;
}
