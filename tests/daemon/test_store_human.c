/* What people gave: whose text is kept, who gets which task, and that a label counts once. */
#include "human_fixture.h"

#include "base/thread_roles.h"

#include <time.h>
#include <unistd.h>

/* ---- consent ---- */

TEST(a_choice_comes_back_and_may_change)
{
    store *s = fixture_open();
    store_consent c;
    STORE_EXPECT(store_consent_get(s, "anna", &c, &err), STORE_NOT_FOUND);
    choose(s, "anna", true);
    STORE_GOOD(store_consent_get(s, "anna", &c, &err));
    EXPECT(c.share);
    EXPECT_EQ(c.notice, NOTICE);
    EXPECT_EQ(c.decided_at, NOW);
    choose(s, "anna", false);
    STORE_GOOD(store_consent_get(s, "anna", &c, &err));
    EXPECT(!c.share);
    store_close(s);
}

/* "id id " of the prompts that data sets may see. */
static const char *prompts(store *s)
{
    static char text[256];
    store_prompt *rows;
    size_t n;
    text[0] = 0;
    STORE_GOOD(store_train_prompts(s, 0, 100, &rows, &n, &err));
    for (size_t i = 0; i < n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", rows[i].id);
        store_prompt_free(&rows[i]);
    }
    free(rows);
    return text;
}

TEST(a_prompt_is_kept_only_while_its_author_shares)
{
    store *s = fixture_open();
    type(s, "anna", "never-asked", "a");
    choose(s, "anna", false);
    type(s, "anna", "declined", "a");
    choose(s, "anna", true);
    type(s, "bert", "of-another", "a");
    type(s, "anna", "shared", "a");
    EXPECT_STR(prompts(s), "shared ");
    store_close(s);
}

TEST(consent_to_an_older_notice_does_not_cover_new_prompts)
{
    store *s = fixture_open();
    const store_consent old = {.notice = NOTICE - 1, .share = true, .decided_at = NOW};
    STORE_GOOD(store_consent_put(s, "anna", &old, &err));
    type(s, "anna", "new", "a");
    EXPECT_STR(prompts(s), "");
    store_close(s);
}

TEST(a_captured_prompt_comes_back_whole)
{
    store *s = fixture_open();
    store_prompt *rows;
    size_t n;
    choose(s, "anna", true);
    type(s, "anna", "p1",
         "Gr\xc3\xbc\xc3\x9f"
         "e \"quoted\"");
    STORE_GOOD(store_train_prompts(s, 0, 10, &rows, &n, &err));
    EXPECT_EQ(n, 1);
    EXPECT_STR(rows[0].id, "p1");
    EXPECT_STR(rows[0].user, "anna");
    EXPECT_STR(rows[0].form, "text");
    EXPECT_STR(rows[0].prompt, "Gr\xc3\xbc\xc3\x9f"
                               "e \"quoted\"");
    EXPECT_STR(rows[0].output, "an answer");
    EXPECT_STR(rows[0].policy, "pol_0123456789abcdef");
    EXPECT_STR(rows[0].request, "p1");
    EXPECT_EQ(rows[0].notice, NOTICE);
    EXPECT_EQ(rows[0].created_at, NOW);
    EXPECT_EQ(rows[0].row, 1);
    store_prompt_free(&rows[0]);
    free(rows);
    store_close(s);
}

TEST(whoever_stops_sharing_is_in_no_later_data_set)
{
    store *s = fixture_open();
    choose(s, "anna", true);
    choose(s, "bert", true);
    type(s, "anna", "p1", "a");
    type(s, "bert", "p2", "b");
    EXPECT_STR(prompts(s), "p1 p2 ");
    choose(s, "anna", false);
    EXPECT_STR(prompts(s), "p2 ");
    store_close(s);
}

TEST(declined_text_never_reaches_the_disk)
{
    store *s = fixture_open();
    choose(s, "anna", false);
    choose(s, "bert", true);
    for (int i = 0; i < 50; i++) {
        char id[32];
        snprintf(id, sizeof id, "p%d", i);
        type(s, i % 2 ? "anna" : "bert", id, i % 2 ? "declined-secret" : "shared-secret");
    }
    STORE_GOOD(store_flush(s, &err));
    EXPECT(!on_disk("declined-secret"));
    EXPECT(on_disk("shared-secret")); /* the search would have found it */
    store_close(s);
    EXPECT(!on_disk("declined-secret"));
}

/* ---- posting ---- */

