#include "text_golden.h"
#include "text/bpe.h"

/* The definition, slowly: the lowest-ranked pair, leftmost, merged until there is none. */
static size_t naive_merge(const eng_vocab *v, int32_t *ids, size_t n)
{
    for (;;) {
        uint32_t best_rank = UINT32_MAX;
        size_t best = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (uint32_t m = 0; m < v->n_merges && m < best_rank; m++) {
                const char *a = v->tokens[ids[i]], *b = v->tokens[ids[i + 1]];
                size_t len = strlen(a);
                if (strncmp(v->merges[m], a, len) == 0 && v->merges[m][len] == ' ' &&
                    strcmp(v->merges[m] + len + 1, b) == 0) {
                    best_rank = m;
                    best = i;
                }
            }
        if (best_rank == UINT32_MAX)
            return n;
        char joined[256];
        int32_t result = -1;
        snprintf(joined, sizeof joined, "%s%s", v->tokens[ids[best]], v->tokens[ids[best + 1]]);
        for (uint32_t t = 0; t < v->n_tokens && result < 0; t++)
            if (strcmp(v->tokens[t], joined) == 0)
                result = (int32_t)t;
        ids[best] = result;
        memmove(ids + best + 1, ids + best + 2, (n - best - 2) * sizeof *ids);
        n--;
    }
}

typedef struct fixture {
    golden_vocab *g;
    eng__vocab_text texts;
    eng__bpe bpe;
} fixture;

/* Bytes are ids 0 to 255; merges over a, b, c that overlap and tie. */
static fixture *small_vocabulary(bool whole_first, int32_t unknown)
{
    static const char *const merges[] = {"a b",   "b c",  "a a",  "ab c",
                                         "aa aa", "c ab", "aa b", "bc a"};
    static const char *const tokens[] = {"ab", "bc", "aa", "abc", "aaaa", "cab", "aab", "bca"};
    fixture *f = golden_array(1, sizeof *f);
    eng_error err;
    f->g = golden_vocab_new(ENG_PRE_GPT2);
    golden_add_bytes(f->g);
    for (size_t i = 0; i < 8; i++) {
        golden_add_token(f->g, tokens[i], ENG_TOKEN_NORMAL);
        golden_add_merge(f->g, merges[i]);
    }
    golden_add_token(f->g, "bbbb", ENG_TOKEN_NORMAL); /* that no merges make */
    EXPECT_OK(eng__vocab_text_init(&f->texts, &golden_arena, &f->g->v, &err), err);
    EXPECT_OK(
        eng__bpe_init(&f->bpe, &golden_arena, &f->g->v, &f->texts, whole_first, unknown, &err),
        err);
    return f;
}

static size_t bpe_ids(const fixture *f, const char *piece, size_t len, int32_t *out, size_t cap)
{
    eng__ids ids = {out, cap, 0};
    EXPECT_EQ(eng__bpe_piece(&f->bpe, piece, len, &ids), ENG_OK);
    return ids.n;
}

TEST(merging_agrees_with_its_definition)
{
    fixture *f = small_vocabulary(false, -1);
    uint64_t seed = 1;
    for (int round = 0; round < 400; round++) {
        char piece[200];
        int32_t want[200], got[200];
        size_t len = 1 + golden_random(&seed) % (round < 200 ? 20 : 200);
        for (size_t i = 0; i < len; i++) {
            piece[i] = (char)('a' + golden_random(&seed) % 3);
            want[i] = piece[i];
        }
        size_t n_want = naive_merge(&f->g->v, want, len);
        size_t n_got = bpe_ids(f, piece, len, got, 200);
        EXPECT_EQ(n_got, n_want);
        EXPECT_MEM(got, want, n_want * sizeof *want);
    }
    golden_end();
}

TEST(a_mebibyte_without_spaces_merges)
{
    /* Quadratic merging would not come to an end. Runs of aaaa: 2^20 / 4 tokens. */
    enum { LEN = 1 << 20 };
    fixture *f = small_vocabulary(false, -1);
    char *piece = golden_array(LEN, 1);
    memset(piece, 'a', LEN);
    EXPECT_EQ(bpe_ids(f, piece, LEN, NULL, 0), LEN / 4);
    golden_end();
}

TEST(a_whole_piece_skips_merging_only_when_the_rule_says_so)
{
    int32_t ids[4];
    fixture *plain = small_vocabulary(false, -1), *whole = small_vocabulary(true, -1);
    EXPECT_EQ(bpe_ids(plain, "bbbb", 4, ids, 4), 4);
    EXPECT_EQ(bpe_ids(whole, "bbbb", 4, ids, 4), 1);
    EXPECT_EQ(ids[0], 256 + 8);
    EXPECT_EQ(bpe_ids(plain, "abca", 4, ids, 4), 2); /* abc, a: rank 0 first */
    EXPECT_EQ(ids[0], 256 + 3);
    golden_end();
}

TEST(bytes_without_a_token_give_the_unknown_token_or_nothing)
{
    for (int32_t unknown = -1; unknown < 2; unknown += 2) {
        golden_vocab *g = golden_vocab_new(ENG_PRE_GPT2);
        eng__vocab_text texts;
        eng__bpe bpe;
        eng_error err;
        int32_t out[8];
        eng__ids ids = {out, 8, 0};
        golden_add_token(g, "a", ENG_TOKEN_NORMAL);
        golden_add_token(g, "[UNK]", ENG_TOKEN_UNKNOWN);
        EXPECT_OK(eng__vocab_text_init(&texts, &golden_arena, &g->v, &err), err);
        EXPECT_OK(eng__bpe_init(&bpe, &golden_arena, &g->v, &texts, false, unknown, &err), err);
        EXPECT_EQ(eng__bpe_piece(&bpe, "axa", 3, &ids), ENG_OK);
        EXPECT_EQ(ids.n, unknown < 0 ? 2 : 3);
        EXPECT_EQ(out[1], unknown < 0 ? 0 : 1);
    }
    golden_end();
}

