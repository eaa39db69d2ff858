#include "rlhf/schema.h"

#include "formats/text_out.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    PRE = 1 << JOB_PRETRAIN,
    SFT = 1 << JOB_SUPERVISED,
    RM = 1 << JOB_REWARD_MODEL,
    PPO = 1 << JOB_PPO,
    ALL = PRE | SFT | RM | PPO,
    EPOCHS = PRE | SFT | RM
};
enum { SCHEMA_BYTES = 64 * 1024, PARAM_BYTES = 64 };

typedef enum number_kind { INTEGER, NUMBER, BOOLEAN, SELECT } number_kind;
enum { OPEN_MIN = 1, OPEN_MAX = 2 }; /* the bound itself is outside */

typedef struct number_row {
    const char *name;
    unsigned methods;
    number_kind kind;
    double preset; /* the default */
    double min, max;
    unsigned open;
    size_t offset; /* in job_numbers */
    const char *text;
} number_row;

#define AT(member) offsetof(job_numbers, member)

/* clang-format off */
static const number_row NUMBERS[] = {
    {"n_epochs", PRE | RM, INTEGER, 1, 1, 1000, 0, AT(n_epochs),
     "passes over the training file"},
    {"n_epochs", SFT, INTEGER, 16, 1, 1000, 0, AT(n_epochs),
     "passes over the training file (rl_init: 2)"},
    {"batch_size", PRE | SFT, INTEGER, 32, 1, 65536, 0, AT(batch_size),
     "sequences of an optimizer step"},
    {"batch_size", RM, INTEGER, 64, 1, 65536, 0, AT(batch_size),
     "prompts of an optimizer step, each with all its ranked outputs"},
    {"learning_rate", PRE, NUMBER, 3e-4, 0, 1, 0, AT(learning_rate),
     "peak of the cosine schedule"},
    {"learning_rate", SFT, NUMBER, 9.65e-6, 0, 1, 0, AT(learning_rate),
     "peak of the cosine schedule (rl_init: 5e-6)"},
    {"learning_rate", RM, NUMBER, 9e-6, 0, 1, 0, AT(learning_rate),
     "peak of the cosine schedule"},
    {"final_lr_ratio", EPOCHS, NUMBER, 0.1, 0, 1, 0, AT(final_lr_ratio),
     "the learning rate at the end, as a share of its peak"},
    {"dropout", SFT, NUMBER, 0.2, 0, 1, OPEN_MAX, AT(dropout),
     "residual dropout; 0 suits models pretrained without"},
    {"dropout", RM, NUMBER, 0, 0, 1, OPEN_MAX, AT(dropout), "residual dropout"},
    {"pretrain_fraction", SFT, NUMBER, 0, 0, 0.9, 0, AT(pretrain_fraction),
     "share of a batch's sequences that is pretraining text; needs `pretrain` (rl_init: 0.1)"},
    {"select_by", SFT, SELECT, 1, 0, 0, 0, AT(select_by_rm_score),
     "which epoch's weights are the result: the best by reward model score (with `reward_model`, "
     "else by loss) or by loss on the validation file; without one, the last"},

    {"episodes", PPO, INTEGER, 256000, 1, 1e9, 0, AT(episodes), "completions drawn in all"},
    {"batch_size", PPO, INTEGER, 512, 1, 65536, 0, AT(batch_size), "episodes of an iteration"},
    {"minibatch_size", PPO, INTEGER, 64, 1, 65536, 0, AT(minibatch_size),
     "episodes of an optimizer step; divides batch_size"},
    {"ppo_epochs", PPO, INTEGER, 1, 1, 100, 0, AT(ppo_epochs), "passes over each batch"},
    {"learning_rate", PPO, NUMBER, 5e-6, 0, 1, 0, AT(learning_rate),
     "of the policy, constant after the warm-up"},
    {"warmup_iterations", PPO, INTEGER, 10, 0, 1e6, 0, AT(warmup_iterations),
     "iterations from a tenth of the policy's learning rate up to it"},
    {"value_learning_rate", PPO, NUMBER, 9e-6, 0, 1, 0, AT(value_learning_rate),
     "of the value network, constant"},
    {"kl_coef", PPO, NUMBER, 0.02, 0, 100, 0, AT(kl_coef),
     "beta: reward subtracted for each nat of divergence from the reference"},
    {"clip_range", PPO, NUMBER, 0.2, 0, 10, OPEN_MIN, AT(clip_range),
     "how far a token's probability ratio may gain from leaving 1"},
    {"value_clip_range", PPO, NUMBER, 0.2, 0, 1e6, OPEN_MIN, AT(value_clip_range),
     "how far a value may gain from leaving the old one"},
    {"gamma", PPO, NUMBER, 1, 0, 1, 0, AT(gamma), "discount of later rewards"},
    {"gae_lambda", PPO, NUMBER, 0.95, 0, 1, 0, AT(gae_lambda),
     "lambda of generalised advantage estimation"},
    {"whiten_advantages", PPO, BOOLEAN, 1, 0, 1, 0, AT(whiten_advantages),
     "mean 0 and variance 1 over the batch's response tokens"},
    {"whiten_rewards", PPO, BOOLEAN, 0, 0, 1, 0, AT(whiten_rewards),
     "scale the batch's per-token rewards to variance 1, keeping their mean"},
    {"missing_eos_penalty", PPO, NUMBER, 0, 0, 1000, 0, AT(missing_eos_penalty),
     "subtracted from the score of a completion that was cut without its end token"},
    {"temperature", PPO, NUMBER, 1, 0, 2, OPEN_MIN, AT(temperature), "of the rollouts"},
    {"ema_decay", PPO, NUMBER, 0.992, 0, 1, OPEN_MAX, AT(ema_decay),
     "of the weights' moving average, which is what gets published"},
    {"ptx_coef", PPO, NUMBER, 27.8, 0, 1e4, 0, AT(ptx_coef),
     "weight of the pretraining loss; 0 without `pretrain`"},
    {"ptx_ratio", PPO, INTEGER, 8, 1, 64, 0, AT(ptx_ratio), "pretraining sequences per episode"},
    {"importance_cap", PPO, NUMBER, 2, 1, 1000, 0, AT(importance_cap),
     "bound of a token's importance weight when sampler or job compute in less than f32, or rollouts "
     "lag"},
    {"max_staleness", PPO, INTEGER, 0, 0, 1, 0, AT(max_staleness),
     "iterations a rollout may lag: with 1 the next ones are drawn while the policy learns"},

    {"adam_beta1", ALL, NUMBER, 0.9, 0, 1, OPEN_MAX, AT(adam_beta1), "decay of the first moment"},
    {"adam_beta2", ALL, NUMBER, 0.95, 0, 1, OPEN_MAX, AT(adam_beta2), "decay of the second moment"},
    {"adam_eps", ALL, NUMBER, 1e-8, 0, 1, OPEN_MIN, AT(adam_eps), "added to the root of the second"},
    {"weight_decay", ALL, NUMBER, 0, 0, 1, 0, AT(weight_decay), "decoupled"},
    {"max_grad_norm", ALL, NUMBER, 1, 0, 1e6, 0, AT(max_grad_norm),
     "longer gradients are scaled down to it, for each network; 0: off"},
    {"max_prompt_tokens", ALL, INTEGER, 1024, 1, 131072, 0, AT(max_prompt_tokens),
     "longer prompts are left out and counted"},
    {"max_response_tokens", ALL, INTEGER, 1024, 1, 131072, 0, AT(max_response_tokens),
     "longer responses are cut and get no end token"},
    {"learning_rate_multiplier", ALL, NUMBER, 1, 0, 1000, OPEN_MIN, AT(learning_rate_multiplier),
     "multiplies every learning rate"},
    {"compute", ALL, SELECT, 0, 0, 0, 0, AT(bf16),
     "matrix products in f32, or of inputs rounded to bf16, which is faster where the CPU has AVX-512 "
     "BF16; weights, gradients, optimizer and losses are f32 either way"},
};

