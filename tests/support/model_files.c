#include "model_files.h"

#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GGUF_U32 = 4, GGUF_I32 = 5, GGUF_F32 = 6, GGUF_BOOL = 7, GGUF_STRING = 8, GGUF_ARRAY = 9 };
enum { GGUF_ALIGN = 32, MAX_TENSORS = 512 };

static const char *const chatml =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' "
    "}}{% endif %}";

/* "\xc4\xa0" is U+0120, the space of GPT-2's byte alphabet. */
#define SP "\xc4\xa0"
static const char *const merges[TEST_N_MERGES] = {
    SP " t",     "h e",   SP "t he", "i n",    "a n",   SP " a", "e r",     "o n",
    "l l",       "he ll", "hell o",  "r e",    SP " w", "o r",   SP "w or", SP "wor l",
    SP "worl d", SP " s", "i s",     "i t",    "o u",   "an d",  SP " and", "in g",
    "1 2",       "12 3",  SP " i",   SP "i s", "s t"};

/* ---- bytes ---- */

void test_put(test_bytes *b, const void *data, size_t n)
{
    if (b->len + n > b->cap) {
        b->cap = (b->len + n) * 2;
        b->data = realloc(b->data, b->cap);
        if (!b->data)
            abort();
    }
    if (n)
        memcpy(b->data + b->len, data, n);
    b->len += n;
}

void test_put_u32(test_bytes *b, uint32_t v)
{
    test_put(b, &v, sizeof v);
}

void test_put_u64(test_bytes *b, uint64_t v)
{
    test_put(b, &v, sizeof v);
}

void test_put_f32(test_bytes *b, float v)
{
    test_put(b, &v, sizeof v);
}

void test_pad(test_bytes *b, size_t align)
{
    static const uint8_t zero;
    while (b->len % align)
        test_put(b, &zero, 1);
}

void test_put_string(test_bytes *b, const char *s)
{
    test_put_u64(b, strlen(s));
    test_put(b, s, strlen(s));
}

static void put_key(test_bytes *b, const char *key, uint32_t type)
{
    test_put_string(b, key);
    test_put_u32(b, type);
}

void test_put_kv_u32(test_bytes *b, const char *key, uint32_t v)
{
    put_key(b, key, GGUF_U32);
    test_put_u32(b, v);
}

void test_put_kv_f32(test_bytes *b, const char *key, float v)
{
    put_key(b, key, GGUF_F32);
    test_put_f32(b, v);
}

void test_put_kv_bool(test_bytes *b, const char *key, bool v)
{
    uint8_t byte = v;
    put_key(b, key, GGUF_BOOL);
    test_put(b, &byte, 1);
}

void test_put_kv_string(test_bytes *b, const char *key, const char *v)
{
    put_key(b, key, GGUF_STRING);
    test_put_string(b, v);
}

/* ---- random blocks ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 (Steele et al. 2014) */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in [-1, 1). */
static float next_uniform(uint64_t *state)
{
    return (float)(next_random(state) >> 40) / 8388608.0f - 1.0f;
}

/* Truncating; below the normal range gives 0. */
static uint16_t half_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    int e = (int)(u >> 23 & 255) - 127 + 15;
    uint32_t sign = u >> 16 & 0x8000u;
    return e <= 0 ? (uint16_t)sign : (uint16_t)(sign | (uint32_t)e << 10 | (u >> 13 & 0x3ffu));
}

static void put_half(uint8_t *dst, float f)
{
    uint16_t h = half_of(f);
    memcpy(dst, &h, sizeof h);
}

static void random_float(eng_dtype type, uint8_t *dst, float sd, uint64_t *state)
{
    float f = next_uniform(state) * sd * 1.7320508f;
    if (type == ENG_F32) {
        memcpy(dst, &f, sizeof f);
    } else if (type == ENG_F16) {
        put_half(dst, f);
    } else {
        uint32_t u;
        memcpy(&u, &f, sizeof u);
        uint16_t b = (uint16_t)(u >> 16);
        memcpy(dst, &b, sizeof b);
    }
}

