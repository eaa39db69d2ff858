/* The block pool and its prefix cache, without a model. */
#include "harness.h"
#include "infer/kv.h"

#include <stdlib.h>
#include <string.h>

enum { N_BLOCKS = 8, BLOCK_BYTES = 2 * 2 * 16 * 8 * 2 };

static const eng_config shape = {
    .n_layer = 2, .n_embd = 8, .n_head = 1, .n_kv_head = 1, .head_dim = 8, .n_ctx = 256};
static const eng_kv_scope mine = {.model_uid = 1, .salt = 10};

static eng_kv *make_kv(void)
{
    eng_kv *kv;
    eng_error err;
    EXPECT_OK(eng__kv_create(&kv, &shape, N_BLOCKS * BLOCK_BYTES + BLOCK_BYTES / 2, false, &err),
              err);
    return kv;
}

static void expect_counts(const eng_kv *kv, uint32_t used, uint32_t cached)
{
    eng_kv_stats stats;
    eng__kv_stats(kv, &stats);
    EXPECT_EQ(stats.n_blocks, N_BLOCKS);
    EXPECT_EQ(stats.block_tokens, 16);
    EXPECT_EQ(stats.n_used, used);
    EXPECT_EQ(stats.n_cached, cached);
    EXPECT_EQ(eng__kv_available(kv), N_BLOCKS - used);
}

static uint32_t take(eng_kv *kv)
{
    int32_t b = eng__kv_take(kv);
    EXPECT(b >= 0 && b < N_BLOCKS);
    return (uint32_t)b;
}

/* 16 tokens that start with `first`. */
static const int32_t *tokens_of(int32_t first)
{
    static int32_t t[16];
    for (int i = 0; i < 16; i++)
        t[i] = first + 100 * i;
    return t;
}

/* A block entered after `parent` and no longer held. */
static uint64_t cache_one(eng_kv *kv, uint64_t parent, int32_t first, uint32_t *block)
{
    *block = take(kv);
    uint64_t entry = eng__kv_enter(kv, *block, mine, parent, tokens_of(first));
    eng__kv_drop(kv, *block);
    return entry;
}

static int32_t find(eng_kv *kv, eng_kv_scope scope, uint64_t parent, int32_t first)
{
    uint64_t entry;
    return eng__kv_find(kv, scope, parent, tokens_of(first), &entry);
}

TEST(kv_holds_as_many_whole_blocks_as_fit)
{
    eng_kv *kv = make_kv();
    expect_counts(kv, 0, 0);
    EXPECT_EQ(eng__kv_view(kv).block_bytes, BLOCK_BYTES);
    EXPECT_EQ(eng__kv_layer_bytes(kv), BLOCK_BYTES / 2);
    eng__kv_free(kv);
    eng__kv_free(NULL);
}

TEST(kv_pool_for_less_than_two_blocks_is_refused_with_its_size)
{
    eng_kv *kv;
    eng_error err;
    EXPECT_EQ(eng__kv_create(&kv, &shape, BLOCK_BYTES, false, &err), ENG_INVALID);
    EXPECT(strstr(err.text, "1024 bytes") != NULL);
    EXPECT_EQ(eng__kv_create(&kv, &shape, 0, false, NULL), ENG_INVALID);
}

TEST(kv_in_f32_takes_twice_the_room)
{
    eng_kv *kv;
    eng_error err;
    EXPECT_OK(eng__kv_create(&kv, &shape, N_BLOCKS * BLOCK_BYTES, true, &err), err);
    EXPECT_EQ(eng__kv_available(kv), N_BLOCKS / 2);
    eng__kv_free(kv);
}

TEST(kv_take_gives_every_block_once_and_then_none)
{
    eng_kv *kv = make_kv();
    bool seen[N_BLOCKS] = {false};
    for (int i = 0; i < N_BLOCKS; i++) {
        uint32_t b = take(kv);
        EXPECT(!seen[b]);
        seen[b] = true;
    }
    EXPECT_EQ(eng__kv_take(kv), ENG_KV_NO_BLOCK);
    expect_counts(kv, N_BLOCKS, 0);
    eng__kv_free(kv);
}

TEST(kv_drop_of_last_reference_frees_block)
{
    eng_kv *kv = make_kv();
    uint32_t b = take(kv);
    eng__kv_hold(kv, b);
    EXPECT(eng__kv_shared(kv, b));
    eng__kv_drop(kv, b);
    EXPECT(!eng__kv_shared(kv, b));
    expect_counts(kv, 1, 0);
    eng__kv_drop(kv, b);
    expect_counts(kv, 0, 0);
    eng__kv_free(kv);
}

