/* A label counts once and for good; what trains and what evaluates are different rows. */
#include "human_fixture.h"

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

/* ---- one's own ---- */

static size_t own_page(store *s, const char *labeler, const char *after, uint32_t limit,
                       store_own_label **rows, bool *more)
{
    size_t n;
    STORE_GOOD(store_own_labels(s, labeler, (store_page){.after = after, .limit = limit}, rows, &n,
                                more, &err));
    return n;
}

static void free_page(store_own_label *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        store_own_label_free(&rows[i]);
    free(rows);
}

TEST(own_labels_of_all_kinds_come_newest_first_in_pages)
{
    store *s = fixture_open();
    store_submitted out;
    store_own_label *rows;
    bool more;
    add_task(s, a_task("t1", "rank", ""));
    add_task(s, a_task("t2", "rank", ""));
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "t1");
    rank(s, "s1", "lena", "t1");
    store_demonstration d = a_demonstration("d1", "lena", NULL);
    d.created_at++;
    STORE_GOOD(store_demonstration_insert(s, &d, &out, &err));
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), "t2");
    const store_skip k = {.id = "skip-1",
                          .submission = "k1",
                          .labeler = "lena",
                          .role = "trainer",
                          .task = "t2",
                          .reason = "unclear",
                          .created_at = d.created_at + 1};
    STORE_GOOD(store_skip_insert(s, &k, &out, &err));
    const store_demonstration other = a_demonstration("d2", "mick", NULL);
    STORE_GOOD(store_demonstration_insert(s, &other, &out, &err));

    EXPECT_EQ(own_page(s, "lena", "", 2, &rows, &more), 2);
    EXPECT(more);
    EXPECT_STR(rows[0].kind, "skip");
    EXPECT_STR(rows[0].content, "unclear");
    EXPECT_STR(rows[1].kind, "demo");
    char *second = strdup(rows[1].id);
    free_page(rows, 2);
    EXPECT_EQ(own_page(s, "lena", second, 2, &rows, &more), 1);
    EXPECT(!more);
    EXPECT_STR(rows[0].kind, "rank");
    EXPECT_STR(rows[0].task, "t1");
    free_page(rows, 1);
    size_t n;
    STORE_EXPECT(store_own_labels(s, "mick", (store_page){.after = second, .limit = 2}, &rows, &n,
                                  &more, &err),
                 STORE_NOT_FOUND);
    free(second);

    store_erasure erased;
    STORE_GOOD(store_person_erase(s, "lena", &erased, &err));
    EXPECT_EQ(own_page(s, "lena", "", 2, &rows, &more), 0);
    free(rows);
    store_close(s);
}
