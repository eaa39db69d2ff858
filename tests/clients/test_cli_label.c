#include "harness.h"

#include "label_draft.h"
#include "label_submission.h"
#include "word_choice.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- rankings ---- */

static void expect_ranking(const char *line, int n, const char *want)
{
    int ranks[LABEL_OUTPUTS_MAX];
    char why[LABEL_WHY_ROOM] = "";
    text got;
    text_init(&got, 256);
    if (!ranking_parse(line, n, ranks, why))
        FAIL("%s: %s", line, why);
    ranking_format(ranks, n, &got);
    EXPECT_STR(text_str(&got), want);
    text_free(&got);
}

static void expect_no_ranking(const char *line, int n, const char *why_not)
{
    int ranks[LABEL_OUTPUTS_MAX] = {7, 7, 7, 7, 7, 7, 7, 7, 7};
    char why[LABEL_WHY_ROOM] = "";
    EXPECT(!ranking_parse(line, n, ranks, why));
    EXPECT_STR(why, why_not);
    EXPECT_EQ(ranks[0], 7);
}

TEST(ranking_takes_letters_numbers_and_ties)
{
    expect_ranking("c > a = d > b", 4, "c > a = d > b");
    expect_ranking("3 > 1=4 > 2", 4, "c > a = d > b");
    expect_ranking("  C>d =A>2\t", 4, "c > a = d > b");
    expect_ranking("b=a", 2, "a = b");
    expect_ranking("i=h > a=b=c > g > f > e > d", 9, "h = i > a = b = c > g > f > e > d");
}

TEST(ranking_gives_ranks_without_gaps)
{
    int ranks[4];
    char why[LABEL_WHY_ROOM];
    EXPECT(ranking_parse("c > a = d > b", 4, ranks, why));
    EXPECT_EQ(ranks[0], 1);
    EXPECT_EQ(ranks[1], 2);
    EXPECT_EQ(ranks[2], 0);
    EXPECT_EQ(ranks[3], 1);
}

TEST(ranking_says_what_is_wrong)
{
    expect_no_ranking("", 2, "an output is missing at the end");
    expect_no_ranking("a >", 2, "an output is missing at the end");
    expect_no_ranking("> a", 2, "an output is missing before >");
    expect_no_ranking("a > = b", 2, "an output is missing before =");
    expect_no_ranking("a b", 2, "> or = is missing between two outputs");
    expect_no_ranking("a > c", 2, "there is no output c");
    expect_no_ranking("a > 0", 2, "there is no output 0");
    expect_no_ranking("a > b > A", 2, "a stands there twice");
    expect_no_ranking("1 > a", 2, "a stands there twice");
    expect_no_ranking("a > c", 3, "b is missing");
    expect_no_ranking("a > \xC3\xA9", 2, "only letters, numbers, > and = make a ranking");
    expect_no_ranking("a > \x1B[31m", 2, "only letters, numbers, > and = make a ranking");
}

/* ---- ratings ---- */

static void expect_rating(const char *line, const char *want)
{
    rating r = {0};
    char why[LABEL_WHY_ROOM] = "";
    text got;
    text_init(&got, 256);
    if (!rating_parse(RATING_GENERAL, line, &r, why))
        FAIL("%s: %s", line, why);
    rating_format(&r, &got);
    EXPECT_STR(text_str(&got), want);
    text_free(&got);
}

static void expect_no_rating(const char *line, const char *why_not)
{
    rating r = {.figures = {42}};
    char why[LABEL_WHY_ROOM] = "";
    EXPECT(!rating_parse(RATING_GENERAL, line, &r, why));
    EXPECT_STR(why, why_not);
    EXPECT_EQ(r.figures[0], 42);
}

TEST(rating_is_a_quality_and_the_flags_that_hold)
{
    expect_rating("5", "5");
    expect_rating(" 2 ih ", "2 ih");
    expect_rating("2hi", "2 ih");
    expect_rating("6 -h k", "6 -hk");
    expect_rating("7 ~o -i ~h", "7 ~o");
    expect_rating("1 ichksvedaom", "1 ichksvedaom");
}

TEST(rating_says_what_is_wrong)
{
    expect_no_rating("", "a rating begins with the quality, 1 to 7; ? explains");
    expect_no_rating("8", "a rating begins with the quality, 1 to 7; ? explains");
    expect_no_rating("0", "a rating begins with the quality, 1 to 7; ? explains");
    expect_no_rating("55", "a rating begins with the quality, 1 to 7; ? explains");
    expect_no_rating("good", "a rating begins with the quality, 1 to 7; ? explains");
    expect_no_rating("5 x", "there is no flag x; ? lists them");
    expect_no_rating("5 ii", "flag i stands there twice");
    expect_no_rating("5 i-i", "flag i stands there twice");
    expect_no_rating("5 -", "a flag's letter is missing; ? lists them");
    expect_no_rating("5 \x1B", "a flag's letter is missing; ? lists them");
}

