/* Events -> replies, byte for byte. */
#include "api_fixture.h"

#include <math.h>

enum { H = TEST_TOKEN_BYTE0 + 'H', I = TEST_TOKEN_BYTE0 + 'I' };

#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"A\"}]"
#define HEAD(id, object)                                                                           \
    "{\"id\":\"" id "\",\"object\":\"" object "\",\"created\":1700000000,"                         \
    "\"model\":\"instruct@pol_{HEX}\",\"system_fingerprint\":\"fp_b1_{HEX}\",\"choices\":["
#define TEXT_CHUNK "data: " HEAD("cmpl-abc", "text_completion")
#define CHAT_CHUNK "data: " HEAD("chatcmpl-abc", "chat.completion.chunk")
#define USAGE(p, c, t, cached)                                                                     \
    "\"usage\":{\"prompt_tokens\":" p ",\"completion_tokens\":" c ",\"total_tokens\":" t           \
    ",\"prompt_tokens_details\":{\"cached_tokens\":" cached "}}"
#define DONE "data: [DONE]\n\n"

/* ---- events made by hand ---- */

static event *chunk(uint32_t choice, const char *text, gen_finish finish)
{
    event *ev = event_create(EV_CHUNK, 1);
    ev->usage = (gen_usage){3, 2, 1};
    ev->chunk.choice = choice;
    ev->chunk.text = strdup(text);
    ev->chunk.text_len = strlen(text);
    ev->chunk.finish = finish;
    return ev;
}

static gen_token *add_token(event *ev, int32_t id, float logprob, uint32_t offset)
{
    gen_chunk *c = &ev->chunk;
    c->tokens = realloc(c->tokens, (c->n_tokens + 1) * sizeof *c->tokens);
    c->tokens[c->n_tokens] = (gen_token){.id = id, .logprob = logprob, .text_offset = offset};
    return &c->tokens[c->n_tokens++];
}

static void add_top(gen_token *t, int32_t id, float logprob)
{
    t->top = realloc(t->top, (t->n_top + 1u) * sizeof *t->top);
    t->top[t->n_top++] = (eng_top_logprob){id, logprob};
}

static void add_id(event *ev, int32_t id)
{
    gen_chunk *c = &ev->chunk;
    c->ids = realloc(c->ids, (c->n_ids + 1) * sizeof *c->ids);
    c->ids[c->n_ids++] = id;
}

static event *done(void)
{
    event *ev = event_create(EV_DONE, 1);
    ev->usage = (gen_usage){.prompt_tokens = 3, .completion_tokens = 2, .cached_tokens = 1};
    ev->timings = (gen_timings){0.5, 1.25, 1000};
    return ev;
}

/* ---- one reply under test ---- */

typedef struct subject {
    gen_reply *reply;
    buf out;
} subject;

static subject open_subject(gen_family family, const char *body)
{
    subject s;
    gen_request *request = api_ok(family, body);
    s.reply = gen_reply_create(request, "req_abc", "b1", 1700000000);
    EXPECT(s.reply != NULL);
    gen_request_unref(request);
    buf_init(&s.out, 1 << 20);
    return s;
}

static void stream(subject *s, event *ev)
{
    gen_reply_stream(s->reply, ev, &s->out);
    event_free(ev);
}

static void collect(subject *s, event *ev)
{
    EXPECT(gen_reply_collect(s->reply, ev));
    event_free(ev);
}

static void close_subject(subject *s, const char *want)
{
    api_expect_text(&s->out, want);
    gen_reply_free(s->reply);
    buf_free(&s->out);
}

static void finish_subject(subject *s, const char *want)
{
    collect(s, done());
    gen_reply_finish(s->reply, &s->out);
    close_subject(s, want);
}

/* ---- streams ---- */

