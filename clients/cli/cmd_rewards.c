#include "commands.h"

#include "input.h"
#include "json.h"
#include "server.h"

#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 256 << 20, BATCH = 64 }; /* BATCH: the most one request takes */

typedef struct scoring {
    const options *o;
    server *server;
    terminal *out;
} scoring;

/* ---- what is scored ---- */

static void add_message(cJSON *messages, const char *role, const char *content)
{
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "role", role);
    cJSON_AddStringToObject(message, "content", content);
    cJSON_AddItemToArray(messages, message);
}

/* {messages}: the messages of a prompt, and the answer. Takes the messages. */
static cJSON *chat_item(cJSON *messages, const char *completion)
{
    cJSON *item = cJSON_CreateObject();
    add_message(messages, "assistant", completion);
    cJSON_AddItemToObject(item, "messages", messages);
    return item;
}

/* One line of JSON: {prompt,completion} or {messages}; other members are left out. */
static cJSON *pick_item(const cJSON *line)
{
    static const char *const members[] = {"prompt", "completion", "messages"};
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(line, "prompt");
    const char *completion = json_string(line, "completion");
    if (cJSON_IsArray(prompt) && completion)
        return chat_item(cJSON_Duplicate(prompt, true), completion);
    cJSON *item = cJSON_CreateObject();
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(line, members[i]);
        if (value)
            cJSON_AddItemToObject(item, members[i], cJSON_Duplicate(value, true));
    }
    return item;
}

static exit_code take_line(cJSON *items, const char *line, size_t len, long number, problem *p)
{
    cJSON *json = json_parse(line, len);
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(json, "prompt");
    bool pair =
        (cJSON_IsString(prompt) || cJSON_IsArray(prompt)) && json_string(json, "completion");
    bool talk = cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(json, "messages"));
    if (pair || talk)
        cJSON_AddItemToArray(items, pick_item(json));
    cJSON_Delete(json);
    if (pair || talk)
        return EXIT_DONE;
    problem_set(p, EXIT_USAGE, "line %ld of standard input has no prompt and completion", number);
    problem_hint(p, "a line is {\"prompt\":…,\"completion\":…} or {\"messages\":[…]}");
    return EXIT_USAGE;
}

static exit_code read_lines(const options *o, cJSON *items, problem *p)
{
    text all;
    text_init(&all, INPUT_MAX);
    exit_code code = input_read(o, &all, p);
    const char *at = text_str(&all), *end = at + all.len;
    for (long number = 1; at < end && code == EXIT_DONE; number++) {
        size_t len = strcspn(at, "\n");
        if (strspn(at, " \t\r") < len)
            code = take_line(items, at, len, number, p);
        at += at + len < end ? len + 1 : len;
    }
    text_free(&all);
    return code;
}

static exit_code read_items(const options *o, cJSON *items, problem *p)
{
    const char *prompt = options_argument(o, 0), *completion = options_argument(o, 1);
    bool piped = prompt ? strcmp(prompt, "-") == 0 : !input_is_interactive(o);
    if (piped && !completion)
        return read_lines(o, items, p);
    if (!prompt || !completion) {
        problem_set(p, EXIT_USAGE, "rewards needs a PROMPT and a COMPLETION");
        problem_hint(p, "or lines of {\"prompt\":…,\"completion\":…} on standard input");
        return EXIT_USAGE;
    }
    exit_code code = input_check(prompt, strlen(prompt), "the prompt", p);
    if (code == EXIT_DONE)
        code = input_check(completion, strlen(completion), "the completion", p);
    if (code != EXIT_DONE)
        return code;
    cJSON *messages = cJSON_CreateArray();
    add_message(messages, "user", prompt);
    cJSON_AddItemToArray(items, chat_item(messages, completion));
    return EXIT_DONE;
}

/* ---- scoring it ---- */

/* One number a line, in the order of the input. */
static exit_code print_scores(const cJSON *reply, int wanted, terminal *out, problem *p)
{
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(reply, "data");
    if (cJSON_GetArraySize(data) != wanted)
        return problem_set(p, EXIT_SERVER, "the server scored %d of %d answers",
                           cJSON_GetArraySize(data), wanted);
    for (int i = 0; i < wanted; i++) {
        const cJSON *score =
            cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(data, i), "reward");
        if (!cJSON_IsNumber(score))
            return problem_set(p, EXIT_SERVER, "the server gave answer %d no reward", i);
        terminal_printf(out, "%.9g\n", score->valuedouble);
    }
    return EXIT_DONE;
}

/* Moves up to a batch of items from the front of the array into a request's body. */
static char *next_body(const scoring *s, cJSON *items, int *n)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "model", s->o->model);
    cJSON *input = cJSON_AddArrayToObject(body, "input");
    for (*n = 0; *n < BATCH && items->child; ++*n)
        cJSON_AddItemToArray(input, cJSON_DetachItemFromArray(items, 0));
    char *printed = json_print(body);
    cJSON_Delete(body);
    return printed;
}

static exit_code score(const scoring *s, cJSON *items, problem *p)
{
    exit_code code = EXIT_DONE;
    while (items->child && code == EXIT_DONE && !s->out->error) {
        int n;
        cJSON *reply = NULL;
        char *raw = NULL, *body = next_body(s, items, &n);
        code = body ? server_json(s->server, "/v1/rewards", body, &reply, &raw, p)
                    : problem_set(p, EXIT_SERVER, "out of memory");
        if (code == EXIT_DONE && s->o->json)
            terminal_line(s->out, raw);
        else if (code == EXIT_DONE)
            code = print_scores(reply, n, s->out, p);
        free(raw);
        free(body);
        cJSON_Delete(reply);
    }
    return code;
}

exit_code cmd_rewards(const options *o, terminal *out, terminal *err, problem *p)
{
    server s = {0};
    (void)err;
    if (!o->model)
        return problem_set(p, EXIT_USAGE, "rewards needs --model, the reward model");
    cJSON *items = cJSON_CreateArray();
    exit_code code = read_items(o, items, p);
    if (code == EXIT_DONE)
        code = server_open(&s, o, p);
    if (code == EXIT_DONE)
        code = score(&(scoring){o, &s, out}, items, p);
    server_close(&s);
    cJSON_Delete(items);
    return code;
}