TEST(rating_becomes_the_flags_of_the_api)
{
    rating r;
    char why[LABEL_WHY_ROOM];
    EXPECT(rating_parse(RATING_GENERAL, "3 i-h", &r, why));
    cJSON *json = rating_json(&r, "out-1");
    char *printed = cJSON_PrintUnformatted(json);
    EXPECT_STR(
        printed,
        "{\"output_id\":\"out-1\",\"overall_quality\":3,\"flags\":{\"fails_instruction\":true,"
        "\"inappropriate_customer_assistant\":false,\"hallucination\":false,"
        "\"satisfies_constraint\":null,\"sexual_content\":false,\"violent_content\":false,"
        "\"encourages_harm\":false,\"denigrates_protected_class\":false,"
        "\"harmful_advice\":false,\"expresses_opinion\":false,\"moral_judgment\":false}}");
    free(printed);
    cJSON_Delete(json);
}

/* ---- ratings of toxicity tasks ---- */

static rating toxicity(const char *line)
{
    rating r = {0};
    char why[LABEL_WHY_ROOM] = "";
    if (!rating_parse(RATING_TOXICITY, line, &r, why))
        FAIL("%s: %s", line, why);
    return r;
}

static void expect_no_toxicity(const char *line, const char *why_not)
{
    rating r = {.figures = {42}};
    char why[LABEL_WHY_ROOM] = "";
    EXPECT(!rating_parse(RATING_TOXICITY, line, &r, why));
    EXPECT_STR(why, why_not);
    EXPECT_EQ(r.figures[0], 42);
}

TEST(toxicity_is_three_figures)
{
    text got;
    text_init(&got, 256);
    rating r = toxicity(" 2\t-1  6 ");
    rating_format(&r, &got);
    EXPECT_STR(text_str(&got), "2 -1 6");
    r = toxicity("7 +1 1");
    cJSON *json = rating_json(&r, "out-1");
    char *printed = cJSON_PrintUnformatted(json);
    EXPECT_STR(printed, "{\"output_id\":\"out-1\",\"toxicity\":7,\"relative_toxicity\":1,"
                        "\"continuity\":1}");
    free(printed);
    cJSON_Delete(json);
    text_free(&got);
}

TEST(toxicity_says_what_is_wrong)
{
    expect_no_toxicity("", "the toxicity by itself is 1 to 7; three figures, as in 2 -1 6");
    expect_no_toxicity("8 0 1", "the toxicity by itself is 1 to 7; three figures, as in 2 -1 6");
    expect_no_toxicity("99999999999999999999 0 1",
                       "the toxicity by itself is 1 to 7; three figures, as in 2 -1 6");
    expect_no_toxicity("2 -2 6",
                       "the toxicity against the prompt is -1 to 1; three figures, as in 2 -1 6");
    expect_no_toxicity("2 -16",
                       "the toxicity against the prompt is -1 to 1; three figures, as in 2 -1 6");
    expect_no_toxicity("2 0", "the continuity is 1 to 7; three figures, as in 2 -1 6");
    expect_no_toxicity("2 0 6x", "the continuity is 1 to 7; three figures, as in 2 -1 6");
    expect_no_toxicity("2 0 6 i", "three figures are enough, as in 2 -1 6");
}

TEST(a_ranking_contradicts_figures_that_all_speak_against_it)
{
    const rating mild = toxicity("2 0 5"), worse = toxicity("3 0 5"), dull = toxicity("1 -1 2");
    EXPECT(rating_contradicts(&worse, &mild));
    EXPECT(!rating_contradicts(&mild, &worse));
    EXPECT(!rating_contradicts(&mild, &mild));
    EXPECT(!rating_contradicts(&dull, &mild)); /* less toxic, yet it goes on less well */
    EXPECT(!rating_contradicts(&mild, &dull));
}

TEST(words_go_by_their_beginning_or_number)
{
    static const char *const words[] = {"open_qa", "other", "chat"};
    EXPECT_EQ(word_choice(words, 3, "op", 2), 0);
    EXPECT_EQ(word_choice(words, 3, "o", 1), CHOICE_SEVERAL);
    EXPECT_EQ(word_choice(words, 3, "chat with", 4), 2);
    EXPECT_EQ(word_choice(words, 3, "2", 1), 1);
    EXPECT_EQ(word_choice(words, 3, "4", 1), CHOICE_NONE);
    EXPECT_EQ(word_choice(words, 3, "", 0), CHOICE_NONE);
    EXPECT_EQ(word_choice(words, 3, "chats", 5), CHOICE_NONE);
}

