#include "formats/source.h"
#include "harness.h"
#include "model_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *model_path(void)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/model.gguf", test_dir());
    return path;
}

/* Shape and roles as the model's card and its file's header state them; the digest is the
 * published one. */
TEST(default_model_opens_with_the_published_shape)
{
    eng_source *src;
    eng_error err;
    EXPECT_OK(eng__source_open(&src, test_model(), &err), err);
    const eng_config *c = eng__source_config(src);
    EXPECT_STR(c->arch, "llama");
    EXPECT_EQ(c->n_layer, 30);
    EXPECT_EQ(c->n_embd, 576);
    EXPECT_EQ(c->n_head, 9);
    EXPECT_EQ(c->n_kv_head, 3);
    EXPECT_EQ(c->head_dim, 64);
    EXPECT_EQ(c->n_ff, 1536);
    EXPECT_EQ(c->n_vocab, 49152);
    EXPECT_EQ(c->n_ctx, 8192);
    EXPECT_NEAR(c->rope_base, 100000.0, 0.0);
    EXPECT_EQ(c->rope_dims, 64);
    EXPECT_EQ(c->pos, ENG_POS_ROPE_PAIRS);
    EXPECT_NEAR(c->norm_eps, 1e-5, 1e-12);
    EXPECT(c->tied && !c->qkv_bias && !c->out_bias);
    const eng_vocab *v = eng__source_vocab(src);
    EXPECT_EQ(v->n_tokens, 49152);
    EXPECT_EQ(v->n_merges, 48900);
    EXPECT_EQ(v->pre, ENG_PRE_SMOLLM);
    EXPECT_STR(v->tokens[1], "<|im_start|>");
    EXPECT_EQ(v->bos, 1);
    EXPECT_EQ(v->eos, 2);
    EXPECT_EQ(v->pad, 2);
    EXPECT_EQ(eng__source_find(src, "token_embd.weight")->type, ENG_Q8_0);
    EXPECT_EQ(eng__source_find(src, "blk.29.ffn_down.weight")->type, ENG_Q4_1);
    char hex[65];
    EXPECT_OK(eng__source_digest(src, hex, &err), err);
    EXPECT_STR(hex, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
    eng__source_close(src);
}

static eng_source *open_spec(const test_model_spec *spec)
{
    eng_source *src;
    eng_error err;
    test_write_gguf(model_path(), spec);
    EXPECT_OK(eng__source_open(&src, model_path(), &err), err);
    return src;
}

TEST(families_set_what_the_engine_runs)
{
    eng_source *src =
        open_spec(&(test_model_spec){.arch = "gpt2", .window = 16, .window_period = 2});
    const eng_config *c = eng__source_config(src);
    EXPECT_EQ(c->norm, ENG_NORM_LAYER);
    EXPECT_EQ(c->pos, ENG_POS_LEARNED);
    EXPECT_EQ(c->mlp, ENG_MLP_GELU_TANH);
    EXPECT(c->tied && c->qkv_bias && c->out_bias);
    EXPECT_EQ(c->window, 16);
    EXPECT_EQ(c->window_period, 2);
    EXPECT_EQ(c->rope_dims, 0);
    eng__source_close(src);

    src = open_spec(&(test_model_spec){.arch = "qwen2", .untied = true, .window = 8});
    c = eng__source_config(src);
    EXPECT_EQ(c->norm, ENG_NORM_RMS);
    EXPECT_EQ(c->pos, ENG_POS_ROPE_HALF);
    EXPECT_EQ(c->mlp, ENG_MLP_SWIGLU);
    EXPECT(!c->tied && c->qkv_bias && !c->out_bias);
    EXPECT_EQ(c->window_period, 1);
    EXPECT_EQ(c->n_vocab, TEST_N_VOCAB);
    eng__source_close(src);
}

TEST(expect_names_expected_and_found)
{
    eng_source *src = open_spec(NULL);
    const eng_tensor_info *info;
    eng_error err;
    EXPECT_OK(eng__source_expect(src, "blk.0.ffn_up.weight", 64, 128, &info, &err), err);
    EXPECT_EQ(info->n_elements, 64 * 128);
    EXPECT_OK(eng__source_expect(src, "output_norm.weight", 64, 0, &info, &err), err);
    EXPECT_EQ(eng__source_expect(src, "blk.0.ffn_up.weight", 64, 96, &info, &err), ENG_FORMAT);
    EXPECT_STR(err.text, "tensor blk.0.ffn_up.weight: 64x128 in the file, expected 64x96");
    EXPECT_EQ(eng__source_expect(src, "output.weight", 64, 288, &info, &err), ENG_FORMAT);
    EXPECT_STR(err.text, "tensor output.weight: missing, expected 64x288");
    eng__source_close(src);
}

TEST(tensors_read_back_as_they_were_written)
{
    static const eng_dtype types[] = {ENG_F32,  ENG_F16,  ENG_BF16, ENG_Q4_0, ENG_Q4_1,
                                      ENG_Q5_0, ENG_Q5_1, ENG_Q8_0, ENG_Q4_K, ENG_Q6_K};
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        eng_source *src = open_spec(&(test_model_spec){.type = types[k], .layers = 1, .seed = 5});
        const eng_tensor_info *t = eng__source_find(src, "token_embd.weight");
        EXPECT_EQ(t->type, types[k]);
        uint8_t *raw = malloc(t->n_bytes), *want = malloc(t->n_bytes);
        float *floats = malloc(t->n_elements * sizeof *floats);
        float *want_floats = malloc(t->n_elements * sizeof *floats);
        uint64_t state = 5; /* the embedding is the first tensor drawn */
        test_random_blocks(types[k], want, t->n_elements, 1.0f / sqrtf((float)t->dims[0]), &state);
        eng_dequantize_row(types[k], want, want_floats, t->n_elements);
        eng_error err;
        EXPECT_OK(eng__source_read(src, t, raw, &err), err);
        EXPECT_OK(eng__source_read_f32(src, t, floats, &err), err);
        EXPECT_EQ(t->n_bytes, test_dtype_bytes(types[k], t->n_elements));
        EXPECT_MEM(raw, want, t->n_bytes);
        EXPECT_MEM(floats, want_floats, t->n_elements * sizeof *floats);
        free(raw);
        free(want);
        free(floats);
        free(want_floats);
        eng__source_close(src);
    }
}

