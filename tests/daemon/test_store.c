/* Every function of store.h, on a database that works. */
#include "store_fixture.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

/* ---- files ---- */

TEST(a_file_comes_back_as_it_was_put)
{
    store *s = fixture_open();
    store_file f = fixture_file("file-a"), got;
    f.status_details = "line 3: \"quoted\" and \xf0\x9f\x8e\x88";
    STORE_GOOD(store_file_insert(s, &f, &err));
    STORE_GOOD(store_file_get(s, "file-a", &got, &err));
    EXPECT_STR(got.id, "file-a");
    EXPECT_STR(got.filename, f.filename);
    EXPECT_STR(got.purpose, f.purpose);
    EXPECT_STR(got.status, f.status);
    EXPECT_STR(got.status_details, f.status_details);
    EXPECT_STR(got.format, f.format);
    EXPECT_STR(got.sha256, f.sha256);
    EXPECT_EQ(got.bytes, f.bytes);
    EXPECT_EQ(got.rows, f.rows);
    EXPECT_EQ(got.created_at, f.created_at);
    store_file_free(&got);
    store_close(s);
}

TEST(null_strings_stay_null)
{
    store *s = fixture_open();
    store_file f = fixture_file("file-a"), got;
    f.format = NULL;
    STORE_GOOD(store_file_insert(s, &f, &err));
    STORE_GOOD(store_file_get(s, "file-a", &got, &err));
    EXPECT(!got.format);
    EXPECT(!got.status_details);
    store_file_free(&got);
    store_close(s);
}

TEST(an_id_is_taken_once)
{
    store *s = fixture_open();
    store_file f = fixture_file("file-a"), got;
    STORE_GOOD(store_file_insert(s, &f, &err));
    f.filename = "other";
    STORE_EXPECT(store_file_insert(s, &f, &err), STORE_CONFLICT);
    STORE_GOOD(store_file_get(s, "file-a", &got, &err));
    EXPECT_STR(got.filename, "a.jsonl");
    store_file_free(&got);
    store_close(s);
}

