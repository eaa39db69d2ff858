#include "api/captured.h"

#include "api/prompt.h"
#include "api/strict_json.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

void captured_prompts_free(captured_prompts *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->texts[i]);
    free(p->texts);
    *p = (captured_prompts){0};
}

static bool keep(captured_prompts *out, char *text)
{
    if (text)
        out->texts[out->n++] = text;
    return text != NULL;
}

static bool keep_messages(captured_prompts *out, const cJSON *messages)
{
    buf text;
    api_error unused;
    buf_init(&text, 2 * LIMIT_BODY_BYTES); /* escapes may be longer than they came */
    out->form = "messages";
    out->texts = calloc(1, sizeof *out->texts);
    const bool ok = out->texts && messages_write(&text, messages, &unused) &&
                    keep(out, buf_take(&text, &(size_t){0}));
    buf_free(&text);
    return ok;
}

/* A string, or a list whose first element tells that all are. */
static bool keep_texts(captured_prompts *out, const cJSON *prompt)
{
    const cJSON *first = cJSON_IsArray(prompt) ? prompt->child : prompt;
    out->form = "text";
    if (!cJSON_IsString(first))
        return true;
    out->texts =
        calloc(cJSON_IsArray(prompt) ? (size_t)cJSON_GetArraySize(prompt) : 1, sizeof *out->texts);
    bool ok = out->texts != NULL;
    for (const cJSON *v = first; v && ok; v = v == prompt ? NULL : v->next)
        ok = keep(out, strdup(v->valuestring));
    return ok;
}

void captured_prompts_read(captured_prompts *out, gen_family family, const char *body, size_t len)
{
    api_error unused;
    *out = (captured_prompts){0};
    cJSON *root = strict_json_parse(body, len, &unused);
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(root, "messages");
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(root, "prompt");
    if (!root || !(family == GEN_CHAT ? keep_messages(out, messages) : keep_texts(out, prompt)))
        captured_prompts_free(out);
    cJSON_Delete(root);
}