static void post_on_loop(store *s) NO_THREAD_CHECK
{
    role_enter_loop();
    store_request r = {.user = strdup("anna"),
                       .id = strdup("req_1"),
                       .policy = strdup("pol_0123456789abcdef"),
                       .model = strdup("instruct@pol_0123456789abcdef"),
                       .created_at = time(NULL)};
    const bool posted = store_request_post(s, &r);
    role_leave_loop();
    EXPECT(posted);
}

TEST(the_loop_may_post_and_later_calls_see_it)
{
    store *s = fixture_open();
    store_request got;
    post_on_loop(s);
    STORE_GOOD(store_request_get(s, "anna", "req_1", &got, &err));
    EXPECT_STR(got.policy, "pol_0123456789abcdef");
    EXPECT_STR(got.model, "instruct@pol_0123456789abcdef");
    store_request_free(&got);
    store_close(s);
}

TEST(what_was_posted_survives_a_close)
{
    store *s = fixture_open();
    store_request got;
    post_on_loop(s);
    store_close(s);
    s = fixture_open();
    STORE_GOOD(store_request_get(s, "anna", "req_1", &got, &err));
    store_request_free(&got);
    store_close(s);
}

/* ---- requests and votes ---- */

static void post_request(store *s, const char *user, const char *id, const char *policy,
                         int64_t created_at)
{
    store_request r = {.user = strdup(user),
                       .id = strdup(id),
                       .policy = strdup(policy),
                       .model = strdup("instruct"),
                       .created_at = created_at};
    EXPECT(store_request_post(s, &r));
}

