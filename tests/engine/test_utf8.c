#include "harness.h"
#include "text/utf8.h"

#include <string.h>

static void expect_repair(const char *bytes, size_t len, const char *want)
{
    char out[256];
    size_t n = eng_utf8_repair(out, bytes, len);
    out[n] = 0;
    EXPECT_STR(out, want);
}

#define R "\xEF\xBF\xBD"

TEST(repair_replaces_maximal_subparts)
{
    /* The Unicode Standard 14.0, tables 3-8 to 3-11. */
    static const char t8[] = "\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41";
    static const char t9[] = "\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41";
    static const char t10[] = "\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42";
    static const char t11[] = "\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41";
    expect_repair(t8, 9, R R R R R R R R "A");
    expect_repair(t9, 9, R R R R R R R R "A");
    expect_repair(t10, 9, R R R R R "A" R R "B");
    expect_repair(t11, 9, R R R R "A");
}

TEST(repair_keeps_valid_text_and_replaces_an_unfinished_end_once)
{
    expect_repair("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80", 11, "gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80");
    expect_repair("a\xF0\x9F\x98", 4, "a" R);
    expect_repair("", 0, "");
}

TEST(complete_holds_back_only_an_unfinished_sequence)
{
    EXPECT_EQ(eng_utf8_complete("", 0), 0);
    EXPECT_EQ(eng_utf8_complete("abc", 3), 3);
    EXPECT_EQ(eng_utf8_complete("ab\xC3", 3), 2);
    EXPECT_EQ(eng_utf8_complete("\xC3\xBC", 2), 2);
    EXPECT_EQ(eng_utf8_complete("a\xE4\xBD", 3), 1);
    EXPECT_EQ(eng_utf8_complete("a\xF0\x9F\x98", 4), 1);
    EXPECT_EQ(eng_utf8_complete("a\xF0\x9F\x98\x80", 5), 5);
    EXPECT_EQ(eng_utf8_complete("a\x80\x80\x80", 4), 4); /* hopeless: nothing to wait for */
    EXPECT_EQ(eng_utf8_complete("a\xFF", 2), 2);
    EXPECT_EQ(eng_utf8_complete("\xED\xA0", 2), 2);
}

TEST(valid_accepts_what_the_standard_does)
{
    EXPECT(eng_utf8_valid("", 0));
    EXPECT(eng_utf8_valid("plain ascii text, longer than a word", 36));
    EXPECT(eng_utf8_valid("\xEF\xBF\xBD\xF4\x8F\xBF\xBF", 7));
    EXPECT(!eng_utf8_valid("\xF4\x90\x80\x80", 4));
    EXPECT(!eng_utf8_valid("ascii first, then \xC3", 19));
    EXPECT(!eng_utf8_valid("\xED\xA0\x80", 3));
}

/* Bytes that are often the beginnings and middles of sequences. */
static size_t tricky_bytes(char *out, size_t n, unsigned seed)
{
    static const char some[] = "a\x80\xBF\xC2\xC3\xE0\xA0\xE4\xED\x9F\xF0\x90\xF4\x8F\xFF\x41";
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245u + 12345u;
        out[i] = some[seed >> 16 & 15];
    }
    return n;
}

TEST(a_stream_in_any_pieces_gives_the_repair_of_the_whole)
{
    for (unsigned seed = 0; seed < 3000; seed++) {
        char text[24], whole[80], got[400];
        size_t len = tricky_bytes(text, seed % 24, seed), out = 0;
        size_t want = eng_utf8_repair(whole, text, len);
        eng_utf8_stream stream = {0};
        for (size_t at = 0, turn = seed; at < len; turn = turn * 7 + 3) {
            size_t n = 1 + turn % 5 < len - at ? 1 + turn % 5 : len - at;
            out += eng_utf8_stream_push(&stream, got + out, text + at, n);
            at += n;
        }
        out += eng_utf8_stream_finish(&stream, got + out);
        EXPECT_EQ(out, want);
        EXPECT_MEM(got, whole, want);
    }
}

TEST(a_stream_shows_what_is_complete_at_once)
{
    char out[64];
    eng_utf8_stream stream = {0};
    EXPECT_EQ(eng_utf8_stream_push(&stream, out, "hi \xF0\x9F", 5), 3);
    EXPECT_EQ(eng_utf8_stream_push(&stream, out, "", 0), 0);
    EXPECT_EQ(eng_utf8_stream_push(&stream, out, "\x98", 1), 0);
    EXPECT_EQ(eng_utf8_stream_push(&stream, out, "\x80!", 2), 5);
    EXPECT_MEM(out, "\xF0\x9F\x98\x80!", 5);
    EXPECT_EQ(eng_utf8_stream_finish(&stream, out), 0);
}
