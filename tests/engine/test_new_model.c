/* New random models: what is in them, that they open and run, that they repeat. */
#include "compare_sources.h"
#include "engine.h"
#include "formats/new_model.h"
#include "model_files.h"

#include <unistd.h>

static eng_new_model tiny(const char *arch)
{
    return (eng_new_model){.arch = arch, .n_layer = 2, .n_embd = 32, .n_head = 4, .n_ctx = 64};
}

static const char *make(const char *name, const eng_new_model *spec)
{
    static char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    EXPECT_OK(eng_model_new(in_dir(name), spec, id, &err), err);
    return id;
}

static void expect_refusal(const eng_new_model *spec, const char *why)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    if (eng_model_new(in_dir("refused"), spec, id, &err) == ENG_OK)
        FAIL("accepted, expected a refusal naming \"%s\"", why);
    if (!strstr(err.text, why))
        FAIL("refused with \"%s\", expected \"%s\"", err.text, why);
    EXPECT(access(in_dir("refused"), F_OK) != 0);
}

/* ---- what is in it ---- */

TEST(a_llama_has_the_default_shapes)
{
    eng_new_model spec = tiny("llama");
    spec.n_kv_head = 2;
    make("m", &spec);
    eng_source *src = open_source(in_dir("m"));
    const eng_config *c = eng__source_config(src);
    const eng_tensor_info *t;
    eng_error err;
    EXPECT_EQ(c->n_ff, 96); /* 8/3 * 32 = 85.3 -> 96 */
    EXPECT_EQ(c->head_dim, 8);
    EXPECT_EQ(c->n_vocab, 259);
    EXPECT(c->tied);
    EXPECT_OK(eng__source_expect(src, "blk.1.attn_k.weight", 32, 16, &t, &err), err);
    EXPECT_OK(eng__source_expect(src, "blk.1.ffn_gate.weight", 32, 96, &t, &err), err);
    EXPECT_EQ(eng__source_n_tensors(src), 2 + 2 * 9);
    eng__source_close(src);
}

TEST(a_gpt2_has_the_default_shapes)
{
    eng_new_model spec = tiny("gpt2");
    spec.untied = true;
    make("m", &spec);
    eng_source *src = open_source(in_dir("m"));
    const eng_config *c = eng__source_config(src);
    const eng_tensor_info *t;
    eng_error err;
    EXPECT_EQ(c->n_ff, 128);
    EXPECT(!c->tied);
    EXPECT_OK(eng__source_expect(src, "position_embd.weight", 32, 64, &t, &err), err);
    EXPECT_OK(eng__source_expect(src, "output.weight", 32, 259, &t, &err), err);
    EXPECT_EQ(eng__source_n_tensors(src), 5 + 2 * 12);
    eng__source_close(src);
}

static double sd_of(const eng_source *src, const char *name)
{
    const eng_tensor_info *info;
    float *x = read_floats(src, name, &info);
    double sum = 0.0;
    for (size_t i = 0; i < info->n_elements; i++)
        sum += (double)x[i] * x[i];
    free(x);
    return sqrt(sum / (double)info->n_elements);
}

/* 4 standard deviations of a standard deviation over n numbers: 4 / sqrt(2 n), n >= 4096. */
TEST(weights_are_drawn_with_gpt2s_deviations)
{
    eng_new_model spec = tiny("gpt2");
    spec.n_layer = 8;
    spec.n_embd = 64;
    make("m", &spec);
    eng_source *src = open_source(in_dir("m"));
    EXPECT_NEAR(sd_of(src, "token_embd.weight"), 0.02, 0.02 * 0.045);
    EXPECT_NEAR(sd_of(src, "blk.3.ffn_up.weight"), 0.02, 0.02 * 0.045);
    EXPECT_NEAR(sd_of(src, "blk.3.attn_output.weight"), 0.005, 0.005 * 0.045);
    EXPECT_NEAR(sd_of(src, "blk.7.ffn_down.weight"), 0.005, 0.005 * 0.045);
    EXPECT_NEAR(sd_of(src, "blk.0.ffn_norm.weight"), 1.0, 0.0);
    EXPECT_NEAR(sd_of(src, "blk.0.attn_qkv.bias"), 0.0, 0.0);
    eng__source_close(src);
}

