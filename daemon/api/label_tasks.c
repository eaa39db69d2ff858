#include "api/label_tasks.h"

#include "api/fields.h"
#include "api/json_out.h"
#include "api/members.h"
#include "api/prompt.h"
#include "api/strict_json.h"
#include "base/data_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(rules) (sizeof(rules) / sizeof(rules)[0])

/* ---- a batch ---- */

typedef struct batch_body {
    const char *kind, *source, *mode;
    const cJSON *policies, *sample;
    int64_t k, overlap, max_tokens, limit;
    bool gold;
} batch_body;

static const member_rule batch_rules[] = {
    {.name = "kind",
     .kind = MEMBER_CHOICE,
     .required = true,
     .choices = "demo|rank|eval",
     .at = offsetof(batch_body, kind)},
    {.name = "source", .kind = MEMBER_ID, .required = true, .at = offsetof(batch_body, source)},
    {.name = "criterion_mode",
     .kind = MEMBER_CHOICE,
     .choices = "helpfulness_first|truthful_harmless_first|toxicity",
     .at = offsetof(batch_body, mode)},
    {.name = "policies",
     .kind = MEMBER_ARRAY,
     .max = LIMIT_LABEL_POLICIES,
     .at = offsetof(batch_body, policies)},
    {.name = "k",
     .kind = MEMBER_WHOLE,
     .min = LIMIT_LABEL_MIN_K,
     .max = LIMIT_LABEL_MAX_K,
     .at = offsetof(batch_body, k)},
    {.name = "overlap",
     .kind = MEMBER_WHOLE,
     .min = 1,
     .max = LIMIT_LABEL_OVERLAP,
     .at = offsetof(batch_body, overlap)},
    {.name = "overlap_sample", .kind = MEMBER_OBJECT, .at = offsetof(batch_body, sample)},
    {.name = "gold", .kind = MEMBER_BOOL, .at = offsetof(batch_body, gold)},
    {.name = "max_tokens",
     .kind = MEMBER_WHOLE,
     .min = 1,
     .max = LIMIT_LABEL_OUTPUT_TOKENS,
     .at = offsetof(batch_body, max_tokens)},
    {.name = "limit",
     .kind = MEMBER_WHOLE,
     .min = 1,
     .max = LIMIT_LABEL_TASKS,
     .at = offsetof(batch_body, limit)},
};

static bool read_policies(api_task_batch *out, const cJSON *list, api_error *err)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, list)
    {
        char at[MEMBER_PATH];
        member_path_index(at, "policies", out->n_policies);
        if (!cJSON_IsString(v) || !v->valuestring[0])
            return field_wrong(err, at, "the name of a policy or alias", v);
        out->policies[out->n_policies++] = v->valuestring;
    }
    return true;
}

static bool read_sample(api_task_batch *out, const cJSON *sample, api_error *err)
{
    static const member_rule rules[] = {
        {.name = "share",
         .kind = MEMBER_NUMBER,
         .required = true,
         .min = 0,
         .max = 1,
         .at = offsetof(api_task_batch, sample_share)},
        {.name = "n",
         .kind = MEMBER_WHOLE,
         .required = true,
         .min = 1,
         .max = LIMIT_LABEL_OVERLAP,
         .at = offsetof(api_task_batch, sample_n)},
    };
    return !sample || members_read(out, sample, rules, N(rules), "overlap_sample", err);
}

/* How labelers are to judge, as they read it. */
static const char *mode_of(const char *kind, const char *criterion)
{
    return strcmp(criterion, "toxicity") == 0 ? "toxicity"
           : strcmp(kind, "eval") == 0        ? "truthful_harmless_first"
                                              : "helpfulness_first";
}

static bool take_mode(api_task_batch *out, const char *mode, api_error *err)
{
    const bool eval = strcmp(out->kind, "eval") == 0;
    out->criterion = eval && mode && strcmp(mode, "toxicity") == 0 ? "toxicity" : "general";
    return !mode || strcmp(mode, mode_of(out->kind, out->criterion)) == 0 ||
           api_invalid(err, "invalid_value", "criterion_mode",
                       "criterion_mode: %s tasks take %s, found %s", out->kind,
                       eval ? "truthful_harmless_first or toxicity" : "helpfulness_first", mode);
}

