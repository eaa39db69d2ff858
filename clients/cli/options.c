#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TIMEOUT_S = 600 };

#define AT(member) NULL, (int)offsetof(options, member)
#define FIELD(name) name, 0

/* clang-format off */
const option_row option_rows[] = {
    {"--model", 'm', "NAME", OPTION_STRING, AT(model), COMMAND_GENERATES | COMMAND_TOKENIZE,
     "alias, alias@pol_… or pol_… (default: the server's alias)"},
    {"--system", 's', "TEXT", OPTION_STRING, AT(system), COMMAND_CHAT,
     "system message in front of the conversation"},
    {"--max-tokens", 0, "N", OPTION_INT, FIELD("max_tokens"), COMMAND_GENERATES,
     "most tokens of an answer"},
    {"--temperature", 't', "X", OPTION_REAL, FIELD("temperature"), COMMAND_GENERATES,
     "0 takes the likeliest token each time; up to 2"},
    {"--top-p", 0, "X", OPTION_REAL, FIELD("top_p"), COMMAND_GENERATES,
     "draw from the likeliest tokens that hold this share"},
    {"--top-k", 0, "N", OPTION_INT, FIELD("top_k"), COMMAND_GENERATES,
     "draw from the N likeliest tokens; 0 is off"},
    {"--min-p", 0, "X", OPTION_REAL, FIELD("min_p"), COMMAND_GENERATES,
     "drop tokens below this share of the likeliest one"},
    {"--presence-penalty", 0, "X", OPTION_REAL, FIELD("presence_penalty"), COMMAND_GENERATES,
     "-2 to 2, for tokens already generated"},
    {"--frequency-penalty", 0, "X", OPTION_REAL, FIELD("frequency_penalty"), COMMAND_GENERATES,
     "-2 to 2, for each time a token was generated"},
    {"--logit-bias", 0, "ID=B", OPTION_BIAS, FIELD("logit_bias"), COMMAND_GENERATES,
     "add B (-100 to 100) to a token's logit; repeatable"},
    {"--seed", 0, "N", OPTION_INT, FIELD("seed"), COMMAND_GENERATES,
     "same policy, request and seed give the same text"},
    {"--stop", 0, "TEXT", OPTION_STRINGS, FIELD("stop"), COMMAND_GENERATES,
     "end the answer before this text; repeatable"},
    {"--n", 'n', "N", OPTION_INT, FIELD("n"), COMMAND_GENERATES,
     "answers to one prompt (chat: one message only)"},
    {"--logprobs", 0, "N", OPTION_INT, FIELD("logprobs"), COMMAND_GENERATES,
     "log-probability of each token and its N best rivals"},
    {"--echo", 0, NULL, OPTION_TRUE, FIELD("echo"), COMMAND_COMPLETE,
     "print the prompt in front of the text"},
    {"--no-stream", 0, NULL, OPTION_FLAG, AT(no_stream), COMMAND_GENERATES,
     "wait for the whole answer"},
    {"--ids", 0, NULL, OPTION_FLAG, AT(ids), COMMAND_TOKENIZE, "print the token ids only, on one line"},
    {"--no-special-tokens", 0, NULL, OPTION_FLAG, AT(no_special_tokens), COMMAND_TOKENIZE,
     "add no beginning-of-text token"},
    {"--json", 'j', NULL, OPTION_FLAG, AT(json), COMMAND_ASKS,
     "print the server's JSON; a stream as one object a line"},
    {"--url", 'u', "URL", OPTION_STRING, AT(url), COMMAND_ASKS,
     "the server; INSTRUCTD_URL, else http://127.0.0.1:8080"},
    {"--key", 'k', "KEY", OPTION_STRING, AT(key), COMMAND_ASKS,
     "API key; INSTRUCTD_API_KEY, else DIR/admin.key (loopback only)"},
    {"--data-dir", 0, "DIR", OPTION_STRING, AT(data_dir), COMMAND_ASKS,
     "the daemon's data; INSTRUCTD_DATA_DIR, else ~/.local/share/instructd"},
    {"--timeout", 0, "S", OPTION_SECONDS, AT(timeout_s), COMMAND_ASKS,
     "give up after S silent seconds (600); 0 waits for ever"},
    {"--no-color", 0, NULL, OPTION_FLAG, AT(no_color), COMMAND_ASKS, "plain output (also: NO_COLOR)"},
    {"--help", 'h', NULL, OPTION_FLAG, AT(help), ~0u, "print this help"},
    {"--version", 'V', NULL, OPTION_FLAG, AT(version), ~0u, "print the version"},
};
/* clang-format on */
const int option_rows_len = sizeof option_rows / sizeof option_rows[0];

