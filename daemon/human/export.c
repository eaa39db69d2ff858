#include "human/export.h"

#include "api/json_out.h"

#include <string.h>

/* ---- parts ---- */

static void put_message(buf *out, const char *role, const char *content)
{
    JSON_LIT(out, "{\"role\":");
    json_cstring(out, role);
    JSON_LIT(out, ",\"content\":");
    json_cstring(out, content);
    buf_putc(out, '}');
}

/* Without the closing bracket. */
static void put_messages(buf *out, const record_prompt *p)
{
    buf_putc(out, '[');
    if (p->text)
        put_message(out, "user", p->text);
    for (uint32_t i = 0; i < p->n_messages; i++) {
        if (i)
            buf_putc(out, ',');
        put_message(out, p->messages[i].role, p->messages[i].content);
    }
}

static void put_prompt(buf *out, const record_prompt *p)
{
    if (p->text) {
        json_cstring(out, p->text);
        return;
    }
    put_messages(out, p);
    buf_putc(out, ']');
}

/* An answer in the prompt's form: a string, or the assistant's message in a list. */
static void put_answer(buf *out, const record *r, const record_output *o)
{
    if (r->prompt.text) {
        json_cstring(out, o->text);
        return;
    }
    buf_putc(out, '[');
    put_message(out, "assistant", o->text);
    buf_putc(out, ']');
}

uint32_t export_best(const record *r)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < r->n_outputs; i++)
        if (r->outputs[i].rank < r->outputs[best].rank)
            best = i;
    return best;
}

/* The least rank from `from` on, or UINT32_MAX. */
static uint32_t next_rank(const record *r, uint32_t from)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < r->n_outputs; i++)
        if (r->outputs[i].rank >= from && r->outputs[i].rank < least)
            least = r->outputs[i].rank;
    return least;
}

/* ---- instructd ---- */

