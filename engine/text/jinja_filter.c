/* Filters, tests and methods. */
#include "text/jinja_run.h"

#include <string.h>

typedef eng__jinja_node node;
typedef eng__value value;

static value length_of(eng__run *r, const node *n, const value *v)
{
    switch (v->kind) {
    case ENG__VALUE_UNDEFINED:
        return eng__value_int(0);
    case ENG__VALUE_STRING:
        return eng__value_int((int64_t)eng__string_length(v));
    case ENG__VALUE_LIST:
        return eng__value_int((int64_t)v->list.n);
    case ENG__VALUE_MESSAGE:
        return eng__value_int(2);
    default:
        return eng__run_fail(r, n, "the length of %s", eng__value_kind_name(v));
    }
}

static value default_of(eng__run *r, const node *n, value v)
{
    value falsy_too = n->c ? eng__run_eval(r, n->c) : eng__undefined, empty = eng__undefined;
    if (v.kind != ENG__VALUE_UNDEFINED && !(eng__value_true(&falsy_too) && !eng__value_true(&v)))
        return v;
    if (n->b)
        return eng__run_eval(r, n->b);
    bool ok = eng__string_make(&r->scratch, &empty, "", 0, true);
    return eng__run_made(r, ok, empty);
}

static value json_of(eng__run *r, const node *n, const value *v)
{
    value out = eng__undefined;
    if (v->kind == ENG__VALUE_UNDEFINED || v->kind == ENG__VALUE_LOOP)
        return eng__run_fail(r, n, "tojson of %s", eng__value_kind_name(v));
    bool ok = eng__value_json(&r->scratch, &out, v);
    return eng__run_made(r, ok, out);
}

/* trim, upper, lower, string: of what {{ v }} would print. */
static value text_filter(eng__run *r, const node *n, const value *v)
{
    value text, out;
    if (v->kind >= ENG__VALUE_LIST)
        return eng__run_fail(r, n, "a text filter on %s", eng__value_kind_name(v));
    if (!eng__value_text(&r->scratch, &text, v))
        return eng__run_fail_full(r, "more than its share of memory");
    bool ok = true;
    if (n->op == ENG__FILTER_TRIM)
        ok = eng__string_strip(&r->scratch, &out, &text, true, true);
    else if (n->op == ENG__FILTER_STRING)
        out = text;
    else
        ok = eng__string_case(&r->scratch, &out, &text, n->op == ENG__FILTER_UPPER);
    return eng__run_made(r, ok, ok ? out : eng__undefined);
}

value eng__run_filter(eng__run *r, const node *n)
{
    value v = eng__run_eval(r, n->a);
    if (r->status != ENG_OK || !eng__run_spend(r, eng__run_text_units(&v)))
        return eng__undefined;
    switch ((eng__jinja_filter)n->op) {
    case ENG__FILTER_TRIM:
    case ENG__FILTER_UPPER:
    case ENG__FILTER_LOWER:
    case ENG__FILTER_STRING:
        return text_filter(r, n, &v);
    case ENG__FILTER_TOJSON:
        return json_of(r, n, &v);
    case ENG__FILTER_LENGTH:
    case ENG__FILTER_COUNT:
        return length_of(r, n, &v);
    case ENG__FILTER_DEFAULT:
    case ENG__FILTER_D:
        return default_of(r, n, v);
    case ENG__FILTER_FIRST:
    case ENG__FILTER_LAST:
        break;
    }
    if (v.kind != ENG__VALUE_LIST)
        return eng__run_fail(r, n, "the first or last of %s", eng__value_kind_name(&v));
    if (v.list.n == 0)
        return eng__undefined;
    return v.list.items[n->op == ENG__FILTER_FIRST ? 0 : v.list.n - 1];
}

bool eng__run_test(eng__jinja_test test, const value *v)
{
    switch (test) {
    case ENG__TEST_DEFINED:
        return v->kind != ENG__VALUE_UNDEFINED;
    case ENG__TEST_UNDEFINED:
        return v->kind == ENG__VALUE_UNDEFINED;
    case ENG__TEST_NONE:
        return v->kind == ENG__VALUE_NONE;
    case ENG__TEST_STRING:
        return v->kind == ENG__VALUE_STRING;
    case ENG__TEST_MAPPING:
        return v->kind == ENG__VALUE_MESSAGE;
    case ENG__TEST_ITERABLE:
        return v->kind >= ENG__VALUE_STRING || v->kind == ENG__VALUE_UNDEFINED;
    case ENG__TEST_SEQUENCE: /* what has a length and items */
        return (v->kind >= ENG__VALUE_STRING && v->kind != ENG__VALUE_LOOP) ||
               v->kind == ENG__VALUE_UNDEFINED;
    case ENG__TEST_NUMBER:
        return eng__value_is_number(v);
    case ENG__TEST_INTEGER:
        return v->kind == ENG__VALUE_INT;
    case ENG__TEST_BOOLEAN:
        return v->kind == ENG__VALUE_BOOL;
    case ENG__TEST_TRUE:
        return v->kind == ENG__VALUE_BOOL && v->number;
    case ENG__TEST_FALSE:
        break;
    }
    return v->kind == ENG__VALUE_BOOL && !v->number;
}

static value starts_or_ends(eng__run *r, const node *n, const value *s)
{
    value part = eng__run_eval(r, n->b);
    if (r->status != ENG_OK)
        return eng__undefined;
    if (part.kind != ENG__VALUE_STRING)
        return eng__run_fail(r, n, "a string's start or end of %s", eng__value_kind_name(&part));
    const char *text = eng__string_flat(&r->scratch, s);
    const char *sought = eng__string_flat(&r->scratch, &part);
    if (!text || !sought)
        return eng__run_fail_full(r, "more than its share of memory");
    size_t len = s->string.len, n_part = part.string.len;
    size_t at = n->op == ENG__METHOD_STARTSWITH ? 0 : len - n_part;
    return eng__value_bool(n_part <= len && memcmp(text + at, sought, n_part) == 0);
}

value eng__run_method(eng__run *r, const node *n)
{
    value s = eng__run_eval(r, n->a), out = eng__undefined;
    bool ok;
    if (r->status != ENG_OK || !eng__run_spend(r, eng__run_text_units(&s)))
        return eng__undefined;
    if (s.kind != ENG__VALUE_STRING)
        return eng__run_fail(r, n, "a string's method on %s", eng__value_kind_name(&s));
    switch ((eng__jinja_method)n->op) {
    case ENG__METHOD_STARTSWITH:
    case ENG__METHOD_ENDSWITH:
        return starts_or_ends(r, n, &s);
    case ENG__METHOD_UPPER:
    case ENG__METHOD_LOWER:
        ok = eng__string_case(&r->scratch, &out, &s, n->op == ENG__METHOD_UPPER);
        break;
    default:
        ok = eng__string_strip(&r->scratch, &out, &s, n->op != ENG__METHOD_RSTRIP,
                               n->op != ENG__METHOD_LSTRIP);
    }
    return eng__run_made(r, ok, out);
}