/* ---- hostile files ---- */

/* Opens these bytes; whatever comes of it, nothing may leak or be read outside the file. */
static eng_status try_open(const uint8_t *data, size_t len, eng_error *err)
{
    eng_source *src = NULL;
    test_write_file(model_path(), data, len);
    eng_status status = eng__source_open(&src, model_path(), err);
    if (status == ENG_OK) {
        for (size_t i = 0; i < eng__source_n_tensors(src); i++) {
            const eng_tensor_info *t = eng__source_tensor(src, i);
            void *raw = malloc(t->n_bytes);
            eng_error ignored;
            if (eng__source_read(src, t, raw, &ignored) == ENG_IO)
                FAIL("tensor %s cannot be read", t->name);
            free(raw);
        }
    }
    eng__source_close(src);
    return status;
}

static size_t find_bytes(const uint8_t *data, size_t len, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i + n <= len; i++)
        if (memcmp(data + i, text, n) == 0)
            return i;
    FAIL("\"%s\" is not in the file", text);
}

static uint8_t *small_file(size_t *len)
{
    return test_build_gguf(&(test_model_spec){.layers = 1, .embd = 8, .heads = 2, .ff = 8}, len);
}

TEST(every_truncation_is_refused)
{
    size_t len;
    uint8_t *data = small_file(&len);
    size_t data_begin = find_bytes(data, len, "output_norm.weight");
    /* Each length inside the header, then coarser steps through the data. */
    for (size_t n = 0; n < len; n += n < data_begin + 64 ? 1 : 997) {
        eng_error err = {""};
        eng_status status = try_open(data, n, &err);
        if (status != ENG_FORMAT && status != ENG_UNSUPPORTED)
            FAIL("%zu of %zu bytes: status %d", n, len, (int)status);
        EXPECT(err.text[0]);
    }
    eng_error err;
    EXPECT_OK(try_open(data, len, &err), err);
    free(data);
}

