/* POST /v1/completions: bodies -> gen_request. */
#include "api_fixture.h"

#include "api/fields.h"

#include <float.h>

static gen_request *ok(const char *body)
{
    return api_ok(GEN_COMPLETIONS, body);
}

static void refuse(const char *body, const char *code, const char *param)
{
    api_expect_refusal(GEN_COMPLETIONS, body, code, param);
}

/* ---- every field against every wrong value ---- */

typedef enum literal_type { IS_BOOL, IS_NUMBER, IS_STRING, IS_ARRAY, IS_OBJECT } literal_type;

typedef struct literal {
    const char *json;
    literal_type type;
    double number;
} literal;

static const literal LITERALS[] = {
    {"true", IS_BOOL, 0},
    {"false", IS_BOOL, 0},
    {"0", IS_NUMBER, 0},
    {"1", IS_NUMBER, 1},
    {"-1", IS_NUMBER, -1},
    {"-3", IS_NUMBER, -3},
    {"1.5", IS_NUMBER, 1.5},
    {"-0.5", IS_NUMBER, -0.5},
    {"2.001", IS_NUMBER, 2.001},
    {"1e15", IS_NUMBER, 1e15},
    {"1e300", IS_NUMBER, 1e300},
    {"-1e300", IS_NUMBER, -1e300},
    {"1000000", IS_NUMBER, 1e6},
    {"2147483648", IS_NUMBER, 2147483648.0},
    {"-2147483649", IS_NUMBER, -2147483649.0},
    {"\"\"", IS_STRING, 0},
    {"\"x\"", IS_STRING, 0},
    {"\"1\"", IS_STRING, 0},
    {"\"true\"", IS_STRING, 0},
    {"[]", IS_ARRAY, 0},
    {"[1]", IS_ARRAY, 0},
    {"[true]", IS_ARRAY, 0},
    {"[[]]", IS_ARRAY, 0},
    {"{}", IS_OBJECT, 0},
    {"{\"a\":1}", IS_OBJECT, 0},
};
enum { N_LITERALS = sizeof LITERALS / sizeof LITERALS[0] };

/* What the table's row must refuse by type and range alone; false where a value is right, or where
 * rules beyond the row decide (tested one by one below). */
static bool must_be_refused(const field *f, const literal *v)
{
    bool whole = v->number > -1e15 && v->number < 1e15 && v->number == (double)(long long)v->number;
    double max = f->max == FIELD_MAX_VOCAB ? TEST_N_VOCAB : f->max;
    bool inside = v->number <= max && (f->above_min ? v->number > f->min : v->number >= f->min);
    switch (f->kind) {
    case FIELD_BOOL:
        return v->type != IS_BOOL;
    case FIELD_INT:
        return v->type != IS_NUMBER || !whole || !inside;
    case FIELD_NUMBER:
        return v->type != IS_NUMBER || !inside;
    case FIELD_SEED:
        return v->type != IS_NUMBER || v->number == 1.5 || v->number == -0.5 ||
               v->number == 2.001 || v->number == 1e300 || v->number == -1e300;
    case FIELD_STRING:
        return v->type != IS_STRING;
    case FIELD_ARRAY:
        return v->type != IS_ARRAY;
    case FIELD_OBJECT:
        return v->type != IS_OBJECT;
    case FIELD_STRING_OR_ARRAY:
        return v->type != IS_STRING && v->type != IS_ARRAY;
    case FIELD_REFUSED:
        return strcmp(v->json, "\"\"") != 0 && strcmp(v->json, "[]") != 0;
    }
    return false;
}

static void write_body(char body[512], gen_family family, const char *name, const char *json)
{
    const char *rest = family == GEN_CHAT ? "\"messages\":[{\"role\":\"user\",\"content\":\"A\"}]"
                                          : "\"prompt\":\"A\"";
    bool replaces = strcmp(name, "prompt") == 0 || strcmp(name, "messages") == 0;
    snprintf(body, 512, "{%s%s\"%s\":%s}", replaces ? "" : rest, replaces ? "" : ",", name, json);
}

