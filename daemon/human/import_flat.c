/* The readers of formats in which a line is a row, or a few. */
#include "human/import.h"

#include <stdio.h>
#include <string.h>

static bool set_output(const row_reader *r, record_output *o, const char *id, uint32_t rank,
                       const char *where, const eng_json *answer)
{
    o->id = id;
    o->rank = rank;
    return row_answer(r, where, answer, &o->text);
}

/* ---- instructd, trl_sft, trl_prompts ---- */

/* The index of the output of this id among the first n, or n. */
static uint32_t find_output(const record *row, uint32_t n, const char *id)
{
    uint32_t i = 0;
    while (i < n && strcmp(row->outputs[i].id, id) != 0)
        i++;
    return i;
}

static bool read_outputs(const row_reader *r, const eng_json *list, record *row)
{
    char at[64];
    if (!eng_json_is(list, ENG_JSON_ARRAY) || list->n < 1 || list->n > RECORD_MAX_OUTPUTS)
        return row_wrong(r, "outputs", "a list of 1 to 64 outputs", list);
    if (!row_outputs(r, row, list->n))
        return false;
    for (uint32_t i = 0; i < list->n; i++) {
        const eng_json *node = &list->items[i], *id = eng_json_get(node, "id");
        record_output *o = &row->outputs[i];
        snprintf(at, sizeof at, "outputs[%u].id", i);
        if (!row_string(r, at, id, &o->id))
            return false;
        if (!o->id[0] || find_output(row, i, o->id) != i)
            return row_wrong(r, at, "an id that no other output has", id);
        snprintf(at, sizeof at, "outputs[%u].policy", i);
        if (!row_optional_string(r, at, eng_json_get(node, "policy"), &o->policy))
            return false;
        o->rank = UINT32_MAX;
        snprintf(at, sizeof at, "outputs[%u].text", i);
        if (!row_answer(r, at, eng_json_get(node, "text"), &o->text))
            return false;
    }
    return true;
}

static bool read_group(const row_reader *r, const eng_json *group, uint32_t rank, record *row)
{
    char at[64];
    snprintf(at, sizeof at, "groups[%u]", rank);
    if (!eng_json_is(group, ENG_JSON_ARRAY) || group->n == 0)
        return row_wrong(r, at, "a list of output ids", group);
    for (uint32_t i = 0; i < group->n; i++) {
        const char *id = eng_json_string(&group->items[i]);
        const uint32_t k = id ? find_output(row, row->n_outputs, id) : row->n_outputs;
        if (k == row->n_outputs || row->outputs[k].rank != UINT32_MAX)
            return row_wrong(r, at, "ids of outputs, each in one group, once", &group->items[i]);
        row->outputs[k].rank = rank;
    }
    return true;
}

static bool read_groups(const row_reader *r, const eng_json *groups, record *row)
{
    uint32_t ranked = 0;
    if (!eng_json_is(groups, ENG_JSON_ARRAY))
        return row_wrong(r, "groups", "a list of groups of ids, best first", groups);
    for (uint32_t g = 0; g < groups->n; g++)
        if (!read_group(r, &groups->items[g], g, row))
            return false;
    for (uint32_t i = 0; i < row->n_outputs; i++)
        ranked += row->outputs[i].rank != UINT32_MAX;
    return ranked == row->n_outputs || row_wrong(r, "groups", "every output in a group", groups);
}

/* What is known of a row beside prompt and answers. */
static bool read_origin(const row_reader *r, const eng_json *object, record *row)
{
    const eng_json *labels = eng_json_get(object, "labels"),
                   *guideline = eng_json_get(object, "guideline_version");
    uint64_t version = 0;
    if (labels && labels->type != ENG_JSON_ARRAY && labels->type != ENG_JSON_NULL)
        return row_wrong(r, "labels", "a list", labels);
    if (guideline && guideline->type != ENG_JSON_NULL &&
        !eng_json_uint(guideline, 0, UINT32_MAX, &version))
        return row_wrong(r, "guideline_version", "a whole number", guideline);
    row->guideline = (uint32_t)version;
    if (!row_json(r, labels, &row->labels_json) ||
        !row_optional_string(r, "task_id", eng_json_get(object, "task_id"), &row->task_id) ||
        !row_optional_string(r, "labeler", eng_json_get(object, "labeler"), &row->labeler) ||
        !row_optional_string(r, "role", eng_json_get(object, "role"), &row->role) ||
        !row_optional_string(r, "category", eng_json_get(object, "category"), &row->category))
        return false;
    if (row->task_id)
        row->unit = row->task_id;
    return true;
}

