#include "harness.h"

#include "base/data_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/files/%s", test_dir(), name);
    return path;
}

static bool exists(const char *name)
{
    struct stat st;
    return lstat(path_of(name), &st) == 0;
}

static void keep(const char *id, const char *content)
{
    data_file_draft d;
    error_text err;
    if (!data_file_begin(&d, test_dir(), &err))
        FAIL("%s", err.text);
    EXPECT_EQ(write(d.fd, content, strlen(content)), (ssize_t)strlen(content));
    if (!data_file_keep(&d, id, &err))
        FAIL("%s", err.text);
    data_file_drop(&d);
}

TEST(a_kept_file_can_be_read_and_removed)
{
    error_text err;
    keep("file-a", "hello");
    struct stat st;
    EXPECT_EQ(stat(path_of("file-a"), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    char text[8] = "";
    const int fd = data_file_open(test_dir(), "file-a", &err);
    EXPECT_EQ(read(fd, text, sizeof text), 5);
    close(fd);
    EXPECT_STR(text, "hello");
    EXPECT(data_file_remove(test_dir(), "file-a", &err));
    EXPECT(data_file_remove(test_dir(), "file-a", &err)); /* it is not there: fine */
    EXPECT_EQ(data_file_open(test_dir(), "file-a", &err), -1);
}

TEST(a_dropped_draft_leaves_nothing)
{
    data_file_draft d;
    error_text err;
    EXPECT(data_file_begin(&d, test_dir(), &err));
    char name[64];
    strcpy(name, d.name);
    EXPECT(exists(name));
    data_file_drop(&d);
    EXPECT(!exists(name));
    data_file_drop(&d);
    data_file_draft never = {0};
    data_file_drop(&never);
}

TEST(a_file_that_is_there_is_not_replaced)
{
    data_file_draft d;
    error_text err;
    keep("file-a", "first");
    EXPECT(data_file_begin(&d, test_dir(), &err));
    EXPECT(!data_file_keep(&d, "file-a", &err));
    data_file_drop(&d);
    size_t len;
    char *text = test_read_file(path_of("file-a"), &len);
    EXPECT_STR(text, "first");
    free(text);
}

TEST(names_that_are_no_ids_reach_no_file)
{
    error_text err;
    keep("file-a", "x"); /* makes the folder */
    test_write_file(path_of("../secret"), "x", 1);
    static const char *const names[] = {"",       "..",     "../secret", "a/b",
                                        ".tmp-1", "file a", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        EXPECT(!data_file_id_valid(names[i]));
        EXPECT_EQ(data_file_open(test_dir(), names[i], &err), -1);
        EXPECT(!data_file_remove(test_dir(), names[i], &err));
    }
    char long_id[66];
    memset(long_id, 'a', 65);
    long_id[65] = 0;
    EXPECT(!data_file_id_valid(long_id));
    EXPECT(data_file_id_valid(long_id + 1));
}

TEST(links_are_not_followed)
{
    error_text err;
    keep("file-a", "x");
    EXPECT_EQ(symlink("file-a", path_of("file-link")), 0);
    EXPECT_EQ(data_file_open(test_dir(), "file-link", &err), -1);
}

static bool is_a(void *arg, const char *id)
{
    (void)arg;
    return strcmp(id, "file-a") == 0;
}

TEST(a_sweep_removes_drafts_and_orphans_alone)
{
    keep("file-a", "x");
    keep("file-b", "x");
    test_write_file(path_of(".tmp-0123"), "x", 1);
    data_files_sweep(test_dir(), is_a, NULL);
    EXPECT(exists("file-a"));
    EXPECT(!exists("file-b"));
    EXPECT(!exists(".tmp-0123"));
}