TEST(a_request_is_known_to_its_author_for_a_day)
{
    store *s = fixture_open();
    store_request got;
    const int64_t now = time(NULL);
    post_request(s, "anna", "r1", "pol_1", now);
    post_request(s, "anna", "r1", "pol_2", now); /* the id again: the first one counts */
    post_request(s, "anna", "old", "pol_1", now - STORE_REQUEST_KEPT_S - 60);
    STORE_GOOD(store_request_get(s, "anna", "r1", &got, &err));
    EXPECT_STR(got.policy, "pol_1");
    store_request_free(&got);
    STORE_EXPECT(store_request_get(s, "bert", "r1", &got, &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_request_get(s, "anna", "old", &got, &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_request_get(s, "anna", "r2", &got, &err), STORE_NOT_FOUND);
    post_request(s, "anna", "r3", "pol_1", now); /* sweeps */
    STORE_GOOD(store_flush(s, &err));
    EXPECT(!on_disk("oldpol_1"));
    store_close(s);
}

static store_vote a_vote(const char *left, const char *right)
{
    static char ids[8][16];
    static unsigned turn;
    char *id = ids[turn++ % 8];
    snprintf(id, 16, "vote-%u", turn);
    return (store_vote){.id = id,
                        .user = "anna",
                        .left_request = (char *)left,
                        .right_request = (char *)right,
                        .vote = "tie",
                        .shown_left = "b",
                        .blind = true,
                        .created_at = NOW};
}

TEST(a_vote_names_the_policies_of_both_answers)
{
    store *s = fixture_open();
    store_vote got;
    const char *missing;
    post_request(s, "anna", "r1", "pol_1", time(NULL));
    post_request(s, "anna", "r2", "pol_2", time(NULL));
    const store_vote v = a_vote("r1", "r2");
    STORE_GOOD(store_vote_insert(s, &v, &got, &missing, &err));
    EXPECT_STR(got.id, v.id);
    EXPECT_STR(got.left_policy, "pol_1");
    EXPECT_STR(got.right_policy, "pol_2");
    EXPECT_STR(got.left_model, "instruct");
    EXPECT_STR(got.vote, "tie");
    EXPECT_STR(got.shown_left, "b");
    EXPECT(got.blind);
    store_vote_free(&got);
    store_close(s);
}

TEST(two_answers_take_one_vote_whichever_way_round)
{
    store *s = fixture_open();
    store_vote got;
    const char *missing;
    post_request(s, "anna", "r1", "pol_1", time(NULL));
    post_request(s, "anna", "r2", "pol_2", time(NULL));
    post_request(s, "anna", "r3", "pol_2", time(NULL));
    const store_vote first = a_vote("r1", "r2"), again = a_vote("r1", "r2"),
                     turned = a_vote("r2", "r1"), other = a_vote("r1", "r3");
    STORE_GOOD(store_vote_insert(s, &first, &got, &missing, &err));
    store_vote_free(&got);
    STORE_EXPECT(store_vote_insert(s, &again, &got, &missing, &err), STORE_CONFLICT);
    STORE_EXPECT(store_vote_insert(s, &turned, &got, &missing, &err), STORE_CONFLICT);
    STORE_GOOD(store_vote_insert(s, &other, &got, &missing, &err));
    store_vote_free(&got);
    store_close(s);
}

TEST(a_vote_on_what_somebody_else_asked_is_refused)
{
    store *s = fixture_open();
    store_vote got;
    const char *missing = NULL;
    post_request(s, "anna", "r1", "pol_1", time(NULL));
    post_request(s, "bert", "r2", "pol_2", time(NULL));
    const store_vote right = a_vote("r1", "r2"), left = a_vote("r2", "r1");
    STORE_EXPECT(store_vote_insert(s, &right, &got, &missing, &err), STORE_NOT_FOUND);
    EXPECT_STR(missing, "right");
    STORE_EXPECT(store_vote_insert(s, &left, &got, &missing, &err), STORE_NOT_FOUND);
    EXPECT_STR(missing, "left");
    store_close(s);
}

/* ---- tasks ---- */

TEST(a_task_comes_back_with_its_outputs_in_order)
{
    store *s = fixture_open();
    store_task got;
    store_task t = a_task("t1", "rank", "anna");
    t.prompt_id = "p1";
    t.policies = "pol_1 pol_2";
    t.seed = UINT64_MAX;
    t.gold = true;
    add_task(s, t);
    STORE_GOOD(store_task_get(s, "t1", &got, &err));
    EXPECT_STR(got.kind, "rank");
    EXPECT_STR(got.prompt_id, "p1");
    EXPECT(!got.file);
    EXPECT_STR(got.owner, "anna");
    EXPECT_STR(got.policies, "pol_1 pol_2");
    EXPECT_EQ(got.state, STORE_TASK_OPEN);
    EXPECT_EQ(got.k, 2);
    EXPECT_EQ(got.max_tokens, 16);
    EXPECT(got.gold);
    EXPECT(got.seed == UINT64_MAX);
    EXPECT_EQ(got.n_outputs, 2);
    EXPECT_STR(got.outputs[0].id, "t1-a");
    EXPECT_STR(got.outputs[1].id, "t1-b");
    EXPECT_STR(got.outputs[1].text, "a text");
    store_task_free(&got);
    STORE_EXPECT(store_task_get(s, "t2", &got, &err), STORE_NOT_FOUND);
    store_close(s);
}

TEST(a_batch_of_tasks_is_made_whole_or_not_at_all)
{
    store *s = fixture_open();
    store_task got;
    const store_task two[] = {a_task("t1", "rank", ""), a_task("t1", "rank", "")};
    STORE_EXPECT(store_tasks_insert(s, two, 2, &err), STORE_CONFLICT);
    STORE_EXPECT(store_task_get(s, "t1", &got, &err), STORE_NOT_FOUND);
    store_close(s);
}

TEST(a_prompt_becomes_one_task_of_a_kind)
{
    store *s = fixture_open();
    store_prompt *rows;
    size_t n;
    choose(s, "anna", true);
    type(s, "anna", "p1", "a");
    type(s, "anna", "p2", "b");
    store_task t = a_task("t1", "rank", "anna");
    t.prompt_id = "p1";
    add_task(s, t);
    STORE_GOOD(store_prompts_without_task(s, "rank", "general", 10, &rows, &n, &err));
    EXPECT_EQ(n, 1);
    EXPECT_STR(rows[0].id, "p2");
    store_prompt_free(&rows[0]);
    free(rows);
    STORE_GOOD(store_prompts_without_task(s, "eval", "general", 1, &rows, &n, &err));
    EXPECT_EQ(n, 1);
    EXPECT_STR(rows[0].id, "p1"); /* oldest first */
    store_prompt_free(&rows[0]);
    free(rows);
    choose(s, "anna", false);
    STORE_GOOD(store_prompts_without_task(s, "eval", "general", 10, &rows, &n, &err));
    EXPECT_EQ(n, 0);
    store_close(s);
}

TEST(a_prompt_whose_task_failed_may_become_another_one)
{
    store *s = fixture_open();
    store_prompt *rows;
    size_t n;
    choose(s, "anna", true);
    type(s, "anna", "p1", "a");
    store_task t = a_task("t1", "rank", "anna");
    t.prompt_id = "p1";
    t.n_outputs = 0;
    add_task(s, t);
    STORE_GOOD(store_prompts_without_task(s, "rank", "general", 10, &rows, &n, &err));
    EXPECT_EQ(n, 0);
    STORE_GOOD(store_task_failed(s, "t1", &err));
    STORE_GOOD(store_prompts_without_task(s, "rank", "general", 10, &rows, &n, &err));
    EXPECT_EQ(n, 1);
    store_prompt_free(&rows[0]);
    free(rows);
    store_close(s);
}

TEST(a_task_without_outputs_waits_until_they_are_drawn)
{
    store *s = fixture_open();
    store_task got;
    store_task t = a_task("t1", "rank", "");
    const store_output *outputs = t.outputs;
    t.outputs = NULL;
    t.n_outputs = 0;
    add_task(s, t);
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "");
    STORE_GOOD(store_task_to_sample(s, &got, &err));
    EXPECT_STR(got.id, "t1");
    store_task_free(&got);
    STORE_GOOD(store_task_sampled(s, "t1", outputs, 2, &err));
    STORE_EXPECT(store_task_sampled(s, "t1", outputs, 2, &err), STORE_CONFLICT);
    STORE_EXPECT(store_task_to_sample(s, &got, &err), STORE_NOT_FOUND);
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "t1");
    store_close(s);
}

