#include "api/schema.h"

#include "api/fields.h"
#include "api/strict_json.h"
#include "base/limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 192 };

/* The tree as written; schema_parse has checked every keyword that is read from it later. */
struct schema {
    cJSON *root;
};

typedef enum value_type {
    TYPE_OBJECT,
    TYPE_NUMBER,
    TYPE_INTEGER,
    TYPE_STRING,
    TYPE_BOOLEAN,
    TYPE_UNKNOWN
} value_type;

static const char *const type_names[] = {"object", "number", "integer", "string", "boolean"};

static const cJSON *keyword(const cJSON *rule, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(rule, name);
}

static value_type type_of(const cJSON *rule)
{
    const char *name = cJSON_GetStringValue(keyword(rule, "type"));
    for (int i = 0; name && i < TYPE_UNKNOWN; i++)
        if (strcmp(name, type_names[i]) == 0)
            return (value_type)i;
    return TYPE_UNKNOWN;
}

static void join(char out[PATH_BYTES], const char *path, const char *name)
{
    snprintf(out, PATH_BYTES, "%s%s%s", path, path[0] ? "." : "", name);
}

/* ---- one value against its rule ---- */

static bool has_type(const cJSON *v, value_type type)
{
    switch (type) {
    case TYPE_OBJECT:
        return cJSON_IsObject(v);
    case TYPE_NUMBER:
        return cJSON_IsNumber(v);
    case TYPE_INTEGER:
        return cJSON_IsNumber(v) && v->valuedouble == floor(v->valuedouble) &&
               fabs(v->valuedouble) <= 0x1p53;
    case TYPE_STRING:
        return cJSON_IsString(v);
    case TYPE_BOOLEAN:
        return cJSON_IsBool(v);
    case TYPE_UNKNOWN:
        break;
    }
    return false;
}

/* A bound of the rule, or `none`. */
static double bound(const cJSON *rule, const char *name, double none)
{
    const cJSON *b = keyword(rule, name);
    return b ? b->valuedouble : none;
}

static bool in_bounds(const cJSON *v, const cJSON *rule)
{
    double d = v->valuedouble;
    return !cJSON_IsNumber(v) ||
           (d >= bound(rule, "minimum", -INFINITY) && d <= bound(rule, "maximum", INFINITY) &&
            d > bound(rule, "exclusiveMinimum", -INFINITY) &&
            d < bound(rule, "exclusiveMaximum", INFINITY));
}

static bool in_enum(const cJSON *v, const cJSON *rule)
{
    const cJSON *choices = keyword(rule, "enum"), *choice;
    cJSON_ArrayForEach(choice, choices)
    {
        if (cJSON_Compare(v, choice, true))
            return true;
    }
    return !choices;
}

static void describe_enum(const cJSON *choices, buf *out)
{
    const char *between = "";
    const cJSON *choice;
    cJSON_ArrayForEach(choice, choices)
    {
        char text[64];
        field_describe(choice, text);
        buf_printf(out, "%s%s", between, text);
        between = choice->next && choice->next->next ? ", " : " or ";
    }
}

static void describe_bounds(const cJSON *rule, buf *out)
{
    static const struct {
        const char *keyword, *words;
    } bounds[] = {{"minimum", "at least"},
                  {"exclusiveMinimum", "above"},
                  {"maximum", "at most"},
                  {"exclusiveMaximum", "below"}};
    const char *between = " ";
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const cJSON *b = keyword(rule, bounds[i].keyword);
        if (!b)
            continue;
        buf_printf(out, "%s%s %.10g", between, bounds[i].words, b->valuedouble);
        between = " and ";
    }
}

static bool wrong(const cJSON *v, const cJSON *rule, const char *path, api_error *err)
{
    static const char *const nouns[] = {"an object", "a number", "an integer", "a string",
                                        "true or false"};
    buf expected;
    buf_init(&expected, 512);
    if (keyword(rule, "enum")) {
        describe_enum(keyword(rule, "enum"), &expected);
    } else {
        buf_puts(&expected, nouns[type_of(rule)]);
        describe_bounds(rule, &expected);
    }
    field_wrong(err, path, expected.data ? expected.data : "another value", v);
    buf_free(&expected);
    return false;
}