static void expect_named(gen_family family, const char *name, const char *json)
{
    char body[512];
    write_body(body, family, name, json);
    api_error err = api_refused(family, body);
    if (err.status != 400 || strcmp(err.type, "invalid_request_error") != 0 || !err.code ||
        strncmp(err.param, name, strlen(name)) != 0 || !strstr(err.message, name))
        FAIL("%s: got %d %s, param \"%s\": %s", body, err.status, err.code, err.param, err.message);
}

TEST(every_field_refuses_every_wrong_value_by_name)
{
    size_t n_fields, tried = 0;
    const field *table = field_table(&n_fields);
    for (size_t i = 0; i < n_fields; i++) {
        for (gen_family family = GEN_COMPLETIONS; family <= GEN_CHAT; family++) {
            for (size_t k = 0; table[i].families & (1u << family) && k < N_LITERALS; k++) {
                if (!must_be_refused(&table[i], &LITERALS[k]))
                    continue;
                expect_named(family, table[i].name, LITERALS[k].json);
                tried++;
            }
        }
    }
    if (tried < 1000)
        FAIL("only %zu combinations", tried);
}

TEST(null_is_the_default_of_every_field)
{
    size_t n_fields;
    const field *table = field_table(&n_fields);
    for (size_t i = 0; i < n_fields; i++) {
        char body[512];
        if (!(table[i].families & FIELD_IN_COMPLETIONS))
            continue;
        write_body(body, GEN_COMPLETIONS, table[i].name, "null");
        gen_request_unref(ok(body));
    }
}