TEST(a_task_whose_outputs_cannot_be_drawn_is_given_to_nobody)
{
    store *s = fixture_open();
    store_task got;
    store_task t = a_task("t1", "rank", "");
    t.n_outputs = 0;
    add_task(s, t);
    STORE_GOOD(store_task_failed(s, "t1", &err));
    STORE_EXPECT(store_task_failed(s, "t1", &err), STORE_CONFLICT);
    STORE_EXPECT(store_task_to_sample(s, &got, &err), STORE_NOT_FOUND);
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "");
    store_task_count *rows;
    size_t n;
    STORE_GOOD(store_task_counts(s, &rows, &n, &err));
    EXPECT_EQ(n, 1);
    EXPECT_STR(rows[0].kind, "rank");
    EXPECT_EQ(rows[0].state, STORE_TASK_FAILED);
    EXPECT_EQ(rows[0].n, 1);
    free(rows[0].kind);
    free(rows);
    store_close(s);
}

/* ---- handing out ---- */

TEST(a_task_is_in_one_hand_and_its_holder_gets_it_again)
{
    store *s = fixture_open();
    add_task(s, a_task("t1", "rank", ""));
    add_task(s, a_task("t2", "rank", ""));
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "t1");
    EXPECT_STR(lease(s, "rank", "max", "", NOW), "t2");
    EXPECT_STR(lease(s, "rank", "nora", "", NOW), "");
    EXPECT_STR(lease(s, "rank", "lena", "", NOW + 60), "t1");
    EXPECT_STR(lease(s, "eval", "lena", "", NOW), "");
    store_close(s);
}

TEST(the_next_task_can_be_fetched_beside_the_one_in_hand)
{
    store *s = fixture_open();
    add_task(s, a_task("t1", "rank", ""));
    add_task(s, a_task("t2", "rank", ""));
    add_task(s, a_task("t3", "rank", ""));
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "t1");
    EXPECT_STR(lease(s, "rank", "lena", "t1", NOW + 1), "t2");
    EXPECT_STR(lease(s, "rank", "lena", "t1", NOW + 2), "t2"); /* no more than two */
    EXPECT_STR(lease(s, "rank", "lena", "", NOW + 3), "t1");
    rank(s, "s1", "lena", "t1");
    EXPECT_STR(lease(s, "rank", "lena", "t2", NOW + 4), "t3");
    store_close(s);
}

TEST(a_lease_that_ran_out_goes_to_the_next_and_its_work_still_counts)
{
    store *s = fixture_open();
    add_task(s, a_task("t1", "rank", ""));
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "t1");
    EXPECT_STR(lease(s, "rank", "max", "", NOW + STORE_LEASE_S - 1), "");
    EXPECT_STR(lease(s, "rank", "max", "", NOW + STORE_LEASE_S), "t1");
    EXPECT_STR(lease(s, "rank", "lena", "", NOW + STORE_LEASE_S), "");
    rank(s, "s1", "max", "t1");
    rank(s, "s1", "lena", "t1");
    store_close(s);
}

TEST(a_task_is_given_to_as_many_as_were_asked_for)
{
    store *s = fixture_open();
    store_task got, t = a_task("t1", "rank", "");
    t.overlap = 2;
    add_task(s, t);
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "t1");
    rank(s, "s1", "lena", "t1");
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "");
    EXPECT_STR(lease(s, "rank", "max", "", NOW), "t1");
    EXPECT_STR(lease(s, "rank", "nora", "", NOW), "");
    rank(s, "s1", "max", "t1");
    STORE_GOOD(store_task_get(s, "t1", &got, &err));
    EXPECT_EQ(got.state, STORE_TASK_DONE);
    store_task_free(&got);
    EXPECT_STR(lease(s, "rank", "nora", "", NOW + STORE_LEASE_S), "");
    store_close(s);
}