static bool apply_object(const cJSON *rule, cJSON *object, const char *path, api_error *err);

static bool apply_value(const cJSON *rule, cJSON *v, const char *path, api_error *err)
{
    value_type type = type_of(rule);
    if (!has_type(v, type) || !in_bounds(v, rule) || !in_enum(v, rule))
        return wrong(v, rule, path, err);
    return type != TYPE_OBJECT || apply_object(rule, v, path, err);
}

/* ---- the members of an object ---- */

/* null and, where there is a default that could be meant, "auto" leave the value to us. */
static bool is_left_to_us(const cJSON *v, const cJSON *rule)
{
    if (!v || cJSON_IsNull(v))
        return true;
    return cJSON_IsString(v) && strcmp(v->valuestring, "auto") == 0 && keyword(rule, "default") &&
           !(keyword(rule, "enum") && in_enum(v, rule));
}

static bool is_required(const cJSON *rule, const char *name)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, keyword(rule, "required"))
    {
        if (strcmp(entry->valuestring, name) == 0)
            return true;
    }
    return false;
}

static bool refuse_unknown(const cJSON *rule, const cJSON *object, const char *path, api_error *err)
{
    const cJSON *properties = keyword(rule, "properties"), *v;
    cJSON_ArrayForEach(v, object)
    {
        char at[PATH_BYTES];
        join(at, path, v->string);
        if (!cJSON_GetObjectItemCaseSensitive(properties, v->string))
            return api_invalid(err, "unknown_parameter", at, "%s: there is no such parameter", at);
    }
    return true;
}

/* Does something stand for a member that was not given? */
static bool has_preset(const cJSON *rule)
{
    return keyword(rule, "default") ||
           (strcmp(rule->string, "hyperparameters") == 0 && type_of(rule) == TYPE_OBJECT);
}

static cJSON *make_preset(const cJSON *rule)
{
    const cJSON *given = keyword(rule, "default");
    return given ? cJSON_Duplicate(given, true) : cJSON_CreateObject();
}

/* Takes the member out, settles its value and puts it back, behind those before it. */
static bool apply_member(const cJSON *parent, const cJSON *rule, cJSON *object, const char *path,
                         api_error *err)
{
    const char *name = rule->string;
    char at[PATH_BYTES];
    join(at, path, name);
    cJSON *v = cJSON_DetachItemFromObjectCaseSensitive(object, name);
    if (is_left_to_us(v, rule)) {
        cJSON_Delete(v);
        v = NULL;
        if (has_preset(rule) && !(v = make_preset(rule)))
            return api_no_memory(err);
    }
    if (!v && is_required(parent, name))
        return api_invalid(err, "missing_required_parameter", at, "%s is missing", at);
    if (!v)
        return true;
    if (!cJSON_AddItemToObject(object, name, v)) {
        cJSON_Delete(v);
        return api_no_memory(err);
    }
    return apply_value(rule, v, at, err);
}

static bool apply_object(const cJSON *rule, cJSON *object, const char *path, api_error *err)
{
    if (!refuse_unknown(rule, object, path, err))
        return false;
    const cJSON *member;
    cJSON_ArrayForEach(member, keyword(rule, "properties"))
    {
        if (!apply_member(rule, member, object, path, err))
            return false;
    }
    return true;
}

/* ---- presets: other defaults of hyperparameters ---- */

static const cJSON *hyperparameters_rule(const schema *s)
{
    return keyword(keyword(s->root, "properties"), "hyperparameters");
}

/* Puts the preset's numbers where the request leaves them to us. What is wrong with the request is
 * left for apply_value to find. */
