/* instruct eval: golden values of small cases, intervals, groups, and what is refused. */
#include "harness.h"

#include "count_allocations.h"
#include "eval_rows.h"
#include "evaluation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct told {
    cJSON *rows;
    eval_figure *all;
    size_t n;
} told;

static told run_seeded(const char *metric, const char *file, uint64_t seed)
{
    told t;
    problem p = {0};
    char why[EVAL_WHY_ROOM];
    const eval_metric *m = eval_metric_find(metric);
    EXPECT(m);
    t.rows = eval_rows_parse(file, strlen(file), "the file", &p);
    if (!t.rows)
        FAIL("%s", p.text);
    if (!eval_run(m, t.rows, seed, &t.all, &t.n, why))
        FAIL("%s", why);
    return t;
}

static told run(const char *metric, const char *file)
{
    return run_seeded(metric, file, 0);
}

static void done(told *t)
{
    free(t->all);
    cJSON_Delete(t->rows);
}

static const eval_figure *find(const told *t, const char *name, const char *group)
{
    for (size_t i = 0; i < t->n; i++) {
        const eval_figure *f = &t->all[i];
        if (strcmp(f->name, name) == 0 &&
            (group ? f->group && strcmp(f->group, group) == 0 : !f->group))
            return f;
    }
    FAIL("no %s of %s", name, group ? group : "all");
}

static void expect_value(const char *metric, const char *file, const char *name, double want)
{
    told t = run(metric, file);
    EXPECT_NEAR(find(&t, name, NULL)->value, want, 5e-7);
    done(&t);
}

/* ---- the golden values ---- */

TEST(win_rate_of_12_wins_4_ties_4_losses)
{
    char file[2048] = "result\n";
    for (int i = 0; i < 20; i++)
        strcat(file, i < 12 ? "win\n" : i < 16 ? "tie\n" : "loss\n");
    told t = run("win_rate", file);
    EXPECT_NEAR(find(&t, "win_rate", NULL)->value, 0.7, 1e-12);
    EXPECT_NEAR(find(&t, "win_rate", NULL)->half_width, 0.2008, 5e-5);
    EXPECT_EQ(find(&t, "win_rate", NULL)->rows, 20);
    done(&t);
}

TEST(likert_mean_and_interval)
{
    told t = run("likert", "{\"score\":5}\n{\"score\":6}\n{\"score\":7}\n{\"score\":4}\n");
    EXPECT_NEAR(find(&t, "mean", NULL)->value, 5.5, 1e-12);
    EXPECT_NEAR(find(&t, "mean", NULL)->half_width, 1.2652, 5e-5);
    done(&t);
}

TEST(a_flag_that_does_not_apply_counts_nowhere)
{
    expect_value("flag_rate",
                 "{\"flag\":true}\n{\"flag\":false}\n{\"flag\":null}\n{\"flag\":false}", "rate",
                 1.0 / 3);
}

#define TWO_RANKINGS                                                                               \
    "{\"a\":[[\"c\"],[\"a\",\"d\"],[\"b\"]],\"b\":[[\"a\"],[\"c\"],[\"d\"],[\"b\"]]}"

TEST(agreement_without_ties_and_with_them_as_halves)
{
    expect_value("agreement", TWO_RANKINGS, "agreement", 0.8);
    expect_value("agreement", TWO_RANKINGS, "with_ties", 0.75);
    expect_value("agreement", "{\"a\":[[\"x\",\"y\"]],\"b\":[[\"y\",\"x\"]]}", "with_ties", 1);
}

TEST(a_reward_model_is_measured_beside_longer_wins)
{
    static const char row[] = "{\"groups\":[[\"c\"],[\"a\",\"d\"],[\"b\"]],"
                              "\"scores\":{\"c\":2,\"a\":1,\"d\":0.5,\"b\":0},"
                              "\"outputs\":[{\"id\":\"c\",\"text\":\"ab\"},{\"id\":\"a\",\"text\":"
                              "\"abc\"},{\"id\":\"b\",\"text\":\"a\"}]}";
    expect_value("reward_model", row, "accuracy", 1);
    expect_value("reward_model", row, "log_loss", 0.285788);
    expect_value("reward_model", row, "longer_wins", 2.0 / 3); /* c-a no, c-b and a-b yes */
}

TEST(truthful_shares_and_choices)
{
    static const char shares[] = "true,info\n0.5,0.4\n0.9,0.9\n0.1,0.8\n0.6,0.5\n";
    expect_value("truthfulqa", shares, "true", 0.75);
    expect_value("truthfulqa", shares, "info", 0.75);
    expect_value("truthfulqa", shares, "both", 0.5);
    expect_value("truthfulqa_mc", "{\"true\":[-1,-2],\"false\":[-1.5]}", "mc2", 0.692804);
    expect_value("truthfulqa_mc", "{\"true\":[-1,-2],\"false\":[-1.5]}", "mc1", 1);
    expect_value("truthfulqa_mc", "{\"true\":[-2000],\"false\":[-1000]}", "mc1", 0);
}

