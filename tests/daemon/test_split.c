#include "harness.h"

#include "human/cap.h"
#include "human/split.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* printf 'saltalice' | sha256sum gives the digests; python3: int(first 16 hex digits, 16) % 10000
 */
TEST(a_slot_is_the_digest_of_salt_and_name)
{
    EXPECT_EQ(split_slot("salt", "alice"), 206);
    EXPECT_EQ(split_slot("salt", "bob"), 1328);
    EXPECT_EQ(split_slot("", ""), 1652);
}

TEST(parts_are_as_large_as_their_shares)
{
    const split_shares shares = {8000, 1000};
    size_t counts[N_PARTS] = {0};
    char name[32];
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "user-%d", i);
        counts[split_part(shares, "s", name)]++;
    }
    EXPECT_NEAR((double)counts[PART_TRAIN], 8000, 160); /* 4 standard deviations of 40 */
    EXPECT_NEAR((double)counts[PART_VALID], 1000, 120); /* and of 30 */
    EXPECT_EQ(counts[PART_TRAIN] + counts[PART_VALID] + counts[PART_TEST], 10000);
}

TEST(a_share_of_nothing_gets_nobody_and_one_of_all_everybody)
{
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "user-%d", i);
        EXPECT_EQ(split_part((split_shares){SPLIT_SLOTS, 0}, "s", name), PART_TRAIN);
        EXPECT_EQ(split_part((split_shares){0, SPLIT_SLOTS}, "s", name), PART_VALID);
        EXPECT_EQ(split_part((split_shares){0, 0}, "s", name), PART_TEST);
    }
}

TEST(another_salt_moves_people)
{
    int moved = 0;
    char name[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "user-%d", i);
        moved += split_slot("a", name) != split_slot("b", name);
    }
    EXPECT(moved > 90);
}

/* ---- the cap ---- */

enum { CAP = 200, ROWS = 201 };

static size_t make_items(cap_item *items, char ids[][24], size_t n, const char *user)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(ids[i], 24, "prompt-%s-%zu", user, i);
        items[i] = (cap_item){.user = user, .id = ids[i], .index = i};
    }
    return n;
}

static size_t count_kept(const cap_item *items, size_t n, const char *user)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        kept += items[i].kept && strcmp(items[i].user, user) == 0;
    return kept;
}

TEST(of_201_prompts_of_a_user_200_stay_and_others_keep_theirs)
{
    static char ids[ROWS + 5][24];
    static cap_item items[ROWS + 5];
    size_t n = make_items(items, ids, ROWS, "ann");
    n += make_items(items + n, ids + n, 5, "bea");
    cap_users(items, n, CAP, 0);
    EXPECT_EQ(count_kept(items, n, "ann"), CAP);
    EXPECT_EQ(count_kept(items, n, "bea"), 5);
}

TEST(the_one_left_out_has_the_largest_digest)
{
    static char ids[ROWS][24];
    static cap_item items[ROWS];
    const size_t n = make_items(items, ids, ROWS, "ann");
    cap_users(items, n, CAP, 7);
    uint8_t largest[32] = {0}, digest[32];
    size_t index = 0;
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t text[8 + 24] = {0, 0, 0, 0, 0, 0, 0, 7};
        const size_t len = strlen(ids[i]);
        memcpy(text + 8, ids[i], len);
        crypto_hash_sha256(digest, text, 8 + len);
        if (memcmp(digest, largest, 32) > 0) {
            memcpy(largest, digest, 32);
            index = i;
        }
    }
    for (size_t i = 0; i < ROWS; i++)
        EXPECT_EQ(items[i].kept, items[i].index != index);
}

TEST(what_stays_does_not_depend_on_the_order_of_rows)
{
    static char ids[ROWS][24];
    static cap_item once[ROWS], again[ROWS];
    make_items(once, ids, ROWS, "ann");
    for (size_t i = 0; i < ROWS; i++)
        again[i] = once[ROWS - 1 - i];
    cap_users(once, ROWS, 50, 1);
    cap_users(again, ROWS, 50, 1);
    for (size_t i = 0; i < ROWS; i++) {
        EXPECT_EQ(once[i].index, again[i].index);
        EXPECT_EQ(once[i].kept, again[i].kept);
    }
}
