/* Whose text is kept, and how it is taken back. */
#include "human_fixture.h"

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