TEST(kv_copy_copies_one_block)
{
    eng_kv *kv = make_kv();
    uint32_t a = take(kv), b = take(kv), c = take(kv);
    uint8_t *pool = eng__kv_view(kv).pool;
    memset(pool + (size_t)a * BLOCK_BYTES, 7, BLOCK_BYTES);
    eng__kv_copy(kv, b, a);
    EXPECT_MEM(pool + (size_t)b * BLOCK_BYTES, pool + (size_t)a * BLOCK_BYTES, BLOCK_BYTES);
    EXPECT_EQ(pool[(size_t)c * BLOCK_BYTES], 0);
    eng__kv_free(kv);
}

TEST(cached_prefix_is_found_only_under_same_model_and_salt)
{
    eng_kv *kv = make_kv();
    uint32_t b, next;
    uint64_t entry = cache_one(kv, 0, 5, &b);
    uint64_t second = cache_one(kv, entry, 6, &next);
    EXPECT(entry != 0 && second != entry);
    EXPECT_EQ(find(kv, mine, 0, 5), b);
    EXPECT_EQ(find(kv, mine, entry, 6), next);
    EXPECT_EQ(find(kv, (eng_kv_scope){2, 10}, 0, 5), ENG_KV_NO_BLOCK);
    EXPECT_EQ(find(kv, (eng_kv_scope){1, 11}, 0, 5), ENG_KV_NO_BLOCK);
    EXPECT_EQ(find(kv, mine, 0, 6), ENG_KV_NO_BLOCK);     /* other tokens */
    EXPECT_EQ(find(kv, mine, entry, 5), ENG_KV_NO_BLOCK); /* same tokens, elsewhere */
    expect_counts(kv, 0, 2);
    eng__kv_free(kv);
}

TEST(one_token_of_difference_is_another_block)
{
    eng_kv *kv = make_kv();
    uint32_t b;
    cache_one(kv, 0, 5, &b);
    for (int i = 0; i < 16; i++) {
        int32_t t[16];
        uint64_t entry;
        memcpy(t, tokens_of(5), sizeof t);
        t[i]++;
        EXPECT_EQ(eng__kv_find(kv, mine, 0, t, &entry), ENG_KV_NO_BLOCK);
    }
    eng__kv_free(kv);
}

TEST(entering_the_same_tokens_twice_keeps_the_first_block)
{
    eng_kv *kv = make_kv();
    uint32_t a = take(kv), b = take(kv);
    uint64_t first = eng__kv_enter(kv, a, mine, 0, tokens_of(1));
    EXPECT_EQ(eng__kv_enter(kv, b, mine, 0, tokens_of(1)), first);
    EXPECT_EQ(find(kv, mine, 0, 1), a);
    eng__kv_drop(kv, a);
    eng__kv_drop(kv, b);
    expect_counts(kv, 0, 1); /* b was private: free at once */
    eng__kv_free(kv);
}

TEST(hold_revives_a_cached_block)
{
    eng_kv *kv = make_kv();
    uint32_t b;
    cache_one(kv, 0, 1, &b);
    eng__kv_hold(kv, b);
    expect_counts(kv, 1, 0);
    for (int i = 1; i < N_BLOCKS; i++)
        take(kv);
    EXPECT_EQ(eng__kv_take(kv), ENG_KV_NO_BLOCK); /* a held block is never evicted */
    EXPECT_EQ(find(kv, mine, 0, 1), b);
    eng__kv_free(kv);
}

TEST(evicts_oldest_cached_block_first)
{
    eng_kv *kv = make_kv();
    uint32_t blocks[N_BLOCKS];
    for (int32_t i = 0; i < N_BLOCKS; i++)
        cache_one(kv, 0, i, &blocks[i]);
    eng__kv_hold(kv, blocks[2]); /* used again: now the youngest */
    eng__kv_drop(kv, blocks[2]);
    static const int order[N_BLOCKS] = {0, 1, 3, 4, 5, 6, 7, 2};
    for (int i = 0; i < N_BLOCKS; i++) {
        EXPECT_EQ(take(kv), blocks[order[i]]);
        EXPECT_EQ(find(kv, mine, 0, order[i]), ENG_KV_NO_BLOCK);
    }
    eng__kv_free(kv);
}

TEST(free_blocks_are_taken_before_cached_ones)
{
    eng_kv *kv = make_kv();
    uint32_t b;
    cache_one(kv, 0, 1, &b);
    for (int i = 1; i < N_BLOCKS; i++)
        EXPECT(take(kv) != b);
    EXPECT_EQ(find(kv, mine, 0, 1), b);
    EXPECT_EQ(take(kv), b);
    eng__kv_free(kv);
}

