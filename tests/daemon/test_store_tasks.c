/* Which tasks there are, and who gets which. */
#include "human_fixture.h"

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
