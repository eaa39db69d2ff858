/* The versions directory: a name stands for a whole policy or for none. */
#include "policy/versions.h"

#include "base/log.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char id_a[] = "pol_aaaaaaaaaaaaaaaa", id_b[] = "pol_bbbbbbbbbbbbbbbb";

static versions *opened(void)
{
    versions *v;
    error_text err = {""};
    log_set_level(LOG_ERROR);
    if (!versions_open(&v, test_dir(), &err))
        FAIL("%s", err.text);
    return v;
}

static const char *in_dir(const char *name)
{
    static char path[4][VERSIONS_PATH_BYTES + 32];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", test_dir(), name);
    return p;
}

static bool exists(const char *name)
{
    return access(in_dir(name), F_OK) == 0;
}

/* A directory with two files, as a writer leaves it. */
static void fill(const char *dir, const char *text)
{
    char path[VERSIONS_PATH_BYTES + 32];
    EXPECT_EQ(mkdir(dir, 0700), 0);
    snprintf(path, sizeof path, "%s/one", dir);
    test_write_file(path, text, strlen(text));
    snprintf(path, sizeof path, "%s/two", dir);
    test_write_file(path, text, strlen(text));
}

static void put(versions *v, const char *id)
{
    char draft[VERSIONS_PATH_BYTES];
    error_text err = {""};
    versions_draft(v, draft);
    fill(draft, id);
    if (versions_commit(v, draft, id, &err) != VERSIONS_COMMITTED)
        FAIL("%s", err.text);
    EXPECT(access(draft, F_OK) != 0);
}

TEST(opening_makes_private_directories)
{
    versions *v = opened();
    static const char *const names[] = {"policies", "aliases", "quarantine"};
    for (size_t i = 0; i < 3; i++) {
        struct stat st;
        EXPECT_EQ(stat(in_dir(names[i]), &st), 0);
        EXPECT_EQ(st.st_mode & 0777, 0700);
    }
    versions_free(v);
    versions_free(opened()); /* again: they are there */
}

TEST(opening_sweeps_what_a_crash_left)
{
    char draft[VERSIONS_PATH_BYTES];
    versions *v = opened();
    versions_draft(v, draft);
    fill(draft, "half");
    test_write_file(in_dir("aliases/instruct.tmp"), "1 ", 2);
    put(v, id_a);
    versions_free(v);
    v = opened();
    EXPECT(access(draft, F_OK) != 0);
    EXPECT(!exists("aliases/instruct.tmp"));
    EXPECT(exists("policies/pol_aaaaaaaaaaaaaaaa/two"));
    versions_free(v);
}

TEST(opening_names_what_is_in_the_way)
{
    versions *v;
    error_text err = {""};
    EXPECT(!versions_open(&v, in_dir("absent"), &err));
    EXPECT(strstr(err.text, "absent: open: "));
    test_write_file(in_dir("policies"), "", 0);
    EXPECT(!versions_open(&v, test_dir(), &err));
    EXPECT(strstr(err.text, "policies: open: "));
}

TEST(a_committed_draft_has_its_name)
{
    versions *v = opened();
    char path[VERSIONS_PATH_BYTES], ids[8][POLICY_ID_CHARS + 1];
    EXPECT(!versions_path(v, id_a, path));
    EXPECT_EQ(versions_time(v, id_a), 0);
    put(v, id_a);
    put(v, id_b);
    EXPECT(versions_path(v, id_a, path));
    EXPECT_STR(path, in_dir("policies/pol_aaaaaaaaaaaaaaaa"));
    EXPECT(versions_time(v, id_a) > 1000000000);
    EXPECT_EQ(versions_list(v, ids, 8), 2);
    EXPECT_EQ(versions_list(v, ids, 1), 1);
    versions_free(v);
}