static void random_q4_k(uint8_t *block, float sd, uint64_t *state)
{
    uint8_t sc[8], m[8], *s = block + 4;
    float d = sd / (37.0f * 4.6f);
    put_half(block, d);
    put_half(block + 2, 7.5f * d);
    for (int j = 0; j < 8; j++) {
        sc[j] = (uint8_t)(next_random(state) & 63);
        m[j] = (uint8_t)(sc[j] ^ (next_random(state) & 3));
    }
    for (int j = 0; j < 4; j++) {
        s[j] = (uint8_t)(sc[j] | (sc[j + 4] >> 4) << 6);
        s[j + 4] = (uint8_t)(m[j] | (m[j + 4] >> 4) << 6);
        s[j + 8] = (uint8_t)((sc[j + 4] & 15) | (m[j + 4] & 15) << 4);
    }
}

static size_t block_bytes(eng_dtype type)
{
    switch (type) {
    case ENG_F32:
        return 4;
    case ENG_F16:
    case ENG_BF16:
        return 2;
    case ENG_Q4_0:
        return 18;
    case ENG_Q4_1:
        return 20;
    case ENG_Q5_0:
        return 22;
    case ENG_Q5_1:
        return 24;
    case ENG_Q8_0:
        return 34;
    case ENG_Q4_K:
        return 144;
    case ENG_Q6_K:
        return 210;
    }
    abort();
}

static size_t block_elements(eng_dtype type)
{
    size_t bytes = block_bytes(type);
    return bytes <= 4 ? 1 : bytes <= 34 ? 32 : 256;
}

size_t test_dtype_bytes(eng_dtype type, size_t n_elements)
{
    return n_elements / block_elements(type) * block_bytes(type);
}

/* The standard deviation of an evenly distributed q of n values is n / sqrt(12). */
static void random_block(eng_dtype type, uint8_t *block, float sd, uint64_t *state)
{
    size_t n = block_bytes(type);
    for (size_t i = 0; i < n; i++)
        block[i] = (uint8_t)next_random(state);
    switch (type) {
    case ENG_Q4_0:
        put_half(block, sd / 4.6f);
        break;
    case ENG_Q4_1:
        put_half(block, sd / 4.6f);
        put_half(block + 2, -7.5f * sd / 4.6f);
        break;
    case ENG_Q5_0:
        put_half(block, sd / 9.2f);
        break;
    case ENG_Q5_1:
        put_half(block, sd / 9.2f);
        put_half(block + 2, -15.5f * sd / 9.2f);
        break;
    case ENG_Q8_0:
        put_half(block, sd / 74.0f);
        break;
    case ENG_Q4_K:
        random_q4_k(block, sd, state);
        break;
    case ENG_Q6_K:
        for (int i = 0; i < 16; i++)
            block[192 + i] = (uint8_t)(int8_t)((int)(next_random(state) % 63) - 31);
        put_half(block + 208, sd / (18.5f * 18.0f));
        break;
    case ENG_F32:
    case ENG_F16:
    case ENG_BF16:
        random_float(type, block, sd, state);
        break;
    }
}

void test_random_blocks(eng_dtype type, uint8_t *dst, size_t n_elements, float sd, uint64_t *state)
{
    for (size_t i = 0; i < n_elements; i += block_elements(type), dst += block_bytes(type))
        random_block(type, dst, sd, state);
}

/* ---- tensors ---- */

typedef struct planned_tensor {
    char name[64];
    eng_dtype type;
    uint64_t n_in, n_out; /* n_out 0: one-dimensional */
    float mean, sd;
} planned_tensor;

typedef struct plan {
    planned_tensor tensors[MAX_TENSORS];
    size_t n;
    eng_dtype type;
} plan;

static planned_tensor *plan_add(plan *p, int layer, const char *name)
{
    if (p->n == MAX_TENSORS)
        FAIL("a test model of more than %d tensors", MAX_TENSORS);
    planned_tensor *t = &p->tensors[p->n++];
    if (layer < 0)
        snprintf(t->name, sizeof t->name, "%s", name);
    else
        snprintf(t->name, sizeof t->name, "blk.%d.%s", layer, name);
    return t;
}

