#include "formats/checkpoint.h"
#include "formats/source.h"
#include "harness.h"
#include "model_files.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *in_dir(const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *p = paths[turn++ % 4];
    snprintf(p, 256, "%s/%s", test_dir(), name);
    return p;
}

static eng_source *open_source(const char *path)
{
    eng_source *src;
    eng_error err;
    EXPECT_OK(eng__source_open(&src, path, &err), err);
    return src;
}

/* A GGUF file of this spec, and its directory written under `name`. */
static eng_source *write_pair(const test_model_spec *spec, const eng_checkpoint_options *options,
                              const char *name, char id[ENG_POLICY_ID_BYTES])
{
    eng_error err;
    test_write_gguf(in_dir("model.gguf"), spec);
    eng_source *src = open_source(in_dir("model.gguf"));
    EXPECT_OK(eng_checkpoint_write(src, in_dir(name), options, id, &err), err);
    return src;
}

static float *read_floats(const eng_source *src, const char *name, const eng_tensor_info **info)
{
    eng_error err;
    *info = eng__source_find(src, name);
    if (!*info)
        FAIL("tensor %s is missing", name);
    float *data = malloc((size_t)(*info)->n_elements * sizeof *data);
    EXPECT_OK(eng__source_read_f32(src, *info, data, &err), err);
    return data;
}

/* Where row r of a GGUF llama Q or K matrix stands in half-split layout (FORMATS: GGUF row 2i+a is
 * row a*d/2 + i of its head). */
static size_t half_split_row(size_t row, uint32_t head_dim)
{
    size_t head = row / head_dim, r = row % head_dim;
    return head * head_dim + (r % 2) * (head_dim / 2) + r / 2;
}

static void compare_tensor(const eng_source *a, const eng_source *b, const char *name, double tol)
{
    const eng_tensor_info *ia, *ib;
    float *x = read_floats(a, name, &ia), *y = read_floats(b, name, &ib);
    EXPECT_EQ(ib->n_dims, ia->n_dims);
    EXPECT_EQ(ib->dims[0], ia->dims[0]);
    EXPECT_EQ(ib->dims[1], ia->dims[1]);
    const eng_config *ca = eng__source_config(a), *cb = eng__source_config(b);
    bool turned = ca->pos == ENG_POS_ROPE_PAIRS && cb->pos == ENG_POS_ROPE_HALF &&
                  (strstr(name, "attn_q.") || strstr(name, "attn_k."));
    size_t n_in = ia->n_dims == 2 ? ia->dims[0] : 1, n_out = ia->n_elements / n_in;
    for (size_t r = 0; r < n_out; r++) {
        size_t s = turned ? half_split_row(r, ca->head_dim) : r;
        for (size_t i = 0; i < n_in; i++) {
            double want = x[r * n_in + i], got = y[s * n_in + i];
            if (fabs(got - want) > tol * fabs(want))
                FAIL("%s[%zu][%zu] is %g, expected %g", name, r, i, got, want);
        }
    }
    free(x);
    free(y);
}

static void compare_sources(const eng_source *a, const eng_source *b, double tol)
{
    EXPECT_EQ(eng__source_n_tensors(b), eng__source_n_tensors(a));
    for (size_t i = 0; i < eng__source_n_tensors(a); i++) {
        const eng_tensor_info *info = eng__source_tensor(a, i);
        compare_tensor(a, b, info->name, info->n_dims == 2 ? tol : 0.0);
    }
}

static void compare_configs(const eng_config *a, const eng_config *b)
{
    eng_config want = *a;
    if (want.pos == ENG_POS_ROPE_PAIRS)
        want.pos = ENG_POS_ROPE_HALF;
    EXPECT_STR(b->arch, want.arch);
    EXPECT_EQ(b->pos, want.pos);
    EXPECT_NEAR(b->norm_eps, want.norm_eps, 0.0);
    EXPECT_NEAR(b->rope_base, want.rope_base, 0.0);
    EXPECT_MEM(b, &want, sizeof want);
}

static void compare_vocabs(const eng_vocab *a, const eng_vocab *b)
{
    EXPECT_EQ(b->pre, a->pre);
    EXPECT_EQ(b->n_tokens, a->n_tokens);
    EXPECT_EQ(b->n_merges, a->n_merges);
    for (uint32_t i = 0; i < a->n_tokens; i++) {
        EXPECT_STR(b->tokens[i], a->tokens[i]);
        EXPECT_EQ(b->types[i], a->types[i]);
    }
    for (uint32_t i = 0; i < a->n_merges; i++)
        EXPECT_STR(b->merges[i], a->merges[i]);
    EXPECT_EQ(b->bos, a->bos);
    EXPECT_EQ(b->eos, a->eos);
    EXPECT_EQ(b->eot, a->eot);
    EXPECT_EQ(b->unk, a->unk);
    EXPECT_EQ(b->pad, a->pad);
    EXPECT_EQ(b->add_bos, a->add_bos);
    EXPECT_STR(b->chat_template, a->chat_template);
}