TEST(a_skipped_task_goes_to_somebody_else)
{
    store *s = fixture_open();
    store_submitted out;
    add_task(s, a_task("t1", "rank", ""));
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "t1");
    const store_skip k = {.id = "skip-1",
                          .submission = "s1",
                          .labeler = "lena",
                          .role = "trainer",
                          .task = "t1",
                          .reason = "unclear",
                          .created_at = NOW};
    STORE_GOOD(store_skip_insert(s, &k, &out, &err));
    EXPECT_STR(out.id, "skip-1");
    STORE_GOOD(store_skip_insert(s, &k, &out, &err));
    EXPECT(out.repeated);
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "");
    EXPECT_STR(lease(s, "rank", "max", "", NOW), "t1");
    store_close(s);
}

TEST(a_task_is_shown_only_while_its_prompts_author_shares)
{
    store *s = fixture_open();
    choose(s, "anna", true);
    add_task(s, a_task("t1", "rank", "anna"));
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "t1");
    choose(s, "anna", false);
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "");
    EXPECT_STR(lease(s, "rank", "max", "", NOW), "");
    store_close(s);
}

TEST(gold_is_given_to_everybody_once_a_researcher_has_labelled_it)
{
    store *s = fixture_open();
    store_task t = a_task("g1", "rank", "");
    t.gold = true;
    add_task(s, t);
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "");
    EXPECT_STR(lease(s, "rank", "boss", "", NOW), "g1");
    rank(s, "s1", "boss", "g1");
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "g1");
    rank(s, "s1", "lena", "g1");
    EXPECT_STR(lease(s, "rank", "max", "", NOW), "g1");
    EXPECT_STR(lease(s, "rank", "boss", "", NOW), "");
    store_close(s);
}

TEST(one_task_in_ten_is_gold)
{
    store *s = fixture_open();
    char id[16], order[32] = "";
    for (int i = 0; i < 14; i++) {
        snprintf(id, sizeof id, i < 12 ? "t%d" : "g%d", i);
        store_task t = a_task(id, "rank", "");
        t.gold = i >= 12;
        add_task(s, t);
    }
    for (int i = 12; i < 14; i++) {
        snprintf(id, sizeof id, "g%d", i);
        EXPECT_STR(lease(s, "rank", "boss", "", NOW), id);
        rank(s, id, "boss", id);
    }
    for (int i = 0; i < 14; i++) {
        const char *next = lease(s, "rank", "lena", "", NOW);
        order[i] = next[0];
        rank(s, next, "lena", next);
    }
    EXPECT_STR(order, "ttttgttttttttg"); /* the fifth, and the last when nothing else is left */
    store_close(s);
}

/* ---- labels ---- */

TEST(a_label_counts_once_and_a_repetition_gets_the_same_id)
{
    store *s = fixture_open();
    add_task(s, a_task("t1", "rank", ""));
    lease(s, "rank", "lena", "", NOW);
    const store_submitted first = rank(s, "s1", "lena", "t1"), again = rank(s, "s1", "lena", "t1");
    EXPECT(!first.repeated);
    EXPECT(again.repeated);
    EXPECT_STR(again.id, first.id);
    store_submitted out;
    const store_ranking other = a_ranking("s2", "lena", "t1");
    STORE_EXPECT(store_ranking_insert(s, &other, &out, &err), STORE_CONFLICT);
    store_close(s);
}

TEST(a_task_that_was_never_given_takes_no_label)
{
    store *s = fixture_open();
    store_submitted out;
    add_task(s, a_task("t1", "rank", ""));
    const store_ranking r = a_ranking("s1", "lena", "t1");
    STORE_EXPECT(store_ranking_insert(s, &r, &out, &err), STORE_NOT_FOUND);
    const store_ranking nowhere = a_ranking("s1", "lena", "t9");
    STORE_EXPECT(store_ranking_insert(s, &nowhere, &out, &err), STORE_NOT_FOUND);
    store_close(s);
}

TEST(a_label_survives_a_crash_right_after_it_was_taken)
{
    store *s = fixture_open();
    add_task(s, a_task("t1", "rank", ""));
    lease(s, "rank", "lena", "", NOW);
    rank(s, "s1", "lena", "t1");
    char copy[600];
    snprintf(copy, sizeof copy, "%s/copy.db", test_dir());
    static const char *const suffixes[] = {"", "-wal"};
    for (int i = 0; i < 2; i++) { /* what the disk holds while the store still runs */
        char from[700], to[700];
        size_t len;
        snprintf(from, sizeof from, "%s%s", fixture_path(), suffixes[i]);
        snprintf(to, sizeof to, "%s%s", copy, suffixes[i]);
        char *bytes = test_read_file(from, &len);
        test_write_file(to, bytes, len);
        free(bytes);
    }
    store_close(s);
    s = fixture_open_at(copy);
    EXPECT(rank(s, "s1", "lena", "t1").repeated);
    store_close(s);
}

