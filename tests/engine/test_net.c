/* Networks: the file's parameters under their names, one flat block, heads that come and go. */
#include "formats/checkpoint.h"
#include "tape_fixture.h"

#include <math.h>

static const test_model_spec llama = {.arch = "llama", .untied = true, .qkv_bias = true},
                             tied = {.arch = "llama"}, gpt2 = {.arch = "gpt2"},
                             quantised = {.arch = "llama", .type = ENG_Q4_1};

/* Every parameter stands in the file under its name, with its values, and every tensor of the file
 * but rope_freqs is a parameter. */
static void expect_holds_the_file(const test_model_spec *spec)
{
    const char *path = fixture_file(spec);
    eng_net *net = fixture_open(path, ENG_HEAD_LM);
    eng_source *src;
    eng_error err;
    EXPECT_OK(eng__source_open(&src, path, &err), err);
    for (size_t i = 0; i < eng__source_n_tensors(src); i++) {
        const eng_tensor_info *t = eng__source_tensor(src, i);
        const eng_param *p = eng_net_find(net, t->name);
        if (!p)
            FAIL("%s is no parameter", t->name);
        const size_t n = (size_t)t->n_elements;
        EXPECT_EQ((size_t)p->rows * p->cols, n);
        EXPECT_EQ(p->cols, t->dims[0]);
        float *want = fixture_floats(n);
        EXPECT_OK(eng__source_read_f32(src, t, want, &err), err);
        EXPECT_MEM(p->data, want, n * sizeof *want);
        free(want);
    }
    uint32_t n;
    eng_net_params(net, &n);
    EXPECT_EQ(n, eng__source_n_tensors(src));
    eng__source_close(src);
    eng_net_free(net);
}

TEST(a_network_holds_every_tensor_of_its_file)
{
    expect_holds_the_file(&llama);
    expect_holds_the_file(&tied);
    expect_holds_the_file(&gpt2);
    expect_holds_the_file(&quantised);
}

TEST(parameters_fill_the_flat_block_without_gaps)
{
    const test_model_spec *const specs[] = {&llama, &tied, &gpt2};
    for (int i = 0; i < 3; i++)
        for (int head = 0; head < 2; head++) {
            eng_net *net = fixture_net(specs[i], (eng_head)head);
            uint32_t n;
            size_t at = 0;
            const eng_param *params = eng_net_params(net, &n);
            for (uint32_t j = 0; j < n; j++) {
                EXPECT_EQ(params[j].offset, at);
                EXPECT(params[j].data == eng_net_floats(net) + at);
                at += (size_t)params[j].rows * params[j].cols;
            }
            EXPECT_EQ(at, eng_net_n_floats(net));
            eng_net_free(net);
        }
}

TEST(a_tied_unembedding_is_one_parameter_with_the_embedding)
{
    eng_net *net = fixture_net(&tied, ENG_HEAD_LM);
    EXPECT(eng_net_config(net)->tied);
    EXPECT(eng_net_find(net, "token_embd.weight") != NULL);
    EXPECT(eng_net_find(net, "output.weight") == NULL);
    eng_net_free(net);
}

TEST(a_score_head_replaces_the_unembedding_and_starts_at_zero)
{
    eng_net *net = fixture_net(&llama, ENG_HEAD_SCORE);
    const eng_param *w = eng_net_find(net, "score.weight"), *b = eng_net_find(net, "score.bias");
    EXPECT(eng_net_find(net, "output.weight") == NULL);
    EXPECT_EQ(eng_net_head(net), ENG_HEAD_SCORE);
    EXPECT_EQ(w->rows, 1);
    EXPECT_EQ(w->cols, eng_net_config(net)->n_embd);
    EXPECT_EQ(b->rows * b->cols, 1);
    for (uint32_t i = 0; i < w->cols; i++)
        EXPECT(w->data[i] == 0);
    EXPECT(*b->data == 0);
    eng_net_free(net);
}

TEST(a_new_score_head_is_normal_with_variance_one_over_width_and_one)
{
    static const test_model_spec wide = {.arch = "llama", .embd = 1024, .ff = 32, .layers = 1};
    eng_net *net = fixture_net(&wide, ENG_HEAD_SCORE);
    const eng_param *w = eng_net_find(net, "score.weight");
    double sum = 0, squares = 0;
    eng_net_init_score(net, 11);
    for (uint32_t i = 0; i < 1024; i++) {
        sum += (double)w->data[i];
        squares += (double)w->data[i] * (double)w->data[i];
    }
    /* within four standard errors */
    EXPECT_NEAR(sum / 1024, 0, 4 * sqrt(1.0 / 1025 / 1024));
    EXPECT_NEAR(squares / 1024 * 1025, 1, 4 * sqrt(2.0 / 1024));
    const float first = w->data[0];
    eng_net_init_score(net, 12);
    EXPECT(w->data[0] != first);
    eng_net_init_score(net, 11);
    EXPECT(w->data[0] == first);
    eng_net_free(net);
}

