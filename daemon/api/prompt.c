#include "api/prompt.h"

#include "api/fields.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool prompt_from_text(gen_prompt *out, const eng_tokenizer *tok, const char *text, size_t len,
                      const uint8_t *trusted, unsigned flags, api_error *err)
{
    /* A token seldom stands for less than a byte: one pass is enough for nearly every text. */
    size_t cap = len + 2, n = 0;
    for (;;) {
        int32_t *tokens = realloc(out->tokens, cap * sizeof *tokens);
        if (!tokens)
            return api_no_memory(err);
        out->tokens = tokens;
        if (eng_tokenize(tok, text, len, trusted, flags, tokens, cap, &n, NULL) != ENG_OK)
            return api_no_memory(err);
        if (n <= cap)
            break;
        cap = n;
    }
    int32_t *fitting = realloc(out->tokens, (n + 1) * sizeof *fitting);
    if (fitting)
        out->tokens = fitting;
    out->n_tokens = (uint32_t)n;
    return true;
}

bool prompt_from_ids(gen_prompt *out, const eng_tokenizer *tok, const cJSON *list,
                     const char *param, api_error *err)
{
    uint32_t n_vocab = eng_token_roles_of(tok)->n_vocab;
    size_t n = (size_t)cJSON_GetArraySize(list);
    out->tokens = malloc((n + 1) * sizeof *out->tokens);
    if (!out->tokens)
        return api_no_memory(err);
    for (const cJSON *v = list->child; v; v = v->next) {
        char at[64];
        snprintf(at, sizeof at, "%s[%u]", param, out->n_tokens);
        if (!field_token_id(v, n_vocab, at, &out->tokens[out->n_tokens], err))
            return false;
        out->n_tokens++;
    }
    return true;
}

/* ---- the prompts of a completion ---- */

static bool end_of_text(gen_prompt *out, const eng_tokenizer *tok, api_error *err)
{
    const eng_token_roles *roles = eng_token_roles_of(tok);
    int32_t id = roles->end_of_text >= 0 ? roles->end_of_text : roles->bos;
    if (id < 0)
        return api_invalid(err, "missing_required_parameter", "prompt",
                           "this model has no end-of-text token to start from: give a prompt");
    int32_t *tokens = realloc(out->tokens, sizeof *tokens);
    if (!tokens)
        return api_no_memory(err);
    tokens[0] = id;
    out->tokens = tokens;
    out->n_tokens = 1;
    return true;
}

static bool read_text(gen_prompt *out, const gen_request *request, const char *text, unsigned flags,
                      api_error *err)
{
    const eng_tokenizer *tok = eng_model_tokenizer(policy_model(request->policy));
    size_t len = strlen(text);
    if (!prompt_from_text(out, tok, text, len, NULL, flags, err))
        return false;
    if (request->echo) {
        out->text = strdup(text);
        out->text_len = len;
        if (!out->text)
            return api_no_memory(err);
    }
    return out->n_tokens > 0 || end_of_text(out, tok, err);
}

static bool read_ids(gen_prompt *out, const gen_request *request, const cJSON *list,
                     const char *param, api_error *err)
{
    if (!list->child)
        return api_invalid(err, "invalid_value", param, "%s: a list of no token ids", param);
    return prompt_from_ids(out, eng_model_tokenizer(policy_model(request->policy)), list, param,
                           err);
}

static bool allocate(gen_request *request, size_t n, api_error *err)
{
    request->prompts = calloc(n, sizeof *request->prompts);
    if (!request->prompts)
        return api_no_memory(err);
    request->n_prompts = (uint32_t)n;
    return true;
}

/* [string] or [[int]]: what the first is, all must be. */
static bool read_list(gen_request *request, const cJSON *list, unsigned flags, api_error *err)
{
    bool texts = cJSON_IsString(list->child);
    if (!texts && !cJSON_IsArray(list->child))
        return field_wrong(err, "prompt[0]", "a string, a token id or a list of ids", list->child);
    size_t n = (size_t)cJSON_GetArraySize(list), i = 0;
    if (n > LIMIT_PROMPTS)
        return api_invalid(err, "invalid_value", "prompt",
                           "prompt: expected at most %d prompts, found %zu", LIMIT_PROMPTS, n);
    if (!allocate(request, n, err))
        return false;
    for (const cJSON *v = list->child; v; v = v->next, i++) {
        char param[32];
        snprintf(param, sizeof param, "prompt[%zu]", i);
        if (texts ? !cJSON_IsString(v) : !cJSON_IsArray(v))
            return field_wrong(err, param, texts ? "a string like prompt[0]" : "a list of ids", v);
        if (texts ? !read_text(&request->prompts[i], request, v->valuestring, flags, err)
                  : !read_ids(&request->prompts[i], request, v, param, err))
            return false;
    }
    return true;
}

bool prompts_read(gen_request *request, const cJSON *prompt, bool add_special, bool parse_special,
                  api_error *err)
{
    unsigned flags = (add_special ? (unsigned)ENG_TOK_ADD_SPECIAL : 0) |
                     (parse_special ? (unsigned)ENG_TOK_PARSE_SPECIAL : 0);
    if (cJSON_IsArray(prompt) && !prompt->child)
        return api_invalid(err, "invalid_value", "prompt", "prompt: an empty list");
    if (cJSON_IsArray(prompt) && !cJSON_IsNumber(prompt->child))
        return read_list(request, prompt, flags, err);
    if (!allocate(request, 1, err))
        return false;
    if (!prompt)
        return end_of_text(&request->prompts[0], eng_model_tokenizer(policy_model(request->policy)),
                           err);
    if (cJSON_IsString(prompt))
        return read_text(&request->prompts[0], request, prompt->valuestring, flags, err);
    return read_ids(&request->prompts[0], request, prompt, "prompt", err);
}
