#include "batch_fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

field field_member(const field *object, const char *key)
{
    field f = {.node = eng_json_get(object->node, key)};
    snprintf(f.path, sizeof f.path, "%.60s%s%.30s", object->path, object->path[0] ? "." : "", key);
    return f;
}

field field_element(const field *array, uint32_t i)
{
    field f = {.node = &array->node->items[i]};
    snprintf(f.path, sizeof f.path, "%.80s[%u]", array->path, i);
    return f;
}

/* ---- refusals ---- */

eng_status field_refuse(const field_reader *r, const field *at, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return eng_fail(r->err, ENG_INVALID, "%s: %s", at->path[0] ? at->path : "the batch", text);
}

eng_status field_no_memory(const field_reader *r)
{
    return eng_fail(r->err, ENG_NOMEM, "no memory for the batch");
}

const char *field_kind(const field *at)
{
    static const char *const kinds[] = {
        [ENG_JSON_NULL] = "null",       [ENG_JSON_BOOL] = "a boolean",
        [ENG_JSON_NUMBER] = "a number", [ENG_JSON_STRING] = "a string",
        [ENG_JSON_ARRAY] = "an array",  [ENG_JSON_OBJECT] = "an object",
    };
    return at->node ? kinds[at->node->type] : "nothing";
}

/* ---- objects and arrays ---- */

eng_status field_expect_object(const field_reader *r, const field *at, const char *const *keys)
{
    if (!eng_json_is(at->node, ENG_JSON_OBJECT))
        return field_refuse(r, at, "%s, expected an object", field_kind(at));
    for (uint32_t i = 0; i < at->node->n; i++) {
        const char *const *k = keys;
        while (*k && strcmp(*k, at->node->items[i].key) != 0)
            k++;
        if (!*k)
            return field_refuse(r, at, "the key \"%.40s\" is not known here",
                                at->node->items[i].key);
    }
    return ENG_OK;
}

eng_status field_expect_array(const field_reader *r, const field *at, uint32_t min, uint32_t max)
{
    if (!eng_json_is(at->node, ENG_JSON_ARRAY))
        return field_refuse(r, at, "%s, expected an array", field_kind(at));
    uint32_t n = at->node->n;
    if (n >= min && n <= max)
        return ENG_OK;
    const char *bound = min == max ? "" : n < min ? "at least " : "at most ";
    return field_refuse(r, at, "%u elements, expected %s%u", n, bound, n < min ? min : max);
}

/* ---- numbers ---- */

static bool as_float(const eng_json *node, float *out)
{
    if (!eng_json_is(node, ENG_JSON_NUMBER))
        return false;
    *out = (float)node->number;
    return isfinite(*out);
}

eng_status field_float(const field_reader *r, const field *object, const char *key, bool required,
                       float min, float max, float *out)
{
    field f = field_member(object, key);
    float v = *out;
    if (!f.node && !required)
        return ENG_OK;
    if (!as_float(f.node, &v))
        return field_refuse(r, &f, "%s, expected a finite number", field_kind(&f));
    if (v < min || v > max)
        return field_refuse(r, &f, "%g, expected %g to %g", (double)v, (double)min, (double)max);
    *out = v;
    return ENG_OK;
}

eng_status field_floats(const field_reader *r, const field *object, const char *key, uint32_t n,
                        float absent, float **out)
{
    field array = field_member(object, key);
    float *v = *out = eng_arena_array(r->arena, n, sizeof *v);
    if (!v)
        return field_no_memory(r);
    if (!array.node && !isnan(absent)) {
        for (uint32_t i = 0; i < n; i++)
            v[i] = absent;
        return ENG_OK;
    }
    eng_status status = field_expect_array(r, &array, n, n);
    for (uint32_t i = 0; i < n && status == ENG_OK; i++)
        if (!as_float(&array.node->items[i], &v[i])) {
            field e = field_element(&array, i);
            status = field_refuse(r, &e, "%s, expected a finite number", field_kind(&e));
        }
    return status;
}

eng_status field_mask(const field_reader *r, const field *object, const char *key, uint32_t n,
                      bool **out)
{
    field array = field_member(object, key);
    bool *v = *out = eng_arena_array(r->arena, n, sizeof *v);
    if (!v)
        return field_no_memory(r);
    if (!array.node) {
        memset(v, true, n);
        return ENG_OK;
    }
    eng_status status = field_expect_array(r, &array, n, n);
    for (uint32_t i = 0; i < n && status == ENG_OK; i++) {
        const eng_json *node = &array.node->items[i];
        uint64_t bit = node->type == ENG_JSON_BOOL && node->boolean;
        if (node->type != ENG_JSON_BOOL && !eng_json_uint(node, 0, 1, &bit)) {
            field e = field_element(&array, i);
            status = field_refuse(r, &e, "expected 0, 1, false or true");
        }
        v[i] = bit != 0;
    }
    return status;
}

eng_status field_bool(const field_reader *r, const field *object, const char *key, bool *out)
{
    field f = field_member(object, key);
    if (f.node && !eng_json_is(f.node, ENG_JSON_BOOL))
        return field_refuse(r, &f, "%s, expected a boolean", field_kind(&f));
    *out = f.node ? f.node->boolean : *out;
    return ENG_OK;
}