/* Rules between members. */
static bool check_batch(const api_task_batch *b, bool has_k, api_error *err)
{
    const bool demo = strcmp(b->kind, "demo") == 0;
    if (strcmp(b->source, "captured") != 0 &&
        (strncmp(b->source, "file-", 5) != 0 || !data_file_id_valid(b->source)))
        return api_invalid(err, "invalid_value", "source",
                           "source: expected captured or a file's id, found \"%.64s\"", b->source);
    if (demo && (b->n_policies || has_k))
        return api_invalid(err, "invalid_value", has_k ? "k" : "policies",
                           "%s: a demonstration is written, no outputs are drawn for it",
                           has_k ? "k" : "policies");
    if (demo && b->gold)
        return api_invalid(err, "invalid_value", "gold",
                           "gold: people read demonstrations; rankings can be compared");
    if ((size_t)b->k < b->n_policies)
        return demo || api_invalid(err, "invalid_value", "policies",
                                   "policies: expected at most k, %lld, found %zu", (long long)b->k,
                                   b->n_policies);
    return true;
}

bool api_task_batch_read(api_task_batch *out, const char *body, size_t len, api_error *err)
{
    batch_body b = {.k = 0, .overlap = 1, .max_tokens = 256, .limit = 1000};
    *out = (api_task_batch){.tree = strict_json_parse(body, len, err), .sample_n = 1};
    bool ok = out->tree && members_read(&b, out->tree, batch_rules, N(batch_rules), "", err) &&
              read_policies(out, b.policies, err) && read_sample(out, b.sample, err);
    const bool has_k = b.k != 0;
    if (ok) {
        out->kind = b.kind;
        out->source = b.source;
        out->k = has_k || strcmp(b.kind, "demo") == 0 ? b.k : LIMIT_LABEL_MIN_K;
        out->overlap = b.overlap;
        out->gold = b.gold;
        out->max_tokens = b.max_tokens;
        out->limit = b.limit;
        ok = take_mode(out, b.mode, err) && check_batch(out, has_k, err);
    }
    if (!ok)
        api_task_batch_free(out);
    return ok;
}

void api_task_batch_free(api_task_batch *b)
{
    cJSON_Delete(b->tree);
    *b = (api_task_batch){0};
}

/* ---- a line of a file ---- */

static bool keep_prompt(store_task *out, const cJSON *root, api_error *err)
{
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(root, "messages");
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(root, "prompt");
    if (!messages && cJSON_IsArray(prompt)) /* a conversation under the other name */
        messages = prompt;
    if (!messages && !cJSON_IsString(prompt))
        return api_invalid(err, "missing_required_parameter", "prompt",
                           "prompt: expected a string, or messages");
    buf text;
    buf_init(&text, 2 * LIMIT_BODY_BYTES);
    const bool ok = !messages || messages_write(&text, messages, err);
    if (ok) {
        out->form = strdup(messages ? "messages" : "text");
        out->prompt = messages ? buf_take(&text, &(size_t){0}) : strdup(prompt->valuestring);
    }
    buf_free(&text);
    return ok && ((out->form && out->prompt) || api_no_memory(err));
}

static bool keep_output(store_output *out, const cJSON *v, size_t i, api_error *err)
{
    char at[MEMBER_PATH];
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(v, "text"));
    const char *whose = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(v, "policy"));
    member_path_index(at, "outputs", i);
    if (!text)
        return field_wrong(err, at, "an object with a string text", v);
    out->text = strdup(text);
    out->policy = strdup(whose ? whose : "");
    return (out->text && out->policy) || api_no_memory(err);
}

static bool keep_outputs(store_task *out, const cJSON *list, api_error *err)
{
    const size_t n = (size_t)cJSON_GetArraySize(list);
    if (!list)
        return true;
    if (!cJSON_IsArray(list) || n < 2 || n > LIMIT_LABEL_MAX_K)
        return api_invalid(err, "invalid_value", "outputs",
                           "outputs: expected a list of 2 to %d, found %zu", LIMIT_LABEL_MAX_K, n);
    out->outputs = calloc(n, sizeof *out->outputs);
    if (!out->outputs)
        return api_no_memory(err);
    for (const cJSON *v = list->child; v; v = v->next) {
        const size_t i = out->n_outputs++;
        if (!keep_output(&out->outputs[i], v, i, err))
            return false;
    }
    return true;
}