static void round_trip(const test_model_spec *spec, eng_dtype dtype, double tol)
{
    char id[ENG_POLICY_ID_BYTES], verified[ENG_POLICY_ID_BYTES];
    eng_error err;
    eng_checkpoint_options options = {.dtype = dtype};
    eng_source *a = write_pair(spec, &options, "pol", id);
    EXPECT_OK(eng_checkpoint_verify(in_dir("pol"), verified, &err), err);
    EXPECT_STR(verified, id);
    eng_source *b = open_source(in_dir("pol"));
    compare_configs(eng__source_config(a), eng__source_config(b));
    compare_vocabs(eng__source_vocab(a), eng__source_vocab(b));
    compare_sources(a, b, tol);
    eng__source_close(a);
    eng__source_close(b);
}

TEST(llama_gguf_comes_back_from_its_directory)
{
    round_trip(&(test_model_spec){.seed = 1, .kv_heads = 2}, ENG_F32, 0.0);
}

TEST(quantised_llama_comes_back_as_its_dequantised_weights)
{
    round_trip(&(test_model_spec){.type = ENG_Q4_K, .layers = 1, .untied = true}, ENG_F32, 0.0);
}

TEST(llama_with_biases_turns_them_like_the_rows)
{
    round_trip(&(test_model_spec){.qkv_bias = true, .type = ENG_F16}, ENG_F32, 0.0);
}

TEST(qwen2_keeps_its_half_split_rows)
{
    round_trip(&(test_model_spec){.arch = "qwen2", .type = ENG_Q5_1}, ENG_F32, 0.0);
}

TEST(gpt2_goes_through_conv1d_and_back)
{
    round_trip(&(test_model_spec){.arch = "gpt2", .type = ENG_Q8_0}, ENG_F32, 0.0);
}

TEST(gpt3_pattern_survives_as_attention_layers)
{
    round_trip(&(test_model_spec){.arch = "gpt2", .layers = 5, .window = 32, .window_period = 2},
               ENG_F32, 0.0);
}

TEST(a_window_in_every_layer_survives)
{
    round_trip(&(test_model_spec){.layers = 3, .window = 48}, ENG_F32, 0.0);
}

/* bfloat16 keeps 8 bits of the significand: half a unit in the last place is 2^-9. */
TEST(bf16_directory_is_within_rounding)
{
    round_trip(&(test_model_spec){.seed = 3}, ENG_BF16, 0x1p-8);
}

TEST(every_split_rule_survives)
{
    static const char *const pres[] = {"gpt-2", "smollm", "llama-bpe", "qwen2"};
    for (size_t i = 0; i < 4; i++) {
        char name[16], id[ENG_POLICY_ID_BYTES];
        snprintf(name, sizeof name, "pre%zu", i);
        eng_source *a = write_pair(&(test_model_spec){.pre = pres[i], .layers = 1}, NULL, name, id);
        eng_source *b = open_source(in_dir(name));
        compare_vocabs(eng__source_vocab(a), eng__source_vocab(b));
        eng__source_close(a);
        eng__source_close(b);
    }
}

TEST(same_inputs_give_the_same_id_and_others_do_not)
{
    char one[ENG_POLICY_ID_BYTES], two[ENG_POLICY_ID_BYTES], three[ENG_POLICY_ID_BYTES];
    const uint64_t seed = 7;
    const double kl = 0.02;
    const char *const datasets[] = {"ds_1"};
    const eng_checkpoint_metric metrics[] = {{"z", 1.5}, {"a", NAN}};
    eng_checkpoint_options o = {.stage = "ppo",
                                .parent = "pol_0123456789abcdef",
                                .seed = &seed,
                                .kl_coef = &kl,
                                .datasets = datasets,
                                .n_datasets = 1,
                                .metrics = metrics,
                                .n_metrics = 2};
    eng__source_close(write_pair(NULL, &o, "one", one));
    eng__source_close(write_pair(NULL, &o, "two", two));
    eng__source_close(write_pair(NULL, NULL, "three", three));
    EXPECT_STR(two, one);
    EXPECT(strcmp(three, one) != 0);
    EXPECT(strncmp(one, "pol_", 4) == 0 && strlen(one) == 20);
    char *manifest = test_read_file(in_dir("one/manifest.json"), NULL);
    EXPECT(strstr(manifest, "\"lineage\":{\"code_rev\":null,\"datasets\":[\"ds_1\"],"
                            "\"job_spec_sha256\":null,\"kl_coef\":0.02,"
                            "\"parent\":\"pol_0123456789abcdef\",\"ptx_coef\":null,"
                            "\"reward_model\":null,\"seed\":7},\"metrics\":{\"a\":null,\"z\":1.5},"
                            "\"stage\":\"ppo\",\"tensors\":{"));
    free(manifest);
}

