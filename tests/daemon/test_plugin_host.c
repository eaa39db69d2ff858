/* The loader against plugins with one fault each, and against plugins that are whole. */
#include "api/schema.h"
#include "base/log.h"
#include "harness.h"
#include "host/plugin_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void lent_log(const instructd_host *host, int level, const char *message)
{
    (void)host, (void)level, (void)message;
}

static const instructd_host lent = {.size = sizeof lent,
                                    .abi_major = INSTRUCTD_ABI_MAJOR,
                                    .abi_minor = INSTRUCTD_ABI_MINOR,
                                    .version = "test",
                                    .log = lent_log};

static plugin_host *open_directory(const char *directory)
{
    plugin_host *p;
    error_text err;
    log_set_level(LOG_ERROR);
    if (!plugin_host_open(&p, directory, &lent, &err))
        FAIL("%s", err.text);
    return p;
}

static const char *plugin_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, TEST_BINARY_DIR "/tests/plugins/instructd_%s.so", name);
    return path;
}

/* A copy in a directory of the test's, which the test may then spoil. */
static const char *copy_plugin(const char *name, const char *as)
{
    static char path[512];
    size_t n;
    char *bytes = test_read_file(plugin_path(name), &n);
    snprintf(path, sizeof path, "%s/%s", test_dir(), as);
    test_write_file(path, bytes, n);
    chmod(path, 0755);
    free(bytes);
    return path;
}

static void expect_refused(const char *path, const char *part)
{
    const plugin_method *methods;
    error_text err = {""};
    plugin_host *p = open_directory(NULL);
    if (plugin_host_load(p, path, &err))
        FAIL("%s was loaded", path);
    if (!strstr(err.text, part))
        FAIL("%s: \"%s\" does not say \"%s\"", path, err.text, part);
    EXPECT_EQ(plugin_host_methods(p, &methods), 0);
    plugin_host_free(p);
}

