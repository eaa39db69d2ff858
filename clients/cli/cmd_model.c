#include "commands.h"

#include "json.h"

#include "formats/new_model.h"

#include <stdlib.h>
#include <string.h>

/* The options that have no default, in the order of the usage line. */
static exit_code check_given(const options *o, problem *p)
{
    const struct {
        const char *name;
        bool given;
    } needed[] = {
        {"--arch", o->arch},   {"--layers", o->layers},   {"--dim", o->dim},
        {"--heads", o->heads}, {"--context", o->context}, {"--out", o->out},
    };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (!needed[i].given) {
            problem_set(p, EXIT_USAGE, "model new needs %s", needed[i].name);
            problem_hint(p, "instruct help model shows an example");
            return EXIT_USAGE;
        }
    return EXIT_DONE;
}

static exit_code read_type(const options *o, eng_dtype *type, problem *p)
{
    if (o->dtype && strcmp(o->dtype, "f32") != 0 && strcmp(o->dtype, "bf16") != 0)
        return problem_set(p, EXIT_USAGE, "--type is f32 or bf16, not \"%.40s\"", o->dtype);
    *type = o->dtype && strcmp(o->dtype, "bf16") == 0 ? ENG_BF16 : ENG_F32;
    return EXIT_DONE;
}

static exit_code read_seed(const options *o, uint64_t *seed, problem *p)
{
    const char *given = options_seed(o);
    if (given && given[0] == '-')
        return problem_set(p, EXIT_USAGE, "--seed of a model is 0 or more, not %s", given);
    *seed = given ? strtoull(given, NULL, 10) : 0;
    return EXIT_DONE;
}

static void print_made(const options *o, const char *id, terminal *out, terminal *err)
{
    if (o->json) {
        cJSON *made = cJSON_CreateObject();
        cJSON_AddStringToObject(made, "object", "model_directory");
        cJSON_AddStringToObject(made, "id", id);
        cJSON_AddStringToObject(made, "path", o->out);
        char *line = json_print(made);
        terminal_write(out, line ? line : "", line ? strlen(line) : 0);
        terminal_end(out);
        free(line);
        cJSON_Delete(made);
        return;
    }
    terminal_printf(out, "%s\n", id);
    if (err->is_tty)
        terminal_printf(err, "serve it with ./quickstart up --model %s\n", o->out);
}

exit_code cmd_model(const options *o, terminal *out, terminal *err, problem *p)
{
    const char *what = options_argument(o, 0);
    eng_new_model spec = {.arch = o->arch,
                          .n_layer = o->layers,
                          .n_embd = o->dim,
                          .n_head = o->heads,
                          .n_ctx = o->context,
                          .n_kv_head = o->kv_heads,
                          .n_ff = o->ff,
                          .n_vocab = o->vocab,
                          .untied = o->untied};
    char id[ENG_POLICY_ID_BYTES];
    eng_error why;
    if (!what || strcmp(what, "new") != 0) {
        problem_set(p, EXIT_USAGE, "model takes new, not \"%.80s\"", what ? what : "");
        problem_hint(p, "instruct models lists what a server offers");
        return EXIT_USAGE;
    }
    if (o->tokenizer && strcmp(o->tokenizer, "bytes") != 0)
        spec.tokenizer = o->tokenizer;
    exit_code code = check_given(o, p);
    if (code == EXIT_DONE)
        code = read_type(o, &spec.dtype, p);
    if (code == EXIT_DONE)
        code = read_seed(o, &spec.seed, p);
    if (code != EXIT_DONE)
        return code;
    eng_status status = eng_model_new(o->out, &spec, id, &why);
    if (status != ENG_OK)
        return problem_set(p, status == ENG_IO || status == ENG_NOMEM ? EXIT_SERVER : EXIT_USAGE,
                           "%s", why.text);
    print_made(o, id, out, err);
    return EXIT_DONE;
}
