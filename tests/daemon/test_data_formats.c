#include "harness.h"

#include "human/formats.h"
#include "human/kind.h"
#include "human/row_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 64 << 20, OUT_BYTES = 64 << 20 };

/* Rows of one test, alive until its end. */
typedef struct data {
    eng_arena arena;
    record_list rows;
    record_import in;
} data;

static data *data_new(record_format format)
{
    data *d = calloc(1, sizeof *d);
    eng_arena_init(&d->arena, ARENA_BYTES);
    d->in = (record_import){format, "src", &d->arena, &d->rows};
    return d;
}

static void data_free(data *d)
{
    record_list_free(&d->rows);
    eng_arena_free(&d->arena);
    free(d);
}

/* Imports a text of many lines. */
static data *import(record_format format, const char *text)
{
    data *d = data_new(format);
    error_text err;
    uint64_t line = 0;
    for (const char *at = text; *at;) {
        const size_t n = strcspn(at, "\n");
        char *copy = strndup(at, n);
        const bool ok = record_import_line(&d->in, copy, n, ++line, &err);
        free(copy);
        if (!ok)
            FAIL("%s", err.text);
        at += n + (at[n] == '\n');
    }
    return d;
}

static char *exported(const data *d, record_format format, uint64_t *lines)
{
    buf out;
    uint64_t n = 0;
    buf_init(&out, OUT_BYTES);
    for (size_t i = 0; i < d->rows.n; i++)
        n += record_export(&out, &d->rows.rows[i], format);
    if (lines)
        *lines = n;
    size_t len;
    char *text = buf_take(&out, &len);
    return text ? text : strdup("");
}

/* Reads text in one format and expects it in another. */
static void expect_becomes(record_format from, const char *text, record_format to, const char *want)
{
    data *d = import(from, text);
    char *got = exported(d, to, NULL);
    data_free(d);
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", got);
    free(got);
    EXPECT_STR(copy, want);
}

static void expect_same(record_format format, const char *text)
{
    expect_becomes(format, text, format, text);
}

#define RANKING                                                                                    \
    "{\"task_id\":\"task-1\",\"prompt\":\"Name a river.\",\"outputs\":["                           \
    "{\"id\":\"a\",\"policy\":\"pol_1\",\"text\":\"Rhine\"},"                                      \
    "{\"id\":\"b\",\"policy\":null,\"text\":\"no\"},"                                              \
    "{\"id\":\"c\",\"policy\":null,\"text\":\"The Nile.\"},"                                       \
    "{\"id\":\"d\",\"policy\":null,\"text\":\"Ebro\"}],"                                           \
    "\"groups\":[[\"c\"],[\"a\",\"d\"],[\"b\"]],"                                                  \
    "\"labels\":[{\"output_id\":\"b\",\"overall_quality\":1,\"flags\":{\"violent_content\":false," \
    "\"hallucination\":null}}],"                                                                   \
    "\"labeler\":\"ann\",\"role\":\"trainer\",\"guideline_version\":2}\n"

#define CONVERSATION                                                                               \
    "[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hi\"},"     \
    "{\"role\":\"assistant\",\"content\":\"Hello.\"},{\"role\":\"user\",\"content\":\"Bye\"}]"

/* ---- our own ---- */

TEST(instructd_rows_come_back_as_they_were)
{
    expect_same(FORMAT_INSTRUCTD, RANKING);
    expect_same(FORMAT_INSTRUCTD,
                "{\"task_id\":null,\"prompt\":" CONVERSATION ",\"completion\":\"Farewell\","
                "\"labels\":[],\"labeler\":\"bob\",\"role\":\"trainer\",\"guideline_version\":1,"
                "\"category\":\"chat\"}\n");
    expect_same(FORMAT_INSTRUCTD, "{\"task_id\":null,\"prompt\":\"\\\"\\\\\\n\xc3\xa9\","
                                  "\"labeler\":null,\"role\":null,\"guideline_version\":null}\n");
}