TEST(what_is_not_there_is_not_found)
{
    store *s = fixture_open();
    store_file f;
    store_job j;
    store_policy p;
    STORE_EXPECT(store_file_get(s, "file-x", &f, &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_file_delete(s, "file-x", &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_job_get(s, "ftjob-x", &j, &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_job_oldest(s, STORE_JOB_LIVE, &j, &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_job_result(s, "ftjob-x", "pol_1", &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_job_progress(s, "ftjob-x", 1, 2, 3, &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_event_append(s, "ftjob-x", "info", "message", "m", NULL, NULL, &err),
                 STORE_NOT_FOUND);
    STORE_EXPECT(store_metrics_put(s, "ftjob-x", 1, NULL, 0, &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_policy_get(s, "pol_x", &p, &err), STORE_NOT_FOUND);
    EXPECT(!f.id && !j.id && !p.id);
    store_close(s);
}

static void put_files(store *s, int n)
{
    for (int i = 0; i < n; i++) {
        char id[16];
        snprintf(id, sizeof id, "file-%02d", i);
        store_file f = fixture_file(id);
        STORE_GOOD(store_file_insert(s, &f, &err));
    }
}

/* The last digits of the ids of one page, as "9 8 7 +": + when there are more. */
static const char *page_of_files(store *s, const char *after, uint32_t limit, bool oldest_first)
{
    static char text[256];
    store_file *rows;
    size_t n;
    bool more;
    STORE_GOOD(
        store_file_list(s, (store_page){after, limit, oldest_first}, &rows, &n, &more, &err));
    text[0] = 0;
    for (size_t i = 0; i < n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", atoi(rows[i].id + 5));
        store_file_free(&rows[i]);
    }
    free(rows);
    return strcat(text, more ? "+" : ".");
}

TEST(pages_go_from_the_newest_to_the_oldest)
{
    store *s = fixture_open();
    EXPECT_STR(page_of_files(s, "", 3, false), ".");
    put_files(s, 7);
    EXPECT_STR(page_of_files(s, "", 3, false), "6 5 4 +");
    EXPECT_STR(page_of_files(s, "file-04", 3, false), "3 2 1 +");
    EXPECT_STR(page_of_files(s, "file-01", 3, false), "0 .");
    EXPECT_STR(page_of_files(s, "file-00", 3, false), ".");
    EXPECT_STR(page_of_files(s, "", 7, false), "6 5 4 3 2 1 0 .");
    EXPECT_STR(page_of_files(s, "", 6, false), "6 5 4 3 2 1 +");
    store_close(s);
}

TEST(pages_may_start_with_the_oldest)
{
    store *s = fixture_open();
    put_files(s, 5);
    EXPECT_STR(page_of_files(s, "", 3, true), "0 1 2 +");
    EXPECT_STR(page_of_files(s, "file-02", 3, true), "3 4 .");
    store_close(s);
}

TEST(a_page_after_an_unknown_row_is_not_found)
{
    store *s = fixture_open();
    put_files(s, 1);
    store_file *rows;
    size_t n;
    bool more;
    STORE_EXPECT(store_file_list(s, (store_page){"file-x", 3, false}, &rows, &n, &more, &err),
                 STORE_NOT_FOUND);
    store_close(s);
}

/* Inserts a job that names the file in one place and tells whether the file can be deleted. */
static store_status delete_while_named(store *s, const store_job *j)
{
    store_file f = fixture_file("file-a");
    error_text why;
    STORE_GOOD(store_file_insert(s, &f, &err));
    STORE_GOOD(store_job_insert(s, j, &err));
    const store_status named = store_file_delete(s, "file-a", &why);
    STORE_GOOD(store_job_move(s, j->id, ~0u, STORE_JOB_SUCCEEDED, NULL, &err));
    STORE_GOOD(store_file_delete(s, "file-a", &err));
    return named;
}

TEST(a_file_stays_while_a_living_job_names_it)
{
    store *s = fixture_open();
    store_job j = fixture_job("ftjob-1");
    EXPECT_EQ(delete_while_named(s, &j), STORE_CONFLICT);

    j = fixture_job("ftjob-2");
    j.training_file = "file-b";
    j.validation_file = "file-a";
    EXPECT_EQ(delete_while_named(s, &j), STORE_CONFLICT);

    j = fixture_job("ftjob-3");
    j.training_file = "file-b";
    j.method_json = "{\"pretrain\":\"file-a\"}";
    EXPECT_EQ(delete_while_named(s, &j), STORE_CONFLICT);

    j = fixture_job("ftjob-4");
    j.training_file = "file-ab";
    j.method_json = "{\"pretrain\":\"file-abc\"}";
    store_file f = fixture_file("file-a");
    STORE_GOOD(store_file_insert(s, &f, &err));
    STORE_GOOD(store_job_insert(s, &j, &err));
    STORE_GOOD(store_file_delete(s, "file-a", &err));
    store_close(s);
}

/* ---- jobs ---- */

TEST(a_job_comes_back_as_it_was_put)
{
    store *s = fixture_open();
    store_job j = fixture_job("ftjob-a"), got;
    j.validation_file = "file-v";
    j.publish_json = "{\"alias\":\"instruct\"}";
    j.suffix = "mine";
    j.metadata_json = "{}";
    j.seed = UINT64_MAX;
    STORE_GOOD(store_job_insert(s, &j, &err));
    STORE_GOOD(store_job_get(s, "ftjob-a", &got, &err));
    EXPECT_EQ(got.status, STORE_JOB_QUEUED);
    EXPECT_STR(got.method, j.method);
    EXPECT_STR(got.model, j.model);
    EXPECT_STR(got.model_policy, j.model_policy);
    EXPECT_STR(got.training_file, j.training_file);
    EXPECT_STR(got.validation_file, j.validation_file);
    EXPECT_STR(got.method_json, j.method_json);
    EXPECT_STR(got.publish_json, j.publish_json);
    EXPECT_STR(got.suffix, j.suffix);
    EXPECT_STR(got.metadata_json, j.metadata_json);
    EXPECT(got.seed == UINT64_MAX);
    EXPECT(!got.fine_tuned_model && !got.error_code && !got.error_message && !got.error_param);
    EXPECT(!got.started && !got.pause_requested && !got.cancel_requested);
    EXPECT_EQ(got.created_at, j.created_at);
    EXPECT_EQ(got.finished_at, 0);
    store_job_free(&got);
    store_close(s);
}

static store_job job_now(store *s, const char *id)
{
    store_job j;
    STORE_GOOD(store_job_get(s, id, &j, &err));
    return j;
}

TEST(a_job_moves_only_from_the_named_states)
{
    store *s = fixture_open();
    store_job j = fixture_job("ftjob-a"), got;
    STORE_GOOD(store_job_insert(s, &j, &err));
    error_text why = {{0}};
    EXPECT_EQ(store_job_move(s, "ftjob-a", STORE_JOB_BIT(STORE_JOB_RUNNING), STORE_JOB_PAUSED, NULL,
                             &why),
              STORE_CONFLICT);
    EXPECT_STR(why.text, "the job is queued");
    STORE_EXPECT(store_job_move(s, "ftjob-x", ~0u, STORE_JOB_PAUSED, NULL, &err), STORE_NOT_FOUND);
    STORE_GOOD(store_job_move(s, "ftjob-a", STORE_JOB_BIT(STORE_JOB_QUEUED), STORE_JOB_RUNNING,
                              NULL, &err));
    got = job_now(s, "ftjob-a");
    EXPECT_EQ(got.status, STORE_JOB_RUNNING);
    EXPECT(got.started);
    EXPECT_EQ(got.finished_at, 0);
    store_job_free(&got);
    store_close(s);
}

TEST(an_end_state_keeps_the_error_and_the_time)
{
    store *s = fixture_open();
    store_job j = fixture_job("ftjob-a"), got;
    STORE_GOOD(store_job_insert(s, &j, &err));
    STORE_GOOD(store_job_result(s, "ftjob-a", "pol_1", &err));
    const store_job change = {
        .error_code = "invalid_file", .error_message = "line 3", .error_param = "training_file"};
    STORE_GOOD(store_job_move(s, "ftjob-a", STORE_JOB_LIVE, STORE_JOB_FAILED, &change, &err));
    got = job_now(s, "ftjob-a");
    EXPECT_STR(got.error_code, "invalid_file");
    EXPECT_STR(got.error_message, "line 3");
    EXPECT_STR(got.error_param, "training_file");
    EXPECT_STR(got.fine_tuned_model, "pol_1");
    EXPECT(got.finished_at > 1700000000);
    EXPECT(!got.started);
    store_job_free(&got);
    store_close(s);
}

TEST(requests_are_kept_until_they_are_fulfilled)
{
    store *s = fixture_open();
    store_job j = fixture_job("ftjob-a"), got;
    j.status = STORE_JOB_RUNNING;
    STORE_GOOD(store_job_insert(s, &j, &err));
    const unsigned running = STORE_JOB_BIT(STORE_JOB_RUNNING);
    STORE_GOOD(store_job_request(s, "ftjob-a", running, true, false, &err));
    got = job_now(s, "ftjob-a");
    EXPECT(got.pause_requested && !got.cancel_requested);
    store_job_free(&got);

    STORE_GOOD(store_job_request(s, "ftjob-a", running, true, true, &err));
    STORE_GOOD(store_job_request(s, "ftjob-a", running, false, false, &err));
    got = job_now(s, "ftjob-a");
    EXPECT(!got.pause_requested && got.cancel_requested); /* a cancel is not taken back */
    store_job_free(&got);

    STORE_GOOD(store_job_request(s, "ftjob-a", running, true, false, &err));
    STORE_GOOD(store_job_move(s, "ftjob-a", running, STORE_JOB_PAUSED, NULL, &err));
    got = job_now(s, "ftjob-a");
    EXPECT(!got.pause_requested && got.cancel_requested);
    store_job_free(&got);
    STORE_EXPECT(store_job_request(s, "ftjob-a", running, true, false, &err), STORE_CONFLICT);

    STORE_GOOD(store_job_move(s, "ftjob-a", ~0u, STORE_JOB_CANCELLED, NULL, &err));
    got = job_now(s, "ftjob-a");
    EXPECT(!got.pause_requested && !got.cancel_requested);
    store_job_free(&got);
    store_close(s);
}

TEST(the_oldest_job_of_a_state_is_found)
{
    store *s = fixture_open();
    for (int i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof id, "ftjob-%d", i);
        store_job j = fixture_job(id);
        j.status = i == 0 ? STORE_JOB_SUCCEEDED : STORE_JOB_QUEUED;
        STORE_GOOD(store_job_insert(s, &j, &err));
    }
    store_job got;
    STORE_GOOD(store_job_oldest(s, STORE_JOB_BIT(STORE_JOB_QUEUED), &got, &err));
    EXPECT_STR(got.id, "ftjob-1");
    store_job_free(&got);
    store_close(s);
}

TEST(jobs_are_listed_by_state)
{
    store *s = fixture_open();
    for (int i = 0; i < 6; i++) {
        char id[16];
        snprintf(id, sizeof id, "ftjob-%d", i);
        store_job j = fixture_job(id);
        j.status = i % 2 ? STORE_JOB_FAILED : STORE_JOB_QUEUED;
        STORE_GOOD(store_job_insert(s, &j, &err));
    }
    store_job *rows;
    size_t n;
    bool more;
    STORE_GOOD(store_job_list(s, (store_page){"", 2, false}, STORE_JOB_BIT(STORE_JOB_FAILED), &rows,
                              &n, &more, &err));
    EXPECT_EQ(n, 2);
    EXPECT(more);
    EXPECT_STR(rows[0].id, "ftjob-5");
    EXPECT_STR(rows[1].id, "ftjob-3");
    for (size_t i = 0; i < n; i++)
        store_job_free(&rows[i]);
    free(rows);
    STORE_GOOD(store_job_list(s, (store_page){"ftjob-1", 9, false}, 0, &rows, &n, &more, &err));
    EXPECT_EQ(n, 1);
    EXPECT_STR(rows[0].id, "ftjob-0");
    store_job_free(&rows[0]);
    free(rows);
    store_close(s);
}

TEST(every_status_has_its_text)
{
    EXPECT_STR(store_job_status_text(STORE_JOB_VALIDATING), "validating_files");
    EXPECT_STR(store_job_status_text(STORE_JOB_CANCELLED), "cancelled");
}

TEST(progress_is_read_at_once_and_kept)
{
    store *s = fixture_open();
    store_job j = fixture_job("ftjob-a"), got;
    STORE_GOOD(store_job_insert(s, &j, &err));
    STORE_GOOD(store_job_progress(s, "ftjob-a", 3, 10, 4096, &err));
    got = job_now(s, "ftjob-a");
    EXPECT_EQ(got.progress_done, 3);
    store_job_free(&got);
    store_close(s);
    s = fixture_open();
    got = job_now(s, "ftjob-a");
    EXPECT_EQ(got.progress_done, 3);
    EXPECT_EQ(got.progress_total, 10);
    EXPECT_EQ(got.trained_tokens, 4096);
    store_job_free(&got);
    store_close(s);
}

/* ---- events, metrics, checkpoints ---- */

static void append(store *s, const char *job, const char *message)
{
    STORE_GOOD(store_event_append(s, job, "info", "message", message, NULL, NULL, &err));
}

TEST(events_are_numbered_within_their_job)
{
    store *s = fixture_open();
    store_job a = fixture_job("ftjob-a"), b = fixture_job("ftjob-b");
    STORE_GOOD(store_job_insert(s, &a, &err));
    STORE_GOOD(store_job_insert(s, &b, &err));
    append(s, "ftjob-a", "one");
    append(s, "ftjob-b", "other");
    store_event e;
    STORE_GOOD(
        store_event_append(s, "ftjob-a", "warn", "metrics", "two", "{\"step\":1}", &e, &err));
    EXPECT_EQ(e.seq, 2);
    EXPECT(strncmp(e.id, "ftevent-", 8) == 0);
    EXPECT_STR(e.level, "warn");
    EXPECT_STR(e.type, "metrics");
    EXPECT_STR(e.message, "two");
    EXPECT_STR(e.data_json, "{\"step\":1}");
    store_event_free(&e);
    store_close(s);
}

TEST(events_are_listed_newest_first_and_streamed_oldest_first)
{
    store *s = fixture_open();
    store_job a = fixture_job("ftjob-a"), b = fixture_job("ftjob-b");
    STORE_GOOD(store_job_insert(s, &a, &err));
    STORE_GOOD(store_job_insert(s, &b, &err));
    for (int i = 1; i <= 5; i++) {
        append(s, "ftjob-a", i % 2 ? "odd" : "even");
        append(s, "ftjob-b", "noise");
    }
    store_event *rows;
    size_t n;
    bool more;
    STORE_GOOD(store_event_list(s, "ftjob-a", (store_page){"", 2, false}, &rows, &n, &more, &err));
    EXPECT_EQ(n, 2);
    EXPECT(more);
    EXPECT_EQ(rows[0].seq, 5);
    EXPECT_EQ(rows[1].seq, 4);
    char after[64];
    snprintf(after, sizeof after, "%s", rows[1].id);
    for (size_t i = 0; i < n; i++)
        store_event_free(&rows[i]);
    free(rows);
    STORE_GOOD(
        store_event_list(s, "ftjob-a", (store_page){after, 9, false}, &rows, &n, &more, &err));
    EXPECT_EQ(n, 3);
    EXPECT(!more);
    EXPECT_EQ(rows[0].seq, 3);
    for (size_t i = 0; i < n; i++)
        store_event_free(&rows[i]);
    free(rows);
    STORE_EXPECT(
        store_event_list(s, "ftjob-b", (store_page){after, 9, false}, &rows, &n, &more, &err),
        STORE_NOT_FOUND); /* of another job */

    STORE_GOOD(store_event_since(s, "ftjob-a", 2, 2, &rows, &n, &err));
    EXPECT_EQ(n, 2);
    EXPECT_EQ(rows[0].seq, 3);
    EXPECT_EQ(rows[1].seq, 4);
    for (size_t i = 0; i < n; i++)
        store_event_free(&rows[i]);
    free(rows);
    store_close(s);
}

static void put_loss(store *s, uint64_t step, double loss)
{
    const store_metric m[] = {{"loss", loss}, {"kl", NAN}};
    STORE_GOOD(store_metrics_put(s, "ftjob-a", step, m, 2, &err));
}

/* "1={...} 2={...}" */
static const char *metrics_text(store *s, uint64_t since, uint32_t limit)
{
    static char text[1024];
    store_metrics_row *rows;
    size_t n;
    STORE_GOOD(store_metrics_since(s, "ftjob-a", since, limit, &rows, &n, &err));
    text[0] = 0;
    for (size_t i = 0; i < n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%llu=%s", i ? " " : "",
                 (unsigned long long)rows[i].step, rows[i].values_json);
        free(rows[i].values_json);
    }
    free(rows);
    return text;
}

TEST(metrics_are_json_with_null_for_what_is_unknown)
{
    store *s = fixture_open();
    store_job j = fixture_job("ftjob-a");
    STORE_GOOD(store_job_insert(s, &j, &err));
    put_loss(s, 1, 0.1);
    put_loss(s, 2, -INFINITY);
    EXPECT_STR(metrics_text(s, 0, 9), "1={\"loss\":0.1,\"kl\":null} 2={\"loss\":null,\"kl\":null}");
    EXPECT_STR(metrics_text(s, 1, 9), "2={\"loss\":null,\"kl\":null}");
    EXPECT_STR(metrics_text(s, 0, 1), "1={\"loss\":0.1,\"kl\":null}");
    store_close(s);
}

TEST(a_step_that_comes_again_replaces_all_later_ones)
{
    store *s = fixture_open();
    store_job j = fixture_job("ftjob-a");
    STORE_GOOD(store_job_insert(s, &j, &err));
    for (uint64_t step = 1; step <= 5; step++)
        put_loss(s, step, (double)step);
    put_loss(s, 3, 33);
    EXPECT_STR(metrics_text(s, 1, 9), "2={\"loss\":2,\"kl\":null} 3={\"loss\":33,\"kl\":null}");
    store_close(s);
}

TEST(checkpoints_are_listed_with_their_job)
{
    store *s = fixture_open();
    store_job j = fixture_job("ftjob-a");
    STORE_GOOD(store_job_insert(s, &j, &err));
    store_checkpoint c = {.id = "ftckpt-1",
                          .job = "ftjob-a",
                          .policy = "pol_1",
                          .metrics_json = "{\"loss\":1}",
                          .step = 12,
                          .created_at = 5};
    STORE_GOOD(store_checkpoint_insert(s, &c, &err));
    c.id = "ftckpt-2";
    STORE_GOOD(store_checkpoint_insert(s, &c, &err));
    c.job = "ftjob-x";
    c.id = "ftckpt-3";
    STORE_EXPECT(store_checkpoint_insert(s, &c, &err), STORE_NOT_FOUND);
    store_checkpoint *rows;
    size_t n;
    bool more;
    STORE_GOOD(store_checkpoint_list(s, "ftjob-a", (store_page){"ftckpt-2", 5, false}, &rows, &n,
                                     &more, &err));
    EXPECT_EQ(n, 1);
    EXPECT_STR(rows[0].id, "ftckpt-1");
    EXPECT_STR(rows[0].policy, "pol_1");
    EXPECT_STR(rows[0].metrics_json, "{\"loss\":1}");
    EXPECT_EQ(rows[0].step, 12);
    store_checkpoint_free(&rows[0]);
    free(rows);
    store_close(s);
}

/* ---- policies and moves ---- */

TEST(a_policy_is_put_and_put_again)
{
    store *s = fixture_open();
    store_policy p = {.id = "pol_1", .stage = "sft", .state = "validated", .created_at = 9}, got;
    STORE_GOOD(store_policy_put(s, &p, &err));
    p.state = "active";
    p.job = "ftjob-a";
    STORE_GOOD(store_policy_put(s, &p, &err));
    STORE_GOOD(store_policy_get(s, "pol_1", &got, &err));
    EXPECT_STR(got.stage, "sft");
    EXPECT_STR(got.state, "active");
    EXPECT_STR(got.job, "ftjob-a");
    EXPECT_EQ(got.created_at, 9);
    store_policy_free(&got);
    EXPECT_EQ(store_policy_get(s, "pol_2", &got, &(error_text){""}), STORE_NOT_FOUND);
    store_close(s);
}

TEST(moves_of_an_alias_are_its_history)
{
    store *s = fixture_open();
    store_move m = {.alias = "instruct",
                    .policy = "pol_1",
                    .in_flight = "pin",
                    .updated_by = "admin",
                    .updated_at = 7};
    for (uint64_t v = 1; v <= 12; v++) {
        m.version = v;
        STORE_GOOD(store_move_put(s, &m, &err));
    }
    m.alias = "other";
    m.version = 11;
    STORE_GOOD(store_move_put(s, &m, &err));
    m.alias = "instruct";
    m.previous = "pol_0";
    m.reason = "again";
    STORE_GOOD(store_move_put(s, &m, &err)); /* replaces */
    store_move *rows;
    size_t n;
    bool more;
    STORE_GOOD(
        store_move_list(s, "instruct", (store_page){"12", 2, false}, &rows, &n, &more, &err));
    EXPECT_EQ(n, 2);
    EXPECT(more);
    EXPECT_EQ(rows[0].version, 11);
    EXPECT_STR(rows[0].previous, "pol_0");
    EXPECT_STR(rows[0].reason, "again");
    EXPECT_STR(rows[0].updated_by, "admin");
    EXPECT_EQ(rows[1].version, 10);
    EXPECT(!rows[1].previous);
    store_move_free(&rows[0]);
    store_move_free(&rows[1]);
    free(rows);
    STORE_EXPECT(
        store_move_list(s, "instruct", (store_page){"eleven", 2, false}, &rows, &n, &more, &err),
        STORE_NOT_FOUND);
    store_close(s);
}

/* ---- the whole ---- */

TEST(queued_writes_survive_a_close)
{
    store *s = fixture_open();
    store_job j = fixture_job("ftjob-a");
    STORE_GOOD(store_job_insert(s, &j, &err));
    for (int i = 0; i < 100; i++)
        append(s, "ftjob-a", "m");
    store_close(s);
    s = fixture_open();
    store_event *rows;
    size_t n;
    STORE_GOOD(store_event_since(s, "ftjob-a", 0, 1000, &rows, &n, &err));
    EXPECT_EQ(n, 100);
    for (size_t i = 0; i < n; i++) {
        EXPECT_EQ(rows[i].seq, i + 1);
        store_event_free(&rows[i]);
    }
    free(rows);
    store_close(s);
}

TEST(the_database_is_its_owners_alone)
{
    store *s = fixture_open();
    STORE_GOOD(store_flush(s, &err));
    struct stat st;
    EXPECT_EQ(stat(fixture_path(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    char wal[600];
    snprintf(wal, sizeof wal, "%s-wal", fixture_path());
    EXPECT_EQ(stat(wal, &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    store_close(s);
}

TEST(closing_nothing_is_allowed)
{
    store_close(NULL);
}
