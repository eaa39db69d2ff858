/* /v1/rewards: bodies to requests, scores to replies. */
#include "api/rewards.h"
#include "formats/new_model.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 64 };

/* "reward" has a score head, "lm" has none; the tokenizer is bytes with ChatML. */
static policy_registry *registry_of_two(void)
{
    static policy_registry *registry;
    if (registry)
        return registry;
    registry = policy_registry_create();
    for (int score = 1; score >= 0; score--) {
        char dir[512], id[ENG_POLICY_ID_BYTES];
        eng_error err;
        const eng_new_model spec = {.arch = "llama",
                                    .n_layer = 1,
                                    .n_embd = 16,
                                    .n_head = 2,
                                    .n_ctx = CONTEXT,
                                    .score = score};
        const eng_model_options options = {.n_threads = 1};
        snprintf(dir, sizeof dir, "%s/m%d", test_dir(), score);
        EXPECT_OK(eng_model_new(dir, &spec, id, &err), err);
        EXPECT_OK(policy_registry_load(registry, score ? "reward" : "lm", dir, &options, &err),
                  err);
    }
    return registry;
}

static bool parse(const char *body, gen_request **out, api_error *err)
{
    const api_context context = {
        .registry = registry_of_two(), .tenant = 9, .default_class = GEN_API};
    return api_rewards_parse(body, strlen(body), &context, out, NULL, err);
}

static gen_request *parsed(const char *body)
{
    gen_request *r;
    api_error err;
    if (!parse(body, &r, &err))
        FAIL("%s", err.message);
    return r;
}

static void expect_refusal(const char *body, const char *code, const char *param, const char *why)
{
    gen_request *r;
    api_error err = {0};
    if (parse(body, &r, &err))
        FAIL("accepted: %s", body);
    EXPECT_EQ(err.status, strcmp(code, "model_not_found") == 0 ? 404 : 400);
    EXPECT_STR(err.code, code);
    EXPECT_STR(err.param, param);
    if (!strstr(err.message, why))
        FAIL("\"%s\" does not say \"%s\"", err.message, why);
}

TEST(each_input_becomes_a_prompt_to_score)
{
    gen_request *r =
        parsed("{\"model\":\"reward\",\"input\":[{\"prompt\":\"ab\",\"completion\":\"c\"},"
               "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},"
               "{\"role\":\"assistant\",\"content\":\"a\"}]}],\"other\":1}");
    EXPECT(r->score && gen_request_wants_row(r));
    EXPECT_EQ(r->max_tokens, 0);
    EXPECT_EQ(r->n_prompts, 2);
    EXPECT_EQ(r->prompts[0].n_tokens, 4); /* a b c <|im_end|> */
    EXPECT_EQ(r->prompts[0].tokens[2], 'c');
    EXPECT_EQ(r->prompts[0].tokens[3], 258);
    const gen_prompt *chat = &r->prompts[1];
    EXPECT_EQ(chat->tokens[0], 257);
    EXPECT_EQ(chat->tokens[chat->n_tokens - 2], 'a');
    EXPECT_EQ(chat->tokens[chat->n_tokens - 1], 258);
    gen_request_unref(r);
}

TEST(what_is_wrong_is_named_with_its_place)
{
    expect_refusal("{\"model\":\"reward\"}", "missing_required_parameter", "input", "missing");
    expect_refusal("{\"model\":\"reward\",\"input\":[]}", "invalid_value", "input", "1 to 64");
    expect_refusal("{\"model\":\"reward\",\"input\":[{\"prompt\":\"a\",\"completion\":\"b\"},3]}",
                   "invalid_value", "input[1]", "found 3");
    expect_refusal("{\"model\":\"reward\",\"input\":[{\"prompt\":\"a\"}]}",
                   "missing_required_parameter", "input[0].completion", "completion is missing");
    expect_refusal("{\"model\":\"reward\",\"input\":[{\"prompt\":7,\"completion\":\"b\"}]}",
                   "invalid_value", "input[0].prompt", "expected a string, found 7");
    expect_refusal("{\"model\":\"reward\",\"input\":[{\"messages\":[{\"role\":\"user\","
                   "\"content\":\"q\"}]}]}",
                   "invalid_value", "input[0].messages", "the last one must be the assistant's");
    expect_refusal("{\"model\":\"none\",\"input\":[]}", "model_not_found", "model", "none");
    expect_refusal("{\"model\":\"lm\",\"input\":[{\"prompt\":\"a\",\"completion\":\"b\"}]}",
                   "invalid_value", "model", "no score head");
}

TEST(a_text_past_the_context_is_refused)
{
    char body[256];
    snprintf(body, sizeof body,
             "{\"model\":\"reward\",\"input\":[{\"prompt\":\"%.*s\",\"completion\":\"b\"}]}",
             CONTEXT, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    expect_refusal(body, "context_length_exceeded", "input[0].prompt", "and this has 66");
}

TEST(a_reward_model_writes_nothing)
{
    static const char body[] = "{\"model\":\"reward\",\"prompt\":\"a\"}";
    const api_context context = {
        .registry = registry_of_two(), .tenant = 9, .default_class = GEN_API};
    gen_request *r;
    api_error err;
    EXPECT(!api_generate_parse(GEN_COMPLETIONS, body, strlen(body), &context, &r, NULL, &err));
    EXPECT_EQ(err.status, 400);
    EXPECT_STR(err.param, "model");
}

TEST(the_reply_lists_scores_in_order_of_input)
{
    gen_request *r =
        parsed("{\"model\":\"reward\",\"input\":[{\"prompt\":\"a\",\"completion\":\"b\"},"
               "{\"prompt\":\"c\",\"completion\":\"d\"}]}");
    gen_reply *reply = gen_reply_create(r, "req_1", "0", 0);
    event late = {.kind = EV_CHUNK, .chunk = {.choice = 1, .score = -0.5f}};
    event first = {.kind = EV_CHUNK, .chunk = {.choice = 0, .score = 1.25f}};
    event done = {.kind = EV_DONE, .usage = {.prompt_tokens = 6}};
    buf out;
    buf_init(&out, 4096);
    EXPECT(gen_reply_collect(reply, &late) && gen_reply_collect(reply, &first) &&
           gen_reply_collect(reply, &done));
    gen_reply_finish(reply, &out);
    char want[512];
    snprintf(want, sizeof want,
             "{\"object\":\"list\",\"model\":\"%s\",\"data\":[{\"object\":\"reward\",\"index\":0,"
             "\"reward\":1.25},{\"object\":\"reward\",\"index\":1,\"reward\":-0.5}],\"usage\":"
             "{\"prompt_tokens\":6,\"completion_tokens\":0,\"total_tokens\":6,"
             "\"prompt_tokens_details\":{\"cached_tokens\":0}}}",
             r->format.model);
    EXPECT_STR(out.data, want);
    buf_free(&out);
    gen_reply_free(reply);
    gen_request_unref(r);
}