static void put_outputs(buf *out, const record *r)
{
    JSON_LIT(out, ",\"outputs\":[");
    for (uint32_t i = 0; i < r->n_outputs; i++) {
        if (i)
            buf_putc(out, ',');
        JSON_LIT(out, "{\"id\":");
        json_cstring(out, r->outputs[i].id);
        JSON_LIT(out, ",\"policy\":");
        json_cstring(out, r->outputs[i].policy);
        JSON_LIT(out, ",\"text\":");
        json_cstring(out, r->outputs[i].text);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void put_groups(buf *out, const record *r)
{
    JSON_LIT(out, ",\"groups\":[");
    for (uint32_t rank = next_rank(r, 0), first = rank; rank != UINT32_MAX;
         rank = next_rank(r, rank + 1)) {
        const char *before = rank == first ? "[" : ",[";
        for (uint32_t i = 0; i < r->n_outputs; i++)
            if (r->outputs[i].rank == rank) {
                buf_puts(out, before);
                json_cstring(out, r->outputs[i].id);
                before = ",";
            }
        buf_putc(out, ']');
    }
    buf_putc(out, ']');
}

static uint64_t export_instructd(buf *out, const record *r)
{
    JSON_LIT(out, "{\"task_id\":");
    json_cstring(out, r->task_id);
    JSON_LIT(out, ",\"prompt\":");
    put_prompt(out, &r->prompt);
    if (r->n_outputs == 1) {
        JSON_LIT(out, ",\"completion\":");
        json_cstring(out, r->outputs[0].text);
    } else if (r->n_outputs) {
        put_outputs(out, r);
        put_groups(out, r);
    }
    if (r->n_outputs) {
        JSON_LIT(out, ",\"labels\":");
        buf_puts(out, r->labels_json ? r->labels_json : "[]");
    }
    JSON_LIT(out, ",\"labeler\":");
    json_cstring(out, r->labeler);
    JSON_LIT(out, ",\"role\":");
    json_cstring(out, r->role);
    JSON_LIT(out, ",\"guideline_version\":");
    if (r->guideline)
        json_uint(out, r->guideline);
    else
        JSON_LIT(out, "null");
    if (r->category) {
        JSON_LIT(out, ",\"category\":");
        json_cstring(out, r->category);
    }
    JSON_LIT(out, "}\n");
    return 1;
}

/* ---- one answer ---- */

static uint64_t export_trl_prompts(buf *out, const record *r)
{
    JSON_LIT(out, "{\"prompt\":");
    put_prompt(out, &r->prompt);
    JSON_LIT(out, "}\n");
    return 1;
}

static void put_completion(buf *out, const record *r, const record_output *o)
{
    JSON_LIT(out, "{\"prompt\":");
    put_prompt(out, &r->prompt);
    JSON_LIT(out, ",\"completion\":");
    put_answer(out, r, o);
}

static uint64_t export_trl_sft(buf *out, const record *r)
{
    if (r->n_outputs == 0)
        return 0;
    put_completion(out, r, &r->outputs[export_best(r)]);
    JSON_LIT(out, "}\n");
    return 1;
}

/* The best are liked, all others are not. */
static uint64_t export_trl_unpaired(buf *out, const record *r)
{
    const uint32_t best = next_rank(r, 0);
    for (uint32_t i = 0; i < r->n_outputs; i++) {
        put_completion(out, r, &r->outputs[i]);
        JSON_LIT(out, ",\"label\":");
        json_bool(out, r->outputs[i].rank == best);
        JSON_LIT(out, "}\n");
    }
    return r->n_outputs;
}

/* Earlier answers of the conversation are context: weight 0. */
static uint64_t export_openai_sft(buf *out, const record *r)
{
    if (r->n_outputs == 0)
        return 0;
    JSON_LIT(out, "{\"messages\":");
    if (r->prompt.text)
        put_messages(out, &r->prompt);
    for (uint32_t i = 0; i < r->prompt.n_messages; i++) {
        const record_message *m = &r->prompt.messages[i];
        buf_putc(out, i ? ',' : '[');
        put_message(out, m->role, m->content);
        if (strcmp(m->role, "assistant") == 0) {
            out->len -= !out->failed; /* its closing brace */
            JSON_LIT(out, ",\"weight\":0}");
        }
    }
    JSON_LIT(out, ",{\"role\":\"assistant\",\"content\":");
    json_cstring(out, r->outputs[export_best(r)].text);
    JSON_LIT(out, ",\"weight\":1}]}\n");
    return 1;
}

/* ---- pairs ---- */

typedef bool put_pair(buf *out, const record *r, const record_output *better,
                      const record_output *worse);

static uint64_t export_pairs(buf *out, const record *r, put_pair *put)
{
    uint64_t lines = 0;
    for (uint32_t i = 0; i < r->n_outputs; i++)
        for (uint32_t j = 0; j < r->n_outputs; j++)
            if (r->outputs[i].rank < r->outputs[j].rank)
                lines += put(out, r, &r->outputs[i], &r->outputs[j]);
    return lines;
}

static bool put_trl(buf *out, const record *r, const record_output *better,
                    const record_output *worse)
{
    JSON_LIT(out, "{\"prompt\":");
    put_prompt(out, &r->prompt);
    JSON_LIT(out, ",\"chosen\":");
    put_answer(out, r, better);
    JSON_LIT(out, ",\"rejected\":");
    put_answer(out, r, worse);
    JSON_LIT(out, "}\n");
    return true;
}

static bool put_openai(buf *out, const record *r, const record_output *better,
                       const record_output *worse)
{
    JSON_LIT(out, "{\"input\":{\"messages\":");
    put_messages(out, &r->prompt);
    JSON_LIT(out, "],\"tools\":[],\"parallel_tool_calls\":true},\"preferred_output\":[");
    put_message(out, "assistant", better->text);
    JSON_LIT(out, "],\"non_preferred_output\":[");
    put_message(out, "assistant", worse->text);
    JSON_LIT(out, "]}\n");
    return true;
}

/* The one question of the prompt, and what the system said before it; false: there is more. */
static bool single_turn(const record_prompt *p, const char **system, const char **input)
{
    *system = NULL;
    *input = p->text;
    if (p->n_messages == 2 && strcmp(p->messages[0].role, "system") == 0)
        *system = p->messages[0].content;
    if (p->n_messages == (*system ? 2u : 1u))
        *input = p->messages[p->n_messages - 1].content;
    return *input != NULL;
}

static bool put_axolotl(buf *out, const record *r, const record_output *better,
                        const record_output *worse)
{
    const char *system, *input;
    if (!single_turn(&r->prompt, &system, &input))
        return false;
    buf_putc(out, '{');
    if (system) {
        JSON_LIT(out, "\"system\":");
        json_cstring(out, system);
        buf_putc(out, ',');
    }
    JSON_LIT(out, "\"input\":");
    json_cstring(out, input);
    JSON_LIT(out, ",\"chosen\":");
    json_cstring(out, better->text);
    JSON_LIT(out, ",\"rejected\":");
    json_cstring(out, worse->text);
    JSON_LIT(out, "}\n");
    return true;
}

/* ---- ranks ---- */

static uint32_t place(const record *r, uint32_t rank)
{
    uint32_t n = 1;
    for (uint32_t at = next_rank(r, 0); at < rank; at = next_rank(r, at + 1))
        n++;
    return n;
}

static uint64_t export_axolotl_kway(buf *out, const record *r)
{
    const char *system, *input;
    if (r->n_outputs == 0 || !single_turn(&r->prompt, &system, &input) || system)
        return 0;
    JSON_LIT(out, "{\"prompt\":");
    json_cstring(out, input);
    JSON_LIT(out, ",\"answers\":[");
    for (uint32_t i = 0; i < r->n_outputs; i++) {
        if (i)
            buf_putc(out, ',');
        JSON_LIT(out, "{\"answer\":");
        json_cstring(out, r->outputs[i].text);
        JSON_LIT(out, ",\"rank\":");
        json_uint(out, place(r, r->outputs[i].rank));
        buf_putc(out, '}');
    }
    JSON_LIT(out, "]}\n");
    return 1;
}

uint64_t record_export(buf *out, const record *r, record_format format)
{
    switch (format) {
    case FORMAT_INSTRUCTD:
        return export_instructd(out, r);
    case FORMAT_TRL_SFT:
        return export_trl_sft(out, r);
    case FORMAT_TRL_PROMPTS:
        return export_trl_prompts(out, r);
    case FORMAT_TRL_REWARD:
        return export_pairs(out, r, put_trl);
    case FORMAT_TRL_UNPAIRED:
        return export_trl_unpaired(out, r);
    case FORMAT_OPENAI_SFT:
        return export_openai_sft(out, r);
    case FORMAT_OPENAI_DPO:
        return export_pairs(out, r, put_openai);
    case FORMAT_AXOLOTL_RM:
        return export_pairs(out, r, put_axolotl);
    case FORMAT_AXOLOTL_KWAY:
        return export_axolotl_kway(out, r);
    case FORMAT_OASST:
        return export_oasst(out, r);
    case RECORD_FORMATS:
        break;
    }
    return 0;
}