TEST(a_streamed_completion_ends_with_an_empty_chunk)
{
    subject s = open_subject(GEN_COMPLETIONS, "{\"prompt\":\"A\",\"stream\":true}");
    stream(&s, event_create(EV_ADMITTED, 1));
    stream(&s, chunk(0, "H\"\n", GEN_RUNNING));
    stream(&s, chunk(0, "I", GEN_FINISH_LENGTH));
    stream(&s, done());
    close_subject(&s, TEXT_CHUNK
                  "{\"index\":0,\"text\":\"H\\\"\\n\",\"logprobs\":null,\"finish_reason\":null}]}"
                  "\n\n" TEXT_CHUNK
                  "{\"index\":0,\"text\":\"I\",\"logprobs\":null,\"finish_reason\":null}]}"
                  "\n\n" TEXT_CHUNK
                  "{\"index\":0,\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"length\"}]}"
                  "\n\n" DONE);
}

TEST(a_streamed_chat_opens_each_choice_with_its_role)
{
    subject s = open_subject(GEN_CHAT, "{" USER ",\"stream\":true,\"n\":2}");
    stream(&s, chunk(0, "Hel", GEN_RUNNING));
    stream(&s, chunk(1, "", GEN_FINISH_STOP));
    stream(&s, chunk(0, "", GEN_FINISH_STOP));
    stream(&s, done());
    close_subject(
        &s, CHAT_CHUNK
        "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
        "\"finish_reason\":null}]}\n\n" CHAT_CHUNK
        "{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"logprobs\":null,\"finish_reason\":null}]}"
        "\n\n" CHAT_CHUNK
        "{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
        "\"finish_reason\":null}]}\n\n" CHAT_CHUNK
        "{\"index\":1,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n" CHAT_CHUNK
        "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n" DONE);
}

TEST(usage_comes_last_and_is_null_before)
{
    subject s = open_subject(GEN_COMPLETIONS, "{\"prompt\":\"A\",\"stream\":true,"
                                              "\"stream_options\":{\"include_usage\":true}}");
    stream(&s, chunk(0, "", GEN_FINISH_STOP));
    stream(&s, done());
    close_subject(&s, TEXT_CHUNK
                  "{\"index\":0,\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                  "\"usage\":null}\n\n" TEXT_CHUNK "]," USAGE("3", "2", "5", "1") "}\n\n" DONE);
}

TEST(continuous_usage_is_in_every_chunk)
{
    subject s =
        open_subject(GEN_COMPLETIONS, "{\"prompt\":\"A\",\"stream\":true,\"stream_options\":"
                                      "{\"include_usage\":true,\"continuous_usage_stats\":true}}");
    stream(&s, chunk(0, "H", GEN_RUNNING));
    stream(&s, done());
    close_subject(&s, TEXT_CHUNK
                  "{\"index\":0,\"text\":\"H\",\"logprobs\":null,\"finish_reason\":null}]," USAGE(
                      "3", "2", "5", "1") "}\n\n" TEXT_CHUNK
                                          "]," USAGE("3", "2", "5", "1") "}\n\n" DONE);
}

TEST(progress_and_timings_are_chunks_without_choices)
{
    subject s = open_subject(GEN_CHAT, "{" USER ",\"stream\":true,\"return_progress\":true,"
                                       "\"return_timings\":true}");
    event *progress = event_create(EV_PROGRESS, 1);
    progress->progress.total = 30;
    progress->progress.cached = 16;
    progress->progress.processed = 24;
    stream(&s, progress);
    stream(&s, done());
    close_subject(
        &s, CHAT_CHUNK
        "],\"prompt_progress\":{\"total\":30,\"cached\":16,\"processed\":24}}\n\n" CHAT_CHUNK
        "],\"timings\":{\"queue_ms\":0.500,\"prefill_ms\":1.250,"
        "\"decode_ms\":1000.000}}\n\n" DONE);
}

TEST(token_ids_travel_with_their_chunks)
{
    subject s = open_subject(GEN_COMPLETIONS,
                             "{\"prompt\":[5,6],\"stream\":true,\"return_token_ids\":true}");
    event *ev = chunk(0, "H", GEN_RUNNING);
    add_id(ev, H);
    stream(&s, ev);
    ev = chunk(0, "", GEN_FINISH_STOP);
    add_id(ev, TEST_TOKEN_IM_END);
    stream(&s, ev);
    close_subject(&s, TEXT_CHUNK
                  "{\"index\":0,\"text\":\"H\",\"logprobs\":null,\"finish_reason\":null,"
                  "\"prompt_token_ids\":[5,6],\"token_ids\":[75]}]}\n\n" TEXT_CHUNK
                  "{\"index\":0,\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"stop\","
                  "\"token_ids\":[2]}]}\n\n");
}

