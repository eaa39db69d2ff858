/* The methods' fields: the schema tells every default and range, and reading keeps to them. */
#include "base/json.h"
#include "harness.h"
#include "rlhf/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static eng_arena arena;

static const eng_json *parsed(const char *text)
{
    const eng_json *out;
    eng_error err;
    EXPECT_OK(eng_json_parse(&out, text, strlen(text), &arena, &err), err);
    return out;
}

static void begin(void)
{
    eng_arena_free(&arena);
    eng_arena_init(&arena, 16 << 20);
}

static const eng_json *schema_of(job_method method)
{
    char *text = schema_json(method);
    EXPECT(text != NULL);
    const eng_json *schema = parsed(text);
    free(text);
    return schema;
}

static const eng_json *number_of(const eng_json *schema, const char *name)
{
    const eng_json *properties = eng_json_get(schema, "properties");
    const eng_json *numbers =
        eng_json_get(eng_json_get(properties, "hyperparameters"), "properties");
    const eng_json *number = eng_json_get(numbers, name);
    if (!number)
        FAIL("no hyperparameter %s", name);
    return number;
}

static void expect_default(job_method method, const char *name, double want)
{
    const eng_json *preset = eng_json_get(number_of(schema_of(method), name), "default");
    EXPECT(preset != NULL);
    double got = preset->type == ENG_JSON_BOOL ? preset->boolean : preset->number;
    if (got != want)
        FAIL("%s.%s defaults to %.17g, expected %.17g", schema_method_name(method), name, got,
             want);
}

typedef struct named_value {
    const char *name;
    double value;
} named_value;

static void expect_defaults(job_method method, const named_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect_default(method, values[i].name, values[i].value);
}

#define EXPECT_DEFAULTS(method, values)                                                            \
    expect_defaults(method, values, sizeof(values) / sizeof((values)[0]))

TEST(defaults_are_those_of_the_api_page)
{
    static const named_value all[] = {
        {"adam_beta1", 0.9},           {"adam_beta2", 0.95},           {"adam_eps", 1e-8},
        {"weight_decay", 0},           {"max_grad_norm", 1},           {"max_prompt_tokens", 1024},
        {"max_response_tokens", 1024}, {"learning_rate_multiplier", 1}};
    static const named_value pretrain[] = {
        {"n_epochs", 1}, {"batch_size", 32}, {"learning_rate", 3e-4}, {"final_lr_ratio", 0.1}};
    static const named_value supervised[] = {{"n_epochs", 16},           {"batch_size", 32},
                                             {"learning_rate", 9.65e-6}, {"final_lr_ratio", 0.1},
                                             {"dropout", 0.2},           {"pretrain_fraction", 0}};
    static const named_value reward[] = {{"n_epochs", 1},
                                         {"batch_size", 64},
                                         {"learning_rate", 9e-6},
                                         {"final_lr_ratio", 0.1},
                                         {"dropout", 0}};
    static const named_value ppo[] = {{"episodes", 256000},
                                      {"batch_size", 512},
                                      {"minibatch_size", 64},
                                      {"ppo_epochs", 1},
                                      {"learning_rate", 5e-6},
                                      {"warmup_iterations", 10},
                                      {"kl_coef", 0.02},
                                      {"value_learning_rate", 9e-6},
                                      {"clip_range", 0.2},
                                      {"value_clip_range", 0.2},
                                      {"gamma", 1},
                                      {"gae_lambda", 0.95},
                                      {"whiten_advantages", 1},
                                      {"whiten_rewards", 0},
                                      {"missing_eos_penalty", 0},
                                      {"temperature", 1},
                                      {"ema_decay", 0.992},
                                      {"ptx_coef", 27.8},
                                      {"ptx_ratio", 8},
                                      {"importance_cap", 2},
                                      {"max_staleness", 0}};
    begin();
    for (int m = 0; m < JOB_N_METHODS; m++)
        EXPECT_DEFAULTS((job_method)m, all);
    EXPECT_DEFAULTS(JOB_PRETRAIN, pretrain);
    EXPECT_DEFAULTS(JOB_SUPERVISED, supervised);
    EXPECT_DEFAULTS(JOB_REWARD_MODEL, reward);
    EXPECT_DEFAULTS(JOB_PPO, ppo);
}

TEST(compute_is_f32_unless_bf16_is_asked_for_by_any_method)
{
    begin();
    for (int m = 0; m < JOB_N_METHODS; m++) {
        job_numbers n;
        job_names names;
        char param[64];
        eng_error err;
        const bool ppo = m == JOB_PPO;
        const eng_json *row = number_of(schema_of((job_method)m), "compute");
        EXPECT_STR(eng_json_string(eng_json_get(row, "default")), "f32");
        const eng_json *choices = eng_json_get(row, "enum");
        EXPECT_EQ(choices->n, 2);
        EXPECT_STR(eng_json_string(&choices->items[0]), "f32");
        EXPECT_STR(eng_json_string(&choices->items[1]), "bf16");
        const eng_json *plain = parsed(ppo ? "{\"reward_model\":\"r\"}" : "{}");
        EXPECT_OK(schema_read((job_method)m, plain, &n, &names, param, &err), err);
        EXPECT(!n.bf16);
        const eng_json *asked =
            parsed(ppo ? "{\"reward_model\":\"r\",\"hyperparameters\":{\"compute\":\"bf16\"}}"
                       : "{\"hyperparameters\":{\"compute\":\"bf16\"}}");
        EXPECT_OK(schema_read((job_method)m, asked, &n, &names, param, &err), err);
        EXPECT(n.bf16);
    }
}

