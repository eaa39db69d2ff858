/* Open-Assistant's message trees: each of the user's messages is a row, with the conversation up to
 * it as the prompt and the assistant's replies as its outputs. */
#include "human/import.h"

#include "api/json_out.h"

#include <string.h>

enum { MAX_TURNS = ENG_JSON_MAX_DEPTH }; /* more than the reader of JSON lets nest */

typedef struct tree {
    import_line *in;
    const char *id;
    record_message turns[MAX_TURNS]; /* from the root to where the walk is */
    uint32_t n_turns;
} tree;

static bool is_deleted(const eng_json *message)
{
    const eng_json *deleted = eng_json_get(message, "deleted");
    return eng_json_is(deleted, ENG_JSON_BOOL) && deleted->boolean;
}

static bool read_rank(const eng_json *reply, uint64_t *rank)
{
    return eng_json_uint(eng_json_get(reply, "rank"), 0, UINT32_MAX - 1, rank);
}

static uint32_t count_replies(const eng_json *replies, bool ranked)
{
    uint32_t n = 0;
    uint64_t rank;
    for (uint32_t i = 0; replies && i < replies->n; i++)
        n += !is_deleted(&replies->items[i]) && (!ranked || read_rank(&replies->items[i], &rank));
    return n;
}

/* Labels of a reply that has some, as {"output_id","labels"} in the row's list. */
static bool add_labels(const row_reader *r, const eng_json *reply, const char *id, record *row)
{
    const char *labels, *before = row->labels_json;
    const eng_json *node = eng_json_get(reply, "labels");
    if (!eng_json_is(node, ENG_JSON_OBJECT) || node->n == 0)
        return true;
    if (!row_json(r, node, &labels))
        return false;
    buf all;
    buf_init(&all, ROW_JSON_MAX_BYTES);
    if (before)
        buf_append(&all, before, strlen(before) - 1);
    buf_puts(&all, before ? ",{\"output_id\":" : "[{\"output_id\":");
    json_cstring(&all, id);
    JSON_LIT(&all, ",\"labels\":");
    buf_puts(&all, labels);
    JSON_LIT(&all, "}]");
    row->labels_json = all.failed ? NULL : eng_arena_strndup(r->arena, all.data, all.len);
    buf_free(&all);
    return row->labels_json || row_no_memory(r);
}

static bool read_reply(const row_reader *r, const eng_json *reply, record *row, record_output *o)
{
    const eng_json *id = eng_json_get(reply, "message_id");
    uint64_t rank = 0;
    read_rank(reply, &rank);
    o->rank = (uint32_t)rank;
    if (!row_string(r, "message_id", id, &o->id) ||
        !row_string(r, "text", eng_json_get(reply, "text"), &o->text) ||
        !row_optional_string(r, "model_name", eng_json_get(reply, "model_name"), &o->policy))
        return false;
    for (const record_output *earlier = row->outputs; earlier < o; earlier++)
        if (strcmp(earlier->id, o->id) == 0)
            return row_wrong(r, "message_id", "an id that no other reply has", id);
    return add_labels(r, reply, o->id, row);
}

/* Ranked replies when there are several, or the one reply there is. */
static bool read_replies(const row_reader *r, const eng_json *replies, record *row)
{
    const uint32_t ranked = count_replies(replies, true), all = count_replies(replies, false);
    const bool is_ranking = ranked >= 2;
    const uint32_t n = is_ranking ? ranked : all == 1 ? 1 : 0;
    uint64_t rank;
    if (n > RECORD_MAX_OUTPUTS)
        return row_wrong(r, "replies", "64 replies at most", replies);
    if (n == 0)
        return true;
    if (!row_outputs(r, row, n))
        return false;
    for (uint32_t i = 0, k = 0; i < replies->n; i++) {
        const eng_json *reply = &replies->items[i];
        if (is_deleted(reply) || (is_ranking && !read_rank(reply, &rank)))
            continue;
        if (!read_reply(r, reply, row, &row->outputs[k++]))
            return false;
    }
    if (!is_ranking)
        row->outputs[0].rank = 0;
    return true;
}

static bool add_row(tree *t, const eng_json *replies)
{
    record *row = import_row(t->in);
    const row_reader *r = &t->in->read;
    if (!row)
        return false;
    record_message *messages = eng_arena_array(r->arena, t->n_turns, sizeof *messages);
    if (!messages)
        return row_no_memory(r);
    memcpy(messages, t->turns, t->n_turns * sizeof *messages);
    row->prompt = (record_prompt){.messages = messages, .n_messages = t->n_turns};
    if (t->n_turns == 1)
        row->prompt = (record_prompt){.text = messages[0].content};
    row->unit = t->id;
    row->task_id = t->id;
    return read_replies(r, replies, row);
}

/* Depth-first; as deep as the reader of JSON lets messages nest. */
static bool walk(tree *t, const eng_json *message, bool assistant)
{
    const row_reader *r = &t->in->read;
    const char *role = eng_json_string(eng_json_get(message, "role"));
    const eng_json *replies = eng_json_get(message, "replies");
    record_message *turn = &t->turns[t->n_turns++];
    if (!role || strcmp(role, assistant ? "assistant" : "prompter") != 0)
        return row_wrong(r, "role", assistant ? "assistant" : "prompter",
                         eng_json_get(message, "role"));
    if (replies && replies->type != ENG_JSON_ARRAY)
        return row_wrong(r, "replies", "a list", replies);
    turn->role = assistant ? "assistant" : "user";
    if (!row_string(r, "text", eng_json_get(message, "text"), &turn->content) ||
        (!assistant && !add_row(t, replies)))
        return false;
    for (uint32_t i = 0; replies && i < replies->n; i++)
        if (!is_deleted(&replies->items[i]) && !walk(t, &replies->items[i], !assistant))
            return false;
    t->n_turns--;
    return true;
}

bool import_oasst(import_line *in, const eng_json *object)
{
    tree t = {.in = in};
    const eng_json *prompt = eng_json_get(object, "prompt");
    if (!eng_json_is(prompt, ENG_JSON_OBJECT))
        return row_wrong(&in->read, "prompt", "the tree's first message", prompt);
    return row_string(&in->read, "message_tree_id", eng_json_get(object, "message_tree_id"),
                      &t.id) &&
           walk(&t, prompt, false);
}