TEST(a_directory_copied_through_a_source_keeps_its_tensors)
{
    char first[ENG_POLICY_ID_BYTES], second[ENG_POLICY_ID_BYTES];
    eng_error err;
    eng__source_close(write_pair(&(test_model_spec){.arch = "gpt2"}, NULL, "one", first));
    eng_source *b = open_source(in_dir("one"));
    EXPECT_OK(eng_checkpoint_write(b, in_dir("two"), NULL, second, &err), err);
    EXPECT_STR(second, first);
    eng__source_close(b);
}

static eng_status all_sevens(void *ctx, const eng_tensor_info *tensor, float *dst, eng_error *err)
{
    (void)err;
    for (size_t i = 0; i < tensor->n_elements; i++)
        dst[i] = *(const float *)ctx;
    return ENG_OK;
}

TEST(weights_can_come_from_elsewhere)
{
    char id[ENG_POLICY_ID_BYTES];
    float seven = 7.0f;
    eng_checkpoint_options o = {.read = all_sevens, .read_ctx = &seven};
    eng__source_close(write_pair(NULL, &o, "pol", id));
    eng_source *b = open_source(in_dir("pol"));
    const eng_tensor_info *info;
    float *x = read_floats(b, "blk.1.ffn_down.weight", &info);
    EXPECT_NEAR(x[info->n_elements - 1], 7.0, 0.0);
    free(x);
    eng__source_close(b);
}

TEST(weights_that_are_not_finite_are_refused_and_leave_nothing)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    float bad = NAN;
    eng_checkpoint_options o = {.read = all_sevens, .read_ctx = &bad};
    test_write_gguf(in_dir("model.gguf"), NULL);
    eng_source *src = open_source(in_dir("model.gguf"));
    EXPECT_EQ(eng_checkpoint_write(src, in_dir("pol"), &o, id, &err), ENG_INVALID);
    EXPECT(strstr(err.text, "not finite"));
    EXPECT(access(in_dir("pol"), F_OK) != 0);
    eng__source_close(src);
}

TEST(an_existing_checkpoint_is_not_overwritten)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    eng_source *src = write_pair(NULL, NULL, "pol", id);
    EXPECT_EQ(eng_checkpoint_write(src, in_dir("pol"), NULL, id, &err), ENG_INVALID);
    EXPECT_OK(eng_checkpoint_verify(in_dir("pol"), NULL, &err), err);
    eng__source_close(src);
}

/* Flips one bit in the middle of a file, or cuts its last byte off. */
static void damage(const char *path, bool cut)
{
    size_t len;
    char *data = test_read_file(path, &len);
    data[len / 2] ^= 1;
    test_write_file(path, data, cut ? len - 1 : len);
    free(data);
}

TEST(verify_names_the_damaged_file)
{
    static const char *const names[] = {"config.json", "generation_config.json",
                                        "model.safetensors", "tokenizer.json",
                                        "tokenizer_config.json"};
    for (size_t i = 0; i < 5; i++)
        for (int cut = 0; cut < 2; cut++) {
            char id[ENG_POLICY_ID_BYTES], pol[32], file[64];
            eng_error err;
            eng_source *src = NULL;
            snprintf(pol, sizeof pol, "pol%zu%d", i, cut);
            snprintf(file, sizeof file, "%s/%s", pol, names[i]);
            eng__source_close(write_pair(&(test_model_spec){.layers = 1}, NULL, pol, id));
            damage(in_dir(file), cut);
            EXPECT_EQ(eng_checkpoint_verify(in_dir(pol), NULL, &err), ENG_FORMAT);
            if (!strstr(err.text, names[i]))
                FAIL("%s is not named in: %s", names[i], err.text);
            if (cut)
                EXPECT_EQ(eng__source_open(&src, in_dir(pol), &err), ENG_FORMAT);
        }
}

TEST(a_manifest_may_not_point_outside)
{
    eng_error err;
    char id[ENG_POLICY_ID_BYTES];
    eng__source_close(write_pair(NULL, NULL, "pol", id));
    char *m = test_read_file(in_dir("pol/manifest.json"), NULL);
    char *at = strstr(m, "generation_config.json");
    memcpy(at, "../generation_conf.jso", 22);
    test_write_file(in_dir("pol/manifest.json"), m, strlen(m));
    free(m);
    EXPECT_EQ(eng_checkpoint_verify(in_dir("pol"), NULL, &err), ENG_FORMAT);
    EXPECT(strstr(err.text, "not a plain file name"));
}

TEST(rope_freqs_have_no_place_in_a_directory)
{
    eng_error err;
    char id[ENG_POLICY_ID_BYTES];
    test_write_gguf(in_dir("model.gguf"), &(test_model_spec){.rope_freqs = true});
    eng_source *src = open_source(in_dir("model.gguf"));
    EXPECT(eng__source_find(src, "rope_freqs.weight"));
    EXPECT_EQ(eng_checkpoint_write(src, in_dir("pol"), NULL, id, &err), ENG_UNSUPPORTED);
    EXPECT(strstr(err.text, "rope_freqs.weight"));
    eng__source_close(src);
}
