#include "api/members.h"

#include "api/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void member_path(char out[MEMBER_PATH], const char *path, const char *name)
{
    snprintf(out, MEMBER_PATH, "%.30s%s%.30s", path, path[0] ? "." : "", name);
}

void member_path_index(char out[MEMBER_PATH], const char *path, size_t i)
{
    snprintf(out, MEMBER_PATH, "%.40s[%zu]", path, i);
}

bool member_id_valid(const char *s)
{
    const size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n >= 1 && n <= 64 && !s[n];
}

static bool is_choice(const char *choices, const char *s)
{
    const size_t len = strlen(s);
    for (const char *at = choices;;) {
        const size_t n = strcspn(at, "|");
        if (n == len && memcmp(at, s, n) == 0)
            return true;
        if (!at[n])
            return false;
        at += n + 1;
    }
}

static bool in_range(const member_rule *r, double v)
{
    return v >= r->min && v <= r->max;
}

static bool store_string(const member_rule *r, const cJSON *v, const char **at)
{
    const char *s = cJSON_GetStringValue(v);
    *at = s;
    if (!s)
        return false;
    return r->kind == MEMBER_TEXT ? in_range(r, (double)strlen(s))
           : r->kind == MEMBER_ID ? member_id_valid(s)
                                  : is_choice(r->choices, s);
}

/* Does the value fit its row, and if so, where does it go? */
static bool store(const member_rule *r, const cJSON *v, void *at)
{
    const double d = v->valuedouble;
    switch (r->kind) {
    case MEMBER_TEXT:
    case MEMBER_ID:
    case MEMBER_CHOICE:
        return store_string(r, v, at);
    case MEMBER_WHOLE:
        if (!cJSON_IsNumber(v) || d != floor(d) || !in_range(r, d))
            return false;
        *(int64_t *)at = (int64_t)d;
        return true;
    case MEMBER_NUMBER:
        *(double *)at = d;
        return cJSON_IsNumber(v) && in_range(r, d);
    case MEMBER_BOOL:
        *(bool *)at = cJSON_IsTrue(v);
        return cJSON_IsBool(v);
    case MEMBER_ARRAY:
        *(const cJSON **)at = v;
        return cJSON_IsArray(v) && in_range(r, cJSON_GetArraySize(v));
    case MEMBER_OBJECT:
        break;
    }
    *(const cJSON **)at = v;
    return cJSON_IsObject(v);
}

static void describe(const member_rule *r, char *out, size_t size)
{
    switch (r->kind) {
    case MEMBER_TEXT:
        snprintf(out, size, "a string of %.0f to %.0f bytes", r->min, r->max);
        break;
    case MEMBER_ID:
        snprintf(out, size, "an id of 1 to 64 A-Z a-z 0-9 _ -");
        break;
    case MEMBER_CHOICE:
        snprintf(out, size, "one of %s", r->choices);
        break;
    case MEMBER_WHOLE:
    case MEMBER_NUMBER:
        snprintf(out, size, "%s from %.10g to %.10g",
                 r->kind == MEMBER_WHOLE ? "an integer" : "a number", r->min, r->max);
        break;
    case MEMBER_BOOL:
        snprintf(out, size, "true or false");
        break;
    case MEMBER_ARRAY:
        snprintf(out, size, "an array of %.0f to %.0f elements", r->min, r->max);
        break;
    case MEMBER_OBJECT:
        snprintf(out, size, "an object");
        break;
    }
}

static bool read_one(void *out, const member_rule *r, const cJSON *object, const char *path,
                     api_error *err)
{
    char at[MEMBER_PATH], expected[256];
    member_path(at, path, r->name);
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, r->name);
    if (!v || cJSON_IsNull(v))
        return !r->required ||
               api_invalid(err, "missing_required_parameter", at, "%s is missing", at);
    if (store(r, v, (char *)out + r->at))
        return true;
    describe(r, expected, sizeof expected);
    return field_wrong(err, at, expected, v);
}

bool members_read(void *out, const cJSON *object, const member_rule *rules, size_t n,
                  const char *path, api_error *err)
{
    const cJSON *v;
    if (!cJSON_IsObject(object))
        return field_wrong(err, path, "an object", object);
    cJSON_ArrayForEach(v, object)
    {
        char at[MEMBER_PATH];
        size_t i = 0;
        while (i < n && strcmp(rules[i].name, v->string) != 0)
            i++;
        member_path(at, path, v->string);
        if (i == n)
            return api_invalid(err, "unknown_parameter", at, "%s: there is no such parameter", at);
    }
    for (size_t i = 0; i < n; i++)
        if (!read_one(out, &rules[i], object, path, err))
            return false;
    return true;
}
