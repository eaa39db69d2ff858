#include "base/json.h"
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const eng_json_rules grammar = {.max_depth = 32};
static const eng_json_rules request = {
    .max_depth = 32, .unique_keys = true, .no_nul_escape = true, .top_object = true};

static bool passes(const char *text, const eng_json_rules *rules)
{
    eng_error err;
    return eng_json_check(text, strlen(text), rules, NULL, &err) == ENG_OK;
}

static size_t offset_of_error(const char *text, const eng_json_rules *rules)
{
    eng_error err;
    size_t offset = 12345;
    if (eng_json_check(text, strlen(text), rules, &offset, &err) == ENG_OK)
        FAIL("accepted: %s", text);
    return offset;
}

/* Runs the checker on an exact-size copy, so that a sanitizer sees any byte read past the end. */
static bool file_passes(const char *path, const eng_json_rules *rules)
{
    size_t len;
    char *text = test_read_file(path, &len);
    char *exact = malloc(len ? len : 1);
    memcpy(exact, text, len);
    eng_error err;
    bool ok = eng_json_check(exact, len, rules, NULL, &err) == ENG_OK;
    free(exact);
    free(text);
    return ok;
}

/* Counts from the folder's own names (JSONTestSuite): 188 files n_*, 95 y_*, 35 i_*. */
TEST(checker_sorts_the_whole_json_test_suite)
{
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", test_shared("data/json"));
    DIR *dir = opendir(folder);
    EXPECT(dir);
    int refused = 0, accepted = 0, accepted_as_request = 0, n_free = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        char path[1400];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (strncmp(e->d_name, "n_", 2) == 0)
            refused += !file_passes(path, &grammar);
        if (strncmp(e->d_name, "y_", 2) == 0) {
            eng_json_rules any_top = request;
            any_top.top_object = false;
            accepted += file_passes(path, &grammar);
            accepted_as_request += file_passes(path, &any_top);
        }
        if (strncmp(e->d_name, "i_", 2) == 0) {
            n_free++;
            (void)file_passes(path, &grammar);
        }
    }
    closedir(dir);
    EXPECT_EQ(refused, 188);
    EXPECT_EQ(accepted, 95);
    EXPECT_EQ(n_free, 35);
    /* y_object_duplicated_key, y_object_duplicated_key_and_value; \u0000 in a key and a string. */
    EXPECT_EQ(accepted_as_request, 91);
}

TEST(repeated_keys_are_found_by_meaning)
{
    EXPECT(passes("{\"a\":1,\"a\":2}", &grammar));
    EXPECT_EQ(offset_of_error("{\"a\":1,\"a\":2}", &request), 7);
    EXPECT_EQ(offset_of_error("{\"a\":1,\"\\u0061\":2}", &request), 7);
    EXPECT_EQ(offset_of_error("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", &request), 18);
    EXPECT_EQ(offset_of_error("{\"x\":{\"k\":1,\"b\":[{\"k\":2}],\"k\":3}}", &request), 26);
    EXPECT(passes("{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}],\"ab\":3}", &request));
    EXPECT(passes("{\"a\":1,\"a \":2,\"\":3,\"\\n\":4,\"n\":5}", &request));
}

TEST(many_keys_do_not_take_quadratic_time)
{
    enum { N = 60000 };
    char *text = malloc(N * 16 + 16);
    size_t at = 0;
    text[at++] = '{';
    for (int i = 0; i < N; i++)
        at += (size_t)sprintf(text + at, "%s\"k%06d\":0", i ? "," : "", i * 7919 % N);
    text[at++] = '}';
    eng_error err;
    EXPECT_OK(eng_json_check(text, at, &request, NULL, &err), err);
    text[at - 4] = '\\'; /* the last key's closing quote is now escaped */
    EXPECT_EQ(eng_json_check(text, at, &request, NULL, &err), ENG_FORMAT);
    free(text);
}

TEST(depth_is_capped_without_recursion)
{
    char text[200] = "";
    for (int i = 0; i < 32; i++)
        strcat(text, "[");
    for (int i = 0; i < 32; i++)
        strcat(text, "]");
    EXPECT(passes(text, &grammar));
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    text[66] = 0;
    EXPECT_EQ(offset_of_error(text, &grammar), 32);
}

/* DBL_MAX is 1.7976931348623157e308; from 1.7976931348623158079...e308 on, rounding to nearest
 * gives infinity (IEEE 754). */
TEST(only_finite_numbers_pass)
{
    static const char *const finite[] = {"1.7976931348623157e308",
                                         "-1.7976931348623158e308",
                                         "1.797693134862315807e308",
                                         "0e999999999999999999999",
                                         "1e-99999999999999999999999",
                                         "0.000e400",
                                         "123456e303",
                                         "0.00001797e313"};
    static const char *const infinite[] = {
        "1.7976931348623159e308",     "1e309",     "-1e400",
        "1.79769313486231580794e308", "0.001e312", "1e999999999999999999999999",
        "1797693134862316e293"};
    for (size_t i = 0; i < sizeof finite / sizeof finite[0]; i++)
        if (!passes(finite[i], &grammar))
            FAIL("refused %s", finite[i]);
    for (size_t i = 0; i < sizeof infinite / sizeof infinite[0]; i++)
        EXPECT_EQ(offset_of_error(infinite[i], &grammar), 0);
}

