/* Restarts: after a crash or damage the old policy or the new one serves, never a mix; after a
 * change of --model, what the operator expects. */
#include "daemon/publish_fixture.h"

static const char *const files[] = {"config.json",    "generation_config.json",
                                    "manifest.json",  "model.safetensors",
                                    "tokenizer.json", "tokenizer_config.json"};
enum { N_FILES = sizeof files / sizeof *files };

static const char *file_of(const lab *l, const char *id, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "policies/%s/%s", id, name);
    return lab_path(l, path);
}

static void flip(const char *path, size_t at, int bit)
{
    size_t len;
    char *data = test_read_file(path, &len);
    data[at % len] ^= (char)(1 << bit);
    test_write_file(path, data, len);
    free(data);
}

static void cut(const char *path, size_t bytes)
{
    size_t len;
    char *data = test_read_file(path, &len);
    test_write_file(path, data, bytes < len ? len - bytes : 0);
    free(data);
}

/* Puts back what a start set aside, as it was before the damage. */
static void copy_tree(const char *from, const char *to)
{
    char command[2200];
    snprintf(command, sizeof command, "rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
    EXPECT_EQ(system(command), 0);
}

/* A lab with two published policies, stopped, and a copy of its disk. */
typedef struct scene {
    lab l;
    char one[POLICY_ID_CHARS + 1], two[POLICY_ID_CHARS + 1], saved[300];
} scene;

static void set_scene(scene *s)
{
    lab_open(&s->l, NULL);
    strcpy(s->one, lab_publish(&s->l, "instruct"));
    strcpy(s->two, lab_publish(&s->l, "instruct"));
    lab_stop(&s->l);
    snprintf(s->saved, sizeof s->saved, "%s.saved", s->l.data_dir);
    copy_tree(s->l.data_dir, s->saved);
}

static void reset_scene(scene *s)
{
    if (s->l.registry)
        lab_stop(&s->l);
    copy_tree(s->saved, s->l.data_dir);
}

static void start(scene *s)
{
    EXPECT_OK(lab_start(&s->l), s->l.open_err);
}

static void end_scene(scene *s)
{
    lab_close(&s->l);
}

TEST(a_restart_serves_what_was_published)
{
    scene s;
    alias_state out;
    set_scene(&s);
    start(&s);
    lab_expect_serves(&s.l, "instruct", s.two);
    const alias_state a = lab_alias(&s.l, "instruct");
    EXPECT_EQ(a.version, 3);
    EXPECT_STR(a.previous, s.one);
    EXPECT_STR(a.updated_by, "test");
    EXPECT_EQ(lab_move(&s.l, "instruct", NULL, 3, &out), PUBLISH_OK);
    EXPECT_STR(out.policy, s.one);
    lab_restart(&s.l);
    lab_expect_serves(&s.l, "instruct", s.one);
    EXPECT_EQ(lab_move(&s.l, "instruct", lab_base_id(&s.l), 4, &out), PUBLISH_OK);
    lab_restart(&s.l);
    lab_expect_serves(&s.l, "instruct", lab_base_id(&s.l));
    EXPECT_EQ(lab_alias(&s.l, "instruct").version, 5);
    end_scene(&s);
}

TEST(the_previous_policy_is_brought_in_after_a_restart)
{
    scene s;
    set_scene(&s);
    start(&s);
    for (int i = 0; i < 10000 && !lab_served(&s.l, s.one)[0]; i++)
        usleep(1000);
    EXPECT_STR(lab_served(&s.l, s.one), s.one);
    EXPECT(policy_registry_evict(s.l.registry)); /* it is there as long as its room is not needed */
    EXPECT_STR(lab_served(&s.l, s.one), "");
    end_scene(&s);
}

static void expect_fell_back(scene *s, const char *to, const char *damaged, const char *what)
{
    char path[64];
    if (strcmp(lab_served(&s->l, "instruct"), to) != 0)
        FAIL("%s: %s serves", what, lab_served(&s->l, "instruct"));
    lab_expect_serves(&s->l, "instruct", to);
    EXPECT(lab_alias(&s->l, "instruct").version > 3);
    snprintf(path, sizeof path, "quarantine/%s", damaged);
    EXPECT(lab_exists(&s->l, path));
    snprintf(path, sizeof path, "policies/%s", damaged);
    EXPECT(!lab_exists(&s->l, path));
    store_policy row;
    EXPECT_EQ(store_policy_get(s->l.store, damaged, &row, &s->l.err), STORE_OK);
    EXPECT_STR(row.state, "quarantined");
    store_policy_free(&row);
}

TEST(a_damaged_policy_is_set_aside_and_the_one_before_it_serves)
{
    scene s;
    set_scene(&s);
    for (int f = 0; f < N_FILES; f++)
        for (int how = 0; how < 5; how++) {
            const char *path = file_of(&s.l, s.two, files[f]);
            if (how < 2)
                flip(path, (size_t)f * 977 + 131, how);
            else if (how == 2)
                cut(path, 1);
            else if (how == 3)
                cut(path, SIZE_MAX);
            else
                unlink(path);
            start(&s);
            expect_fell_back(&s, s.one, s.two, files[f]);
            reset_scene(&s);
        }
    start(&s);
    lab_expect_serves(&s.l, "instruct", s.two);
    end_scene(&s);
}

TEST(when_all_are_damaged_the_base_model_serves)
{
    scene s;
    set_scene(&s);
    flip(file_of(&s.l, s.two, "model.safetensors"), 12345, 3);
    cut(file_of(&s.l, s.one, "config.json"), 7);
    start(&s);
    expect_fell_back(&s, lab_base_id(&s.l), s.two, "both");
    expect_fell_back(&s, lab_base_id(&s.l), s.one, "both");
    lab_restart(&s.l);
    lab_expect_serves(&s.l, "instruct", lab_base_id(&s.l));
    end_scene(&s);
}

/* A policy that is swapped for another whole one has a valid manifest and the wrong name. */
TEST(a_policy_under_another_ones_name_is_damaged)
{
    scene s;
    char one[512], two[512];
    set_scene(&s);
    snprintf(one, sizeof one, "%s/policies/%s", s.l.data_dir, s.one);
    snprintf(two, sizeof two, "%s/policies/%s", s.l.data_dir, s.two);
    copy_tree(one, two);
    start(&s);
    expect_fell_back(&s, s.one, s.two, "renamed");
    end_scene(&s);
}

TEST(a_flipped_bit_of_the_alias_file_loses_nothing)
{
    scene s;
    size_t len;
    set_scene(&s);
    free(test_read_file(lab_path(&s.l, "aliases/instruct"), &len));
    for (size_t at = 0; at < len; at += 7) {
        flip(lab_path(&s.l, "aliases/instruct"), at, (int)(at % 8));
        start(&s);
        lab_expect_serves(&s.l, "instruct", s.two); /* the audit knows a lost line */
        EXPECT(lab_alias(&s.l, "instruct").version >= 3);
        lab_restart(&s.l);
        lab_expect_serves(&s.l, "instruct", s.two);
        reset_scene(&s);
    }
    start(&s);
    end_scene(&s);
}

TEST(alias_file_and_database_each_suffice)
{
    static const char *const lost[] = {"aliases/instruct", "instructd.db", "both"};
    scene s;
    set_scene(&s);
    for (int i = 0; i < 3; i++) {
        if (i != 1)
            unlink(lab_path(&s.l, "aliases/instruct"));
        if (i != 0) {
            unlink(lab_path(&s.l, "instructd.db"));
            unlink(lab_path(&s.l, "instructd.db-wal"));
        }
        start(&s);
        const char *want = i == 2 ? lab_base_id(&s.l) : s.two;
        if (strcmp(lab_served(&s.l, "instruct"), want) != 0)
            FAIL("without %s: %s serves", lost[i], lab_served(&s.l, "instruct"));
        lab_expect_serves(&s.l, "instruct", want);
        reset_scene(&s);
    }
    start(&s);
    end_scene(&s);
}

TEST(missing_audit_rows_are_added)
{
    scene s;
    store_move *rows;
    store_policy row;
    size_t n;
    bool more;
    set_scene(&s);
    unlink(lab_path(&s.l, "instructd.db"));
    unlink(lab_path(&s.l, "instructd.db-wal"));
    start(&s);
    EXPECT_EQ(store_move_list(s.l.store, "instruct", (store_page){.after = "", .limit = 10}, &rows,
                              &n, &more, &s.l.err),
              STORE_OK);
    EXPECT_EQ(n, 3);
    EXPECT_STR(rows[0].policy, s.two);
    EXPECT_STR(rows[0].previous, s.one);
    EXPECT_STR(rows[0].updated_by, "test");
    EXPECT_EQ(rows[2].version, 1);
    for (size_t i = 0; i < n; i++)
        store_move_free(&rows[i]);
    free(rows);
    EXPECT_EQ(store_policy_get(s.l.store, s.one, &row, &s.l.err), STORE_OK);
    EXPECT_STR(row.stage, "ppo");
    store_policy_free(&row);
    end_scene(&s);
}

TEST(an_alias_that_leads_nowhere_is_left_out)
{
    lab l;
    alias_state out;
    lab_open(&l, NULL);
    weights_add_score(&l.held, 64);
    char id[POLICY_ID_CHARS + 1];
    EXPECT_EQ(lab_try(&l, "reward", id), PUBLISH_OK);
    EXPECT_EQ(lab_move(&l, "second", lab_base_id(&l), PUBLISH_CREATE, &out), PUBLISH_OK);
    lab_stop(&l);
    cut(file_of(&l, id, "model.safetensors"), 100);
    EXPECT_OK(lab_start(&l), l.open_err);
    EXPECT(!publisher_alias(l.publisher, "reward", &out));
    EXPECT_STR(lab_served(&l, "reward"), "");
    lab_expect_serves(&l, "second", lab_base_id(&l));
    lab_expect_serves(&l, "instruct", lab_base_id(&l));
    lab_close(&l);
}

TEST(an_alias_that_was_left_out_goes_on_counting_when_it_is_made_again)
{
    lab l;
    alias_state out;
    store_move *rows;
    size_t n;
    bool more;
    lab_open(&l, NULL);
    const char *id = lab_publish(&l, "other");
    lab_stop(&l);
    cut(file_of(&l, id, "model.safetensors"), 100);
    EXPECT_OK(lab_start(&l), l.open_err);
    EXPECT_EQ(lab_move(&l, "other", lab_base_id(&l), PUBLISH_CREATE, &out), PUBLISH_OK);
    EXPECT_EQ(out.version, 2);
    EXPECT_EQ(store_move_list(l.store, "other", (store_page){.after = "", .limit = 9}, &rows, &n,
                              &more, &l.err),
              STORE_OK);
    EXPECT_EQ(n, 2);
    for (size_t i = 0; i < n; i++)
        store_move_free(&rows[i]);
    free(rows);
    lab_close(&l);
}

/* ---- another --model ---- */

/* What the newest move of "instruct" gives as its reason. */
static void expect_reason(lab *l, const char *reason)
{
    store_move *rows;
    size_t n;
    bool more;
    EXPECT_EQ(store_move_list(l->store, "instruct", (store_page){.after = "", .limit = 1}, &rows,
                              &n, &more, &l->err),
              STORE_OK);
    EXPECT_EQ(n, 1);
    EXPECT_STR(rows[0].reason, reason);
    store_move_free(&rows[0]);
    free(rows);
}

static const test_model_spec same_shape = {.seed = 99}, other_shape = {.layers = 3, .seed = 99};

TEST(another_model_serves_where_nothing_was_published)
{
    lab l;
    alias_state a;
    lab_open(&l, NULL);
    expect_reason(&l, "first start");
    lab_stop(&l);
    test_write_gguf(l.base, &other_shape);
    EXPECT_OK(lab_start(&l), l.open_err);
    lab_expect_serves(&l, "instruct", lab_base_id(&l));
    expect_reason(&l, "another --model");
    a = lab_alias(&l, "instruct");
    EXPECT_EQ(a.version, 2);
    EXPECT_STR(a.updated_by, "start");
    lab_close(&l);
}

TEST(what_was_published_outlives_another_model_of_its_shape)
{
    scene s;
    alias_state out;
    set_scene(&s);
    test_write_gguf(s.l.base, &same_shape);
    start(&s);
    lab_expect_serves(&s.l, "instruct", s.two);
    EXPECT_EQ(lab_alias(&s.l, "instruct").version, 3);
    EXPECT_EQ(lab_move(&s.l, "instruct", lab_base_id(&s.l), 3, &out), PUBLISH_OK);
    lab_expect_serves(&s.l, "instruct", lab_base_id(&s.l));
    end_scene(&s);
}

TEST(another_shape_than_what_was_published_is_refused_with_ways_out)
{
    scene s;
    set_scene(&s);
    test_write_gguf(s.l.base, &other_shape);
    EXPECT_EQ(lab_start(&s.l), ENG_INVALID);
    static const char *const words[] = {"alias instruct serves the published policy", "2 layers",
                                        "models of 3", "--reset-alias", "--data-dir"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strstr(s.l.open_err.text, words[i]))
            FAIL("\"%s\" does not say \"%s\"", s.l.open_err.text, words[i]);
    EXPECT(lab_exists(&s.l, "aliases/instruct"));
    lab_stop(&s.l);
    s.l.options.reset_alias = true;
    start(&s);
    lab_expect_serves(&s.l, "instruct", lab_base_id(&s.l));
    EXPECT_EQ(lab_alias(&s.l, "instruct").version, 4);
    lab_restart(&s.l); /* once is enough */
    EXPECT_EQ(lab_alias(&s.l, "instruct").version, 4);
    alias_state out;
    EXPECT_EQ(lab_move(&s.l, "instruct", s.two, 4, &out), PUBLISH_INVALID);
    lab_expect_words(&s.l, "a model of 2 layers");
    end_scene(&s);
}

TEST(a_model_that_cannot_be_read_is_no_start)
{
    scene s;
    set_scene(&s);
    unlink(s.l.base);
    EXPECT_EQ(lab_start(&s.l), ENG_IO);
    EXPECT(strstr(s.l.open_err.text, "base.gguf"));
    end_scene(&s);
}