TEST(the_first_line_tells_the_format)
{
    static const struct {
        const char *line;
        record_format format;
    } cases[] = {
        {RANKING, FORMAT_INSTRUCTD},
        {"{\"prompt\":\"p\",\"completion\":\"c\"}", FORMAT_INSTRUCTD},
        {"{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}", FORMAT_TRL_REWARD},
        {"{\"prompt\":\"p\",\"completion\":\"c\",\"label\":true}", FORMAT_TRL_UNPAIRED},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
         "{\"role\":\"assistant\",\"content\":\"b\"}]}",
         FORMAT_OPENAI_SFT},
        {"{\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]},"
         "\"preferred_output\":[{\"role\":\"assistant\",\"content\":\"b\"}],"
         "\"non_preferred_output\":[{\"role\":\"assistant\",\"content\":\"c\"}]}",
         FORMAT_OPENAI_DPO},
        {"{\"input\":\"i\",\"chosen\":\"c\",\"rejected\":\"r\"}", FORMAT_AXOLOTL_RM},
        {"{\"prompt\":\"p\",\"answers\":[{\"answer\":\"a\",\"rank\":1}]}", FORMAT_AXOLOTL_KWAY},
        {"{\"message_tree_id\":\"t\",\"prompt\":{\"role\":\"prompter\",\"text\":\"p\"}}",
         FORMAT_OASST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        data *d = import(FORMAT_GUESS, cases[i].line);
        const record_format found = d->in.format;
        const size_t rows = d->rows.n;
        data_free(d);
        EXPECT_STR(record_format_text(found), record_format_text(cases[i].format));
        EXPECT_EQ(rows, 1);
    }
}

/* ---- others' ---- */

TEST(each_format_reads_what_it_writes)
{
    expect_same(FORMAT_TRL_SFT, "{\"prompt\":\"p\",\"completion\":\"c\"}\n");
    expect_same(FORMAT_TRL_SFT, "{\"prompt\":[{\"role\":\"user\",\"content\":\"p\"}],"
                                "\"completion\":[{\"role\":\"assistant\",\"content\":\"c\"}]}\n");
    expect_same(FORMAT_TRL_PROMPTS, "{\"prompt\":\"p\"}\n{\"prompt\":" CONVERSATION "}\n");
    expect_same(FORMAT_TRL_REWARD, "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}\n");
    expect_same(FORMAT_TRL_UNPAIRED, "{\"prompt\":\"p\",\"completion\":\"c\",\"label\":true}\n"
                                     "{\"prompt\":\"p\",\"completion\":\"d\",\"label\":false}\n");
    expect_same(FORMAT_OPENAI_SFT, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
                                   "{\"role\":\"assistant\",\"content\":\"b\",\"weight\":0},"
                                   "{\"role\":\"user\",\"content\":\"c\"},"
                                   "{\"role\":\"assistant\",\"content\":\"d\",\"weight\":1}]}\n");
    expect_same(FORMAT_OPENAI_DPO,
                "{\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":[],"
                "\"parallel_tool_calls\":true},"
                "\"preferred_output\":[{\"role\":\"assistant\",\"content\":\"b\"}],"
                "\"non_preferred_output\":[{\"role\":\"assistant\",\"content\":\"c\"}]}\n");
    expect_same(FORMAT_AXOLOTL_RM, "{\"input\":\"i\",\"chosen\":\"c\",\"rejected\":\"r\"}\n"
                                   "{\"system\":\"s\",\"input\":\"i\",\"chosen\":\"c\","
                                   "\"rejected\":\"r\"}\n");
    expect_same(FORMAT_AXOLOTL_KWAY,
                "{\"prompt\":\"p\",\"answers\":[{\"answer\":\"a\",\"rank\":2},"
                "{\"answer\":\"b\",\"rank\":1},{\"answer\":\"c\",\"rank\":2}]}\n");
}

TEST(a_ranking_gives_a_pair_for_each_two_outputs_that_are_not_tied)
{
    expect_becomes(
        FORMAT_INSTRUCTD, RANKING, FORMAT_TRL_REWARD,
        "{\"prompt\":\"Name a river.\",\"chosen\":\"Rhine\",\"rejected\":\"no\"}\n"
        "{\"prompt\":\"Name a river.\",\"chosen\":\"The Nile.\",\"rejected\":\"Rhine\"}\n"
        "{\"prompt\":\"Name a river.\",\"chosen\":\"The Nile.\",\"rejected\":\"no\"}\n"
        "{\"prompt\":\"Name a river.\",\"chosen\":\"The Nile.\",\"rejected\":\"Ebro\"}\n"
        "{\"prompt\":\"Name a river.\",\"chosen\":\"Ebro\",\"rejected\":\"no\"}\n");
    expect_becomes(FORMAT_INSTRUCTD, RANKING, FORMAT_AXOLOTL_KWAY,
                   "{\"prompt\":\"Name a river.\",\"answers\":[{\"answer\":\"Rhine\",\"rank\":2},"
                   "{\"answer\":\"no\",\"rank\":3},{\"answer\":\"The Nile.\",\"rank\":1},"
                   "{\"answer\":\"Ebro\",\"rank\":2}]}\n");
    expect_becomes(FORMAT_INSTRUCTD, RANKING, FORMAT_TRL_SFT,
                   "{\"prompt\":\"Name a river.\",\"completion\":\"The Nile.\"}\n");
}