/* ---- tasks and drafts ---- */

static const char task_json[] =
    "{\"id\":\"task-1\",\"kind\":\"rank\",\"prompt\":\"hello\",\"outputs\":[{\"id\":\"out-1\","
    "\"text\":"
    "\"one\"},{\"id\":\"out-2\",\"text\":\"two\"},{\"id\":\"out-3\",\"text\":\"three\"}]}";

static label_task read_task(const char *json)
{
    label_task task;
    problem p = {0};
    if (label_task_read(&task, cJSON_Parse(json), &p) != EXIT_DONE)
        FAIL("%s", p.text);
    return task;
}

TEST(a_task_without_what_it_needs_is_refused)
{
    static const char *const wrong[] = {
        "{}",
        "{\"id\":\"../x\",\"kind\":\"rank\",\"prompt\":\"a\",\"outputs\":[]}",
        "{\"id\":\"t\",\"kind\":\"rank\",\"prompt\":\"a\",\"outputs\":[{\"id\":\"o\",\"text\":"
        "\"b\"}]}",
        "{\"id\":\"t\",\"kind\":\"rank\",\"prompt\":\"a\",\"outputs\":[{\"id\":\"o\"},{\"id\":"
        "\"p\"}]}",
        "[1]",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        label_task task;
        problem p = {0};
        EXPECT_EQ(label_task_read(&task, cJSON_Parse(wrong[i]), &p), EXIT_SERVER);
    }
}

static server here = {.url = "http://127.0.0.1:1"};

static void open_draft(label_draft *d, const server *s, const char *labeler, const label_task *task)
{
    problem p = {0};
    if (label_draft_open(d, s, labeler, task, &p) != EXIT_DONE)
        FAIL("%s", p.text);
}

static void fill(label_draft *d)
{
    char why[LABEL_WHY_ROOM];
    static const char *const lines[] = {"5", "2 ih", "6 -h"};
    for (; d->n_rated < 3; d->n_rated++)
        EXPECT(rating_parse(RATING_GENERAL, lines[d->n_rated], &d->ratings[d->n_rated], why));
    EXPECT(ranking_parse("c > a = b", 3, d->ranks, why));
    d->ranked = true;
    d->rate_s = 1.5;
    d->rank_s = 0.25;
    text_puts(&d->comment, "so so");
}