static const struct {
    const char *name;
    command_id id;
} commands[] = {
    {"complete", COMMAND_COMPLETE}, {"chat", COMMAND_CHAT}, {"models", COMMAND_MODELS},
    {"tokenize", COMMAND_TOKENIZE}, {"help", COMMAND_HELP},
};

const char *command_name(command_id id)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].id == id)
            return commands[i].name;
    return NULL;
}

command_id command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].id;
    return 0;
}

/* The row that `arg` names: -x, --name or --name=value. */
static const option_row *find_row(const char *arg)
{
    size_t len = strcspn(arg, "=");
    for (int i = 0; i < option_rows_len; i++) {
        const option_row *row = &option_rows[i];
        if (strlen(row->name) == len && strncmp(row->name, arg, len) == 0)
            return row;
        if (row->letter && arg[1] == row->letter && !arg[2])
            return row;
    }
    return NULL;
}

static exit_code bad_value(const option_row *row, const char *value, const char *wanted, problem *p)
{
    problem_set(p, EXIT_USAGE, "%s takes %s, not \"%.80s\"", row->name, wanted, value);
    return EXIT_USAGE;
}

static bool parse_int(const char *s, int64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoimax(s, &end, 10);
    return end != s && !*end && errno == 0;
}

/* Decimal only: C's hexadecimal numbers, inf and nan have no JSON form. */
static bool parse_real(const char *s, double *value)
{
    char *end;
    *value = strtod(s, &end);
    return end != s && !*end && isfinite(*value) && !strpbrk(s, "xX");
}

static void set_field(options *o, const char *field, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(o->fields, field);
    cJSON_AddItemToObject(o->fields, field, value);
}

/* The array or object that a repeatable option fills. */
static cJSON *repeatable(options *o, const char *field, cJSON *(*make)(void))
{
    cJSON *held = cJSON_GetObjectItemCaseSensitive(o->fields, field);
    if (!held)
        set_field(o, field, held = make());
    return held;
}

static exit_code take_bias(options *o, const option_row *row, const char *value, problem *p)
{
    const char *equals = strchr(value, '=');
    char id[24];
    int64_t id_number;
    double bias;
    size_t id_len = equals ? (size_t)(equals - value) : sizeof id;
    if (id_len < sizeof id) {
        snprintf(id, sizeof id, "%.*s", (int)id_len, value);
        if (parse_int(id, &id_number) && id_number >= 0 && parse_real(equals + 1, &bias)) {
            snprintf(id, sizeof id, "%" PRId64, id_number);
            cJSON *map = repeatable(o, row->field, cJSON_CreateObject);
            cJSON_DeleteItemFromObjectCaseSensitive(map, id);
            cJSON_AddNumberToObject(map, id, bias);
            return EXIT_DONE;
        }
    }
    return bad_value(row, value, "ID=B, a token id and a number", p);
}