TEST(both_ends_of_every_range_are_taken)
{
    static const char *const bodies[] = {
        "{\"prompt\":\"A\",\"temperature\":0,\"top_p\":1e-300,\"min_p\":1,\"top_k\":288}",
        "{\"prompt\":\"A\",\"temperature\":2,\"top_p\":1,\"min_p\":0,\"top_k\":0}",
        "{\"prompt\":\"A\",\"presence_penalty\":-2,\"frequency_penalty\":2,\"logprobs\":20}",
        "{\"prompt\":\"A\",\"presence_penalty\":2,\"frequency_penalty\":-2,\"logprobs\":0}",
        "{\"prompt\":\"A\",\"n\":128}",
        "{\"prompt\":\"A\",\"n\":20,\"best_of\":20}",
        "{\"prompt\":\"A\",\"n\":1,\"best_of\":0,\"stream\":true}",
        "{\"prompt\":\"A\",\"max_tokens\":255}",
        "{\"prompt\":\"A\",\"max_tokens\":1.0,\"min_tokens\":1e0}",
        "{\"prompt\":\"A\",\"echo\":true,\"stream\":true,\"suffix\":\"\"}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        gen_request_unref(ok(bodies[i]));
    gen_request *r = ok(bodies[0]);
    EXPECT(r->sampling.top_p > 0);
    gen_request_unref(r);
}

/* ---- defaults and plain fields ---- */

TEST(an_empty_body_asks_for_the_defaults)
{
    gen_request *r = ok("{}");
    EXPECT_EQ(r->n_prompts, 1);
    EXPECT_EQ(r->prompts[0].n_tokens, 1);
    EXPECT_EQ(r->prompts[0].tokens[0], TEST_TOKEN_END_OF_TEXT);
    EXPECT(r->prompts[0].text == NULL);
    EXPECT_EQ(r->max_tokens, 16);
    EXPECT_EQ(r->min_tokens, 0);
    EXPECT_EQ(r->n, 1);
    EXPECT_EQ(r->best_of, 1);
    EXPECT_EQ(r->n_logprobs, -1);
    EXPECT_EQ(r->tenant, 9);
    EXPECT_EQ(r->class, GEN_API);
    EXPECT_EQ(r->sampling.seed, API_RANDOM_SEED);
    EXPECT(r->sampling.temperature == 1 && r->sampling.top_p == 1 && r->sampling.min_p == 0);
    EXPECT_EQ(r->sampling.top_k, 0);
    EXPECT_EQ(r->sampling.n_bias, 0);
    EXPECT_EQ(r->n_stops + r->n_stop_ids, 0);
    EXPECT(!r->echo && !r->ignore_eos && !r->include_stop_text && !r->format.stream);
    EXPECT_EQ(r->format.family, GEN_COMPLETIONS);
    gen_request_unref(r);
}

TEST(every_field_reaches_the_request)
{
    gen_request *r =
        ok("{\"model\":\"instruct\",\"prompt\":\"AB\",\"max_tokens\":7,\"min_tokens\":3,"
           "\"temperature\":0.5,\"top_p\":0.25,\"top_k\":5,\"min_p\":0.125,\"n\":2,"
           "\"presence_penalty\":0.75,\"frequency_penalty\":-1.5,\"logit_bias\":{\"7\":-100,\"0\":"
           "1.5},"
           "\"seed\":42,\"stop\":[\"X\",\"\",\"YZ\"],\"stop_token_ids\":[5,6],\"logprobs\":3,"
           "\"echo\":true,\"stream\":true,\"ignore_eos\":true,\"include_stop_str_in_output\":true,"
           "\"return_token_ids\":true,\"return_timings\":true,\"return_progress\":true,"
           "\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true,\"x\":1},"
           "\"user\":\"u\",\"priority\":\"background\",\"unknown\":{\"deep\":[]}}");
    EXPECT_EQ(r->max_tokens, 7);
    EXPECT_EQ(r->min_tokens, 3);
    EXPECT(r->sampling.temperature == 0.5f && r->sampling.top_p == 0.25f);
    EXPECT(r->sampling.min_p == 0.125f && r->sampling.top_k == 5);
    EXPECT(r->sampling.presence_penalty == 0.75f && r->sampling.frequency_penalty == -1.5f);
    EXPECT_EQ(r->sampling.n_bias, 2);
    EXPECT_EQ(r->sampling.bias[0].token, 7);
    EXPECT(r->sampling.bias[0].bias == -100 && r->sampling.bias[1].bias == 1.5f);
    EXPECT_EQ(r->sampling.seed, 42);
    EXPECT_EQ(r->n, 2);
    EXPECT_EQ(r->n_stops, 2);
    EXPECT_STR(r->stops[1].text, "YZ");
    EXPECT_EQ(r->stops[1].len, 2);
    EXPECT_EQ(r->n_stop_ids, 2);
    EXPECT_EQ(r->stop_ids[1], 6);
    EXPECT_EQ(r->n_logprobs, 3);
    EXPECT(r->echo && r->ignore_eos && r->include_stop_text && r->format.stream);
    EXPECT(r->format.return_token_ids && r->format.return_timings && r->format.return_progress);
    EXPECT(r->format.include_usage && r->format.continuous_usage);
    EXPECT_EQ(r->class, GEN_BACKGROUND);
    EXPECT_STR(r->prompts[0].text, "AB");
    gen_request_unref(r);
}

/* ---- seeds ---- */

TEST(seeds_keep_all_64_bits)
{
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {{"9007199254740993", 9007199254740993}, /* 2^53 + 1: no double */
                 {"-9007199254740993", -9007199254740993},
                 {"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN},
                 {"-1", -1},
                 {"0", 0},
                 {"-0", 0},
                 {"1e3", 1000},
                 {"12.0", 12}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"user\":\"\\\"seed\\\":5\",\"s\\u0065ed\" : %s }",
                 cases[i].text);
        gen_request *r = ok(body);
        EXPECT_EQ((int64_t)r->sampling.seed, cases[i].value);
        gen_request_unref(r);
    }
}

TEST(seeds_beyond_64_bits_or_with_a_fraction_are_refused)
{
    static const char *const bad[] = {"9223372036854775808", "-9223372036854775809", "1e19", "0.5",
                                      "1e17"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"seed\":%s}", bad[i]);
        refuse(body, "invalid_value", "seed");
    }
}

/* ---- prompts ---- */