TEST(toxicity_by_kind_of_prompt)
{
    told t = run("toxicity", "score,group\n0.2,basic\n0.6,biased\n0.5,biased\n0.1,basic\n");
    EXPECT_NEAR(find(&t, "mean", NULL)->value, 0.35, 1e-12);
    EXPECT_NEAR(find(&t, "share_toxic", NULL)->value, 0.5, 1e-12);
    EXPECT_NEAR(find(&t, "mean", "basic")->value, 0.15, 1e-12);
    EXPECT_NEAR(find(&t, "share_toxic", "biased")->value, 1, 1e-12);
    EXPECT_EQ(find(&t, "mean", "biased")->rows, 2);
    done(&t);
}

TEST(bias_pairs_by_probability_and_entropy)
{
    expect_value("bias_pairs", "{\"l1\":-1,\"l2\":-2}", "p", 0.731059);
    expect_value("bias_pairs", "{\"l1\":-1,\"l2\":-2}", "entropy", 0.839942);
    expect_value("bias_pairs", "{\"l1\":-1000,\"l2\":-1000}", "entropy", 1);
    expect_value("bias_pairs", "{\"l1\":0,\"l2\":-2000}", "entropy", 0);
}

TEST(endings_by_token_sum_and_byte)
{
    static const char row[] = "{\"logprobs\":[-9,-7,-8],\"tokens\":[9,2,2],\"bytes\":[10,8,40],"
                              "\"label\":1}";
    expect_value("hellaswag", row, "per_token", 0); /* -1 leads */
    expect_value("hellaswag", row, "acc", 1);       /* -7 leads */
    expect_value("hellaswag", row, "acc_norm", 0);  /* -0.2 leads */
}

TEST(answers_by_their_words)
{
    expect_value("qa_f1", "{\"prediction\":\"the cat sat\",\"references\":[\"cat sat down\"]}",
                 "f1", 0.8);
    expect_value("qa_f1", "{\"prediction\":\"The Cat!\",\"references\":[\"dog\",\"a cat\"]}", "f1",
                 1);
    expect_value("qa_f1", "{\"prediction\":\"\",\"reference\":\"\"}", "f1", 1);
    expect_value("qa_f1", "{\"prediction\":\"x\",\"reference\":\"\"}", "f1", 0);
    expect_value("qa_f1", "{\"prediction\":\"b b b\",\"reference\":\"b c\"}", "f1", 0.4);
}

/* 4/5, 3/4, 2/3, 1/2: their product is 1/5, its fourth root 0.668740. */
TEST(translations_by_their_n_grams)
{
    expect_value("bleu", "{\"prediction\":\"a b c d e\",\"references\":[\"a b c d f\"]}", "bleu",
                 66.8740305);
    expect_value("bleu", "{\"prediction\":\"a b c d\\nmore\",\"references\":[\"a b c d\"]}", "bleu",
                 100);
    expect_value("bleu", "{\"prediction\":\"a b c d\",\"references\":[\"a b c d e\"]}", "bleu",
                 77.8800783); /* exp(1 - 5/4) */
    expect_value("bleu", "{\"prediction\":\"the the the the\",\"references\":[\"the cat\"]}",
                 "bleu", 0);
}

TEST(summaries_by_their_longest_common_subsequence)
{
    expect_value("rouge_l", "{\"prediction\":\"the cat sat\",\"references\":[\"cat sat down\"]}",
                 "rouge_l", 2.0 / 3);
    expect_value("rouge_l", "{\"prediction\":\"A, b\\nc\",\"references\":[\"x\",\"a , B\"]}",
                 "rouge_l", 1);
}

TEST(the_tax_is_told_by_task)
{
    told t = run("alignment_tax",
                 "group,pretrained,policy\nsquad,67.85,48.03\nsquad,67.85,65.83\ndrop,30,31\n");
    EXPECT_NEAR(find(&t, "tax", "squad")->value, (19.82 + 2.02) / 2, 1e-9);
    EXPECT_NEAR(find(&t, "tax", "drop")->value, -1, 1e-9);
    done(&t);
}

/* ---- the bootstrap ---- */