/* 2^1024 - 2^970 in full: the tie that rounds to infinity, and the same less one. */
TEST(finiteness_is_exact_to_the_last_digit)
{
    char text[400] = "17976931348623158079372897140530341507993413271003782693617377898044496829276"
                     "4750946649017977"
                     "58720709633028641669288791094655554785194040263065748867150582068190890200070"
                     "8383676273854845"
                     "81771153176447573027006985557136695962284291481986083493647529271907416844436"
                     "5510704342711559"
                     "699508093042880177904174497792";
    EXPECT_EQ(offset_of_error(text, &grammar), 0);
    text[strlen(text) - 1]--;
    EXPECT(passes(text, &grammar));
    strcat(text, ".9999");
    EXPECT(passes(text, &grammar));
}

TEST(finiteness_agrees_with_strtod_near_the_edge)
{
    for (int k = 0; k < 2000; k++) {
        char text[64];
        snprintf(text, sizeof text, "1.79769313486231%04d%03d%de%d", 5000 + k * 2, k * 37 % 1000, k,
                 307 + k % 3);
        bool finite = strtod(text, NULL) <= 1.7976931348623157e308;
        if (passes(text, &grammar) != finite)
            FAIL("%s: expected %s", text, finite ? "finite" : "infinite");
    }
}

TEST(errors_carry_the_byte_offset)
{
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {
        {"", 0},
        {"  ", 2},
        {"[1,]", 3},
        {"{\"a\" 1}", 5},
        {"[1 2]", 3},
        {"\"a\nb\"", 2},
        {"\"\\x\"", 1},
        {"\"\\ud800\"", 1},
        {"\"ab\xff\"", 3},
        {"{\"a\":1,}", 7},
        {"{} x", 3},
        {"\xef\xbb\xbf{}", 0},
        {"[1", 2},
        {"\"abc", 0},
        {"01", 1},
        {"-", 1},
        {"1.", 2},
        {"1e+", 3},
        {"nul", 0},
        {"[\"\xed\xa0\x80\"]", 2},
        {"{1:2}", 1},
        {"[\xc2]", 1},
        {"\"\xf4\x90\x80\x80\"", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t got = offset_of_error(cases[i].text, &grammar);
        if (got != cases[i].offset)
            FAIL("%s: byte %zu, expected %zu", cases[i].text, got, cases[i].offset);
    }
    EXPECT_EQ(offset_of_error(" [1]", &request), 1);
    EXPECT_EQ(offset_of_error("{\"a\":\"x\\u0000\"}", &request), 7);
}

static const eng_json *parse(eng_arena *arena, const char *text)
{
    const eng_json *root;
    eng_error err;
    eng_arena_init(arena, 1 << 20);
    EXPECT_OK(eng_json_parse(&root, text, strlen(text), arena, &err), err);
    return root;
}

TEST(reader_gives_every_kind_of_value)
{
    eng_arena arena;
    const eng_json *root =
        parse(&arena, " {\"s\":\"a\\n\\u00e9\\ud83d\\ude00z\",\"n\":-2.5e1,\"t\":true,\"f\":false,"
                      "\"0\":null,\"a\":[1,[],[2,3],{}],\"o\":{\"x\":{\"y\":7}}} ");
    EXPECT_EQ(root->n, 7);
    EXPECT_STR(eng_json_string(eng_json_get(root, "s")), "a\n\xc3\xa9\xf0\x9f\x98\x80z");
    EXPECT_EQ(eng_json_get(root, "s")->n, 9);
    EXPECT_NEAR(eng_json_get(root, "n")->number, -25.0, 0.0);
    EXPECT(eng_json_get(root, "t")->boolean && !eng_json_get(root, "f")->boolean);
    EXPECT(eng_json_is(eng_json_get(root, "0"), ENG_JSON_NULL));
    const eng_json *a = eng_json_get(root, "a");
    EXPECT_EQ(a->n, 4);
    EXPECT_EQ(a->items[1].n, 0);
    EXPECT_NEAR(a->items[2].items[1].number, 3.0, 0.0);
    EXPECT(eng_json_is(&a->items[3], ENG_JSON_OBJECT));
    uint64_t y = 0;
    EXPECT(eng_json_uint(eng_json_get(eng_json_get(eng_json_get(root, "o"), "x"), "y"), 1, 9, &y));
    EXPECT_EQ(y, 7);
    EXPECT(!eng_json_uint(eng_json_get(root, "n"), 0, 9, &y));
    EXPECT(!eng_json_get(root, "missing") && !eng_json_get(NULL, "x") && !eng_json_get(a, "x"));
    eng_arena_free(&arena);
}

TEST(reader_refuses_politely_when_its_arena_is_full)
{
    eng_arena arena;
    eng_arena_init(&arena, 256);
    const eng_json *root;
    eng_error err;
    const char *text = "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaa\",1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]";
    EXPECT_EQ(eng_json_parse(&root, text, strlen(text), &arena, &err), ENG_NOMEM);
    eng_arena_free(&arena);
}

TEST(reader_takes_scalars_at_the_top)
{
    eng_arena arena;
    EXPECT_NEAR(parse(&arena, "12")->number, 12.0, 0.0);
    eng_arena_free(&arena);
    EXPECT_STR(eng_json_string(parse(&arena, "\"x\"")), "x");
    eng_arena_free(&arena);
    EXPECT_EQ(parse(&arena, "[]")->n, 0);
    eng_arena_free(&arena);
}
