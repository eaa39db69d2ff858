#include "text_golden.h"
#include "text/pretokenize.h"

/* The pieces of text as "ab|c". */
static const char *pieces(eng_pretokenizer rule, const char *text, size_t len)
{
    static char out[512];
    size_t n = 0;
    for (size_t at = 0; at < len;) {
        size_t piece = eng__pretoken_len(rule, text + at, len - at);
        EXPECT(piece >= 1 && piece <= len - at);
        if (at)
            out[n++] = '|';
        memcpy(out + n, text + at, piece);
        n += piece;
        at += piece;
    }
    out[n] = 0;
    return out;
}

static void expect_lengths(const struct golden_rule *rule, const char *hex, const char *lengths)
{
    size_t len, n, at = 0;
    char *text = golden_unhex(hex, &len);
    int32_t *want = golden_ids(lengths, &n);
    for (size_t i = 0; i < n; i++) {
        size_t got = at < len ? eng__pretoken_len(rule->pre, text + at, len - at) : 0;
        if (got != (size_t)want[i])
            FAIL("%s, text %s, piece %zu: %zu bytes, expected %d", rule->name, hex, i, got,
                 want[i]);
        at += got;
    }
    EXPECT_EQ(at, len);
}

TEST(pieces_are_those_of_the_regular_expressions)
{
    for (int i = 0; i < GOLDEN_RULES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.tsv", golden_rules[i].name);
        char *text = golden_file(name);
        for (char *line; (line = golden_cut(&text, '\n')) != NULL;) {
            char *hex = golden_cut(&line, '\t'), *lengths = golden_cut(&line, '\t');
            expect_lengths(&golden_rules[i], hex, lengths);
        }
    }
    golden_end();
}

TEST(llama_contractions_ignore_case_with_unicode_folding)
{
    /* Oniguruma, under the tokenizers package 0.23, folds U+017F to s; llama.cpp does not. */
    EXPECT_STR(pieces(ENG_PRE_LLAMA_BPE, "it'\xC5\xBFX", 6), "it|'\xC5\xBF|X");
    EXPECT_STR(pieces(ENG_PRE_GPT2, "it'\xC5\xBFX", 6), "it|'|\xC5\xBFX");
    EXPECT_STR(pieces(ENG_PRE_QWEN2, "WE'LL'Ve", 8), "WE|'LL|'Ve");
    EXPECT_STR(pieces(ENG_PRE_GPT2, "WE'LL", 5), "WE|'|LL");
}

TEST(contractions_at_the_end_of_the_text)
{
    EXPECT_STR(pieces(ENG_PRE_GPT2, "a'", 2), "a|'");
    EXPECT_STR(pieces(ENG_PRE_GPT2, "a's", 3), "a|'s");
    EXPECT_STR(pieces(ENG_PRE_GPT2, "a'r", 3), "a|'|r");
    EXPECT_STR(pieces(ENG_PRE_QWEN2, "a'L", 3), "a|'L");
}

TEST(bytes_that_are_not_utf8_are_symbols)
{
    EXPECT_STR(pieces(ENG_PRE_GPT2,
                      "ab\xFF\xFE"
                      "c",
                      5),
               "ab|\xFF\xFE|c");
    EXPECT_STR(pieces(ENG_PRE_SMOLLM, "a \xE4\xBD", 4), "a| \xE4\xBD");
    EXPECT_STR(pieces(ENG_PRE_LLAMA_BPE,
                      "\xFF\xFE"
                      "ab",
                      4),
               "\xFF\xFE|ab");
    EXPECT_STR(pieces(ENG_PRE_LLAMA_BPE,
                      "\xFF"
                      "ab",
                      3),
               "\xFF"
               "ab");
}

TEST(long_runs_split_in_linear_time)
{
    /* A scanner that looked through a run again for every piece of it would not come to an end. */
    enum { LEN = 1 << 20 };
    static const char *const units[] = {" ", "\n",       " \n", "\n ", "  1",
                                        "'", "\xC2\xA0", "9",   "a ",  "!\n"};
    char *text = golden_array(LEN, 1);
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        size_t n = strlen(units[u]);
        for (size_t i = 0; i < LEN; i++)
            text[i] = units[u][i % n];
        for (int rule = 0; rule < GOLDEN_RULES; rule++)
            for (size_t at = 0; at < LEN;)
                at += eng__pretoken_len(golden_rules[rule].pre, text + at, LEN - at);
    }
    golden_end();
}