TEST(each_fault_is_refused_with_expected_and_found)
{
    static const struct {
        const char *name, *part;
    } rows[] = {
        {"broken_magic", "magic: expected 0x444e5349, found 0x12345678"},
        {"broken_major", "ABI major version: expected 1, found 2"},
        {"broken_minor", "ABI minor version: expected at most 2, found 3: the plugin is newer"},
        {"broken_short_table", "plugin table: expected at least "},
        {"broken_name", "name: expected [a-z0-9_]{1,32}, found \"../broken\""},
        {"broken_version", "version: expected a text, found none"},
        {"broken_null_method", "method 0: expected a table, found NULL"},
        {"broken_short_method", "method 0: expected at least "},
        {"broken_type", "method 0: type: expected [a-z0-9_]{1,32}, found \"Broken Method\""},
        {"broken_schema", "method \"broken\": schema: steps: \"type\": expected object, number"},
        {"broken_no_schema", "method \"broken\": schema_json: expected a pointer, found NULL"},
        {"broken_no_check", "method \"broken\": check: expected a pointer, found NULL"},
        {"broken_no_run", "method \"broken\": run: expected a pointer, found NULL"},
        {"broken_declines", "the plugin declines: this machine has no abacus"},
        {"broken_twice", "method \"broken\": expected a new type, found the one of plugin"},
        {"broken_no_entry", "expected a symbol instructd_plugin_entry, found none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_refused(plugin_path(rows[i].name), rows[i].part);
}

TEST(a_whole_plugin_is_loaded_with_its_methods)
{
    error_text err = {""};
    plugin_host *p = open_directory(NULL);
    if (!plugin_host_load(p, plugin_path("broken_none"), &err) ||
        !plugin_host_load(p, plugin_path("echo_steps"), &err))
        FAIL("%s", err.text);
    const plugin_method *methods;
    EXPECT_EQ(plugin_host_methods(p, &methods), 2);
    EXPECT_STR(methods[0].method->type, "broken");
    const plugin_method *echo = plugin_host_find(p, "echo_steps");
    EXPECT(echo != NULL);
    EXPECT_STR(echo->plugin, "echo");
    EXPECT(schema_takes_format(echo->schema, "lines"));
    EXPECT(!plugin_host_find(p, "echo"));
    plugin_host_free(p);
}

TEST(a_method_belongs_to_one_plugin_and_a_plugin_is_loaded_once)
{
    error_text err = {""};
    plugin_host *p = open_directory(NULL);
    EXPECT(plugin_host_load(p, plugin_path("echo_steps"), &err));
    EXPECT(!plugin_host_load(p, plugin_path("echo_steps"), &err));
    EXPECT(strstr(err.text, "expected a new plugin, found one that is loaded"));
    EXPECT(!plugin_host_load(p, copy_plugin("echo_steps", "other.so"), &err));
    EXPECT(strstr(err.text, "method \"echo_steps\": expected a new type, found the one of plugin "
                            "\"echo\""));
    const plugin_method *methods;
    EXPECT_EQ(plugin_host_methods(p, &methods), 1);
    plugin_host_free(p);
}

TEST(what_others_can_write_is_refused)
{
    const char *path = copy_plugin("echo_steps", "echo.so");
    chmod(path, 0775);
    expect_refused(path, "mode: expected no write permission for group and others, found 775");
    chmod(path, 0757);
    expect_refused(path, "mode: expected no write permission for group and others, found 757");
    chmod(path, 0755);
    chmod(test_dir(), 0777);
    expect_refused(path, "mode: expected no write permission for group and others, found 777");
    chmod(test_dir(), 0700);

    error_text err = {""};
    plugin_host *p = open_directory(NULL);
    if (!plugin_host_load(p, path, &err))
        FAIL("with the modes right: %s", err.text);
    plugin_host_free(p);
}

TEST(what_another_user_owns_is_refused)
{
    const char *path = copy_plugin("echo_steps", "echo.so");
    if (chown(path, 65534, 65534) != 0)
        SKIP("only root can give a file away");
    expect_refused(path, "owner: expected user 0 or root, found user 65534");
    EXPECT_EQ(chown(path, 0, 0), 0);
    EXPECT_EQ(chown(test_dir(), 65534, 65534), 0);
    expect_refused(path, "owner: expected user 0 or root, found user 65534");
    EXPECT_EQ(chown(test_dir(), 0, 0), 0);
}

TEST(only_regular_files_are_loaded)
{
    char path[512];
    snprintf(path, sizeof path, "%s/link.so", test_dir());
    EXPECT_EQ(symlink(plugin_path("echo_steps"), path), 0);
    expect_refused(path, "expected a regular file, found a link");
    snprintf(path, sizeof path, "%s/pipe.so", test_dir());
    EXPECT_EQ(mkfifo(path, 0600), 0);
    expect_refused(path, "expected a regular file, found file type 010000");
    snprintf(path, sizeof path, "%s/text.so", test_dir());
    test_write_file(path, "not a library", 13);
    chmod(path, 0600);
    expect_refused(path, "text.so");
    snprintf(path, sizeof path, "%s/absent.so", test_dir());
    expect_refused(path, "No such file");
}

/* 16 faulty ones lie beside two that are whole. */
TEST(a_directory_gives_what_is_whole_in_it)
{
    const plugin_method *methods;
    log_set_level(LOG_ERROR);
    plugin_host *p = open_directory(TEST_BINARY_DIR "/tests/plugins");
    EXPECT_EQ(plugin_host_methods(p, &methods), 2);
    EXPECT_STR(methods[0].method->type, "broken");
    EXPECT_STR(methods[1].method->type, "echo_steps");
    plugin_host_free(p);

    p = open_directory(TEST_BINARY_DIR "/lib/plugins/template");
    EXPECT_EQ(plugin_host_methods(p, &methods), 1);
    EXPECT_STR(methods[0].method->type, "template");
    plugin_host_free(p);
}

TEST(without_a_directory_there_are_no_plugins)
{
    const plugin_method *methods;
    plugin_host *p = open_directory("/nonexistent/plugins");
    EXPECT_EQ(plugin_host_methods(p, &methods), 0);
    plugin_host_free(p);

    copy_plugin("echo_steps", "echo.so");
    chmod(test_dir(), 0777);
    p = open_directory(test_dir());
    EXPECT_EQ(plugin_host_methods(p, &methods), 0);
    plugin_host_free(p);
    chmod(test_dir(), 0700);
}

static int file_with(const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/data", test_dir());
    test_write_file(path, text, strlen(text));
    return open(path, O_RDONLY | O_CLOEXEC);
}

TEST(a_plugin_says_what_a_file_is)
{
    error_text err = {""};
    instructd_file_report report;
    plugin_host *p = open_directory(NULL);
    int fd = file_with("step\nstep\nstep\n");
    EXPECT(!plugin_host_file_check(p, fd, &report));
    EXPECT_STR(report.error, "line 1: no plugin knows a format that begins like this");

    EXPECT(plugin_host_load(p, plugin_path("broken_none"), &err)); /* knows no formats */
    EXPECT(plugin_host_load(p, plugin_path("echo_steps"), &err));
    EXPECT(plugin_host_file_check(p, fd, &report));
    EXPECT_STR(report.format, "lines");
    EXPECT_EQ(report.rows, 3);
    close(fd);

    fd = file_with("stop\n");
    EXPECT(!plugin_host_file_check(p, fd, &report));
    EXPECT_STR(report.error, "line 1: expected \"step\"");
    close(fd);
    plugin_host_free(p);
}

TEST(the_template_knows_lines_and_names_a_bad_one)
{
    static const struct {
        const char *text, *error;
        bool known;
        uint64_t bad_line, rows;
    } rows[] = {{"a\nb\n", "", true, 0, 2},
                {"a\n\nb\n", "expected text, found an empty line", true, 2, 2},
                {"a\nb\n{}", "expected text, found JSON", true, 3, 3},
                {"{\"prompt\":\"a\"}\n", "expected text, found JSON", false, 1, 1}};
    instructd_file_report report;
    plugin_host *p = open_directory(TEST_BINARY_DIR "/lib/plugins/template");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = file_with(rows[i].text);
        EXPECT_EQ(plugin_host_file_check(p, fd, &report), rows[i].known);
        EXPECT_STR(report.error, rows[i].error);
        EXPECT_EQ(report.bad_line, rows[i].bad_line);
        EXPECT_EQ(report.rows, rows[i].rows);
        close(fd);
    }
    plugin_host_free(p);
}

TEST(the_default_directory_stands_beside_the_executable)
{
    char path[1024], want[1024];
    snprintf(want, sizeof want, "%s/tests/../lib/plugins", TEST_BINARY_DIR);
    EXPECT(plugin_host_default_directory(path, sizeof path));
    EXPECT_STR(path, want);
    EXPECT(!plugin_host_default_directory(path, 8));
}
