#include "api/schema.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ppo[] =
    "{\"type\":\"object\",\"description\":\"any\",\"properties\":{"
    "\"hyperparameters\":{\"type\":\"object\",\"properties\":{"
    "\"episodes\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":256},"
    "\"kl_coef\":{\"type\":\"number\",\"minimum\":0,\"default\":0.02},"
    "\"temperature\":{\"type\":\"number\",\"exclusiveMinimum\":0,\"maximum\":2,\"default\":1},"
    "\"whiten\":{\"type\":\"boolean\",\"default\":true},"
    "\"select_by\":{\"type\":\"string\",\"enum\":[\"loss\",\"rm_score\",\"auto\"],"
    "\"default\":\"loss\"},"
    "\"limit\":{\"type\":\"integer\"}}},"
    "\"reward_model\":{\"type\":\"string\"},"
    "\"reference\":{\"type\":\"string\"}},"
    "\"required\":[\"reward_model\"],\"x-training-formats\":[\"ppo\",\"supervised\"]}";

static schema *parse(const char *text)
{
    error_text err;
    schema *s = schema_parse(text, &err);
    if (!s)
        FAIL("refused: %s", err.text);
    return s;
}

/* The object's normal form, or NULL with *err. The caller frees. */
static char *apply(const char *text, const char *object, api_error *err)
{
    schema *s = parse(text);
    cJSON *tree = cJSON_Parse(object);
    bool good = schema_apply(s, tree, "method.ppo", err);
    char *out = good ? cJSON_PrintUnformatted(tree) : NULL;
    cJSON_Delete(tree);
    schema_free(s);
    return out;
}

static void expect_normal(const char *object, const char *want)
{
    api_error err;
    char *got = apply(ppo, object, &err);
    if (!got)
        FAIL("%s: %s", object, err.message);
    EXPECT_STR(got, want);
    free(got);
}

static void expect_refused(const char *object, const char *code, const char *param,
                           const char *message)
{
    api_error err;
    char *got = apply(ppo, object, &err);
    if (got)
        FAIL("%s was taken: %s", object, got);
    EXPECT_EQ(err.status, 400);
    EXPECT_STR(err.code, code);
    EXPECT_STR(err.param, param);
    EXPECT_STR(err.message, message);
}

#define DEFAULTS                                                                                   \
    "{\"episodes\":256,\"kl_coef\":0.02,\"temperature\":1,\"whiten\":true,\"select_by\":\"loss\"}"

TEST(defaults_are_filled_in_and_members_take_the_order_of_the_schema)
{
    expect_normal("{\"reward_model\":\"pol_1\"}",
                  "{\"hyperparameters\":" DEFAULTS ",\"reward_model\":\"pol_1\"}");
    expect_normal("{\"reference\":\"a\",\"reward_model\":\"b\",\"hyperparameters\":{\"limit\":3,"
                  "\"kl_coef\":1e-3}}",
                  "{\"hyperparameters\":{\"episodes\":256,\"kl_coef\":0.001,\"temperature\":1,"
                  "\"whiten\":true,\"select_by\":\"loss\",\"limit\":3},"
                  "\"reward_model\":\"b\",\"reference\":\"a\"}");
}

TEST(null_and_auto_mean_the_default)
{
    expect_normal("{\"reward_model\":\"b\",\"reference\":null,\"hyperparameters\":{"
                  "\"episodes\":\"auto\",\"kl_coef\":null,\"whiten\":\"auto\"}}",
                  "{\"hyperparameters\":" DEFAULTS ",\"reward_model\":\"b\"}");
    /* where the schema itself has a value of that name, it is that value */
    expect_normal("{\"reward_model\":\"b\",\"hyperparameters\":{\"select_by\":\"auto\"}}",
                  "{\"hyperparameters\":{\"episodes\":256,\"kl_coef\":0.02,\"temperature\":1,"
                  "\"whiten\":true,\"select_by\":\"auto\"},\"reward_model\":\"b\"}");
}

