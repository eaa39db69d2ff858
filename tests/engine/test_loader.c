/* Loading weights: what does not fit the config is refused by name, types are converted row by row,
 * the packed weights are the file's. */
#include "base/block.h"
#include "compute/pack.h"
#include "harness.h"
#include "infer/loader.h"
#include "model_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct gguf_bytes {
    uint8_t *data;
    size_t len;
} gguf_bytes;

static gguf_bytes build(const test_model_spec *spec)
{
    gguf_bytes f;
    f.data = test_build_gguf(spec, &f.len);
    return f;
}

/* The value of the u32 key `key`. */
static void set_u32(gguf_bytes *f, const char *key, uint32_t value)
{
    uint8_t *at = memmem(f->data, f->len, key, strlen(key));
    EXPECT(at != NULL);
    memcpy(at + strlen(key) + 4, &value, 4);
}

static eng_status open_bytes(eng_model **out, const gguf_bytes *f, const eng_model_options *options,
                             eng_error *err)
{
    char path[256];
    snprintf(path, sizeof path, "%s/model.gguf", test_dir());
    test_write_file(path, f->data, f->len);
    return eng_model_open(out, path, options, err);
}

/* Refused, with all of the words in the message. Frees the bytes. */
static void expect_refused(gguf_bytes *f, const char *const *words, size_t n)
{
    eng_model *model;
    eng_error err;
    EXPECT(open_bytes(&model, f, NULL, &err) != ENG_OK);
    free(f->data);
    for (size_t i = 0; i < n; i++)
        if (!strstr(err.text, words[i]))
            FAIL("\"%s\" does not say \"%s\"", err.text, words[i]);
}

