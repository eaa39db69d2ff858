/* Data files: every format is read, every fault is refused with its line and reason. */
#include "base/json.h"
#include "formats/text_out.h"
#include "harness.h"
#include "rlhf/dataset.h"
#include "rlhf/file_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_text(const char *text, size_t len)
{
    char path[256];
    snprintf(path, sizeof path, "%s/data.jsonl", test_dir());
    test_write_file(path, text, len);
    int fd = open(path, O_RDONLY);
    EXPECT(fd >= 0);
    return fd;
}

/* A reader over the text, kept open until the next one or the program's end. */
static data_reader *reader_of(const char *text, data_format wanted)
{
    static data_reader *reader;
    static int fd = -1;
    eng_error err;
    data_close(reader);
    reader = NULL;
    if (fd >= 0)
        close(fd);
    if (!text)
        return NULL;
    fd = open_text(text, strlen(text));
    EXPECT_EQ(data_open(&reader, fd, wanted, &err), INSTRUCTD_OK);
    return reader;
}

/* The reader's next row, which must be there. */
static const data_row *row_of(data_reader *reader)
{
    const data_row *row;
    eng_error err;
    if (data_next(reader, &row, &err) != INSTRUCTD_OK)
        FAIL("refused: %s", err.text);
    EXPECT(row != NULL);
    return row;
}

static void expect_end(data_reader *reader)
{
    const data_row *row;
    eng_error err;
    EXPECT_EQ(data_next(reader, &row, &err), INSTRUCTD_OK);
    EXPECT(row == NULL);
    reader_of(NULL, DATA_ANY);
}

/* The text is refused on its last line, for a reason that contains `why`. */
static void expect_refusal(data_format wanted, const char *text, const char *why)
{
    data_reader *reader = reader_of(text, wanted);
    const data_row *row;
    eng_error err;
    char where[32];
    uint64_t line = 1;
    job_code code;
    for (const char *p = text; *p; p++)
        line += *p == '\n' && p[1];
    do {
        code = data_next(reader, &row, &err);
    } while (code == INSTRUCTD_OK && row);
    if (code == INSTRUCTD_OK)
        FAIL("accepted: %s", text);
    snprintf(where, sizeof where, "line %llu: ", (unsigned long long)line);
    if (strncmp(err.text, where, strlen(where)) != 0 || !strstr(err.text, why))
        FAIL("\"%s\", expected \"%s...%s\"", err.text, where, why);
    EXPECT_EQ(data_line(reader), line);
    reader_of(NULL, DATA_ANY);
}

/* ---- formats ---- */

TEST(supervised_rows_are_a_prompt_and_its_completion)
{
    data_reader *r = reader_of("{\"prompt\":\"Q: 1+1\",\"completion\":\" 2\",\"topic\":\"sums\"}\n"
                               "\n"
                               "{\"completion\":\"b\",\"prompt\":\"\"}",
                               DATA_ANY);
    const data_row *row = row_of(r);
    EXPECT_EQ(data_found(r), DATA_SUPERVISED);
    EXPECT_STR(row->prompt.text, "Q: 1+1");
    EXPECT_EQ(row->n_outputs, 1);
    EXPECT_STR(row->outputs[0].text.text, " 2");
    EXPECT_EQ(row->line, 1);
    row = row_of(r);
    EXPECT_EQ(row->line, 3);
    EXPECT_STR(row->prompt.text, "");
    expect_end(r);
}

TEST(supervised_messages_say_which_answers_are_learnt)
{
    data_reader *r = reader_of(
        "{\"messages\":[{\"role\":\"developer\",\"content\":\"Be brief.\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hel\"},"
        "{\"type\":\"text\",\"text\":\"lo\"}]},"
        "{\"role\":\"assistant\",\"content\":\"Hi\",\"weight\":0},"
        "{\"role\":\"user\",\"content\":\"Bye\"},{\"role\":\"assistant\",\"content\":\"So "
        "long\"}]}\r\n",
        DATA_ANY);
    const data_row *row = row_of(r);
    EXPECT_EQ(data_found(r), DATA_SUPERVISED);
    EXPECT_EQ(row->prompt.n_messages, 5);
    EXPECT_STR(row->prompt.messages[0].role, "system");
    EXPECT_STR(row->prompt.messages[1].content, "Hello");
    EXPECT_EQ(row->prompt.messages[1].content_len, 5);
    const bool learn[] = {false, false, false, false, true};
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(row->prompt.messages[i].learn, learn[i]);
    EXPECT_EQ(row->n_outputs, 0);
    expect_end(r);
}