TEST(a_refusal_names_the_member_with_expected_and_found)
{
    const char *hyper = "method.ppo.hyperparameters.";
    static const struct {
        const char *name, *value, *expected, *found;
    } rows[] = {
        {"episodes", "0", "an integer at least 1 and at most 1000", "0"},
        {"episodes", "1001", "an integer at least 1 and at most 1000", "1001"},
        {"episodes", "1.5", "an integer at least 1 and at most 1000", "1.5"},
        {"episodes", "\"many\"", "an integer at least 1 and at most 1000", "\"many\""},
        {"episodes", "true", "an integer at least 1 and at most 1000", "true"},
        {"kl_coef", "-0.5", "a number at least 0", "-0.5"},
        {"temperature", "0", "a number above 0 and at most 2", "0"},
        {"whiten", "1", "true or false", "1"},
        {"select_by", "\"rm\"", "\"loss\", \"rm_score\" or \"auto\"", "\"rm\""},
        {"limit", "\"auto\"", "an integer", "\"auto\""}, /* no default that it could mean */
        {"limit", "1e300", "an integer", "1e+300"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char object[256], param[96], message[256];
        snprintf(object, sizeof object, "{\"reward_model\":\"b\",\"hyperparameters\":{\"%s\":%s}}",
                 rows[i].name, rows[i].value);
        snprintf(param, sizeof param, "%s%s", hyper, rows[i].name);
        snprintf(message, sizeof message, "%s: expected %s, found %s", param, rows[i].expected,
                 rows[i].found);
        expect_refused(object, "invalid_value", param, message);
    }
    expect_refused("{\"reward_model\":\"b\",\"hyperparameters\":[]}", "invalid_value",
                   "method.ppo.hyperparameters",
                   "method.ppo.hyperparameters: expected an object, found an array of 0");
}

TEST(unknown_and_missing_members_are_refused)
{
    expect_refused("{\"reward_model\":\"b\",\"hyperparameters\":{\"kl\":1}}", "unknown_parameter",
                   "method.ppo.hyperparameters.kl",
                   "method.ppo.hyperparameters.kl: there is no such parameter");
    expect_refused("{\"reward_model\":\"b\",\"Reference\":\"a\"}", "unknown_parameter",
                   "method.ppo.Reference", "method.ppo.Reference: there is no such parameter");
    expect_refused("{}", "missing_required_parameter", "method.ppo.reward_model",
                   "method.ppo.reward_model is missing");
    expect_refused("{\"reward_model\":null}", "missing_required_parameter",
                   "method.ppo.reward_model", "method.ppo.reward_model is missing");
}

static const char supervised[] = "{\"type\":\"object\",\"properties\":{"
                                 "\"preset\":{\"type\":\"string\",\"enum\":[\"short\"]},"
                                 "\"hyperparameters\":{\"type\":\"object\",\"properties\":{"
                                 "\"n_epochs\":{\"type\":\"integer\",\"default\":16},"
                                 "\"batch_size\":{\"type\":\"integer\",\"default\":32}}}},"
                                 "\"presets\":{\"short\":{\"n_epochs\":2}}}";

TEST(a_preset_changes_the_defaults_and_nothing_that_was_given)
{
    static const char *const rows[][2] = {
        {"{}", "{\"hyperparameters\":{\"n_epochs\":16,\"batch_size\":32}}"},
        {"{\"preset\":\"short\"}",
         "{\"preset\":\"short\",\"hyperparameters\":{\"n_epochs\":2,\"batch_size\":32}}"},
        {"{\"hyperparameters\":{\"n_epochs\":\"auto\",\"batch_size\":8},\"preset\":\"short\"}",
         "{\"preset\":\"short\",\"hyperparameters\":{\"n_epochs\":2,\"batch_size\":8}}"},
        {"{\"preset\":\"short\",\"hyperparameters\":{\"n_epochs\":3}}",
         "{\"preset\":\"short\",\"hyperparameters\":{\"n_epochs\":3,\"batch_size\":32}}"},
        {"{\"preset\":\"short\",\"hyperparameters\":null}",
         "{\"preset\":\"short\",\"hyperparameters\":{\"n_epochs\":2,\"batch_size\":32}}"},
    };
    api_error err;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *got = apply(supervised, rows[i][0], &err);
        if (!got)
            FAIL("%s: %s", rows[i][0], err.message);
        EXPECT_STR(got, rows[i][1]);
        free(got);
    }
    EXPECT(!apply(supervised, "{\"preset\":\"long\"}", &err));
    EXPECT_STR(err.message, "method.ppo.preset: expected \"short\", found \"long\"");
    EXPECT(!apply(supervised, "{\"preset\":\"short\",\"hyperparameters\":[]}", &err));
    EXPECT_STR(err.param, "method.ppo.hyperparameters");
}

