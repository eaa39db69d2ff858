#include "compare_sources.h"
#include "formats/checkpoint.h"
#include "model_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
