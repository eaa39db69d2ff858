#include "harness.h"
#include "serve/stop.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_STOPS = 4 };

/* NULL-terminated texts as stops. */
typedef struct stop_list {
    gen_stop stops[MAX_STOPS];
    uint32_t n;
} stop_list;

static stop_list list_of(const char *a, const char *b, const char *c)
{
    const char *texts[] = {a, b, c};
    stop_list l = {.n = 0};
    for (int i = 0; i < 3 && texts[i]; i++)
        l.stops[l.n++] = (gen_stop){.text = (char *)texts[i], .len = strlen(texts[i])};
    return l;
}

static void expect_found(stop_list l, const char *text, size_t at, size_t len)
{
    size_t got_at = 99, got_len = 99;
    EXPECT(stop_find(l.stops, l.n, text, strlen(text), &got_at, &got_len));
    EXPECT_EQ(got_at, at);
    EXPECT_EQ(got_len, len);
}

TEST(stop_that_begins_first_wins)
{
    expect_found(list_of("world", "lo", NULL), "hello world", 3, 2);
    expect_found(list_of("lo", "world", NULL), "hello world", 3, 2);
    expect_found(list_of("lo w", "l", NULL), "hello world", 2, 1);
}

TEST(longest_stop_wins_at_the_same_place)
{
    expect_found(list_of("lo", "lo wor", "lo w"), "hello world", 3, 6);
    expect_found(list_of("lo worx", "lo", "l"), "hello world", 2, 1);
}

TEST(stop_may_be_the_whole_text_or_its_end)
{
    expect_found(list_of("hello", NULL, NULL), "hello", 0, 5);
    expect_found(list_of("o", NULL, NULL), "hello", 4, 1);
}

TEST(no_stop_is_found_in_text_without_one)
{
    stop_list l = list_of("hellO", "hello!", "xx");
    size_t at, len;
    EXPECT(!stop_find(l.stops, l.n, "hello", 5, &at, &len));
    EXPECT(!stop_find(l.stops, l.n, "", 0, &at, &len));
    EXPECT(!stop_find(l.stops, 0, "hello", 5, &at, &len));
}

TEST(stops_with_nul_bytes_are_found)
{
    const gen_stop stop = {.text = (char *)"\0b", .len = 2};
    size_t at, len;
    EXPECT(stop_find(&stop, 1, "a\0a\0b", 5, &at, &len));
    EXPECT_EQ(at, 3);
    EXPECT_EQ(stop_hold(&stop, 1, "a\0", 2), 1);
}

TEST(longest_suffix_that_may_become_a_stop_is_held)
{
    stop_list l = list_of("STOP", "OPEN", NULL);
    EXPECT_EQ(stop_hold(l.stops, l.n, "say STO", 7), 3);
    EXPECT_EQ(stop_hold(l.stops, l.n, "say STOx", 8), 0);
    EXPECT_EQ(stop_hold(l.stops, l.n, "TOPE", 4), 3); /* OPE */
    EXPECT_EQ(stop_hold(l.stops, l.n, "ST", 2), 2);
    EXPECT_EQ(stop_hold(l.stops, l.n, "", 0), 0);
    EXPECT_EQ(stop_hold(l.stops, 0, "ST", 2), 0);
}

TEST(only_proper_prefixes_are_held)
{
    stop_list l = list_of("a", "bb", NULL);
    EXPECT_EQ(stop_hold(l.stops, l.n, "xa", 2), 0);
    EXPECT_EQ(stop_hold(l.stops, l.n, "xb", 2), 1);
    EXPECT_EQ(stop_hold(l.stops, l.n, "bb", 2), 1);
}

TEST(stop_that_overlaps_itself_is_held_as_far_as_it_goes)
{
    stop_list l = list_of("aabaab!", NULL, NULL);
    EXPECT_EQ(stop_hold(l.stops, l.n, "aabaabaab", 9), 6);
    EXPECT_EQ(stop_hold(l.stops, l.n, "aabaa", 5), 5);
    EXPECT_EQ(stop_hold(l.stops, l.n, "aabaaa", 6), 2);
}

/* Fed byte by byte, holding as told and looking only at what is not released, it ends where looking
 * at all the text so far would. */
TEST(held_text_is_enough_to_find_every_stop)
{
    uint64_t state = 7;
    for (int round = 0; round < 3000; round++) {
        char text[40], words[3][6];
        for (size_t i = 0; i < sizeof text; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[i] = (char)('a' + (state >> 40) % 2);
        }
        for (int w = 0; w < 3; w++) {
            memcpy(words[w], text + 8 * w, 5);
            words[w][4] ^= 3 * (round & 1); /* odd rounds: one letter that never comes */
            words[w][1 + (state >> (33 + w)) % 5] = 0;
        }
        stop_list l = list_of(words[0], words[1], words[2]);
        size_t released = 0, at, len, at_all, len_all;
        for (size_t n = 1; n <= sizeof text; n++) {
            bool all = stop_find(l.stops, l.n, text, n, &at_all, &len_all);
            bool part = stop_find(l.stops, l.n, text + released, n - released, &at, &len);
            EXPECT_EQ(part, all);
            if (all) {
                EXPECT_EQ(released + at, at_all);
                EXPECT_EQ(len, len_all);
                break;
            }
            released = n - stop_hold(l.stops, l.n, text + released, n - released);
        }
    }
}