TEST(what_followed_an_evicted_block_is_not_found_after_it_returns)
{
    eng_kv *kv = make_kv();
    uint32_t a, b;
    uint64_t first = cache_one(kv, 0, 1, &a);
    cache_one(kv, first, 2, &b);
    for (int i = 0; i < N_BLOCKS - 1; i++)
        take(kv); /* all free ones, then a */
    uint64_t entry = eng__kv_enter(kv, a, mine, 0, tokens_of(1));
    EXPECT(entry != first); /* its keys and values were computed again */
    EXPECT_EQ(find(kv, mine, entry, 2), ENG_KV_NO_BLOCK);
    eng__kv_free(kv);
}

/* ---- random operations against a simple model ---- */

typedef struct block_model {
    uint32_t refs;
    uint64_t entry, parent, salt;
    int32_t first;
    uint64_t dropped; /* when its last reference went, while entered */
} block_model;

static int model_find(const block_model *m, uint64_t salt, uint64_t parent, int32_t first)
{
    for (int i = 0; i < N_BLOCKS; i++)
        if (m[i].entry && m[i].salt == salt && m[i].parent == parent && m[i].first == first)
            return i;
    return ENG_KV_NO_BLOCK;
}

/* Takes a block and checks that it is a free one, or else the one cached longest. */
static void random_take(eng_kv *kv, block_model *m)
{
    bool any_free = false;
    int oldest = ENG_KV_NO_BLOCK;
    for (int i = 0; i < N_BLOCKS; i++)
        if (!m[i].refs && !m[i].entry)
            any_free = true;
        else if (!m[i].refs && (oldest < 0 || m[i].dropped < m[oldest].dropped))
            oldest = i;
    int32_t got = eng__kv_take(kv);
    if (!any_free)
        EXPECT_EQ(got, oldest);
    if (got < 0)
        return;
    EXPECT(m[got].refs == 0 && (!any_free || !m[got].entry));
    m[got] = (block_model){.refs = 1};
}

static void random_enter(eng_kv *kv, block_model *m, uint32_t b, uint64_t r)
{
    const uint64_t salt = 1 + r % 2, parent = r / 2 % 3 ? 0 : m[r / 7 % N_BLOCKS].entry;
    const int32_t first = (int32_t)(r / 100 % 5);
    const int there = model_find(m, salt, parent, first);
    if (m[b].entry && there < 0)
        return; /* a block is entered once */
    uint64_t entry = eng__kv_enter(kv, b, (eng_kv_scope){1, salt}, parent, tokens_of(first));
    if (there >= 0) {
        EXPECT_EQ(entry, m[there].entry);
        return;
    }
    for (int i = 0; i < N_BLOCKS; i++)
        EXPECT(m[i].entry != entry);
    m[b].entry = entry;
    m[b].parent = parent;
    m[b].salt = salt;
    m[b].first = first;
}

TEST(random_operations_agree_with_a_simple_model_and_all_blocks_return)
{
    eng_kv *kv = make_kv();
    block_model m[N_BLOCKS] = {{0}};
    uint64_t state = 99;
    for (uint64_t step = 1; step < 20000; step++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const uint64_t r = state >> 33;
        const uint32_t b = (uint32_t)(r / 1000 % N_BLOCKS);
        switch (r % 5) {
        case 0:
            random_take(kv, m);
            break;
        case 1:
            if (m[b].refs && m[b].refs < 4) {
                eng__kv_hold(kv, b);
                m[b].refs++;
            }
            break;
        case 2:
            if (m[b].refs) {
                eng__kv_drop(kv, b);
                if (--m[b].refs == 0)
                    m[b].dropped = step;
            }
            break;
        case 3:
            if (m[b].refs)
                random_enter(kv, m, b, r);
            break;
        default: { /* look up, and hold what is found as attach does */
            const int want = model_find(m, 1 + r % 2, 0, (int32_t)(r / 100 % 5));
            const int32_t got = find(kv, (eng_kv_scope){1, 1 + r % 2}, 0, (int32_t)(r / 100 % 5));
            EXPECT_EQ(got, want);
            if (got >= 0 && m[got].refs < 4) {
                eng__kv_hold(kv, (uint32_t)got);
                m[got].refs++;
            }
        }
        }
        uint32_t used = 0, cached = 0;
        for (int i = 0; i < N_BLOCKS; i++) {
            used += m[i].refs > 0;
            cached += !m[i].refs && m[i].entry;
            EXPECT_EQ(eng__kv_shared(kv, (uint32_t)i), m[i].refs > 1);
        }
        expect_counts(kv, used, cached);
    }
    for (uint32_t i = 0; i < N_BLOCKS; i++)
        while (m[i].refs) {
            eng__kv_drop(kv, i);
            m[i].refs--;
        }
    for (int i = 0; i < N_BLOCKS; i++)
        take(kv);
    EXPECT_EQ(eng__kv_take(kv), ENG_KV_NO_BLOCK);
    eng__kv_free(kv);
}