TEST(reward_rows_are_a_pair_of_strings_or_of_messages)
{
    data_reader *r = reader_of(
        "{\"prompt\":\"p\",\"chosen\":\"good\",\"rejected\":\"\"}\n"
        "{\"prompt\":[{\"role\":\"user\",\"content\":\"p\"}],"
        "\"chosen\":[{\"role\":\"assistant\",\"content\":\"good\"}],\"rejected\":\"bad\"}\n",
        DATA_ANY);
    const data_row *row = row_of(r);
    EXPECT_EQ(data_found(r), DATA_REWARD_MODEL);
    EXPECT_EQ(row->n_outputs, 2);
    EXPECT_STR(row->outputs[0].text.text, "good");
    EXPECT_EQ(row->outputs[0].group, 0);
    EXPECT_EQ(row->outputs[1].group, 1);
    row = row_of(r);
    EXPECT_STR(row->outputs[0].text.messages[0].content, "good");
    EXPECT_STR(row->outputs[1].text.text, "bad");
    expect_end(r);
}

TEST(reward_rows_rank_k_outputs_with_ties)
{
    data_reader *r = reader_of(
        "{\"task_id\":\"t1\",\"prompt\":\"p\",\"outputs\":[{\"id\":\"a\",\"text\":\"A\"},"
        "{\"id\":\"b\",\"text\":\"B\",\"policy\":\"pol_0\"},{\"id\":\"c\",\"text\":\"C\"},"
        "{\"id\":\"d\",\"text\":\"D\"}],\"groups\":[[\"c\"],[\"a\",\"d\"],[\"b\"]],"
        "\"labeler\":\"l1\"}",
        DATA_ANY);
    const data_row *row = row_of(r);
    const uint32_t want[] = {1, 2, 0, 1};
    EXPECT_EQ(row->n_outputs, 4);
    for (int k = 0; k < 4; k++)
        EXPECT_EQ(row->outputs[k].group, want[k]);
    EXPECT_STR(row->outputs[3].text.text, "D");
    expect_end(r);
}

TEST(ppo_rows_are_prompts)
{
    data_reader *r = reader_of(
        "{\"prompt\":\"once\"}\n{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", DATA_ANY);
    EXPECT_STR(row_of(r)->prompt.text, "once");
    EXPECT_EQ(data_found(r), DATA_PPO);
    EXPECT_EQ(row_of(r)->prompt.n_messages, 1);
    expect_end(r);
}

TEST(prompts_may_come_from_a_file_of_demonstrations)
{
    data_reader *r = reader_of("{\"prompt\":\"p\",\"completion\":\"c\"}", DATA_PPO);
    const data_row *row = row_of(r);
    EXPECT_STR(row->prompt.text, "p");
    EXPECT_EQ(row->n_outputs, 0);
    expect_end(r);
}

TEST(pretrain_rows_are_texts)
{
    data_reader *r = reader_of("{\"text\":\"caf\\u00e9\"}", DATA_ANY);
    const data_row *row = row_of(r);
    EXPECT_EQ(data_found(r), DATA_PRETRAIN);
    EXPECT_STR(row->prompt.text, "café");
    EXPECT_EQ(row->prompt.len, 5);
    expect_end(r);
}

TEST(lines_longer_than_the_buffer_are_read_whole)
{
    enum { LETTERS = 300000 };
    char *text = malloc(2 * LETTERS + 64);
    char *p = text + sprintf(text, "{\"text\":\"");
    memset(p, 'a', LETTERS);
    strcpy(p + LETTERS, "\"}\n{\"text\":\"b\"}");
    data_reader *r = reader_of(text, DATA_PRETRAIN);
    EXPECT_EQ(row_of(r)->prompt.len, LETTERS);
    EXPECT_STR(row_of(r)->prompt.text, "b");
    expect_end(r);
    free(text);
}

/* ---- refusals ---- */

