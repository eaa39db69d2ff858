#include "human/import.h"

#include <stdio.h>
#include <string.h>

record *import_row(import_line *in)
{
    char id[160];
    const char *source = in->to->source;
    if (in->rows++)
        snprintf(id, sizeof id, "%.100s:%llu.%u", source, (unsigned long long)in->read.line,
                 in->rows);
    else
        snprintf(id, sizeof id, "%.100s:%llu", source, (unsigned long long)in->read.line);
    record *r = record_list_add(in->to->rows);
    if (r)
        r->id = r->unit = eng_arena_strndup(in->read.arena, id, strlen(id));
    if (r && r->id)
        return r;
    row_no_memory(&in->read);
    return NULL;
}

static bool has(const eng_json *object, const char *member)
{
    return eng_json_get(object, member) != NULL;
}

static record_format guess(const eng_json *object)
{
    if (has(object, "message_tree_id") ||
        eng_json_is(eng_json_get(object, "prompt"), ENG_JSON_OBJECT))
        return FORMAT_OASST;
    if (has(object, "preferred_output"))
        return FORMAT_OPENAI_DPO;
    if (has(object, "messages"))
        return FORMAT_OPENAI_SFT;
    if (has(object, "answers"))
        return FORMAT_AXOLOTL_KWAY;
    if (has(object, "chosen"))
        return has(object, "input") ? FORMAT_AXOLOTL_RM : FORMAT_TRL_REWARD;
    if (has(object, "completion") && has(object, "label"))
        return FORMAT_TRL_UNPAIRED;
    return FORMAT_INSTRUCTD; /* which reads trl_sft and trl_prompts */
}

static import_reader *const readers[] = {
    [FORMAT_INSTRUCTD] = import_instructd,       [FORMAT_TRL_SFT] = import_instructd,
    [FORMAT_TRL_PROMPTS] = import_instructd,     [FORMAT_TRL_REWARD] = import_pair,
    [FORMAT_TRL_UNPAIRED] = import_unpaired,     [FORMAT_OPENAI_SFT] = import_openai_sft,
    [FORMAT_OPENAI_DPO] = import_openai_dpo,     [FORMAT_AXOLOTL_RM] = import_axolotl_rm,
    [FORMAT_AXOLOTL_KWAY] = import_axolotl_kway, [FORMAT_OASST] = import_oasst,
};

static bool parse(const row_reader *r, const char *text, size_t len, const eng_json **out)
{
    eng_error why;
    const eng_status status = eng_json_parse(out, text, len, r->arena, &why);
    if (status == ENG_NOMEM)
        return row_no_memory(r);
    if (status != ENG_OK)
        return error_text_set(r->err, "line %llu: %s", (unsigned long long)r->line, why.text);
    return (*out)->type == ENG_JSON_OBJECT || row_wrong(r, "the line", "an object", *out);
}

bool record_import_line(record_import *im, const char *text, size_t len, uint64_t line,
                        error_text *err)
{
    const size_t before = im->rows->n;
    const eng_json *object;
    import_line in = {.read = {im->arena, line, err}, .to = im};
    if (strspn(text, " \t\r\n") == len)
        return true;
    if (!parse(&in.read, text, len, &object))
        return false;
    if (im->format == FORMAT_GUESS)
        im->format = guess(object);
    if (readers[im->format](&in, object))
        return true;
    im->rows->n = before;
    return false;
}
