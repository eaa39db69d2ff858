#include "method.h"

#include "json.h"
#include "nearest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* Appends to a list like "a, b", as far as there is room. */
static void list_add(char *list, size_t room, const char *name)
{
    const size_t used = strlen(list);
    if (used + strlen(name) + sizeof ", " <= room)
        snprintf(list + used, room - used, "%s%s", used ? ", " : "", name);
}

/* ---- finding it ---- */

static void take_apart(method *m, const cJSON *entry)
{
    const cJSON *schema = member(entry, "schema");
    m->entry = entry;
    m->type = json_string(entry, "type");
    m->properties = member(schema, "properties");
    m->numbers = member(member(m->properties, "hyperparameters"), "properties");
    m->presets = member(schema, "presets");
}

/* Says what there is; known: "pretrain, supervised, ...". */
static exit_code no_method(const char *type, const nearest *near, const char *known, problem *p)
{
    problem_set(p, EXIT_USAGE, "the server has no method \"%.64s\"", type);
    if (near->best)
        problem_hint(p, "did you mean %.64s? it has %s", near->best, known);
    else
        problem_hint(p, "it has %s", known[0] ? known : "none: no plugin is loaded");
    return EXIT_USAGE;
}

exit_code method_fetch(method *m, server *s, const char *type, problem *p)
{
    *m = (method){0};
    exit_code code = server_json(s, "/v1/fine_tuning/methods", NULL, &m->list, NULL, p);
    if (code != EXIT_DONE)
        return code;
    const cJSON *entry;
    char known[200] = "";
    nearest near;
    nearest_init(&near, type);
    cJSON_ArrayForEach(entry, member(m->list, "data"))
    {
        const char *name = json_string(entry, "type");
        if (name && strcmp(name, type) == 0) {
            take_apart(m, entry);
            return EXIT_DONE;
        }
        if (!name)
            continue;
        nearest_offer(&near, name);
        list_add(known, sizeof known, name);
    }
    return no_method(type, &near, known, p);
}

void method_free(method *m)
{
    cJSON_Delete(m->list);
    *m = (method){0};
}

/* ---- values ---- */

/* Does the schema name this type, alone or in a list of types? */
static bool has_type(const cJSON *schema, const char *type)
{
    const cJSON *types = member(schema, "type"), *one;
    if (cJSON_IsString(types))
        return strcmp(types->valuestring, type) == 0;
    cJSON_ArrayForEach(one, types)
    {
        if (cJSON_IsString(one) && strcmp(one->valuestring, type) == 0)
            return true;
    }
    return false;
}

static bool parse_number(const char *s, double *value)
{
    char *end;
    errno = 0;
    *value = strtod(s, &end);
    return end != s && !*end && isfinite(*value) && !strpbrk(s, "xXpP");
}

static exit_code check_range(const cJSON *schema, const char *name, double value, problem *p)
{
    static const struct {
        const char *key, *words;
        int side; /* of the bound that is allowed: -1 below, 1 above */
        bool open;
    } bounds[] = {
        {"minimum", "at least", 1, false},
        {"exclusiveMinimum", "more than", 1, true},
        {"maximum", "at most", -1, false},
        {"exclusiveMaximum", "less than", -1, true},
    };
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const cJSON *bound = member(schema, bounds[i].key);
        if (!cJSON_IsNumber(bound))
            continue;
        double beyond = (value - bound->valuedouble) * bounds[i].side;
        if (beyond < 0 || (beyond == 0 && bounds[i].open))
            return problem_set(p, EXIT_USAGE, "%s is %s %g, not %g", name, bounds[i].words,
                               bound->valuedouble, value);
    }
    return EXIT_DONE;
}

/* Is it one of the schema's choices? Their list goes into the problem. */
static exit_code check_choice(const cJSON *schema, const char *name, const char *value, problem *p)
{
    const cJSON *choices = member(schema, "enum"), *choice;
    char list[256] = "";
    if (!cJSON_IsArray(choices))
        return EXIT_DONE;
    cJSON_ArrayForEach(choice, choices)
    {
        if (!cJSON_IsString(choice))
            continue;
        if (strcmp(choice->valuestring, value) == 0)
            return EXIT_DONE;
        list_add(list, sizeof list, choice->valuestring);
    }
    return problem_set(p, EXIT_USAGE, "%s is one of %s, not \"%.60s\"", name, list, value);
}

static exit_code wrong_type(const char *name, const char *wanted, const char *value, problem *p)
{
    return problem_set(p, EXIT_USAGE, "%s is %s, not \"%.60s\"", name, wanted, value);
}

