#include "human/gather.h"

#include "human/row_reader.h"

#include <string.h>

/* Copies, or leaves NULL. Sticky: *ok turns false when there is no room. */
static const char *keep(eng_arena *arena, const char *s, bool *ok)
{
    const char *copy = s ? eng_arena_strndup(arena, s, strlen(s)) : NULL;
    *ok &= copy || !s;
    return copy;
}

static bool no_memory(error_text *err)
{
    return error_text_set(err, "more text than a data set may hold");
}

/* NULL: not JSON. */
static const eng_json *parse(const char *text, eng_arena *arena)
{
    eng_error unused;
    const eng_json *json;
    return eng_json_parse(&json, text, strlen(text), arena, &unused) == ENG_OK ? json : NULL;
}

/* False: it is no prompt, or there is no room for it. */
static bool read_prompt(record_prompt *out, const char *form, const char *prompt, eng_arena *arena)
{
    error_text unused;
    const row_reader reader = {arena, 1, &unused};
    bool ok = true;
    if (strcmp(form, "messages") == 0)
        return row_prompt(&reader, "prompt", parse(prompt, arena), out);
    *out = (record_prompt){.text = keep(arena, prompt, &ok)};
    return ok;
}

bool gather_prompt(record_list *to, eng_arena *arena, const store_prompt *p, error_text *err)
{
    bool ok = true;
    record *r = record_list_add(to);
    if (!r)
        return no_memory(err);
    r->id = r->unit = keep(arena, p->id, &ok);
    r->user = keep(arena, p->user, &ok);
    if (!read_prompt(&r->prompt, p->form, p->prompt, arena))
        r->fate = FATE_UNFIT;
    return ok || no_memory(err);
}

bool gather_demonstration(record_list *to, eng_arena *arena, const store_demonstration *d,
                          const char *owner, error_text *err)
{
    bool ok = true;
    record *r = record_list_add(to);
    if (!r)
        return no_memory(err);
    r->id = keep(arena, d->id, &ok);
    r->task_id = keep(arena, d->task, &ok);
    r->unit = r->task_id ? r->task_id : r->id;
    r->user = keep(arena, owner[0] ? owner : NULL, &ok);
    r->prompt.text = keep(arena, d->prompt, &ok);
    r->labeler = keep(arena, d->labeler, &ok);
    r->role = keep(arena, d->role, &ok);
    r->category = keep(arena, d->category, &ok);
    r->guideline = d->guideline;
    r->outputs = eng_arena_array(arena, 1, sizeof *r->outputs);
    if (!ok || !r->outputs)
        return no_memory(err);
    r->n_outputs = 1;
    r->outputs[0] = (record_output){.id = "completion", .text = keep(arena, d->completion, &ok)};
    return ok || no_memory(err);
}

/* ---- rankings ---- */

static bool read_outputs(record *r, const store_task *task, eng_arena *arena)
{
    bool ok = true;
    r->outputs = eng_arena_array(arena, task->n_outputs, sizeof *r->outputs);
    if (!r->outputs)
        return false;
    r->n_outputs = (uint32_t)task->n_outputs;
    for (size_t i = 0; i < task->n_outputs; i++)
        r->outputs[i] = (record_output){.id = keep(arena, task->outputs[i].id, &ok),
                                        .policy = keep(arena, task->outputs[i].policy, &ok),
                                        .text = keep(arena, task->outputs[i].text, &ok),
                                        .rank = UINT32_MAX};
    return ok;
}

static bool set_rank(record *r, const char *id, uint32_t rank)
{
    for (uint32_t i = 0; id && i < r->n_outputs; i++)
        if (strcmp(r->outputs[i].id, id) == 0) {
            r->outputs[i].rank = rank;
            return true;
        }
    return false;
}

static bool read_groups(record *r, const char *json, eng_arena *arena)
{
    const eng_json *groups = parse(json, arena);
    uint32_t ranked = 0;
    for (uint32_t g = 0; eng_json_is(groups, ENG_JSON_ARRAY) && g < groups->n; g++) {
        const eng_json *group = &groups->items[g];
        for (uint32_t i = 0; group->type == ENG_JSON_ARRAY && i < group->n; i++)
            ranked += set_rank(r, eng_json_string(&group->items[i]), g);
    }
    return ranked == r->n_outputs;
}

bool gather_ranking(record_list *to, eng_arena *arena, const store_ranking *ranking,
                    const store_task *task, error_text *err)
{
    bool ok = true;
    record *r = record_list_add(to);
    if (!r)
        return no_memory(err);
    r->id = keep(arena, ranking->id, &ok);
    r->task_id = r->unit = keep(arena, ranking->task, &ok);
    r->user = keep(arena, task->owner[0] ? task->owner : NULL, &ok);
    r->labels_json = keep(arena, ranking->ratings_json, &ok);
    r->labeler = keep(arena, ranking->labeler, &ok);
    r->role = keep(arena, ranking->role, &ok);
    r->guideline = ranking->guideline;
    if (!ok || !read_outputs(r, task, arena))
        return no_memory(err);
    if (!read_prompt(&r->prompt, task->form, task->prompt, arena) ||
        !read_groups(r, ranking->groups_json, arena))
        r->fate = FATE_UNFIT;
    return true;
}
