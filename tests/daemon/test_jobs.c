/* Jobs from their making to their end, with a plugin that does what a test tells it. */
#include "daemon/jobs_fixture.h"

enum { LONG = 1000000 };

/* ---- the straight way ---- */

/* The statuses that the bus has told of a job, in order, with a space behind each. */
static void statuses_told(const scene *s, const char *id, char *out, size_t cap)
{
    event_record records[64];
    uint64_t since = 0;
    bool lost;
    size_t n, len = 0;
    out[0] = 0;
    while ((n = events_after(s->options.events, &since, TOPIC_JOB, id, records, 64, &lost)) > 0)
        for (size_t i = 0; i < n; i++) {
            const char *at = strstr(records[i].json, "\"status\":\"");
            if (at && strcmp(records[i].name, "job.status") == 0)
                len += (size_t)snprintf(out + len, cap - len, "%.*s ", (int)strcspn(at + 10, "\""),
                                        at + 10);
            free(records[i].json);
        }
}

TEST(a_job_goes_from_validating_to_succeeded_and_tells_all_of_it)
{
    scene s = scene_begin();
    char told[256];
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 5});
    await_status(&s, id, STORE_JOB_SUCCEEDED);

    expect_event(&s, id, "Created fine-tuning job: ftjob-");
    expect_event(&s, id, "Files validated");
    expect_event(&s, id, "The job started");
    expect_event(&s, id, "successfully completed");
    /* A status is told once the row has it, and before the job's words about it. */
    statuses_told(&s, id, told, sizeof told);
    EXPECT_STR(told, "validating_files queued running succeeded ");

    store_metrics_row *rows;
    size_t n;
    STORE_GOOD(store_metrics_since(s.options.store, id, 0, 100, &rows, &n, &err));
    EXPECT_EQ(n, 5);
    EXPECT_EQ(rows[1].step, 2);
    EXPECT_STR(rows[1].values_json, "{\"loss\":0.5,\"reward\":2,\"unknown\":null}");
    for (size_t i = 0; i < n; i++)
        free(rows[i].values_json);
    free(rows);

    store_job row = get_job(&s, id);
    EXPECT(row.finished_at >= row.created_at);
    EXPECT_EQ(row.progress_done, 5);
    EXPECT_EQ(row.progress_total, 5);
    EXPECT_EQ(row.trained_tokens, 50);
    EXPECT(!row.error_code && !row.fine_tuned_model);
    EXPECT_EQ(strlen(row.model_policy), POLICY_ID_CHARS);
    store_job_free(&row);
    await_no_directory(id);

    buf text;
    buf_init(&text, 1 << 20);
    metrics_write(s.options.metrics, &text);
    EXPECT(strstr(text.data, "\ninstructd_train_step 5\n"));
    EXPECT(strstr(text.data, "\ninstructd_train_loss 0.2\n"));
    EXPECT(strstr(text.data, "\ninstructd_train_kl NaN\n"));
    buf_free(&text);
    scene_close(&s);
}

TEST(jobs_run_one_at_a_time_in_order_and_are_checked_meanwhile)
{
    scene s = scene_begin();
    scene_file(&s, "file-a", "step\n");
    const char *first = create_job(&s, (wish){.n_steps = LONG, .step_ms = 2});
    await_status(&s, first, STORE_JOB_RUNNING);
    const char *second = create_job(&s, (wish){.n_steps = 1});
    const char *third = create_job(&s, (wish){.n_steps = 1, .deed = "refuse"});
    await_status(&s, second, STORE_JOB_QUEUED);
    await_status(&s, third, STORE_JOB_FAILED);
    await_status(&s, first, STORE_JOB_RUNNING);
    store_job row;
    STORE_GOOD(jobs_cancel(s.jobs, first, &row, &err));
    store_job_free(&row);
    await_status(&s, second, STORE_JOB_SUCCEEDED);
    scene_close(&s);
}

/* ---- refusals and failures ---- */

