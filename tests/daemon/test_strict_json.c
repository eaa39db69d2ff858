#include "api/strict_json.h"
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool takes(const char *body, size_t len, api_error *err)
{
    cJSON *root = strict_json_parse(body, len, err);
    cJSON_Delete(root);
    return root != NULL;
}

/* Times that `word` stands in the text. */
static int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        n++;
    return n;
}

static void expect_refused(const char *body, const char *message_part)
{
    api_error err;
    if (takes(body, strlen(body), &err))
        FAIL("taken: %s", body);
    EXPECT_EQ(err.status, 400);
    EXPECT_STR(err.code, "invalid_json");
    if (!strstr(err.message, message_part))
        FAIL("%s: the message \"%s\" does not say \"%s\"", body, err.message, message_part);
    EXPECT_EQ(count(err.message, "byte"), 1);
}

TEST(what_is_not_json_names_the_byte)
{
    /* offsets counted by hand */
    expect_refused("{\"a\":1,}", "byte 7");
    expect_refused("{\"a\" 1}", "byte 5");
    expect_refused("{\"a\":01}", "byte 6");
    expect_refused("{\"a\":1", "byte 6");
}

TEST(a_request_is_one_object_with_distinct_keys)
{
    expect_refused("", "byte 0");
    expect_refused("[]", "byte 0");
    expect_refused("1", "byte 0");
    expect_refused("{} x", "byte 3");
    expect_refused("{\"a\":1,\"a\":2}", "byte 7");
    expect_refused("{\"a\":1,\"\\u0061\":2}", "byte 7");
    expect_refused("{\"b\":{\"a\":1,\"a\":2}}", "byte");
    expect_refused("{\"a\":\"\\u0000\"}", "byte");
    expect_refused("\xef\xbb\xbf{}", "byte 0");
    expect_refused("{\"a\":\"\xff\"}", "byte 6");
    expect_refused("{\"a\":\"\\ud800\"}", "byte");
    expect_refused("{\"a\":1e999}", "byte 5");
    expect_refused("{\"a\":NaN}", "byte 5");
}

TEST(depth_is_limited_to_32)
{
    api_error err;
    char body[256] = "{\"a\":";
    size_t at = strlen(body);
    memset(body + at, '[', 31);
    memset(body + at + 31, ']', 31);
    strcpy(body + at + 62, "}");
    EXPECT(takes(body, strlen(body), &err));
    memset(body + at, '[', 32);
    memset(body + at + 32, ']', 32);
    strcpy(body + at + 64, "}");
    expect_refused(body, "byte");
}

/* cJSON 1.7.15 before Debian's security updates stopped inside numbers of more than 63 characters.
 */
TEST(long_numbers_are_read_whole)
{
    char body[1024];
    api_error err;
    snprintf(body, sizeof body, "{\"a\":1.%0400d,\"b\":25%0300d}", 1, 0);
    cJSON *root = strict_json_parse(body, strlen(body), &err);
    EXPECT(root != NULL);
    EXPECT(cJSON_GetObjectItemCaseSensitive(root, "a")->valuedouble == 1);
    EXPECT(cJSON_GetObjectItemCaseSensitive(root, "b")->valuedouble == 2.5e301);
    cJSON_Delete(root);
}

TEST(the_body_needs_no_terminator)
{
    api_error err;
    char *exact = malloc(7);
    memcpy(exact, "{\"a\":1}", 7);
    EXPECT(takes(exact, 7, &err));
    free(exact);
}

TEST(a_members_text_is_found_by_its_index)
{
    static const char body[] = " { \"a\" : [1,{\"x\":\"]}\"}] , "
                               "\"\\\"b\":\"q\\\\\",\"c\":-9223372036854775808 , \"d\":{}}";
    static const char *const want[] = {"[1,{\"x\":\"]}\"}]", "\"q\\\\\"", "-9223372036854775808",
                                       "{}"};
    api_error err;
    EXPECT(takes(body, sizeof body - 1, &err));
    for (size_t i = 0; i < 4; i++) {
        const char *text;
        size_t n;
        EXPECT(strict_json_member(body, sizeof body - 1, i, &text, &n));
        EXPECT_EQ(n, strlen(want[i]));
        EXPECT_MEM(text, want[i], n);
    }
    const char *text;
    size_t n;
    EXPECT(!strict_json_member(body, sizeof body - 1, 4, &text, &n));
    EXPECT(!strict_json_member("{}", 2, 0, &text, &n));
}

/* JSONTestSuite: n_ files are invalid; of the valid ones a request takes those with an object on
 * top, but for a repeated key and \u0000. */
TEST(the_json_test_suite_splits_as_its_names_say)
{
    static const char *const not_for_requests[] = {"y_object_duplicated_key.json",
                                                   "y_object_duplicated_key_and_value.json",
                                                   "y_object_escaped_null_in_key.json"};
    const char *folder = test_shared("data/json");
    DIR *dir = opendir(folder);
    EXPECT(dir != NULL);
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        char path[1024];
        if (strncmp(e->d_name, "y_", 2) != 0 && strncmp(e->d_name, "n_", 2) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        size_t len;
        char *text = test_read_file(path, &len);
        bool wanted = e->d_name[0] == 'y' && text[strspn(text, " \t\r\n")] == '{';
        for (size_t i = 0; i < 3; i++)
            wanted = wanted && strcmp(e->d_name, not_for_requests[i]) != 0;
        api_error err;
        if (takes(text, len, &err) != wanted)
            FAIL("%s should be %s", e->d_name, wanted ? "taken" : "refused");
        free(text);
        n++;
    }
    closedir(dir);
    EXPECT(n > 250);
}