TEST(a_streamed_completions_end_token_rides_on_the_last_chunk)
{
    subject s = open_subject(GEN_COMPLETIONS, "{\"prompt\":\"A\",\"stream\":true,\"logprobs\":0}");
    event *ev = chunk(0, "H", GEN_RUNNING);
    add_token(ev, H, -0.5f, 0);
    stream(&s, ev);
    ev = chunk(0, "", GEN_FINISH_STOP);
    add_token(ev, TEST_TOKEN_IM_END, -1, 1)->hidden = true;
    stream(&s, ev);
    close_subject(
        &s, TEXT_CHUNK
        "{\"index\":0,\"text\":\"H\",\"logprobs\":{\"tokens\":[\"H\"],\"token_logprobs\":[-0.5],"
        "\"top_logprobs\":[{\"H\":-0.5}],\"text_offset\":[0]},\"finish_reason\":null}]}"
        "\n\n" TEXT_CHUNK "{\"index\":0,\"text\":\"\",\"logprobs\":{\"tokens\":[\"<|im_end|>\"],"
        "\"token_logprobs\":[-1.0],\"top_logprobs\":[{\"<|im_end|>\":-1.0}],\"text_offset\":[1]},"
        "\"finish_reason\":\"stop\"}]}\n\n");
}

TEST(a_streamed_chat_shows_no_end_token)
{
    subject s = open_subject(GEN_CHAT, "{" USER ",\"stream\":true,\"logprobs\":true}");
    event *ev = chunk(0, "H", GEN_FINISH_STOP);
    add_token(ev, H, -0.5f, 0);
    add_token(ev, TEST_TOKEN_IM_END, -1, 1)->hidden = true;
    stream(&s, ev);
    close_subject(
        &s, CHAT_CHUNK
        "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
        "\"finish_reason\":null}]}\n\n" CHAT_CHUNK
        "{\"index\":0,\"delta\":{\"content\":\"H\"},\"logprobs\":{\"content\":[{\"token\":\"H\","
        "\"logprob\":-0.5,\"bytes\":[72],\"top_logprobs\":[]}],\"refusal\":null},"
        "\"finish_reason\":null}]}\n\n" CHAT_CHUNK
        "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n");
}

TEST(a_failed_stream_says_why_and_has_no_done)
{
    subject s = open_subject(GEN_CHAT, "{" USER ",\"stream\":true}");
    event *ev = event_create(EV_ERROR, 1);
    ev->error.kind = GEN_FAIL_NOT_FINITE;
    stream(&s, ev);
    close_subject(&s, "data: {\"error\":{\"message\":\"the model gave a value that is not a finite "
                      "number\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n");
}

/* ---- whole replies ---- */

TEST(a_whole_completion_lists_choices_by_index)
{
    subject s = open_subject(GEN_COMPLETIONS, "{\"prompt\":[\"A\",\"B\"],\"n\":2}");
    collect(&s, event_create(EV_ADMITTED, 1));
    collect(&s, chunk(3, "four", GEN_FINISH_STOP));
    collect(&s, chunk(0, "on", GEN_RUNNING));
    collect(&s, chunk(2, "\xe2\x82\xac", GEN_FINISH_STOP));
    collect(&s, chunk(1, "", GEN_FINISH_LENGTH));
    collect(&s, chunk(0, "e", GEN_FINISH_LENGTH));
    finish_subject(
        &s, HEAD("cmpl-abc", "text_completion") "{\"index\":0,\"text\":\"one\",\"logprobs\":null,"
                                                "\"finish_reason\":\"length\"},"
                                                "{\"index\":1,\"text\":\"\",\"logprobs\":null,"
                                                "\"finish_reason\":\"length\"},"
                                                "{\"index\":2,\"text\":\"\xe2\x82\xac\","
                                                "\"logprobs\":null,\"finish_reason\":\"stop\"},"
                                                "{\"index\":3,\"text\":\"four\",\"logprobs\":null,"
                                                "\"finish_reason\":\"stop\"}]," USAGE("3", "2", "5",
                                                                                      "1") "}");
}