TEST(flipped_header_bits_never_do_harm)
{
    size_t len, refused = 0, tried = 0;
    uint8_t *data = small_file(&len);
    size_t header = find_bytes(data, len, "output_norm.weight") + 64;
    for (size_t i = 0; i < header; i += 3) {
        static const uint8_t masks[] = {0x01, 0x80, 0xff};
        uint8_t old = data[i];
        eng_error err = {""};
        data[i] ^= masks[i / 3 % 3];
        eng_status status = try_open(data, len, &err);
        tried++;
        refused += status != ENG_OK;
        if (status != ENG_OK)
            EXPECT(err.text[0]);
        data[i] = old;
    }
    EXPECT(refused * 4 > tried); /* most of the header is token text, which may be anything */
    free(data);
}

/* Replaces n bytes at `distance` behind the first occurrence of `anchor`, and expects a refusal
 * whose text holds `named`. */
static void expect_refused(const char *anchor, long distance, const void *bytes, size_t n,
                           eng_status want, const char *named)
{
    size_t len;
    uint8_t *data = small_file(&len);
    size_t at = find_bytes(data, len, anchor) + (size_t)distance;
    memcpy(data + at, bytes, n);
    eng_error err = {""};
    eng_status status = try_open(data, len, &err);
    free(data);
    if (status != want || !strstr(err.text, named))
        FAIL("after %s: status %d \"%s\", expected %d naming %s", anchor, (int)status, err.text,
             (int)want, named);
}

static void expect_refused_u64(const char *anchor, long distance, uint64_t v, const char *named)
{
    expect_refused(anchor, distance, &v, sizeof v, ENG_FORMAT, named);
}

static void expect_refused_u32(const char *anchor, long distance, uint32_t v, eng_status want,
                               const char *named)
{
    expect_refused(anchor, distance, &v, sizeof v, want, named);
}

TEST(huge_counts_are_refused_without_allocating)
{
    static const uint64_t counts[] = {65537, 1ull << 32, UINT64_MAX, UINT64_MAX / 8 + 1};
    for (size_t i = 0; i < 4; i++) {
        expect_refused_u64("GGUF", 8, counts[i], "tensors");
        expect_refused_u64("GGUF", 16, counts[i], "key-values");
    }
    for (size_t i = 1; i < 4; i++) {
        long key = (long)strlen("tokenizer.ggml.tokens");
        expect_refused_u64("tokenizer.ggml.tokens", key + 8, counts[i], "tokenizer.ggml.tokens");
        expect_refused_u64("tokenizer.ggml.tokens", key + 16, counts[i], "tokenizer.ggml.tokens");
        key = (long)strlen("tokenizer.ggml.token_type");
        expect_refused_u64("tokenizer.ggml.token_type", key + 8, counts[i], "token_type");
        expect_refused_u64("general.name", -8, counts[i], "key number");
        expect_refused_u64("blk.0.attn_q.weight", -8, counts[i], "tensor number");
    }
}

enum { NAME_LEN = 19 }; /* of blk.0.attn_q.weight: n_dims, two dims, type and offset follow */

