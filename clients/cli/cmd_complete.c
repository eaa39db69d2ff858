#include "commands.h"

#include "generate.h"
#include "input.h"
#include "json.h"
#include "request.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPT_MAX = 16 << 20 };

/* On a terminal, says why a text ends in the middle of a sentence. */
static void explain_length(const reply *r, const options *o, terminal *err)
{
    if (!err->is_tty || o->json || cJSON_GetObjectItemCaseSensitive(o->fields, "max_tokens"))
        return;
    for (int i = 0; i < r->choices_len; i++) {
        if (strcmp(r->choices[i].finish, "length") != 0)
            continue;
        terminal_set_style(err, STYLE_DIM);
        terminal_printf(err, "(ended at the server's token limit; --max-tokens N asks for more)");
        terminal_set_style(err, STYLE_PLAIN);
        terminal_printf(err, "\n");
        return;
    }
}

static exit_code complete(const options *o, const char *prompt, terminal *out, terminal *err,
                          problem *p)
{
    server s;
    exit_code code = server_open(&s, o, p);
    if (code != EXIT_DONE)
        return code;
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(o->fields, "n");
    char *body = request_completion(o, prompt, !o->no_stream);
    generation g = {.path = "/v1/completions",
                    .body = body,
                    .stream = !o->no_stream,
                    .json = o->json,
                    .headings = n && strcmp(n->valuestring, "1") != 0};
    reply r;
    reply_init(&r);
    code = body ? generate(&s, &g, out, &r, p) : problem_set(p, EXIT_SERVER, "out of memory");
    if (!o->json)
        generate_print_logprobs(&r, err);
    explain_length(&r, o, err);
    reply_free(&r);
    free(body);
    server_close(&s);
    return code;
}

exit_code cmd_complete(const options *o, terminal *out, terminal *err, problem *p)
{
    if (input_is_interactive(o)) {
        problem_set(p, EXIT_USAGE, "complete needs a PROMPT");
        problem_hint(p, "instruct complete \"Once upon a time\", or - to read standard input");
        return EXIT_USAGE;
    }
    text prompt;
    text_init(&prompt, PROMPT_MAX);
    exit_code code = input_read(o, &prompt, p);
    if (code == EXIT_DONE)
        code = complete(o, text_str(&prompt), out, err, p);
    text_free(&prompt);
    return code;
}
