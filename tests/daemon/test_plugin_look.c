/* A plugin's check of a file, bounded: answered, hanging in a loop or asleep, stopped, returned. */
#include "base/log.h"
#include "harness.h"
#include "host/plugin_look.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_bool released;
static atomic_int calls;

static int answers(int fd, instructd_file_report *report)
{
    char text[8] = "";
    report->rows = (uint64_t)read(fd, text, sizeof text - 1);
    snprintf(report->format, sizeof report->format, "%s", text);
    memset(report->error, 'e', sizeof report->error); /* without an end */
    return INSTRUCTD_E_UNSUPPORTED;
}

static int loops(int fd, instructd_file_report *report)
{
    (void)fd;
    atomic_fetch_add(&calls, 1);
    while (!atomic_load(&released))
        report->rows++;
    return INSTRUCTD_OK;
}

static int sleeps(int fd, instructd_file_report *report)
{
    (void)fd, (void)report;
    while (!atomic_load(&released))
        usleep(1000);
    return INSTRUCTD_OK;
}

static plugin_look *look_of(int (*file_check)(int, instructd_file_report *), uint32_t cpu_ms,
                            uint32_t ms)
{
    const plugin_look_options options = {
        .plugin = "odd", .file_check = file_check, .cpu_ms = cpu_ms, .ms = ms, .stop_ms = 1};
    log_set_level(LOG_ERROR);
    atomic_store(&released, false);
    atomic_store(&calls, 0);
    plugin_look *l = plugin_look_create(&options);
    EXPECT(l != NULL);
    return l;
}

static int file_with(const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/data", test_dir());
    test_write_file(path, text, strlen(text));
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void release_and_free(plugin_look *l)
{
    EXPECT(!plugin_look_free(l)); /* what a hanging thread may touch stays */
    atomic_store(&released, true);
    for (int i = 0; i < 20000 && plugin_look_is_stuck(l); i++)
        usleep(1000);
    EXPECT(plugin_look_free(l));
}

TEST(a_plugin_reads_the_file_from_its_beginning_and_leaves_our_descriptor_alone)
{
    instructd_file_report report;
    plugin_look *l = look_of(answers, 0, 0);
    const int fd = file_with("lines\n");
    EXPECT_EQ(lseek(fd, 4, SEEK_SET), 4);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(plugin_look_at(l, fd, &report), INSTRUCTD_E_UNSUPPORTED);
        EXPECT_EQ(report.rows, 6);
        EXPECT_STR(report.format, "lines\n");
        EXPECT_EQ(strlen(report.error), sizeof report.error - 1);
        EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 4);
    }
    close(fd);
    EXPECT(plugin_look_free(l));
}

TEST(a_plugin_that_loops_is_given_up_and_not_asked_again_until_it_returns)
{
    instructd_file_report report;
    plugin_look *l = look_of(loops, 20, 600000);
    const int fd = file_with("a");
    EXPECT_EQ(plugin_look_at(l, fd, &report), INSTRUCTD_E_STOPPED);
    EXPECT(strstr(report.error, "the plugin odd did not return"));
    EXPECT(plugin_look_is_stuck(l));
    EXPECT_EQ(plugin_look_at(l, fd, &report), INSTRUCTD_E_STOPPED);
    EXPECT(strstr(report.error, "hangs in the check of an earlier file"));
    EXPECT_EQ(atomic_load(&calls), 1);
    atomic_store(&released, true);
    for (int i = 0; i < 20000 && plugin_look_is_stuck(l); i++)
        usleep(1000);
    EXPECT_EQ(plugin_look_at(l, fd, &report), INSTRUCTD_OK);
    close(fd);
    EXPECT(plugin_look_free(l));
}

TEST(a_plugin_that_sleeps_is_given_up_by_the_clock)
{
    instructd_file_report report;
    plugin_look *l = look_of(sleeps, 600000, 20);
    const int fd = file_with("a");
    EXPECT_EQ(plugin_look_at(l, fd, &report), INSTRUCTD_E_STOPPED);
    close(fd);
    release_and_free(l);
}

TEST(the_end_of_the_daemon_waits_for_no_look)
{
    instructd_file_report report;
    plugin_look *l = look_of(sleeps, 600000, 600000);
    const int fd = file_with("a");
    plugin_look_ask_stop(l);
    EXPECT_EQ(plugin_look_at(l, fd, &report), INSTRUCTD_E_STOPPED);
    close(fd);
    release_and_free(l);
}

TEST(what_cannot_be_read_is_told)
{
    instructd_file_report report;
    plugin_look *l = look_of(answers, 0, 0);
    EXPECT_EQ(plugin_look_at(l, 1000000, &report), INSTRUCTD_E_IO);
    EXPECT(strstr(report.error, "cannot be read"));
    EXPECT(plugin_look_free(l));
}