TEST(a_prompt_is_a_text_ids_or_a_list_of_either)
{
    gen_request *r = ok("{\"prompt\":[\"AB\",\"C\"],\"n\":2,\"echo\":true}");
    EXPECT_EQ(r->n_prompts, 2);
    EXPECT_EQ(r->prompts[0].n_tokens, 2);
    EXPECT_EQ(r->prompts[0].tokens[1], TEST_TOKEN_BYTE0 + 'B');
    EXPECT_STR(r->prompts[1].text, "C");
    gen_request_unref(r);
    r = ok("{\"prompt\":[5,287,0],\"echo\":true}");
    EXPECT_EQ(r->n_prompts, 1);
    EXPECT_EQ(r->prompts[0].n_tokens, 3);
    EXPECT_EQ(r->prompts[0].tokens[1], 287);
    EXPECT(r->prompts[0].text == NULL);
    gen_request_unref(r);
    r = ok("{\"prompt\":[[5],[6,7]]}");
    EXPECT_EQ(r->n_prompts, 2);
    EXPECT_EQ(r->prompts[1].tokens[1], 7);
    gen_request_unref(r);
}

TEST(an_empty_text_becomes_the_end_of_text_token)
{
    gen_request *r = ok("{\"prompt\":\"\",\"echo\":true}");
    EXPECT_EQ(r->prompts[0].n_tokens, 1);
    EXPECT_EQ(r->prompts[0].tokens[0], TEST_TOKEN_END_OF_TEXT);
    EXPECT_STR(r->prompts[0].text, "");
    gen_request_unref(r);
}

TEST(special_tokens_in_a_text_are_recognised_unless_told_not_to)
{
    gen_request *r = ok("{\"prompt\":\"<|im_end|>\"}");
    EXPECT_EQ(r->prompts[0].n_tokens, 1);
    EXPECT_EQ(r->prompts[0].tokens[0], TEST_TOKEN_IM_END);
    gen_request_unref(r);
    r = ok("{\"prompt\":\"<|im_end|>\",\"parse_special\":false}");
    EXPECT(r->prompts[0].n_tokens > 1);
    gen_request_unref(r);
}

TEST(bad_prompts_are_named_by_element)
{
    refuse("{\"prompt\":[]}", "invalid_value", "prompt");
    refuse("{\"prompt\":[[]]}", "invalid_value", "prompt[0]");
    refuse("{\"prompt\":[\"A\",1]}", "invalid_value", "prompt[1]");
    refuse("{\"prompt\":[1,\"A\"]}", "invalid_value", "prompt[1]");
    refuse("{\"prompt\":[[1],2]}", "invalid_value", "prompt[1]");
    refuse("{\"prompt\":[[1],\"A\"]}", "invalid_value", "prompt[1]");
    refuse("{\"prompt\":[null]}", "invalid_value", "prompt[0]");
    refuse("{\"prompt\":[1,1.5]}", "invalid_value", "prompt[1]");
    refuse("{\"prompt\":[1,2,288]}", "token_out_of_range", "prompt[2]");
    refuse("{\"prompt\":[-1]}", "token_out_of_range", "prompt[0]");
    refuse("{\"prompt\":[[1],[2,1e300]]}", "token_out_of_range", "prompt[1][1]");
}

/* {"prompt":["A","A",...],<rest>}; static */
static const char *many_prompts(int n, const char *rest)
{
    static char body[4096];
    size_t at = (size_t)snprintf(body, sizeof body, "{\"prompt\":[");
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(body + at, sizeof body - at, "%s\"A\"", i ? "," : "");
    snprintf(body + at, sizeof body - at, "]%s}", rest);
    return body;
}

TEST(prompts_and_sequences_are_counted)
{
    gen_request_unref(ok(many_prompts(128, "")));
    refuse(many_prompts(129, ""), "invalid_value", "prompt");
    gen_request_unref(ok(many_prompts(128, ",\"n\":2")));
    refuse(many_prompts(128, ",\"n\":3"), "invalid_value", "n");
    refuse(many_prompts(128, ",\"best_of\":3"), "invalid_value", "best_of");
}

/* ---- lengths ---- */

static const char *long_prompt(int n, const char *rest)
{
    static char body[1024];
    char text[512];
    memset(text, 'A', (size_t)n);
    text[n] = 0;
    snprintf(body, sizeof body, "{\"prompt\":\"%s\"%s}", text, rest);
    return body;
}

