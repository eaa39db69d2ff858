#include "harness.h"

#include "human/dedupe.h"
#include "human/normalise.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 1 << 20 };

static void expect_normal(const char *text, const char *want)
{
    eng_arena arena;
    char got[256];
    eng_arena_init(&arena, ARENA_BYTES);
    snprintf(got, sizeof got, "%s", text_normalise(text, &arena));
    eng_arena_free(&arena);
    EXPECT_STR(got, want);
}

TEST(blanks_are_trimmed_and_collapsed_in_any_script)
{
    expect_normal("  a \t\r\n b  ", "a b");
    expect_normal("a\xc2\xa0\xe3\x80\x80"
                  "b",
                  "a b"); /* U+00A0, U+3000 */
    expect_normal("\xe2\x80\xa8 \n", "");
    expect_normal("", "");
}

TEST(letters_and_accents_are_composed)
{
    expect_normal("Cafe\xcc\x81", "Caf\xc3\xa9"); /* e + U+0301 -> U+00E9 */
    expect_normal("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"); /* Hangul */
    expect_normal("a\xcc\xa3\xcc\x87", "\xe1\xba\xa1\xcc\x87"); /* marks in their order */
    expect_normal("\xef\xac\x81", "\xef\xac\x81");              /* a ligature is no NFC matter */
}

TEST(bytes_that_are_no_text_are_left_as_they_are)
{
    expect_normal("a \xff  b", "a \xff b");
}

/* `common` bytes that two texts share, then an ending of their own. */
static const char *text_of(char *out, size_t common, char fill, const char *end)
{
    memset(out, fill, common);
    strcpy(out + common, end);
    return out;
}

/* How many of two texts are kept. */
static int kept_of(const char *a, const char *b)
{
    dedupe_item items[] = {{a, "1", 0, false}, {b, "2", 1, false}};
    dedupe(items, 2);
    return items[0].kept + items[1].kept;
}

TEST(sixty_four_shared_bytes_are_enough_when_they_are_four_fifths_of_the_shorter)
{
    char a[400], b[400];
    EXPECT_EQ(
        kept_of(text_of(a, 64, 'x', "1234567890abcdef"), text_of(b, 64, 'x', "zzzzzzzzzzzzzzzz")),
        1); /* 64 of 80 */
    EXPECT_EQ(
        kept_of(text_of(a, 64, 'x', "1234567890abcdefg"), text_of(b, 64, 'x', "zzzzzzzzzzzzzzzzz")),
        2); /* 64 of 81 */
    EXPECT_EQ(kept_of(text_of(a, 63, 'x', "1"), text_of(b, 63, 'x', "2")), 2);
    EXPECT_EQ(kept_of(text_of(a, 64, 'x', ""), text_of(b, 64, 'x', "and a long rest of its own")),
              1);
}

TEST(two_hundred_and_fifty_six_shared_bytes_are_enough_however_long_the_texts_are)
{
    static char a[2000], b[2000];
    memset(a, 'x', 1500);
    memset(b, 'x', 1500);
    a[255] = 'y';
    EXPECT_EQ(kept_of(a, b), 2);
    a[255] = 'x';
    a[256] = 'y';
    EXPECT_EQ(kept_of(a, b), 1);
}

TEST(equal_texts_are_duplicates_be_they_ever_so_short)
{
    EXPECT_EQ(kept_of("hi", "hi"), 1);
    EXPECT_EQ(kept_of("hi", "ho"), 2);
}

static const dedupe_item *find(const dedupe_item *items, size_t n, size_t age)
{
    for (size_t i = 0; i < n; i++)
        if (items[i].age == age)
            return &items[i];
    FAIL("no item of age %zu", age);
}

TEST(a_cluster_keeps_its_oldest_text)
{
    char texts[3][100];
    dedupe_item items[] = {{text_of(texts[0], 70, 'x', "c"), "1", 2, false},
                           {text_of(texts[1], 70, 'x', "a"), "2", 1, false},
                           {text_of(texts[2], 70, 'x', "b"), "3", 0, false},
                           {"something else", "4", 3, false}};
    dedupe(items, 4);
    EXPECT(find(items, 4, 0)->kept);
    EXPECT(!find(items, 4, 1)->kept);
    EXPECT(!find(items, 4, 2)->kept);
    EXPECT(find(items, 4, 3)->kept);
}

TEST(what_belongs_to_the_oldest_stays_with_it)
{
    dedupe_item items[] = {{"rank these", "task-1", 0, false},
                           {"rank these", "task-1", 2, false},
                           {"rank these", "task-2", 1, false}};
    dedupe(items, 3);
    EXPECT(find(items, 3, 0)->kept);
    EXPECT(find(items, 3, 2)->kept);
    EXPECT(!find(items, 3, 1)->kept);
}

TEST(nothing_to_compare_is_no_trouble)
{
    dedupe(NULL, 0);
    dedupe_item one = {"alone", "1", 0, false};
    dedupe(&one, 1);
    EXPECT(one.kept);
}