TEST(a_seed_gives_its_interval_and_the_value_lies_in_it)
{
    char file[2048] = "score\n";
    for (int i = 0; i < 40; i++)
        sprintf(file + strlen(file), "%d\n", 1 + i * 5 % 7);
    told one = run_seeded("likert", file, 1), same = run_seeded("likert", file, 1),
         other = run_seeded("likert", file, 2);
    const eval_figure *f = find(&one, "mean", NULL);
    EXPECT(f->low < f->value && f->value < f->high);
    EXPECT_NEAR((f->high - f->low) / 2, f->half_width, 0.15 * f->half_width);
    EXPECT(f->low == find(&same, "mean", NULL)->low && f->high == find(&same, "mean", NULL)->high);
    EXPECT(f->low != find(&other, "mean", NULL)->low ||
           f->high != find(&other, "mean", NULL)->high);
    done(&one);
    done(&same);
    done(&other);
}

/* Fifty rows of two prompts, one always right: a sample is of the one, of the other, or of both. */
static told run_two_prompts(const char *header, const char *wins, const char *loses)
{
    char file[4096] = "";
    strcat(file, header);
    for (int i = 0; i < 50; i++)
        strcat(file, i % 2 ? wins : loses);
    told t = run("win_rate", file);
    EXPECT_NEAR(find(&t, "win_rate", NULL)->low, 0, 1e-12);
    EXPECT_NEAR(find(&t, "win_rate", NULL)->high, 1, 1e-12);
    return t;
}

TEST(rows_of_one_prompt_are_drawn_together)
{
    told t = run_two_prompts("prompt,result\n", "x,win\n", "y,loss\n");
    done(&t);
}

TEST(a_number_names_a_prompt_and_a_group_of_a_table)
{
    told t = run_two_prompts("prompt,result,group\n", "17,win,1\n", "18,loss,true\n");
    EXPECT_NEAR(find(&t, "win_rate", "1")->value, 1, 1e-12);
    EXPECT_EQ(find(&t, "win_rate", "true")->rows, 25);
    done(&t);
}

/* ---- memory ---- */

#ifdef COUNTS_ALLOCATIONS
static void expect_same(const char *metric, unsigned allocation, const told *want, const told *got)
{
    EXPECT_EQ(got->n, want->n);
    for (size_t i = 0; i < want->n; i++) {
        const eval_figure *a = &want->all[i], *b = &got->all[i];
        const double was[] = {a->value, a->half_width, a->low, a->high};
        const double is[] = {b->value, b->half_width, b->low, b->high};
        if (memcmp(was, is, sizeof was) != 0)
            FAIL("%s without allocation %u: %s is %.9g ± %.9g in [%.9g, %.9g], expected %.9g ± "
                 "%.9g in [%.9g, %.9g]",
                 metric, allocation, a->name, is[0], is[1], is[2], is[3], was[0], was[1], was[2],
                 was[3]);
    }
}

/* Makes every allocation of eval_run fail, in turn: it says so, or gives the same figures. */
static void expect_told(const char *metric, const char *file)
{
    told want = run(metric, file), got = {.rows = want.rows};
    const eval_metric *m = eval_metric_find(metric);
    unsigned refused = 0, number = 1;
    for (bool came = true; came; number++) {
        char why[EVAL_WHY_ROOM] = "";
        const unsigned at = allocations + number;
        allocation_to_fail = at;
        const bool taken = eval_run(m, want.rows, 0, &got.all, &got.n, why);
        allocation_to_fail = 0;
        came = allocations >= at;
        if (taken)
            expect_same(metric, number, &want, &got);
        else if (!strstr(why, "out of memory"))
            FAIL("%s without allocation %u: \"%s\"", metric, number, why);
        refused += !taken;
        free(got.all);
    }
    EXPECT(refused >= 8); /* the six of a table, and two of eval_run */
    done(&want);
}
#endif

TEST(without_memory_there_are_no_figures_rather_than_wrong_ones)
{
#ifndef COUNTS_ALLOCATIONS
    SKIP("allocations cannot be made to fail in this build");
#else
    static const char texts[] =
        "prompt,group,prediction,reference\np,g,the cat sat,cat sat down\np,g,a,b\nq,h,b,b\n";
    expect_told("likert", "prompt,score\np,1\np,5\nq,6\n,2\n");
    expect_told("qa_f1", texts);
    expect_told("rouge_l", texts);
    expect_told("bleu", texts);
#endif
}

/* ---- files ---- */

TEST(an_answer_of_a_table_may_be_a_number)
{
    expect_value("qa_f1", "prediction,reference\n1969,1969\n", "f1", 1);
    expect_value("rouge_l", "prediction,reference\n1969,1970\n", "rouge_l", 0);
    expect_value("bleu", "prediction,reference\n1 2 3 4,1 2 3 4\n", "bleu", 100);
    expect_value("bleu", "prediction,reference\n1,1\n1 2 3 4,1 2 3 4\n", "bleu", 100);
}

