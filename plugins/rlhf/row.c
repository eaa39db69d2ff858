#include "rlhf/row.h"

#include <stdio.h>
#include <string.h>

typedef struct row_context {
    eng_arena *arena;
    eng_error *err;
} row_context;

enum { WHERE_BYTES = 96 };

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

static bool wrong(const row_context *c, const char *where, const char *expected,
                  const eng_json *found)
{
    char text[64];
    code_fail(c->err, INSTRUCTD_E_INVALID, "%s: expected %s, found %s", where, expected,
              describe(found, text));
    return false;
}

static bool no_memory(const row_context *c)
{
    code_fail(c->err, INSTRUCTD_E_NOMEM, "a row too large to hold");
    return false;
}

static bool no_prompt(const row_context *c)
{
    code_fail(c->err, INSTRUCTD_E_INVALID,
              "expected messages or prompt, found neither messages nor prompt");
    return false;
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

static bool join_parts(const row_context *c, const char *where, const eng_json *parts,
                       data_message *out)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < parts->n; i++) {
        const eng_json *text = part_text(&parts->items[i]);
        if (!text)
            return wrong(c, where, "parts like {\"type\":\"text\",\"text\":...} alone",
                         &parts->items[i]);
        total += text->n;
    }
    char *joined = eng_arena_alloc(c->arena, total + 1);
    if (!joined || total > UINT32_MAX)
        return no_memory(c);
    out->content = joined;
    out->content_len = (uint32_t)total;
    for (uint32_t i = 0; i < parts->n; i++) {
        const eng_json *text = part_text(&parts->items[i]);
        memcpy(joined, text->string, text->n);
        joined += text->n;
    }
    return true;
}

static bool read_content(const row_context *c, const char *where, const eng_json *content,
                         data_message *out)
{
    if (eng_json_is(content, ENG_JSON_ARRAY) && content->n > 0)
        return join_parts(c, where, content, out);
    if (!eng_json_is(content, ENG_JSON_STRING))
        return wrong(c, where, "a string or a list of text parts", content);
    out->content = content->string;
    out->content_len = content->n;
    return true;
}

static bool read_weight(const row_context *c, const char *where, const eng_json *weight,
                        data_message *out)
{
    bool assistant = strcmp(out->role, "assistant") == 0;
    out->learn = assistant;
    if (!weight || weight->type == ENG_JSON_NULL)
        return true;
    if (!assistant)
        return wrong(c, where, "no weight on another's message than the assistant's", weight);
    if (weight->type != ENG_JSON_NUMBER || (weight->number != 0 && weight->number != 1))
        return wrong(c, where, "0 or 1", weight);
    out->learn = weight->number != 0;
    return true;
}

static bool read_message(const row_context *c, const char *where, const eng_json *node,
                         data_message *out)
{
    static const char *const known[] = {"role", "content", "weight"};
    char at[WHERE_BYTES + 48];
    if (!eng_json_is(node, ENG_JSON_OBJECT))
        return wrong(c, where, "an object with role and content", node);
    for (uint32_t i = 0; i < node->n; i++) {
        size_t k = 0;
        while (k < 3 && strcmp(node->items[i].key, known[k]) != 0)
            k++;
        if (k == 3) {
            snprintf(at, sizeof at, "%s.%.40s", where, node->items[i].key);
            return wrong(c, at, "no such member (role, content and weight alone)", &node->items[i]);
        }
    }
    const eng_json *role = eng_json_get(node, "role");
    out->role = role_of(role);
    snprintf(at, sizeof at, "%s.role", where);
    if (!out->role)
        return wrong(c, at, "system, developer, user or assistant", role);
    snprintf(at, sizeof at, "%s.content", where);
    if (!read_content(c, at, eng_json_get(node, "content"), out))
        return false;
    snprintf(at, sizeof at, "%s.weight", where);
    return read_weight(c, at, eng_json_get(node, "weight"), out);
}

static bool read_messages(const row_context *c, const char *where, const eng_json *list,
                          data_text *out)
{
    char at[WHERE_BYTES];
    if (!eng_json_is(list, ENG_JSON_ARRAY) || list->n < 1 || list->n > DATA_MAX_MESSAGES)
        return wrong(c, where, "a list of 1 to 1024 messages", list);
    data_message *messages = eng_arena_array(c->arena, list->n, sizeof *messages);
    if (!messages)
        return no_memory(c);
    for (uint32_t i = 0; i < list->n; i++) {
        snprintf(at, sizeof at, "%.40s[%u]", where, i);
        if (!read_message(c, at, &list->items[i], &messages[i]))
            return false;
    }
    *out = (data_text){.messages = messages, .n_messages = list->n};
    return true;
}

/* ---- texts ---- */

