/* Weights held against the model that they grew from: training passes, accidents do not. */
#include "base/random.h"
#include "compare_sources.h"
#include "formats/descent.h"
#include "model_files.h"

/* The model's own weights, to be changed by a test. */
typedef struct child {
    char path[256];
    eng_weights weights;
    eng_weight *list;
} child;

static child open_child(const test_model_spec *spec)
{
    child c;
    snprintf(c.path, sizeof c.path, "%s", in_dir("model.gguf"));
    test_write_gguf(c.path, spec);
    eng_source *src = open_source(c.path);
    c.list = calloc(eng__source_n_tensors(src), sizeof *c.list);
    c.weights = (eng_weights){c.list, (uint32_t)eng__source_n_tensors(src)};
    for (uint32_t i = 0; i < c.weights.n; i++) {
        const eng_tensor_info *t = eng__source_tensor(src, i);
        c.list[i].name = strdup(t->name);
        c.list[i].data = read_floats(src, t->name, &t);
        c.list[i].n = t->n_elements;
    }
    eng__source_close(src);
    return c;
}

static void close_child(child *c)
{
    for (uint32_t i = 0; i < c->weights.n; i++) {
        free((void *)(uintptr_t)c->list[i].name);
        free((void *)(uintptr_t)c->list[i].data);
    }
    free(c->list);
}

static eng_weight *find(child *c, const char *name)
{
    for (uint32_t i = 0; i < c->weights.n; i++)
        if (strcmp(c->list[i].name, name) == 0)
            return &c->list[i];
    FAIL("no tensor %s", name);
}

static float *floats_of(const eng_weight *w)
{
    return (float *)(uintptr_t)w->data;
}

static void scale(eng_weight *w, float by)
{
    for (uint64_t i = 0; i < w->n; i++)
        floats_of(w)[i] *= by;
}

static void swap(eng_weight *a, eng_weight *b)
{
    const float *data = a->data;
    a->data = b->data;
    b->data = data;
}

static void expect_passes(const child *c)
{
    eng_error err;
    EXPECT_OK(eng_weights_check_descent(c->path, &c->weights, &err), err);
}

static void expect_refused(const child *c, const char *words)
{
    eng_error err;
    EXPECT_EQ(eng_weights_check_descent(c->path, &c->weights, &err), ENG_INVALID);
    if (!strstr(err.text, words))
        FAIL("\"%s\" does not say \"%s\"", err.text, words);
}

static const test_model_spec families[] = {{.arch = "llama", .layers = 3},
                                           {.arch = "gpt2", .layers = 3},
                                           {.arch = "llama", .type = ENG_Q4_0}};

TEST(a_model_descends_from_itself)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        child c = open_child(&families[i]);
        expect_passes(&c);
        close_child(&c);
    }
}

/* Noise of half the weights' size: more than any fine-tuning does to a matrix. */
TEST(training_however_far_passes)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (int far = 0; far < 3; far++) {
            static const double sizes[] = {0.01, 0.5, 20};
            child c = open_child(&families[i]);
            for (uint32_t t = 0; t < c.weights.n; t++) {
                float *w = floats_of(&c.list[t]), *noise = malloc(c.list[t].n * sizeof *noise);
                eng__fill_normal(noise, (size_t)c.list[t].n, sizes[far] * 0.1, 7, t);
                for (uint64_t k = 0; k < c.list[t].n; k++)
                    w[k] += noise[k];
                free(noise);
            }
            expect_passes(&c);
            close_child(&c);
        }
}

TEST(gains_may_grow_alike)
{
    child c = open_child(NULL);
    scale(find(&c, "blk.0.attn_norm.weight"), 3);
    expect_passes(&c);
    scale(find(&c, "blk.0.attn_norm.weight"), 100);
    expect_refused(&c, "blk.0.attn_norm.weight: the base's times");
    close_child(&c);
}

TEST(every_blanked_scaled_or_swapped_matrix_is_refused_by_name)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        child c = open_child(&families[i]);
        for (uint32_t t = 0; t < c.weights.n; t++) {
            eng_weight *w = &c.list[t];
            char other[96];
            if (!strstr(w->name, "weight") || strstr(w->name, "norm"))
                continue;
            float *kept = malloc((size_t)w->n * sizeof *kept);
            memcpy(kept, w->data, (size_t)w->n * sizeof *kept);
            memset(floats_of(w), 0, (size_t)w->n * sizeof *kept);
            expect_refused(&c, w->name);
            memcpy(floats_of(w), kept, (size_t)w->n * sizeof *kept);
            scale(w, 2.5f);
            expect_refused(&c, "times 2.5");
            scale(w, 0.1f);
            expect_refused(&c, "times 0.25");
            memcpy(floats_of(w), kept, (size_t)w->n * sizeof *kept);
            free(kept);
            if (strncmp(w->name, "blk.0.", 6) != 0)
                continue;
            snprintf(other, sizeof other, "blk.1.%s", w->name + 6);
            swap(w, find(&c, other));
            expect_refused(&c, "holds the base's blk.");
            swap(w, find(&c, other));
        }
        expect_passes(&c);
        close_child(&c);
    }
}

TEST(heads_and_what_the_base_lacks_are_not_looked_at)
{
    child c = open_child(NULL);
    eng_weight *list = calloc(c.weights.n + 2, sizeof *list);
    float zeros[64] = {0};
    memcpy(list, c.list, c.weights.n * sizeof *list);
    list[c.weights.n] = (eng_weight){"score.weight", zeros, 64};
    list[c.weights.n + 1] = (eng_weight){"score.bias", zeros, 1};
    const eng_weights scored = {list, c.weights.n + 2};
    eng_error err;
    EXPECT_OK(eng_weights_check_descent(c.path, &scored, &err), err);
    free(list);
    close_child(&c);
}