TEST(a_clone_has_the_parameters_and_outlives_its_origin)
{
    eng_net *net = fixture_net(&gpt2, ENG_HEAD_LM), *copy, *value;
    eng_error err;
    const size_t n = eng_net_n_floats(net);
    float *want = fixture_floats(n);
    memcpy(want, eng_net_floats(net), n * sizeof *want);
    EXPECT_OK(eng_net_clone(&copy, net, ENG_HEAD_LM, &err), err);
    EXPECT_OK(eng_net_clone(&value, net, ENG_HEAD_SCORE, &err), err);
    eng_net_free(net);
    EXPECT_EQ(eng_net_n_floats(copy), n);
    EXPECT_MEM(eng_net_floats(copy), want, n * sizeof *want);
    EXPECT_EQ(eng_net_n_floats(value), n + eng_net_config(copy)->n_embd + 1);
    EXPECT_MEM(eng_net_floats(value), want, n * sizeof *want);
    EXPECT(eng_net_tokenizer(copy) == eng_net_tokenizer(value));
    eng_net_free(copy);

    eng_net_init_score(value, 3);
    EXPECT_OK(eng_net_clone(&copy, value, ENG_HEAD_SCORE, &err), err);
    EXPECT_MEM(eng_net_floats(copy), eng_net_floats(value),
               eng_net_n_floats(value) * sizeof(float));
    eng_net_free(copy);
    eng_net_free(value);
    free(want);
}

TEST(a_score_head_can_give_way_to_a_tied_unembedding_only)
{
    eng_error err;
    eng_net *net = fixture_net(&tied, ENG_HEAD_SCORE), *out;
    EXPECT_OK(eng_net_clone(&out, net, ENG_HEAD_LM, &err), err);
    eng_net_free(out);
    eng_net_free(net);
    net = fixture_net(&llama, ENG_HEAD_SCORE);
    EXPECT_EQ(eng_net_clone(&out, net, ENG_HEAD_LM, &err), ENG_INVALID);
    EXPECT(out == NULL);
    EXPECT(strstr(err.text, "unembedding") != NULL);
    eng_net_free(net);
}

/* A checkpoint written with a score head, as a reward model is. */
typedef struct scored {
    const float *w;
    float bias;
} scored;

static eng_status fill_scored(void *ctx, const eng_tensor_info *t, float *dst, eng_error *err)
{
    const scored *s = ctx;
    (void)err;
    for (uint64_t i = 0; i < t->n_elements; i++)
        dst[i] = strcmp(t->name, "score.bias") == 0 ? s->bias : s->w[i % 64];
    return ENG_OK;
}

static const char *scored_directory(const float w[64], float bias)
{
    static char dir[256];
    scored s = {w, bias};
    eng_source *src;
    eng_error err;
    char id[ENG_POLICY_ID_BYTES];
    EXPECT_OK(eng__source_open(&src, fixture_file(&llama), &err), err);
    EXPECT_OK(eng__source_override(src, true, fill_scored, &s, &err), err);
    snprintf(dir, sizeof dir, "%s/scored", test_dir());
    EXPECT_OK(eng_checkpoint_write(src, dir, NULL, id, &err), err);
    eng__source_close(src);
    return dir;
}

TEST(a_reward_model_s_directory_opens_with_its_score_head_alone)
{
    float w[64];
    for (int i = 0; i < 64; i++)
        w[i] = 0.5f + (float)i;
    const char *dir = scored_directory(w, -2);
    eng_net *net = fixture_open(dir, ENG_HEAD_SCORE);
    EXPECT_MEM(eng_net_find(net, "score.weight")->data, w, sizeof w);
    EXPECT(*eng_net_find(net, "score.bias")->data == -2);
    eng_net_free(net);
    eng_error err;
    EXPECT_EQ(eng_net_open(&net, dir, ENG_HEAD_LM, &err), ENG_UNSUPPORTED);
    EXPECT(strstr(err.text, "output.weight") != NULL);
}

TEST(a_file_that_lacks_a_tensor_is_refused_by_name)
{
    size_t len;
    uint8_t *bytes = test_build_gguf(&tied, &len);
    uint8_t *at = memmem(bytes, len, "blk.1.ffn_up", 12);
    eng_net *net;
    eng_error err;
    char path[256];
    EXPECT(at != NULL);
    memcpy(at, "blk.1.attn_q", 12); /* once more, in ffn_up's place */
    snprintf(path, sizeof path, "%s/broken.gguf", test_dir());
    test_write_file(path, bytes, len);
    EXPECT(eng_net_open(&net, path, ENG_HEAD_LM, &err) != ENG_OK);
    EXPECT(net == NULL);
    EXPECT(strstr(err.text, "blk.1.") != NULL);
    EXPECT(eng_net_open(&net, "/nonexistent", ENG_HEAD_LM, &err) != ENG_OK);
    EXPECT(strstr(err.text, "/nonexistent") != NULL);
    free(bytes);
}