TEST(rows_past_the_tokens_are_padding)
{
    eng_new_model spec = tiny("llama");
    spec.n_vocab = 320;
    make("m", &spec);
    eng_source *src = open_source(in_dir("m"));
    EXPECT_EQ(eng__source_config(src)->n_vocab, 320);
    EXPECT_EQ(eng__source_vocab(src)->n_tokens, 259);
    eng__source_close(src);
}

/* ---- the same and not the same ---- */

TEST(the_same_spec_gives_the_same_policy)
{
    eng_new_model spec = tiny("llama");
    char first[ENG_POLICY_ID_BYTES];
    snprintf(first, sizeof first, "%s", make("one", &spec));
    EXPECT_STR(make("two", &spec), first);
    spec.seed = 1;
    EXPECT(strcmp(make("three", &spec), first) != 0);
}

TEST(a_tensor_keeps_its_numbers_when_the_model_grows_around_it)
{
    eng_new_model spec = tiny("llama");
    make("small", &spec);
    spec.n_ctx = 128;
    spec.n_layer = 3;
    make("large", &spec);
    eng_source *a = open_source(in_dir("small")), *b = open_source(in_dir("large"));
    compare_tensor(a, b, "blk.1.ffn_up.weight", 0.0);
    eng__source_close(a);
    eng__source_close(b);
}

TEST(a_bf16_model_is_the_f32_model_rounded)
{
    eng_new_model spec = tiny("gpt2");
    make("f32", &spec);
    spec.dtype = ENG_BF16;
    make("bf16", &spec);
    eng_source *a = open_source(in_dir("f32")), *b = open_source(in_dir("bf16"));
    EXPECT_EQ(eng__source_find(b, "blk.0.ffn_up.weight")->type, ENG_BF16);
    compare_sources(a, b, 0x1p-8);
    eng__source_close(a);
    eng__source_close(b);
}

/* ---- tokenizers ---- */

/* The text of every byte, and special tokens recognised in trusted text alone. */
TEST(bytes_are_their_own_tokens)
{
    eng_new_model spec = tiny("gpt2");
    eng_model *model;
    eng_error err;
    char text[256];
    int32_t ids[256];
    size_t n;
    make("m", &spec);
    EXPECT_OK(eng_model_open(&model, in_dir("m"), NULL, &err), err);
    const eng_tokenizer *tok = eng_model_tokenizer(model);
    for (int i = 0; i < 256; i++)
        text[i] = (char)i;
    EXPECT_OK(eng_tokenize(tok, text, 256, NULL, 0, ids, 256, &n, &err), err);
    EXPECT_EQ(n, 256);
    for (int i = 0; i < 256; i++) {
        size_t len;
        EXPECT_EQ(ids[i], i);
        const char *bytes = eng_token_bytes(tok, i, &len);
        EXPECT_EQ(len, 1);
        EXPECT_EQ((unsigned char)bytes[0], i);
    }
    const char *special = "a<|im_end|>";
    EXPECT_OK(eng_tokenize(tok, special, 11, NULL, ENG_TOK_PARSE_SPECIAL, ids, 256, &n, &err), err);
    EXPECT_EQ(n, 2);
    EXPECT_EQ(ids[1], 258);
    EXPECT(eng_token_is_end(tok, 256) && eng_token_is_end(tok, 258));
    eng_model_unref(model);
}