static bool read_text(const row_context *c, const char *where, const eng_json *node, data_text *out)
{
    if (eng_json_is(node, ENG_JSON_ARRAY))
        return read_messages(c, where, node, out);
    if (!eng_json_is(node, ENG_JSON_STRING))
        return wrong(c, where, "a string or a list of messages", node);
    *out = (data_text){.text = node->string, .len = node->n};
    return true;
}

static bool is_role(const data_text *text, uint32_t i, const char *role)
{
    return i < text->n_messages && strcmp(text->messages[i].role, role) == 0;
}

/* Of a list of messages that has been read. */
static const eng_json *last_role(const eng_json *messages)
{
    return eng_json_get(&messages->items[messages->n - 1], "role");
}

/* Something to answer, and not answered yet. */
static bool read_prompt(const row_context *c, const char *where, const eng_json *node,
                        data_text *out)
{
    if (!read_text(c, where, node, out))
        return false;
    if (out->messages && is_role(out, out->n_messages - 1, "assistant"))
        return wrong(c, where, "a last message of the user's", last_role(node));
    return true;
}

/* An answer: text, or the one message that the assistant adds. */
static bool read_answer(const row_context *c, const char *where, const eng_json *node,
                        const data_text *prompt, data_text *out)
{
    if (!read_text(c, where, node, out))
        return false;
    if (out->messages && !prompt->messages)
        return wrong(c, where, "a string, as the prompt is one", node);
    if (out->messages && (out->n_messages != 1 || !is_role(out, 0, "assistant")))
        return wrong(c, where, "one message of the assistant's", node);
    return true;
}

static bool read_output(const row_context *c, const eng_json *object, const char *name,
                        uint32_t group, data_row *out)
{
    data_output *o = &out->outputs[out->n_outputs++];
    o->group = group;
    return read_answer(c, name, eng_json_get(object, name), &out->prompt, &o->text);
}

/* ---- ranked outputs ---- */

static const eng_json *output_id(const eng_json *outputs, uint32_t i)
{
    const eng_json *id = eng_json_get(&outputs->items[i], "id");
    return eng_json_is(id, ENG_JSON_STRING) && id->n ? id : NULL;
}

static uint32_t find_output(const eng_json *outputs, const char *id)
{
    uint32_t i = 0;
    while (i < outputs->n && strcmp(output_id(outputs, i)->string, id) != 0)
        i++;
    return i;
}

static bool read_outputs(const row_context *c, const eng_json *outputs, data_row *out)
{
    char at[WHERE_BYTES];
    if (!eng_json_is(outputs, ENG_JSON_ARRAY) || outputs->n < 2 || outputs->n > DATA_MAX_OUTPUTS)
        return wrong(c, "outputs", "a list of 2 to 9 outputs", outputs);
    for (uint32_t i = 0; i < outputs->n; i++) {
        const eng_json *id = output_id(outputs, i);
        snprintf(at, sizeof at, "outputs[%u].id", i);
        if (!id)
            return wrong(c, at, "a string that is not empty",
                         eng_json_get(&outputs->items[i], "id"));
        if (find_output(outputs, id->string) != i)
            return wrong(c, at, "an id that no other output has", id);
        snprintf(at, sizeof at, "outputs[%u].text", i);
        if (!read_answer(c, at, eng_json_get(&outputs->items[i], "text"), &out->prompt,
                         &out->outputs[i].text))
            return false;
    }
    out->n_outputs = outputs->n;
    return true;
}

/* Enters one group's rank; seen[] says which outputs have one. */
static bool read_group(const row_context *c, const eng_json *outputs, const eng_json *group,
                       uint32_t rank, bool seen[DATA_MAX_OUTPUTS], data_row *out)
{
    char at[WHERE_BYTES];
    snprintf(at, sizeof at, "groups[%u]", rank);
    if (!eng_json_is(group, ENG_JSON_ARRAY) || group->n == 0)
        return wrong(c, at, "a list of output ids", group);
    for (uint32_t i = 0; i < group->n; i++) {
        const eng_json *id = &group->items[i];
        snprintf(at, sizeof at, "groups[%u][%u]", rank, i);
        uint32_t k = id->type == ENG_JSON_STRING ? find_output(outputs, id->string) : outputs->n;
        if (k == outputs->n)
            return wrong(c, at, "the id of an output", id);
        if (seen[k])
            return wrong(c, at, "each output in one group, once", id);
        seen[k] = true;
        out->outputs[k].group = rank;
    }
    return true;
}