TEST(what_a_request_names_must_be_there)
{
    static const struct {
        wish wish;
        job_refusal refusal;
        const char *param, *message;
    } rows[] = {
        {{.file = "file-none"}, JOB_REFUSED_FILE, "training_file", "file-none: no file of this id"},
        {{.file = "file-bad"},
         JOB_REFUSED_FILE,
         "training_file",
         "file-bad has an error: line 3: not JSON"},
        {{.file = "file-sft"},
         JOB_REFUSED_FILE,
         "training_file",
         "file-sft: expected a file of format lines, found one of format supervised"},
        {{.publish_json = "{\"alias\":\"reward\"}"},
         JOB_REFUSED_ALIAS,
         "publish.alias",
         "expected an alias for a model that writes, as the method's does, found \"reward\", which "
         "is for one that scores"},
        {{.model = "nobody"}, JOB_REFUSED_MODEL, "model", "there is no model \"nobody\""},
        {{.model = "pol_00000000deadbeef"},
         JOB_REFUSED_MODEL,
         "model",
         "there is no model \"pol_00000000deadbeef\""},
        {{.model = "pol_000000000000f011"}, JOB_REFUSED_FULL, "model", "held policies: 256"},
        {{.model = "instruct@pol_00000000deadbeef"},
         JOB_REFUSED_MODEL,
         "model",
         "there is no model"},
    };
    scene s = scene_begin();
    scene_file(&s, "file-a", "step\n");
    store_file bad = fixture_file("file-bad"), sft = fixture_file("file-sft");
    bad.status = "error";
    bad.status_details = "line 3: not JSON";
    STORE_GOOD(store_file_insert(s.options.store, &bad, &err));
    STORE_GOOD(store_file_insert(s.options.store, &sft, &err));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        store_job row;
        const char *param;
        error_text err = {""};
        EXPECT_EQ(try_to_create(&s, rows[i].wish, &row, &param, &err), rows[i].refusal);
        EXPECT_STR(param, rows[i].param);
        if (!strstr(err.text, rows[i].message))
            FAIL("\"%s\" does not say \"%s\"", err.text, rows[i].message);
    }
    scene_close(&s);
}

/* A policy that is on disk alone can be started from. */
TEST(a_model_may_be_named_by_any_policy_there_is)
{
    scene s = scene_begin();
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 1, .model = "instruct@pol_0123456789abcdef"});
    store_job row = get_job(&s, id);
    EXPECT_STR(row.model, "instruct@pol_0123456789abcdef");
    EXPECT_STR(row.model_policy, "pol_0123456789abcdef");
    store_job_free(&row);
    await_status(&s, id, STORE_JOB_SUCCEEDED);
    scene_close(&s);
}

static void expect_failure(const scene *s, const char *id, const char *code, const char *message,
                           const char *param)
{
    await_status(s, id, STORE_JOB_FAILED);
    store_job row = get_job(s, id);
    EXPECT_STR(row.error_code, code);
    EXPECT_STR(row.error_message, message);
    EXPECT_STR(row.error_param ? row.error_param : "", param);
    store_job_free(&row);
    await_no_directory(id);
}

TEST(a_check_that_refuses_fails_the_job_with_its_line_and_field)
{
    scene s = scene_begin();
    scene_file(&s, "file-a", "setp\n");
    const char *id = create_job(&s, (wish){.n_steps = 1, .deed = "refuse"});
    expect_failure(&s, id, "invalid_value", "line 1: expected \"step\", found \"setp\n\"",
                   "training_file");
    scene_close(&s);
}

TEST(a_run_that_fails_gives_its_reason)
{
    scene s = scene_begin();
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 9, .deed = "fail", .at_step = 3});
    expect_failure(&s, id, "not_finite", "step 3: the loss is not finite", "");
    id = create_job(&s, (wish){.n_steps = 9, .deed = "stop", .at_step = 2});
    expect_failure(&s, id, "internal_error", "the plugin stopped without having been asked to", "");
    id = create_job(&s, (wish){.n_steps = 1});
    await_status(&s, id, STORE_JOB_SUCCEEDED);
    scene_close(&s);
}

/* ---- cancelling, pausing, resuming ---- */

