/* The tokenizer's routes. */
#include "api/text.h"

#include "api/fields.h"
#include "api/json_out.h"
#include "api/model_name.h"
#include "api/prompt.h"
#include "api/strict_json.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool written(const buf *out, api_error *err)
{
    return !out->failed || api_no_memory(err);
}

static const eng_tokenizer *tokenizer_of(policy *p)
{
    return eng_model_tokenizer(policy_model(p));
}

/* A body with its policy; both are freed by request_close. */
typedef struct text_request {
    cJSON *root;
    policy *policy;
} text_request;

static bool request_open(text_request *r, policy_registry *registry, const char *body, size_t len,
                         api_error *err)
{
    char label[96];
    *r = (text_request){0};
    r->root = strict_json_parse(body, len, err);
    return r->root && api_resolve_member(registry, r->root, &r->policy, label, err);
}

static void request_close(text_request *r)
{
    cJSON_Delete(r->root);
    policy_unref(r->policy);
}

/* NULL for absent and null. */
static const cJSON *member(const text_request *r, const char *name)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->root, name);
    return cJSON_IsNull(v) ? NULL : v;
}

/* ---- POST /tokenize ---- */

/* Exactly one of the three ways to name a text. */
static bool find_source(const text_request *r, const char **name, const cJSON **source,
                        api_error *err)
{
    static const char *const names[] = {"prompt", "content", "messages"};
    *source = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const cJSON *v = member(r, names[i]);
        if (v && *source)
            return api_invalid(err, "invalid_value", names[i],
                               "give one of prompt, content and messages, not %s and %s", *name,
                               names[i]);
        if (v) {
            *source = v;
            *name = names[i];
        }
    }
    return *source || api_invalid(err, "missing_required_parameter", "prompt",
                                  "give one of prompt, content and messages");
}

static bool tokenize(const text_request *r, gen_prompt *tokens, api_error *err)
{
    const char *name = NULL;
    const cJSON *source;
    if (!find_source(r, &name, &source, err))
        return false;
    bool add_special = strcmp(name, "content") != 0, parse_special = true;
    if (!field_bool(member(r, "add_special_tokens"), "add_special_tokens", &add_special, err) ||
        !field_bool(member(r, "parse_special"), "parse_special", &parse_special, err))
        return false;
    const eng_tokenizer *tok = tokenizer_of(r->policy);
    if (strcmp(name, "messages") == 0)
        return prompt_from_messages(tokens, tok, source, add_special, err);
    if (!cJSON_IsString(source))
        return field_wrong(err, name, "a string", source);
    unsigned flags = (add_special ? (unsigned)ENG_TOK_ADD_SPECIAL : 0) |
                     (parse_special ? (unsigned)ENG_TOK_PARSE_SPECIAL : 0);
    return prompt_from_text(tokens, tok, source->valuestring, strlen(source->valuestring), NULL,
                            flags, err);
}

bool api_tokenize(policy_registry *registry, const char *body, size_t len, buf *out,
                  api_ignored *ignored, api_error *err)
{
    static const char *const known[] = {
        "model", "prompt", "content", "messages", "add_special_tokens", "parse_special"};
    text_request r;
    gen_prompt tokens = {0};
    bool done = request_open(&r, registry, body, len, err) && tokenize(&r, &tokens, err);
    if (done) {
        ignored_add_members(ignored, "", r.root, known, sizeof known / sizeof known[0]);
        JSON_LIT(out, "{\"tokens\":");
        json_ids(out, tokens.tokens, tokens.n_tokens);
        JSON_LIT(out, ",\"count\":");
        json_uint(out, tokens.n_tokens);
        JSON_LIT(out, ",\"max_model_len\":");
        json_uint(out, eng_model_config(policy_model(r.policy))->n_ctx);
        buf_putc(out, '}');
        done = written(out, err);
    }
    free(tokens.tokens);
    request_close(&r);
    return done;
}

/* ---- POST /detokenize ---- */

static bool read_ids(const text_request *r, gen_prompt *ids, api_error *err)
{
    const cJSON *list = member(r, "tokens");
    if (!list)
        return api_invalid(err, "missing_required_parameter", "tokens", "tokens is missing");
    if (!cJSON_IsArray(list))
        return field_wrong(err, "tokens", "a list of token ids", list);
    if (cJSON_GetArraySize(list) > LIMIT_DETOKENIZE_IDS)
        return api_invalid(err, "invalid_value", "tokens", "tokens: expected at most %d ids",
                           LIMIT_DETOKENIZE_IDS);
    return prompt_from_ids(ids, tokenizer_of(r->policy), list, "tokens", err);
}

/* Joins the tokens' bytes first: a character may be spread over several tokens. */
static bool join_tokens(const text_request *r, buf *text, api_error *err)
{
    gen_prompt ids = {0};
    bool read = read_ids(r, &ids, err);
    for (uint32_t i = 0; read && i < ids.n_tokens; i++) {
        size_t n;
        const char *bytes = eng_token_bytes(tokenizer_of(r->policy), ids.tokens[i], &n);
        if (bytes)
            buf_append(text, bytes, n);
    }
    free(ids.tokens);
    if (read && text->failed)
        return api_invalid(err, "invalid_value", "tokens",
                           "tokens: the text is longer than %d bytes", LIMIT_CHAT_TEXT_BYTES);
    return read;
}

bool api_detokenize(policy_registry *registry, const char *body, size_t len, buf *out,
                    api_ignored *ignored, api_error *err)
{
    static const char *const known[] = {"model", "tokens"};
    text_request r;
    buf text;
    buf_init(&text, LIMIT_CHAT_TEXT_BYTES);
    bool done = request_open(&r, registry, body, len, err) && join_tokens(&r, &text, err);
    if (done) {
        ignored_add_members(ignored, "", r.root, known, 2);
        JSON_LIT(out, "{\"prompt\":");
        json_string(out, text.data, text.len);
        JSON_LIT(out, ",\"content\":");
        json_string(out, text.data, text.len);
        buf_putc(out, '}');
        done = written(out, err);
    }
    buf_free(&text);
    request_close(&r);
    return done;
}

/* ---- GET /tokenizer_info ---- */

static void put_special(buf *out, const eng_tokenizer *tok, int32_t id)
{
    size_t len = 0;
    const char *bytes = id >= 0 ? eng_token_bytes(tok, id, &len) : NULL;
    if (bytes)
        json_string(out, bytes, len);
    else
        JSON_LIT(out, "null");
}

bool api_tokenizer_info(policy_registry *registry, const char *name, buf *out, api_error *err)
{
    policy *p;
    char label[96];
    if (!api_resolve(registry, name, &p, label, err))
        return false;
    const eng_tokenizer *tok = tokenizer_of(p);
    const eng_token_roles *roles = eng_token_roles_of(tok);
    JSON_LIT(out, "{\"eos_token\":");
    put_special(out, tok, roles->eos);
    JSON_LIT(out, ",\"bos_token\":");
    put_special(out, tok, roles->bos);
    JSON_LIT(out, ",\"pad_token\":");
    put_special(out, tok, roles->pad);
    JSON_LIT(out, ",\"chat_template\":");
    json_cstring(out, eng_chat_template_source(tok));
    JSON_LIT(out, ",\"vocab_size\":");
    json_uint(out, roles->n_vocab);
    buf_putc(out, '}');
    policy_unref(p);
    return written(out, err);
}