bool import_instructd(import_line *in, const eng_json *object)
{
    record *row = import_row(in);
    const row_reader *r = &in->read;
    const eng_json *completion = eng_json_get(object, "completion"),
                   *outputs = eng_json_get(object, "outputs");
    if (!row || !row_prompt(r, "prompt", eng_json_get(object, "prompt"), &row->prompt) ||
        !read_origin(r, object, row))
        return false;
    if (outputs)
        return read_outputs(r, outputs, row) && read_groups(r, eng_json_get(object, "groups"), row);
    if (in->to->format == FORMAT_TRL_SFT && !completion)
        return row_wrong(r, "completion", "an answer", completion);
    return !completion || (row_outputs(r, row, 1) &&
                           set_output(r, row->outputs, "completion", 0, "completion", completion));
}

/* ---- pairs ---- */

static bool read_pair(const row_reader *r, record *row, const char *better_name,
                      const eng_json *better, const char *worse_name, const eng_json *worse)
{
    return row_outputs(r, row, 2) &&
           set_output(r, &row->outputs[0], "chosen", 0, better_name, better) &&
           set_output(r, &row->outputs[1], "rejected", 1, worse_name, worse);
}

bool import_pair(import_line *in, const eng_json *object)
{
    record *row = import_row(in);
    return row && row_prompt(&in->read, "prompt", eng_json_get(object, "prompt"), &row->prompt) &&
           read_pair(&in->read, row, "chosen", eng_json_get(object, "chosen"), "rejected",
                     eng_json_get(object, "rejected"));
}

bool import_openai_dpo(import_line *in, const eng_json *object)
{
    record *row = import_row(in);
    const eng_json *input = eng_json_get(object, "input"), *tools = eng_json_get(input, "tools");
    if (tools && tools->type != ENG_JSON_NULL && tools->n)
        return row_wrong(&in->read, "input.tools", "no tools", tools);
    return row &&
           row_prompt(&in->read, "input.messages", eng_json_get(input, "messages"), &row->prompt) &&
           read_pair(&in->read, row, "preferred_output", eng_json_get(object, "preferred_output"),
                     "non_preferred_output", eng_json_get(object, "non_preferred_output"));
}

bool import_axolotl_rm(import_line *in, const eng_json *object)
{
    const char *system, *input;
    const row_reader *r = &in->read;
    record *row = import_row(in);
    if (!row || !row_optional_string(r, "system", eng_json_get(object, "system"), &system) ||
        !row_string(r, "input", eng_json_get(object, "input"), &input))
        return false;
    if (system) {
        record_message *messages = eng_arena_array(r->arena, 2, sizeof *messages);
        if (!messages)
            return row_no_memory(r);
        messages[0] = (record_message){"system", system};
        messages[1] = (record_message){"user", input};
        row->prompt = (record_prompt){.messages = messages, .n_messages = 2};
    } else {
        row->prompt.text = input;
    }
    return read_pair(r, row, "chosen", eng_json_get(object, "chosen"), "rejected",
                     eng_json_get(object, "rejected"));
}

/* ---- ranks ---- */

static bool read_ranked_answer(const row_reader *r, uint32_t i, const eng_json *node,
                               record_output *o)
{
    char at[64];
    uint64_t rank;
    snprintf(at, sizeof at, "answers[%u].rank", i);
    if (!eng_json_uint(eng_json_get(node, "rank"), 1, UINT32_MAX, &rank))
        return row_wrong(r, at, "a whole number from 1", eng_json_get(node, "rank"));
    snprintf(at, sizeof at, "%u", i + 1);
    const char *id = eng_arena_strndup(r->arena, at, strlen(at));
    if (!id)
        return row_no_memory(r);
    snprintf(at, sizeof at, "answers[%u].answer", i);
    return set_output(r, o, id, (uint32_t)rank - 1, at, eng_json_get(node, "answer"));
}