TEST(each_hyperparameter_has_type_range_and_description)
{
    begin();
    for (int m = 0; m < JOB_N_METHODS; m++) {
        const eng_json *properties = eng_json_get(schema_of((job_method)m), "properties");
        const eng_json *numbers =
            eng_json_get(eng_json_get(properties, "hyperparameters"), "properties");
        EXPECT(numbers->n >= 12);
        for (uint32_t i = 0; i < numbers->n; i++) {
            const eng_json *number = &numbers->items[i];
            const char *type = eng_json_string(eng_json_get(number, "type"));
            EXPECT(type != NULL);
            EXPECT(eng_json_string(eng_json_get(number, "description"))[0] != 0);
            EXPECT(eng_json_get(number, "default") != NULL);
            if (strcmp(type, "integer") != 0 && strcmp(type, "number") != 0)
                continue;
            const eng_json *min = eng_json_get(number, "minimum"),
                           *max = eng_json_get(number, "maximum");
            EXPECT(min || eng_json_get(number, "exclusiveMinimum"));
            EXPECT(max || eng_json_get(number, "exclusiveMaximum"));
        }
    }
}

TEST(of_all_methods_the_reward_models_say_that_their_result_scores)
{
    begin();
    for (int m = 0; m < JOB_N_METHODS; m++) {
        const eng_json *scores = eng_json_get(schema_of((job_method)m), "x-result-scores");
        EXPECT(scores && scores->type == ENG_JSON_BOOL);
        EXPECT_EQ(scores->boolean, m == JOB_REWARD_MODEL);
    }
}

TEST(the_preset_of_the_rl_init_stands_in_the_schema_and_is_read)
{
    job_numbers n;
    job_names names;
    char param[64];
    eng_error err;
    begin();
    const eng_json *preset =
        eng_json_get(eng_json_get(schema_of(JOB_SUPERVISED), "presets"), "rl_init");
    EXPECT_NEAR(eng_json_get(preset, "n_epochs")->number, 2, 0);
    EXPECT_NEAR(eng_json_get(preset, "learning_rate")->number, 5e-6, 0);
    EXPECT_NEAR(eng_json_get(preset, "pretrain_fraction")->number, 0.1, 0);
    const eng_json *object =
        parsed("{\"preset\":\"rl_init\",\"pretrain\":\"file-p\",\"hyperparameters\":"
               "{\"n_epochs\":3,\"learning_rate_multiplier\":2}}");
    EXPECT_OK(schema_read(JOB_SUPERVISED, object, &n, &names, param, &err), err);
    EXPECT_EQ(n.n_epochs, 3);
    EXPECT_NEAR(n.learning_rate, 1e-5, 1e-20);
    EXPECT_NEAR(n.pretrain_fraction, 0.1, 0);
    EXPECT_NEAR(n.dropout, 0.2, 0);
    EXPECT(n.select_by_rm_score);
    EXPECT_STR(names.pretrain, "file-p");
    EXPECT(names.reward_model == NULL);
}

static void expect_refusal(job_method method, const char *text, const char *param, const char *why)
{
    job_numbers n;
    job_names names;
    char got[64];
    eng_error err;
    begin();
    EXPECT_EQ(schema_read(method, parsed(text), &n, &names, got, &err), ENG_INVALID);
    EXPECT_STR(got, param);
    if (!strstr(err.text, why))
        FAIL("\"%s\", expected \"...%s...\"", err.text, why);
}

TEST(values_out_of_range_are_refused_by_name)
{
    expect_refusal(JOB_PPO, "{}", "reward_model", "to be given");
    expect_refusal(JOB_PPO, "{\"reward_model\":\"\"}", "reward_model", "not empty");
    expect_refusal(JOB_SUPERVISED, "{\"preset\":\"fast\"}", "preset", "rl_init");
    expect_refusal(JOB_SUPERVISED, "{\"hyperparameters\":{\"dropout\":1}}", "dropout",
                   "a number from 0 and below 1");
    expect_refusal(JOB_SUPERVISED, "{\"hyperparameters\":{\"n_epochs\":1.5}}", "n_epochs",
                   "a whole number from 1 and up to 1000");
    expect_refusal(JOB_SUPERVISED, "{\"hyperparameters\":{\"select_by\":\"luck\"}}", "select_by",
                   "rm_score");
    expect_refusal(JOB_PRETRAIN, "{\"hyperparameters\":{\"compute\":\"fp16\"}}", "compute",
                   "compute: expected \"f32\" or \"bf16\"");
    expect_refusal(JOB_PPO, "{\"reward_model\":\"r\",\"hyperparameters\":{\"whiten_rewards\":1}}",
                   "whiten_rewards", "true or false");
    expect_refusal(JOB_PPO, "{\"reward_model\":\"r\",\"hyperparameters\":{\"max_staleness\":2}}",
                   "max_staleness", "from 0 and up to 1");
    expect_refusal(JOB_PPO, "{\"reward_model\":\"r\",\"hyperparameters\":{\"clip_range\":0}}",
                   "clip_range", "above 0");
}
