/* Sequences over the block pool: sharing, copy on write, prefix cache, reservation. Steps are not
 * run; where it matters the tests write each position's own mark where its keys would be. */
#include "harness.h"
#include "infer/runtime.h"
#include "model_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The default test model: 2 layers of 2 kv heads of 16; K and V in f16. */
enum { BLOCK_BYTES = 2 * 2 * 2 * 16 * 16 * 2, N_BLOCKS = 24, MAX_SEQS = 6, MAX_LEN = 160 };

typedef struct fixture {
    eng_model *model, *other;
    eng_runtime *rt;
} fixture;

static fixture make_fixture(void)
{
    fixture f;
    eng_error err;
    char path[2][256];
    const eng_model_options options = {.n_threads = 1, .kernels = "scalar"};
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/%d.gguf", test_dir(), i);
        test_write_gguf(path[i], &(test_model_spec){.seed = (uint64_t)i});
    }
    EXPECT_OK(eng_model_open(&f.model, path[0], &options, &err), err);
    EXPECT_OK(eng_model_open(&f.other, path[1], &options, &err), err);
    const eng_runtime_options ro = {.n_threads = 1,
                                    .max_rows = 16,
                                    .max_seqs = MAX_SEQS,
                                    .kv_bytes = (size_t)N_BLOCKS * BLOCK_BYTES};
    EXPECT_OK(eng_runtime_create(&f.rt, f.model, &ro, &err), err);
    return f;
}

static void free_fixture(fixture *f)
{
    eng_kv_stats stats;
    eng_runtime_kv_stats(f->rt, &stats);
    EXPECT_EQ(stats.n_used, 0);
    eng_runtime_free(f->rt);
    eng_model_unref(f->model);
    eng_model_unref(f->other);
}

static eng_kv_stats stats_of(const fixture *f)
{
    eng_kv_stats s;
    eng_runtime_kv_stats(f->rt, &s);
    return s;
}

/* Where position p's mark lies in the pool. */
static uint64_t *mark_at(const fixture *f, const eng_seq *seq, uint32_t p)
{
    eng_kv_view kv = eng__kv_view(f->rt->kv);
    return (uint64_t *)(void *)(kv.pool + (size_t)seq->blocks[p / 16] * kv.block_bytes) + p % 16;
}

/* A position's keys depend on all tokens up to it, and so does its mark. */
static uint64_t mark_of(const int32_t *tokens, uint32_t p)
{
    uint64_t h = 1;
    for (uint32_t i = 0; i <= p; i++)
        h = (h ^ (uint32_t)tokens[i]) * 0x9e3779b97f4a7c15u;
    return h;
}

/* What a step does to a sequence, its marks written for keys; tokens as the step has them. */
static void append(const fixture *f, eng_seq *seq, const int32_t *tokens, uint32_t n)
{
    eng_step_begin(f->rt, seq->model);
    eng_step_add(f->rt, seq, tokens, n);
    for (uint32_t i = 0; i < n; i++)
        *mark_at(f, seq, seq->len + i) = mark_of(seq->tokens, seq->len + i);
    seq->len += n;
    eng__seq_enter_full_blocks(f->rt->kv, seq);
}

static void expect_marks(const fixture *f, const eng_seq *seq, const int32_t *tokens)
{
    for (uint32_t p = 0; p < seq->len; p++)
        if (*mark_at(f, seq, p) != mark_of(tokens, p))
            FAIL("position %u holds another text's keys", p);
}

static void fill_tokens(int32_t *t, uint32_t n, int32_t from)
{
    for (uint32_t i = 0; i < n; i++)
        t[i] = (from + (int32_t)i) % TEST_N_VOCAB;
}

static eng_seq *make_seq(const fixture *f, uint64_t salt, const int32_t *tokens, uint32_t n)
{
    eng_seq *seq = eng_seq_create(f->rt, f->model);
    EXPECT(seq != NULL);
    uint32_t found = eng_seq_attach_prefix(f->rt, seq, salt, tokens, n);
    EXPECT(eng_seq_reserve(f->rt, seq, n - found));
    for (uint32_t at = found; at < n; at += 16)
        append(f, seq, tokens + at, n - at < 16 ? n - at : 16);
    return seq;
}