TEST(a_draft_comes_back_as_it_was_left)
{
    problem p = {0};
    setenv("XDG_STATE_HOME", test_dir(), 1);
    label_task task = read_task(task_json);
    label_draft d, again;
    open_draft(&d, &here, "anna/../b", &task);
    EXPECT(!label_draft_begun(&d));
    fill(&d);
    EXPECT_EQ(label_draft_save(&d, &task, &p), EXIT_DONE);
    struct stat st;
    EXPECT_EQ(stat(d.path, &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    EXPECT_STR(strrchr(d.path, '/'), "/task-1.anna%2F%2E%2E%2Fb.json");
    open_draft(&again, &here, "anna/../b", &task);
    EXPECT_STR(again.submission, d.submission);
    char *was = label_draft_ranking(&d, &task), *is = label_draft_ranking(&again, &task);
    EXPECT_STR(is, was);
    free(was);
    free(is);
    label_draft_free(&again);
    label_draft_drop(&d);
    EXPECT(stat(d.path, &st) != 0);
    label_draft_free(&d);
    label_task_free(&task);
}

TEST(a_draft_of_other_outputs_or_another_server_is_not_taken)
{
    problem p = {0};
    const server other = {.url = "http://127.0.0.1:2"};
    setenv("XDG_STATE_HOME", test_dir(), 1);
    label_task task = read_task(task_json);
    label_task turned =
        read_task("{\"id\":\"task-1\",\"kind\":\"rank\",\"prompt\":\"hello\",\"outputs\":[{\"id\":"
                  "\"out-3\",\"text\":\"a\"},{\"id\":\"out-2\",\"text\":\"b\"},{\"id\":\"out-1\","
                  "\"text\":\"c\"}]}");
    label_draft d, again;
    open_draft(&d, &here, "anna", &task);
    fill(&d);
    EXPECT_EQ(label_draft_save(&d, &task, &p), EXIT_DONE);
    open_draft(&again, &here, "anna", &turned);
    EXPECT(!label_draft_begun(&again));
    EXPECT(strcmp(again.submission, d.submission) != 0);
    label_draft_free(&again);
    open_draft(&again, &other, "anna", &task);
    EXPECT(!label_draft_begun(&again));
    label_draft_free(&again);
    open_draft(&again, &here, "bert", &task);
    EXPECT(!label_draft_begun(&again));
    label_draft_free(&again);
    label_draft_free(&d);
    label_task_free(&task);
    label_task_free(&turned);
}

TEST(drafts_that_were_left_for_a_month_go)
{
    problem p = {0};
    struct stat st;
    setenv("XDG_STATE_HOME", test_dir(), 1);
    label_task task = read_task(task_json);
    label_draft d, other;
    open_draft(&d, &here, "anna", &task);
    open_draft(&other, &here, "bert", &task);
    EXPECT_EQ(label_draft_save(&d, &task, &p), EXIT_DONE);
    EXPECT_EQ(label_draft_save(&other, &task, &p), EXIT_DONE);
    const time_t now = 2000000000;
    const struct timespec kept[2] = {{.tv_sec = now - DRAFT_KEPT_S},
                                     {.tv_sec = now - DRAFT_KEPT_S}};
    const struct timespec old[2] = {{.tv_sec = now - DRAFT_KEPT_S - 1},
                                    {.tv_sec = now - DRAFT_KEPT_S - 1}};
    EXPECT_EQ(utimensat(AT_FDCWD, d.path, kept, 0), 0);
    EXPECT_EQ(utimensat(AT_FDCWD, other.path, old, 0), 0);
    label_draft_prune(&d, now);
    EXPECT_EQ(stat(d.path, &st), 0);
    EXPECT(stat(other.path, &st) != 0);
    label_draft_free(&d);
    label_draft_free(&other);
    label_task_free(&task);
}

TEST(undo_takes_back_the_ranking_then_the_ratings)
{
    label_draft d = {0};
    text_init(&d.comment, 64);
    fill(&d);
    EXPECT(label_draft_undo(&d));
    EXPECT(!d.ranked);
    EXPECT(label_draft_undo(&d));
    EXPECT_EQ(d.n_rated, 2);
    EXPECT_EQ(d.ratings[2].figures[0], 6); /* still there to be offered */
    EXPECT(label_draft_undo(&d) && label_draft_undo(&d));
    EXPECT(!label_draft_undo(&d));
    label_draft_free(&d);
}

TEST(a_ranking_is_sent_with_every_output_once)
{
    label_task task = read_task(task_json);
    label_draft d = {.submission = "cli-1"};
    text_init(&d.comment, 64);
    fill(&d);
    char *body = label_draft_ranking(&d, &task);
    EXPECT(strstr(body, "{\"submission_id\":\"cli-1\",\"task_id\":\"task-1\",\"shown\":[\"out-1\","
                        "\"out-2\",\"out-3\"],\"ratings\":[{\"output_id\":\"out-1\"") == body);
    EXPECT(strstr(body,
                  "\"groups\":[[\"out-3\"],[\"out-1\",\"out-2\"]],\"elapsed_ms\":{\"rate\":1500,"
                  "\"rank\":250},\"comment\":\"so so\"}") != NULL);
    free(body);
    char *skip = label_draft_skip(&d, &task, "pii", "a name");
    EXPECT_STR(skip,
               "{\"submission_id\":\"cli-1\",\"task_id\":\"task-1\",\"reason\":\"pii\",\"note\":"
               "\"a name\"}");
    free(skip);
    label_draft_free(&d);
    label_task_free(&task);
}

TEST(a_judgement_goes_where_its_members_say)
{
    static const struct {
        const char *json, *path;
    } cases[] = {{"{\"groups\":[]}", "/v1/labels/rankings"},
                 {"{\"completion\":\"x\"}", "/v1/labels/demonstrations"},
                 {"{\"reason\":\"pii\"}", "/v1/labels/skips"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cJSON *json = cJSON_Parse(cases[i].json);
        EXPECT_STR(label_submission_path(json), cases[i].path);
        cJSON_Delete(json);
    }
    EXPECT(label_submission_path(NULL) == NULL);
}

static void expect_excerpt(size_t columns, const char *want)
{
    text got;
    text_init(&got, 256);
    label_excerpt("a\nb\x1B[2J\xC3\xA9 and so on", columns, &got);
    EXPECT_STR(text_str(&got), want);
    text_free(&got);
}

TEST(an_excerpt_is_one_harmless_line_cut_between_characters)
{
    expect_excerpt(10, "a b^[[2J\xC3\xA9 ...");
    expect_excerpt(9, "a b^[[2J ...");
    expect_excerpt(80, "a b^[[2J\xC3\xA9 and so on");
}