TEST(lines_that_are_no_json_object_are_refused)
{
    expect_refusal(DATA_PPO, "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"", "byte 13");
    expect_refusal(DATA_PPO, "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"} x", "byte 15");
    expect_refusal(DATA_PPO, "[1,2]", "expected an object");
    expect_refusal(DATA_PPO, "{\"prompt\":\"a\",\"prompt\":\"b\"}", "key");
    expect_refusal(DATA_PPO, "{\"prompt\":\"\xff\"}", "UTF-8");
    expect_refusal(DATA_PPO, "{\"prompt\":\"a\\u0000b\"}", "u0000");
    expect_refusal(DATA_PPO, "\xEF\xBB\xBF{\"prompt\":\"a\"}", "found a UTF-8 byte order mark");
    expect_refusal(DATA_ANY, "{\"question\":\"a\"}", "no known format");
}

TEST(missing_and_wrong_members_are_named)
{
    expect_refusal(DATA_SUPERVISED, "{\"prompt\":\"a\"}",
                   "completion: expected a string or a list of messages, found nothing");
    expect_refusal(DATA_SUPERVISED, "{\"completion\":\"a\"}", "found neither messages nor prompt");
    expect_refusal(DATA_SUPERVISED, "{\"mesages\":[]}", "found neither messages nor prompt");
    expect_refusal(DATA_SUPERVISED, "{\"prompt\":1,\"completion\":\"a\"}", "found 1");
    expect_refusal(DATA_SUPERVISED, "{\"prompt\":\"a\",\"completion\":\"\"}",
                   "completion: expected a string that is not empty");
    expect_refusal(DATA_SUPERVISED, "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"text\":\"x\"}",
                   "found neither messages nor prompt");
    expect_refusal(DATA_REWARD_MODEL, "{\"prompt\":\"a\",\"chosen\":\"b\"}", "rejected: expected");
    expect_refusal(DATA_PRETRAIN, "{\"text\":\"\"}", "text: expected a string that is not empty");
    expect_refusal(DATA_PRETRAIN, "{\"text\":null}", "found null");
    expect_refusal(DATA_PPO, "{\"text\":\"x\"}", "found neither messages nor prompt");
}

#define CHAT(messages) "{\"messages\":[" messages "]}"
#define USER "{\"role\":\"user\",\"content\":\"u\"}"
#define ASSISTANT "{\"role\":\"assistant\",\"content\":\"a\"}"

TEST(bad_messages_are_named_by_their_place)
{
    expect_refusal(DATA_SUPERVISED, CHAT(""), "messages: expected a list of 1 to 1024 messages");
    expect_refusal(DATA_SUPERVISED, CHAT(USER ",7"), "messages[1]: expected an object");
    expect_refusal(DATA_SUPERVISED, CHAT("{\"role\":\"tool\",\"content\":\"x\"}"),
                   "messages[0].role: expected system, developer, user or assistant, found "
                   "\"tool\"");
    expect_refusal(DATA_SUPERVISED, CHAT(USER ",{\"role\":\"assistant\"}"),
                   "messages[1].content: expected");
    expect_refusal(DATA_SUPERVISED,
                   CHAT(USER ",{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[]}"),
                   "messages[1].tool_calls: expected no such member");
    expect_refusal(DATA_SUPERVISED,
                   CHAT("{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}," ASSISTANT),
                   "messages[0].content: expected parts");
    expect_refusal(DATA_SUPERVISED,
                   CHAT("{\"role\":\"user\",\"content\":\"u\",\"weight\":1}," ASSISTANT),
                   "messages[0].weight");
    expect_refusal(DATA_SUPERVISED,
                   CHAT(USER ",{\"role\":\"assistant\",\"content\":\"a\",\"weight\":0.5}"),
                   "messages[1].weight: expected 0 or 1, found 0.5");
    expect_refusal(DATA_SUPERVISED,
                   CHAT(USER ",{\"role\":\"assistant\",\"content\":\"a\",\"weight\":0}"),
                   "an assistant's message of weight 1");
    expect_refusal(DATA_SUPERVISED, CHAT(USER "," ASSISTANT "," USER),
                   "messages: expected the assistant to have the last word, found \"user\"");
    expect_refusal(DATA_PPO, CHAT(USER "," ASSISTANT),
                   "messages: expected a last message of the user's, found \"assistant\"");
    expect_refusal(DATA_PPO, "{\"messages\":\"hello\"}", "messages: expected a list");
}

#define RANKED(outputs, groups)                                                                    \
    "{\"prompt\":\"p\",\"outputs\":[" outputs "],\"groups\":[" groups "]}"
#define A "{\"id\":\"a\",\"text\":\"A\"}"
#define B "{\"id\":\"b\",\"text\":\"B\"}"

TEST(bad_rankings_are_refused)
{
    expect_refusal(DATA_REWARD_MODEL, RANKED(A, "[\"a\"]"), "a list of 2 to 9 outputs");
    expect_refusal(DATA_REWARD_MODEL,
                   RANKED(A "," B ",{\"id\":\"c\",\"text\":\"\"}," /* ten */
                            "{\"id\":\"d\",\"text\":\"\"},"
                            "{\"id\":\"e\",\"text\":\"\"},"
                            "{\"id\":\"f\",\"text\":\"\"},"
                            "{\"id\":\"g\",\"text\":\"\"},"
                            "{\"id\":\"h\",\"text\":\"\"},"
                            "{\"id\":\"i\",\"text\":\"\"},"
                            "{\"id\":\"j\",\"text\":\"\"}",
                          ""),
                   "a list of 2 to 9 outputs");
    expect_refusal(DATA_REWARD_MODEL, RANKED(A "," A, "[\"a\"]"),
                   "outputs[1].id: expected an id that no other output has");
    expect_refusal(DATA_REWARD_MODEL, RANKED(A ",{\"text\":\"B\"}", "[\"a\"]"),
                   "outputs[1].id: expected a string");
    expect_refusal(DATA_REWARD_MODEL, RANKED(A ",{\"id\":\"b\"}", "[\"a\"]"),
                   "outputs[1].text: expected");
    expect_refusal(DATA_REWARD_MODEL, RANKED(A "," B, "[\"a\"]"), "left out is, found \"b\"");
    expect_refusal(DATA_REWARD_MODEL, RANKED(A "," B, "[\"a\"],[\"b\",\"a\"]"),
                   "groups[1][1]: expected each output in one group, once");
    expect_refusal(DATA_REWARD_MODEL, RANKED(A "," B, "[\"a\"],[\"x\"]"),
                   "groups[1][0]: expected the id of an output, found \"x\"");
    expect_refusal(DATA_REWARD_MODEL, RANKED(A "," B, "[\"a\"],[]"), "groups[1]: expected a list");
    expect_refusal(DATA_REWARD_MODEL, RANKED(A "," B, "\"a\",\"b\""), "groups[0]: expected a list");
    expect_refusal(DATA_REWARD_MODEL, "{\"prompt\":\"p\",\"outputs\":[" A "," B "]}",
                   "groups: expected");
}

TEST(an_answer_in_messages_is_one_and_the_assistants)
{
    const char *two =
        "{\"prompt\":[" USER "],\"chosen\":[" ASSISTANT "," ASSISTANT "],\"rejected\":\"r\"}";
    const char *user = "{\"prompt\":[" USER "],\"chosen\":[" USER "],\"rejected\":\"r\"}";
    const char *plain = "{\"prompt\":\"p\",\"chosen\":[" ASSISTANT "],\"rejected\":\"r\"}";
    expect_refusal(DATA_REWARD_MODEL, two, "chosen: expected one message of the assistant's");
    expect_refusal(DATA_REWARD_MODEL, user, "chosen: expected one message of the assistant's");
    expect_refusal(DATA_REWARD_MODEL, plain, "chosen: expected a string, as the prompt is one");
}

/* ---- uploaded files ---- */

static job_code check_text(const char *text, data_format *format, uint64_t *rows,
                           uint64_t *bad_line, eng_error *err)
{
    int fd = open_text(text, strlen(text));
    job_code code = file_check(fd, format, rows, bad_line, err);
    close(fd);
    return code;
}

TEST(file_check_tells_format_rows_and_the_first_bad_line)
{
    data_format format;
    uint64_t rows, bad;
    eng_error err;
    EXPECT_EQ(check_text("{\"text\":\"a\"}\n{\"text\":\"b\"}\n", &format, &rows, &bad, &err),
              INSTRUCTD_OK);
    EXPECT_EQ(format, DATA_PRETRAIN);
    EXPECT_EQ(rows, 2);
    EXPECT_EQ(bad, 0);
    EXPECT_STR(err.text, "");
    EXPECT_EQ(check_text("{\"prompt\":\"a\",\"completion\":\"b\"}\n\n{\"prompt\":\"a\"}\n", &format,
                         &rows, &bad, &err),
              INSTRUCTD_OK);
    EXPECT_EQ(format, DATA_SUPERVISED);
    EXPECT_EQ(rows, 1);
    EXPECT_EQ(bad, 3);
    EXPECT_STR(err.text,
               "completion: expected a string or a list of messages, found nothing"); /* no line */
}

TEST(file_check_leaves_unknown_formats_to_others)
{
    data_format format;
    uint64_t rows, bad;
    eng_error err;
    EXPECT_EQ(check_text("", &format, &rows, &bad, &err), INSTRUCTD_E_UNSUPPORTED);
    EXPECT_EQ(check_text("{\"a\":1}\n", &format, &rows, &bad, &err), INSTRUCTD_E_UNSUPPORTED);
    EXPECT_EQ(check_text("a,b\n1,2\n", &format, &rows, &bad, &err), INSTRUCTD_E_UNSUPPORTED);
    EXPECT_EQ(format, DATA_ANY);
}

TEST(a_file_of_k_wise_rankings_with_every_k_is_accepted)
{
    char text[4096], *p = text;
    for (int k = 2; k <= 9; k++) {
        p += sprintf(p, "{\"prompt\":\"p\",\"outputs\":[");
        for (int i = 0; i < k; i++)
            p += sprintf(p, "%s{\"id\":\"%c\",\"text\":\"t%d\"}", i ? "," : "", 'a' + i, i);
        p += sprintf(p, "],\"groups\":[");
        for (int i = 0; i < k; i++)
            p += sprintf(p, "%s[\"%c\"]", i ? "," : "", 'a' + k - 1 - i);
        p += sprintf(p, "]}\n");
    }
    data_reader *r = reader_of(text, DATA_ANY);
    for (uint32_t k = 2; k <= 9; k++) {
        const data_row *row = row_of(r);
        EXPECT_EQ(row->n_outputs, k);
        for (uint32_t i = 0; i < k; i++)
            EXPECT_EQ(row->outputs[i].group, k - 1 - i);
    }
    expect_end(r);
}

/* ---- the Open-Assistant sample ---- */

static const eng_json *rank_of(const eng_json *reply)
{
    const eng_json *rank = eng_json_get(reply, "rank");
    return eng_json_is(rank, ENG_JSON_NUMBER) ? rank : NULL;
}

/* One row of a message whose answers people ranked; an answer without a rank is left out. */
static void put_ranking(eng__text *out, const eng_json *message, uint32_t n_ranked)
{
    const eng_json *text = eng_json_get(message, "text"),
                   *replies = eng_json_get(message, "replies");
    const char *comma = "";
    eng__text_printf(out, "{\"prompt\":");
    eng__text_json(out, text->string, text->n);
    eng__text_printf(out, ",\"outputs\":[");
    for (uint32_t i = 0; i < replies->n; i++) {
        const eng_json *answer = eng_json_get(&replies->items[i], "text");
        if (!rank_of(&replies->items[i]))
            continue;
        eng__text_printf(out, "%s{\"id\":\"%u\",\"text\":", comma, i);
        eng__text_json(out, answer->string, answer->n);
        eng__text_printf(out, "}");
        comma = ",";
    }
    eng__text_printf(out, "],\"groups\":[");
    for (uint32_t rank = 0; rank < n_ranked; rank++)
        for (uint32_t i = 0; i < replies->n; i++)
            if (rank_of(&replies->items[i]) && rank_of(&replies->items[i])->number == rank)
                eng__text_printf(out, "%s[\"%u\"]", rank ? "," : "", i);
    eng__text_printf(out, "]}\n");
}

static void put_rankings(eng__text *out, const eng_json *message)
{
    const eng_json *replies = eng_json_get(message, "replies");
    uint32_t n_ranked = 0;
    for (uint32_t i = 0; replies && i < replies->n; i++)
        n_ranked += rank_of(&replies->items[i]) != NULL;
    if (n_ranked >= 2)
        put_ranking(out, message, n_ranked);
    for (uint32_t i = 0; replies && i < replies->n; i++)
        put_rankings(out, &replies->items[i]);
}

TEST(the_open_assistant_sample_gives_209_groups_and_745_pairs)
{
    size_t len;
    char *trees = test_read_file(test_shared("data/labelled/oasst_en_99_trees.jsonl"), &len), *save;
    eng__text rows;
    eng_error err;
    eng__text_init(&rows, 16 << 20);
    for (char *line = strtok_r(trees, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const eng_json *tree;
        eng_arena arena;
        eng_arena_init(&arena, 64 << 20);
        EXPECT_OK(eng_json_parse(&tree, line, strlen(line), &arena, &err), err);
        put_rankings(&rows, eng_json_get(tree, "prompt"));
        eng_arena_free(&arena);
    }
    data_reader *r = reader_of(rows.data, DATA_ANY);
    const data_row *row;
    uint32_t groups = 0, pairs = 0;
    while (data_next(r, &row, &err) == INSTRUCTD_OK && row) {
        groups++;
        for (uint32_t i = 0; i < row->n_outputs; i++)
            for (uint32_t j = 0; j < row->n_outputs; j++)
                pairs += row->outputs[i].group < row->outputs[j].group;
    }
    EXPECT_EQ(groups, 209);
    EXPECT_EQ(pairs, 745); /* both figures: the data's README */
    expect_end(r);
    eng__text_free(&rows);
    free(trees);
}