TEST(a_demonstration_needs_no_task)
{
    store *s = fixture_open();
    store_submitted out;
    store_demonstration *rows;
    size_t n;
    const store_demonstration d = a_demonstration("s1", "lena", NULL);
    STORE_GOOD(store_demonstration_insert(s, &d, &out, &err));
    EXPECT(!out.repeated);
    STORE_GOOD(store_demonstration_insert(s, &d, &out, &err));
    EXPECT(out.repeated);
    STORE_GOOD(store_train_demonstrations(s, 0, 10, &rows, &n, &err));
    EXPECT_EQ(n, 1);
    EXPECT_STR(rows[0].completion, "Water that flows.");
    EXPECT_STR(rows[0].category, "open_qa");
    EXPECT(!rows[0].task);
    store_demonstration_free(&rows[0]);
    free(rows);
    store_close(s);
}

/* ---- what trains, what evaluates ---- */

/* "labeler:kind " of rankings. */
static const char *rankings(store *s, bool train)
{
    static char text[256];
    store_ranking *rows;
    size_t n;
    text[0] = 0;
    if (train)
        STORE_GOOD(store_train_rankings(s, 0, 100, &rows, &n, &err));
    else
        STORE_GOOD(store_heldout_rankings(s, "general", 0, 100, &rows, &n, &err));
    for (size_t i = 0; i < n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s:%s ", rows[i].labeler,
                 rows[i].kind);
        store_ranking_free(&rows[i]);
    }
    free(rows);
    return text;
}

TEST(what_trains_and_what_evaluates_are_different_rows)
{
    store *s = fixture_open();
    store_task rank_task = a_task("r1", "rank", ""), eval_task = a_task("e1", "eval", ""),
               gold = a_task("g1", "rank", "");
    rank_task.overlap = eval_task.overlap = 3;
    gold.gold = true;
    add_task(s, rank_task);
    add_task(s, eval_task);
    add_task(s, gold);
    EXPECT_STR(lease(s, "rank", "boss", "", NOW), "g1");
    rank(s, "s1", "boss", "g1");
    EXPECT_STR(lease(s, "rank", "boss", "", NOW), "r1");
    rank(s, "s2", "boss", "r1");
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "r1");
    rank(s, "s1", "lena", "r1");
    EXPECT_STR(lease(s, "eval", "lena", "", NOW), "e1");
    rank(s, "s2", "lena", "e1");
    EXPECT_STR(lease(s, "eval", "held", "", NOW), "e1");
    rank(s, "s1", "held", "e1");
    EXPECT_STR(rankings(s, true), "boss:rank lena:rank ");
    EXPECT_STR(rankings(s, false), "held:eval ");
    store_close(s);
}

TEST(toxicity_rankings_are_apart_from_all_others)
{
    store *s = fixture_open();
    store_ranking *rows;
    size_t n;
    store_task task = a_task("x1", "eval", "");
    task.criterion = "toxicity";
    task.overlap = 2;
    add_task(s, task);
    EXPECT_STR(lease(s, "eval", "held", "", NOW), "x1");
    rank(s, "s1", "held", "x1");
    EXPECT_STR(lease(s, "eval", "lena", "", NOW), "x1"); /* a trainer who may evaluate */
    rank(s, "s1", "lena", "x1");
    EXPECT_STR(rankings(s, true), "");
    EXPECT_STR(rankings(s, false), "");
    STORE_GOOD(store_heldout_rankings(s, "toxicity", 0, 100, &rows, &n, &err));
    EXPECT_EQ(n, 1);
    EXPECT_STR(rows[0].labeler, "held");
    EXPECT_STR(rows[0].criterion, "toxicity");
    store_ranking_free(&rows[0]);
    free(rows);
    store_close(s);
}

TEST(the_table_itself_refuses_toxicity_among_what_trains)
{
    static const char *const kinds[] = {"rank", "demo"};
    store *s = fixture_open();
    error_text err;
    for (int i = 0; i < 2; i++) {
        store_task task = a_task("x1", kinds[i], "");
        task.criterion = "toxicity";
        EXPECT_EQ(store_tasks_insert(s, &task, 1, &err), STORE_CONFLICT);
    }
    store_close(s);
}

TEST(a_prompt_may_become_a_task_of_each_criterion)
{
    store *s = fixture_open();
    store_prompt *rows;
    size_t n;
    choose(s, "anna", true);
    type(s, "anna", "p1", "hello");
    store_task t = a_task("e1", "eval", "anna");
    t.prompt_id = "p1";
    add_task(s, t);
    STORE_GOOD(store_prompts_without_task(s, "eval", "general", 10, &rows, &n, &err));
    EXPECT_EQ(n, 0);
    free(rows);
    STORE_GOOD(store_prompts_without_task(s, "eval", "toxicity", 10, &rows, &n, &err));
    EXPECT_EQ(n, 1);
    store_prompt_free(&rows[0]);
    free(rows);
    store_close(s);
}