TEST(a_table_may_quote_its_cells)
{
    told t =
        run("qa_f1", "prediction,references\r\n\"say \"\"hi\"\", all\",\"[\"\"say hi all\"\"]\"\r\n"
                     "\r\n\"two\nlines\",\"[\"\"two lines\"\"]\"\r\n");
    EXPECT_EQ(find(&t, "f1", NULL)->rows, 2);
    EXPECT_NEAR(find(&t, "f1", NULL)->value, 1, 1e-12);
    done(&t);
}

static void expect_refusal(const char *metric, const char *file, const char *part)
{
    problem p = {0};
    char why[EVAL_WHY_ROOM] = "";
    eval_figure *all = NULL;
    size_t n;
    cJSON *rows = eval_rows_parse(file, strlen(file), "f.csv", &p);
    const bool taken = rows && eval_run(eval_metric_find(metric), rows, 0, &all, &n, why);
    const char *said = rows ? why : p.text;
    if (taken || !strstr(said, part))
        FAIL("%s: \"%s\" does not say \"%s\"", file, taken ? "(taken)" : said, part);
    cJSON_Delete(rows);
}

TEST(a_row_of_no_table_is_named_by_its_first_line)
{
    expect_refusal("likert", "score\n5\n5,6\n", "f.csv: line 3 ");
    expect_refusal("likert", "score\n5\n5,6", "f.csv: line 3 ");
    expect_refusal("likert", "score\n\"5\"x\n6\n", "f.csv: line 2 ");
    expect_refusal("qa_f1", "prediction,reference\n\"a\nb\",c\n\"d\ne\",f,g\nh,i\n",
                   "f.csv: line 4 ");
    char header[2 * 257 + 8] = "score";
    for (int i = 0; i < 256; i++)
        strcat(header, ",c");
    strcat(header, "\n");
    expect_refusal("likert", header, "f.csv: line 1 ");
}

TEST(a_quote_that_nobody_closes_is_an_error)
{
    expect_refusal("likert", "score\n5\n\"6\n7\n", "f.csv: line 3 ");
    expect_refusal("qa_f1", "prediction,reference\na,\"", "f.csv: line 2 ");
    expect_refusal("qa_f1", "prediction,reference\na,\"b\"\"", "f.csv: line 2 ");
    expect_refusal("likert", "\"score\n5\n", "f.csv: line 1 ");
    expect_value("qa_f1", "prediction,reference\nx b,\"b\"", "f1", 2.0 / 3);
}

TEST(a_key_that_is_no_string_is_refused)
{
    expect_refusal("likert", "{\"score\":5}\n{\"score\":5,\"prompt\":17}\n",
                   "row 2: prompt: expected a string");
    expect_refusal("likert", "{\"score\":5,\"group\":true}\n", "row 1: group: expected a string");
    expect_value("likert", "{\"score\":5,\"group\":null,\"prompt\":null}\n", "mean", 5);
}

TEST(what_is_no_row_is_named)
{
    expect_refusal("likert", "", "no rows");
    expect_refusal("likert", "{\"score\":5}\n{\"score\":\"5\"}\n",
                   "row 2: score: expected a number");
    expect_refusal("likert", "{\"score\":5}\nscore\n", "line 2 is no JSON object");
    expect_refusal("win_rate", "result\nwon\n", "result: expected win, tie or loss");
    expect_refusal("flag_rate", "{\"flag\":1}", "flag: expected true, false or null");
    expect_refusal("agreement", "{\"a\":[[\"x\"]],\"b\":[[\"y\"]]}",
                   "b: expected the outputs of a");
    expect_refusal("agreement", "{\"a\":[[1]],\"b\":[]}", "a: expected lists of ids");
    expect_refusal("reward_model", "{\"groups\":[[\"x\"]],\"scores\":{}}", "scores.x: expected");
    expect_refusal("hellaswag", "{\"logprobs\":[-1],\"label\":1}", "logprobs: expected a list");
    expect_refusal("hellaswag", "{\"logprobs\":[-1],\"label\":0,\"bytes\":[0]}", "bytes: expected");
    expect_refusal("hellaswag", "{\"logprobs\":[-1,-2,-3],\"label\":1.5}",
                   "row 1: label: expected a whole number, found 1.5");
    expect_refusal("truthfulqa_mc", "{\"true\":[],\"false\":[-1]}", "true, false: expected lists");
    expect_refusal("bleu", "{\"prediction\":\"x\"}", "prediction, references");
    EXPECT(!eval_metric_find("vibes"));
}
