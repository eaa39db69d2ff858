#include "harness.h"

#include "base/config.h"

#include <stdlib.h>
#include <string.h>

/* Parses "a b c" as arguments; the words stay alive until the next call. */
static config_action parse(config *c, const char *line, error_text *err)
{
    static char words[512];
    char *argv[64] = {"instructd"}, *rest = NULL;
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        argv[argc++] = w;
    config_defaults(c);
    return config_parse(c, argc, argv, err);
}

static void expect_bad(const char *line, const char *part)
{
    config c;
    error_text err = {""};
    EXPECT_EQ(parse(&c, line, &err), CONFIG_BAD);
    if (!strstr(err.text, part))
        FAIL("%s: \"%s\" does not say \"%s\"", line, err.text, part);
}

static void expect_run(config *c, const char *line)
{
    error_text err = {""};
    if (parse(c, line, &err) != CONFIG_RUN)
        FAIL("%s: %s", line, err.text);
}

TEST(a_model_is_all_that_must_be_said)
{
    config c;
    expect_run(&c, "--model m.gguf");
    EXPECT_STR(c.model, "m.gguf");
    EXPECT_STR(c.host, "127.0.0.1");
    EXPECT_EQ(c.port, 8080);
    EXPECT_STR(c.alias, "instruct");
    EXPECT_EQ(c.kv_bytes, 1ll << 30);
    EXPECT_EQ(c.kv_type, CONFIG_KV_AUTO);
    EXPECT_EQ(c.weights, CONFIG_WEIGHTS_FILE);
    EXPECT_EQ(c.max_running, 64);
    EXPECT_EQ(c.prefill_budget, 256);
    EXPECT_EQ(c.max_queued, 512);
    EXPECT_EQ(c.train_share, 10);
    EXPECT(c.anonymous && !c.insecure && !c.kernels && !c.key_file && !c.unix_path);
    EXPECT(!c.plugin_dir && !c.train_threads && !c.n_rewards);
}

TEST(every_option_is_read_with_a_space_or_an_equals_sign)
{
    config c;
    expect_run(&c, "--model m --host ::1 --port=0 --unix s --data-dir /d --alias a-1 --threads 3 "
                   "--kv-memory 512MiB --kv-type f32 --weights=q8_0 --max-running 8 "
                   "--prefill-budget 64 --max-queued 4 --key-file k --no-anonymous "
                   "--allow-host a.example --allow-host b.example --cors-origin=https://o "
                   "--kernels avx2 --log-level debug --idle-ms 900000 "
                   "--plugin-dir /p --train-threads 5 --train-share 25 --reward a=http://a "
                   "--reward=b=http://b");
    EXPECT_STR(c.host, "::1");
    EXPECT_EQ(c.port, 0);
    EXPECT_STR(c.unix_path, "s");
    EXPECT_STR(c.data_dir, "/d");
    EXPECT_STR(c.alias, "a-1");
    EXPECT_EQ(c.threads, 3);
    EXPECT_EQ(c.kv_bytes, 512 << 20);
    EXPECT_EQ(c.kv_type, CONFIG_KV_F32);
    EXPECT_EQ(c.weights, CONFIG_WEIGHTS_Q8_0);
    EXPECT_EQ(c.max_running, 8);
    EXPECT_EQ(c.prefill_budget, 64);
    EXPECT_EQ(c.max_queued, 4);
    EXPECT_STR(c.key_file, "k");
    EXPECT(!c.anonymous);
    EXPECT_EQ(c.n_hosts, 2);
    EXPECT_STR(c.hosts[1], "b.example");
    EXPECT_EQ(c.n_cors_origins, 1);
    EXPECT_STR(c.cors_origins[0], "https://o");
    EXPECT_STR(c.kernels, "avx2");
    EXPECT_EQ(c.level, LOG_DEBUG);
    EXPECT_EQ(c.idle_ms, 900000);
    EXPECT_STR(c.plugin_dir, "/p");
    EXPECT_EQ(c.train_threads, 5);
    EXPECT_EQ(c.train_share, 25);
    EXPECT_EQ(c.n_rewards, 2);
    EXPECT_STR(c.rewards[1], "b=http://b");
}

TEST(what_is_wrong_is_named)
{
    expect_bad("", "--model is missing");
    expect_bad("--model m --frobnicate 1", "unknown option --frobnicate");
    expect_bad("--model m extra", "unknown option extra");
    expect_bad("--model", "--model needs a value");
    expect_bad("--model m --port 65536", "--port 65536");
    expect_bad("--model m --port -1", "--port -1");
    expect_bad("--model m --port 80x", "--port 80x");
    expect_bad("--model m --max-running 0", "--max-running 0: expected a number from 1");
    expect_bad("--model m --threads 99999999999999999999", "--threads");
    expect_bad("--model m --kv-memory 1GB", "--kv-memory 1GB");
    expect_bad("--model m --kv-memory 99999999TiB", "--kv-memory");
    expect_bad("--model m --kv-memory 1000000GiB", "--kv-memory: expected at most this machine's");
    expect_bad("--model m --kv-type f8", "--kv-type f8");
    expect_bad("--model m --weights q4", "--weights q4");
    expect_bad("--model m --alias Upper", "--alias Upper");
    expect_bad("--model m --alias -x", "--alias -x");
    expect_bad("--model m --log-level loud", "--log-level loud");
    expect_bad("--model m --insecure=yes", "--insecure takes no value");
    expect_bad("--model m --allow-host http://box.example", "--allow-host http://box.example");
    expect_bad("--model m --cors-origin app.example", "--cors-origin app.example");
    expect_bad("--model m --cors-origin https://app.example/", "nothing behind it");
}

TEST(binds_beyond_loopback_need_a_word)
{
    config c;
    expect_bad("--model m --host 0.0.0.0", "--insecure");
    expect_bad("--model m --host 192.168.1.4", "--insecure");
    expect_bad("--model m --host ::", "--insecure");
    expect_bad("--model m --host 127.evil.example", "--insecure");
    expect_run(&c, "--model m --host 0.0.0.0 --insecure");
    expect_run(&c, "--model m --host 127.0.0.2");
    expect_run(&c, "--model m --host localhost");
}

TEST(help_and_version_win)
{
    config c;
    error_text err;
    EXPECT_EQ(parse(&c, "--help", &err), CONFIG_HELP);
    EXPECT_EQ(parse(&c, "--model m --version", &err), CONFIG_VERSION);
}

TEST(sizes_are_read_exactly)
{
    uint64_t v;
    EXPECT(config_parse_bytes("4096", &v) && v == 4096);
    EXPECT(config_parse_bytes("3KiB", &v) && v == 3072);
    EXPECT(config_parse_bytes("2GiB", &v) && v == 2ull << 30);
    EXPECT(!config_parse_bytes("", &v));
    EXPECT(!config_parse_bytes("1.5GiB", &v));
    EXPECT(!config_parse_bytes("GiB", &v));
    EXPECT(!config_parse_bytes("-1", &v));
    EXPECT(!config_parse_bytes("18446744073709551616", &v));
}

TEST(the_data_directory_follows_xdg)
{
    config c;
    setenv("XDG_DATA_HOME", "/x/data", 1);
    config_defaults(&c);
    EXPECT_STR(c.data_dir, "/x/data/instructd");
    setenv("XDG_DATA_HOME", "", 1);
    setenv("HOME", "/home/u", 1);
    config_defaults(&c);
    EXPECT_STR(c.data_dir, "/home/u/.local/share/instructd");
}