TEST(the_bytes_tokenizer_speaks_chatml)
{
    eng_new_model spec = tiny("llama");
    eng_model *model;
    eng_error err;
    eng_chat_text out;
    make("m", &spec);
    EXPECT_OK(eng_model_open(&model, in_dir("m"), NULL, &err), err);
    eng_chat_message message = {"user", "Hi", 2};
    EXPECT_OK(eng_chat_render(eng_model_tokenizer(model), &message, 1, true, 1000, &out, &err),
              err);
    EXPECT_STR(out.text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    eng_chat_text_free(&out);
    eng_model_unref(model);
}

TEST(a_tokenizer_is_taken_from_a_gguf_file_a_directory_or_a_tokenizer_json)
{
    static const char *const from[] = {"model.gguf", "first", "first/tokenizer.json"};
    test_write_gguf(in_dir("model.gguf"), NULL);
    eng_source *src = open_source(in_dir("model.gguf"));
    for (size_t i = 0; i < 3; i++) {
        eng_new_model spec = tiny("llama");
        char path[256], name[16];
        snprintf(path, sizeof path, "%s", in_dir(from[i]));
        snprintf(name, sizeof name, i ? "again%zu" : "first", i);
        spec.tokenizer = path;
        make(name, &spec);
        eng_source *made = open_source(in_dir(name));
        EXPECT_EQ(eng__source_config(made)->n_vocab, TEST_N_VOCAB);
        compare_vocabs(eng__source_vocab(src), eng__source_vocab(made));
        eng__source_close(made);
    }
    eng__source_close(src);
}

/* ---- running ---- */

static void run_once(const char *dir)
{
    static const int32_t tokens[4] = {72, 105, 10, 258};
    eng_model *model;
    eng_runtime *rt;
    eng_error err;
    eng_runtime_options options = {
        .n_threads = 1, .max_rows = 8, .max_seqs = 1, .kv_bytes = 1 << 20};
    eng_sampling greedy = {.top_p = 1};
    eng_output out = {.sampling = &greedy, .target = -1};
    EXPECT_OK(eng_model_open(&model, dir, NULL, &err), err);
    EXPECT_OK(eng_runtime_create(&rt, model, &options, &err), err);
    eng_seq *seq = eng_seq_create(rt, model);
    EXPECT(eng_seq_reserve(rt, seq, 4));
    eng_step_begin(rt, model);
    uint32_t row = eng_step_add(rt, seq, tokens, 4);
    eng_step_want(rt, row + 3, &out);
    eng_step_run(rt);
    EXPECT(out.finite && out.token >= 0);
    eng_seq_free(rt, seq);
    eng_runtime_free(rt);
    eng_model_unref(model);
}

TEST(every_family_runs)
{
    static const char *const archs[] = {"llama", "qwen2", "gpt2"};
    for (size_t i = 0; i < 3; i++) {
        eng_new_model spec = tiny(archs[i]);
        make(archs[i], &spec);
        run_once(in_dir(archs[i]));
    }
}

/* ---- refusals ---- */

TEST(numbers_that_make_no_model_are_refused_by_name)
{
    eng_new_model spec = tiny("bert");
    expect_refusal(&spec, "arch: bert, expected llama, qwen2 or gpt2");
    spec = tiny("llama");
    spec.n_layer = 0;
    expect_refusal(&spec, "layers: 0, expected 1 to 4096");
    spec = tiny("llama");
    spec.n_embd = 33;
    expect_refusal(&spec, "width 33 over 4 heads");
    spec = tiny("llama");
    spec.n_kv_head = 3;
    expect_refusal(&spec, "4 heads over 3 key-value heads");
    spec = tiny("gpt2");
    spec.n_kv_head = 2;
    expect_refusal(&spec, "kv-heads: 2");
    spec = tiny("llama");
    spec.n_vocab = 200;
    expect_refusal(&spec, "vocab: 200, expected at least the tokenizer's 259 tokens");
    spec = tiny("llama");
    spec.n_embd = 20; /* heads of 5 */
    expect_refusal(&spec, "even number");
}

TEST(a_tokenizer_that_is_none_is_refused)
{
    eng_new_model spec = tiny("llama");
    char path[256];
    snprintf(path, sizeof path, "%s", in_dir("nothing"));
    spec.tokenizer = path;
    expect_refusal(&spec, "tokenizer: ");
    test_write_file(path, "{}", 2);
    expect_refusal(&spec, "tokenizer.json, model: missing");
    test_write_file(path, "", 0);
    expect_refusal(&spec, "tokenizer: nothing:");
}
