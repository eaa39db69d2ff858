/* Alias files: lines that a bit error takes leave the others, and never become another version. */
#include "policy/alias_file.h"

#include "base/crc32c.h"
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const ids[] = {"pol_0000000000000000", "pol_1111111111111111",
                                  "pol_2222222222222222", "pol_fedcba9876543210"};

static alias_version version(uint64_t number, const char *id)
{
    alias_version v = {.number = number, .at = 1767225600 + (int64_t)number};
    v.recompute = number % 2;
    v.base = number == 1;
    snprintf(v.policy, sizeof v.policy, "%s", id);
    snprintf(v.by, sizeof v.by, "key-%d", (int)number);
    return v;
}

/* Versions 1 to n, of different policies. */
static alias_file filled(size_t n)
{
    alias_file f = {.name = "instruct"};
    char fallen[POLICY_ID_CHARS + 1];
    for (size_t i = 0; i < n; i++) {
        const alias_version v = version(i + 1, ids[i]);
        alias_file_push(&f, &v, fallen);
    }
    return f;
}

static void expect_same(const alias_version *got, const alias_version *want)
{
    EXPECT_EQ(got->number, want->number);
    EXPECT_STR(got->policy, want->policy);
    EXPECT_EQ(got->base, want->base);
    EXPECT_EQ(got->recompute, want->recompute);
    EXPECT_EQ(got->at, want->at);
    EXPECT_STR(got->by, want->by);
}

/* RFC 3720, appendix B.4, and the check value of the CRC catalogues. */
TEST(crc_is_castagnolis)
{
    unsigned char zeros[32] = {0}, ones[32];
    memset(ones, 255, sizeof ones);
    EXPECT_EQ(crc32c("123456789", 9), 0xe3069283u);
    EXPECT_EQ(crc32c(zeros, 32), 0x8a9136aau);
    EXPECT_EQ(crc32c(ones, 32), 0x62a8ab43u);
    EXPECT_EQ(crc32c("", 0), 0);
}

TEST(a_line_says_everything_about_a_version)
{
    char text[ALIAS_FILE_BYTES + 1], want[512];
    const alias_file f = filled(1);
    text[alias_file_format(&f, text, sizeof text)] = 0;
    const char *start = "1 pol_0000000000000000 base recompute 1767225601 key-1";
    snprintf(want, sizeof want, "%s %08x\n", start, crc32c(start, strlen(start)));
    EXPECT_STR(text, want);
}

TEST(the_longest_names_and_numbers_fit)
{
    alias_file f = {.name = "a"}, back = {.name = "a"};
    char text[ALIAS_FILE_BYTES], fallen[POLICY_ID_CHARS + 1];
    for (uint64_t i = 0; i < ALIAS_VERSIONS; i++) {
        alias_version v = version(UINT64_MAX - ALIAS_VERSIONS + i, ids[i]);
        v.at = INT64_MIN;
        memset(v.by, 'x', sizeof v.by - 1);
        alias_file_push(&f, &v, fallen);
    }
    alias_file_parse(&back, text, alias_file_format(&f, text, sizeof text));
    EXPECT_EQ(back.n, ALIAS_VERSIONS);
    for (size_t i = 0; i < back.n; i++)
        expect_same(&back.list[i], &f.list[i]);
}

TEST(a_policy_has_one_line_and_the_fourth_falls_out)
{
    char fallen[POLICY_ID_CHARS + 1];
    alias_file f = filled(3);
    alias_version v = version(4, ids[3]);
    alias_file_push(&f, &v, fallen);
    EXPECT_STR(fallen, ids[0]);
    EXPECT_EQ(f.n, 3);
    v = version(5, ids[1]); /* a way back: 3, 2, 1 becomes 1, 3, 2 */
    alias_file_push(&f, &v, fallen);
    EXPECT_STR(fallen, "");
    EXPECT_EQ(f.n, 3);
    EXPECT_STR(f.list[0].policy, ids[1]);
    EXPECT_STR(f.list[1].policy, ids[3]);
    EXPECT_STR(f.list[2].policy, ids[2]);
    EXPECT_EQ(f.list[0].number, 5);
}

