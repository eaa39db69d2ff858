/* What a command reads, from where, and what it refuses. */
#include "harness.h"

#include "input.h"

#include <stdio.h>
#include <string.h>

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", test_dir(), name);
    return path;
}

static void expect_refusal(const char *path, size_t max, const char *want)
{
    problem p = {0};
    text got;
    text_init(&got, max);
    EXPECT_EQ(input_read_file(path, &got, &p), EXIT_USAGE);
    EXPECT_STR(p.text, want);
    text_free(&got);
}

static void expect_written_refused(const char *bytes, size_t n, const char *part)
{
    char want[640];
    const char *path = path_of("file");
    test_write_file(path, bytes, n);
    snprintf(want, sizeof want, "%s %s", path, part);
    expect_refusal(path, 1 << 20, want);
}

TEST(a_file_is_read_to_its_end)
{
    char whole[40000];
    problem p = {0};
    text got;
    memset(whole, 'x', sizeof whole);
    test_write_file(path_of("file"), whole, sizeof whole);
    text_init(&got, sizeof whole);
    EXPECT_EQ(input_read_file(path_of("file"), &got, &p), EXIT_DONE);
    EXPECT_EQ(got.len, sizeof whole);
    EXPECT_MEM(got.data, whole, sizeof whole);
    text_free(&got);
}

TEST(a_file_that_json_cannot_carry_is_refused)
{
    expect_written_refused("ab\xff", 3, "is not UTF-8 (at byte 2)");
    expect_written_refused("a\0b", 3, "has a NUL character (at byte 1)");
}

TEST(a_file_that_cannot_be_read_is_named)
{
    char want[640];
    const char *path = path_of("absent");
    snprintf(want, sizeof want, "cannot read %s: No such file or directory", path);
    expect_refusal(path, 1 << 20, want);
    snprintf(want, sizeof want, "cannot read %s: Is a directory", test_dir());
    expect_refusal(test_dir(), 1 << 20, want);
}

/* /dev/zero has no end: behind its limit nothing is read. */
TEST(a_file_without_end_is_refused_at_the_limit)
{
    expect_refusal("/dev/zero", 1 << 20, "/dev/zero is longer than 1 MiB");
}