TEST(create_gives_max_seqs_and_then_null)
{
    fixture f = make_fixture();
    eng_seq *seqs[MAX_SEQS];
    for (int i = 0; i < MAX_SEQS; i++)
        EXPECT((seqs[i] = eng_seq_create(f.rt, f.model)) != NULL);
    EXPECT(eng_seq_create(f.rt, f.model) == NULL);
    EXPECT(eng_seq_fork(f.rt, seqs[0]) == NULL);
    eng_seq_free(f.rt, seqs[3]);
    EXPECT((seqs[3] = eng_seq_fork(f.rt, seqs[0])) != NULL);
    for (int i = 0; i < MAX_SEQS; i++)
        eng_seq_free(f.rt, seqs[i]);
    eng_seq_free(f.rt, NULL);
    free_fixture(&f);
}

TEST(a_sequence_keeps_its_model_alive)
{
    fixture f = make_fixture();
    eng_seq *seq = eng_seq_create(f.rt, f.other);
    eng_model_unref(f.other);
    EXPECT_EQ(eng_model_config(seq->model)->n_layer, 2);
    f.other = eng_model_ref(seq->model);
    eng_seq_free(f.rt, seq);
    free_fixture(&f);
}

TEST(reserve_takes_whole_blocks_and_only_new_ones)
{
    fixture f = make_fixture();
    int32_t t[40];
    fill_tokens(t, 40, 0);
    eng_seq *seq = eng_seq_create(f.rt, f.model);
    EXPECT(eng_seq_reserve(f.rt, seq, 0));
    EXPECT_EQ(stats_of(&f).n_used, 0);
    EXPECT(eng_seq_reserve(f.rt, seq, 1));
    EXPECT_EQ(stats_of(&f).n_used, 1);
    EXPECT(eng_seq_reserve(f.rt, seq, 16));
    EXPECT_EQ(stats_of(&f).n_used, 1);
    append(&f, seq, t, 16);
    EXPECT(eng_seq_reserve(f.rt, seq, 17));
    EXPECT_EQ(stats_of(&f).n_used, 3);
    EXPECT_EQ(eng_seq_len(seq), 16);
    eng_seq_free(f.rt, seq);
    free_fixture(&f);
}

TEST(reserve_that_does_not_fit_changes_nothing)
{
    fixture f = make_fixture();
    int32_t t[32];
    fill_tokens(t, 32, 0);
    eng_seq *seq = make_seq(&f, 0, t, 20), *fork = eng_seq_fork(f.rt, seq);
    const eng_kv_stats before = stats_of(&f);
    const uint32_t n_blocks = seq->n_blocks, tail = seq->blocks[1];
    EXPECT(!eng_seq_reserve(f.rt, seq, 16 * N_BLOCKS));
    /* 22 blocks are left: the shared tail's copy and 22 more do not fit, 21 more do */
    EXPECT(!eng_seq_reserve(f.rt, seq, 12 + 16 * 22));
    EXPECT_EQ(stats_of(&f).n_used, before.n_used);
    EXPECT_EQ(seq->n_blocks, n_blocks);
    EXPECT_EQ(seq->blocks[1], tail);
    EXPECT(eng_seq_reserve(f.rt, seq, 12 + 16 * 21));
    EXPECT_EQ(stats_of(&f).n_used, N_BLOCKS);
    EXPECT(!eng_seq_reserve(f.rt, fork, 16));
    EXPECT(eng_seq_reserve(f.rt, fork, 12)); /* the tail is its own by now */
    eng_seq_free(f.rt, seq);
    eng_seq_free(f.rt, fork);
    free_fixture(&f);
}

TEST(reserve_evicts_cached_blocks_when_none_is_free)
{
    fixture f = make_fixture();
    int32_t t[128];
    fill_tokens(t, 128, 0);
    eng_seq_free(f.rt, make_seq(&f, 1, t, 128));
    EXPECT_EQ(stats_of(&f).n_cached, 8);
    eng_seq *seq = eng_seq_create(f.rt, f.model);
    EXPECT(eng_seq_reserve(f.rt, seq, 16 * (N_BLOCKS - 3)));
    EXPECT_EQ(stats_of(&f).n_cached, 3);
    eng_seq_free(f.rt, seq);
    /* the first blocks of the prefix outlive those that continue them */
    seq = eng_seq_create(f.rt, f.model);
    EXPECT_EQ(eng_seq_attach_prefix(f.rt, seq, 1, t, 128), 48);
    eng_seq_free(f.rt, seq);
    free_fixture(&f);
}