TEST(a_job_can_be_cancelled_in_every_state_but_an_end)
{
    scene s = scene_begin();
    store_job row;
    scene_file(&s, "file-a", "step\n");
    const char *running = create_job(&s, (wish){.n_steps = LONG, .step_ms = 1});
    await_status(&s, running, STORE_JOB_RUNNING);
    const char *queued = create_job(&s, (wish){.n_steps = 1});
    const char *paused = create_job(&s, (wish){.n_steps = 1});
    await_status(&s, queued, STORE_JOB_QUEUED);
    await_status(&s, paused, STORE_JOB_QUEUED);
    STORE_GOOD(jobs_pause(s.jobs, paused, &row, &err));
    EXPECT_EQ(row.status, STORE_JOB_PAUSED);
    store_job_free(&row);
    const char *const ids[] = {queued, paused, running};
    for (int i = 0; i < 3; i++) {
        STORE_GOOD(jobs_cancel(s.jobs, ids[i], &row, &err));
        EXPECT_EQ(row.status, STORE_JOB_CANCELLED);
        EXPECT(row.finished_at > 0);
        store_job_free(&row);
        STORE_EXPECT(jobs_cancel(s.jobs, ids[i], &row, &err), STORE_CONFLICT);
        STORE_EXPECT(jobs_pause(s.jobs, ids[i], &row, &err), STORE_CONFLICT);
        STORE_EXPECT(jobs_resume(s.jobs, ids[i], &row, &err), STORE_CONFLICT);
        await_no_directory(ids[i]);
    }
    STORE_EXPECT(jobs_cancel(s.jobs, "ftjob-none", &row, &err), STORE_NOT_FOUND);
    const char *next = create_job(&s, (wish){.n_steps = 1});
    await_status(&s, next, STORE_JOB_SUCCEEDED);
    scene_close(&s);
}

/* The steps of a job's metrics: each once, from 1 to n. */
static void expect_steps(const scene *s, const char *id, size_t want)
{
    store_metrics_row *rows;
    size_t n;
    STORE_GOOD(store_metrics_since(s->options.store, id, 0, 10000, &rows, &n, &err));
    EXPECT_EQ(n, want);
    for (size_t i = 0; i < n; i++) {
        EXPECT_EQ(rows[i].step, i + 1);
        free(rows[i].values_json);
    }
    free(rows);
}

static void await_step(const scene *s, const char *id, uint64_t step)
{
    for (uint64_t done = 0; done < step; usleep(1000)) {
        store_job row = get_job(s, id);
        done = row.progress_done;
        store_job_free(&row);
    }
}

TEST(a_paused_job_goes_on_where_it_was)
{
    scene s = scene_begin();
    store_job row;
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 300, .step_ms = 2});
    await_status(&s, id, STORE_JOB_RUNNING);
    await_step(&s, id, 3);
    STORE_EXPECT(jobs_resume(s.jobs, id, &row, &err), STORE_CONFLICT);
    STORE_GOOD(jobs_pause(s.jobs, id, &row, &err));
    store_job_free(&row);
    await_status(&s, id, STORE_JOB_PAUSED);
    row = get_job(&s, id);
    EXPECT(!row.pause_requested && row.started && row.progress_done < 300);
    store_job_free(&row);

    /* the place is free meanwhile */
    const char *other = create_job(&s, (wish){.n_steps = 1});
    await_status(&s, other, STORE_JOB_SUCCEEDED);

    STORE_GOOD(jobs_resume(s.jobs, id, &row, &err));
    EXPECT(row.status == STORE_JOB_QUEUED || row.status == STORE_JOB_RUNNING);
    store_job_free(&row);
    await_status(&s, id, STORE_JOB_SUCCEEDED);
    expect_event(&s, id, "resumed");
    expect_event(&s, id, "The job goes on");
    expect_steps(&s, id, 300);
    scene_close(&s);
}

/* ---- the end of the process ---- */

TEST(a_job_that_the_end_of_the_daemon_interrupts_goes_on_at_the_next_start)
{
    scene s = scene_begin();
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 200, .step_ms = 2});
    await_status(&s, id, STORE_JOB_RUNNING);
    const char *behind = create_job(&s, (wish){.n_steps = 1});
    await_status(&s, behind, STORE_JOB_QUEUED);
    await_step(&s, id, 3);
    EXPECT(jobs_free(s.jobs));
    store_job row = get_job(&s, id);
    EXPECT_EQ(row.status, STORE_JOB_RUNNING);
    EXPECT(row.progress_done < 200);
    store_job_free(&row);

    scene_start_jobs(&s);
    await_status(&s, behind, STORE_JOB_SUCCEEDED); /* only after the one that was running */
    await_status(&s, id, STORE_JOB_SUCCEEDED);
    expect_event(&s, id, "resumed");
    expect_steps(&s, id, 200);
    scene_close(&s);
}

