/* Weights held against the model that they grew from: training passes, accidents do not. */
#include "base/random.h"
#include "compare_sources.h"
#include "formats/descent.h"
#include "held_weights.h"
#include "model_files.h"

typedef struct child {
    char path[256];
    held_weights held;
} child;

static child open_child(const test_model_spec *spec)
{
    child c;
    snprintf(c.path, sizeof c.path, "%s", in_dir("model.gguf"));
    test_write_gguf(c.path, spec);
    c.held = weights_hold(c.path);
    return c;
}

static void scale(eng_weight *w, float by)
{
    for (uint64_t i = 0; i < w->n; i++)
        weights_floats(w)[i] *= by;
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
    EXPECT_OK(eng_weights_check_descent(c->path, &c->held.weights, &err), err);
}

static void expect_refused(const child *c, const char *words)
{
    eng_error err;
    EXPECT_EQ(eng_weights_check_descent(c->path, &c->held.weights, &err), ENG_INVALID);
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
        weights_free(&c.held);
    }
}

/* Noise of half the weights' size: more than any fine-tuning does to a matrix. */
TEST(training_however_far_passes)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (int far = 0; far < 3; far++) {
            static const double sizes[] = {0.01, 0.5, 20};
            child c = open_child(&families[i]);
            for (uint32_t t = 0; t < c.held.weights.n; t++) {
                float *w = weights_floats(&c.held.list[t]),
                      *noise = malloc(c.held.list[t].n * sizeof *noise);
                eng__fill_normal(noise, (size_t)c.held.list[t].n, sizes[far] * 0.1, 7, t);
                for (uint64_t k = 0; k < c.held.list[t].n; k++)
                    w[k] += noise[k];
                free(noise);
            }
            expect_passes(&c);
            weights_free(&c.held);
        }
}

TEST(gains_may_grow_alike)
{
    child c = open_child(NULL);
    scale(weights_find(&c.held, "blk.0.attn_norm.weight"), 3);
    expect_passes(&c);
    scale(weights_find(&c.held, "blk.0.attn_norm.weight"), 100);
    expect_refused(&c, "blk.0.attn_norm.weight: the base's times");
    weights_free(&c.held);
}

TEST(every_blanked_scaled_or_swapped_matrix_is_refused_by_name)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        child c = open_child(&families[i]);
        for (uint32_t t = 0; t < c.held.weights.n; t++) {
            eng_weight *w = &c.held.list[t];
            char other[96];
            if (!strstr(w->name, "weight") || strstr(w->name, "norm"))
                continue;
            float *kept = malloc((size_t)w->n * sizeof *kept);
            memcpy(kept, w->data, (size_t)w->n * sizeof *kept);
            memset(weights_floats(w), 0, (size_t)w->n * sizeof *kept);
            expect_refused(&c, w->name);
            memcpy(weights_floats(w), kept, (size_t)w->n * sizeof *kept);
            scale(w, 2.5f);
            expect_refused(&c, "times 2.5");
            scale(w, 0.1f);
            expect_refused(&c, "times 0.25");
            memcpy(weights_floats(w), kept, (size_t)w->n * sizeof *kept);
            free(kept);
            if (strncmp(w->name, "blk.0.", 6) != 0)
                continue;
            snprintf(other, sizeof other, "blk.1.%s", w->name + 6);
            swap(w, weights_find(&c.held, other));
            expect_refused(&c, "holds the base's blk.");
            swap(w, weights_find(&c.held, other));
        }
        expect_passes(&c);
        weights_free(&c.held);
    }
}

TEST(heads_and_what_the_base_lacks_are_not_looked_at)
{
    child c = open_child(NULL);
    eng_weight *list = calloc(c.held.weights.n + 2, sizeof *list);
    float zeros[64] = {0};
    memcpy(list, c.held.list, c.held.weights.n * sizeof *list);
    list[c.held.weights.n] = (eng_weight){"score.weight", zeros, 64};
    list[c.held.weights.n + 1] = (eng_weight){"score.bias", zeros, 1};
    const eng_weights scored = {list, c.held.weights.n + 2};
    eng_error err;
    EXPECT_OK(eng_weights_check_descent(c.path, &scored, &err), err);
    free(list);
    weights_free(&c.held);
}