TEST(the_table_itself_refuses_a_heldout_row_for_training)
{
    store *s = fixture_open();
    store_submitted out;
    add_task(s, a_task("t1", "rank", ""));
    EXPECT_STR(lease(s, "rank", "held", "", NOW), "t1"); /* as if nobody had asked for the role */
    const store_ranking r = a_ranking("s1", "held", "t1");
    STORE_EXPECT(store_ranking_insert(s, &r, &out, &err), STORE_CONFLICT);
    const store_demonstration d = a_demonstration("s1", "held", NULL);
    STORE_EXPECT(store_demonstration_insert(s, &d, &out, &err), STORE_CONFLICT);
    EXPECT_STR(rankings(s, true), "");
    store_close(s);
}

TEST(pages_of_a_source_go_on_where_the_last_one_ended)
{
    store *s = fixture_open();
    store_prompt *rows;
    size_t n, total = 0;
    uint64_t after = 0;
    choose(s, "anna", true);
    for (int i = 0; i < 7; i++) {
        char id[16];
        snprintf(id, sizeof id, "p%d", i);
        type(s, "anna", id, "a");
    }
    do {
        STORE_GOOD(store_train_prompts(s, after, 3, &rows, &n, &err));
        for (size_t i = 0; i < n; i++) {
            EXPECT_EQ(atoi(rows[i].id + 1), (int)(total + i));
            after = rows[i].row;
            store_prompt_free(&rows[i]);
        }
        total += n;
        free(rows);
    } while (n == 3);
    EXPECT_EQ(total, 7);
    store_close(s);
}

TEST(labels_of_several_people_on_one_task_come_together)
{
    store *s = fixture_open();
    store_shared_ranking *rows;
    size_t n;
    char seen[64] = "";
    uint64_t task_row = 0, row = 0;
    const char *const tasks[] = {"t1", "t2", "t3"}, *const people[] = {"lena", "max"};
    for (int i = 0; i < 3; i++) {
        store_task t = a_task(tasks[i], "rank", "");
        t.overlap = 2;
        add_task(s, t);
    }
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < 3 - p; i++) { /* t3 has one label */
            EXPECT_STR(lease(s, "rank", people[p], "", NOW), tasks[i]);
            rank(s, tasks[i], people[p], tasks[i]);
        }
    do {
        STORE_GOOD(store_rankings_shared(s, task_row, row, 3, &rows, &n, &err));
        for (size_t i = 0; i < n; i++) {
            strcat(strcat(seen, rows[i].ranking.task), rows[i].ranking.labeler);
            task_row = rows[i].task_row;
            row = rows[i].ranking.row;
            store_ranking_free(&rows[i].ranking);
        }
        free(rows);
    } while (n == 3);
    EXPECT_STR(seen, "t1lenat1maxt2lenat2max");
    store_close(s);
}

/* ---- erasing ---- */

static void give_everything(store *s, const char *user, const char *secret, uint32_t overlap)
{
    char text[300], task[64], ids[3][64];
    store_submitted out;
    choose(s, user, true);
    snprintf(task, sizeof task, "task-%s", user);
    for (int i = 0; i < 3; i++)
        snprintf(ids[i], sizeof ids[i], "p%d-%s", i, user);
    snprintf(text, sizeof text, "%s in a prompt", secret);
    type(s, user, ids[0], text);
    store_task t = a_task(task, "rank", user);
    t.prompt = text;
    t.outputs[0].text = text;
    t.overlap = overlap;
    add_task(s, t);
    EXPECT_STR(lease(s, "rank", user, "", NOW), task);
    store_ranking r = a_ranking("s1", user, task);
    r.comment = text;
    STORE_GOOD(store_ranking_insert(s, &r, &out, &err));
    store_demonstration d = a_demonstration("s1", user, NULL);
    d.prompt = d.completion = text;
    STORE_GOOD(store_demonstration_insert(s, &d, &out, &err));
}