static size_t needs_of(const scene *s, const char *id, const char *first)
{
    store_need *needs;
    size_t n;
    STORE_GOOD(store_need_list(s->options.store, id, &needs, &n, &err));
    if (n)
        EXPECT_STR(needs[0].policy, first);
    free(needs);
    return n;
}

TEST(policies_that_a_job_has_named_are_kept_for_it_over_a_restart)
{
    scene s = scene_begin();
    scene_file(&s, "file-a", "step\n");
    const char *id =
        create_job(&s, (wish){.n_steps = 200, .step_ms = 2, .deed = "look", .at_step = 2});
    await_step(&s, id, 3);
    EXPECT_EQ(needs_of(&s, id, "pol_000000000000000a"), 1);
    EXPECT_EQ(fake.held, 2); /* and its model; the other one it let go */
    EXPECT(jobs_free(s.jobs));
    EXPECT_EQ(fake.held, 0);
    store_policy_use use;
    STORE_GOOD(store_policy_uses(s.options.store, "pol_000000000000000a", &use, &err));
    EXPECT_STR(use.job, id);
    STORE_GOOD(store_policy_uses(s.options.store, "pol_000000000000000b", &use, &err));
    EXPECT_STR(use.job, "");

    scene_start_jobs(&s);
    EXPECT_EQ(fake.held, 2);
    await_status(&s, id, STORE_JOB_SUCCEEDED);
    await_no_directory(id);
    EXPECT_EQ(needs_of(&s, id, ""), 0);
    scene_close(&s);
}

TEST(a_pause_asked_for_survives_the_end_of_the_daemon)
{
    scene s = scene_open(ECHO_PLUGIN);
    scene_file(&s, "file-a", "step\n");
    store_job row = fixture_job("ftjob-1");
    row.method = "echo_steps";
    row.method_json = "{\"hyperparameters\":{\"n_steps\":1}}";
    STORE_GOOD(store_job_insert(s.options.store, &row, &err));
    STORE_GOOD(
        store_job_move(s.options.store, "ftjob-1", STORE_JOB_LIVE, STORE_JOB_RUNNING, NULL, &err));
    STORE_GOOD(store_job_request(s.options.store, "ftjob-1", STORE_JOB_LIVE, true, false, &err));
    scene_start_jobs(&s);
    await_status(&s, "ftjob-1", STORE_JOB_PAUSED);
    EXPECT_EQ(count_events(&s, "ftjob-1", "The job goes on"), 0);
    STORE_GOOD(jobs_resume(s.jobs, "ftjob-1", &row, &err));
    store_job_free(&row);
    await_status(&s, "ftjob-1", STORE_JOB_SUCCEEDED);
    scene_close(&s);
}

TEST(a_job_whose_plugin_is_gone_fails_and_directories_of_no_job_are_swept)
{
    char stray[512];
    scene s = scene_open(NULL);
    store_job row = fixture_job("ftjob-1");
    STORE_GOOD(store_job_insert(s.options.store, &row, &err));
    snprintf(stray, sizeof stray, "%s/jobs", test_dir());
    mkdir(stray, 0700);
    snprintf(stray, sizeof stray, "%s/jobs/ftjob-gone", test_dir());
    mkdir(stray, 0700);
    snprintf(stray, sizeof stray, "%s/jobs/ftjob-gone/state", test_dir());
    test_write_file(stray, "1", 1);
    scene_start_jobs(&s);
    expect_failure(&s, "ftjob-1", "unsupported", "no plugin offers the job's method any more",
                   "method.type");
    await_no_directory("ftjob-gone");
    scene_close(&s);
}

/* ---- plugins that hang ---- */

TEST(a_cancelled_job_whose_plugin_hangs_is_told_as_wedged_until_it_returns)
{
    scene s = scene_open(ECHO_PLUGIN);
    store_job row;
    s.options.stop_ms = 20;
    scene_start_jobs(&s);
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 3, .deed = "hang", .at_step = 1});
    await_step(&s, id, 1);
    STORE_GOOD(jobs_cancel(s.jobs, id, &row, &err));
    EXPECT_EQ(row.status, STORE_JOB_CANCELLED);
    store_job_free(&row);
    await_metric(&s, METRIC_JOBS_WEDGED, 1);
    expect_event(&s, id, "Wedged: the plugin echo did not return when it was told to stop");
    const char *behind = create_job(&s, (wish){.n_steps = 1});
    await_status(&s, behind, STORE_JOB_QUEUED);

    wake_plugin(id);
    await_metric(&s, METRIC_JOBS_WEDGED, 0);
    await_status(&s, behind, STORE_JOB_SUCCEEDED);
    await_status(&s, id, STORE_JOB_CANCELLED);
    await_no_directory(id);
    scene_close(&s);
}