TEST(a_tree_carries_ranks_and_labels)
{
    expect_becomes(
        FORMAT_INSTRUCTD, RANKING, FORMAT_OASST,
        "{\"message_tree_id\":\"task-1\",\"tree_state\":\"ready_for_export\",\"prompt\":"
        "{\"message_id\":\"src:1-0\",\"text\":\"Name a river.\",\"role\":\"prompter\",\"replies\":["
        "{\"message_id\":\"a\",\"text\":\"Rhine\",\"role\":\"assistant\",\"rank\":1,"
        "\"synthetic\":true,\"model_name\":\"pol_1\",\"labels\":{},\"replies\":[]},"
        "{\"message_id\":\"b\",\"text\":\"no\",\"role\":\"assistant\",\"rank\":2,"
        "\"labels\":{\"quality\":{\"value\":0,\"count\":1},\"violence\":{\"value\":0,\"count\":1}},"
        "\"replies\":[]},"
        "{\"message_id\":\"c\",\"text\":\"The Nile.\",\"role\":\"assistant\",\"rank\":0,"
        "\"labels\":{},\"replies\":[]},"
        "{\"message_id\":\"d\",\"text\":\"Ebro\",\"role\":\"assistant\",\"rank\":1,"
        "\"labels\":{},\"replies\":[]}]}}\n");
}

TEST(what_a_format_cannot_say_gives_no_line)
{
    static const char turns[] =
        "{\"prompt\":" CONVERSATION ",\"chosen\":\"a\",\"rejected\":\"b\"}\n";
    expect_becomes(FORMAT_TRL_REWARD, turns, FORMAT_AXOLOTL_RM, "");
    expect_becomes(FORMAT_TRL_REWARD, turns, FORMAT_AXOLOTL_KWAY, "");
    expect_becomes(FORMAT_TRL_REWARD, turns, FORMAT_OASST, ""); /* no system messages there */
    expect_becomes(FORMAT_TRL_PROMPTS, "{\"prompt\":\"p\"}", FORMAT_TRL_SFT, "");
    expect_becomes(FORMAT_TRL_PROMPTS, "{\"prompt\":\"p\"}", FORMAT_OPENAI_DPO, "");
    expect_becomes(FORMAT_TRL_PROMPTS, "{\"prompt\":\"p\"}", FORMAT_TRL_UNPAIRED, "");
}

TEST(each_learnt_answer_of_a_conversation_is_a_row)
{
    data *d = import(FORMAT_OPENAI_SFT,
                     "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
                     "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"b\"},"
                     "{\"type\":\"text\",\"text\":\"c\"}]},{\"role\":\"user\",\"content\":\"d\"},"
                     "{\"role\":\"assistant\",\"content\":\"e\",\"weight\":1}]}");
    EXPECT_EQ(d->rows.n, 2);
    EXPECT_STR(d->rows.rows[0].outputs[0].text, "bc");
    EXPECT_EQ(d->rows.rows[0].prompt.n_messages, 1);
    EXPECT_STR(d->rows.rows[1].outputs[0].text, "e");
    EXPECT_EQ(d->rows.rows[1].prompt.n_messages, 3);
    EXPECT_STR(d->rows.rows[1].id, "src:1.2");
    data_free(d);
}

