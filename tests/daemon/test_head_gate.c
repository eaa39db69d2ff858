#include "harness.h"

#include "base/limits.h"
#include "net/head_gate.h"

#include <stdio.h>
#include <string.h>

#define HEAD "GET / HTTP/1.1\r\nHost: localhost\r\n"

static head_result check(const char *text)
{
    return head_gate_check(text, strlen(text), 0);
}

TEST(a_head_ends_at_the_empty_line)
{
    head_result r = check(HEAD "\r\nbody");
    EXPECT_EQ(r.verdict, HEAD_OK);
    EXPECT_EQ(r.len, strlen(HEAD) + 2);
}

TEST(half_a_head_asks_for_more)
{
    const char *head = HEAD "X-A: b\r\n\r\n";
    for (size_t n = 0; n < strlen(head); n++)
        EXPECT_EQ(head_gate_check(head, n, n ? n - 1 : 0).verdict, HEAD_MORE);
}

TEST(the_verdict_does_not_depend_on_what_was_seen_before)
{
    static const char *const heads[] = {HEAD "\r\n",
                                        HEAD "X\n\r\n",
                                        HEAD "A: b\r\n c\r\n\r\n",
                                        HEAD "Host: b\r\n\r\n",
                                        "\r\n" HEAD "\r\n",
                                        HEAD
                                        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"};
    for (size_t h = 0; h < sizeof heads / sizeof heads[0]; h++) {
        size_t len = strlen(heads[h]);
        head_result whole = head_gate_check(heads[h], len, 0), cut = {.verdict = HEAD_MORE};
        for (size_t n = 1; n <= len && cut.verdict == HEAD_MORE; n++)
            cut = head_gate_check(heads[h], n, n - 1);
        EXPECT_EQ(cut.verdict, whole.verdict);
        EXPECT_EQ(cut.status, whole.status);
        EXPECT_STR(cut.reason, whole.reason);
    }
}

TEST(a_fault_is_told_before_the_head_is_complete)
{
    EXPECT_EQ(check("\x16\x03\x01").status, 400);
    EXPECT_EQ(check("GET /\n").status, 400);
    EXPECT_EQ(check("\r").status, 400);
}

/* Every byte value at a place inside a field's value: HTAB, 0x20-0x7E and 0x80-0xFF pass. */
TEST(control_bytes_are_refused_and_no_others)
{
    char head[128];
    size_t len = (size_t)snprintf(head, sizeof head, HEAD "X-A: a?b\r\n\r\n");
    char *at = strchr(head, '?');
    for (int c = 0; c < 256; c++) {
        *at = (char)c;
        bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        head_result r = head_gate_check(head, len, 0);
        if ((r.verdict == HEAD_REJECT) != control)
            FAIL("byte 0x%02x: verdict %d", c, (int)r.verdict);
    }
}

/* Names are [A-Za-z0-9-]+ and nothing else. */
TEST(field_names_take_letters_digits_and_dashes)
{
    char head[128];
    size_t len = (size_t)snprintf(head, sizeof head, HEAD "X?A: b\r\n\r\n");
    char *at = strchr(head, '?');
    for (int c = 0x21; c < 256; c++) {
        *at = (char)c;
        bool ok = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  c == '-' || c == ':'; /* a colon ends the name */
        head_result r = head_gate_check(head, len, 0);
        if ((r.verdict == HEAD_OK) != ok)
            FAIL("byte 0x%02x: verdict %d", c, (int)r.verdict);
    }
}

TEST(a_content_length_has_1_to_18_digits)
{
    EXPECT_EQ(check(HEAD "Content-Length: 999999999999999999\r\n\r\n").verdict, HEAD_OK);
    EXPECT_EQ(check(HEAD "Content-Length: 9999999999999999999\r\n\r\n").status, 400);
    EXPECT_EQ(check(HEAD "Content-Length: \r\n\r\n").status, 400);
}

TEST(too_long_a_head_is_431)
{
    static char head[LIMIT_HEAD_BYTES + 2];
    memset(head, 'a', sizeof head);
    memcpy(head, "GET /", 5);
    EXPECT_EQ(head_gate_check(head, LIMIT_HEAD_BYTES, 0).verdict, HEAD_MORE);
    head_result r = head_gate_check(head, LIMIT_HEAD_BYTES + 1, LIMIT_HEAD_BYTES);
    EXPECT_EQ(r.verdict, HEAD_REJECT);
    EXPECT_EQ(r.status, 431);
}
