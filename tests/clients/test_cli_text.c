#include "harness.h"

#include "json.h"
#include "sanitize.h"
#include "utf8.h"

#include <string.h>

/* Sanitises n bytes in pieces of `step`. */
static void expect_visible_n(const char *bytes, size_t n, size_t step, const char *want)
{
    sanitizer s = {0};
    text got;
    text_init(&got, 4096);
    for (size_t i = 0; i < n; i += step)
        sanitize_feed(&s, bytes + i, step < n - i ? step : n - i, &got);
    sanitize_end(&s, &got);
    EXPECT_STR(text_str(&got), want);
    text_free(&got);
}

static void expect_visible(const char *bytes, const char *want)
{
    for (size_t step = 1; step <= strlen(bytes); step++)
        expect_visible_n(bytes, strlen(bytes), step, want);
}

TEST(sanitize_keeps_text_newlines_and_tabs)
{
    expect_visible("a\tb\nGr\xC3\xBC\xC3\x9F"
                   "e \xE2\x82\xAC \xF0\x9F\x98\x80",
                   "a\tb\nGr\xC3\xBC\xC3\x9F"
                   "e \xE2\x82\xAC \xF0\x9F\x98\x80");
}

TEST(sanitize_shows_control_characters)
{
    expect_visible("\x1B]0;title\x07\x1B[31mred\r\x08\x7F", "^[]0;title^G^[[31mred^M^H^?");
    expect_visible_n("a\0b", 3, 1, "a^@b");
}

TEST(sanitize_shows_c1_controls_and_bidi_overrides)
{
    expect_visible("\xC2\x9B"
                   "31m\xC2\x85",
                   "<U+009B>31m<U+0085>");
    expect_visible("\xE2\x80\xAE"
                   "abc\xE2\x81\xA6",
                   "<U+202E>abc<U+2066>");
}

TEST(sanitize_replaces_what_is_not_utf8)
{
    /* a lone continuation, an overlong slash, a surrogate, past U+10FFFF, a cut tail */
    expect_visible("\x80", "\xEF\xBF\xBD");
    expect_visible("\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_visible("\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_visible("\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_visible("x\xE2\x82", "x\xEF\xBF\xBD");
}

TEST(sanitize_shows_a_control_after_a_cut_sequence)
{
    expect_visible("\xE2\x82\x1B[0m", "\xEF\xBF\xBD\xEF\xBF\xBD^[[0m");
}

TEST(sanitize_line_stays_on_one_line)
{
    text got;
    text_init(&got, 64);
    sanitize_line("a\nb\tc\x1B", &got);
    EXPECT_STR(text_str(&got), "a b c^[");
    text_free(&got);
}

TEST(utf8_valid_bytes_stops_at_the_first_bad_byte)
{
    EXPECT_EQ(utf8_valid_bytes("abc", 3), 3);
    EXPECT_EQ(utf8_valid_bytes("ab\xFF", 3), 2);
    EXPECT_EQ(utf8_valid_bytes("a\xC3", 2), 1);
    EXPECT_EQ(utf8_valid_bytes("", 0), 0);
}

TEST(text_remembers_that_something_did_not_fit)
{
    text t;
    text_init(&t, 4);
    text_puts(&t, "abc");
    text_puts(&t, "de");
    EXPECT(t.failed);
    EXPECT_STR(text_str(&t), "abc");
    text_puts(&t, "f");
    EXPECT_STR(text_str(&t), "abc");
    text_clear(&t);
    text_puts(&t, "wxyz");
    EXPECT(!t.failed);
    EXPECT_STR(text_str(&t), "wxyz");
    text_free(&t);
}

TEST(json_parse_keeps_the_text_behind_a_nul)
{
    const char *bytes = "{\"t\":\"a\\u0000b\",\"u\":\"\\\\u0000\"}";
    cJSON *json = json_parse(bytes, strlen(bytes));
    EXPECT(json != NULL);
    EXPECT_STR(json_string(json, "t"), "a\xE2\x90\x80"
                                       "b");
    EXPECT_STR(json_string(json, "u"), "\\u0000");
    cJSON_Delete(json);
}

TEST(json_parse_refuses_what_follows_the_value)
{
    EXPECT(json_parse("{} x", 4) == NULL);
    EXPECT(json_parse("", 0) == NULL);
    EXPECT(json_parse("{\"a\":", 5) == NULL);
}
