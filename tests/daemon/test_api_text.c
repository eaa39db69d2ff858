/* The tokenizer's and the models' routes, errors, and the JSON writer beneath them. */
#include "api_fixture.h"

#include "api/json_out.h"
#include "api/text.h"

#include <math.h>

typedef bool (*post_fn)(policy_registry *, const char *, size_t, buf *, api_ignored *, api_error *);

static void expect_post(post_fn post, const char *body, const char *want)
{
    buf out;
    api_error err;
    buf_init(&out, 1 << 16);
    if (!post(api_registry(), body, strlen(body), &out, NULL, &err))
        FAIL("%s: %s", body, err.message);
    api_expect_text(&out, want);
    buf_free(&out);
}

static void expect_no_post(post_fn post, const char *body, const char *code, const char *param)
{
    buf out;
    api_error err;
    buf_init(&out, 1 << 16);
    if (post(api_registry(), body, strlen(body), &out, NULL, &err))
        FAIL("taken: %s", body);
    EXPECT_STR(err.code, code);
    EXPECT_STR(err.param, param);
    buf_free(&out);
}

static bool starts_with(const buf *text, const char *start)
{
    return strncmp(text->data, start, strlen(start)) == 0;
}

/* ---- tokenizer ---- */

TEST(tokenize_takes_a_prompt_content_or_messages)
{
    expect_post(api_tokenize, "{\"prompt\":\"AB\"}",
                "{\"tokens\":[68,69],\"count\":2,\"max_model_len\":256}");
    expect_post(api_tokenize, "{\"content\":\"AB\",\"model\":\"instruct\",\"x\":1}",
                "{\"tokens\":[68,69],\"count\":2,\"max_model_len\":256}");
    expect_post(api_tokenize, "{\"prompt\":\"\"}",
                "{\"tokens\":[],\"count\":0,\"max_model_len\":256}");
    expect_post(api_tokenize, "{\"prompt\":\"<|im_end|>\"}",
                "{\"tokens\":[2],\"count\":1,\"max_model_len\":256}");
    /* <|im_start|> U S E R \n A <|im_end|> \n <|im_start|> ...: ChatML, a token a byte or merge */
    buf out;
    api_error err;
    buf_init(&out, 1 << 16);
    static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"A\"}]}";
    EXPECT(api_tokenize(api_registry(), body, sizeof body - 1, &out, NULL, &err));
    EXPECT(starts_with(&out, "{\"tokens\":[1,"));
    EXPECT(strstr(out.data, ",13,68,2,13,1,"));
    buf_free(&out);
}

TEST(tokenize_refuses_what_it_cannot_read)
{
    expect_no_post(api_tokenize, "{}", "missing_required_parameter", "prompt");
    expect_no_post(api_tokenize, "{\"prompt\":\"A\",\"content\":\"A\"}", "invalid_value",
                   "content");
    expect_no_post(api_tokenize, "{\"prompt\":[1]}", "invalid_value", "prompt");
    expect_no_post(api_tokenize, "{\"messages\":\"A\"}", "invalid_value", "messages");
    expect_no_post(api_tokenize, "{\"messages\":[]}", "invalid_value", "messages");
    expect_no_post(api_tokenize, "{\"prompt\":\"A\",\"add_special_tokens\":1}", "invalid_value",
                   "add_special_tokens");
    expect_no_post(api_tokenize, "{\"prompt\":\"A\",\"model\":\"none\"}", "model_not_found",
                   "model");
    expect_no_post(api_tokenize, "[", "invalid_json", "");
}

TEST(detokenize_joins_bytes_before_it_reads_text)
{
    /* 198 and 172 are the bytes 0xc3 and 0xa9 */
    expect_post(api_detokenize, "{\"tokens\":[68,198,172,2]}",
                "{\"prompt\":\"A\xc3\xa9<|im_end|>\",\"content\":\"A\xc3\xa9<|im_end|>\"}");
    expect_post(api_detokenize, "{\"tokens\":[198]}",
                "{\"prompt\":\"\xef\xbf\xbd\",\"content\":\"\xef\xbf\xbd\"}");
    expect_post(api_detokenize, "{\"tokens\":[]}", "{\"prompt\":\"\",\"content\":\"\"}");
    expect_no_post(api_detokenize, "{\"tokens\":[1,288]}", "token_out_of_range", "tokens[1]");
    expect_no_post(api_detokenize, "{\"tokens\":[-1]}", "token_out_of_range", "tokens[0]");
    expect_no_post(api_detokenize, "{\"tokens\":[\"1\"]}", "invalid_value", "tokens[0]");
    expect_no_post(api_detokenize, "{\"tokens\":7}", "invalid_value", "tokens");
    expect_no_post(api_detokenize, "{}", "missing_required_parameter", "tokens");
}

TEST(tokenizer_info_names_the_special_tokens)
{
    buf out;
    api_error err;
    buf_init(&out, 1 << 16);
    EXPECT(api_tokenizer_info(api_registry(), NULL, &out, &err));
    EXPECT(starts_with(&out, "{\"eos_token\":\"<|im_end|>\",\"bos_token\":\"<|im_start|>\","
                             "\"pad_token\":\"<|im_end|>\",\"chat_template\":\"{"));
    EXPECT(strstr(out.data, "\",\"vocab_size\":288}"));
    EXPECT(!api_tokenizer_info(api_registry(), "none", &out, &err));
    EXPECT_EQ(err.status, 404);
    buf_free(&out);
}

/* ---- models ---- */