TEST(a_plugin_that_gives_no_sign_fails_its_job_and_is_not_heard_any_more)
{
    scene s = scene_open(ECHO_PLUGIN);
    s.options.silent_ms = 50;
    scene_start_jobs(&s);
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 3, .deed = "hang", .at_step = 2});
    await_status(&s, id, STORE_JOB_FAILED);
    store_job row = get_job(&s, id);
    EXPECT_STR(row.error_code, "wedged");
    store_job_free(&row);
    EXPECT_EQ(metrics_get(s.options.metrics, METRIC_JOBS_WEDGED), 1);
    wake_plugin(id);
    await_metric(&s, METRIC_JOBS_WEDGED, 0);
    await_status(&s, id, STORE_JOB_FAILED);
    expect_steps(&s, id, 2);

    id = create_job(&s, (wish){.n_steps = 1, .deed = "hang_in_check"});
    await_status(&s, id, STORE_JOB_FAILED);
    wake_plugin(id);
    await_metric(&s, METRIC_JOBS_WEDGED, 0);
    scene_close(&s);
}

TEST(a_plugin_that_computes_for_ever_is_found_by_its_processor_time)
{
    scene s = scene_open(ECHO_PLUGIN);
    s.options.silent_cpu_ms = 20;
    scene_start_jobs(&s);
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 3, .deed = "spin", .at_step = 1});
    await_status(&s, id, STORE_JOB_FAILED);
    expect_event(&s, id, "Wedged: the plugin echo gives no sign");
    wake_plugin(id);
    await_metric(&s, METRIC_JOBS_WEDGED, 0);
    scene_close(&s);
}

static void set_flag(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
}

/* The process can only end then: nothing that the plugin may touch is freed. */
TEST(the_end_of_the_daemon_does_not_wait_for_a_plugin_that_hangs)
{
    static scene s; /* stays, as all that the plugin may touch */
    static atomic_bool stopped;
    s = scene_open(ECHO_PLUGIN);
    s.options.stop_ms = 20;
    s.options.on_stopped = set_flag;
    s.options.arg = &stopped;
    scene_start_jobs(&s);
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 3, .deed = "hang", .at_step = 1});
    await_step(&s, id, 1);
    EXPECT(!jobs_free(s.jobs));
    EXPECT(atomic_load(&stopped));
    store_job row = get_job(&s, id);
    EXPECT_EQ(row.status, STORE_JOB_RUNNING); /* to go on at the next start */
    store_job_free(&row);
    wake_plugin(id);
}

/* ---- results ---- */

TEST(what_a_job_publishes_is_its_result_and_a_checkpoint)
{
    scene s = scene_begin();
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 2, .deed = "publish", .at_step = 2});
    await_status(&s, id, STORE_JOB_SUCCEEDED);
    EXPECT_EQ(fake.published, 1);
    EXPECT_STR(fake.alias, "");
    EXPECT_STR(fake.stage, "ppo");
    EXPECT_EQ(fake.n_gates, 0);
    EXPECT_EQ(fake.ensured, 1);
    store_job row = get_job(&s, id);
    EXPECT_STR(row.fine_tuned_model, "pol_0000000000000abc");
    store_job_free(&row);

    store_checkpoint *points;
    size_t n;
    bool more;
    store_page page = {.after = "", .limit = 10};
    STORE_GOOD(store_checkpoint_list(s.options.store, id, page, &points, &n, &more, &err));
    EXPECT_EQ(n, 1);
    EXPECT_EQ(points[0].step, 2);
    EXPECT_STR(points[0].policy, "pol_0000000000000abc");
    EXPECT_STR(points[0].metrics_json, "{\"kl_ref\":3,\"lm_loss_rise\":0.01,\"seconds\":1.5}");
    EXPECT_EQ(fake.n_metrics, 2); /* the clock is not in the manifest */
    store_checkpoint_free(&points[0]);
    free(points);
    expect_event(&s, id, "Step 2: kept as pol_0000000000000abc");
    scene_close(&s);
}