static void plan_matrix(plan *p, int layer, const char *name, uint64_t n_in, uint64_t n_out)
{
    planned_tensor *t = plan_add(p, layer, name);
    t->type = p->type;
    if (n_in % block_elements(t->type))
        t->type = n_in % 32 == 0 ? ENG_Q8_0 : ENG_F32;
    t->n_in = n_in;
    t->n_out = n_out;
    t->sd = 1.0f / sqrtf((float)n_in);
}

static void plan_vector(plan *p, int layer, const char *name, uint64_t n, float mean, float sd)
{
    planned_tensor *t = plan_add(p, layer, name);
    t->type = ENG_F32;
    t->n_in = n;
    t->mean = mean;
    t->sd = sd;
}

static void plan_norm(plan *p, int layer, const char *name, uint64_t n, bool bias)
{
    char full[48];
    snprintf(full, sizeof full, "%s.weight", name);
    plan_vector(p, layer, full, n, 1.0f, 0.1f);
    snprintf(full, sizeof full, "%s.bias", name);
    if (bias)
        plan_vector(p, layer, full, n, 0.0f, 0.05f);
}

static void plan_linear(plan *p, int layer, const char *name, uint64_t n_in, uint64_t n_out,
                        bool bias)
{
    char full[48];
    snprintf(full, sizeof full, "%s.weight", name);
    plan_matrix(p, layer, full, n_in, n_out);
    snprintf(full, sizeof full, "%s.bias", name);
    if (bias)
        plan_vector(p, layer, full, n_out, 0.0f, 0.05f);
}

static void plan_layer(plan *p, const test_model_spec *s, int l)
{
    bool gpt2 = strcmp(s->arch, "gpt2") == 0;
    uint64_t c = s->embd, kv = c / s->heads * s->kv_heads;
    plan_norm(p, l, "attn_norm", c, gpt2);
    if (gpt2) {
        plan_linear(p, l, "attn_qkv", c, 3 * c, true);
    } else {
        plan_linear(p, l, "attn_q", c, c, s->qkv_bias);
        plan_linear(p, l, "attn_k", c, kv, s->qkv_bias);
        plan_linear(p, l, "attn_v", c, kv, s->qkv_bias);
    }
    plan_linear(p, l, "attn_output", c, c, gpt2);
    plan_norm(p, l, "ffn_norm", c, gpt2);
    if (!gpt2)
        plan_linear(p, l, "ffn_gate", c, s->ff, false);
    plan_linear(p, l, "ffn_up", c, s->ff, gpt2);
    plan_linear(p, l, "ffn_down", s->ff, c, gpt2);
}

static void plan_model(plan *p, const test_model_spec *s)
{
    bool gpt2 = strcmp(s->arch, "gpt2") == 0;
    p->type = s->type;
    plan_matrix(p, -1, "token_embd.weight", s->embd, TEST_N_VOCAB);
    if (gpt2)
        plan_matrix(p, -1, "position_embd.weight", s->embd, s->ctx);
    for (uint32_t l = 0; l < s->layers; l++)
        plan_layer(p, s, (int)l);
    plan_norm(p, -1, "output_norm", s->embd, gpt2);
    if (s->untied && !gpt2)
        plan_matrix(p, -1, "output.weight", s->embd, TEST_N_VOCAB);
    if (s->rope_freqs && !gpt2)
        plan_vector(p, -1, "rope_freqs.weight", s->embd / s->heads / 2, 1.5f, 0.28f);
}

static size_t planned_elements(const planned_tensor *t)
{
    return (size_t)(t->n_in * (t->n_out ? t->n_out : 1));
}

static void put_tensor_info(test_bytes *b, const planned_tensor *t, uint64_t offset)
{
    test_put_string(b, t->name);
    test_put_u32(b, t->n_out ? 2 : 1);
    test_put_u64(b, t->n_in);
    if (t->n_out)
        test_put_u64(b, t->n_out);
    test_put_u32(b, (uint32_t)t->type);
    test_put_u64(b, offset);
}