TEST(fork_shares_blocks_until_first_write)
{
    fixture f = make_fixture();
    int32_t a[40], b[40];
    fill_tokens(a, 40, 0);
    memcpy(b, a, sizeof b);
    b[20] = 7;
    eng_seq *seq = make_seq(&f, 0, a, 20), *fork = eng_seq_fork(f.rt, seq);
    EXPECT_EQ(eng_seq_len(fork), 20);
    EXPECT_EQ(stats_of(&f).n_used, 2);
    EXPECT(eng_seq_reserve(f.rt, fork, 1));
    EXPECT_EQ(stats_of(&f).n_used, 3);
    EXPECT_EQ(fork->blocks[0], seq->blocks[0]);
    EXPECT(fork->blocks[1] != seq->blocks[1]);
    append(&f, fork, b + 20, 1);
    EXPECT(eng_seq_reserve(f.rt, seq, 1)); /* alone again: nothing to copy */
    EXPECT_EQ(stats_of(&f).n_used, 3);
    append(&f, seq, a + 20, 1);
    expect_marks(&f, seq, a);
    expect_marks(&f, fork, b);
    eng_seq_free(f.rt, seq);
    expect_marks(&f, fork, b);
    eng_seq_free(f.rt, fork);
    free_fixture(&f);
}

TEST(room_reserved_before_a_fork_is_not_shared)
{
    fixture f = make_fixture();
    int32_t a[60], b[60];
    fill_tokens(a, 60, 0);
    fill_tokens(b, 60, 0);
    for (int i = 20; i < 60; i++)
        b[i] = 200 - i;
    eng_seq *seq = make_seq(&f, 0, a, 20);
    EXPECT(eng_seq_reserve(f.rt, seq, 40));
    eng_seq *fork = eng_seq_fork(f.rt, seq);
    EXPECT(eng_seq_reserve(f.rt, seq, 40));
    EXPECT(eng_seq_reserve(f.rt, fork, 40));
    for (uint32_t i = 20; i < 60; i += 10) {
        append(&f, seq, a + i, 10);
        append(&f, fork, b + i, 10);
    }
    expect_marks(&f, seq, a);
    expect_marks(&f, fork, b);
    eng_seq_free(f.rt, seq);
    eng_seq_free(f.rt, fork);
    free_fixture(&f);
}

