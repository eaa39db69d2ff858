/* The program eng-gradients from outside: what it prints, writes and refuses. */
#include "formats/new_model.h"
#include "harness.h"
#include "train/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct answer {
    int status;        /* exit status; -1 when it died otherwise */
    char output[4096]; /* stdout and stderr */
} answer;

/* With these arguments, split by a shell. */
static answer run_tool(const char *arguments)
{
    answer a = {.status = -1};
    char command[4096];
    snprintf(command, sizeof command, "exec %s/bin/eng-gradients %s 2>&1 </dev/null",
             TEST_BINARY_DIR, arguments);
    FILE *pipe = popen(command, "r");
    EXPECT(pipe);
    size_t n = fread(a.output, 1, sizeof a.output - 1, pipe);
    a.output[n] = 0;
    int status = pclose(pipe);
    a.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return a;
}

static void expect_refusal(const char *arguments, int status, const char *words)
{
    answer a = run_tool(arguments);
    if (a.status != status || !strstr(a.output, words))
        FAIL("eng-gradients %s: status %d, \"%s\"; expected %d, \"%s\"", arguments, a.status,
             a.output, status, words);
}

static const char *batch_file(const char *json)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/batch.json", test_dir());
    test_write_file(path, json, strlen(json));
    return path;
}

static const char *arguments(const char *model, const char *batch, const char *loss)
{
    static char text[2048];
    snprintf(text, sizeof text, "--model %s --batch %s --loss %s --out %s/out.safetensors", model,
             batch, loss, test_dir());
    return text;
}

static bool out_exists(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/out.safetensors", test_dir());
    return access(path, F_OK) == 0;
}

static const char text_batch[] = "{\"sequences\": [{\"tokens\": [5, 6, 7, 8]}]}";

TEST(the_loss_is_printed_and_stands_in_the_files_metadata)
{
    char path[512], needle[64];
    size_t len;
    answer a =
        run_tool(arguments(test_data("golden/models/micro-llama"), batch_file(text_batch), "lm"));
    EXPECT_EQ(a.status, 0);
    const char *loss = strstr(a.output, "\"loss\":");
    EXPECT(loss && strstr(a.output, "\"tokens\":3,") && strstr(a.output, "\"tensors\":21}"));
    loss += strlen("\"loss\":");
    snprintf(needle, sizeof needle, "\"loss\":\"%.*s\"", (int)strcspn(loss, ","), loss);
    snprintf(path, sizeof path, "%s/out.safetensors", test_dir());
    char *file = test_read_file(path, &len);
    EXPECT(memmem(file, len, needle, strlen(needle)));
    EXPECT(memmem(file, len, "\"model.layers.1.self_attn.q_proj.weight\":{\"dtype\":\"F32\"",
                  strlen("\"model.layers.1.self_attn.q_proj.weight\":{\"dtype\":\"F32\"")));
    free(file);
}

TEST(usage_errors_exit_with_2_and_say_what_is_expected)
{
    expect_refusal("", 2, "--model is missing");
    expect_refusal("--model x --batch y --out z", 2, "--loss is missing");
    expect_refusal("--model x --batch y --out z --loss dpo", 2,
                   "--loss takes lm, reward, value, ppo or ptx, not 'dpo'");
    expect_refusal("--threads 0", 2, "--threads takes a number from 1 to 256, not '0'");
    expect_refusal("--pack many", 2, "--pack takes a number from 1 to");
    expect_refusal("--models x", 2, "usage:");
    expect_refusal("lm", 2, "'lm'");
    expect_refusal("--help", 0, "usage: eng-gradients");
}

TEST(a_model_that_is_not_there_is_named)
{
    expect_refusal(arguments("/nowhere/model", batch_file(text_batch), "lm"), 1, "/nowhere/model");
}

TEST(a_wrong_batch_is_refused_by_file_and_field_and_nothing_is_written)
{
    const char *batch = batch_file("{\"sequences\": [{\"tokens\": [5, 320]}]}");
    expect_refusal(arguments(test_data("golden/models/micro-llama"), batch, "lm"), 1,
                   "batch.json: sequences[0].tokens[1]: expected a token id from 0 to 319");
    EXPECT(!out_exists());
}

TEST(a_place_that_cannot_be_written_is_named)
{
    char text[2048];
    snprintf(text, sizeof text, "--model %s --batch %s --loss lm --out /nowhere/out.safetensors",
             test_data("golden/models/micro-llama"), batch_file(text_batch));
    expect_refusal(text, 1, "/nowhere/out.safetensors: No such file or directory");
}

TEST(a_model_without_a_score_head_needs_one_in_the_batch)
{
    const char *batch =
        batch_file("{\"prompts\": [{\"outputs\": [[1], [2]], \"groups\": [[0], [1]]}]}");
    expect_refusal(arguments(test_data("golden/models/micro-llama"), batch, "reward"), 1,
                   "micro-llama has no score head (score.weight): give one as \"score\"");
}

static void copy_file(const char *from_dir, const char *to_dir, const char *name)
{
    char from[1024], to[1024];
    size_t len;
    snprintf(from, sizeof from, "%s/%s", from_dir, name);
    snprintf(to, sizeof to, "%s/%s", to_dir, name);
    char *data = test_read_file(from, &len);
    test_write_file(to, data, len);
    free(data);
}

/* As transformers' save_pretrained leaves a model; what needs text refuses it. */
TEST(a_directory_needs_no_tokenizer)
{
    eng_net *net;
    eng_error err;
    const char *model = test_data("golden/models/micro-gpt2");
    copy_file(model, test_dir(), "config.json");
    copy_file(model, test_dir(), "model.safetensors");
    answer a = run_tool(arguments(test_dir(), batch_file(text_batch), "lm"));
    if (a.status != 0)
        FAIL("refused: %s", a.output);
    EXPECT_EQ(eng_net_open(&net, test_dir(), ENG_HEAD_LM, &err), ENG_IO);
    EXPECT(strstr(err.text, "tokenizer.json"));
}

TEST(a_model_with_a_score_head_alone_has_no_language_model_loss)
{
    char dir[512], id[64];
    eng_error err;
    const eng_new_model spec = {
        .arch = "llama", .n_layer = 1, .n_embd = 16, .n_head = 2, .n_ctx = 16, .score = true};
    snprintf(dir, sizeof dir, "%s/scorer", test_dir());
    EXPECT_OK(eng_model_new(dir, &spec, id, &err), err);
    expect_refusal(arguments(dir, batch_file(text_batch), "lm"), 1, "score head");
    const char *batch =
        batch_file("{\"prompts\": [{\"outputs\": [[1], [2]], \"groups\": [[0], [1]]}]}");
    EXPECT_EQ(run_tool(arguments(dir, batch, "reward")).status, 0);
    EXPECT(out_exists());
}