static void put_tensor_data(test_bytes *b, const planned_tensor *t, uint64_t *state)
{
    size_t n = planned_elements(t), bytes = test_dtype_bytes(t->type, n);
    uint8_t *data = malloc(bytes);
    if (!data)
        abort();
    test_random_blocks(t->type, data, n, t->sd, state);
    for (size_t i = 0; t->n_out == 0 && i < n; i++) {
        float f;
        memcpy(&f, data + 4 * i, sizeof f);
        f += t->mean;
        memcpy(data + 4 * i, &f, sizeof f);
    }
    test_put(b, data, bytes);
    test_pad(b, GGUF_ALIGN);
    free(data);
}

static void put_tensors(test_bytes *b, const plan *p, uint64_t seed)
{
    uint64_t offset = 0, state = seed;
    for (size_t i = 0; i < p->n; i++) {
        const planned_tensor *t = &p->tensors[i];
        put_tensor_info(b, t, offset);
        size_t bytes = test_dtype_bytes(t->type, planned_elements(t));
        offset += (bytes + GGUF_ALIGN - 1) / GGUF_ALIGN * GGUF_ALIGN;
    }
    test_pad(b, GGUF_ALIGN);
    for (size_t i = 0; i < p->n; i++)
        put_tensor_data(b, &p->tensors[i], &state);
}

/* ---- key-values ---- */

typedef struct kv_writer {
    test_bytes bytes;
    uint64_t n;
    const char *arch;
} kv_writer;

static const char *arch_key(kv_writer *w, const char *name)
{
    static char key[128];
    snprintf(key, sizeof key, "%s.%s", w->arch, name);
    w->n++;
    return key;
}

static void put_config(kv_writer *w, const test_model_spec *s)
{
    test_bytes *b = &w->bytes;
    bool gpt2 = strcmp(s->arch, "gpt2") == 0;
    test_put_kv_string(b, "general.architecture", s->arch);
    test_put_kv_string(b, "general.name", "tiny test model");
    w->n += 2;
    test_put_kv_u32(b, arch_key(w, "context_length"), s->ctx);
    test_put_kv_u32(b, arch_key(w, "embedding_length"), s->embd);
    test_put_kv_u32(b, arch_key(w, "block_count"), s->layers);
    test_put_kv_u32(b, arch_key(w, "feed_forward_length"), s->ff);
    test_put_kv_u32(b, arch_key(w, "attention.head_count"), s->heads);
    if (gpt2) {
        test_put_kv_f32(b, arch_key(w, "attention.layer_norm_epsilon"), 1e-5f);
    } else {
        test_put_kv_u32(b, arch_key(w, "attention.head_count_kv"), s->kv_heads);
        test_put_kv_f32(b, arch_key(w, "attention.layer_norm_rms_epsilon"), 1e-5f);
        test_put_kv_f32(b, arch_key(w, "rope.freq_base"), 10000.0f);
        test_put_kv_u32(b, arch_key(w, "rope.dimension_count"), s->embd / s->heads);
    }
    if (s->window)
        test_put_kv_u32(b, arch_key(w, "attention.sliding_window"), s->window);
    if (s->window_period)
        test_put_kv_u32(b, arch_key(w, "attention.sliding_window_pattern"), s->window_period);
}

static void put_array_head(kv_writer *w, const char *key, uint32_t type, uint64_t n)
{
    put_key(&w->bytes, key, GGUF_ARRAY);
    test_put_u32(&w->bytes, type);
    test_put_u64(&w->bytes, n);
    w->n++;
}