TEST(attach_finds_whole_blocks_and_leaves_a_row_to_compute)
{
    fixture f = make_fixture();
    int32_t t[64];
    fill_tokens(t, 64, 0);
    eng_seq_free(f.rt, make_seq(&f, 3, t, 50));
    static const struct {
        uint32_t n, found;
    } cases[] = {{64, 48}, {49, 48}, {48, 32}, {17, 16}, {16, 0}, {1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eng_seq *seq = eng_seq_create(f.rt, f.model);
        EXPECT_EQ(eng_seq_attach_prefix(f.rt, seq, 3, t, cases[i].n), cases[i].found);
        EXPECT_EQ(eng_seq_len(seq), cases[i].found);
        expect_marks(&f, seq, t);
        eng_seq_free(f.rt, seq);
    }
    EXPECT_EQ(stats_of(&f).prefix_queries, 50 + 64 + 49 + 48 + 17 + 16 + 1);
    EXPECT_EQ(stats_of(&f).prefix_hits, 48 + 48 + 32 + 16);
    free_fixture(&f);
}

TEST(attach_never_crosses_a_salt_or_a_model)
{
    fixture f = make_fixture();
    int32_t t[33];
    fill_tokens(t, 33, 0);
    eng_seq_free(f.rt, make_seq(&f, 3, t, 33));
    eng_seq *seq = eng_seq_create(f.rt, f.model);
    EXPECT_EQ(eng_seq_attach_prefix(f.rt, seq, 4, t, 33), 0);
    eng_seq_free(f.rt, seq);
    seq = eng_seq_create(f.rt, f.other);
    EXPECT_EQ(eng_seq_attach_prefix(f.rt, seq, 3, t, 33), 0);
    eng_seq_free(f.rt, seq);
    seq = eng_seq_create(f.rt, f.model);
    EXPECT_EQ(eng_seq_attach_prefix(f.rt, seq, 3, t, 33), 32);
    eng_seq_free(f.rt, seq);
    free_fixture(&f);
}

TEST(salt_zero_neither_finds_nor_enters)
{
    fixture f = make_fixture();
    int32_t t[40];
    fill_tokens(t, 40, 0);
    eng_seq_free(f.rt, make_seq(&f, 0, t, 40));
    EXPECT_EQ(stats_of(&f).n_cached, 0);
    eng_seq_free(f.rt, make_seq(&f, 0, t, 40));
    EXPECT_EQ(stats_of(&f).prefix_queries, 0);
    free_fixture(&f);
}

TEST(a_running_sequence_lends_its_full_blocks)
{
    fixture f = make_fixture();
    int32_t t[40];
    fill_tokens(t, 40, 0);
    eng_seq *first = make_seq(&f, 5, t, 40), *second = make_seq(&f, 5, t, 40);
    EXPECT_EQ(stats_of(&f).n_used, 4); /* two shared, two tails */
    EXPECT_EQ(second->blocks[1], first->blocks[1]);
    eng_seq_free(f.rt, first);
    expect_marks(&f, second, t);
    eng_seq_free(f.rt, second);
    free_fixture(&f);
}

/* ---- random ---- */

typedef struct shadow {
    eng_seq *seq;
    int32_t tokens[MAX_LEN];
} shadow;

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Two tokens only, so that sequences often share prefixes. */
static void random_create(const fixture *f, shadow *s, uint64_t *state)
{
    const uint64_t r = next_random(state);
    const uint32_t n = 1 + (uint32_t)(r % 70);
    for (uint32_t i = 0; i < n; i++)
        s->tokens[i] = (int32_t)(i / 16 % 2 ? r / 128 % 2 : r / 256 % 2);
    s->seq = eng_seq_create(f->rt, f->model);
    if (!s->seq)
        return;
    uint32_t found = eng_seq_attach_prefix(f->rt, s->seq, r / 512 % 3, s->tokens, n);
    EXPECT(found < n && found % 16 == 0);
    expect_marks(f, s->seq, s->tokens);
    for (uint32_t at = found; at < n; at += 16) {
        uint32_t chunk = n - at < 16 ? n - at : 16;
        if (!eng_seq_reserve(f->rt, s->seq, chunk))
            return;
        append(f, s->seq, s->tokens + at, chunk);
    }
}

static void random_append(const fixture *f, shadow *s, uint64_t *state)
{
    const uint32_t n = 1 + (uint32_t)(next_random(state) % 16);
    if (s->seq->len + n > MAX_LEN || !eng_seq_reserve(f->rt, s->seq, n + (n % 3 ? 0 : 20)))
        return;
    for (uint32_t i = 0; i < n; i++)
        s->tokens[s->seq->len + i] = (int32_t)(next_random(state) % 2);
    append(f, s->seq, s->tokens + s->seq->len, n);
}

TEST(all_blocks_return_and_no_text_meets_another_after_random_operations)
{
    fixture f = make_fixture();
    shadow live[MAX_SEQS] = {{0}};
    uint64_t state = 4;
    for (int step = 0; step < 6000; step++) {
        const uint64_t r = next_random(&state);
        shadow *s = &live[r / 8 % MAX_SEQS], *other = &live[r / 64 % MAX_SEQS];
        if (!s->seq) {
            random_create(&f, s, &state);
        } else if (r % 8 == 0) {
            eng_seq_free(f.rt, s->seq);
            s->seq = NULL;
        } else if (r % 8 == 1 && !other->seq) {
            memcpy(other->tokens, s->tokens, sizeof s->tokens);
            other->seq = eng_seq_fork(f.rt, s->seq);
        } else {
            random_append(&f, s, &state);
        }
        for (int i = 0; i < MAX_SEQS; i++)
            if (live[i].seq)
                expect_marks(&f, live[i].seq, live[i].tokens);
    }
    for (int i = 0; i < MAX_SEQS; i++)
        eng_seq_free(f.rt, live[i].seq);
    const eng_kv_stats stats = stats_of(&f);
    EXPECT_EQ(stats.n_used, 0);
    EXPECT(stats.prefix_hits > 1000); /* the cache took part */
    free_fixture(&f);
}