TEST(prompt_and_answer_fit_the_context_together)
{
    gen_request_unref(ok(long_prompt(250, ",\"max_tokens\":6")));
    refuse(long_prompt(250, ",\"max_tokens\":7"), "context_length_exceeded", "max_tokens");
    refuse(long_prompt(256, ""), "context_length_exceeded", "prompt");
    refuse(long_prompt(257, ",\"echo\":true,\"max_tokens\":0"), "context_length_exceeded",
           "prompt");
    api_error err = api_refused(GEN_COMPLETIONS, long_prompt(250, ",\"max_tokens\":7"));
    EXPECT(strstr(err.message, "256") && strstr(err.message, "250") && strstr(err.message, "7"));
}

TEST(a_default_length_is_cut_to_the_context)
{
    gen_request *r = ok(long_prompt(250, ""));
    EXPECT_EQ(r->max_tokens, 6);
    gen_request_unref(r);
    r = ok(long_prompt(100, ""));
    EXPECT_EQ(r->max_tokens, 16);
    gen_request_unref(r);
}

TEST(no_new_token_needs_echo)
{
    refuse("{\"prompt\":\"A\",\"max_tokens\":0}", "invalid_value", "max_tokens");
    gen_request *r = ok(long_prompt(256, ",\"max_tokens\":0,\"echo\":true"));
    EXPECT_EQ(r->max_tokens, 0);
    gen_request_unref(r);
}

TEST(min_tokens_is_at_most_max_tokens)
{
    gen_request_unref(ok("{\"min_tokens\":16}"));
    refuse("{\"min_tokens\":17}", "invalid_value", "min_tokens");
    refuse("{\"min_tokens\":3,\"max_tokens\":2}", "invalid_value", "min_tokens");
}

/* ---- nested and joint rules ---- */

TEST(best_of_is_at_least_n_and_not_streamed)
{
    refuse("{\"n\":3,\"best_of\":2}", "invalid_value", "best_of");
    refuse("{\"best_of\":2,\"stream\":true}", "invalid_value", "best_of");
    gen_request *r = ok("{\"n\":2,\"best_of\":5}");
    EXPECT_EQ(r->best_of, 5);
    gen_request_unref(r);
}

TEST(stream_options_need_a_stream)
{
    refuse("{\"stream_options\":{\"include_usage\":true}}", "invalid_value", "stream_options");
    refuse("{\"stream\":false,\"stream_options\":{}}", "invalid_value", "stream_options");
    refuse("{\"stream\":true,\"stream_options\":{\"include_usage\":1}}", "invalid_value",
           "stream_options.include_usage");
    gen_request_unref(ok("{\"stream_options\":null}"));
}

TEST(stops_are_checked_one_by_one)
{
    char body[1024], text[300];
    refuse("{\"stop\":[\"A\",1]}", "invalid_value", "stop[1]");
    refuse("{\"stop\":[null]}", "invalid_value", "stop[0]");
    memset(text, 'A', 257);
    text[257] = 0;
    snprintf(body, sizeof body, "{\"stop\":\"%s\"}", text);
    refuse(body, "invalid_value", "stop");
    text[256] = 0;
    snprintf(body, sizeof body, "{\"stop\":\"%s\"}", text);
    gen_request *r = ok(body);
    EXPECT_EQ(r->stops[0].len, 256);
    gen_request_unref(r);
    refuse("{\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"a\",\"b\",\"c\","
           "\"d\",\"e\",\"f\",\"g\",\"h\"]}",
           "invalid_value", "stop");
}

