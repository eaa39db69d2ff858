/* Conversations: OpenAI's messages -> the model's chat template -> token ids. */
#include "api/prompt.h"

#include "api/fields.h"
#include "api/json_out.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct conversation {
    eng_chat_message *messages;
    char **joined; /* content that was given in parts; else NULL */
    size_t n;
} conversation;

static void conversation_free(conversation *c)
{
    for (size_t i = 0; i < c->n && c->joined; i++)
        free(c->joined[i]);
    free(c->joined);
    free(c->messages);
}

/* ---- content ---- */

static bool read_part(const cJSON *part, const char *param, const char **text, api_error *err)
{
    char at[112];
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(part, "type");
    snprintf(at, sizeof at, "%s.type", param);
    if (!cJSON_IsObject(part))
        return field_wrong(err, param, "an object with type and text", part);
    if (!cJSON_IsString(type))
        return type ? field_wrong(err, at, "\"text\"", type)
                    : api_invalid(err, "missing_required_parameter", at, "%s is missing", at);
    if (strcmp(type->valuestring, "text") != 0) {
        char found[64];
        field_describe(type, found);
        return api_invalid(err, "unsupported_parameter", at,
                           "%s: only \"text\" is supported, found %s", at, found);
    }
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(part, "text");
    snprintf(at, sizeof at, "%s.text", param);
    if (!cJSON_IsString(value))
        return value ? field_wrong(err, at, "a string", value)
                     : api_invalid(err, "missing_required_parameter", at, "%s is missing", at);
    *text = value->valuestring;
    return true;
}

static bool join_parts(const cJSON *parts, const char *param, char **joined, size_t *len,
                       api_error *err)
{
    const char *text = "";
    size_t i = 0, total = 0;
    for (const cJSON *v = parts->child; v; v = v->next, i++) {
        char at[96];
        snprintf(at, sizeof at, "%s[%zu]", param, i);
        if (!read_part(v, at, &text, err))
            return false;
        total += strlen(text);
    }
    if (i == 0)
        return api_invalid(err, "invalid_value", param, "%s: an empty list", param);
    char *end = *joined = malloc(total + 1);
    if (!end)
        return api_no_memory(err);
    for (const cJSON *v = parts->child; v; v = v->next) {
        text = cJSON_GetObjectItemCaseSensitive(v, "text")->valuestring;
        end = stpcpy(end, text);
    }
    *len = total;
    return true;
}

/* ---- messages ---- */

static const char *read_role(const cJSON *role)
{
    static const char *const roles[][2] = {{"system", "system"},
                                           {"developer", "system"},
                                           {"user", "user"},
                                           {"assistant", "assistant"}};
    for (size_t i = 0; cJSON_IsString(role) && i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(role->valuestring, roles[i][0]) == 0)
            return roles[i][1];
    return NULL;
}

/* What a message may hold beside role and content, and this server cannot answer to. */
static bool refuse_calls(const cJSON *message, size_t i, api_error *err)
{
    static const char *const names[] = {"tool_calls", "function_call", "audio"};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(message, names[k]);
        if (!v || cJSON_IsNull(v) || (cJSON_IsArray(v) && !v->child))
            continue;
        char param[64];
        snprintf(param, sizeof param, "messages[%zu].%s", i, names[k]);
        return api_invalid(err, "unsupported_parameter", param, "%s is not supported", param);
    }
    return true;
}

static bool read_message(const cJSON *message, conversation *c, size_t i, api_error *err)
{
    char param[64];
    snprintf(param, sizeof param, "messages[%zu]", i);
    if (!cJSON_IsObject(message))
        return field_wrong(err, param, "an object with role and content", message);
    const cJSON *role = cJSON_GetObjectItemCaseSensitive(message, "role");
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content");
    snprintf(param, sizeof param, "messages[%zu].role", i);
    if (!role)
        return api_invalid(err, "missing_required_parameter", param, "%s is missing", param);
    c->messages[i].role = read_role(role);
    if (!c->messages[i].role)
        return field_wrong(err, param, "system, developer, user or assistant", role);
    if (!refuse_calls(message, i, err))
        return false;
    snprintf(param, sizeof param, "messages[%zu].content", i);
    if (!content || cJSON_IsNull(content))
        return api_invalid(err, "missing_required_parameter", param, "%s is missing", param);
    if (cJSON_IsArray(content)) {
        if (!join_parts(content, param, &c->joined[i], &c->messages[i].content_len, err))
            return false;
        c->messages[i].content = c->joined[i];
        return true;
    }
    if (!cJSON_IsString(content))
        return field_wrong(err, param, "a string or a list of text parts", content);
    c->messages[i].content = content->valuestring;
    c->messages[i].content_len = strlen(content->valuestring);
    return true;
}

