/* What the tests of training share: nets of tiny models, packs of random tokens, tapes. */
#ifndef TESTS_SUPPORT_TAPE_FIXTURE_H
#define TESTS_SUPPORT_TAPE_FIXTURE_H

#include "harness.h"
#include "model_files.h"
#include "train/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIXTURE_MAX_SEQS = 16, FIXTURE_MAX_TOKENS = 512 };

static inline const char *fixture_file(const test_model_spec *spec)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/model.gguf", test_dir());
    test_write_gguf(path, spec);
    return path;
}

static inline eng_net *fixture_open(const char *path, eng_head head)
{
    eng_net *net;
    eng_error err;
    EXPECT_OK(eng_net_open(&net, path, head, &err), err);
    return net;
}

static inline eng_net *fixture_net(const test_model_spec *spec, eng_head head)
{
    return fixture_open(fixture_file(spec), head);
}

static inline uint32_t fixture_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* A pack of random tokens in sequences of the given lengths. */
typedef struct fixture_pack {
    eng_pack pack;
    int32_t tokens[FIXTURE_MAX_TOKENS];
    uint32_t starts[FIXTURE_MAX_SEQS + 1];
    uint64_t keys[FIXTURE_MAX_SEQS];
} fixture_pack;

static inline void fixture_fill(fixture_pack *p, const uint32_t *lengths, uint32_t n,
                                uint32_t vocab, uint64_t seed)
{
    *p = (fixture_pack){0};
    for (uint32_t s = 0; s < n; s++) {
        p->starts[s + 1] = p->starts[s] + lengths[s];
        p->keys[s] = 100 + s;
    }
    EXPECT(p->starts[n] <= FIXTURE_MAX_TOKENS);
    for (uint32_t i = 0; i < p->starts[n]; i++)
        p->tokens[i] = (int32_t)(fixture_random(&seed) % vocab);
    p->pack = (eng_pack){p->tokens, p->starts, n};
}

/* Every row but each sequence's last predicts the next token. */
typedef struct fixture_targets {
    eng_lm_rows lm;
    uint32_t rows[FIXTURE_MAX_TOKENS];
    int32_t targets[FIXTURE_MAX_TOKENS];
} fixture_targets;

static inline void fixture_target(fixture_targets *t, const fixture_pack *p, float temperature)
{
    uint32_t n = 0;
    for (uint32_t s = 0; s < p->pack.n_seqs; s++)
        for (uint32_t r = p->starts[s]; r + 1 < p->starts[s + 1]; r++, n++) {
            t->rows[n] = r;
            t->targets[n] = p->tokens[r + 1];
        }
    t->lm = (eng_lm_rows){t->rows, t->targets, n, temperature};
}

static inline eng_tape_options fixture_options(const eng_parallel *parallel)
{
    return (eng_tape_options){.max_tokens = FIXTURE_MAX_TOKENS,
                              .max_seqs = FIXTURE_MAX_SEQS,
                              .gradients = true,
                              .parallel = parallel};
}

static inline eng_tape *fixture_tape(const eng_net *net, const eng_tape_options *options)
{
    eng_tape *tape;
    eng_error err;
    EXPECT_OK(eng_tape_create(&tape, eng_net_config(net), options, &err), err);
    return tape;
}

static inline float *fixture_floats(size_t n)
{
    float *p = calloc(n, sizeof *p);
    EXPECT(p);
    return p;
}

#endif
