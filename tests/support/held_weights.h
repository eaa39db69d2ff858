/* A model's weights in memory, as a trainer holds them: to be changed by a test and given to the
 * engine or the publisher. Every tensor of the file as floats, canonical names and layout. Programs
 * without the harness define HELD_WEIGHTS_PLAIN and have weights_read and weights_nudge. */
#ifndef TESTS_SUPPORT_HELD_WEIGHTS_H
#define TESTS_SUPPORT_HELD_WEIGHTS_H

#include "formats/source.h"
#ifndef HELD_WEIGHTS_PLAIN
#include "harness.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct held_weights {
    eng_weights weights; /* .list is `list` */
    eng_weight *list;    /* [weights.n], with room for two more; names and data owned */
} held_weights;

static inline eng_status weights_read(held_weights *h, const char *path, eng_error *err)
{
    eng_source *src;
    eng_status st = eng__source_open(&src, path, err);
    if (st != ENG_OK)
        return st;
    const size_t n = eng__source_n_tensors(src);
    *h = (held_weights){.list = calloc(n + 2, sizeof *h->list)};
    for (size_t i = 0; i < n && st == ENG_OK; i++) {
        const eng_tensor_info *t = eng__source_tensor(src, i);
        float *data = malloc((size_t)t->n_elements * sizeof *data);
        st = eng__source_read_f32(src, t, data, err);
        h->list[i] = (eng_weight){strdup(t->name), data, t->n_elements};
    }
    h->weights = (eng_weights){h->list, (uint32_t)n};
    eng__source_close(src);
    return st;
}

static inline void weights_free(held_weights *h)
{
    for (uint32_t i = 0; i < h->weights.n; i++) {
        free((void *)(uintptr_t)h->list[i].name);
        free((void *)(uintptr_t)h->list[i].data);
    }
    free(h->list);
    *h = (held_weights){0};
}

static inline float *weights_floats(const eng_weight *w)
{
    return (float *)(uintptr_t)w->data;
}

/* Adds step x (a fixed pattern in [-1, 1)) to every weight: another model of the same descent. */
static inline void weights_nudge(held_weights *h, float step)
{
    uint32_t state = 1;
    for (uint32_t i = 0; i < h->weights.n; i++)
        for (uint64_t k = 0; k < h->list[i].n; k++) {
            state = state * 1664525u + 1013904223u;
            weights_floats(&h->list[i])[k] += step * ((float)(state >> 8) / 8388608.0f - 1.0f);
        }
}

#ifndef HELD_WEIGHTS_PLAIN
/* Fails the test when the file cannot be read. */
static inline held_weights weights_hold(const char *path)
{
    held_weights h;
    eng_error err;
    EXPECT_OK(weights_read(&h, path, &err), err);
    return h;
}

static inline eng_weight *weights_find(held_weights *h, const char *name)
{
    for (uint32_t i = 0; i < h->weights.n; i++)
        if (strcmp(h->list[i].name, name) == 0)
            return &h->list[i];
    FAIL("no tensor %s", name);
}

/* The unembedding, if any, gives way to a head of zeros that scores. */
static inline void weights_add_score(held_weights *h, uint32_t n_embd)
{
    for (uint32_t i = 0; i < h->weights.n; i++)
        if (strcmp(h->list[i].name, "output.weight") == 0) {
            free((void *)(uintptr_t)h->list[i].name);
            free((void *)(uintptr_t)h->list[i].data);
            h->list[i] = h->list[--h->weights.n];
        }
    h->list[h->weights.n++] =
        (eng_weight){strdup("score.weight"), calloc(n_embd, sizeof(float)), n_embd};
    h->list[h->weights.n++] = (eng_weight){strdup("score.bias"), calloc(1, sizeof(float)), 1};
}

#endif

#endif
