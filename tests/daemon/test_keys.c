#include "harness.h"

#include "base/data_dir.h"
#include "base/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *path_in(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", test_dir(), name);
    return path;
}

static keys *open_keys(const char *key_file)
{
    error_text err;
    keys *k = keys_open(test_dir(), key_file, &err);
    if (!k)
        FAIL("%s", err.text);
    return k;
}

TEST(the_first_start_makes_an_admin_key_and_later_ones_keep_it)
{
    keys *k = open_keys(NULL);
    size_t len;
    char *text = test_read_file(path_in("admin.key"), &len);
    struct stat st;
    stat(path_in("admin.key"), &st);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    EXPECT_EQ(strncmp(text, "sk-inst-", 8), 0);
    EXPECT_EQ(strspn(strrchr(text, '-') + 1, "0123456789abcdef"), 64); /* 256 bits */
    EXPECT_EQ(text[len - 1], '\n');
    key_info info;
    EXPECT_EQ(keys_find(k, text, len - 1, &info), KEY_FOUND);
    EXPECT_EQ(info.scope, KEY_ADMIN);
    EXPECT_STR(info.name, "admin");
    EXPECT(info.tenant > 1);
    keys_free(k);
    k = open_keys(NULL);
    EXPECT_EQ(keys_find(k, text, len - 1, &info), KEY_FOUND);
    keys_free(k);
    free(text);
}

TEST(values_without_the_prefix_are_no_key_and_others_unknown)
{
    keys *k = open_keys(NULL);
    key_info info;
    EXPECT_EQ(keys_find(k, NULL, 0, &info), KEY_NONE);
    EXPECT_EQ(keys_find(k, "", 0, &info), KEY_NONE);
    EXPECT_EQ(keys_find(k, "sk-proj-abc", 11, &info), KEY_NONE);
    EXPECT_EQ(info.index, -1);
    EXPECT_EQ(info.scope, 0);
    EXPECT_EQ(info.tenant, 1);
    EXPECT_EQ(keys_find(k, "sk-inst-abc", 11, &info), KEY_UNKNOWN);
    EXPECT_EQ(info.scope, 0);
    keys_free(k);
}

/* SHA-256 of "sk-inst-lab-1" and "sk-inst-lab-2", from sha256sum. */
#define LAB_1 "31547a7eaf02b540063d00ba287afdc266d6845174c52cd68d80d1eed59c9f62"
#define LAB_2 "dda4c6553b48728f166e2fea397d3b55c0233529725cb62772ae7447c7a30d76"

TEST(a_key_file_adds_keys_with_scopes)
{
    const char *text =
        "# two keys\n\nlab infer,label:rank " LAB_1 "\n  web\tplayground " LAB_2 " # the page\n";
    test_write_file(path_in("keys"), text, strlen(text));
    keys *k = open_keys(path_in("keys"));
    key_info one, two;
    EXPECT_EQ(keys_count(k), 4); /* admin and page are there already */
    EXPECT_EQ(keys_find(k, "sk-inst-lab-1", 13, &one), KEY_FOUND);
    EXPECT_EQ(keys_find(k, "sk-inst-lab-2", 13, &two), KEY_FOUND);
    EXPECT_STR(one.name, "lab");
    EXPECT_EQ(one.scope, KEY_INFER | KEY_LABEL_RANK);
    EXPECT_EQ(two.scope, KEY_PLAYGROUND);
    EXPECT(one.tenant != two.tenant);
    EXPECT_EQ(keys_find(k, "sk-inst-lab-1x", 14, &one), KEY_UNKNOWN);
    EXPECT_EQ(keys_find(k, "sk-inst-lab-", 12, &one), KEY_UNKNOWN);
    keys_free(k);
}

TEST(the_first_start_makes_a_page_key_that_may_not_infer_for_others)
{
    keys *k = open_keys(NULL);
    size_t len;
    char *text = test_read_file(path_in("page.key"), &len);
    struct stat st;
    stat(path_in("page.key"), &st);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    key_info info;
    EXPECT_EQ(keys_find(k, text, len - 1, &info), KEY_FOUND);
    EXPECT_EQ(info.scope, KEY_PLAYGROUND | KEY_LABEL | KEY_TRAIN);
    EXPECT_STR(info.user, "page");
    EXPECT_EQ(info.role, KEY_ROLE_RESEARCHER);
    EXPECT(key_is_playground(&info));
    keys_free(k);
    free(text);
}

static key_info key_of_line(const char *scopes, const char *options)
{
    char text[512];
    snprintf(text, sizeof text, "lab %s " LAB_1 "%s\n", scopes, options);
    test_write_file(path_in("keys"), text, strlen(text));
    keys *k = open_keys(path_in("keys"));
    key_info info;
    EXPECT_EQ(keys_find(k, "sk-inst-lab-1", 13, &info), KEY_FOUND);
    keys_free(k);
    return info;
}

TEST(a_line_may_say_who_holds_the_key_and_what_they_are)
{
    const key_info said = key_of_line("label:rank", " role=heldout user=anna");
    EXPECT_STR(said.name, "lab");
    EXPECT_STR(said.user, "anna");
    EXPECT_EQ(said.role, KEY_ROLE_HELDOUT);
    EXPECT_STR(key_of_line("label:rank", "").user, "lab");
}