#define EXPECT_REFUSED(f, ...)                                                                     \
    expect_refused(f, (const char *const[]){__VA_ARGS__},                                          \
                   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static eng_model *open_spec(const test_model_spec *spec, const eng_model_options *options)
{
    gguf_bytes f = build(spec);
    eng_model *model;
    eng_error err;
    EXPECT_OK(open_bytes(&model, &f, options, &err), err);
    free(f.data);
    return model;
}

TEST(a_wrong_shape_is_refused_with_expected_and_found)
{
    gguf_bytes f = build(NULL); /* ff is 128 */
    set_u32(&f, "llama.feed_forward_length", 160);
    EXPECT_REFUSED(&f, "blk.0.ffn_gate.weight", "128", "160");
    f = build(NULL); /* 2 kv heads of 16 */
    set_u32(&f, "llama.attention.head_count_kv", 4);
    EXPECT_REFUSED(&f, "blk.0.attn_k.weight", "32", "64");
    f = build(&(test_model_spec){.arch = "gpt2"});
    set_u32(&f, "gpt2.context_length", 512);
    EXPECT_REFUSED(&f, "position_embd.weight", "256", "512");
}

TEST(a_missing_tensor_is_refused_by_name)
{
    gguf_bytes f = build(NULL);
    set_u32(&f, "llama.block_count", 3);
    EXPECT_REFUSED(&f, "blk.2.attn_norm.weight");
    f = build(&(test_model_spec){.qkv_bias = true});
    uint8_t *at = memmem(f.data, f.len, "blk.1.attn_k.bias", 17);
    EXPECT(at != NULL);
    at[4] = '0'; /* a second blk.0.attn_k.bias */
    EXPECT_REFUSED(&f, "attn_k.bias");
}

TEST(weights_that_are_not_finite_are_refused_by_name)
{
    static const float nan_value = NAN, infinity = -INFINITY;
    static const uint16_t bad_scale = 0x7c00;
    gguf_bytes f = build(NULL); /* output_norm.weight is the last tensor */
    memcpy(f.data + f.len - 4, &nan_value, 4);
    EXPECT_REFUSED(&f, "output_norm.weight");
    f = build(&(test_model_spec){.untied = true}); /* output.weight is the last tensor */
    memcpy(f.data + f.len - 400, &infinity, 4);
    EXPECT_REFUSED(&f, "output.weight");
    f = build(&(test_model_spec){.untied = true, .type = ENG_Q4_0});
    memcpy(f.data + f.len - 5 * 18, &bad_scale, 2);
    EXPECT_REFUSED(&f, "output.weight");
}

TEST(an_unknown_kernel_set_is_refused_by_name)
{
    const eng_model_options options = {.kernels = "avx9"};
    gguf_bytes f = build(NULL);
    eng_model *model;
    eng_error err;
    EXPECT_EQ(open_bytes(&model, &f, &options, &err), ENG_UNSUPPORTED);
    EXPECT(strstr(err.text, "avx9") != NULL);
    EXPECT_EQ(open_bytes(&model, &f, &options, NULL), ENG_UNSUPPORTED);
    free(f.data);
}

TEST(a_file_that_is_not_there_is_refused_by_path)
{
    eng_model *model;
    eng_error err;
    EXPECT_EQ(eng_model_open(&model, "/nonexistent/model.gguf", NULL, &err), ENG_IO);
    EXPECT(strstr(err.text, "/nonexistent/model.gguf") != NULL);
}

TEST(a_model_tells_what_it_was_packed_for)
{
    eng_model *model = open_spec(&(test_model_spec){.type = ENG_Q4_1},
                                 &(eng_model_options){.kernels = "scalar", .n_threads = 2});
    EXPECT_STR(eng_model_kernels(model), "scalar");
    EXPECT_STR(eng_model_dtype(model), "q4_1");
    EXPECT_EQ(strlen(eng_model_digest(model)), 64);
    EXPECT(eng_model_bytes(model) > 0);
    EXPECT_EQ(eng_model_config(model)->n_embd, 64);
    eng_model *again = eng_model_ref(model);
    eng_model_unref(model);
    EXPECT_STR(eng_model_dtype(again), "q4_1");
    eng_model_unref(again);
    eng_model_unref(NULL);
}

/* ---- what was packed ---- */

/* Row r of the packed matrix is row `row` of the tensor, converted to the matrix's type. */
static void expect_row(const eng_packed *w, uint32_t r, const float *tensor, size_t row)
{
    float want[1024], got[1024];
    uint8_t encoded[4096];
    const float *stored = tensor + row * w->k;
    memcpy(want, stored, w->k * sizeof *want);
    if (w->type == ENG_BF16 || w->type == ENG_Q8_0 || w->type == ENG_F32) {
        eng__encode_row(w->type, stored, encoded, w->k);
        eng_dequantize_row(w->type, encoded, want, w->k);
    }
    eng__packed_row(w, r, got);
    EXPECT_MEM(got, want, w->k * sizeof *got);
}

/* All rows of a packed matrix are rows row0.. of the named tensor of the file. */
static void expect_matrix(const eng_source *src, const char *name, const eng_packed *w,
                          eng_dtype type, size_t row0)
{
    const eng_tensor_info *t = eng__source_find(src, name);
    eng_error err;
    EXPECT(t != NULL);
    EXPECT_EQ(w->type, type);
    EXPECT_EQ(w->k, t->dims[0]);
    EXPECT_EQ((uintptr_t)w->data % 64, 0);
    float *tensor = malloc((size_t)t->n_elements * sizeof *tensor);
    EXPECT_OK(eng__source_read_f32(src, t, tensor, &err), err);
    for (uint32_t r = 0; r < w->n; r++)
        expect_row(w, r, tensor, row0 + r);
    free(tensor);
}

static eng_source *source_of_last_model(void)
{
    char path[256];
    eng_source *src;
    eng_error err;
    snprintf(path, sizeof path, "%s/model.gguf", test_dir());
    EXPECT_OK(eng__source_open(&src, path, &err), err);
    return src;
}

static void expect_llama_matrices(const eng_model *m, eng_dtype type)
{
    eng_source *src = source_of_last_model();
    expect_matrix(src, "token_embd.weight", &m->embed, type, 0);
    expect_matrix(src, "blk.0.attn_q.weight", &m->layers[0].q.w, type, 0);
    expect_matrix(src, "blk.1.attn_v.weight", &m->layers[1].v.w, type, 0);
    expect_matrix(src, "blk.1.ffn_gate.weight", &m->layers[1].gate.w, type, 0);
    expect_matrix(src, "blk.0.ffn_down.weight", &m->layers[0].down.w, type, 0);
    eng__source_close(src);
}

TEST(matrices_are_served_as_the_file_has_them)
{
    static const eng_dtype types[] = {ENG_F32,  ENG_F16,  ENG_BF16, ENG_Q4_0, ENG_Q4_1,
                                      ENG_Q5_0, ENG_Q5_1, ENG_Q8_0, ENG_Q4_K, ENG_Q6_K};
    for (int i = 0; i < 10; i++) {
        eng_model *m = open_spec(&(test_model_spec){.type = types[i]}, NULL);
        EXPECT_STR(eng_model_dtype(m), eng_dtype_info_of(types[i])->name);
        if (types[i] != ENG_Q8_0) /* expect_row would encode it a second time */
            expect_llama_matrices(m, types[i]);
        eng_model_unref(m);
    }
}

TEST(matrices_are_converted_to_the_serving_type)
{
    static const struct {
        eng_serve_type serve;
        eng_dtype type;
    } cases[] = {{ENG_SERVE_F32, ENG_F32}, {ENG_SERVE_BF16, ENG_BF16}, {ENG_SERVE_Q8_0, ENG_Q8_0}};
    static const eng_dtype stored[] = {ENG_F32, ENG_F16, ENG_Q5_0, ENG_Q4_K};
    for (int c = 0; c < 3; c++)
        for (int s = 0; s < 4; s++) {
            eng_model *m = open_spec(&(test_model_spec){.type = stored[s]},
                                     &(eng_model_options){.serve_type = cases[c].serve});
            EXPECT_STR(eng_model_dtype(m), eng_dtype_info_of(cases[c].type)->name);
            expect_llama_matrices(m, cases[c].type);
            eng_model_unref(m);
        }
}

TEST(rows_that_no_block_of_32_divides_stay_floats)
{
    /* embd 48: q, k, v read rows of 48, down reads rows of 96 */
    eng_model *m = open_spec(&(test_model_spec){.embd = 48, .ff = 96},
                             &(eng_model_options){.serve_type = ENG_SERVE_Q8_0});
    EXPECT_EQ(m->layers[0].q.w.type, ENG_F32);
    EXPECT_EQ(m->layers[0].down.w.type, ENG_Q8_0);
    eng_model_unref(m);
}

TEST(the_fused_qkv_of_gpt2_is_cut_in_three)
{
    eng_model *m = open_spec(&(test_model_spec){.arch = "gpt2", .type = ENG_F16}, NULL);
    eng_source *src = source_of_last_model();
    const char *const name = "blk.1.attn_qkv.weight";
    expect_matrix(src, name, &m->layers[1].q.w, ENG_F16, 0);
    expect_matrix(src, name, &m->layers[1].k.w, ENG_F16, 64);
    expect_matrix(src, name, &m->layers[1].v.w, ENG_F16, 128);
    float bias[192];
    eng_error err;
    EXPECT_OK(eng__source_read_f32(src, eng__source_find(src, "blk.1.attn_qkv.bias"), bias, &err),
              err);
    EXPECT_MEM(m->layers[1].q.bias, bias, 64 * sizeof *bias);
    EXPECT_MEM(m->layers[1].k.bias, bias + 64, 64 * sizeof *bias);
    EXPECT_MEM(m->layers[1].v.bias, bias + 128, 64 * sizeof *bias);
    EXPECT(m->layers[1].gate.w.data == NULL && m->positions != NULL && m->rope_cos == NULL);
    eng__source_close(src);
    eng_model_unref(m);
}

TEST(a_tied_model_shares_its_embedding_and_an_untied_one_does_not)
{
    eng_model *m = open_spec(NULL, NULL);
    EXPECT(m->unembed.w.data == m->embed.data);
    eng_model_unref(m);
    m = open_spec(&(test_model_spec){.untied = true}, NULL);
    EXPECT(m->unembed.w.data != m->embed.data);
    eng_source *src = source_of_last_model();
    expect_matrix(src, "output.weight", &m->unembed.w, ENG_F32, 0);
    eng__source_close(src);
    eng_model_unref(m);
}

TEST(rope_tables_hold_cosines_and_sines_of_each_position)
{
    for (int with_freqs = 0; with_freqs < 2; with_freqs++) {
        eng_model *m = open_spec(&(test_model_spec){.rope_freqs = with_freqs}, NULL);
        float divisors[8];
        eng_source *src = source_of_last_model();
        eng_error err;
        for (int i = 0; i < 8; i++)
            divisors[i] = 1;
        if (with_freqs)
            EXPECT_OK(eng__source_read_f32(src, eng__source_find(src, "rope_freqs.weight"),
                                           divisors, &err),
                      err);
        eng__source_close(src);
        /* heads of 16; the angle is rounded to f32, 2^-24 of up to 255 */
        for (uint32_t pos = 0; pos < 256; pos++)
            for (uint32_t i = 0; i < 8; i++) {
                double angle = pos * pow(10000, -2.0 * i / 16) / (double)divisors[i];
                EXPECT_NEAR((double)m->rope_cos[pos * 8 + i], cos(angle), 5e-5);
                EXPECT_NEAR((double)m->rope_sin[pos * 8 + i], sin(angle), 5e-5);
            }
        eng_model_unref(m);
    }
}

/* The block of the model before, full of its weights or of anything else. */
TEST(the_same_weights_pack_the_same_bytes_into_used_memory)
{
    static const eng_dtype types[] = {ENG_F32, ENG_Q4_0, ENG_Q6_K, ENG_Q8_0};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        eng_model *first = open_spec(&(test_model_spec){.type = types[i]}, NULL);
        const size_t bytes = first->matrix_bytes;
        uint8_t *used = eng_block_alloc(bytes);
        EXPECT(used);
        memset(used, 0xa5, bytes);
        eng_block_spare(used, bytes);
        eng_model *second = open_spec(&(test_model_spec){.type = types[i]}, NULL);
        EXPECT(second->matrices == used);
        EXPECT_MEM(second->matrices, first->matrices, bytes);
        eng_model_unref(second);
        eng_model_unref(first);
    }
}

