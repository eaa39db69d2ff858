/* Texts out of bodies, and the table that checks objects. */
#include "harness.h"

#include "api/captured.h"
#include "api/members.h"
#include "api/strict_json.h"

#include <stddef.h>
#include <string.h>

static captured_prompts captured(gen_family family, const char *body)
{
    captured_prompts p;
    captured_prompts_read(&p, family, body, strlen(body));
    return p;
}

TEST(the_prompts_of_a_completion_are_kept_as_they_were_typed)
{
    captured_prompts p = captured(GEN_COMPLETIONS, "{\"prompt\":\"Gr\xc3\xbc\xc3\x9f"
                                                   "e\\n\"}");
    EXPECT_EQ(p.n, 1);
    EXPECT_STR(p.form, "text");
    EXPECT_STR(p.texts[0], "Gr\xc3\xbc\xc3\x9f"
                           "e\n");
    captured_prompts_free(&p);
    p = captured(GEN_COMPLETIONS, "{\"prompt\":[\"a\",\"b\"]}");
    EXPECT_EQ(p.n, 2);
    EXPECT_STR(p.texts[1], "b");
    captured_prompts_free(&p);
}

TEST(token_ids_are_nobodys_typing)
{
    static const char *const bodies[] = {"{\"prompt\":[1,2]}", "{\"prompt\":[[1],[2]]}", "{}",
                                         "{\"prompt\":null}"};
    for (int i = 0; i < 4; i++) {
        captured_prompts p = captured(GEN_COMPLETIONS, bodies[i]);
        EXPECT_EQ(p.n, 0);
        captured_prompts_free(&p);
    }
}

TEST(a_conversation_is_kept_in_its_plainest_form)
{
    captured_prompts p = captured(
        GEN_CHAT,
        "{\"messages\":[{\"role\":\"developer\",\"content\":\"Be \\\"brief\\\".\"},"
        "{\"role\":\"user\",\"name\":\"x\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
        "{\"type\":\"text\",\"text\":\"b\"}]}]}");
    EXPECT_EQ(p.n, 1);
    EXPECT_STR(p.form, "messages");
    EXPECT_STR(p.texts[0], "[{\"role\":\"system\",\"content\":\"Be \\\"brief\\\".\"},"
                           "{\"role\":\"user\",\"content\":\"ab\"}]");
    captured_prompts_free(&p);
}

/* ---- members ---- */

typedef struct thing {
    const char *text, *id, *choice;
    int64_t whole;
    double number;
    bool flag;
    const cJSON *list, *object;
} thing;

static const member_rule rules[] = {
    {.name = "text",
     .kind = MEMBER_TEXT,
     .required = true,
     .min = 1,
     .max = 5,
     .at = offsetof(thing, text)},
    {.name = "id", .kind = MEMBER_ID, .at = offsetof(thing, id)},
    {.name = "choice",
     .kind = MEMBER_CHOICE,
     .choices = "one|three",
     .at = offsetof(thing, choice)},
    {.name = "whole", .kind = MEMBER_WHOLE, .min = 1, .max = 7, .at = offsetof(thing, whole)},
    {.name = "number", .kind = MEMBER_NUMBER, .min = 0, .max = 1, .at = offsetof(thing, number)},
    {.name = "flag", .kind = MEMBER_BOOL, .at = offsetof(thing, flag)},
    {.name = "list", .kind = MEMBER_ARRAY, .min = 1, .max = 2, .at = offsetof(thing, list)},
    {.name = "object", .kind = MEMBER_OBJECT, .at = offsetof(thing, object)},
};

/* The message of a refusal, "" if there is none. */
static const char *read_thing(const char *json, thing *out)
{
    static api_error err;
    static cJSON *tree; /* what *out points into, until the next call */
    cJSON_Delete(tree);
    err.message[0] = 0;
    *out = (thing){.whole = 3, .number = 0.5};
    tree = strict_json_parse(json, strlen(json), &err);
    if (tree)
        members_read(out, tree, rules, sizeof rules / sizeof rules[0], "a", &err);
    return err.message;
}

TEST(members_go_to_their_places_and_absent_ones_keep_the_default)
{
    thing t;
    EXPECT_STR(read_thing("{\"text\":\"abc\",\"id\":\"a_-9\",\"choice\":\"three\",\"flag\":true,"
                          "\"list\":[1],\"object\":{},\"number\":null}",
                          &t),
               "");
    EXPECT_STR(t.text, "abc");
    EXPECT_STR(t.id, "a_-9");
    EXPECT_STR(t.choice, "three");
    EXPECT(t.flag);
    EXPECT_EQ(t.whole, 3);
    EXPECT_NEAR(t.number, 0.5, 0);
    EXPECT(cJSON_IsArray(t.list));
    EXPECT(cJSON_IsObject(t.object));
}

TEST(what_is_wrong_with_a_member_is_said)
{
    thing t;
    static const char *const cases[][2] = {
        {"{}", "a.text is missing"},
        {"{\"text\":null}", "a.text is missing"},
        {"{\"text\":\"\"}", "a.text: expected a string of 1 to 5 bytes, found \"\""},
        {"{\"text\":\"abcdef\"}", "a.text: expected a string of 1 to 5 bytes, found \"abcdef\""},
        {"{\"text\":1}", "a.text: expected a string of 1 to 5 bytes, found 1"},
        {"{\"text\":\"a\",\"id\":\"a/b\"}",
         "a.id: expected an id of 1 to 64 A-Z a-z 0-9 _ -, found \"a/b\""},
        {"{\"text\":\"a\",\"choice\":\"on\"}", "a.choice: expected one of one|three, found \"on\""},
        {"{\"text\":\"a\",\"choice\":\"one|three\"}",
         "a.choice: expected one of one|three, found \"one|three\""},
        {"{\"text\":\"a\",\"whole\":8}", "a.whole: expected an integer from 1 to 7, found 8"},
        {"{\"text\":\"a\",\"whole\":1.5}", "a.whole: expected an integer from 1 to 7, found 1.5"},
        {"{\"text\":\"a\",\"number\":1.5}", "a.number: expected a number from 0 to 1, found 1.5"},
        {"{\"text\":\"a\",\"flag\":0}", "a.flag: expected true or false, found 0"},
        {"{\"text\":\"a\",\"list\":[]}",
         "a.list: expected an array of 1 to 2 elements, found an array of 0"},
        {"{\"text\":\"a\",\"object\":[]}", "a.object: expected an object, found an array of 0"},
        {"{\"text\":\"a\",\"other\":1}", "a.other: there is no such parameter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        EXPECT_STR(read_thing(cases[i][0], &t), cases[i][1]);
}