static exit_code take_value(options *o, const option_row *row, const char *value, problem *p)
{
    void *target = (char *)o + row->offset;
    int64_t integer;
    double real;
    char digits[24];
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)target = true;
        break;
    case OPTION_STRING:
        *(const char **)target = value;
        break;
    case OPTION_SECONDS:
        if (!parse_real(value, &real) || real < 0)
            return bad_value(row, value, "seconds, 0 or more", p);
        *(double *)target = real;
        break;
    case OPTION_INT: /* as written: a 64-bit seed does not fit cJSON's double */
        if (!parse_int(value, &integer))
            return bad_value(row, value, "a whole number", p);
        snprintf(digits, sizeof digits, "%" PRId64, integer);
        set_field(o, row->field, cJSON_CreateRaw(digits));
        break;
    case OPTION_REAL:
        if (!parse_real(value, &real))
            return bad_value(row, value, "a number", p);
        set_field(o, row->field, cJSON_CreateNumber(real));
        break;
    case OPTION_STRINGS:
        cJSON_AddItemToArray(repeatable(o, row->field, cJSON_CreateArray),
                             cJSON_CreateString(value));
        break;
    case OPTION_BIAS:
        return take_bias(o, row, value, p);
    case OPTION_TRUE:
        set_field(o, row->field, cJSON_CreateTrue());
        break;
    }
    return EXIT_DONE;
}

static exit_code take_positional(options *o, const char *arg, problem *p)
{
    if (!o->command) {
        o->command = command_find(arg);
        if (o->command)
            return EXIT_DONE;
        problem_set(p, EXIT_USAGE, "there is no command \"%.80s\"", arg);
        problem_hint(p, "instruct --help lists the commands");
        return EXIT_USAGE;
    }
    if (o->argument || o->command == COMMAND_MODELS) {
        problem_set(p, EXIT_USAGE, "unexpected argument \"%.80s\"", arg);
        if (o->command != COMMAND_MODELS)
            problem_hint(p, "put quotes around a text with spaces");
        return EXIT_USAGE;
    }
    o->argument = arg;
    return EXIT_DONE;
}

/* argv[*i] is an option; takes the next argument too when the value stands there. */
static exit_code take_option(options *o, int argc, char **argv, int *i, unsigned *seen, problem *p)
{
    const char *arg = argv[*i];
    const option_row *row = find_row(arg);
    if (!row)
        return problem_set(p, EXIT_USAGE, "unknown option %.80s", arg);
    const char *equals = arg[1] == '-' ? strchr(arg, '=') : NULL;
    const char *value = equals ? equals + 1 : NULL;
    if (value && !row->value)
        return problem_set(p, EXIT_USAGE, "%s takes no value", row->name);
    if (row->value && !value) {
        if (*i + 1 >= argc)
            return problem_set(p, EXIT_USAGE, "%s needs a value: %s", row->name, row->value);
        value = argv[++*i];
    }
    *seen |= 1u << (row - option_rows);
    return take_value(o, row, value, p);
}

/* Options may stand before the command, so whether it takes them is checked at the end. */
static exit_code check_command(const options *o, unsigned seen, problem *p)
{
    for (int i = 0; i < option_rows_len; i++) {
        const option_row *row = &option_rows[i];
        if ((seen >> i & 1) && o->command && !(row->commands & o->command))
            return problem_set(p, EXIT_USAGE, "%s is not an option of instruct %s", row->name,
                               command_name(o->command));
    }
    if (!o->command && !o->help && !o->version)
        return problem_set(p, EXIT_USAGE, "a command is missing");
    return EXIT_DONE;
}

exit_code options_parse(options *o, int argc, char **argv, problem *p)
{
    _Static_assert(sizeof option_rows / sizeof option_rows[0] <= 32, "one bit a row in `seen`");
    *o = (options){.timeout_s = DEFAULT_TIMEOUT_S, .fields = cJSON_CreateObject()};
    unsigned seen = 0;
    bool only_positionals = false;
    exit_code code = EXIT_DONE;
    for (int i = 1; i < argc && code == EXIT_DONE; i++) {
        const char *arg = argv[i];
        if (only_positionals || arg[0] != '-' || !arg[1])
            code = take_positional(o, arg, p);
        else if (strcmp(arg, "--") == 0)
            only_positionals = true;
        else
            code = take_option(o, argc, argv, &i, &seen, p);
    }
    if (code == EXIT_DONE)
        code = check_command(o, seen, p);
    if (code != EXIT_DONE && !p->hint[0])
        problem_hint(p, "instruct help%s%s lists the options", o->command ? " " : "",
                     o->command ? command_name(o->command) : "");
    return code;
}

void options_free(options *o)
{
    cJSON_Delete(o->fields);
    o->fields = NULL;
}
