/* What the two programs of PPO's tests share: prompts, a reward, hosts, hyperparameters. */
#ifndef TESTS_PLUGINS_PPO_FIXTURE_H
#define TESTS_PLUGINS_PPO_FIXTURE_H

#include "rlhf_fixture.h"

static const char *const PROMPTS = "{\"prompt\":\"once upon\"}\n{\"prompt\":\"the cat\"}\n"
                                   "{\"prompt\":\"why is\"}\n{\"prompt\":\"a\"}\n"
                                   "{\"prompt\":\"hello there\"}\n";
static const char *const TEXT =
    "{\"text\":\"the quick brown fox jumps over the lazy dog and then the quick brown fox sleeps "
    "under the lazy dog until the morning comes and the lazy dog wakes the quick brown fox\"}\n"
    "{\"text\":\"pack my box with five dozen liquor jugs and then pack my box with five dozen more "
    "until there is no room left in the box that was packed with five dozen liquor jugs\"}\n";

/* Reward: how many of the completion's bytes are lower-case letters, over its length. */
static inline double letters(void *ctx, const char *prompt, const char *completion)
{
    double n = 0, all = 0;
    (void)ctx, (void)prompt;
    for (const char *p = completion; *p; p++, all++)
        n += *p >= 'a' && *p <= 'z';
    return all > 0 ? n / all : -1;
}

/* "base", the reward model "judge", prompts and text of which ptx learns; http:letters too. */
static inline mock_host *host_with_prompts_of(const mock_options *options)
{
    mock_host *m = mock_host_create(options);
    mock_host_policy(m, "base", make_model("base", "llama", false, 1));
    mock_host_policy(m, "judge", make_model("judge", "llama", true, 5));
    mock_host_file(m, "file-prompts", PROMPTS);
    mock_host_file(m, "file-text", TEXT);
    mock_host_endpoint(m, letters, NULL);
    return m;
}

static inline mock_host *host_with_prompts(const eng_parallel *parallel)
{
    return host_with_prompts_of(&(mock_options){.dir = test_dir(), .parallel = parallel});
}

/* Learning rates far above the paper's, so that a few steps show. */
#define FAST "\"learning_rate\":0.003,\"value_learning_rate\":0.003,\"warmup_iterations\":0,"
#define LAG "\"max_staleness\":1,"
#define BF16 "\"compute\":\"bf16\","
#define SIZES(episodes, batch, minibatch)                                                          \
    "\"episodes\":" #episodes ",\"batch_size\":" #batch ",\"minibatch_size\":" #minibatch          \
    ",\"max_response_tokens\":6"
#define HTTP(numbers) "{\"reward_model\":\"http:letters\",\"hyperparameters\":{" numbers "}}"

/* Everything that PPO-ptx has, with some numbers more. */
#define WHOLE_OF(more)                                                                             \
    "{\"reward_model\":\"judge\",\"pretrain\":\"file-text\",\"hyperparameters\":{"                 \
    "\"ptx_ratio\":1," more FAST SIZES(32, 8, 4) "}}"
#define WHOLE WHOLE_OF("")

static inline mock_job prompts(const char *method_json)
{
    return (mock_job){.method = "ppo",
                      .model = "base",
                      .training_file = "file-prompts",
                      .method_json = method_json,
                      .seed = 5};
}

/* The test's directory without a job or models. */
static inline void forget(void)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'/job '%s'/base '%s'/judge", test_dir(),
             test_dir(), test_dir());
    if (system(command) != 0)
        FAIL("%s", command);
}

/* The id of what the job publishes last, on a host of its own. */
static inline void run_alone(const mock_job *spec, const eng_parallel *parallel,
                             char id[INSTRUCTD_POLICY_ID_BYTES])
{
    mock_host *m = host_with_prompts(parallel);
    mock_host_must_run(m, spec);
    strcpy(id, mock_host_publish(m, mock_host_publishes(m) - 1)->id);
    EXPECT_EQ(mock_host_samplers(m), 0);
    mock_host_free(m);
    forget();
}

#endif
