/* Score heads in serving: a reward model's number for a text. */
#include "engine.h"
#include "formats/checkpoint.h"
#include "formats/new_model.h"
#include "harness.h"
#include "train/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 40, WIDTH = 32 };

static const float bias = 0.75f;

static float head_weight(uint32_t i)
{
    return (float)(i % 7) / 4 - 0.6f;
}

/* The known head where the model has one; everything else is the source's own. */
typedef struct known_head {
    eng_source *src;
    const char *row_of; /* "score.weight", or "output.weight" whose row 0 is the head */
} known_head;

static eng_status read_with_head(void *ctx, const eng_tensor_info *t, float *dst, eng_error *err)
{
    const known_head *k = ctx;
    eng_status st = eng__source_read_f32(k->src, t, dst, err);
    for (uint32_t i = 0; st == ENG_OK && i < WIDTH && strcmp(t->name, k->row_of) == 0; i++)
        dst[i] = head_weight(i);
    if (st == ENG_OK && strcmp(t->name, "score.bias") == 0)
        dst[0] = bias;
    return st;
}

static const char *known_dir(const char *arch, bool score)
{
    static char dir[512];
    snprintf(dir, sizeof dir, "%s/%s-%d-known", test_dir(), arch, score);
    return dir;
}

static eng_model *open_f32(const char *dir)
{
    const eng_model_options f32 = {.serve_type = ENG_SERVE_F32, .n_threads = 1};
    eng_model *model;
    eng_error err;
    EXPECT_OK(eng_model_open(&model, dir, &f32, &err), err);
    return model;
}

/* A model of the same body, with a score head or with an unembedding whose first row is that head.
 */
static eng_model *open_model(const char *arch, bool score)
{
    char plain[512], id[ENG_POLICY_ID_BYTES];
    eng_new_model spec = {.arch = arch, .n_layer = 2, .n_embd = WIDTH, .n_head = 4, .n_ctx = 64};
    known_head known = {.row_of = score ? "score.weight" : "output.weight"};
    eng_error err;
    spec.score = score;
    spec.untied = !score;
    snprintf(plain, sizeof plain, "%s/%s-%d", test_dir(), arch, score);
    EXPECT_OK(eng_model_new(plain, &spec, id, &err), err);
    EXPECT_OK(eng__source_open(&known.src, plain, &err), err);
    eng_checkpoint_options options = {.read = read_with_head, .read_ctx = &known};
    EXPECT_OK(eng_checkpoint_write(known.src, known_dir(arch, score), &options, id, &err), err);
    eng__source_close(known.src);
    return open_f32(known_dir(arch, score));
}

/* The last row's output after N tokens, fed in steps of `chunk` rows. */
static eng_output last_row(eng_model *model, uint32_t chunk, uint32_t n_threads, float *logits)
{
    const eng_runtime_options options = {.n_threads = n_threads,
                                         .max_rows = N,
                                         .max_seqs = 2,
                                         .kv_bytes = (size_t)1 << 20,
                                         .kv_f32 = true};
    eng_output out = {.target = -1, .want_score = !logits, .logits = logits};
    eng_runtime *rt;
    eng_error err;
    int32_t tokens[N];
    for (int i = 0; i < N; i++)
        tokens[i] = 'a' + i * 5 % 26;
    EXPECT_OK(eng_runtime_create(&rt, model, &options, &err), err);
    eng_seq *seq = eng_seq_create(rt, model);
    for (uint32_t at = 0; at < N; at += chunk) {
        const uint32_t n = N - at < chunk ? N - at : chunk;
        EXPECT(eng_seq_reserve(rt, seq, n));
        eng_step_begin(rt, model);
        const uint32_t row = eng_step_add(rt, seq, tokens + at, n);
        if (at + n == N)
            eng_step_want(rt, row + n - 1, &out);
        eng_step_run(rt);
    }
    eng_seq_free(rt, seq);
    eng_runtime_free(rt);
    EXPECT(out.finite);
    EXPECT_EQ(out.token, -1);
    return out;
}

