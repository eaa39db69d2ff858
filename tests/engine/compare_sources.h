/* Two model files side by side: configs, tokenizers, every weight. */
#ifndef TESTS_ENGINE_COMPARE_SOURCES_H
#define TESTS_ENGINE_COMPARE_SOURCES_H

#include "formats/source.h"
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A path in the running test's directory; valid for three calls more. */
static inline const char *in_dir(const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *p = paths[turn++ % 4];
    snprintf(p, 256, "%s/%s", test_dir(), name);
    return p;
}

static inline eng_source *open_source(const char *path)
{
    eng_source *src;
    eng_error err;
    EXPECT_OK(eng__source_open(&src, path, &err), err);
    return src;
}

static inline float *read_floats(const eng_source *src, const char *name,
                                 const eng_tensor_info **info)
{
    eng_error err;
    *info = eng__source_find(src, name);
    if (!*info)
        FAIL("tensor %s is missing", name);
    float *data = malloc((size_t)(*info)->n_elements * sizeof *data);
    EXPECT_OK(eng__source_read_f32(src, *info, data, &err), err);
    return data;
}

/* Where row r of a GGUF llama Q or K matrix stands in half-split layout (GGUF's row 2i+a is
 * row a*d/2 + i of its head). */
static inline size_t half_split_row(size_t row, uint32_t head_dim)
{
    size_t head = row / head_dim, r = row % head_dim;
    return head * head_dim + (r % 2) * (head_dim / 2) + r / 2;
}

static inline void compare_tensor(const eng_source *a, const eng_source *b, const char *name,
                                  double tol)
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

static inline void compare_sources(const eng_source *a, const eng_source *b, double tol)
{
    EXPECT_EQ(eng__source_n_tensors(b), eng__source_n_tensors(a));
    for (size_t i = 0; i < eng__source_n_tensors(a); i++) {
        const eng_tensor_info *info = eng__source_tensor(a, i);
        compare_tensor(a, b, info->name, info->n_dims == 2 ? tol : 0.0);
    }
}

static inline void compare_configs(const eng_config *a, const eng_config *b)
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

static inline void compare_vocabs(const eng_vocab *a, const eng_vocab *b)
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

#endif