TEST(tensor_shapes_and_places_are_checked)
{
    static const char name[] = "blk.0.attn_q.weight";
    expect_refused_u32(name, NAME_LEN, 0, ENG_FORMAT, name);
    expect_refused_u32(name, NAME_LEN, 5, ENG_FORMAT, name);
    expect_refused_u64(name, NAME_LEN + 4, 0, name);
    expect_refused_u64(name, NAME_LEN + 4, UINT64_MAX, name);
    expect_refused_u64(name, NAME_LEN + 4, 1ull << 61, name);
    expect_refused_u64(name, NAME_LEN + 12, 1ull << 40, name);
    expect_refused_u32(name, NAME_LEN + 20, ENG_Q4_0, ENG_FORMAT, name); /* 8 is no whole block */
    expect_refused_u32(name, NAME_LEN + 20, 13, ENG_UNSUPPORTED, name);
    expect_refused_u32(name, NAME_LEN + 20, 4, ENG_UNSUPPORTED, name);
    expect_refused_u32(name, NAME_LEN + 20, UINT32_MAX, ENG_UNSUPPORTED, name);
    expect_refused_u64(name, NAME_LEN + 24, 33, name);
    expect_refused_u64(name, NAME_LEN + 24, 0, "inside tensor");
    expect_refused_u64(name, NAME_LEN + 24, 1ull << 40, name);
    expect_refused_u64(name, NAME_LEN + 24, UINT64_MAX - 31, name);
}

TEST(names_are_unique_known_and_clean)
{
    expect_refused("blk.0.attn_q.weight", 0, "blk.0.attn_k.weight", NAME_LEN, ENG_FORMAT,
                   "blk.0.attn_k.weight: listed twice");
    expect_refused("blk.0.attn_q.weight", 0, "blk.1", 5, ENG_UNSUPPORTED, "blk.1.attn_q.weight");
    expect_refused("blk.0.attn_q.weight", 0, "blk.0.attn_z", 12, ENG_UNSUPPORTED, "attn_z");
    expect_refused("blk.0.attn_q.weight", 4, "\0", 1, ENG_FORMAT, "NUL");
    expect_refused("llama.rope.freq_base", 0, "llama.rope.scaling.x", 20, ENG_UNSUPPORTED,
                   "llama.rope.scaling.x");
}

TEST(config_values_are_checked_by_key)
{
    const long heads = (long)strlen("llama.attention.head_count");
    expect_refused_u32("GGUF", 4, 2, ENG_UNSUPPORTED, "version 2");
    expect_refused("general.architecture", 32, "lluma", 5, ENG_UNSUPPORTED, "lluma");
    expect_refused_u32("llama.attention.head_count", heads + 4, 0, ENG_FORMAT, "head_count");
    expect_refused_u32("llama.attention.head_count", heads + 4, 3, ENG_FORMAT, "3 heads");
    expect_refused_u32("llama.attention.head_count", heads, 8, ENG_FORMAT, "head_count");
    expect_refused_u32("llama.block_count", 17 + 4, 1u << 30, ENG_FORMAT, "llama.block_count");
    expect_refused_u32("llama.block_count", 17, 77, ENG_FORMAT, "llama.block_count");
    expect_refused("llama.block_count", 10, "x", 1, ENG_FORMAT, "llama.block_count: missing");
    expect_refused_u32("llama.rope.dimension_count", 26 + 4, 3, ENG_FORMAT, "rotating");
    float nan = NAN;
    expect_refused("llama.rope.freq_base", 24, &nan, 4, ENG_FORMAT, "RoPE base");
    expect_refused_u32("tokenizer.ggml.bos_token_id", 27 + 4, 288, ENG_FORMAT, "bos_token_id");
    expect_refused("tokenizer.ggml.pre", 18 + 12, "smollx", 6, ENG_UNSUPPORTED, "smollx");
    expect_refused("tokenizer.ggml.model", 20 + 12, "bert", 4, ENG_UNSUPPORTED, "bert");
    expect_refused("tokenizer.ggml.add_bos_token", 28 + 4, "\2", 1, ENG_FORMAT, "add_bos_token");
    expect_refused_u32("tokenizer.ggml.token_type", 25 + 16, 7, ENG_FORMAT, "token_type");
    /* The first merge, "\u0120 t": its length is 4, and its space stands at byte 2. */
    expect_refused("tokenizer.ggml.merges", 21 + 16 + 8 + 2, "_", 1, ENG_FORMAT, "merge 0");
}

