#include "human/export.h"

#include "api/json_out.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

enum { LABELS_ARENA_BYTES = 8 * 1024 * 1024 };

/* ---- labels ---- */

/* Our flags under Open-Assistant's names. */
static const char *const flag_names[][2] = {
    {"fails_instruction", "fails_task"},
    {"inappropriate_customer_assistant", "not_appropriate"},
    {"denigrates_protected_class", "hate_speech"},
    {"sexual_content", "sexual_content"},
    {"violent_content", "violence"},
};

static void put_label(buf *out, bool *first, const char *name, double value)
{
    if (!*first)
        buf_putc(out, ',');
    *first = false;
    json_cstring(out, name);
    JSON_LIT(out, ":{\"value\":");
    json_double(out, value);
    JSON_LIT(out, ",\"count\":1}");
}

/* A labeler's rating; overall_quality 1 to 7 becomes quality 0 to 1. */
static void put_rating(buf *out, const eng_json *rating)
{
    const eng_json *flags = eng_json_get(rating, "flags");
    uint64_t quality;
    bool first = true;
    if (eng_json_uint(eng_json_get(rating, "overall_quality"), 1, 7, &quality))
        put_label(out, &first, "quality", (double)(quality - 1) / 6);
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++) {
        const eng_json *flag = eng_json_get(flags, flag_names[i][0]);
        if (eng_json_is(flag, ENG_JSON_BOOL))
            put_label(out, &first, flag_names[i][1], flag->boolean);
    }
}

/* Labels that came with a tree go as they came: {"quality":{"value","count"}}. */
static void put_theirs(buf *out, const eng_json *labels)
{
    bool first = true;
    for (uint32_t i = 0; i < labels->n; i++) {
        const eng_json *value = eng_json_get(&labels->items[i], "value");
        if (eng_json_is(value, ENG_JSON_NUMBER))
            put_label(out, &first, labels->items[i].key, value->number);
    }
}

static void put_labels(buf *out, const eng_json *list, const char *output_id)
{
    JSON_LIT(out, ",\"labels\":{");
    for (uint32_t i = 0; list && i < list->n; i++) {
        const eng_json *of = &list->items[i], *theirs = eng_json_get(of, "labels");
        const char *id = eng_json_string(eng_json_get(of, "output_id"));
        if (!id || strcmp(id, output_id) != 0)
            continue;
        if (theirs)
            put_theirs(out, theirs);
        else
            put_rating(out, of);
        break;
    }
    buf_putc(out, '}');
}

/* ---- messages ---- */

static void put_message(buf *out, const char *text, bool assistant)
{
    JSON_LIT(out, ",\"text\":");
    json_cstring(out, text);
    buf_puts(out, assistant ? ",\"role\":\"assistant\"" : ",\"role\":\"prompter\"");
}

static void put_replies(buf *out, const record *r, const eng_json *labels)
{
    for (uint32_t i = 0; i < r->n_outputs; i++) {
        const record_output *o = &r->outputs[i];
        if (i)
            buf_putc(out, ',');
        JSON_LIT(out, "{\"message_id\":");
        json_cstring(out, o->id);
        put_message(out, o->text, true);
        if (r->n_outputs > 1) {
            JSON_LIT(out, ",\"rank\":");
            json_uint(out, o->rank);
        }
        if (o->policy) {
            JSON_LIT(out, ",\"synthetic\":true,\"model_name\":");
            json_cstring(out, o->policy);
        }
        put_labels(out, labels, o->id);
        JSON_LIT(out, ",\"replies\":[]}");
    }
}

/* The turns from the i-th on, nested, and the replies inside the last. */
static void put_turns(buf *out, const record *r, const eng_json *labels)
{
    const record_prompt *p = &r->prompt;
    const uint32_t n = p->text ? 1 : p->n_messages;
    char id[200];
    for (uint32_t i = 0; i < n; i++) {
        snprintf(id, sizeof id, "%.160s-%u", r->id, i);
        JSON_LIT(out, "{\"message_id\":");
        json_cstring(out, id);
        put_message(out, p->text ? p->text : p->messages[i].content, i % 2 == 1);
        JSON_LIT(out, ",\"replies\":[");
    }
    put_replies(out, r, labels);
    for (uint32_t i = 0; i < n; i++)
        JSON_LIT(out, "]}");
}

static bool turns_alternate(const record_prompt *p)
{
    for (uint32_t i = 0; i < p->n_messages; i++)
        if (strcmp(p->messages[i].role, i % 2 ? "assistant" : "user") != 0)
            return false;
    return true;
}

uint64_t export_oasst(buf *out, const record *r)
{
    eng_arena arena;
    eng_error err;
    const eng_json *labels = NULL;
    if (!turns_alternate(&r->prompt))
        return 0;
    eng_arena_init(&arena, LABELS_ARENA_BYTES);
    if (r->labels_json &&
        eng_json_parse(&labels, r->labels_json, strlen(r->labels_json), &arena, &err) != ENG_OK)
        labels = NULL; /* an export without labels is one all the same */
    JSON_LIT(out, "{\"message_tree_id\":");
    json_cstring(out, r->task_id ? r->task_id : r->id);
    JSON_LIT(out, ",\"tree_state\":\"ready_for_export\",\"prompt\":");
    put_turns(out, r, labels);
    JSON_LIT(out, "}\n");
    eng_arena_free(&arena);
    return 1;
}
