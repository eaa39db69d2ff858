#include "human/row_reader.h"

#include "api/json_out.h"

#include <stdio.h>
#include <string.h>

/* ---- refusals ---- */

static const char *describe(const eng_json *node, char text[64])
{
    static const char *const kinds[] = {"null",     "true or false", "a number",
                                        "a string", "a list",        "an object"};
    if (!node)
        return "nothing";
    if (node->type == ENG_JSON_STRING && node->n <= 40)
        snprintf(text, 64, "\"%s\"", node->string);
    else if (node->type == ENG_JSON_NUMBER)
        snprintf(text, 64, "%g", node->number);
    else
        snprintf(text, 64, "%s", kinds[node->type]);
    return text;
}

bool row_wrong(const row_reader *r, const char *where, const char *expected, const eng_json *found)
{
    char text[64];
    return error_text_set(r->err, "line %llu: %s: expected %s, found %s",
                          (unsigned long long)r->line, where, expected, describe(found, text));
}

bool row_no_memory(const row_reader *r)
{
    return error_text_set(r->err, "line %llu: more text than a data set may hold",
                          (unsigned long long)r->line);
}

/* ---- strings ---- */

bool row_string(const row_reader *r, const char *where, const eng_json *node, const char **out)
{
    *out = eng_json_string(node);
    return *out || row_wrong(r, where, "a string", node);
}

bool row_optional_string(const row_reader *r, const char *where, const eng_json *node,
                         const char **out)
{
    *out = NULL;
    return !node || node->type == ENG_JSON_NULL || row_string(r, where, node, out);
}

/* ---- messages ---- */

static const char *role_of(const eng_json *role)
{
    static const char *const roles[][2] = {{"system", "system"},
                                           {"developer", "system"},
                                           {"user", "user"},
                                           {"assistant", "assistant"}};
    const char *given = eng_json_string(role);
    for (size_t i = 0; given && i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(given, roles[i][0]) == 0)
            return roles[i][1];
    return NULL;
}

static const eng_json *part_text(const eng_json *part)
{
    const char *type = eng_json_string(eng_json_get(part, "type"));
    const eng_json *text = eng_json_get(part, "text");
    return type && strcmp(type, "text") == 0 && eng_json_is(text, ENG_JSON_STRING) ? text : NULL;
}

static bool join_parts(const row_reader *r, const char *where, const eng_json *parts,
                       const char **out)
{
    size_t total = 1;
    for (uint32_t i = 0; i < parts->n; i++) {
        const eng_json *text = part_text(&parts->items[i]);
        if (!text)
            return row_wrong(r, where, "parts like {\"type\":\"text\",\"text\":...} alone",
                             &parts->items[i]);
        total += text->n;
    }
    char *at = eng_arena_alloc(r->arena, total);
    *out = at;
    for (uint32_t i = 0; at && i < parts->n; i++) {
        const eng_json *text = part_text(&parts->items[i]);
        memcpy(at, text->string, text->n);
        at += text->n;
    }
    return at || row_no_memory(r);
}

bool row_message(const row_reader *r, const char *where, const eng_json *node, record_message *out)
{
    char at[96];
    const eng_json *role = eng_json_get(node, "role"), *content = eng_json_get(node, "content");
    out->role = role_of(role);
    snprintf(at, sizeof at, "%.60s.role", where);
    if (!out->role)
        return row_wrong(r, at, "system, developer, user or assistant", role);
    snprintf(at, sizeof at, "%.60s.content", where);
    if (eng_json_is(content, ENG_JSON_ARRAY) && content->n)
        return join_parts(r, at, content, &out->content);
    return row_string(r, at, content, &out->content);
}

static bool read_messages(const row_reader *r, const char *where, const eng_json *list,
                          record_prompt *out)
{
    char at[96];
    if (list->n < 1 || list->n > RECORD_MAX_MESSAGES)
        return row_wrong(r, where, "a list of 1 to 1024 messages", list);
    record_message *messages = eng_arena_array(r->arena, list->n, sizeof *messages);
    if (!messages)
        return row_no_memory(r);
    for (uint32_t i = 0; i < list->n; i++) {
        snprintf(at, sizeof at, "%.40s[%u]", where, i);
        if (!row_message(r, at, &list->items[i], &messages[i]))
            return false;
    }
    *out = (record_prompt){.messages = messages, .n_messages = list->n};
    return true;
}

bool row_prompt(const row_reader *r, const char *where, const eng_json *node, record_prompt *out)
{
    *out = (record_prompt){0};
    if (eng_json_is(node, ENG_JSON_STRING)) {
        out->text = node->string;
        return true;
    }
    if (!eng_json_is(node, ENG_JSON_ARRAY))
        return row_wrong(r, where, "a string or a list of messages", node);
    return read_messages(r, where, node, out) &&
           (strcmp(out->messages[out->n_messages - 1].role, "user") == 0 ||
            row_wrong(r, where, "a last message of the user's", node));
}

bool row_answer(const row_reader *r, const char *where, const eng_json *node, const char **out)
{
    record_prompt answer;
    if (!eng_json_is(node, ENG_JSON_ARRAY))
        return row_string(r, where, node, out);
    if (!read_messages(r, where, node, &answer))
        return false;
    *out = answer.messages[0].content;
    return (answer.n_messages == 1 && strcmp(answer.messages[0].role, "assistant") == 0) ||
           row_wrong(r, where, "one message of the assistant's", node);
}

/* ---- the rest ---- */

bool row_outputs(const row_reader *r, record *out, uint32_t n)
{
    out->outputs = eng_arena_array(r->arena, n, sizeof *out->outputs);
    out->n_outputs = n;
    return out->outputs || row_no_memory(r);
}

/* Recursion is as deep as the reader of JSON allows. */
static void put_json(buf *out, const eng_json *node)
{
    switch (node->type) {
    case ENG_JSON_NULL:
        JSON_LIT(out, "null");
        return;
    case ENG_JSON_BOOL:
        json_bool(out, node->boolean);
        return;
    case ENG_JSON_NUMBER:
        json_double(out, node->number);
        return;
    case ENG_JSON_STRING:
        json_string(out, node->string, node->n);
        return;
    case ENG_JSON_ARRAY:
    case ENG_JSON_OBJECT:
        break;
    }
    const bool object = node->type == ENG_JSON_OBJECT;
    buf_putc(out, object ? '{' : '[');
    for (uint32_t i = 0; i < node->n; i++) {
        if (i)
            buf_putc(out, ',');
        if (object) {
            json_string(out, node->items[i].key, node->items[i].key_len);
            buf_putc(out, ':');
        }
        put_json(out, &node->items[i]);
    }
    buf_putc(out, object ? '}' : ']');
}

bool row_json(const row_reader *r, const eng_json *node, const char **out)
{
    buf text;
    *out = NULL;
    if (!node || node->type == ENG_JSON_NULL)
        return true;
    buf_init(&text, ROW_JSON_MAX_BYTES);
    put_json(&text, node);
    if (!text.failed)
        *out = eng_arena_strndup(r->arena, text.data, text.len);
    buf_free(&text);
    return *out || row_no_memory(r);
}