static bool fill_preset(const schema *s, cJSON *object, api_error *err)
{
    const char *name = cJSON_GetStringValue(keyword(object, "preset"));
    const cJSON *numbers = name ? keyword(keyword(s->root, "presets"), name) : NULL, *number;
    cJSON *given = cJSON_GetObjectItemCaseSensitive(object, "hyperparameters");
    if (numbers && (!given || cJSON_IsNull(given))) {
        cJSON_DeleteItemFromObjectCaseSensitive(object, "hyperparameters");
        given = cJSON_AddObjectToObject(object, "hyperparameters");
        if (!given)
            return api_no_memory(err);
    }
    cJSON_ArrayForEach(number, numbers)
    {
        const cJSON *rule = keyword(keyword(hyperparameters_rule(s), "properties"), number->string);
        if (!cJSON_IsObject(given) || !is_left_to_us(keyword(given, number->string), rule))
            continue;
        cJSON_DeleteItemFromObjectCaseSensitive(given, number->string);
        cJSON *copy = cJSON_Duplicate(number, true);
        if (!copy || !cJSON_AddItemToObject(given, number->string, copy)) {
            cJSON_Delete(copy);
            return api_no_memory(err);
        }
    }
    return true;
}

bool schema_apply(const schema *s, cJSON *object, const char *path, api_error *err)
{
    return (!cJSON_IsObject(object) || fill_preset(s, object, err)) &&
           apply_value(s->root, object, path, err);
}

/* ---- reading a schema ---- */

static bool check_rule(const cJSON *rule, const char *path, error_text *err);

static bool check_bounds(const cJSON *rule, const char *path, error_text *err)
{
    static const char *const names[] = {"minimum", "maximum", "exclusiveMinimum",
                                        "exclusiveMaximum"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const cJSON *b = keyword(rule, names[i]);
        if (b && !cJSON_IsNumber(b))
            return error_text_set(err, "schema: %s: \"%s\": expected a number", path, names[i]);
    }
    return true;
}

static bool check_properties(const cJSON *rule, const char *path, error_text *err)
{
    const cJSON *properties = keyword(rule, "properties"), *member;
    if (properties && !cJSON_IsObject(properties))
        return error_text_set(err, "schema: %s: \"properties\": expected an object", path);
    cJSON_ArrayForEach(member, properties)
    {
        char at[PATH_BYTES];
        join(at, path, member->string);
        if (!check_rule(member, at, err))
            return false;
    }
    cJSON_ArrayForEach(member, keyword(rule, "required"))
    {
        const char *name = cJSON_GetStringValue(member);
        if (!name || !cJSON_GetObjectItemCaseSensitive(properties, name))
            return error_text_set(err, "schema: %s: \"required\" names \"%s\", no property", path,
                                  name ? name : "?");
    }
    return true;
}

static bool is_array_or_absent(const cJSON *rule, const char *name, bool may_be_empty)
{
    const cJSON *list = keyword(rule, name);
    return !list || (cJSON_IsArray(list) && (list->child || may_be_empty));
}

/* A default must pass its own rule, or no request could be made without the member. */
static bool check_default(const cJSON *rule, const char *path, error_text *err)
{
    const cJSON *given = keyword(rule, "default");
    if (!given)
        return true;
    cJSON *copy = cJSON_Duplicate(given, true);
    api_error why;
    bool good = copy && apply_value(rule, copy, path, &why);
    cJSON_Delete(copy);
    if (!copy)
        return error_text_set(err, "out of memory");
    return good || error_text_set(err, "schema: \"default\": %s", why.message);
}

static bool check_rule(const cJSON *rule, const char *path, error_text *err)
{
    if (!cJSON_IsObject(rule))
        return error_text_set(err, "schema: %s: expected an object", path);
    if (type_of(rule) == TYPE_UNKNOWN)
        return error_text_set(
            err, "schema: %s: \"type\": expected object, number, integer, string or boolean", path);
    if (!is_array_or_absent(rule, "enum", false))
        return error_text_set(err, "schema: %s: \"enum\": expected an array of values", path);
    if (!is_array_or_absent(rule, "required", true))
        return error_text_set(err, "schema: %s: \"required\": expected an array of names", path);
    return check_bounds(rule, path, err) && check_properties(rule, path, err) &&
           check_default(rule, path, err);
}

