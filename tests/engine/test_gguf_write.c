/* GGUF files of ours: read back equal, through a directory and back, and refusals. */
#include "compare_sources.h"
#include "formats/checkpoint.h"
#include "formats/gguf_write.h"
#include "formats/new_model.h"
#include "model_files.h"

#include <unistd.h>

static void write_gguf(const eng_source *src, const char *name, const eng_gguf_options *options)
{
    eng_error err;
    EXPECT_OK(eng_gguf_write(src, in_dir(name), options, &err), err);
}

/* A GGUF file of this spec -> a directory -> a GGUF file: the same config, tokenizer, weights. */
static void round_trip(const test_model_spec *spec)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    test_write_gguf(in_dir("a.gguf"), spec);
    eng_source *a = open_source(in_dir("a.gguf"));
    EXPECT_OK(eng_checkpoint_write(a, in_dir("dir"), NULL, id, &err), err);
    eng_source *dir = open_source(in_dir("dir"));
    write_gguf(dir, "b.gguf", NULL);
    eng_source *b = open_source(in_dir("b.gguf"));
    EXPECT_MEM(eng__source_config(b), eng__source_config(a), sizeof(eng_config));
    compare_vocabs(eng__source_vocab(a), eng__source_vocab(b));
    compare_sources(a, b, 0.0);
    eng__source_close(b);
    eng__source_close(dir);
    eng__source_close(a);
}

TEST(llama_turns_its_rows_to_halves_and_back_to_pairs)
{
    round_trip(&(test_model_spec){.seed = 1, .kv_heads = 2, .untied = true});
}

TEST(llama_with_biases_turns_them_too)
{
    round_trip(&(test_model_spec){.seed = 2, .qkv_bias = true});
}

TEST(qwen2_is_half_split_in_both)
{
    round_trip(&(test_model_spec){.arch = "qwen2"});
}

TEST(gpt2_keeps_its_fused_projection)
{
    round_trip(&(test_model_spec){.arch = "gpt2"});
}

TEST(windows_survive)
{
    round_trip(&(test_model_spec){.arch = "gpt2", .layers = 4, .window = 32, .window_period = 2});
}

TEST(every_split_rule_survives)
{
    static const char *const pres[] = {"gpt-2", "smollm", "llama-bpe", "qwen2"};
    for (size_t i = 0; i < 4; i++) {
        char name[2][16];
        snprintf(name[0], sizeof name[0], "a%zu.gguf", i);
        snprintf(name[1], sizeof name[1], "b%zu.gguf", i);
        test_write_gguf(in_dir(name[0]), &(test_model_spec){.pre = pres[i], .layers = 1});
        eng_source *a = open_source(in_dir(name[0]));
        write_gguf(a, name[1], NULL);
        eng_source *b = open_source(in_dir(name[1]));
        compare_vocabs(eng__source_vocab(a), eng__source_vocab(b));
        eng__source_close(b);
        eng__source_close(a);
    }
}

TEST(rope_freqs_stay)
{
    test_write_gguf(in_dir("a.gguf"), &(test_model_spec){.rope_freqs = true});
    eng_source *a = open_source(in_dir("a.gguf"));
    write_gguf(a, "b.gguf", NULL);
    eng_source *b = open_source(in_dir("b.gguf"));
    compare_tensor(a, b, "rope_freqs.weight", 0.0);
    eng__source_close(b);
    eng__source_close(a);
}

/* Half precision keeps 11 bits of the significand, bfloat16 8; halves below 2^-14 lose more. */
TEST(narrow_types_are_within_rounding_and_vectors_stay_f32)
{
    static const struct {
        eng_dtype type;
        double tol;
    } types[] = {{ENG_F16, 0x1p-11}, {ENG_BF16, 0x1p-8}};
    test_write_gguf(in_dir("a.gguf"), &(test_model_spec){.arch = "gpt2"});
    eng_source *a = open_source(in_dir("a.gguf"));
    for (size_t i = 0; i < 2; i++) {
        const eng_tensor_info *x, *y;
        eng_gguf_options options = {.dtype = types[i].type};
        const char *name = i ? "bf16.gguf" : "f16.gguf";
        write_gguf(a, name, &options);
        eng_source *b = open_source(in_dir(name));
        EXPECT_EQ(eng__source_find(b, "blk.0.ffn_up.weight")->type, types[i].type);
        EXPECT_EQ(eng__source_find(b, "blk.0.ffn_up.bias")->type, ENG_F32);
        EXPECT_EQ(eng__source_find(b, "position_embd.weight")->type, ENG_F32);
        float *want = read_floats(a, "blk.1.ffn_down.weight", &x);
        float *got = read_floats(b, "blk.1.ffn_down.weight", &y);
        for (size_t e = 0; e < x->n_elements; e++)
            EXPECT_NEAR(got[e], want[e], types[i].tol * fabs((double)want[e]) + 0x1p-25);
        free(want);
        free(got);
        eng__source_close(b);
    }
    eng__source_close(a);
}