TEST(byte_tokens_stand_in_for_missing_bytes)
{
    golden_vocab *g = golden_vocab_new(ENG_PRE_GPT2);
    eng__vocab_text texts;
    eng__bpe bpe;
    eng_error err;
    int32_t out[4];
    eng__ids ids = {out, 4, 0};
    golden_add_token(g, "<0x78>", ENG_TOKEN_BYTE);
    golden_add_token(g, "<0x-1>", ENG_TOKEN_BYTE);
    golden_add_token(g, "a", ENG_TOKEN_NORMAL);
    golden_add_token(g, "<0x61>", ENG_TOKEN_BYTE);
    EXPECT_OK(eng__vocab_text_init(&texts, &golden_arena, &g->v, &err), err);
    EXPECT_OK(eng__bpe_init(&bpe, &golden_arena, &g->v, &texts, false, -1, &err), err);
    EXPECT_EQ(eng__bpe_piece(&bpe, "xa\xFF", 3, &ids), ENG_OK);
    EXPECT_EQ(ids.n, 2);
    EXPECT_EQ(out[0], 0);
    EXPECT_EQ(out[1], 2);
    golden_end();
}

TEST(merges_that_do_not_fit_the_vocabulary_are_refused_by_index)
{
    static const char *const bad[] = {"a",   "",      "a ",    " b",     "a zz",  "zz a",
                                      "b b", "a b c", "<s> a", "\xFF a", "a \xC3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        golden_vocab *g = golden_vocab_new(ENG_PRE_GPT2);
        eng__vocab_text texts;
        eng__bpe bpe;
        eng_error err;
        golden_add_bytes(g);
        golden_add_token(g, "ab", ENG_TOKEN_NORMAL);
        golden_add_token(g, "<s>", ENG_TOKEN_CONTROL);
        golden_add_token(g, "<s>a", ENG_TOKEN_NORMAL);
        golden_add_token(g, "bb", ENG_TOKEN_CONTROL); /* merging must not make control tokens */
        golden_add_merge(g, "a b");
        golden_add_merge(g, bad[i]);
        EXPECT_OK(eng__vocab_text_init(&texts, &golden_arena, &g->v, &err), err);
        if (eng__bpe_init(&bpe, &golden_arena, &g->v, &texts, false, -1, &err) != ENG_FORMAT)
            FAIL("merge \"%s\" was taken", bad[i]);
        EXPECT(strstr(err.text, "tokenizer.ggml.merges[1]") != NULL);
    }
    golden_end();
}

/* A token is found whole, without merging, only where merging its bytes makes it; how the merges
 * tell that is what these vocabularies try: tokens that come about in several ways, or in none,
 * merges in the order of training and in any other. */
static void add_random_merges(golden_vocab *g, uint64_t *seed, size_t n)
{
    char made[64][16] = {"a", "b", "c"};
    size_t n_made = 3;
    while (n > 0 && n_made < 64) {
        char merge[40], joined[32];
        const char *left = made[golden_random(seed) % n_made];
        const char *right = made[golden_random(seed) % n_made];
        snprintf(joined, sizeof joined, "%s%s", left, right);
        snprintf(merge, sizeof merge, "%s %s", left, right);
        if (strlen(joined) >= sizeof made[0])
            continue;
        bool known = false;
        for (size_t i = 0; i < n_made; i++)
            known |= strcmp(made[i], joined) == 0;
        if (!known) {
            strcpy(made[n_made++], joined);
            golden_add_token(g, joined, ENG_TOKEN_NORMAL);
        }
        golden_add_merge(g, merge);
        n--;
    }
}

static void shuffle_merges(eng_vocab *v, uint64_t *seed)
{
    for (uint32_t i = v->n_merges; i > 1; i--) {
        const uint32_t k = (uint32_t)(golden_random(seed) % i);
        const char *text = v->merges[k];
        const uint32_t len = v->merge_lens[k];
        v->merges[k] = v->merges[i - 1];
        v->merge_lens[k] = v->merge_lens[i - 1];
        v->merges[i - 1] = text;
        v->merge_lens[i - 1] = len;
    }
}

TEST(every_token_of_random_vocabularies_merges_by_definition)
{
    uint64_t seed = 3;
    for (int round = 0; round < 600; round++) {
        fixture f = {.g = golden_vocab_new(ENG_PRE_GPT2)};
        eng_error err;
        golden_add_bytes(f.g);
        add_random_merges(f.g, &seed, 4 + golden_random(&seed) % 40);
        if (round % 2)
            shuffle_merges(&f.g->v, &seed);
        EXPECT_OK(eng__vocab_text_init(&f.texts, &golden_arena, &f.g->v, &err), err);
        EXPECT_OK(eng__bpe_init(&f.bpe, &golden_arena, &f.g->v, &f.texts, false, -1, &err), err);
        for (uint32_t id = 256; id < f.g->v.n_tokens; id++) {
            const char *text = f.g->v.tokens[id];
            const size_t len = strlen(text);
            int32_t want[16], got[16];
            for (size_t i = 0; i < len; i++)
                want[i] = text[i];
            const size_t n_want = naive_merge(&f.g->v, want, len);
            EXPECT_EQ(bpe_ids(&f, text, len, got, 16), n_want);
            EXPECT_MEM(got, want, n_want * sizeof *want);
        }
        golden_end();
    }
}
