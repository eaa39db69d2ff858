#include "commands.h"

#include "conversation.h"
#include "generate.h"
#include "input.h"
#include "request.h"
#include "stats.h"
#include "talk.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 16 << 20 };

static bool asks_for_several(const options *o)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(o->fields, "n");
    return n && strcmp(n->valuestring, "1") != 0;
}

/* The one message of a call; the line end that echo and editors put after a text is not part. */
static exit_code read_message(const options *o, text *message, problem *p)
{
    exit_code code = input_read(o, message, p);
    if (code == EXIT_DONE && message->len && message->data[message->len - 1] == '\n')
        message->data[--message->len] = '\0';
    if (code == EXIT_DONE && !message->len)
        return problem_set(p, EXIT_USAGE, "the message is empty");
    return code;
}

static exit_code ask_once(server *s, const options *o, const char *message, terminal *out,
                          terminal *err, problem *p)
{
    conversation c;
    conversation_init(&c, o->system);
    conversation_add(&c, "user", message);
    char *body = request_chat(o, c.messages, !o->no_stream);
    conversation_free(&c);
    generation g = {.path = "/v1/chat/completions",
                    .body = body,
                    .stream = !o->no_stream,
                    .json = o->json,
                    .headings = asks_for_several(o)};
    reply r;
    reply_init(&r);
    exit_code code =
        body ? generate(s, &g, out, &r, p) : problem_set(p, EXIT_SERVER, "out of memory");
    if (!o->json)
        generate_print_logprobs(&r, err);
    if (!o->json && err->is_tty && r.choices_len)
        stats_print_answer(&r, err);
    reply_free(&r);
    free(body);
    return code;
}

exit_code cmd_chat(const options *o, terminal *out, terminal *err, problem *p)
{
    bool interactive = input_is_interactive(o);
    if (interactive && (o->json || asks_for_several(o)))
        return problem_set(p, EXIT_USAGE, "%s needs a MESSAGE or a pipe",
                           o->json ? "--json" : "--n");
    text message;
    text_init(&message, MESSAGE_MAX);
    server s = {0};
    exit_code code =
        o->system ? input_check(o->system, strlen(o->system), "--system", p) : EXIT_DONE;
    if (code == EXIT_DONE && !interactive)
        code = read_message(o, &message, p);
    if (code == EXIT_DONE)
        code = server_open(&s, o, p);
    if (code == EXIT_DONE && interactive)
        code = talk(&s, o, out, err, p);
    else if (code == EXIT_DONE)
        code = ask_once(&s, o, text_str(&message), out, err, p);
    server_close(&s);
    text_free(&message);
    return code;
}
