/* The parts of the training commands that need no server: near names, live figures, words for
 * sizes and times. */
#include "harness.h"

#include "figures.h"
#include "json.h"
#include "names.h"
#include "nearest.h"
#include "progress.h"

#include <string.h>

/* ---- names ---- */

TEST(edit_distance_counts_letters_and_swaps)
{
    EXPECT_EQ(edit_distance("", ""), 0);
    EXPECT_EQ(edit_distance("abc", ""), 3);
    EXPECT_EQ(edit_distance("n_epoch", "n_epochs"), 1);
    EXPECT_EQ(edit_distance("cancle", "cancel"), 1);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3); /* the textbook's pair */
    EXPECT_EQ(edit_distance("ca", "abc"), 3);         /* optimal string alignment, not 2 */
}

static const char *nearest_of(const char *wanted)
{
    static const char *const names[] = {"n_epochs", "batch_size", "learning_rate", "max_kl_ref",
                                        "ppo"};
    nearest n;
    nearest_init(&n, wanted);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        nearest_offer(&n, names[i]);
    return n.best ? n.best : "";
}

TEST(nearest_offers_what_is_close_and_nothing_else)
{
    EXPECT_STR(nearest_of("epochs"), "n_epochs");
    EXPECT_STR(nearest_of("batchsize"), "batch_size");
    EXPECT_STR(nearest_of("lerning_rate"), "learning_rate");
    EXPECT_STR(nearest_of("max_kl"), "max_kl_ref"); /* its beginning */
    EXPECT_STR(nearest_of("dropout"), "");
    EXPECT_STR(nearest_of("dpo"), ""); /* a method of its own */
    EXPECT_STR(nearest_of("pppo"), "ppo");
    EXPECT_STR(nearest_of(""), "");
}

TEST(names_for_paths_are_ids_and_plain_files_only)
{
    EXPECT(name_is_id("ftjob-Az_09"));
    EXPECT(!name_is_id("") && !name_is_id("a/b") && !name_is_id("a.b") && !name_is_id("a%2fb"));
    EXPECT(!name_is_id("0123456789012345678901234567890123456789012345678901234567890123x"));
    EXPECT(name_is_file("model.safetensors") && name_is_file("a-b_c.json"));
    EXPECT(!name_is_file("..") && !name_is_file(".x") && !name_is_file("a/b") &&
           !name_is_file("-x") && !name_is_file("a b") && !name_is_file(""));
}

/* ---- figures ---- */

static void take(figures *f, const char *json)
{
    cJSON *values = json_parse(json, strlen(json));
    figures_take(f, values);
    cJSON_Delete(values);
}

static void progress_at(figures *f, const char *json, double now_s)
{
    cJSON *job = json_parse(json, strlen(json));
    figures_progress(f, job, now_s);
    cJSON_Delete(job);
}

static void expect_line(const figures *f, double now_s, const char *want)
{
    text line;
    text_init(&line, 1024);
    figures_line(f, now_s, &line);
    EXPECT_STR(text_str(&line), want);
    text_free(&line);
}

TEST(figures_keep_the_last_value_of_each_metric)
{
    figures f = {0};
    expect_line(&f, 0, "running");
    take(&f, "{\"step\":1,\"loss\":2.5,\"kl\":null,\"lr\":1e-5}");
    take(&f, "{\"step\":2,\"loss\":2.25,\"reward\":-0.5}");
    expect_line(&f, 0, "running  loss 2.25  reward -0.5  lr 1e-05");
}

static void steps_done(figures *f, int done, double now_s)
{
    char job[64];
    snprintf(job, sizeof job, "{\"progress\":{\"done\":%d,\"total\":100}}", done);
    progress_at(f, job, now_s);
}

TEST(the_time_left_is_that_of_the_steps_since_the_first)
{
    figures f = {0};
    progress_at(&f, "{\"progress\":{\"done\":0,\"total\":0}}", 900); /* it loads its model */
    steps_done(&f, 1, 1000);
    expect_line(&f, 1000, "  1%  [                ]  1/100");
    steps_done(&f, 11, 1020);
    expect_line(&f, 1020, " 11%  [##              ]  11/100  2:58 left"); /* 89 steps of 2 s */
    steps_done(&f, 100, 1198);
    expect_line(&f, 1198, "100%  [################]  100/100  0:00 left");
}

TEST(a_step_found_under_way_is_not_measured)
{
    figures f = {0};
    steps_done(&f, 20, 1000);
    steps_done(&f, 21, 1001);
    expect_line(&f, 1001, " 21%  [###             ]  21/100");
    steps_done(&f, 22, 1061);
    expect_line(&f, 1061, " 22%  [####            ]  22/100  1:18:00 left"); /* 78 minutes */
}

/* The longer a step took, the more time was left, until it was done. */
TEST(the_time_left_does_not_grow_while_a_step_is_under_way)
{
    figures f = {0};
    steps_done(&f, 94, 0);
    steps_done(&f, 95, 100);
    steps_done(&f, 96, 110);
    expect_line(&f, 110, " 96%  [############### ]  96/100  0:40 left");
    expect_line(&f, 114, " 96%  [############### ]  96/100  0:36 left");
    expect_line(&f, 120, " 96%  [############### ]  96/100  0:30 left");
    expect_line(&f, 500, " 96%  [############### ]  96/100  0:30 left");
}

TEST(the_time_left_forgets_how_steps_were_long_ago)
{
    figures f = {0};
    double now_s = 0;
    for (int i = 10; i <= 20; i++)
        steps_done(&f, i, now_s += 50);
    for (int i = 21; i <= 20 + FIGURES_RECENT; i++)
        steps_done(&f, i, now_s += 1);
    expect_line(&f, now_s, " 36%  [######          ]  36/100  1:04 left"); /* 64 steps of 1 s */
}

TEST(figures_start_again_when_a_job_goes_back)
{
    figures f = {0};
    steps_done(&f, 49, 0);
    steps_done(&f, 50, 10);
    steps_done(&f, 51, 20);
    steps_done(&f, 40, 30); /* its last checkpoint */
    expect_line(&f, 30, " 40%  [######          ]  40/100");
    progress_at(&f, "{\"id\":\"without\"}", 40);
    expect_line(&f, 40, " 40%  [######          ]  40/100");
}

TEST(an_event_line_begins_with_the_step_and_leaves_out_the_seconds)
{
    static const char event[] =
        "{\"loss\":0.123456789,\"step\":12,\"note\":\"x\",\"learn_seconds\":2}";
    text line;
    cJSON *values = json_parse(event, strlen(event));
    text_init(&line, 1024);
    figures_event_line(values, &line);
    EXPECT_STR(text_str(&line), "step 12  loss 0.123457");
    text_free(&line);
    cJSON_Delete(values);
}

/* ---- words ---- */

static void expect_bytes(uint64_t bytes, const char *want)
{
    text out;
    text_init(&out, 64);
    progress_bytes(&out, bytes);
    EXPECT_STR(text_str(&out), want);
    text_free(&out);
}

TEST(sizes_and_times_are_words)
{
    text out;
    expect_bytes(0, "0 bytes");
    expect_bytes(1023, "1023 bytes");
    expect_bytes(1536, "1.5 KiB");
    expect_bytes((uint64_t)3 << 40, "3.0 TiB");
    text_init(&out, 64);
    progress_duration(&out, 59.6);
    text_puts(&out, " ");
    progress_duration(&out, 7384);
    EXPECT_STR(text_str(&out), "1:00 2:03:04");
    text_free(&out);
}