TEST(a_whole_chat_reply_is_a_message)
{
    subject s = open_subject(GEN_CHAT, "{" USER ",\"return_timings\":true}");
    collect(&s, chunk(0, "Hi", GEN_FINISH_STOP));
    finish_subject(&s,
                   HEAD("chatcmpl-abc",
                        "chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\","
                                           "\"content\":\"Hi\",\"refusal\":null},"
                                           "\"logprobs\":null,\"finish_reason\":\"stop\"}]," USAGE(
                                               "3", "2", "5",
                                               "1") ",\"timings\":{\"queue_ms\":0.500,\"prefill_"
                                                    "ms\":1.250,\"decode_ms\":1000.000}}");
}

TEST(echoed_log_probs_start_with_null)
{
    subject s = open_subject(GEN_COMPLETIONS, "{\"prompt\":[75,76],\"max_tokens\":1,\"logprobs\":1,"
                                              "\"echo\":true,\"return_token_ids\":true}");
    event *ev = chunk(0, "HI", GEN_FINISH_STOP);
    add_token(ev, H, NAN, 0)->first = true;
    gen_token *t = add_token(ev, I, -2.25f, 1);
    add_top(t, H, -0.125f);
    t = add_token(ev, TEST_TOKEN_IM_END, -0.75f, 2);
    add_top(t, TEST_TOKEN_IM_END, -0.75f);
    t->hidden = true;
    add_id(ev, TEST_TOKEN_IM_END);
    collect(&s, ev);
    finish_subject(
        &s,
        HEAD(
            "cmpl-abc",
            "text_completion") "{\"index\":0,\"text\":\"HI\",\"logprobs\":{\"tokens\":[\"H\",\"I\","
                               "\"<|im_end|>\"],\"token_logprobs\":[null,-2.25,-0.75],"
                               "\"top_logprobs\":[null,{\"H\":-0.125,\"I\":-2.25},{\"<|im_end|>\":-"
                               "0.75}],"
                               "\"text_offset\":[0,1,2]},\"finish_reason\":\"stop\","
                               "\"prompt_token_ids\":[75,76],\"token_ids\":[2]}]," USAGE(
                                   "3", "2", "5", "1") "}");
}

TEST(log_probs_of_several_chunks_join)
{
    subject s = open_subject(GEN_COMPLETIONS, "{\"prompt\":\"A\",\"logprobs\":0}");
    event *ev = chunk(0, "H", GEN_RUNNING);
    add_token(ev, H, -1, 0);
    collect(&s, ev);
    ev = chunk(0, "I", GEN_FINISH_LENGTH);
    add_token(ev, I, -INFINITY, 1);
    collect(&s, ev);
    finish_subject(
        &s,
        HEAD("cmpl-abc",
             "text_completion") "{\"index\":0,\"text\":\"HI\",\"logprobs\":{\"tokens\":[\"H\","
                                "\"I\"],"
                                "\"token_logprobs\":[-1.0,-9999.0],\"top_logprobs\":[{\"H\":-1.0},"
                                "{\"I\":-9999.0}],\"text_offset\":[0,1]},\"finish_reason\":"
                                "\"length\"}]," USAGE("3", "2", "5", "1") "}");
}

TEST(tokens_that_are_not_text_print_their_bytes_and_doubles_their_id)
{
    subject s = open_subject(GEN_COMPLETIONS, "{\"prompt\":\"A\",\"logprobs\":3}");
    event *ev = chunk(0, "\xef\xbf\xbd", GEN_FINISH_LENGTH);
    gen_token *t = add_token(ev, TEST_TOKEN_BYTE0 + 0xf0, -0.5f, 0);
    add_top(t, H, -0.25f);
    add_top(t, H, -0.25f); /* stands for another token that prints alike */
    add_top(t, TEST_TOKEN_BYTE0 + '"', -3);
    collect(&s, ev);
    finish_subject(
        &s, HEAD("cmpl-abc",
                 "text_completion") "{\"index\":0,\"text\":\"\xef\xbf\xbd\",\"logprobs\":{"
                                    "\"tokens\":[\"bytes:\\\\xf0\"],\"token_logprobs\":[-0.5],"
                                    "\"top_logprobs\":["
                                    "{\"H\":-0.25,\"token_id:75\":-0.25,\"\\\"\":-3.0,\"bytes:"
                                    "\\\\xf0\":-0.5}],"
                                    "\"text_offset\":[0]},\"finish_reason\":\"length\"}]," USAGE(
                                        "3", "2", "5", "1") "}");
}

TEST(chat_log_probs_carry_bytes)
{
    subject s = open_subject(GEN_CHAT, "{" USER ",\"logprobs\":true,\"top_logprobs\":2}");
    event *ev = chunk(0, "\xc3\xa9", GEN_FINISH_STOP);
    gen_token *t = add_token(ev, TEST_TOKEN_BYTE0 + 0xc3, -0.5f, 0);
    add_top(t, TEST_TOKEN_BYTE0 + 0xc3, -0.5f);
    add_top(t, H, -4);
    add_token(ev, TEST_TOKEN_BYTE0 + 0xa9, -0.25f, 0);
    add_token(ev, TEST_TOKEN_IM_END, -1, 1)->hidden = true;
    collect(&s, ev);
    finish_subject(
        &s,
        HEAD("chatcmpl-abc",
             "chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                                "\"\xc3\xa9\","
                                "\"refusal\":null},\"logprobs\":{\"content\":["
                                "{\"token\":\"bytes:\\\\xc3\",\"logprob\":-0.5,\"bytes\":[195],"
                                "\"top_logprobs\":["
                                "{\"token\":\"bytes:\\\\xc3\",\"logprob\":-0.5,\"bytes\":[195]},"
                                "{\"token\":\"H\",\"logprob\":-4.0,\"bytes\":[72]}]},"
                                "{\"token\":\"bytes:\\\\xa9\",\"logprob\":-0.25,\"bytes\":[169],"
                                "\"top_logprobs\":[]}],"
                                "\"refusal\":null},\"finish_reason\":\"stop\"}]," USAGE(
                                    "3", "2", "5", "1") "}");
}

/* ---- the rest ---- */

TEST(an_id_keeps_to_64_characters)
{
    gen_request *request = api_ok(GEN_CHAT, "{" USER "}");
    char name[65];
    memset(name, 'n', 64);
    name[64] = 0;
    gen_reply *reply = gen_reply_create(request, name, "b1", 0);
    buf out;
    buf_init(&out, 1 << 16);
    gen_reply_finish(reply, &out);
    EXPECT(strstr(out.data, "\"chatcmpl-nnnn"));
    EXPECT_EQ(strcspn(out.data + strlen("{\"id\":\""), "\""), 64);
    buf_free(&out);
    gen_reply_free(reply);
    gen_request_unref(request);
}

TEST(failures_have_their_status_and_retry_time)
{
    static const struct {
        gen_failure kind;
        int status;
        const char *type, *code;
    } cases[] = {{GEN_FAIL_QUEUE_FULL, 429, "rate_limit_error", "queue_full"},
                 {GEN_FAIL_DRAINING, 503, "unavailable_error", "draining"},
                 {GEN_FAIL_OUT_OF_MEMORY, 503, "unavailable_error", "out_of_memory"},
                 {GEN_FAIL_NOT_FINITE, 500, "server_error", NULL}};
    for (size_t i = 0; i < 4; i++) {
        event ev = {.kind = EV_ERROR};
        ev.error.kind = cases[i].kind;
        ev.error.retry_after_ms = 250;
        api_error err;
        gen_failure_error(&ev, &err);
        EXPECT_EQ(err.status, cases[i].status);
        EXPECT_STR(err.type, cases[i].type);
        EXPECT((err.code == NULL) == (cases[i].code == NULL));
        if (err.code)
            EXPECT_STR(err.code, cases[i].code);
        EXPECT_EQ(err.retry_after_ms, cases[i].status == 500 ? 0 : 250);
    }
}