static void expect_head_is_a_row_of_an_unembedding(const char *arch)
{
    eng_model *scorer = open_model(arch, true), *lm = open_model(arch, false);
    float logits[512];
    EXPECT(eng_model_has_score(scorer));
    EXPECT(!eng_model_has_score(lm));
    EXPECT(eng_model_config(lm)->n_vocab <= 512);
    last_row(lm, N, 1, logits);
    eng_output out = last_row(scorer, N, 1, NULL);
    EXPECT(fabs((double)logits[0]) > 0.01); /* a number worth comparing */
    EXPECT_NEAR(out.score, (double)logits[0] + bias, 1e-4);
    eng_model_unref(scorer);
    eng_model_unref(lm);
}

/* Both bodies draw the same weights: each tensor's own stream, under its name. */
TEST(a_score_is_the_heads_product_with_the_last_rows_final_norm_plus_its_bias)
{
    expect_head_is_a_row_of_an_unembedding("llama");
    expect_head_is_a_row_of_an_unembedding("gpt2");
}

TEST(a_score_does_not_depend_on_chunks_or_threads)
{
    eng_model *model = open_model("llama", true);
    const float whole = last_row(model, N, 1, NULL).score;
    const float parts[] = {last_row(model, 7, 1, NULL).score, last_row(model, 1, 2, NULL).score,
                           last_row(model, N, 2, NULL).score};
    for (int i = 0; i < 3; i++)
        EXPECT_MEM(&parts[i], &whole, sizeof whole);
    eng_model_unref(model);
}

/* Makes a directory of one whose head has no bias, as transformers' classifiers are: its name
 * becomes that of a buffer, which nothing reads. */
static void drop_bias(const char *dir)
{
    char path[600];
    size_t len;
    snprintf(path, sizeof path, "%s/manifest.json", dir);
    remove(path);
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    char *file = test_read_file(path, &len);
    char *name = memmem(file, len, "\"score.bias\"", strlen("\"score.bias\""));
    EXPECT(name);
    memcpy(name, "\".attn.bias\"", strlen("\".attn.bias\""));
    test_write_file(path, file, len);
    free(file);
}

TEST(a_head_without_a_bias_scores_as_one_whose_bias_is_0)
{
    eng_model *with = open_model("llama", true);
    drop_bias(known_dir("llama", true));
    eng_model *without = open_f32(known_dir("llama", true));
    EXPECT_NEAR(last_row(without, N, 1, NULL).score, last_row(with, N, 1, NULL).score - bias, 1e-6);
    eng_model_unref(with);
    eng_model_unref(without);
}

TEST(a_network_takes_a_head_without_a_bias)
{
    eng_net *net;
    eng_error err;
    eng_model_unref(open_model("gpt2", true));
    drop_bias(known_dir("gpt2", true));
    EXPECT_OK(eng_net_open(&net, known_dir("gpt2", true), ENG_HEAD_SCORE, &err), err);
    EXPECT(eng_net_find(net, "score.bias")->data[0] == 0);
    for (uint32_t i = 0; i < WIDTH; i++)
        EXPECT(eng_net_find(net, "score.weight")->data[i] == head_weight(i));
    eng_net_free(net);
}

TEST(a_runtime_tells_models_of_another_shape)
{
    eng_model *a = open_model("llama", true), *b = open_model("gpt2", true);
    const eng_runtime_options options = {
        .n_threads = 1, .max_rows = 1, .max_seqs = 1, .kv_bytes = (size_t)1 << 20};
    eng_runtime *rt;
    eng_error err;
    EXPECT_OK(eng_runtime_create(&rt, a, &options, &err), err);
    EXPECT(eng_runtime_fits(rt, a));
    EXPECT(!eng_runtime_fits(rt, b)); /* its feed-forward is wider */
    eng_runtime_free(rt);
    eng_model_unref(a);
    eng_model_unref(b);
}