static bool read_ranked(const row_context *c, const eng_json *object, data_row *out)
{
    const eng_json *outputs = eng_json_get(object, "outputs"),
                   *groups = eng_json_get(object, "groups");
    bool seen[DATA_MAX_OUTPUTS] = {false};
    if (!read_outputs(c, outputs, out))
        return false;
    if (!eng_json_is(groups, ENG_JSON_ARRAY))
        return wrong(c, "groups", "a list of groups of ids, best first", groups);
    for (uint32_t g = 0; g < groups->n; g++)
        if (!read_group(c, outputs, &groups->items[g], g, seen, out))
            return false;
    for (uint32_t k = 0; k < out->n_outputs; k++)
        if (!seen[k])
            return wrong(c, "groups", "every output in a group; left out is",
                         output_id(outputs, k));
    return true;
}

/* ---- formats ---- */

static bool read_supervised(const row_context *c, const eng_json *object, data_row *out)
{
    const eng_json *messages = eng_json_get(object, "messages");
    if (messages) {
        bool learn = false;
        if (!read_messages(c, "messages", messages, &out->prompt))
            return false;
        for (uint32_t i = 0; i < out->prompt.n_messages; i++)
            learn |= out->prompt.messages[i].learn;
        if (!is_role(&out->prompt, out->prompt.n_messages - 1, "assistant"))
            return wrong(c, "messages", "the assistant to have the last word", last_role(messages));
        return learn || wrong(c, "messages", "an assistant's message of weight 1", messages);
    }
    const eng_json *prompt = eng_json_get(object, "prompt");
    if (!prompt)
        return no_prompt(c);
    if (!read_prompt(c, "prompt", prompt, &out->prompt) ||
        !read_output(c, object, "completion", 0, out))
        return false;
    const data_text *completion = &out->outputs[0].text;
    return !completion->text || completion->len > 0 ||
           wrong(c, "completion", "a string that is not empty", eng_json_get(object, "completion"));
}

static bool read_reward(const row_context *c, const eng_json *object, data_row *out)
{
    if (!read_prompt(c, "prompt", eng_json_get(object, "prompt"), &out->prompt))
        return false;
    if (eng_json_get(object, "outputs") || eng_json_get(object, "groups"))
        return read_ranked(c, object, out);
    return read_output(c, object, "chosen", 0, out) && read_output(c, object, "rejected", 1, out);
}

static bool read_ppo(const row_context *c, const eng_json *object, data_row *out)
{
    const eng_json *messages = eng_json_get(object, "messages");
    if (messages && messages->type != ENG_JSON_ARRAY)
        return wrong(c, "messages", "a list of messages", messages);
    const eng_json *prompt = messages ? messages : eng_json_get(object, "prompt");
    return prompt ? read_prompt(c, messages ? "messages" : "prompt", prompt, &out->prompt)
                  : no_prompt(c);
}

static bool read_pretrain(const row_context *c, const eng_json *object, data_row *out)
{
    const eng_json *text = eng_json_get(object, "text");
    if (!eng_json_is(text, ENG_JSON_STRING) || text->n == 0)
        return wrong(c, "text", "a string that is not empty", text);
    out->prompt = (data_text){.text = text->string, .len = text->n};
    return true;
}

/* {"messages"} is a demonstration when an assistant has the last word, else a prompt. */
static data_format format_of_messages(const eng_json *messages)
{
    if (!eng_json_is(messages, ENG_JSON_ARRAY) || messages->n == 0)
        return DATA_SUPERVISED;
    const char *role = eng_json_string(eng_json_get(&messages->items[messages->n - 1], "role"));
    return role && strcmp(role, "assistant") != 0 ? DATA_PPO : DATA_SUPERVISED;
}

data_format row_format(const eng_json *object)
{
    if (eng_json_get(object, "messages"))
        return format_of_messages(eng_json_get(object, "messages"));
    if (eng_json_get(object, "chosen") || eng_json_get(object, "rejected") ||
        eng_json_get(object, "outputs"))
        return DATA_REWARD_MODEL;
    if (eng_json_get(object, "completion"))
        return DATA_SUPERVISED;
    if (eng_json_get(object, "prompt"))
        return DATA_PPO;
    return eng_json_get(object, "text") ? DATA_PRETRAIN : DATA_ANY;
}

job_code row_read(data_row *out, data_format format, const eng_json *object, eng_arena *arena,
                  eng_error *err)
{
    static bool (*const readers[])(const row_context *, const eng_json *, data_row *) = {
        read_supervised, read_reward, read_ppo, read_pretrain};
    row_context c = {arena, err};
    const char *role = eng_json_string(eng_json_get(object, "role"));
    *out = (data_row){.held_out = role && strcmp(role, "heldout") == 0};
    err->text[0] = 0;
    if (readers[format](&c, object, out))
        return INSTRUCTD_OK;
    return INSTRUCTD_E_INVALID;
}