TEST(trees_leave_deleted_and_unranked_replies_out)
{
    data *d = import(FORMAT_OASST,
                     "{\"message_tree_id\":\"t\",\"prompt\":{\"role\":\"prompter\",\"text\":\"p\","
                     "\"replies\":["
                     "{\"message_id\":\"1\",\"role\":\"assistant\",\"text\":\"x\",\"rank\":1,"
                     "\"labels\":{\"humor\":{\"value\":0.5,\"count\":2}},\"replies\":["
                     "{\"role\":\"prompter\",\"text\":\"and?\",\"replies\":["
                     "{\"message_id\":\"4\",\"role\":\"assistant\",\"text\":\"z\"}]}]},"
                     "{\"message_id\":\"2\",\"role\":\"assistant\",\"text\":\"y\",\"rank\":0},"
                     "{\"message_id\":\"3\",\"role\":\"assistant\",\"text\":\"?\",\"rank\":null},"
                     "{\"message_id\":\"5\",\"role\":\"assistant\",\"text\":\"!\",\"rank\":2,"
                     "\"deleted\":true}]}}");
    EXPECT_EQ(d->rows.n, 2);
    EXPECT_EQ(d->rows.rows[0].n_outputs, 2);
    EXPECT_STR(d->rows.rows[0].labels_json,
               "[{\"output_id\":\"1\",\"labels\":{\"humor\":{\"value\":0.5,\"count\":2}}}]");
    EXPECT_EQ(d->rows.rows[1].n_outputs, 1);
    EXPECT_EQ(d->rows.rows[1].prompt.n_messages, 3);
    EXPECT_STR(d->rows.rows[1].unit, d->rows.rows[0].unit);
    data_free(d);
}

/* ---- refusals ---- */

