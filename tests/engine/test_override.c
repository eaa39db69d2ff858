/* Weights from memory in the place of a file's: models, checkpoint directories, refusals. */
#include "compare_sources.h"
#include "formats/checkpoint.h"
#include "held_weights.h"
#include "infer/model.h"
#include "model_files.h"

#include <string.h>

static const char *write_model(const test_model_spec *spec)
{
    const char *path = in_dir("model.gguf");
    test_write_gguf(path, spec);
    return path;
}

static void expect_packed_alike(const char *path, eng_serve_type serve_type)
{
    const eng_model_options options = {.serve_type = serve_type};
    held_weights h = weights_hold(path);
    eng_model *file, *memory;
    eng_error err;
    EXPECT_OK(eng_model_open(&file, path, &options, &err), err);
    EXPECT_OK(eng_model_open_with(&memory, path, &h.weights, &options, &err), err);
    EXPECT_EQ(memory->matrix_bytes, file->matrix_bytes);
    EXPECT_MEM(memory->matrices, file->matrices, file->matrix_bytes);
    EXPECT_EQ(memory->vector_floats, file->vector_floats);
    EXPECT_MEM(memory->vectors, file->vectors, file->vector_floats * sizeof(float));
    EXPECT_EQ(strlen(eng_model_digest(file)), 64);
    EXPECT_STR(eng_model_digest(memory), "");
    eng_model_unref(memory);
    eng_model_unref(file);
    weights_free(&h);
}

static const eng_serve_type serve_types[] = {ENG_SERVE_AS_FILE, ENG_SERVE_F32, ENG_SERVE_BF16,
                                             ENG_SERVE_Q8_0};

TEST(weights_from_memory_are_packed_as_those_of_a_file)
{
    static const test_model_spec specs[] = {
        {.arch = "llama"}, {.arch = "gpt2"}, {.arch = "qwen2", .untied = true}};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        for (size_t t = 0; t < sizeof serve_types / sizeof *serve_types; t++)
            expect_packed_alike(write_model(&specs[i]), serve_types[t]);
}

/* Hundreds of MB are not copied to be packed. */
TEST(weights_in_memory_are_lent_as_they_lie)
{
    const char *path = write_model(NULL);
    held_weights h = weights_hold(path);
    eng_source *src = open_source(path);
    eng_error err;
    const eng_tensor_info *t = eng__source_find(src, "blk.1.ffn_up.weight");
    EXPECT(t && !eng__source_lent(src, t));
    EXPECT_OK(eng__source_take_weights(src, &h.weights, &err), err);
    t = eng__source_find(src, "blk.1.ffn_up.weight");
    EXPECT(t && eng__source_lent(src, t) == weights_find(&h, "blk.1.ffn_up.weight")->data);
    eng__source_close(src);
    weights_free(&h);
}

/* A directory stores Conv1D matrices the other way round; memory has the canonical layout. */
TEST(weights_from_memory_replace_those_of_a_directory)
{
    char id[ENG_POLICY_ID_BYTES], again[ENG_POLICY_ID_BYTES];
    eng_error err;
    eng_source *src = open_source(write_model(&(test_model_spec){.arch = "gpt2"}));
    EXPECT_OK(eng_checkpoint_write(src, in_dir("one"), NULL, id, &err), err);
    eng__source_close(src);
    held_weights h = weights_hold(in_dir("one"));
    EXPECT_OK(
        eng_checkpoint_write_weights(in_dir("one"), &h.weights, in_dir("two"), NULL, again, &err),
        err);
    EXPECT_STR(again, id);
    weights_free(&h);
}

TEST(a_quantised_base_lends_its_shape_alone)
{
    const char *path = write_model(&(test_model_spec){.type = ENG_Q8_0});
    held_weights h = weights_hold(path);
    eng_model *model;
    eng_model_facts facts;
    eng_error err;
    EXPECT_OK(eng_model_open_with(&model, path, &h.weights, NULL, &err), err);
    EXPECT_STR(eng_model_dtype(model), "f32");
    eng_model_unref(model);
    EXPECT_OK(eng_model_inspect(&facts, path, ENG_SERVE_AS_FILE, &err), err);
    EXPECT_STR(facts.dtype, "q8_0");
    weights_free(&h);
}

TEST(a_score_head_takes_the_unembeddings_place)
{
    const char *path = write_model(&(test_model_spec){.untied = true});
    held_weights h = weights_hold(path);
    char id[ENG_POLICY_ID_BYTES];
    eng_model_facts facts;
    eng_error err;
    weights_add_score(&h, 64);
    EXPECT_OK(eng_checkpoint_write_weights(path, &h.weights, in_dir("rm"), NULL, id, &err), err);
    eng_source *src = open_source(in_dir("rm"));
    const eng_tensor_info *t;
    EXPECT_OK(eng__source_expect(src, "score.weight", 64, 1, &t, &err), err);
    EXPECT_OK(eng__source_expect(src, "score.bias", 1, 0, &t, &err), err);
    EXPECT(!eng__source_find(src, "output.weight"));
    eng__source_close(src);
    EXPECT_OK(eng_model_inspect(&facts, in_dir("rm"), ENG_SERVE_AS_FILE, &err), err);
    EXPECT(facts.scored);
    /* and a scored base takes weights with a head as they are */
    held_weights scored = weights_hold(in_dir("rm"));
    char same[ENG_POLICY_ID_BYTES];
    EXPECT_OK(eng_checkpoint_write_weights(in_dir("rm"), &scored.weights, in_dir("rm2"), NULL, same,
                                           &err),
              err);
    EXPECT_STR(same, id);
    weights_free(&scored);
    weights_free(&h);
}