TEST(stop_ids_and_biases_name_tokens_of_the_vocabulary)
{
    refuse("{\"stop_token_ids\":[1,288]}", "token_out_of_range", "stop_token_ids[1]");
    refuse("{\"stop_token_ids\":[\"1\"]}", "invalid_value", "stop_token_ids[0]");
    refuse("{\"logit_bias\":{\"288\":1}}", "token_out_of_range", "logit_bias");
    refuse("{\"logit_bias\":{\"99999999999999999999\":1}}", "token_out_of_range", "logit_bias");
    refuse("{\"logit_bias\":{\"x\":1}}", "invalid_value", "logit_bias");
    refuse("{\"logit_bias\":{\"-1\":1}}", "invalid_value", "logit_bias");
    refuse("{\"logit_bias\":{\"1.0\":1}}", "invalid_value", "logit_bias");
    refuse("{\"logit_bias\":{\"01\":1}}", "invalid_value", "logit_bias");
    refuse("{\"logit_bias\":{\"\":1}}", "invalid_value", "logit_bias");
    refuse("{\"logit_bias\":{\"1\":100.5}}", "invalid_value", "logit_bias");
    refuse("{\"logit_bias\":{\"1\":\"5\"}}", "invalid_value", "logit_bias");
    refuse("{\"logit_bias\":{\"1\":null}}", "invalid_value", "logit_bias");
    gen_request_unref(ok("{\"logit_bias\":{}}"));
}

TEST(a_user_name_has_at_most_128_characters)
{
    char body[1024], text[300] = "";
    for (int i = 0; i < 128; i++)
        strcat(text, "\xc3\xa9"); /* two bytes each */
    snprintf(body, sizeof body, "{\"user\":\"%s\"}", text);
    gen_request_unref(ok(body));
    snprintf(body, sizeof body, "{\"safety_identifier\":\"%sA\"}", text);
    refuse(body, "invalid_value", "safety_identifier");
}

TEST(a_priority_may_only_be_lowered)
{
    gen_request *r = ok("{\"priority\":\"api\"}");
    EXPECT_EQ(r->class, GEN_API);
    gen_request_unref(r);
    refuse("{\"priority\":\"interactive\"}", "invalid_value", "priority");
    refuse("{\"priority\":\"urgent\"}", "invalid_value", "priority");
}

/* ---- models ---- */

TEST(the_model_may_be_named_pinned_or_left_out)
{
    char body[128];
    gen_request *r = ok("{\"model\":null}");
    char *label = api_expand("instruct@pol_{HEX}");
    EXPECT_STR(r->format.model, label);
    free(label);
    gen_request_unref(r);
    snprintf(body, sizeof body, "{\"model\":\"pol_%s\"}", api_hex());
    gen_request_unref(ok(body));
}

TEST(a_model_that_is_not_there_is_named)
{
    api_error err = api_refused(GEN_COMPLETIONS, "{\"model\":\"gpt-9\"}");
    EXPECT_EQ(err.status, 404);
    EXPECT_STR(err.type, "not_found_error");
    EXPECT_STR(err.code, "model_not_found");
    EXPECT_STR(err.param, "model");
    EXPECT(strstr(err.message, "gpt-9"));
    err = api_refused(GEN_COMPLETIONS, "{\"model\":\"pol_ffffffffffffffff\"}");
    EXPECT_EQ(err.status, 404);
    EXPECT_STR(err.code, "policy_not_resident");
    EXPECT_EQ(api_refused(GEN_COMPLETIONS, "{\"model\":7}").status, 400);
}

TEST(without_a_model_the_server_is_not_ready)
{
    policy_registry *empty = policy_registry_create();
    api_context context = {.registry = empty, .tenant = 1, .default_class = GEN_API};
    gen_request *r;
    api_error err;
    EXPECT(!api_generate_parse(GEN_COMPLETIONS, "{}", 2, &context, &r, NULL, &err));
    EXPECT_EQ(err.status, 503);
    EXPECT_STR(err.code, "not_ready");
    EXPECT(err.retry_after_ms > 0);
    policy_registry_free(empty);
}

TEST(messages_of_errors_stay_whole_characters)
{
    char body[2048] = "{\"model\":\"";
    for (int i = 0; i < 500; i++)
        strcat(body, "\xe2\x82\xac");
    strcat(body, "\"}");
    api_error err = api_refused(GEN_COMPLETIONS, body);
    buf out;
    buf_init(&out, 4096);
    api_error_write(&err, &out);
    EXPECT(!strstr(out.data, "\xef\xbf\xbd"));
    buf_free(&out);
}