bool api_task_line_read(store_task *out, const char *line, size_t len, api_error *err)
{
    *out = (store_task){0};
    cJSON *root = strict_json_parse(line, len, err);
    const bool ok = root && keep_prompt(out, root, err) &&
                    keep_outputs(out, cJSON_GetObjectItemCaseSensitive(root, "outputs"), err);
    cJSON_Delete(root);
    if (!ok) {
        store_task_free(out);
        *out = (store_task){0};
    }
    return ok;
}

/* ---- what a labeler gets ---- */

/* A conversation as a person reads it: the text of a single message, else a paragraph each. */
static void write_conversation(buf *out, const cJSON *messages)
{
    const cJSON *m;
    buf_putc(out, '"');
    cJSON_ArrayForEach(m, messages)
    {
        const char *role = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(m, "role"));
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(m, "content"));
        if (messages->child->next) {
            if (m != messages->child)
                JSON_LIT(out, "\\n\\n");
            json_string_part(out, role ? role : "?", strlen(role ? role : "?"));
            JSON_LIT(out, ": ");
        }
        json_string_part(out, text ? text : "", text ? strlen(text) : 0);
    }
    buf_putc(out, '"');
}

bool api_task_prompt_write(buf *out, const char *form, const char *prompt, api_error *err)
{
    JSON_LIT(out, ",\"prompt\":");
    if (strcmp(form, "text") == 0 || !prompt[0]) {
        json_cstring(out, prompt);
        JSON_LIT(out, ",\"messages\":null");
        return true;
    }
    cJSON *messages = cJSON_Parse(prompt);
    if (!messages)
        return api_no_memory(err);
    write_conversation(out, messages);
    JSON_LIT(out, ",\"messages\":");
    buf_puts(out, prompt);
    cJSON_Delete(messages);
    return true;
}

bool api_task_write(buf *out, const store_task *t, const uint32_t *order, int64_t expires_at,
                    api_error *err)
{
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, t->id);
    JSON_LIT(out, ",\"object\":\"label.task\",\"kind\":");
    json_cstring(out, t->kind);
    if (!api_task_prompt_write(out, t->form, t->prompt, err))
        return false;
    JSON_LIT(out, ",\"outputs\":[");
    for (size_t i = 0; i < t->n_outputs; i++) {
        const store_output *o = &t->outputs[order[i]];
        buf_puts(out, i ? ",{\"id\":" : "{\"id\":");
        json_cstring(out, o->id);
        JSON_LIT(out, ",\"text\":");
        json_cstring(out, o->text);
        buf_putc(out, '}');
    }
    JSON_LIT(out, "],\"guideline_version\":");
    json_uint(out, t->guideline);
    JSON_LIT(out, ",\"criterion_mode\":");
    json_cstring(out, mode_of(t->kind, t->criterion));
    JSON_LIT(out, ",\"lease_expires_at\":");
    json_int(out, expires_at);
    buf_putc(out, '}');
    return true;
}

bool api_task_tokens(gen_prompt *out, const eng_tokenizer *tok, const store_task *t, api_error *err)
{
    if (strcmp(t->form, "text") == 0)
        return prompt_from_text(out, tok, t->prompt, strlen(t->prompt), NULL,
                                ENG_TOK_ADD_SPECIAL | ENG_TOK_PARSE_SPECIAL, err);
    cJSON *messages = cJSON_Parse(t->prompt);
    const bool ok =
        messages ? prompt_from_messages(out, tok, messages, true, err) : api_no_memory(err);
    cJSON_Delete(messages);
    return ok;
}

void api_task_counts_write(buf *out, const store_task_count *rows, size_t n)
{
    static const char *const states[] = {[STORE_TASK_SAMPLING] = "sampling",
                                         [STORE_TASK_OPEN] = "open",
                                         [STORE_TASK_DONE] = "done",
                                         [STORE_TASK_FAILED] = "failed"};
    JSON_LIT(out, "{\"object\":\"label.tasks\",\"counts\":[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i ? ",{\"kind\":" : "{\"kind\":");
        json_cstring(out, rows[i].kind);
        JSON_LIT(out, ",\"state\":");
        json_cstring(out, states[rows[i].state]);
        JSON_LIT(out, ",\"n\":");
        json_uint(out, rows[i].n);
        buf_putc(out, '}');
    }
    JSON_LIT(out, "]}");
}