typedef struct name_row {
    const char *name;
    unsigned methods, required;
    const char *only; /* the one value allowed, or NULL */
    size_t offset;    /* in job_names */
    const char *text;
} name_row;

#define NAME(member) offsetof(job_names, member)

static const name_row NAMES[] = {
    {"preset", SFT, 0, "rl_init", NAME(preset),
     "rl_init: the start and reference of PPO, trained shorter and with pretraining text mixed in"},
    {"reward_model", SFT, 0, NULL, NAME(reward_model),
     "for select_by rm_score and the publish gate: a policy with a score head, or http:NAME"},
    {"reward_model", PPO, PPO, NULL, NAME(reward_model),
     "a policy with a score head, or http:NAME, an endpoint of the daemon's configuration"},
    {"reference", PPO, 0, NULL, NAME(reference),
     "the policy that divergence is measured from; default: the job's model"},
    {"prompts", PPO, 0, NULL, NAME(prompts), "file of prompts; default: training_file"},
    {"pretrain", SFT | PPO, 0, NULL, NAME(pretrain), "file of pretraining text"},
    {"center", RM, 0, NULL, NAME(center), "file of demonstrations whose mean score becomes 0"},
};
/* clang-format on */

typedef struct preset_row {
    const char *preset, *name;
    unsigned methods;
    double value;
} preset_row;