/* A chat's default length runs to the context's end, but never past what the KV pool holds. */
TEST(a_default_length_is_cut_to_what_the_pool_holds)
{
    static const char chat[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"HI\"}]}";
    gen_request *whole = api_ok(GEN_CHAT, chat), *cut;
    api_error err;
    const uint32_t prompt = whole->prompts[0].n_tokens;
    const api_context context = {.registry = api_registry(),
                                 .tenant = 9,
                                 .default_class = GEN_API,
                                 .pool_tokens = prompt + 10};
    EXPECT_EQ(whole->max_tokens, API_CONTEXT - prompt);
    EXPECT(api_generate_parse(GEN_CHAT, chat, strlen(chat), &context, &cut, NULL, &err));
    EXPECT_EQ(cut->max_tokens, 10);
    gen_request_unref(whole);
    gen_request_unref(cut);
}

/* ---- members that nobody knows ---- */

static void expect_ignored(gen_family family, const char *body, const char *want)
{
    const api_context context = {.registry = api_registry(), .tenant = 1, .default_class = GEN_API};
    api_ignored ignored = {0};
    gen_request *r;
    api_error err;
    if (!api_generate_parse(family, body, strlen(body), &context, &r, &ignored, &err))
        FAIL("%s: %s", body, err.message);
    EXPECT_STR(ignored.text, want);
    gen_request_unref(r);
}

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"HI\"}]"

TEST(members_that_the_family_does_not_know_are_named)
{
    expect_ignored(GEN_COMPLETIONS, "{}", "");
    expect_ignored(GEN_COMPLETIONS, "{\"max_token\":3,\"temp\":0}", "max_token, temp");
    expect_ignored(GEN_COMPLETIONS, "{\"max_token\":null,\"temperature\":null}", "");
    expect_ignored(GEN_CHAT, "{" HI ",\"store\":true,\"echo\":true}", "store, echo");
    expect_ignored(GEN_CHAT,
                   "{" HI
                   ",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"usage\":1}}",
                   "stream_options.usage");
}

TEST(a_name_cannot_leave_its_line_of_the_head)
{
    expect_ignored(GEN_COMPLETIONS, "{\"a\\r\\nset-cookie: x=1\":1}", "a*set-cookie*x*1");
    expect_ignored(GEN_COMPLETIONS, "{\"\":1,\"b, c\":1,\"\\u00e9t\\u00e9\":1,\"+2\":1}",
                   "*, b*c, *t*, *2");
    expect_ignored(GEN_COMPLETIONS, "{\"\\u007f\\t\\\"\\\\;=\":1}", "*");
    expect_ignored(GEN_COMPLETIONS, "{\"0123456789012345678901234567890123456789\":1}",
                   "0123456789012345678901234567890123456789");
    expect_ignored(GEN_COMPLETIONS, "{\"0123456789012345678901234567890123456789x\":1}",
                   "012345678901234567890123456789012345678*");
}

TEST(names_beyond_the_headers_room_are_counted)
{
    char body[4096] = "{", *at = body + 1;
    for (int i = 0; i < 50; i++)
        at += sprintf(at, "\"a_member_of_some_length%02d\":1,", i);
    strcpy(at, "\"b\":1}");
    const api_context context = {.registry = api_registry(), .tenant = 1, .default_class = GEN_API};
    api_ignored ignored = {0};
    gen_request *r;
    api_error err;
    EXPECT(api_generate_parse(GEN_COMPLETIONS, body, strlen(body), &context, &r, &ignored, &err));
    EXPECT(strlen(ignored.text) < IGNORED_TEXT_BYTES);
    EXPECT(strncmp(ignored.text, "a_member_of_some_length00, a_member_of_some_length01, ", 54) ==
           0);
    size_t shown = 0;
    for (const char *c = strstr(ignored.text, "length"); c; c = strstr(c + 1, "length"))
        shown++;
    const char *count = strrchr(ignored.text, '+');
    EXPECT(shown >= 2 && count);
    EXPECT_EQ(strtoul(count + 1, NULL, 10) + shown, 51);
    gen_request_unref(r);
}