static bool check_formats(const cJSON *root, error_text *err)
{
    const cJSON *format;
    if (!is_array_or_absent(root, "x-training-formats", true))
        return error_text_set(err, "schema: \"x-training-formats\": expected an array");
    cJSON_ArrayForEach(format, keyword(root, "x-training-formats"))
    {
        if (!cJSON_IsString(format))
            return error_text_set(err, "schema: \"x-training-formats\": expected strings");
    }
    return true;
}

static bool check_result(const cJSON *root, error_text *err)
{
    const cJSON *scores = keyword(root, "x-result-scores");
    return !scores || cJSON_IsBool(scores) ||
           error_text_set(err, "schema: \"x-result-scores\": expected true or false");
}

/* Each preset must be a set of hyperparameters that a request might have given. */
static bool check_presets(const schema *s, error_text *err)
{
    const cJSON *presets = keyword(s->root, "presets"), *preset;
    if (presets && (!cJSON_IsObject(presets) || !hyperparameters_rule(s)))
        return error_text_set(err, "schema: \"presets\": expected an object beside a property "
                                   "\"hyperparameters\"");
    cJSON_ArrayForEach(preset, presets)
    {
        char at[PATH_BYTES];
        join(at, "presets", preset->string);
        cJSON *copy = cJSON_Duplicate(preset, true);
        api_error why = {.message = "out of memory"};
        bool good = copy && apply_value(hyperparameters_rule(s), copy, at, &why);
        cJSON_Delete(copy);
        if (!good)
            return error_text_set(err, "schema: %s", why.message);
    }
    return true;
}

static bool check_root(const schema *s, error_text *err)
{
    if (type_of(s->root) != TYPE_OBJECT)
        return error_text_set(err, "schema: \"type\": expected \"object\" at the top");
    return check_rule(s->root, "", err) && check_formats(s->root, err) &&
           check_result(s->root, err) && check_presets(s, err);
}

schema *schema_parse(const char *json, error_text *err)
{
    api_error why;
    schema *s = malloc(sizeof *s);
    if (!s) {
        error_text_set(err, "out of memory");
        return NULL;
    }
    s->root = strict_json_parse(json, strlen(json), &why);
    if (!s->root)
        error_text_set(err, "schema: %s", why.message);
    if (s->root && check_root(s, err))
        return s;
    schema_free(s);
    return NULL;
}

void schema_free(schema *s)
{
    if (s)
        cJSON_Delete(s->root);
    free(s);
}

/* ---- training files ---- */

bool schema_takes_format(const schema *s, const char *format)
{
    const cJSON *formats = keyword(s->root, "x-training-formats"), *entry;
    if (!formats)
        return format != NULL;
    cJSON_ArrayForEach(entry, formats)
    {
        if (format && strcmp(entry->valuestring, format) == 0)
            return true;
    }
    return !format && !formats->child;
}

void schema_describe_formats(const schema *s, char out[128])
{
    const cJSON *formats = keyword(s->root, "x-training-formats"), *entry;
    size_t n = (size_t)snprintf(out, 128, "%s",
                                !formats         ? "a data file"
                                : formats->child ? "a file of format "
                                                 : "no file");
    cJSON_ArrayForEach(entry, formats)
    {
        int wrote = snprintf(out + n, 128 - n, "%s%s", entry != formats->child ? " or " : "",
                             entry->valuestring);
        n = wrote < 0 || (size_t)wrote >= 128 - n ? 127 : n + (size_t)wrote;
    }
}

/* ---- results ---- */

bool schema_result_scores(const schema *s, bool *scores)
{
    const cJSON *said = keyword(s->root, "x-result-scores");
    *scores = cJSON_IsTrue(said);
    return said != NULL;
}