static alias_file parsed(const char *text, size_t len)
{
    alias_file f = {.name = "instruct"};
    alias_file_parse(&f, text, len);
    return f;
}

/* Whatever is left of f is a part of `whole`, in order. */
static void expect_part(const alias_file *f, const alias_file *whole, size_t at)
{
    size_t from = 0;
    for (size_t i = 0; i < f->n; i++) {
        while (from < whole->n && whole->list[from].number != f->list[i].number)
            from++;
        if (from == whole->n)
            FAIL("offset %zu: version %d was never written", at, (int)f->list[i].number);
        expect_same(&f->list[i], &whole->list[from]);
    }
}

TEST(one_flipped_bit_costs_its_line_alone)
{
    char text[ALIAS_FILE_BYTES];
    const alias_file whole = filled(3);
    const size_t len = alias_file_format(&whole, text, sizeof text);
    const size_t first = (size_t)((char *)memchr(text, '\n', len) - text);
    for (size_t at = 0; at < len; at++)
        for (int bit = 0; bit < 8; bit++) {
            const size_t least = text[at] == '\n' ? 1 : 2; /* an end of line costs two */
            text[at] ^= (char)(1 << bit);
            const alias_file f = parsed(text, len);
            expect_part(&f, &whole, at);
            if (f.n < least)
                FAIL("byte %zu, bit %d: %zu lines are left", at, bit, f.n);
            EXPECT_EQ(f.lost, at <= first);
            text[at] ^= (char)(1 << bit);
        }
}

TEST(a_cut_file_keeps_its_whole_lines)
{
    char text[ALIAS_FILE_BYTES];
    const alias_file whole = filled(3);
    const size_t len = alias_file_format(&whole, text, sizeof text);
    size_t lines = 0;
    for (size_t cut = 0; cut <= len; cut++) {
        if (cut && text[cut - 1] == '\n')
            lines++;
        const alias_file f = parsed(text, cut);
        EXPECT_EQ(f.n, lines);
        EXPECT_EQ(f.lost, lines == 0);
        expect_part(&f, &whole, cut);
    }
}

TEST(what_no_alias_file_holds_is_left_out)
{
    static const char *const lines[] = {
        "0 pol_0000000000000000 base pin 1 a",      /* versions start at 1 */
        "1 pol_000000000000000G base pin 1 a",      /* no id */
        "1 pol_0000000000000000 elsewhere pin 1 a", /* no such place */
        "1 pol_0000000000000000 base later 1 a",    /* no such in_flight */
        "01 pol_0000000000000000 base pin 1 a",     /* another spelling */
        "1  pol_0000000000000000 base pin 1 a",     "1 pol_0000000000000000 base pin 1 a b", "",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[256];
        const int n =
            snprintf(text, sizeof text, "%s %08x\n", lines[i], crc32c(lines[i], strlen(lines[i])));
        const alias_file f = parsed(text, (size_t)n);
        if (f.n || !f.lost)
            FAIL("\"%s\" was taken", lines[i]);
    }
}

TEST(versions_that_do_not_grow_are_left_out)
{
    char text[ALIAS_FILE_BYTES];
    alias_file f = filled(3);
    f.list[2].number = f.list[1].number;
    const size_t len = alias_file_format(&f, text, sizeof text);
    EXPECT_EQ(parsed(text, len).n, 2);
}

TEST(a_file_is_replaced_whole)
{
    error_text err = {""};
    alias_file back, f = filled(2);
    int dir = open(test_dir(), O_RDONLY | O_DIRECTORY);
    EXPECT(alias_file_write(dir, &f, &err));
    f = filled(3);
    EXPECT(alias_file_write(dir, &f, &err));
    EXPECT(alias_file_read(dir, "instruct", &back, &err));
    EXPECT_EQ(back.n, 3);
    EXPECT_STR(back.name, "instruct");
    for (size_t i = 0; i < 3; i++)
        expect_same(&back.list[i], &f.list[i]);
    EXPECT(faccessat(dir, "instruct.tmp", F_OK, 0) != 0);
    EXPECT(!alias_file_read(dir, "other", &back, &err));
    EXPECT(strstr(err.text, "aliases/other: open: "));
    close(dir);
}