TEST(only_ids_are_looked_up)
{
    versions *v = opened();
    char path[VERSIONS_PATH_BYTES];
    static const char *const names[] = {"",
                                        ".",
                                        "..",
                                        "../aliases",
                                        "pol_",
                                        "pol_aaaaaaaaaaaaaaaa/",
                                        "pol_AAAAAAAAAAAAAAAA",
                                        ".tmp-aaaaaaaaaaaaaaa"};
    put(v, id_a);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (versions_path(v, names[i], path))
            FAIL("\"%s\" was found", names[i]);
    symlink("pol_aaaaaaaaaaaaaaaa", in_dir("policies/pol_bbbbbbbbbbbbbbbb"));
    EXPECT(!versions_path(v, id_b, path));
    versions_free(v);
}

TEST(a_name_that_is_taken_is_not_overwritten)
{
    versions *v = opened();
    char draft[VERSIONS_PATH_BYTES];
    error_text err = {""};
    put(v, id_a);
    versions_draft(v, draft);
    fill(draft, "other");
    EXPECT_EQ(versions_commit(v, draft, id_a, &err), VERSIONS_EXISTS);
    char *text = test_read_file(in_dir("policies/pol_aaaaaaaaaaaaaaaa/one"), NULL);
    EXPECT_STR(text, id_a);
    free(text);
    versions_discard(v, draft);
    EXPECT(access(draft, F_OK) != 0);
    versions_free(v);
}

TEST(removing_takes_the_name_first_and_then_the_files)
{
    versions *v = opened();
    error_text err = {""};
    char path[VERSIONS_PATH_BYTES], ids[2][POLICY_ID_CHARS + 1];
    put(v, id_a);
    EXPECT(versions_remove(v, id_a, &err));
    EXPECT(!versions_path(v, id_a, path));
    EXPECT_EQ(versions_list(v, ids, 2), 0);
    EXPECT(!versions_remove(v, id_a, &err));
    EXPECT(strstr(err.text, "pol_aaaaaaaaaaaaaaaa: rename: "));
    versions_free(v);
}

TEST(quarantine_keeps_every_one)
{
    versions *v = opened();
    error_text err = {""};
    for (int i = 0; i < 3; i++) {
        put(v, id_a);
        if (!versions_quarantine(v, id_a, &err))
            FAIL("%s", err.text);
    }
    EXPECT(exists("quarantine/pol_aaaaaaaaaaaaaaaa/one"));
    EXPECT(exists("quarantine/pol_aaaaaaaaaaaaaaaa-1/one"));
    EXPECT(exists("quarantine/pol_aaaaaaaaaaaaaaaa-2/one"));
    EXPECT(!exists("policies/pol_aaaaaaaaaaaaaaaa"));
    versions_free(v);
}

TEST(aliases_are_listed_and_unreadable_ones_set_aside)
{
    versions *v = opened();
    error_text err = {""};
    char fallen[POLICY_ID_CHARS + 1];
    alias_file f = {.name = "instruct"}, out[4];
    alias_version one = {.number = 1, .by = "me"};
    strcpy(one.policy, id_a);
    alias_file_push(&f, &one, fallen);
    EXPECT(versions_write_alias(v, &f, &err));
    test_write_file(in_dir("aliases/broken"), "nothing\n", 8);
    test_write_file(in_dir("aliases/Not.An.Alias"), "x", 1);
    EXPECT_EQ(mkdir(in_dir("aliases/folder"), 0700), 0);
    log_set_level(LOG_ERROR);
    EXPECT_EQ(versions_aliases(v, out, 4), 3);
    for (size_t i = 0; i < 3; i++)
        EXPECT_EQ(out[i].n, strcmp(out[i].name, "instruct") == 0);
    EXPECT(exists("quarantine/broken") && !exists("aliases/broken"));
    EXPECT(exists("quarantine/folder") && exists("aliases/Not.An.Alias"));
    EXPECT_EQ(versions_aliases(v, out, 4), 1);
    versions_free(v);
}