TEST(models_are_listed_and_found_by_name)
{
    buf out;
    api_error err;
    buf_init(&out, 1 << 16);
    EXPECT(api_models_page(api_registry(), NULL, NULL, &out, &err));
    EXPECT(starts_with(&out, "{\"object\":\"list\",\"data\":[{\"id\":\"instruct\","
                             "\"object\":\"model\",\"created\":"));
    char *tail = api_expand(",\"owned_by\":\"instructd\",\"policy\":\"pol_{HEX}\",\"stage\":");
    EXPECT(strstr(out.data, tail));
    EXPECT(strstr(out.data, ",\"max_model_len\":256}],\"has_more\":false}"));
    buf_clear(&out);
    EXPECT(api_model_get(api_registry(), "instruct", &out, &err));
    EXPECT(starts_with(&out, "{\"id\":\"instruct\",\"object\":\"model\","));
    EXPECT(strstr(out.data, tail));
    EXPECT(!api_model_get(api_registry(), "gpt-9", &out, &err));
    EXPECT_STR(err.code, "model_not_found");
    free(tail);
    buf_free(&out);
}

TEST(a_page_of_models_is_limited)
{
    buf out;
    api_error err;
    buf_init(&out, 1 << 16);
    EXPECT(api_models_page(api_registry(), "100", "instruct", &out, &err));
    EXPECT_STR(out.data, "{\"object\":\"list\",\"data\":[],\"has_more\":false}");
    static const char *const bad[] = {"0", "101", "", "x", "-1", "1.5", "99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT(!api_models_page(api_registry(), bad[i], NULL, &out, &err));
        EXPECT_STR(err.param, "limit");
    }
    EXPECT(!api_models_page(api_registry(), NULL, "none", &out, &err));
    EXPECT_STR(err.param, "after");
    buf_free(&out);
}

/* ---- the writer ---- */

static void expect_string(const char *bytes, size_t len, const char *want)
{
    buf out;
    buf_init(&out, 1024);
    json_string(&out, bytes, len);
    EXPECT_STR(out.data, want);
    buf_free(&out);
}

TEST(strings_are_escaped_as_rfc_8259_says)
{
    expect_string("", 0, "\"\"");
    expect_string("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    expect_string("\b\f\n\r\t\x01\x1f\x7f", 8, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    expect_string("a\0b", 3, "\"a\\u0000b\"");
    expect_string("\xf0\x9f\x98\x80\xe2\x80\xa8", 7, "\"\xf0\x9f\x98\x80\xe2\x80\xa8\"");
    expect_string("\xff"
                  "A\xe2\x82",
                  4,
                  "\"\xef\xbf\xbd"
                  "A\xef\xbf\xbd\"");
}

static const char *logprob_text(float v)
{
    static char text[64];
    buf out;
    buf_init(&out, 64);
    json_logprob(&out, v);
    snprintf(text, sizeof text, "%s", out.data);
    buf_free(&out);
    return text;
}

TEST(log_probs_print_shortest)
{
    EXPECT_STR(logprob_text(0.0f), "0.0");
    EXPECT_STR(logprob_text(-0.0f), "0.0");
    EXPECT_STR(logprob_text(-1.0f), "-1.0");
    EXPECT_STR(logprob_text(-0.1f), "-0.1");
    EXPECT_STR(logprob_text(-12.5f), "-12.5");
    EXPECT_STR(logprob_text(-1000.0f), "-1000.0");
    EXPECT_STR(logprob_text(-0.001f), "-0.001");
    EXPECT_STR(logprob_text(-1e-4f), "-0.0001");
    EXPECT_STR(logprob_text(-1.25e-7f), "-1.25e-7");
    EXPECT_STR(logprob_text(-9998.999f), "-9998.999");
    EXPECT_STR(logprob_text(-9999.0f), "-9999.0");
    EXPECT_STR(logprob_text(-10000.0f), "-9999.0");
    EXPECT_STR(logprob_text(-INFINITY), "-9999.0");
    EXPECT_STR(logprob_text(INFINITY), "-9999.0");
    EXPECT_STR(logprob_text(NAN), "-9999.0");
    EXPECT_STR(logprob_text(16777216.0f), "16777216.0");
}

static int count_digits(const char *text)
{
    int n = 0, trailing = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (n == 0 && *text == '0'))
            continue;
        n++;
        trailing = *text == '0' ? trailing + 1 : 0;
    }
    return n - trailing;
}

/* Oracle: the C library's printing at 1, 2, ... digits until it reads back as the same float. */
TEST(log_probs_read_back_and_no_fewer_digits_would)
{
    uint32_t state = 1;
    for (int i = 0; i < 60000; i++) {
        state = state * 1664525u + 1013904223u;
        float v = -ldexpf((float)(state >> 8) / 0x1p24f, (int)(state & 31) - 18);
        const char *text = logprob_text(v);
        if (strtof(text, NULL) != v)
            FAIL("%.9g prints as %s", (double)v, text);
        char oracle[32];
        int digits = 0;
        do
            snprintf(oracle, sizeof oracle, "%.*e", digits++, (double)v);
        while (strtof(oracle, NULL) != v);
        if (count_digits(text) != count_digits(oracle))
            FAIL("%s is longer than %s", text, oracle);
    }
}

TEST(an_error_has_four_keys)
{
    api_error err;
    buf out;
    buf_init(&out, 4096);
    EXPECT(!api_invalid(&err, "invalid_value", "n", "n: \"%s\"", "x"));
    api_error_write(&err, &out);
    EXPECT_STR(out.data, "{\"error\":{\"message\":\"n: \\\"x\\\"\",\"type\":"
                         "\"invalid_request_error\",\"param\":\"n\",\"code\":\"invalid_value\"}}");
    buf_clear(&out);
    EXPECT(!api_fail(&err, 405, "invalid_request_error", NULL, NULL, "no"));
    api_error_write(&err, &out);
    EXPECT_STR(out.data, "{\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\","
                         "\"param\":null,\"code\":null}}");
    buf_free(&out);
}