static bool byte_is_itself(int c)
{
    return (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || c >= 174;
}

/* The byte's character in GPT-2's alphabet, as UTF-8. */
static void byte_char(int byte, char out[3])
{
    int cp = byte, n = 0;
    for (int c = 0; c < byte && !byte_is_itself(byte); c++)
        n += !byte_is_itself(c);
    if (!byte_is_itself(byte))
        cp = 256 + n;
    if (cp < 128) {
        out[0] = (char)cp;
        out[1] = 0;
        return;
    }
    out[0] = (char)(0xc0 | cp >> 6);
    out[1] = (char)(0x80 | (cp & 63));
    out[2] = 0;
}

static void put_tokens(kv_writer *w)
{
    put_array_head(w, "tokenizer.ggml.tokens", GGUF_STRING, TEST_N_VOCAB);
    test_put_string(&w->bytes, "<|endoftext|>");
    test_put_string(&w->bytes, "<|im_start|>");
    test_put_string(&w->bytes, "<|im_end|>");
    for (int c = 0; c < 256; c++) {
        char s[3];
        byte_char(c, s);
        test_put_string(&w->bytes, s);
    }
    for (int i = 0; i < TEST_N_MERGES; i++) {
        char joined[64];
        const char *space = strchr(merges[i], ' ');
        snprintf(joined, sizeof joined, "%.*s%s", (int)(space - merges[i]), merges[i], space + 1);
        test_put_string(&w->bytes, joined);
    }
    put_array_head(w, "tokenizer.ggml.token_type", GGUF_I32, TEST_N_VOCAB);
    for (uint32_t i = 0; i < TEST_N_VOCAB; i++)
        test_put_u32(&w->bytes, i < TEST_TOKEN_BYTE0 ? 3 : 1);
    put_array_head(w, "tokenizer.ggml.merges", GGUF_STRING, TEST_N_MERGES);
    for (int i = 0; i < TEST_N_MERGES; i++)
        test_put_string(&w->bytes, merges[i]);
}

static void put_tokenizer(kv_writer *w, const test_model_spec *s)
{
    test_bytes *b = &w->bytes;
    test_put_kv_string(b, "tokenizer.ggml.model", "gpt2");
    test_put_kv_string(b, "tokenizer.ggml.pre", s->pre);
    put_tokens(w);
    test_put_kv_u32(b, "tokenizer.ggml.bos_token_id", TEST_TOKEN_IM_START);
    test_put_kv_u32(b, "tokenizer.ggml.eos_token_id", TEST_TOKEN_IM_END);
    test_put_kv_u32(b, "tokenizer.ggml.unknown_token_id", TEST_TOKEN_END_OF_TEXT);
    test_put_kv_u32(b, "tokenizer.ggml.padding_token_id", TEST_TOKEN_IM_END);
    test_put_kv_bool(b, "tokenizer.ggml.add_bos_token", false);
    w->n += 7;
    if (s->chat_template[0]) {
        test_put_kv_string(b, "tokenizer.chat_template", s->chat_template);
        w->n++;
    }
}

static test_model_spec with_defaults(const test_model_spec *spec)
{
    test_model_spec s = spec ? *spec : (test_model_spec){0};
    s.arch = s.arch ? s.arch : "llama";
    bool gpt2 = strcmp(s.arch, "gpt2") == 0, qwen2 = strcmp(s.arch, "qwen2") == 0;
    bool k_quant = s.type == ENG_Q4_K || s.type == ENG_Q6_K;
    s.layers = s.layers ? s.layers : 2;
    s.embd = s.embd ? s.embd : k_quant ? 256 : 64;
    s.heads = s.heads ? s.heads : 4;
    s.kv_heads = gpt2 ? s.heads : s.kv_heads ? s.kv_heads : (s.heads + 1) / 2;
    s.ff = s.ff ? s.ff : gpt2 ? 4 * s.embd : 2 * s.embd;
    s.ctx = s.ctx ? s.ctx : 256;
    s.qkv_bias = s.qkv_bias || qwen2;
    s.pre = s.pre ? s.pre : gpt2 ? "gpt-2" : qwen2 ? "qwen2" : "smollm";
    s.chat_template = s.chat_template ? s.chat_template : chatml;
    return s;
}

uint8_t *test_build_gguf(const test_model_spec *spec, size_t *len)
{
    test_model_spec s = with_defaults(spec);
    plan *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    plan_model(p, &s);
    kv_writer w = {.arch = s.arch};
    put_config(&w, &s);
    put_tokenizer(&w, &s);

    test_bytes file = {0};
    test_put(&file, "GGUF", 4);
    test_put_u32(&file, 3);
    test_put_u64(&file, p->n);
    test_put_u64(&file, w.n);
    test_put(&file, w.bytes.data, w.bytes.len);
    put_tensors(&file, p, s.seed);
    free(w.bytes.data);
    free(p);
    *len = file.len;
    return file.data;
}

void test_write_gguf(const char *path, const test_model_spec *spec)
{
    size_t len;
    uint8_t *data = test_build_gguf(spec, &len);
    test_write_file(path, data, len);
    free(data);
}