TEST(the_same_file_packs_the_same_bytes_with_any_number_of_threads)
{
    eng_model *a =
        open_spec(&(test_model_spec){.type = ENG_Q6_K}, &(eng_model_options){.n_threads = 1});
    eng_model *b =
        open_spec(&(test_model_spec){.type = ENG_Q6_K}, &(eng_model_options){.n_threads = 4});
    EXPECT_EQ(a->matrix_bytes, b->matrix_bytes);
    EXPECT(memcmp(a->matrices, b->matrices, a->matrix_bytes) == 0);
    EXPECT_STR(eng_model_digest(a), eng_model_digest(b));
    char path[256], digest[65];
    eng_error err;
    snprintf(path, sizeof path, "%s/model.gguf", test_dir());
    EXPECT_OK(eng_model_file_digest(path, digest, &err), err);
    EXPECT_STR(eng_model_digest(a), digest);
    eng_model_unref(a);
    eng_model_unref(b);
}

TEST(of_several_faults_any_number_of_threads_tells_the_same)
{
    eng_error one, several;
    eng_model *model;
    gguf_bytes f = build(&(test_model_spec){.untied = true});
    memset(f.data + f.len / 2, 0xff, f.len - f.len / 2); /* NaN in about every other tensor */
    EXPECT_EQ(open_bytes(&model, &f, &(eng_model_options){.n_threads = 1}, &one), ENG_FORMAT);
    for (int i = 0; i < 50; i++) {
        EXPECT_EQ(open_bytes(&model, &f, &(eng_model_options){.n_threads = 4}, &several),
                  ENG_FORMAT);
        EXPECT_STR(several.text, one.text);
    }
    free(f.data);
}