TEST(refusals_name_line_and_member)
{
    static const struct {
        record_format format;
        const char *line, *want;
    } cases[] = {
        {FORMAT_INSTRUCTD, "[1]", "line 7: the line: expected an object, found a list"},
        {FORMAT_INSTRUCTD, "{}",
         "line 7: prompt: expected a string or a list of messages, found nothing"},
        {FORMAT_INSTRUCTD, "{\"prompt\":[{\"role\":\"owner\",\"content\":\"\"}]}",
         "line 7: prompt[0].role: expected system, developer, user or assistant, found \"owner\""},
        {FORMAT_INSTRUCTD, "{\"prompt\":[{\"role\":\"assistant\",\"content\":\"\"}]}",
         "line 7: prompt: expected a last message of the user's, found a list"},
        {FORMAT_INSTRUCTD,
         "{\"prompt\":\"\",\"outputs\":[{\"id\":\"a\",\"text\":\"\"},"
         "{\"id\":\"a\",\"text\":\"\"}],\"groups\":[]}",
         "line 7: outputs[1].id: expected an id that no other output has, found \"a\""},
        {FORMAT_INSTRUCTD,
         "{\"prompt\":\"\",\"outputs\":[{\"id\":\"a\",\"text\":\"\"}],"
         "\"groups\":[[\"a\"],[\"a\"]]}",
         "line 7: groups[1]: expected ids of outputs, each in one group, once, found \"a\""},
        {FORMAT_INSTRUCTD,
         "{\"prompt\":\"\",\"outputs\":[{\"id\":\"a\",\"text\":\"\"}],\"groups\":[]}",
         "line 7: groups: expected every output in a group, found a list"},
        {FORMAT_TRL_SFT, "{\"prompt\":\"\"}",
         "line 7: completion: expected an answer, found nothing"},
        {FORMAT_TRL_REWARD, "{\"prompt\":\"\",\"chosen\":\"\",\"rejected\":3}",
         "line 7: rejected: expected a string, found 3"},
        {FORMAT_TRL_UNPAIRED, "{\"prompt\":\"\",\"completion\":\"\",\"label\":1}",
         "line 7: label: expected true or false, found 1"},
        {FORMAT_OPENAI_SFT,
         "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
         "{\"role\":\"assistant\",\"content\":\"b\",\"weight\":0}]}",
         "line 7: messages: expected an answer of weight 1, found a list"},
        {FORMAT_OPENAI_DPO, "{\"input\":{\"messages\":[],\"tools\":[{}]}}",
         "line 7: input.tools: expected no tools, found a list"},
        {FORMAT_AXOLOTL_KWAY, "{\"prompt\":\"\",\"answers\":[{\"answer\":\"\",\"rank\":0}]}",
         "line 7: answers[0].rank: expected a whole number from 1, found 0"},
        {FORMAT_OASST,
         "{\"message_tree_id\":\"t\",\"prompt\":{\"role\":\"assistant\",\"text\":\"\"}}",
         "line 7: role: expected prompter, found \"assistant\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        data *d = data_new(cases[i].format);
        error_text err = {""};
        const bool ok = record_import_line(&d->in, cases[i].line, strlen(cases[i].line), 7, &err);
        const size_t rows = d->rows.n;
        data_free(d);
        EXPECT(!ok);
        EXPECT_EQ(rows, 0);
        EXPECT_STR(err.text, cases[i].want);
    }
}

TEST(a_line_that_fails_half_way_leaves_no_rows)
{
    static const char line[] = "{\"message_tree_id\":\"t\",\"prompt\":{\"role\":\"prompter\","
                               "\"text\":\"p\",\"replies\":[{\"message_id\":\"1\",\"role\":"
                               "\"assistant\",\"text\":\"a\",\"replies\":[{\"role\":\"user\"}]}]}}";
    data *d = data_new(FORMAT_OASST);
    error_text err;
    EXPECT(!record_import_line(&d->in, line, strlen(line), 1, &err));
    EXPECT_EQ(d->rows.n, 0);
    data_free(d);
}

/* ---- kinds ---- */

static bool fits(dataset_kind kind, const char *line, uint32_t *outputs)
{
    data *d = import(FORMAT_GUESS, line);
    const bool ok = dataset_kind_fit(kind, &d->rows.rows[0]);
    *outputs = d->rows.rows[0].n_outputs;
    data_free(d);
    return ok;
}

TEST(rows_serve_the_kinds_that_they_can)
{
    uint32_t n;
    EXPECT(fits(DATASET_RM, RANKING, &n) && n == 4);
    EXPECT(fits(DATASET_SFT, RANKING, &n) && n == 1);
    EXPECT(fits(DATASET_PPO, RANKING, &n) && n == 0);
    EXPECT(!fits(DATASET_RM, "{\"prompt\":\"p\",\"completion\":\"c\"}", &n));
    EXPECT(!fits(DATASET_SFT, "{\"prompt\":\"p\"}", &n));
    EXPECT(!fits(DATASET_SFT, "{\"prompt\":\"p\",\"completion\":\"\"}", &n));
    EXPECT(!fits(DATASET_SFT, "{\"prompt\":\"p\",\"completion\":\"bad\",\"label\":false}", &n));
}

TEST(a_held_out_labelers_row_serves_evaluation_alone)
{
    static const char row[] = "{\"prompt\":\"p\",\"outputs\":[{\"id\":\"a\",\"text\":\"x\"},"
                              "{\"id\":\"b\",\"text\":\"y\"}],\"groups\":[[\"a\"],[\"b\"]],"
                              "\"role\":\"heldout\"}";
    uint32_t n;
    EXPECT(fits(DATASET_EVAL, row, &n));
    EXPECT(!fits(DATASET_RM, row, &n));
    EXPECT(!fits(DATASET_SFT, row, &n));
    EXPECT(!fits(DATASET_PPO, row, &n));
}

/* ---- what people made ---- */

typedef struct ranking_count {
    size_t groups;
    uint64_t pairs;
} ranking_count;

static ranking_count count_rankings(const data *d)
{
    ranking_count count = {0};
    for (size_t i = 0; i < d->rows.n; i++)
        if (d->rows.rows[i].n_outputs >= 2) {
            count.groups++;
            count.pairs += record_pairs(&d->rows.rows[i]);
        }
    return count;
}

static data *oasst(void)
{
    char *text = test_read_file(test_shared("data/labelled/oasst_en_99_trees.jsonl"), NULL);
    data *d = import(FORMAT_GUESS, text);
    free(text);
    return d;
}

/* The figures are those that the README beside the data gives. */
TEST(open_assistants_trees_give_209_groups_and_745_pairs)
{
    data *d = oasst();
    const ranking_count count = count_rankings(d);
    EXPECT_STR(record_format_text(d->in.format), "oasst");
    EXPECT_EQ(d->rows.n, 477); /* one for each of the prompters' messages */
    data_free(d);
    EXPECT_EQ(count.groups, 209);
    EXPECT_EQ(count.pairs, 745);
}

TEST(open_assistants_rankings_survive_every_format_that_can_hold_them)
{
    data *d = oasst();
    uint64_t lines;
    char *pairs = exported(d, FORMAT_OPENAI_DPO, &lines);
    EXPECT_EQ(lines, 745);
    data *back = import(FORMAT_OPENAI_DPO, pairs);
    EXPECT_EQ(count_rankings(back).pairs, 745);
    data_free(back);
    free(pairs);
    char *rows = exported(d, FORMAT_INSTRUCTD, &lines);
    EXPECT_EQ(lines, 477);
    back = import(FORMAT_INSTRUCTD, rows);
    char *again = exported(back, FORMAT_INSTRUCTD, NULL);
    EXPECT(strcmp(rows, again) == 0);
    data_free(back);
    free(again);
    free(rows);
    char *trees = exported(d, FORMAT_OASST, &lines);
    EXPECT_EQ(lines, 477);
    back = import(FORMAT_OASST, trees);
    size_t groups = 0;
    for (size_t i = 0; i < back->rows.n; i++)
        groups += back->rows.rows[i].n_outputs >= 2;
    EXPECT_EQ(groups, 209);
    data_free(back);
    free(trees);
    data_free(d);
}

/* ---- eight models' answers: ranked and exported here, never trained on ---- */

enum { MODELS = 8, QUESTIONS = 252 };

static const char *const models[MODELS] = {"davinci",
                                           "davinci-superni-ft",
                                           "davinci-t0-ft",
                                           "davinci-self-instruct",
                                           "davinci-self-instruct-and-superni-ft",
                                           "text-davinci-001",
                                           "text-davinci-002",
                                           "text-davinci-003"};

/* One answer per line, as the rows' outputs of rank 0. */
static void read_model(data *d, uint32_t m)
{
    char path[256];
    error_text err;
    snprintf(path, sizeof path, "data/labelled/self_instruct_predictions/%s_predictions.jsonl",
             models[m]);
    char *text = test_read_file(test_shared(path), NULL), *at = text;
    for (size_t q = 0; q < QUESTIONS; q++) {
        const eng_json *line;
        eng_error why;
        const size_t n = strcspn(at, "\n");
        char *copy = eng_arena_strndup(&d->arena, at, n);
        const row_reader r = {&d->arena, q + 1, &err};
        EXPECT_OK(eng_json_parse(&line, copy, n, &d->arena, &why), why);
        record *row = m ? &d->rows.rows[q] : record_list_add(&d->rows);
        if (m == 0) {
            row->id = row->unit = copy;
            EXPECT(row_prompt(&r, "prompt", eng_json_get(line, "prompt"), &row->prompt));
            EXPECT(row_outputs(&r, row, MODELS));
        }
        record_output *o = &row->outputs[m];
        o->id = o->policy = models[m];
        EXPECT(row_string(&r, "response", eng_json_get(line, "response"), &o->text));
        at += n + 1;
    }
    free(text);
}

/* A scripted labeler who likes short answers, and empty ones least. */
static void rank(record *row)
{
    for (uint32_t i = 0; i < MODELS; i++) {
        uint32_t better = 0;
        const size_t own = strlen(row->outputs[i].text);
        for (uint32_t j = 0; j < MODELS; j++) {
            const size_t other = strlen(row->outputs[j].text);
            better += own == 0 ? other > 0 : other > 0 && other < own;
        }
        row->outputs[i].rank = better;
    }
}

TEST(eight_models_answers_are_ranked_and_exported)
{
    data *d = data_new(FORMAT_INSTRUCTD);
    for (uint32_t m = 0; m < MODELS; m++)
        read_model(d, m);
    uint64_t pairs = 0, lines;
    for (size_t q = 0; q < QUESTIONS; q++) {
        rank(&d->rows.rows[q]);
        pairs += record_pairs(&d->rows.rows[q]);
        EXPECT(dataset_kind_fit(DATASET_EVAL, &d->rows.rows[q]));
    }
    char *text = exported(d, FORMAT_TRL_REWARD, &lines);
    free(text);
    EXPECT_EQ(lines, pairs);
    text = exported(d, FORMAT_AXOLOTL_KWAY, &lines);
    EXPECT_EQ(lines, QUESTIONS);
    data *back = import(FORMAT_AXOLOTL_KWAY, text);
    free(text);
    EXPECT_EQ(count_rankings(back).pairs, pairs);
    data_free(back);
    data_free(d);
}
