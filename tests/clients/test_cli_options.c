#include "harness.h"

#include "json.h"
#include "options.h"
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS_MAX = 16 };

/* Parses a command line that is split at '~'. */
static exit_code parse(options *o, const char *line, problem *p)
{
    static char copy[512];
    char *argv[ARGS_MAX] = {(char *)"instruct"};
    int argc = 1;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *at = strtok(copy, "~"); at && argc < ARGS_MAX; at = strtok(NULL, "~"))
        argv[argc++] = at;
    memset(p, 0, sizeof *p);
    return options_parse(o, argc, argv, p);
}

static void expect_usage(const char *line, const char *message)
{
    options o;
    problem p;
    EXPECT_EQ(parse(&o, line, &p), EXIT_USAGE);
    EXPECT_STR(p.text, message);
    options_free(&o);
}

static void expect_body(const char *line, const char *want)
{
    options o;
    problem p;
    if (parse(&o, line, &p) != EXIT_DONE)
        FAIL("%s: %s", line, p.text);
    char *body = request_completion(&o, "x", false);
    EXPECT_STR(body, want);
    free(body);
    options_free(&o);
}

TEST(options_may_stand_before_and_after_the_command)
{
    options o;
    problem p;
    EXPECT_EQ(parse(&o, "--url~http://h:1~complete~-m~small~a prompt~--json", &p), EXIT_DONE);
    EXPECT_EQ(o.command, COMMAND_COMPLETE);
    EXPECT_STR(o.url, "http://h:1");
    EXPECT_STR(o.model, "small");
    EXPECT_STR(o.arguments[0], "a prompt");
    EXPECT(o.json);
    EXPECT_NEAR(o.timeout_s, 600, 0);
    options_free(&o);
}

TEST(options_become_fields_of_the_request)
{
    expect_body("complete~x", "{\"prompt\":\"x\"}");
    expect_body(
        "complete~x~--max-tokens=5~--temperature~0.5~--top-k~3~--echo",
        "{\"prompt\":\"x\",\"max_tokens\":5,\"temperature\":0.5,\"top_k\":3,\"echo\":true}");
    expect_body("complete~x~--stop~a~--stop~b", "{\"prompt\":\"x\",\"stop\":[\"a\",\"b\"]}");
    expect_body("complete~x~--logit-bias~7=-100~--logit-bias~8=1.5",
                "{\"prompt\":\"x\",\"logit_bias\":{\"7\":-100,\"8\":1.5}}");
}

TEST(options_keep_every_digit_of_a_seed)
{
    expect_body("complete~x~--seed~9223372036854775807",
                "{\"prompt\":\"x\",\"seed\":9223372036854775807}");
    expect_body("complete~x~--seed~-1", "{\"prompt\":\"x\",\"seed\":-1}");
}

TEST(options_take_the_last_of_two_values)
{
    expect_body("complete~x~--seed~1~--seed~2", "{\"prompt\":\"x\",\"seed\":2}");
}

TEST(options_turn_logprobs_into_two_fields_for_chat)
{
    options o;
    problem p;
    EXPECT_EQ(parse(&o, "chat~hi~--logprobs~2", &p), EXIT_DONE);
    cJSON *messages = cJSON_CreateArray();
    char *body = request_chat(&o, messages, true);
    EXPECT_STR(body, "{\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                     "\"logprobs\":true,\"top_logprobs\":2}");
    free(body);
    cJSON_Delete(messages);
    options_free(&o);
}

TEST(options_end_at_two_dashes)
{
    options o;
    problem p;
    EXPECT_EQ(parse(&o, "complete~--~--json", &p), EXIT_DONE);
    EXPECT_STR(o.arguments[0], "--json");
    EXPECT(!o.json);
    options_free(&o);
}

TEST(options_take_a_dash_as_standard_input)
{
    options o;
    problem p;
    EXPECT_EQ(parse(&o, "tokenize~-", &p), EXIT_DONE);
    EXPECT_STR(o.arguments[0], "-");
    options_free(&o);
}

TEST(options_refuse_what_they_do_not_know)
{
    expect_usage("complete~x~--frobnicate", "unknown option --frobnicate");
    expect_usage("bake", "there is no command \"bake\"");
    expect_usage("complete~a~b", "unexpected argument \"b\"");
    expect_usage("models~a", "unexpected argument \"a\"");
    expect_usage("models~--top-k~1", "--top-k is not an option of instruct models");
    expect_usage("chat~hi~--echo", "--echo is not an option of instruct chat");
    expect_usage("--json", "a command is missing");
}

TEST(options_collect_pairs_and_counts)
{
    options o;
    problem p;
    EXPECT_EQ(parse(&o, "train~ppo~--set~a=1~--gate=b=2~--set~c=x=y~--every~5~--seed~7", &p),
              EXIT_DONE);
    EXPECT_EQ(cJSON_GetArraySize(o.sets), 2);
    EXPECT_STR(cJSON_GetArrayItem(o.sets, 1)->valuestring, "c=x=y");
    EXPECT_STR(cJSON_GetArrayItem(o.gates, 0)->valuestring, "b=2");
    EXPECT_EQ(o.every, 5);
    EXPECT_STR(options_seed(&o), "7");
    EXPECT_STR(options_argument(&o, 0), "ppo");
    EXPECT(options_argument(&o, 1) == NULL);
    options_free(&o);
}

TEST(options_refuse_values_of_the_wrong_form)
{
    expect_usage("train~x~--set~a", "--set takes NAME=VALUE, not \"a\"");
    expect_usage("train~x~--set~=1", "--set takes NAME=VALUE, not \"=1\"");
    expect_usage("train~x~--every~0", "--every takes a whole number from 1, not \"0\"");
    expect_usage("model~new~--dim~4294967296",
                 "--dim takes a whole number from 1, not \"4294967296\"");
    expect_usage("complete~x~--seed~1.5", "--seed takes a whole number, not \"1.5\"");
    expect_usage("complete~x~--seed~9223372036854775808",
                 "--seed takes a whole number, not \"9223372036854775808\"");
    expect_usage("complete~x~--temperature~nan", "--temperature takes a number, not \"nan\"");
    expect_usage("complete~x~--top-p~0x1", "--top-p takes a number, not \"0x1\"");
    expect_usage("complete~x~--logit-bias~7",
                 "--logit-bias takes ID=B, a token id and a number, not \"7\"");
    expect_usage("complete~x~--timeout~-1", "--timeout takes seconds, 0 or more, not \"-1\"");
    expect_usage("complete~x~--json=yes", "--json takes no value");
    expect_usage("complete~x~--seed", "--seed needs a value: N");
}