TEST(weights_that_are_not_finite_are_refused_when_read)
{
    test_model_spec spec = {.layers = 1};
    size_t len;
    uint8_t *data = test_build_gguf(&spec, &len);
    float inf = INFINITY;
    memcpy(data + len - 64, &inf, sizeof inf); /* output_norm.weight: the last 64 floats */
    test_write_file(model_path(), data, len);
    free(data);
    eng_source *src;
    eng_error err;
    float norm[64];
    EXPECT_OK(eng__source_open(&src, model_path(), &err), err);
    const eng_tensor_info *t = eng__source_find(src, "output_norm.weight");
    EXPECT_EQ(eng__source_read_f32(src, t, norm, &err), ENG_FORMAT);
    EXPECT_STR(err.text, "tensor output_norm.weight: a weight that is not finite");
    eng__source_close(src);
}

/* Header-only files, by hand: what the model writer cannot express. */
static eng_status open_kvs(const test_bytes *kvs, uint64_t n, eng_error *err)
{
    test_bytes b = {0};
    test_put(&b, "GGUF", 4);
    test_put_u32(&b, 3);
    test_put_u64(&b, 0);
    test_put_u64(&b, n);
    test_put(&b, kvs->data, kvs->len);
    eng_status status = try_open(b.data, b.len, err);
    free(b.data);
    free(kvs->data);
    return status;
}

TEST(odd_key_values_are_refused_by_name)
{
    eng_error err;
    test_bytes b = {0};
    test_put_kv_u32(&b, "general.file_type", 1);
    test_put_kv_u32(&b, "general.file_type", 2);
    EXPECT_EQ(open_kvs(&b, 2, &err), ENG_FORMAT);
    EXPECT_STR(err.text, "key general.file_type: given twice");

    b = (test_bytes){0};
    test_put_string(&b, "nested");
    test_put_u32(&b, 9);
    test_put_u32(&b, 9);
    test_put_u64(&b, 1);
    EXPECT_EQ(open_kvs(&b, 1, &err), ENG_UNSUPPORTED);
    EXPECT_STR(err.text, "key nested: an array of arrays");

    b = (test_bytes){0};
    test_put_kv_u32(&b, "general.alignment", 24);
    EXPECT_EQ(open_kvs(&b, 1, &err), ENG_FORMAT);
    EXPECT_STR(err.text, "key general.alignment: 24, expected a power of two");

    b = (test_bytes){0};
    test_put_kv_string(&b, "general.architecture", "llama");
    test_put_kv_u32(&b, "split.count", 2);
    EXPECT_EQ(open_kvs(&b, 2, &err), ENG_UNSUPPORTED);
    EXPECT_STR(err.text, "key split.count: 2, expected one file");

    b = (test_bytes){0};
    test_put_kv_string(&b, "general.architecture", "llama");
    test_put_kv_u32(&b, "llama.expert_count", 8);
    EXPECT_EQ(open_kvs(&b, 2, &err), ENG_UNSUPPORTED);
    EXPECT_STR(err.text, "key llama.expert_count: 8 experts, expected a dense model");
}

TEST(paths_that_are_no_model_are_refused)
{
    eng_source *src;
    eng_error err;
    char path[256];
    snprintf(path, sizeof path, "%s/absent.gguf", test_dir());
    EXPECT_EQ(eng__source_open(&src, path, &err), ENG_IO);
    EXPECT(strstr(err.text, "absent.gguf"));
    EXPECT_EQ(eng__source_open(&src, test_dir(), &err), ENG_IO);
    EXPECT(strstr(err.text, "config.json"));
    EXPECT_EQ(eng__source_open(&src, "/dev/null", &err), ENG_INVALID);
    test_write_file(model_path(), "GGML", 4);
    EXPECT_EQ(eng__source_open(&src, model_path(), &err), ENG_FORMAT);
    EXPECT(strstr(err.text, "not a GGUF file"));
}