static void expect_no_schema(const char *text, const char *part)
{
    error_text err;
    schema *s = schema_parse(text, &err);
    if (s)
        FAIL("taken: %s", text);
    if (!strstr(err.text, part))
        FAIL("%s: \"%s\" does not say \"%s\"", text, err.text, part);
}

TEST(a_schema_that_could_not_be_applied_is_refused)
{
#define PROPERTY(rule) "{\"type\":\"object\",\"properties\":{\"a\":" rule "}}"
    expect_no_schema("{\"type\":\"object\"", "byte");
    expect_no_schema("[]", "byte 0");
    expect_no_schema("{\"type\":\"string\"}", "expected \"object\" at the top");
    expect_no_schema("{\"type\":\"object\",\"properties\":[]}", "\"properties\": expected");
    expect_no_schema(PROPERTY("{\"type\":\"array\"}"), "schema: a: \"type\": expected");
    expect_no_schema(PROPERTY("{}"), "schema: a: \"type\": expected");
    expect_no_schema(PROPERTY("true"), "schema: a: expected an object");
    expect_no_schema(PROPERTY("{\"type\":\"number\",\"minimum\":\"0\"}"), "a: \"minimum\"");
    expect_no_schema(PROPERTY("{\"type\":\"string\",\"enum\":[]}"), "a: \"enum\"");
    expect_no_schema(PROPERTY("{\"type\":\"integer\",\"minimum\":1,\"default\":0}"),
                     "\"default\": a: expected an integer at least 1, found 0");
    expect_no_schema(PROPERTY("{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"x\"}}}"),
                     "a.b: \"type\"");
    expect_no_schema("{\"type\":\"object\",\"required\":[\"a\"]}", "\"required\" names \"a\"");
    expect_no_schema("{\"type\":\"object\",\"required\":\"a\"}", "\"required\": expected");
    expect_no_schema("{\"type\":\"object\",\"x-training-formats\":[1]}", "x-training-formats");
    expect_no_schema("{\"type\":\"object\",\"x-result-scores\":1}", "x-result-scores");
    expect_no_schema("{\"type\":\"object\",\"presets\":{}}", "\"presets\": expected");
    expect_no_schema("{\"type\":\"object\",\"properties\":{\"hyperparameters\":{\"type\":"
                     "\"object\"}},\"presets\":{\"p\":{\"a\":1}}}",
                     "presets.p.a: there is no such parameter");
}

TEST(a_schema_says_which_files_its_method_reads)
{
    char text[128];
    schema *s = parse(ppo);
    EXPECT(schema_takes_format(s, "ppo") && schema_takes_format(s, "supervised"));
    EXPECT(!schema_takes_format(s, "pretrain") && !schema_takes_format(s, NULL));
    schema_describe_formats(s, text);
    EXPECT_STR(text, "a file of format ppo or supervised");
    schema_free(s);

    s = parse("{\"type\":\"object\"}");
    EXPECT(schema_takes_format(s, "whatever") && !schema_takes_format(s, NULL));
    schema_describe_formats(s, text);
    EXPECT_STR(text, "a data file");
    schema_free(s);

    s = parse("{\"type\":\"object\",\"x-training-formats\":[]}");
    EXPECT(schema_takes_format(s, NULL) && !schema_takes_format(s, "ppo"));
    schema_describe_formats(s, text);
    EXPECT_STR(text, "no file");
    schema_free(s);
}

TEST(a_schema_may_say_whether_the_result_scores)
{
    static const struct {
        const char *json;
        bool said, scores;
    } rows[] = {{"{\"type\":\"object\",\"x-result-scores\":true}", true, true},
                {"{\"type\":\"object\",\"x-result-scores\":false}", true, false},
                {"{\"type\":\"object\"}", false, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool scores;
        schema *s = parse(rows[i].json);
        EXPECT_EQ(schema_result_scores(s, &scores), rows[i].said);
        EXPECT_EQ(scores, rows[i].scores);
        schema_free(s);
    }
}