static const preset_row PRESETS[] = {
    {"rl_init", "n_epochs", SFT, 2},
    {"rl_init", "learning_rate", SFT, 5e-6},
    {"rl_init", "pretrain_fraction", SFT, 0.1},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* What false and true of a SELECT row stand for. */
static const char *const *choices_of(const number_row *row)
{
    static const char *const compute[] = {"f32", "bf16"};
    static const char *const select_by[] = {"valid_loss", "rm_score"};
    return row->offset == AT(bf16) ? compute : select_by;
}

/* The same in the order they are told: the default first. */
static const char *choice_of(const number_row *row, int i)
{
    return choices_of(row)[(row->preset != 0) ^ i];
}

const char *schema_method_name(job_method method)
{
    static const char *const names[] = {"pretrain", "supervised", "reward_model", "ppo"};
    return names[method];
}

/* ---- the schema as text ---- */

static void put_string(eng__text *out, const char *s)
{
    eng__text_json(out, s, strlen(s));
}

static void put_key(eng__text *out, bool *first, const char *name)
{
    eng__text_put(out, ",", *first ? 0 : 1);
    *first = false;
    put_string(out, name);
    eng__text_put(out, ":", 1);
}

static void put_bound(eng__text *out, const char *inside, const char *outside, bool open, double v)
{
    eng__text_printf(out, ",\"%s\":", open ? outside : inside);
    eng__text_double(out, v);
}

static void put_number(eng__text *out, const number_row *row)
{
    static const char *const types[] = {"integer", "number", "boolean", "string"};
    eng__text_printf(out, "{\"type\":\"%s\",\"default\":", types[row->kind]);
    if (row->kind == BOOLEAN) {
        eng__text_printf(out, "%s", row->preset != 0 ? "true" : "false");
    } else if (row->kind == SELECT) {
        put_string(out, choice_of(row, 0));
        eng__text_printf(out, ",\"enum\":[\"%s\",\"%s\"]", choice_of(row, 0), choice_of(row, 1));
    } else {
        eng__text_double(out, row->preset);
        put_bound(out, "minimum", "exclusiveMinimum", row->open & OPEN_MIN, row->min);
        put_bound(out, "maximum", "exclusiveMaximum", row->open & OPEN_MAX, row->max);
    }
    eng__text_printf(out, ",\"description\":");
    put_string(out, row->text);
    eng__text_put(out, "}", 1);
}

static void put_names(eng__text *out, unsigned method, bool *first)
{
    for (size_t i = 0; i < COUNT(NAMES); i++) {
        const name_row *row = &NAMES[i];
        if (!(row->methods & method))
            continue;
        put_key(out, first, row->name);
        eng__text_printf(out, "{\"type\":\"string\",");
        if (row->only)
            eng__text_printf(out, "\"enum\":[\"%s\"],", row->only);
        eng__text_printf(out, "\"description\":");
        put_string(out, row->text);
        eng__text_put(out, "}", 1);
    }
}

static void put_required(eng__text *out, unsigned method)
{
    bool first = true;
    eng__text_printf(out, ",\"required\":[");
    for (size_t i = 0; i < COUNT(NAMES); i++) {
        if (!(NAMES[i].required & method))
            continue;
        eng__text_printf(out, "%s\"%s\"", first ? "" : ",", NAMES[i].name);
        first = false;
    }
    eng__text_put(out, "]", 1);
}

/* What training_file and validation_file may be: PPO reads the prompts of any row that has one. */
static void put_formats(eng__text *out, job_method method)
{
    static const char *const formats[] = {
        [JOB_PRETRAIN] = "\"pretrain\"",
        [JOB_SUPERVISED] = "\"supervised\"",
        [JOB_REWARD_MODEL] = "\"reward_model\"",
        [JOB_PPO] = "\"ppo\",\"supervised\",\"reward_model\"",
    };
    eng__text_printf(out, ",\"x-training-formats\":[%s]", formats[method]);
}

/* All of PRESETS is one preset of one method, so far. */
static void put_presets(eng__text *out, unsigned method)
{
    bool first = true;
    for (size_t i = 0; i < COUNT(PRESETS); i++) {
        if (!(PRESETS[i].methods & method))
            continue;
        if (first)
            eng__text_printf(out, ",\"presets\":{\"%s\":{", PRESETS[i].preset);
        put_key(out, &first, PRESETS[i].name);
        eng__text_double(out, PRESETS[i].value);
    }
    if (!first)
        eng__text_put(out, "}}", 2);
}

char *schema_json(job_method method)
{
    static const char *const meanings[] = {
        [JOB_PRETRAIN] = "learn to go on with text",
        [JOB_SUPERVISED] = "imitate demonstrations",
        [JOB_REWARD_MODEL] = "score answers as rankings of them do",
        [JOB_PPO] = "make likelier what a reward model scores higher",
    };
    unsigned bit = 1u << method;
    bool first = true;
    eng__text out;
    eng__text_init(&out, SCHEMA_BYTES);
    eng__text_printf(&out, "{\"type\":\"object\",\"description\":\"%s\",", meanings[method]);
    eng__text_printf(&out, "\"additionalProperties\":false,\"properties\":{");
    put_names(&out, bit, &first);
    put_key(&out, &first, "hyperparameters");
    eng__text_printf(&out, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    first = true;
    for (size_t i = 0; i < COUNT(NUMBERS); i++) {
        if (!(NUMBERS[i].methods & bit))
            continue;
        put_key(&out, &first, NUMBERS[i].name);
        put_number(&out, &NUMBERS[i]);
    }
    eng__text_put(&out, "}}}", 3);
    put_required(&out, bit);
    put_presets(&out, bit);
    put_formats(&out, method);
    eng__text_printf(&out, ",\"x-result-scores\":%s}",
                     method == JOB_REWARD_MODEL ? "true" : "false");
    if (out.failed)
        eng__text_free(&out);
    return out.data;
}

/* ---- reading a request ---- */

static eng_status wrong(char *param, const char *name, eng_error *err, const char *expected)
{
    snprintf(param, PARAM_BYTES, "%s", name);
    return eng_fail(err, ENG_INVALID, "%s: expected %s", name, expected);
}

static double default_of(const number_row *row, unsigned method, const char *preset)
{
    for (size_t i = 0; preset && i < COUNT(PRESETS); i++)
        if ((PRESETS[i].methods & method) && strcmp(PRESETS[i].preset, preset) == 0 &&
            strcmp(PRESETS[i].name, row->name) == 0)
            return PRESETS[i].value;
    return row->preset;
}

static bool in_range(const number_row *row, double v)
{
    bool above = row->open & OPEN_MIN ? v > row->min : v >= row->min;
    bool below = row->open & OPEN_MAX ? v < row->max : v <= row->max;
    return above && below && (row->kind != INTEGER || v == floor(v));
}

static eng_status value_of(const number_row *row, const eng_json *node, double *out, char *param,
                           eng_error *err)
{
    char expected[160];
    switch (row->kind) {
    case BOOLEAN:
        if (!eng_json_is(node, ENG_JSON_BOOL))
            return wrong(param, row->name, err, "true or false");
        *out = node->boolean;
        return ENG_OK;
    case SELECT:
        for (int i = 0; i < 2; i++)
            if (eng_json_string(node) && strcmp(eng_json_string(node), choices_of(row)[i]) == 0) {
                *out = i;
                return ENG_OK;
            }
        snprintf(expected, sizeof expected, "\"%s\" or \"%s\"", choice_of(row, 0),
                 choice_of(row, 1));
        return wrong(param, row->name, err, expected);
    case INTEGER:
    case NUMBER:
        if (eng_json_is(node, ENG_JSON_NUMBER) && in_range(row, node->number)) {
            *out = node->number;
            return ENG_OK;
        }
    }
    snprintf(expected, sizeof expected, "%s %s %g and %s %g",
             row->kind == INTEGER ? "a whole number" : "a number",
             row->open & OPEN_MIN ? "above" : "from", row->min,
             row->open & OPEN_MAX ? "below" : "up to", row->max);
    return wrong(param, row->name, err, expected);
}

static void store(job_numbers *numbers, const number_row *row, double v)
{
    char *at = (char *)numbers + row->offset;
    if (row->kind == INTEGER)
        *(uint64_t *)(void *)at = (uint64_t)v;
    else if (row->kind == NUMBER)
        *(double *)(void *)at = v;
    else
        *(bool *)at = v != 0;
}

static eng_status read_numbers(unsigned method, const eng_json *given, const char *preset,
                               job_numbers *numbers, char *param, eng_error *err)
{
    for (size_t i = 0; i < COUNT(NUMBERS); i++) {
        const number_row *row = &NUMBERS[i];
        if (!(row->methods & method))
            continue;
        const eng_json *node = eng_json_get(given, row->name);
        double v = default_of(row, method, preset);
        if (node && node->type != ENG_JSON_NULL) {
            eng_status status = value_of(row, node, &v, param, err);
            if (status != ENG_OK)
                return status;
        }
        store(numbers, row, v);
    }
    numbers->learning_rate *= numbers->learning_rate_multiplier;
    numbers->value_learning_rate *= numbers->learning_rate_multiplier;
    return ENG_OK;
}

static eng_status read_names(unsigned method, const eng_json *object, job_names *names, char *param,
                             eng_error *err)
{
    for (size_t i = 0; i < COUNT(NAMES); i++) {
        const name_row *row = &NAMES[i];
        if (!(row->methods & method))
            continue;
        const eng_json *node = eng_json_get(object, row->name);
        if (node && node->type == ENG_JSON_NULL)
            node = NULL;
        const char *value = eng_json_string(node);
        if (node && (!value || !value[0]))
            return wrong(param, row->name, err, "a string that is not empty");
        if (!node && (row->required & method))
            return wrong(param, row->name, err, "it to be given");
        if (value && row->only && strcmp(value, row->only) != 0)
            return wrong(param, row->name, err, row->only);
        *(const char **)(void *)((char *)names + row->offset) = value;
    }
    return ENG_OK;
}

eng_status schema_read(job_method method, const eng_json *object, job_numbers *numbers,
                       job_names *names, char *param, eng_error *err)
{
    unsigned bit = 1u << method;
    memset(numbers, 0, sizeof *numbers);
    memset(names, 0, sizeof *names);
    param[0] = 0;
    if (!eng_json_is(object, ENG_JSON_OBJECT))
        return wrong(param, schema_method_name(method), err, "an object");
    eng_status status = read_names(bit, object, names, param, err);
    if (status != ENG_OK)
        return status;
    return read_numbers(bit, eng_json_get(object, "hyperparameters"), names->preset, numbers, param,
                        err);
}