TEST(rows_without_a_token_get_unused_ones)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    eng_new_model spec = {
        .arch = "llama", .n_layer = 1, .n_embd = 32, .n_head = 2, .n_ctx = 16, .n_vocab = 264};
    EXPECT_OK(eng_model_new(in_dir("dir"), &spec, id, &err), err);
    eng_source *dir = open_source(in_dir("dir"));
    write_gguf(dir, "m.gguf", NULL);
    eng_source *b = open_source(in_dir("m.gguf"));
    const eng_vocab *v = eng__source_vocab(b);
    EXPECT_EQ(v->n_tokens, 264);
    EXPECT_STR(v->tokens[263], "[PAD263]");
    EXPECT_EQ(v->types[263], ENG_TOKEN_UNUSED);
    EXPECT_EQ(v->types[258], ENG_TOKEN_CONTROL);
    eng__source_close(b);
    eng__source_close(dir);
}

TEST(the_same_source_gives_the_same_bytes)
{
    size_t n[2];
    char *bytes[2];
    test_write_gguf(in_dir("a.gguf"), NULL);
    eng_source *a = open_source(in_dir("a.gguf"));
    eng_gguf_options options = {.name = "tiny"};
    write_gguf(a, "one.gguf", &options);
    write_gguf(a, "two.gguf", &options);
    bytes[0] = test_read_file(in_dir("one.gguf"), &n[0]);
    bytes[1] = test_read_file(in_dir("two.gguf"), &n[1]);
    EXPECT_EQ(n[1], n[0]);
    EXPECT_MEM(bytes[1], bytes[0], n[0]);
    free(bytes[0]);
    free(bytes[1]);
    eng__source_close(a);
}

/* ---- refusals ---- */

static void expect_refusal(const eng_source *src, const eng_gguf_options *options, const char *why)
{
    eng_error err;
    if (eng_gguf_write(src, in_dir("refused.gguf"), options, &err) == ENG_OK)
        FAIL("accepted, expected a refusal naming \"%s\"", why);
    if (!strstr(err.text, why))
        FAIL("refused with \"%s\", expected \"%s\"", err.text, why);
    EXPECT(access(in_dir("refused.gguf"), F_OK) != 0);
}

static eng_status all_large(void *ctx, const eng_tensor_info *tensor, float *dst, eng_error *err)
{
    (void)ctx;
    (void)err;
    for (size_t i = 0; i < tensor->n_elements; i++)
        dst[i] = 1e6f;
    return ENG_OK;
}

TEST(weights_that_half_precision_cannot_hold_are_refused)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    eng_checkpoint_options large = {.read = all_large};
    test_write_gguf(in_dir("a.gguf"), NULL);
    eng_source *a = open_source(in_dir("a.gguf"));
    EXPECT_OK(eng_checkpoint_write(a, in_dir("dir"), &large, id, &err), err);
    eng_source *dir = open_source(in_dir("dir"));
    expect_refusal(dir, &(eng_gguf_options){.dtype = ENG_F16}, "a weight that f16 cannot hold");
    expect_refusal(dir, &(eng_gguf_options){.dtype = ENG_Q8_0}, "expected f32, f16 or bf16");
    eng__source_close(dir);
    eng__source_close(a);
}

TEST(a_reward_model_has_no_gguf_file)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    test_write_gguf(in_dir("a.gguf"), &(test_model_spec){.arch = "gpt2"});
    eng_source *a = open_source(in_dir("a.gguf"));
    EXPECT_OK(eng_checkpoint_write(a, in_dir("dir"), NULL, id, &err), err);
    eng__source_close(a);
    /* A vector of the right type under another name of the same length makes a score head. */
    static const char bias[] = "\"transformer.ln_f.bias\"", score[] = "\"score.bias\"           ";
    size_t len;
    char *file = test_read_file(in_dir("dir/model.safetensors"), &len);
    char *name = memmem(file, len, bias, strlen(bias));
    EXPECT(name != NULL);
    memcpy(name, score, strlen(score));
    test_write_file(in_dir("dir/model.safetensors"), file, len);
    free(file);
    eng_source *dir = open_source(in_dir("dir"));
    expect_refusal(dir, NULL, "tensor score.bias: GGUF has no place");
    eng__source_close(dir);
}

TEST(an_existing_file_is_not_overwritten)
{
    eng_error err;
    test_write_gguf(in_dir("a.gguf"), NULL);
    eng_source *a = open_source(in_dir("a.gguf"));
    EXPECT_EQ(eng_gguf_write(a, in_dir("a.gguf"), NULL, &err), ENG_IO);
    EXPECT(strstr(err.text, "File exists"));
    EXPECT(access(in_dir("a.gguf"), F_OK) == 0);
    eng__source_close(a);
}