TEST(erased_text_is_nowhere_and_others_keep_theirs)
{
    store *s = fixture_open();
    store_erasure n;
    store_task got;
    store_ranking by_other = a_ranking("s9", "bert", "task-anna");
    store_submitted out;
    give_everything(s, "anna", "annas-secret", 2);
    by_other.comment = "quotes annas-secret";
    EXPECT_STR(lease(s, "rank", "bert", "", NOW), "task-anna");
    STORE_GOOD(store_ranking_insert(s, &by_other, &out, &err));
    give_everything(s, "bert", "berts-secret", 1);
    STORE_GOOD(store_flush(s, &err));
    EXPECT(on_disk("annas-secret"));
    STORE_GOOD(store_person_erase(s, "anna", &n, &err));
    EXPECT_EQ(n.prompts, 1);
    EXPECT_EQ(n.tasks, 1);
    EXPECT_EQ(n.demonstrations, 1);
    EXPECT_EQ(n.rankings, 1);
    EXPECT(!on_disk("annas-secret"));
    EXPECT(on_disk("berts-secret"));
    EXPECT_STR(prompts(s), "p0-bert ");
    EXPECT_STR(rankings(s, true), "bert:rank ");
    STORE_EXPECT(store_task_get(s, "task-anna", &got, &err), STORE_NOT_FOUND);
    STORE_GOOD(store_person_erase(s, "anna", &n, &err)); /* again: nothing is left to erase */
    EXPECT_EQ(n.prompts + n.tasks + n.demonstrations + n.rankings, 0);
    store_close(s);
    EXPECT(!on_disk("annas-secret"));
}

TEST(erasing_one_of_many_leaves_no_copy_in_rebuilt_pages)
{
    store *s = fixture_open();
    store_erasure n;
    static char text[6000];
    choose(s, "anna", true);
    choose(s, "bert", true);
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 400; i++) { /* sizes that make pages split and overflow */
        char id[32];
        static const int sizes[] = {20, 300, 40, 1500, 5900};
        snprintf(id, sizeof id, "p%d", i);
        memcpy(text, i % 3 ? "keep-this" : "erase-now", 9);
        text[sizes[i % 5]] = 0;
        type(s, i % 3 ? "bert" : "anna", id, text);
        text[sizes[i % 5]] = 'x';
        if (i % 50 == 0)
            STORE_GOOD(store_flush(s, &err));
    }
    STORE_GOOD(store_person_erase(s, "anna", &n, &err));
    EXPECT_EQ(n.prompts, 134);
    EXPECT(!on_disk("erase-now"));
    EXPECT(on_disk("keep-this"));
    store_close(s);
    EXPECT(!on_disk("erase-now"));
}

TEST(a_copy_from_before_a_migration_goes_with_the_text)
{
    store *s = fixture_open();
    store_erasure n;
    char old[600], oldest[600];
    snprintf(old, sizeof old, "%s.v2", fixture_path());
    snprintf(oldest, sizeof oldest, "%s.v1", fixture_path()); /* had no place for people's text */
    test_write_file(old, "text", 4);
    test_write_file(oldest, "none", 4);
    STORE_GOOD(store_person_erase(s, "anna", &n, &err));
    EXPECT(access(old, F_OK) != 0);
    EXPECT_EQ(access(oldest, F_OK), 0);
    store_close(s);
}

TEST(an_erasure_marks_the_data_sets_that_hold_the_text)
{
    store *s = fixture_open();
    store_erasure n;
    store_dataset got, *rows;
    size_t count;
    bool more;
    give_everything(s, "anna", "x", 1);
    give_everything(s, "bert", "y", 1);
    const char *const anna[] = {"p0-anna", "p0-bert"}, *const bert[] = {"ranking-bert-s1"};
    store_dataset d = {.id = "ds_1",
                       .name = "both",
                       .kind = "ppo",
                       .parameters_json = "{}",
                       .manifest_json = "{}",
                       .train_file = "file-1",
                       .created_by = "boss",
                       .created_at = NOW};
    STORE_GOOD(store_dataset_insert(s, &d, anna, 2, &err));
    STORE_EXPECT(store_dataset_insert(s, &d, anna, 2, &err), STORE_CONFLICT);
    d.id = "ds_2";
    STORE_GOOD(store_dataset_insert(s, &d, bert, 1, &err));
    STORE_GOOD(store_person_erase(s, "anna", &n, &err));
    EXPECT_EQ(n.datasets, 1);
    STORE_GOOD(store_dataset_get(s, "ds_1", &got, &err));
    EXPECT(got.stale);
    EXPECT_STR(got.train_file, "file-1");
    EXPECT(!got.valid_file);
    store_dataset_free(&got);
    STORE_GOOD(store_dataset_list(s, (store_page){"", 1, false}, &rows, &count, &more, &err));
    EXPECT_EQ(count, 1);
    EXPECT(more);
    EXPECT_STR(rows[0].id, "ds_2");
    EXPECT(!rows[0].stale);
    store_dataset_free(&rows[0]);
    free(rows);
    store_close(s);
}
