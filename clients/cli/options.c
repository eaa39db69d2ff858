#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TIMEOUT_S = 600 };

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

static exit_code take_pair(cJSON **pairs, const option_row *row, const char *value, problem *p)
{
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || !equals[1])
        return bad_value(row, value, "NAME=VALUE", p);
    if (!*pairs)
        *pairs = cJSON_CreateArray();
    cJSON_AddItemToArray(*pairs, cJSON_CreateString(value));
    return EXIT_DONE;
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
    case OPTION_COUNT:
        if (!parse_int(value, &integer) || integer < 1 || integer > UINT32_MAX)
            return bad_value(row, value, "a whole number from 1", p);
        *(uint32_t *)target = (uint32_t)integer;
        break;
    case OPTION_PAIRS:
        return take_pair((cJSON **)target, row, value, p);
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
    int most = command_arguments(o->command);
    if (o->arguments_len >= most) {
        problem_set(p, EXIT_USAGE, "unexpected argument \"%.80s\"", arg);
        if (most == 1)
            problem_hint(p, "put quotes around a text with spaces");
        return EXIT_USAGE;
    }
    o->arguments[o->arguments_len++] = arg;
    return EXIT_DONE;
}

/* argv[*i] is an option; takes the next argument too when the value stands there. */
static exit_code take_option(options *o, int argc, char **argv, int *i, bool *seen, problem *p)
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
    seen[row - option_rows] = true;
    return take_value(o, row, value, p);
}

/* Options may stand before the command, so whether it takes them is checked at the end. */
static exit_code check_command(const options *o, const bool *seen, problem *p)
{
    for (int i = 0; i < option_rows_len; i++) {
        const option_row *row = &option_rows[i];
        if (seen[i] && o->command && !(row->commands & o->command))
            return problem_set(p, EXIT_USAGE, "%s is not an option of instruct %s", row->name,
                               command_name(o->command));
    }
    if (!o->command && !o->help && !o->version)
        return problem_set(p, EXIT_USAGE, "a command is missing");
    return EXIT_DONE;
}

exit_code options_parse(options *o, int argc, char **argv, problem *p)
{
    *o = (options){.timeout_s = DEFAULT_TIMEOUT_S, .fields = cJSON_CreateObject()};
    bool seen[OPTION_ROWS_MAX] = {false};
    bool only_positionals = false;
    exit_code code = EXIT_DONE;
    for (int i = 1; i < argc && code == EXIT_DONE; i++) {
        const char *arg = argv[i];
        if (only_positionals || arg[0] != '-' || !arg[1])
            code = take_positional(o, arg, p);
        else if (strcmp(arg, "--") == 0)
            only_positionals = true;
        else
            code = take_option(o, argc, argv, &i, seen, p);
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
    cJSON_Delete(o->sets);
    cJSON_Delete(o->gates);
    o->fields = o->sets = o->gates = NULL;
}

const char *options_argument(const options *o, int i)
{
    return i < o->arguments_len ? o->arguments[i] : NULL;
}

const char *options_seed(const options *o)
{
    const cJSON *seed = cJSON_GetObjectItemCaseSensitive(o->fields, "seed");
    return seed ? seed->valuestring : NULL;
}
