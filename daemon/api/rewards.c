#include "api/rewards.h"

#include "api/fields.h"
#include "api/model_name.h"
#include "api/prompt.h"
#include "api/strict_json.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const eng_model *model_of(const gen_request *r)
{
    return policy_model(r->policy);
}

static bool read_string(const cJSON *input, const char *name, const char **out, api_error *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(input, name);
    if (!value || cJSON_IsNull(value))
        return api_invalid(err, "missing_required_parameter", name, "%s is missing", name);
    if (!cJSON_IsString(value))
        return field_wrong(err, name, "a string", value);
    *out = value->valuestring;
    return true;
}

static bool from_texts(gen_prompt *to, const eng_tokenizer *tok, const cJSON *input, api_error *err)
{
    const char *prompt, *completion;
    eng_example example;
    eng_error why = {{0}};
    if (!read_string(input, "prompt", &prompt, err) ||
        !read_string(input, "completion", &completion, err))
        return false;
    eng_status st = eng_compose_text(tok, prompt, strlen(prompt), completion, strlen(completion),
                                     &example, &why);
    if (st == ENG_NOMEM)
        return api_no_memory(err);
    if (st != ENG_OK)
        return api_invalid(err, "invalid_value", "prompt", "%s", why.text);
    to->tokens = example.tokens;
    to->n_tokens = example.n_tokens;
    return true;
}

static bool from_input(gen_prompt *to, const gen_request *r, const cJSON *input, api_error *err)
{
    const eng_tokenizer *tok = eng_model_tokenizer(model_of(r));
    const uint32_t n_ctx = eng_model_config(model_of(r))->n_ctx;
    if (!cJSON_IsObject(input))
        return field_wrong(err, "", "an object with prompt and completion, or messages", input);
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(input, "messages");
    if (!(messages ? prompt_from_answered(to, tok, messages, err)
                   : from_texts(to, tok, input, err)))
        return false;
    return to->n_tokens <= n_ctx ||
           api_invalid(err, "context_length_exceeded", messages ? "messages" : "prompt",
                       "the model's context is %u tokens, and this has %u", n_ctx, to->n_tokens);
}

/* Says of which input an error speaks. */
static bool blame(api_error *err, size_t i)
{
    char param[sizeof err->param], message[sizeof err->message];
    memcpy(param, err->param, sizeof param);
    memcpy(message, err->message, sizeof message);
    snprintf(err->param, sizeof err->param, "input[%zu]%s%.40s", i, param[0] ? "." : "", param);
    snprintf(err->message, sizeof err->message, "input[%zu]: %.480s", i,
             message[0] == ':' ? message + 2 : message);
    return false;
}

static bool read_inputs(gen_request *r, const cJSON *list, api_error *err)
{
    if (!list || cJSON_IsNull(list))
        return api_invalid(err, "missing_required_parameter", "input", "input is missing");
    const int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (n < 1 || n > LIMIT_REWARD_INPUTS)
        return api_invalid(err, "invalid_value", "input",
                           "input: expected a list of 1 to %d texts, found %d", LIMIT_REWARD_INPUTS,
                           n);
    r->prompts = calloc((size_t)n, sizeof *r->prompts);
    if (!r->prompts)
        return api_no_memory(err);
    r->n_prompts = (uint32_t)n;
    size_t i = 0;
    for (const cJSON *v = list->child; v; v = v->next, i++)
        if (!from_input(&r->prompts[i], r, v, err))
            return blame(err, i);
    return true;
}

static bool parse_tree(gen_request *r, const cJSON *root, const api_context *context,
                       api_error *err)
{
    r->format.family = GEN_REWARDS;
    r->tenant = context->tenant;
    r->class = context->default_class;
    r->n = r->best_of = 1;
    r->n_logprobs = -1;
    r->score = true;
    if (!api_resolve_member(context->registry, root, &r->policy, r->format.model, err))
        return false;
    if (!eng_model_has_score(model_of(r)))
        return api_invalid(err, "invalid_value", "model",
                           "%s has no score head: it is no reward model", r->format.model);
    return read_inputs(r, cJSON_GetObjectItemCaseSensitive(root, "input"), err);
}

bool api_rewards_parse(const char *body, size_t len, const api_context *context, gen_request **out,
                       api_ignored *ignored, api_error *err)
{
    static const char *const known[] = {"model", "input"};
    *out = NULL;
    cJSON *root = strict_json_parse(body, len, err);
    if (!root)
        return false;
    ignored_add_members(ignored, "", root, known, 2);
    gen_request *r = gen_request_create();
    bool parsed = r ? parse_tree(r, root, context, err) : api_no_memory(err);
    cJSON_Delete(root);
    if (parsed)
        *out = r;
    else
        gen_request_unref(r);
    return parsed;
}
