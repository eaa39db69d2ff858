#include "reply.h"

#include "json.h"
#include "sanitize.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHOICE_TEXT_MAX = 64 << 20 };

void reply_init(reply *r)
{
    *r = (reply){.prompt_tokens = -1, .completion_tokens = -1};
}

void reply_free(reply *r)
{
    for (int i = 0; i < r->choices_len; i++) {
        text_free(&r->choices[i].text);
        text_free(&r->choices[i].logprobs);
    }
    free(r->choices);
    reply_init(r);
}

/* The choice of that index; choices before it appear empty. NULL for an index out of range. */
static reply_choice *choice_at(reply *r, double index)
{
    if (!(index >= 0 && index < REPLY_CHOICES_MAX))
        return NULL;
    int wanted = (int)index + 1;
    if (wanted > r->choices_len) {
        reply_choice *grown = realloc(r->choices, (size_t)wanted * sizeof *grown);
        if (!grown)
            return NULL;
        r->choices = grown;
        for (; r->choices_len < wanted; r->choices_len++) {
            reply_choice *fresh = &r->choices[r->choices_len];
            *fresh = (reply_choice){0};
            text_init(&fresh->text, CHOICE_TEXT_MAX);
            text_init(&fresh->logprobs, CHOICE_TEXT_MAX);
        }
    }
    return &r->choices[(int)index];
}

static void put_logprob(text *out, const char *token, const cJSON *value)
{
    if (cJSON_IsNumber(value))
        text_printf(out, "%10.4f  ", value->valuedouble);
    else
        text_printf(out, "%10s  ", "-"); /* the first token of an echoed prompt has none */
    for (const char *c = token ? token : ""; *c; c++)
        if (*c == '\n')
            text_puts(out, "\\n");
        else
            text_append(out, c, 1);
}

/* `tokens, token_logprobs, top_logprobs` in step, as completions send them. */
static void take_arrays(text *out, const cJSON *logprobs)
{
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(logprobs, "tokens");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(logprobs, "token_logprobs");
    const cJSON *top = cJSON_GetObjectItemCaseSensitive(logprobs, "top_logprobs");
    token = token ? token->child : NULL;
    value = value ? value->child : NULL;
    top = top ? top->child : NULL;
    for (; token && value; token = token->next, value = value->next) {
        put_logprob(out, token->valuestring, value);
        for (const cJSON *rival = top ? top->child : NULL; rival; rival = rival->next) {
            text_puts(out, " |");
            put_logprob(out, rival->string, rival);
        }
        text_puts(out, "\n");
        top = top ? top->next : NULL;
    }
}

/* `content:[{token,logprob,top_logprobs}]`, as chat sends them. */
static void take_records(text *out, const cJSON *content)
{
    const cJSON *record, *rival;
    cJSON_ArrayForEach(record, content)
    {
        put_logprob(out, json_string(record, "token"),
                    cJSON_GetObjectItemCaseSensitive(record, "logprob"));
        cJSON_ArrayForEach(rival, cJSON_GetObjectItemCaseSensitive(record, "top_logprobs"))
        {
            text_puts(out, " |");
            put_logprob(out, json_string(rival, "token"),
                        cJSON_GetObjectItemCaseSensitive(rival, "logprob"));
        }
        text_puts(out, "\n");
    }
}

static exit_code take_choice(reply *r, const cJSON *item, double now_s, problem *p)
{
    reply_choice *choice = choice_at(r, json_number(item, "index", -1));
    if (!choice)
        return problem_set(p, EXIT_SERVER, "the server sent a choice without a usable index");
    const char *piece = json_string(item, "text");
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(item, "delta");
    if (!message)
        message = cJSON_GetObjectItemCaseSensitive(item, "message");
    if (!piece)
        piece = json_string(message, "content");
    if (piece && *piece) {
        text_puts(&choice->text, piece);
        r->pieces++;
        if (r->first_s == 0)
            r->first_s = now_s;
        r->last_s = now_s;
    }
    const cJSON *logprobs = cJSON_GetObjectItemCaseSensitive(item, "logprobs");
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(logprobs, "content");
    if (content)
        take_records(&choice->logprobs, content);
    else
        take_arrays(&choice->logprobs, logprobs);
    const char *finish = json_string(item, "finish_reason");
    if (finish)
        snprintf(choice->finish, sizeof choice->finish, "%s", finish);
    if (choice->text.failed || choice->logprobs.failed)
        return problem_set(p, EXIT_SERVER, "the answer is too long to hold");
    return EXIT_DONE;
}

static exit_code take_object(reply *r, const cJSON *object, double now_s, problem *p)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(object, "error");
    if (cJSON_IsObject(error))
        return server_error(error, 0, p);
    const cJSON *choices = cJSON_GetObjectItemCaseSensitive(object, "choices");
    if (!cJSON_IsArray(choices))
        return problem_set(p, EXIT_SERVER, "the server sent an object without choices");
    const cJSON *item;
    cJSON_ArrayForEach(item, choices)
    {
        exit_code code = take_choice(r, item, now_s, p);
        if (code != EXIT_DONE)
            return code;
    }
    const cJSON *usage = cJSON_GetObjectItemCaseSensitive(object, "usage");
    r->prompt_tokens = (long long)json_number(usage, "prompt_tokens", (double)r->prompt_tokens);
    r->completion_tokens =
        (long long)json_number(usage, "completion_tokens", (double)r->completion_tokens);
    const char *model = json_string(object, "model"), *at = model ? strchr(model, '@') : NULL;
    if (at && !r->policy[0])
        snprintf(r->policy, sizeof r->policy, "%s", at + 1);
    return EXIT_DONE;
}

exit_code reply_take(reply *r, const char *json, size_t len, double now_s, problem *p)
{
    cJSON *object = json_parse(json, len);
    exit_code code = object ? take_object(r, object, now_s, p)
                            : problem_set(p, EXIT_SERVER, "the server sent a line that is no JSON");
    cJSON_Delete(object);
    return code;
}
