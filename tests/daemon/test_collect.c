/* What stays of policies on disk, and what somebody may remove. */
#include "api/policies.h"
#include "daemon/publish_fixture.h"
#include "policy/state.h"

static bool on_disk(const lab *l, const char *id)
{
    char path[64];
    snprintf(path, sizeof path, "policies/%.20s", id);
    return lab_exists(l, path);
}

TEST(disk_keeps_three_policies_of_an_alias)
{
    lab l;
    char path[64];
    lab_open(&l, NULL);
    const char *first = lab_publish(&l, "instruct"), *kept = lab_publish(&l, NULL);
    for (int i = 0; i < 3; i++)
        lab_publish(&l, "instruct");
    snprintf(path, sizeof path, "policies/%s", first);
    EXPECT(!lab_exists(&l, path));
    snprintf(path, sizeof path, "policies/%s", kept); /* never served, so nobody let it go */
    EXPECT(lab_exists(&l, path));
    EXPECT_EQ(lab_entries(&l, "policies"), 4);
    lab_close(&l);
}

TEST(held_policies_and_those_of_requests_stay_on_disk)
{
    lab l;
    char label[96], path[512], held_path[64], used_path[64];
    policy *request;
    lab_open(&l, NULL);
    const char *held = lab_publish(&l, "instruct"), *used = lab_publish(&l, "instruct");
    EXPECT_EQ(policy_resolve(l.registry, "instruct", &request, label), POLICY_FOUND);
    EXPECT_EQ(publisher_hold(l.publisher, held, path, sizeof path, &l.err), PUBLISH_OK);
    EXPECT_EQ(publisher_hold(l.publisher, held, path, sizeof path, &l.err), PUBLISH_OK);
    for (int i = 0; i < 4; i++)
        lab_publish(&l, "instruct");
    snprintf(held_path, sizeof held_path, "policies/%s", held);
    snprintf(used_path, sizeof used_path, "policies/%s", used);
    EXPECT(lab_exists(&l, held_path) && lab_exists(&l, used_path));
    publisher_release(l.publisher, held);
    policy_unref(request);
    lab_publish(&l, "instruct");
    EXPECT(lab_exists(&l, held_path) && !lab_exists(&l, used_path));
    publisher_release(l.publisher, held);
    lab_publish(&l, "instruct");
    EXPECT(!lab_exists(&l, held_path));
    EXPECT_EQ(publisher_hold(l.publisher, held, path, sizeof path, &l.err), PUBLISH_NOT_FOUND);
    EXPECT_EQ(publisher_hold(l.publisher, "..", path, sizeof path, &l.err), PUBLISH_NOT_FOUND);
    lab_close(&l);
}

/* Collecting begins before jobs have taken their holds. */
TEST(what_a_live_job_starts_from_names_and_needs_outlasts_a_restart)
{
    lab l;
    char method[128], *id = "ftjob-1";
    lab_open(&l, NULL);
    const char *kept[3];
    for (int i = 0; i < 3; i++)
        kept[i] = lab_publish(&l, "instruct");
    snprintf(method, sizeof method, "{\"reference\":\"instruct@%s\"}", kept[1]);
    const store_job job = {.id = id,
                           .status = STORE_JOB_QUEUED,
                           .method = "ppo",
                           .model = "instruct",
                           .model_policy = (char *)(uintptr_t)kept[0],
                           .training_file = "file-a",
                           .method_json = method};
    EXPECT_EQ(store_job_insert(l.store, &job, &l.err), STORE_OK);
    EXPECT_EQ(store_need_put(l.store, id, kept[2], &l.err), STORE_OK);
    for (int i = 0; i < 4; i++)
        lab_publish(&l, "instruct");
    lab_restart(&l);
    for (int i = 0; i < 3; i++)
        EXPECT(on_disk(&l, kept[i]));
    EXPECT_EQ(store_job_move(l.store, id, STORE_JOB_LIVE, STORE_JOB_CANCELLED, NULL, &l.err),
              STORE_OK);
    lab_restart(&l);
    for (int i = 0; i < 3; i++)
        EXPECT(!on_disk(&l, kept[i]));
    lab_close(&l);
}

/* ---- what a job made and never served ---- */

static const char *const MAKER = "ftjob-1";

static void begin_maker(lab *l)
{
    const store_job job = {.id = (char *)(uintptr_t)MAKER,
                           .status = STORE_JOB_RUNNING,
                           .method = "ppo",
                           .model = "instruct",
                           .model_policy = (char *)(uintptr_t)lab_base_id(l),
                           .training_file = "file-a",
                           .method_json = "{}"};
    EXPECT_EQ(store_job_insert(l->store, &job, &l->err), STORE_OK);
}

static void end_maker(lab *l)
{
    EXPECT_EQ(store_job_move(l->store, MAKER, STORE_JOB_LIVE, STORE_JOB_SUCCEEDED, NULL, &l->err),
              STORE_OK);
}

/* Publishes without an alias, as a job does on its way. */
static void make_unserved(lab *l, char id[POLICY_ID_CHARS + 1])
{
    publish_request request = lab_request(l, NULL);
    request.job = MAKER;
    weights_nudge(&l->held, 1e-3f);
    if (publisher_publish(l->publisher, &request, id, &l->err) != PUBLISH_OK)
        FAIL("publish: %s", l->err.text);
}