static exit_code read_number(const cJSON *schema, const char *name, const char *value, cJSON **out,
                             problem *p)
{
    double number;
    bool whole = has_type(schema, "integer");
    if (!parse_number(value, &number) || (whole && number != floor(number)))
        return wrong_type(name, whole ? "a whole number" : "a number", value, p);
    exit_code code = check_range(schema, name, number, p);
    if (code == EXIT_DONE)
        *out = cJSON_CreateNumber(number);
    return code;
}

/* The JSON value that `value` stands for under this schema. */
static exit_code read_value(const cJSON *schema, const char *name, const char *value, cJSON **out,
                            problem *p)
{
    bool numeric = has_type(schema, "number") || has_type(schema, "integer");
    bool boolean = has_type(schema, "boolean");
    *out = NULL;
    if (strcmp(value, "auto") == 0 && (numeric || boolean)) {
        *out = cJSON_CreateString(value);
        return EXIT_DONE;
    }
    if (numeric)
        return read_number(schema, name, value, out, p);
    if (boolean) {
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return wrong_type(name, "true or false", value, p);
        *out = cJSON_CreateBool(value[0] == 't');
        return EXIT_DONE;
    }
    if (!has_type(schema, "string"))
        return problem_set(p, EXIT_USAGE, "%s cannot be given on the command line", name);
    exit_code code = check_choice(schema, name, value, p);
    if (code == EXIT_DONE)
        *out = cJSON_CreateString(value);
    return code;
}

/* ---- names ---- */

static void offer_names(nearest *near, const cJSON *object)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, object)
    {
        nearest_offer(near, one->string);
    }
}

static exit_code unknown(const method *m, const char *name, problem *p)
{
    nearest near;
    nearest_init(&near, name);
    offer_names(&near, m->numbers);
    offer_names(&near, m->properties);
    problem_set(p, EXIT_USAGE, "%s has no hyperparameter \"%.60s\"", m->type, name);
    if (near.best)
        problem_hint(p, "did you mean %.60s? instruct methods %s lists them", near.best, m->type);
    else
        problem_hint(p, "instruct methods %s lists them", m->type);
    return EXIT_USAGE;
}

/* The object `name` of `parent`, made where it is not there. */
static cJSON *child(cJSON *parent, const char *name)
{
    cJSON *found = cJSON_GetObjectItemCaseSensitive(parent, name);
    return found ? found : cJSON_AddObjectToObject(parent, name);
}

exit_code method_set(const method *m, const char *pair, cJSON *object, problem *p)
{
    const char *equals = strchr(pair, '=');
    char name[64];
    size_t len = equals ? (size_t)(equals - pair) : sizeof name;
    if (len >= sizeof name)
        return problem_set(p, EXIT_USAGE, "\"%.80s\" is no NAME=VALUE", pair);
    memcpy(name, pair, len);
    name[len] = '\0';
    const cJSON *number = member(m->numbers, name), *property = member(m->properties, name);
    if (!number && (!property || strcmp(name, "hyperparameters") == 0))
        return unknown(m, name, p);
    cJSON *value;
    exit_code code = read_value(number ? number : property, name, equals + 1, &value, p);
    if (code != EXIT_DONE)
        return code;
    cJSON *into = number ? child(object, "hyperparameters") : object;
    cJSON_DeleteItemFromObjectCaseSensitive(into, name);
    cJSON_AddItemToObject(into, name, value);
    return EXIT_DONE;
}

exit_code method_takes(const method *m, const char *property, const char *option, problem *p)
{
    if (!m->properties || member(m->properties, property))
        return EXIT_DONE;
    problem_set(p, EXIT_USAGE, "%s takes no %s", m->type, option);
    problem_hint(p, "instruct methods %s shows what it takes", m->type);
    return EXIT_USAGE;
}

bool method_needs(const method *m, const char *property)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, member(member(m->entry, "schema"), "required"))
    {
        if (cJSON_IsString(one) && strcmp(one->valuestring, property) == 0)
            return true;
    }
    return false;
}

bool method_reads_files(const method *m)
{
    const cJSON *formats = member(member(m->entry, "schema"), "x-training-formats");
    return !cJSON_IsArray(formats) || cJSON_GetArraySize(formats) > 0;
}

exit_code method_check_preset(const method *m, const char *preset, problem *p)
{
    nearest near;
    if (member(m->presets, preset))
        return EXIT_DONE;
    nearest_init(&near, preset);
    offer_names(&near, m->presets);
    problem_set(p, EXIT_USAGE, "%s has no preset \"%.60s\"", m->type, preset);
    if (near.best)
        problem_hint(p, "did you mean %.60s?", near.best);
    else
        problem_hint(p, "instruct methods %s shows what there is", m->type);
    return EXIT_USAGE;
}