static void expect_refused(held_weights *h, eng_status want, const char *words)
{
    eng_model *model;
    eng_error err;
    EXPECT_EQ(eng_model_open_with(&model, in_dir("model.gguf"), &h->weights, NULL, &err), want);
    if (!strstr(err.text, words))
        FAIL("\"%s\" does not say \"%s\"", err.text, words);
}

TEST(weights_that_do_not_fit_are_refused_by_name)
{
    held_weights h = weights_hold(write_model(NULL));
    eng_weight *w = weights_find(&h, "blk.1.ffn_up.weight");
    w->n--;
    expect_refused(&h, ENG_INVALID, "blk.1.ffn_up.weight: 8191 elements, expected 8192");
    w->n++;
    const eng_weight kept = *w;
    w->name = "blk.1.ffn_up.bias";
    expect_refused(&h, ENG_INVALID, "blk.1.ffn_up.weight: missing");
    *w = kept;
    h.list[h.weights.n++] = (eng_weight){"blk.9.ffn_up.weight", w->data, w->n};
    expect_refused(&h, ENG_INVALID, "blk.9.ffn_up.weight: the base model has none");
    h.list[h.weights.n - 1] = *w;
    expect_refused(&h, ENG_INVALID, "blk.1.ffn_up.weight: listed twice");
    h.weights.n--;
    weights_free(&h);
}

TEST(weights_that_are_not_finite_are_refused_in_every_type_they_may_be_served_in)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    held_weights h = weights_hold(write_model(NULL));
    float *x = weights_floats(weights_find(&h, "blk.1.ffn_up.weight"));
    for (size_t t = 0; t < sizeof serve_types / sizeof *serve_types; t++)
        for (size_t b = 0; b < 3; b++) {
            const eng_model_options options = {.serve_type = serve_types[t]};
            const float kept = x[77];
            eng_model *model;
            eng_error err;
            x[77] = bad[b];
            EXPECT_EQ(eng_model_open_with(&model, in_dir("model.gguf"), &h.weights, &options, &err),
                      ENG_FORMAT);
            if (!strstr(err.text, "blk.1.ffn_up.weight: a weight that is not finite, in row "))
                FAIL("serve type %d: \"%s\"", (int)serve_types[t], err.text);
            x[77] = kept;
        }
    weights_free(&h);
}

TEST(inspecting_tells_what_loading_gives)
{
    static const eng_serve_type types[] = {ENG_SERVE_AS_FILE, ENG_SERVE_F32, ENG_SERVE_BF16,
                                           ENG_SERVE_Q8_0};
    const char *path = write_model(&(test_model_spec){.type = ENG_Q4_1});
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const eng_model_options options = {.serve_type = types[i]};
        eng_model_facts facts;
        eng_model *model;
        char digest[65];
        eng_error err;
        EXPECT_OK(eng_model_inspect(&facts, path, types[i], &err), err);
        EXPECT_OK(eng_model_open(&model, path, &options, &err), err);
        EXPECT_EQ(facts.bytes, eng_model_bytes(model));
        EXPECT_STR(facts.dtype, eng_model_dtype(model));
        EXPECT(eng_config_same_shape(&facts.config, eng_model_config(model)));
        EXPECT_OK(eng_model_file_digest(path, digest, &err), err);
        EXPECT_STR(digest, eng_model_digest(model));
        eng_model_unref(model);
    }
}

/* In memory that held something else before. */
static void fill_config(eng_config *c, int before)
{
    memset(c, before, sizeof *c);
    strcpy(c->arch, "llama");
    c->n_layer = 2, c->n_embd = 64, c->n_head = 4, c->n_kv_head = 2, c->head_dim = 16;
    c->n_ff = 128, c->n_vocab = 288, c->n_ctx = 256;
    c->norm = ENG_NORM_RMS, c->norm_eps = 1e-5f;
    c->pos = ENG_POS_ROPE_HALF, c->rope_base = 1e4f, c->rope_dims = 16;
    c->mlp = ENG_MLP_SWIGLU, c->qkv_bias = false, c->out_bias = false, c->tied = true;
    c->window = 0, c->window_period = 0;
}

TEST(equal_configs_may_differ_in_their_padding)
{
    eng_config a, b;
    fill_config(&a, 0);
    fill_config(&b, 0xff);
    EXPECT(memcmp(&a, &b, sizeof a) != 0);
    EXPECT(eng_config_equal(&a, &b));
    b.pos = ENG_POS_ROPE_PAIRS;
    EXPECT(!eng_config_equal(&a, &b));
    b.pos = a.pos;
    b.window = 8;
    EXPECT(!eng_config_equal(&a, &b));
}

TEST(shapes_differ_in_any_dimension)
{
    const eng_config a = {.n_layer = 2,
                          .n_embd = 64,
                          .n_head = 4,
                          .n_kv_head = 2,
                          .head_dim = 16,
                          .n_ff = 128,
                          .n_vocab = 288,
                          .n_ctx = 256};
    eng_config b = a;
    b.pos = ENG_POS_ROPE_HALF; /* a published directory of a GGUF base */
    EXPECT(eng_config_same_shape(&a, &b));
    uint32_t *const fields[] = {&b.n_layer,  &b.n_embd, &b.n_head,  &b.n_kv_head,
                                &b.head_dim, &b.n_ff,   &b.n_vocab, &b.n_ctx};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        ++*fields[i];
        EXPECT(!eng_config_same_shape(&a, &b));
        --*fields[i];
    }
}