bool import_axolotl_kway(import_line *in, const eng_json *object)
{
    record *row = import_row(in);
    const eng_json *answers = eng_json_get(object, "answers");
    if (!row || !row_prompt(&in->read, "prompt", eng_json_get(object, "prompt"), &row->prompt))
        return false;
    if (!eng_json_is(answers, ENG_JSON_ARRAY) || answers->n < 1 || answers->n > RECORD_MAX_OUTPUTS)
        return row_wrong(&in->read, "answers", "a list of 1 to 64 answers", answers);
    if (!row_outputs(&in->read, row, answers->n))
        return false;
    for (uint32_t i = 0; i < answers->n; i++)
        if (!read_ranked_answer(&in->read, i, &answers->items[i], &row->outputs[i]))
            return false;
    return true;
}

/* ---- answers that were liked or not ---- */

/* The row before, if this line answers the same prompt. */
static record *row_before(import_line *in, const record_prompt *prompt)
{
    record_list *rows = in->to->rows;
    record *last = rows->n ? &rows->rows[rows->n - 1] : NULL;
    return last && last->n_outputs < RECORD_MAX_RANKED && record_prompt_equal(&last->prompt, prompt)
               ? last
               : NULL;
}

/* Lines that follow each other and share a prompt are one row: what was liked before what was not.
 */
bool import_unpaired(import_line *in, const eng_json *object)
{
    const row_reader *r = &in->read;
    const eng_json *label = eng_json_get(object, "label");
    record_prompt prompt;
    record_output answer = {0};
    char id[16];
    if (!eng_json_is(label, ENG_JSON_BOOL))
        return row_wrong(r, "label", "true or false", label);
    if (!row_prompt(r, "prompt", eng_json_get(object, "prompt"), &prompt) ||
        !set_output(r, &answer, NULL, label->boolean ? 0 : 1, "completion",
                    eng_json_get(object, "completion")))
        return false;
    record *row = row_before(in, &prompt);
    if (!row && !(row = import_row(in)))
        return false;
    const record_output *earlier = row->outputs;
    const uint32_t n = row->n_outputs;
    row->prompt = prompt;
    snprintf(id, sizeof id, "%u", n + 1);
    answer.id = eng_arena_strndup(r->arena, id, strlen(id));
    record_output *outputs = eng_arena_array(r->arena, n + 1, sizeof *outputs);
    if (!answer.id || !outputs)
        return row_no_memory(r);
    if (n)
        memcpy(outputs, earlier, n * sizeof *outputs);
    outputs[n] = answer;
    row->outputs = outputs;
    row->n_outputs = n + 1;
    return true;
}

/* ---- conversations ---- */

static bool read_weight(const row_reader *r, const char *where, const eng_json *message,
                        bool *learn)
{
    const eng_json *weight = eng_json_get(message, "weight");
    *learn = true;
    if (!weight || weight->type == ENG_JSON_NULL)
        return true;
    *learn = weight->type == ENG_JSON_NUMBER && weight->number == 1;
    return *learn || (weight->type == ENG_JSON_NUMBER && weight->number == 0) ||
           row_wrong(r, where, "a weight of 0 or 1", weight);
}

static bool add_turn(import_line *in, const record_message *messages, uint32_t i)
{
    record *row = import_row(in);
    if (!row || !row_outputs(&in->read, row, 1))
        return false;
    row->prompt = (record_prompt){.messages = messages, .n_messages = i};
    row->outputs[0] = (record_output){.id = "completion", .text = messages[i].content};
    return true;
}

/* Each answer of weight 1 is a row; what came before it is its prompt. */
bool import_openai_sft(import_line *in, const eng_json *object)
{
    char at[64];
    const row_reader *r = &in->read;
    const eng_json *list = eng_json_get(object, "messages");
    if (!eng_json_is(list, ENG_JSON_ARRAY) || list->n < 2 || list->n > RECORD_MAX_MESSAGES)
        return row_wrong(r, "messages", "a list of 2 to 1024 messages", list);
    record_message *messages = eng_arena_array(r->arena, list->n, sizeof *messages);
    if (!messages)
        return row_no_memory(r);
    for (uint32_t i = 0; i < list->n; i++) {
        bool learn;
        snprintf(at, sizeof at, "messages[%u]", i);
        if (!row_message(r, at, &list->items[i], &messages[i]) ||
            !read_weight(r, at, &list->items[i], &learn))
            return false;
        if (strcmp(messages[i].role, "assistant") != 0 || !learn)
            continue;
        if (i == 0 || strcmp(messages[i - 1].role, "user") != 0)
            return row_wrong(r, at, "a message of the user's before the answer", list);
        if (!add_turn(in, messages, i))
            return false;
    }
    return in->rows || row_wrong(r, "messages", "an answer of weight 1", list);
}