static bool conversation_read(conversation *c, const cJSON *messages, api_error *err)
{
    if (!cJSON_IsArray(messages))
        return field_wrong(err, "messages", "a list of messages", messages);
    size_t n = (size_t)cJSON_GetArraySize(messages), i = 0;
    if (n < 1 || n > LIMIT_MESSAGES)
        return api_invalid(err, "invalid_value", "messages",
                           "messages: expected 1 to %d messages, found %zu", LIMIT_MESSAGES, n);
    c->messages = calloc(n, sizeof *c->messages);
    c->joined = calloc(n, sizeof *c->joined);
    c->n = n;
    if (!c->messages || !c->joined)
        return api_no_memory(err);
    for (const cJSON *v = messages->child; v; v = v->next, i++)
        if (!read_message(v, c, i, err))
            return false;
    return true;
}

bool messages_write(buf *out, const cJSON *messages, api_error *err)
{
    conversation c = {0};
    const bool ok = conversation_read(&c, messages, err);
    buf_putc(out, '[');
    for (size_t i = 0; ok && i < c.n; i++) {
        JSON_LIT(out, "{\"role\":");
        json_cstring(out, c.messages[i].role);
        JSON_LIT(out, ",\"content\":");
        json_string(out, c.messages[i].content, c.messages[i].content_len);
        buf_puts(out, i + 1 < c.n ? "}," : "}");
    }
    buf_putc(out, ']');
    conversation_free(&c);
    return ok && (!out->failed || api_no_memory(err));
}

/* ---- template and tokens ---- */

static bool refuse_render(eng_status status, const eng_error *why, api_error *err)
{
    if (status == ENG_UNSUPPORTED)
        return api_invalid(err, "unsupported_parameter", "messages",
                           "this model has no usable chat template: %s", why->text);
    if (status == ENG_INVALID)
        return api_invalid(err, "invalid_value", "messages",
                           "the model's chat template refuses these messages: %s", why->text);
    if (status == ENG_FULL)
        return api_invalid(err, "context_length_exceeded", "messages",
                           "messages: the conversation is longer than %d bytes",
                           LIMIT_CHAT_TEXT_BYTES);
    return api_no_memory(err);
}

static bool prepend_bos(gen_prompt *out, const eng_tokenizer *tok, api_error *err)
{
    const eng_token_roles *roles = eng_token_roles_of(tok);
    if (!roles->add_bos || roles->bos < 0 || (out->n_tokens && out->tokens[0] == roles->bos))
        return true;
    int32_t *tokens = realloc(out->tokens, ((size_t)out->n_tokens + 1) * sizeof *tokens);
    if (!tokens)
        return api_no_memory(err);
    memmove(tokens + 1, tokens, out->n_tokens * sizeof *tokens);
    tokens[0] = roles->bos;
    out->tokens = tokens;
    out->n_tokens++;
    return true;
}

bool prompt_from_messages(gen_prompt *out, const eng_tokenizer *tok, const cJSON *messages,
                          bool add_bos, api_error *err)
{
    conversation c = {0};
    bool done = false;
    if (!conversation_read(&c, messages, err))
        goto out_free_conversation;
    eng_chat_text text = {0};
    eng_error why = {{0}};
    eng_status status =
        eng_chat_render(tok, c.messages, c.n, true, LIMIT_CHAT_TEXT_BYTES, &text, &why);
    if (status != ENG_OK) {
        refuse_render(status, &why, err);
        goto out_free_conversation;
    }
    done = prompt_from_text(out, tok, text.text, text.len, text.trusted, 0, err) &&
           (!add_bos || prepend_bos(out, tok, err));
    eng_chat_text_free(&text);
out_free_conversation:
    conversation_free(&c);
    return done;
}

bool prompt_from_answered(gen_prompt *out, const eng_tokenizer *tok, const cJSON *messages,
                          api_error *err)
{
    conversation c = {0};
    eng_example example;
    eng_error why = {{0}};
    eng_status status;
    bool done = false;
    if (!conversation_read(&c, messages, err))
        goto out_free_conversation;
    if (strcmp(c.messages[c.n - 1].role, "assistant") != 0) {
        api_invalid(err, "invalid_value", "messages",
                    "messages: the last one must be the assistant's, which is what is scored");
        goto out_free_conversation;
    }
    status = eng_compose_chat(tok, c.messages, c.n, &example, &why);
    if (status != ENG_OK) {
        refuse_render(status, &why, err);
        goto out_free_conversation;
    }
    out->tokens = example.tokens;
    out->n_tokens = example.n_tokens;
    done = true;
out_free_conversation:
    conversation_free(&c);
    return done;
}