TEST(of_what_a_job_makes_on_its_way_the_newest_three_stay_and_in_the_end_its_result)
{
    enum { N = 6, RESULT = 4 };
    lab l;
    char made[N][POLICY_ID_CHARS + 1];
    lab_open(&l, NULL);
    begin_maker(&l);
    for (int i = 0; i < N; i++)
        make_unserved(&l, made[i]);
    for (int i = 0; i < N; i++)
        EXPECT_EQ(on_disk(&l, made[i]), i >= N - 3);
    EXPECT_EQ(store_job_result(l.store, MAKER, made[RESULT], &l.err), STORE_OK);
    EXPECT(policy_registry_drop(l.registry, made[N - 1]));
    end_maker(&l);
    publisher_tidy(l.publisher);
    for (int i = 0; i < 10000 && on_disk(&l, made[N - 1]); i++)
        usleep(1000);
    EXPECT(!on_disk(&l, made[N - 1]));
    lab_restart(&l);
    for (int i = 0; i < N; i++)
        EXPECT_EQ(on_disk(&l, made[i]), i == RESULT);
    lab_close(&l);
}

TEST(what_never_served_goes_once_its_job_has_ended)
{
    lab l;
    char id[POLICY_ID_CHARS + 1];
    lab_open(&l, NULL);
    begin_maker(&l);
    make_unserved(&l, id);
    end_maker(&l);
    /* It is in memory still, so that its name can be used: two later ones take its place. */
    lab_publish(&l, NULL);
    EXPECT(on_disk(&l, id));
    lab_publish(&l, NULL);
    lab_publish(&l, NULL);
    EXPECT(!on_disk(&l, id));
    lab_close(&l);
}

/* ---- removing ---- */

static void expect_kept(lab *l, const char *id, const char *words)
{
    EXPECT_EQ(publisher_remove(l->publisher, id, "test", &l->err), PUBLISH_IN_USE);
    lab_expect_words(l, words);
    EXPECT(strcmp(id, lab_base_id(l)) == 0 || on_disk(l, id));
}

TEST(more_holds_than_there_may_be_are_told_as_such)
{
    lab l;
    char path[512];
    api_error told;
    lab_open(&l, NULL);
    while (l.publisher->n_holds < PUBLISHER_HOLDS)
        l.publisher->holds[l.publisher->n_holds++] = (hold){"pol_0123456789abcdef", 1};
    publish_result full = publisher_hold(l.publisher, lab_base_id(&l), path, sizeof path, &l.err);
    EXPECT_EQ(full, PUBLISH_FULL);
    EXPECT(!api_publish_fail(&told, full, NULL, &l.err));
    EXPECT_EQ(told.status, 429);
    EXPECT_STR(told.code, "queue_full");
    EXPECT(strstr(told.message, "held policies: 256, the most"));
    publisher_release(l.publisher, "pol_0123456789abcdef"); /* and one fewer will do */
    EXPECT_EQ(publisher_hold(l.publisher, lab_base_id(&l), path, sizeof path, &l.err), PUBLISH_OK);
    lab_close(&l);
}

TEST(what_something_needs_is_not_removed)
{
    lab l;
    char label[96], path[512], needed[POLICY_ID_CHARS + 1];
    policy *request;
    lab_open(&l, NULL);
    expect_kept(&l, lab_base_id(&l), "started with");
    const char *previous = lab_publish(&l, "instruct"), *current = lab_publish(&l, "instruct");
    expect_kept(&l, current, "serves as instruct");
    expect_kept(&l, previous, "rollback");
    const char *free_one = lab_publish(&l, NULL);
    EXPECT_EQ(publisher_hold(l.publisher, free_one, path, sizeof path, &l.err), PUBLISH_OK);
    expect_kept(&l, free_one, "is being read");
    publisher_release(l.publisher, free_one);
    EXPECT_EQ(policy_resolve(l.registry, free_one, &request, label), POLICY_FOUND);
    expect_kept(&l, free_one, "requests run");
    policy_unref(request);
    begin_maker(&l);
    make_unserved(&l, needed);
    EXPECT_EQ(store_need_put(l.store, MAKER, needed, &l.err), STORE_OK);
    expect_kept(&l, needed, "ftjob-1");
    EXPECT_EQ(publisher_remove(l.publisher, "pol_0123456789abcdef", "test", &l.err),
              PUBLISH_NOT_FOUND);
    EXPECT_EQ(publisher_remove(l.publisher, "..", "test", &l.err), PUBLISH_NOT_FOUND);
    lab_expect_serves(&l, "instruct", current);
    lab_close(&l);
}

TEST(a_result_that_is_removed_is_gone_and_may_come_again)
{
    lab l;
    char id[POLICY_ID_CHARS + 1], again[POLICY_ID_CHARS + 1], path[512];
    store_policy row;
    lab_open(&l, NULL);
    begin_maker(&l);
    make_unserved(&l, id);
    EXPECT_EQ(store_job_result(l.store, MAKER, id, &l.err), STORE_OK);
    end_maker(&l);
    EXPECT_EQ(publisher_remove(l.publisher, id, "test", &l.err), PUBLISH_OK);
    EXPECT(!on_disk(&l, id));
    EXPECT_STR(lab_served(&l, id), "");
    EXPECT_EQ(store_policy_get(l.store, id, &row, &l.err), STORE_OK);
    EXPECT_STR(row.state, "removed");
    store_policy_free(&row);
    EXPECT_EQ(publisher_remove(l.publisher, id, "test", &l.err), PUBLISH_NOT_FOUND);
    lab_restart(&l);
    EXPECT_EQ(lab_try(&l, NULL, again), PUBLISH_OK); /* the same weights */
    EXPECT_STR(again, id);
    EXPECT(on_disk(&l, id));
    EXPECT_EQ(publisher_hold(l.publisher, id, path, sizeof path, &l.err), PUBLISH_OK);
    publisher_release(l.publisher, id);
    lab_close(&l);
}
