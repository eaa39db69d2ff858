#include "request.h"

#include "json.h"

/* Prints and deletes the body. */
static char *finish(cJSON *body)
{
    char *printed = json_print(body);
    cJSON_Delete(body);
    return printed;
}

static cJSON *body_for(const options *o)
{
    cJSON *body = cJSON_CreateObject();
    if (o->model)
        cJSON_AddStringToObject(body, "model", o->model);
    return body;
}

static void add_generation(cJSON *body, const options *o, bool stream)
{
    const cJSON *field;
    cJSON_ArrayForEach(field, o->fields)
    {
        cJSON_AddItemToObject(body, field->string, cJSON_Duplicate(field, true));
    }
    if (!stream)
        return;
    cJSON_AddTrueToObject(body, "stream");
    cJSON *stream_options = cJSON_AddObjectToObject(body, "stream_options");
    cJSON_AddTrueToObject(stream_options, "include_usage");
}

char *request_completion(const options *o, const char *prompt, bool stream)
{
    cJSON *body = body_for(o);
    cJSON_AddStringToObject(body, "prompt", prompt);
    add_generation(body, o, stream);
    return finish(body);
}

char *request_chat(const options *o, const cJSON *messages, bool stream)
{
    cJSON *body = body_for(o);
    cJSON_AddItemToObject(body, "messages", cJSON_Duplicate(messages, true));
    add_generation(body, o, stream);
    /* Here the count has a field of its own beside the switch. */
    cJSON *best = cJSON_DetachItemFromObjectCaseSensitive(body, "logprobs");
    if (best) {
        cJSON_AddTrueToObject(body, "logprobs");
        cJSON_AddItemToObject(body, "top_logprobs", best);
    }
    return finish(body);
}

char *request_tokenize(const options *o, const char *prompt)
{
    cJSON *body = body_for(o);
    cJSON_AddStringToObject(body, "prompt", prompt);
    if (o->no_special_tokens)
        cJSON_AddFalseToObject(body, "add_special_tokens");
    return finish(body);
}

char *request_detokenize(const options *o, long long token)
{
    cJSON *body = body_for(o);
    cJSON *tokens = cJSON_AddArrayToObject(body, "tokens");
    cJSON_AddItemToArray(tokens, cJSON_CreateNumber((double)token));
    return finish(body);
}