TEST(without_a_role_the_scopes_tell_it)
{
    EXPECT_EQ(key_of_line("playground,infer", "").role, KEY_ROLE_USER);
    EXPECT_EQ(key_of_line("label:demo,label:rank", "").role, KEY_ROLE_TRAINER);
    EXPECT_EQ(key_of_line("label:rank,label:eval", "").role, KEY_ROLE_HELDOUT);
    EXPECT_EQ(key_of_line("label:*,train", "").role, KEY_ROLE_RESEARCHER);
    EXPECT_EQ(key_of_line("admin", "").role, KEY_ROLE_RESEARCHER);
    EXPECT_EQ(key_of_line("label:*", "").scope, KEY_LABEL);
}

TEST(only_a_playground_key_without_api_scopes_is_the_playground)
{
    const key_info page = key_of_line("playground,label:*,train", "");
    const key_info both = key_of_line("playground,infer", "");
    const key_info api = key_of_line("infer", "");
    const key_info admin = key_of_line("playground,admin", "");
    EXPECT(key_is_playground(&page));
    EXPECT(!key_is_playground(&both));
    EXPECT(!key_is_playground(&api));
    EXPECT(!key_is_playground(&admin));
    EXPECT(!key_is_playground(&(key_info){0}));
}

TEST(the_names_of_scopes_are_told_one_by_one)
{
    size_t at = 0;
    EXPECT_STR(key_scope_next(KEY_TRAIN | KEY_LABEL_RANK | KEY_INFER, &at), "infer");
    EXPECT_STR(key_scope_next(KEY_TRAIN | KEY_LABEL_RANK | KEY_INFER, &at), "label:rank");
    EXPECT_STR(key_scope_next(KEY_TRAIN | KEY_LABEL_RANK | KEY_INFER, &at), "train");
    EXPECT(!key_scope_next(KEY_TRAIN | KEY_LABEL_RANK | KEY_INFER, &at));
}

static void expect_refused(const char *text, const char *part)
{
    error_text err = {""};
    test_write_file(path_in("keys"), text, strlen(text));
    keys *k = keys_open(test_dir(), path_in("keys"), &err);
    bool refused = !k;
    keys_free(k);
    EXPECT(refused);
    if (!strstr(err.text, part))
        FAIL("\"%s\" does not say \"%s\"", err.text, part);
}

TEST(a_bad_key_file_is_refused_with_its_line)
{
    expect_refused("a infer " LAB_1 "\nb infer\n", "keys:2: expected NAME SCOPES SHA256");
    expect_refused("a inferr " LAB_1 "\n", "keys:1: scopes are");
    expect_refused("a infer, " LAB_1 "\n", "keys:1: scopes are");
    expect_refused("a infer 1234\n", "keys:1: a SHA-256");
    expect_refused("a/b infer " LAB_1 "\n", "keys:1: a name");
    expect_refused("a infer " LAB_1 " more\n", "keys:1: 'more': expected user=NAME");
    expect_refused("a infer " LAB_1 " user=\n", "keys:1: 'user=': expected");
    expect_refused("a infer " LAB_1 " role=boss\n", "keys:1: 'role=boss': expected");
}

TEST(an_admin_key_that_others_may_read_is_refused)
{
    error_text err;
    keys_free(open_keys(NULL));
    chmod(path_in("admin.key"), 0644);
    EXPECT(!keys_open(test_dir(), NULL, &err));
    EXPECT(strstr(err.text, "chmod 600"));
    chmod(path_in("admin.key"), 0600);
    test_write_file(path_in("admin.key"), "sk-inst-", 8);
    EXPECT(!keys_open(test_dir(), NULL, &err));
    EXPECT(strstr(err.text, "holds no key"));
}

TEST(scopes_open_what_they_should)
{
    EXPECT(key_scope_allows(KEY_INFER, KEY_INFER));
    EXPECT(key_scope_allows(KEY_PLAYGROUND, KEY_INFER));
    EXPECT(!key_scope_allows(KEY_INFER, KEY_PLAYGROUND));
    EXPECT(!key_scope_allows(KEY_INFER | KEY_LABEL_RANK, KEY_TRAIN));
    EXPECT(key_scope_allows(KEY_ADMIN, KEY_TRAIN));
    EXPECT(key_scope_allows(KEY_LABEL_EVAL, KEY_ANY));
    EXPECT(!key_scope_allows(0, KEY_ANY));
    EXPECT(!key_scope_allows(KEY_ADMIN & 0, KEY_INFER));
}

TEST(a_data_directory_is_private_and_held_by_one)
{
    error_text err;
    char dir[300];
    snprintf(dir, sizeof dir, "%s/a/b", test_dir());
    int fd = data_dir_lock(dir, &err);
    EXPECT(fd >= 0);
    struct stat st;
    stat(dir, &st);
    EXPECT_EQ(st.st_mode & 0777, 0700);
    char pid[32];
    snprintf(pid, sizeof pid, "(pid %ld)", (long)getpid());
    EXPECT_EQ(data_dir_lock(dir, &err), -1);
    EXPECT(strstr(err.text, pid));
    close(fd);
    fd = data_dir_lock(dir, &err);
    EXPECT(fd >= 0);
    close(fd);
    chmod(dir, 0755);
    EXPECT_EQ(data_dir_lock(dir, &err), -1);
    EXPECT(strstr(err.text, "chmod 700"));
}