/* A job of one step that publishes what came of it, and is answered so. */
static const char *create_publishing(scene *s, publish_result answer, const char *publish_json)
{
    scene_file(s, "file-a", "step\n");
    fake.result_to_give = answer;
    return create_job(
        s, (wish){.n_steps = 1, .deed = "publish", .at_step = 1, .publish_json = publish_json});
}

static double bound_of(const char *name)
{
    for (size_t i = 0; i < fake.n_gates; i++)
        if (strcmp(fake.gates[i].name, name) == 0)
            return fake.gates[i].bound;
    return -1;
}

/* The plugin measures kl_ref, lm_loss_rise and seconds, and nothing else. */
TEST(a_gate_holds_what_the_job_set_and_what_was_measured)
{
    scene s = scene_begin();
    const char *id = create_publishing(
        &s, PUBLISH_REFUSED,
        "{\"alias\":\"instruct\",\"gate\":{\"max_kl_ref\":2,\"min_rm_delta\":5}}");
    await_status(&s, id, STORE_JOB_SUCCEEDED); /* a refusal ends nothing */
    EXPECT_STR(fake.alias, "instruct");
    EXPECT_EQ(fake.n_gates, 4);
    EXPECT_NEAR(bound_of("max_kl_ref"), 2, 0);
    EXPECT_NEAR(bound_of("min_rm_delta"), 5, 0); /* set, and nothing measured: it will be refused */
    EXPECT_NEAR(bound_of("max_seconds"), 60, 0);
    EXPECT_NEAR(bound_of("max_lm_loss_rise"), 0.05, 0);
    expect_event(&s, id, "Step 1: not published: gate max_kl_ref is 2, measured was 3");
    EXPECT_EQ(count_events(&s, id, "max_kl_ref"), 1);
    store_job row = get_job(&s, id);
    EXPECT(!row.fine_tuned_model);
    store_job_free(&row);
    scene_close(&s);
}

/* The plugin ends with what is no refusal, and the job's end tells it. */
TEST(a_publish_that_fails_is_told_once)
{
    scene s = scene_begin();
    const char *id = create_publishing(&s, PUBLISH_NO_MEMORY, "{\"alias\":\"instruct\"}");
    await_status(&s, id, STORE_JOB_FAILED);
    expect_event(&s, id, "The job failed: gate max_kl_ref is 2, measured was 3");
    EXPECT_EQ(count_events(&s, id, "max_kl_ref"), 1);
    scene_close(&s);
}

/* Somebody rolled back while the job published: that has the last word, and ends no job. */
TEST(an_alias_that_was_moved_meanwhile_refuses_a_publish)
{
    scene s = scene_begin();
    const char *id = create_publishing(&s, PUBLISH_STALE, "{\"alias\":\"instruct\"}");
    await_status(&s, id, STORE_JOB_SUCCEEDED);
    EXPECT_EQ(fake.published, 1);
    scene_close(&s);
}

TEST(an_alias_that_the_job_did_not_name_is_not_moved)
{
    scene s = scene_begin();
    const char *id = create_publishing(&s, PUBLISH_OK, "{\"alias\":\"other\"}");
    expect_failure(&s, id, "invalid_value",
                   "publish: alias: expected other, as the job says, found instruct", "");
    EXPECT_EQ(fake.published, 0);
    scene_close(&s);
}

TEST(the_lineage_names_the_files_that_were_read)
{
    scene s = scene_begin();
    const char *id = create_publishing(&s, PUBLISH_OK, NULL);
    await_status(&s, id, STORE_JOB_SUCCEEDED);
    EXPECT_EQ(fake.n_datasets, 1);
    EXPECT_STR(fake.dataset, "5ea1");
    scene_close(&s);
}

TEST(samplers_are_two_at_most_and_go_with_the_job)
{
    scene s = scene_begin();
    scene_file(&s, "file-a", "step\n");
    const char *id = create_job(&s, (wish){.n_steps = 2, .deed = "sample", .at_step = 1});
    await_status(&s, id, STORE_JOB_SUCCEEDED);
    scene_close(&s); /* none is left */
}
