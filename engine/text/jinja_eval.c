/* Expressions to values. */
#include "text/jinja_run.h"

#include <string.h>

typedef eng__jinja_node node;
typedef eng__value value;

/* ---- operators ------------------------------------------------------------------------------ */

static value arithmetic(eng__run *r, const node *n, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool overflow = false;
    switch ((eng__jinja_op)n->op) {
    case ENG__OP_ADD:
        overflow = __builtin_add_overflow(a, b, &result);
        break;
    case ENG__OP_SUB:
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
    case ENG__OP_MUL:
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
    default: /* // and %, which round towards minus infinity */
        if (b == 0)
            return eng__run_fail(r, n, "division by zero");
        if (b == -1) {
            overflow = n->op == ENG__OP_FLOORDIV && __builtin_sub_overflow(0, a, &result);
        } else {
            int64_t rest = a % b, down = rest != 0 && (rest < 0) != (b < 0);
            result = n->op == ENG__OP_MOD ? rest + (down ? b : 0) : a / b - down;
        }
    }
    return overflow ? eng__run_fail(r, n, "an integer is too large") : eng__value_int(result);
}

static value eval_binary(eng__run *r, const node *n)
{
    value a = eng__run_eval(r, n->a), b, out = eng__undefined;
    if (n->op == ENG__OP_AND || n->op == ENG__OP_OR)
        return eng__value_true(&a) == (n->op == ENG__OP_AND) ? eng__run_eval(r, n->b) : a;
    b = eng__run_eval(r, n->b);
    if (r->status != ENG_OK)
        return eng__undefined;
    if (n->op == ENG__OP_CONCAT) {
        if (a.kind >= ENG__VALUE_LIST || b.kind >= ENG__VALUE_LIST)
            return eng__run_fail(r, n, "'~' of %s and %s", eng__value_kind_name(&a),
                                 eng__value_kind_name(&b));
        bool ok = eng__value_text(&r->scratch, &a, &a) && eng__value_text(&r->scratch, &b, &b) &&
                  eng__string_join(&r->scratch, &out, &a, &b);
        return eng__run_made(r, ok, out);
    }
    if (eng__value_is_number(&a) && eng__value_is_number(&b))
        return arithmetic(r, n, a.number, b.number);
    if (n->op != ENG__OP_ADD || a.kind != ENG__VALUE_STRING || b.kind != ENG__VALUE_STRING)
        return eng__run_fail(r, n, "an arithmetic operator between %s and %s",
                             eng__value_kind_name(&a), eng__value_kind_name(&b));
    bool ok = eng__string_join(&r->scratch, &out, &a, &b);
    return eng__run_made(r, ok, out);
}

static bool contains(eng__run *r, const node *n, const value *item, const value *in)
{
    if (in->kind == ENG__VALUE_STRING && item->kind == ENG__VALUE_STRING) {
        const char *text = eng__string_flat(&r->scratch, in);
        const char *part = eng__string_flat(&r->scratch, item);
        if (!text || !part)
            eng__run_fail_full(r, "more than its share of memory");
        return text && part && eng__run_spend(r, in->string.len / 64) &&
               memmem(text, in->string.len, part, item->string.len) != NULL;
    }
    if (in->kind == ENG__VALUE_LIST) {
        for (size_t i = 0; i < in->list.n && eng__run_spend(r, 1); i++)
            if (eng__value_equal(item, &in->list.items[i]))
                return true;
        return false;
    }
    if (in->kind == ENG__VALUE_MESSAGE && item->kind == ENG__VALUE_STRING) {
        const char *key = eng__string_flat(&r->scratch, item);
        if (!key)
            eng__run_fail_full(r, "more than its share of memory");
        return key && (strcmp(key, "role") == 0 || strcmp(key, "content") == 0);
    }
    if (in->kind != ENG__VALUE_UNDEFINED)
        eng__run_fail(r, n, "'in' between %s and %s", eng__value_kind_name(item),
                      eng__value_kind_name(in));
    return false;
}

static bool compare(eng__run *r, const node *n, const value *a, const value *b)
{
    int order;
    if (!eng__run_spend(r, eng__run_text_units(a) + eng__run_text_units(b)))
        return false;
    switch ((eng__jinja_op)n->op) {
    case ENG__OP_EQ:
        return eng__value_equal(a, b);
    case ENG__OP_NE:
        return !eng__value_equal(a, b);
    case ENG__OP_IN:
        return contains(r, n, a, b);
    case ENG__OP_NOT_IN:
        return !contains(r, n, a, b);
    default:
        break;
    }
    if (eng__value_is_number(a) && eng__value_is_number(b)) {
        order = (a->number > b->number) - (a->number < b->number);
    } else if (a->kind == ENG__VALUE_STRING && b->kind == ENG__VALUE_STRING) {
        order = eng__string_compare(a, b);
    } else {
        eng__run_fail(r, n, "no order between %s and %s", eng__value_kind_name(a),
                      eng__value_kind_name(b));
        return false;
    }
    return n->op == ENG__OP_LT   ? order < 0
           : n->op == ENG__OP_LE ? order <= 0
           : n->op == ENG__OP_GT ? order > 0
                                 : order >= 0;
}

/* a < b < c holds when every neighbouring pair does. */
static value eval_compare(eng__run *r, const node *n)
{
    value left = eng__run_eval(r, n->a);
    for (const node *operand = n->b; operand && r->status == ENG_OK; operand = operand->next) {
        value right = eng__run_eval(r, operand->a);
        if (r->status != ENG_OK || !compare(r, operand, &left, &right))
            return eng__value_bool(false);
        left = right;
    }
    return eng__value_bool(true);
}

/* ---- reaching into values ------------------------------------------------------------------- */

static value attribute(eng__run *r, const node *n, const value *object, const char *name,
                       size_t len)
{
    value out = eng__undefined;
    if (object->kind == ENG__VALUE_UNDEFINED)
        return eng__run_fail(r, n, "'%.*s' of an undefined value", (int)(len < 60 ? len : 60),
                             name);
    if (object->kind != ENG__VALUE_MESSAGE)
        return eng__undefined;
    bool ok = eng__message_get(&r->scratch, &out, object->message, name, len);
    return eng__run_made(r, ok, out);
}

static value eval_index(eng__run *r, const node *n)
{
    value object = eng__run_eval(r, n->a), index = eng__run_eval(r, n->b);
    if (r->status != ENG_OK)
        return eng__undefined;
    if (index.kind == ENG__VALUE_STRING) {
        const char *name = eng__string_flat(&r->scratch, &index);
        return name ? attribute(r, n, &object, name, index.string.len)
                    : eng__run_fail_full(r, "more than its share of memory");
    }
    if (object.kind == ENG__VALUE_LIST && eng__value_is_number(&index)) {
        int64_t length = (int64_t)object.list.n, i = index.number;
        i += i < 0 ? length : 0;
        return i >= 0 && i < length ? object.list.items[i] : eng__undefined;
    }
    if (object.kind != ENG__VALUE_UNDEFINED && object.kind != ENG__VALUE_STRING)
        return eng__undefined;
    return eng__run_fail(r, n, "%s indexed by %s", eng__value_kind_name(&object),
                         eng__value_kind_name(&index));
}

/* One bound of a slice, as Python clips it to [low, high]. */
static int64_t bound(eng__run *r, const node *n, int64_t absent, int64_t length, int64_t low,
                     int64_t high)
{
    if (!n)
        return absent;
    value v = eng__run_eval(r, n);
    if (v.kind == ENG__VALUE_NONE)
        return absent;
    if (v.kind != ENG__VALUE_INT) {
        eng__run_fail(r, n, "a slice by %s", eng__value_kind_name(&v));
        return absent;
    }
    int64_t i = v.number < 0 ? v.number + length : v.number;
    return i < low ? low : i > high ? high : i;
}

static value eval_slice(eng__run *r, const node *n)
{
    value object = eng__run_eval(r, n->a);
    if (r->status == ENG_OK && object.kind != ENG__VALUE_LIST)
        return eng__run_fail(r, n, "a slice of %s", eng__value_kind_name(&object));
    if (r->status != ENG_OK)
        return eng__undefined;
    int64_t length = (int64_t)object.list.n;
    int64_t step = bound(r, n->d, 1, 0, INT32_MIN, INT32_MAX);
    if (step == 0)
        return eng__run_fail(r, n, "a slice of step 0");
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? length : length - 1;
    int64_t from = bound(r, n->b, step > 0 ? low : high, length, low, high);
    int64_t to = bound(r, n->c, step > 0 ? high : low, length, low, high);
    if (r->status != ENG_OK)
        return eng__undefined;
    int64_t span = step > 0 ? to - from : from - to, stride = step > 0 ? step : -step;
    size_t count = span > 0 ? (size_t)((span + stride - 1) / stride) : 0;
    if (step == 1)
        return (value){.kind = ENG__VALUE_LIST, .list = {object.list.items + from, count}};
    value *items = eng__scratch_alloc(&r->scratch, count, sizeof *items);
    for (size_t i = 0; items && i < count; i++)
        items[i] = object.list.items[from + (int64_t)i * step];
    return eng__run_made(r, items && eng__run_spend(r, count),
                         (value){.kind = ENG__VALUE_LIST, .list = {items, count}});
}

static value eval_loop(eng__run *r, const node *n)
{
    value loop = eng__run_name(r, ENG__GLOBAL_LOOP);
    if (loop.kind != ENG__VALUE_LOOP)
        return eng__run_fail(r, n, "loop outside a 'for'");
    int64_t i = (int64_t)loop.loop.index0, length = (int64_t)loop.loop.length;
    switch ((eng__jinja_loop)n->op) {
    case ENG__LOOP_INDEX:
        return eng__value_int(i + 1);
    case ENG__LOOP_INDEX0:
        return eng__value_int(i);
    case ENG__LOOP_REVINDEX:
        return eng__value_int(length - i);
    case ENG__LOOP_REVINDEX0:
        return eng__value_int(length - i - 1);
    case ENG__LOOP_FIRST:
        return eng__value_bool(i == 0);
    case ENG__LOOP_LAST:
        return eng__value_bool(i == length - 1);
    case ENG__LOOP_LENGTH:
        break;
    }
    return eng__value_int(length);
}

/* ---- expressions ---------------------------------------------------------------------------- */

static value eval_list(eng__run *r, const node *n)
{
    size_t count = 0, i = 0;
    for (const node *e = n->a; e; e = e->next)
        count++;
    value *items = eng__scratch_alloc(&r->scratch, count, sizeof *items);
    for (const node *e = n->a; items && e; e = e->next)
        items[i++] = eng__run_eval(r, e);
    return eng__run_made(r, items != NULL,
                         (value){.kind = ENG__VALUE_LIST, .list = {items, count}});
}

static value raise(eng__run *r, const node *n)
{
    value message = eng__run_eval(r, n->a), text;
    if (r->status != ENG_OK)
        return eng__undefined;
    if (message.kind >= ENG__VALUE_LIST || !eng__value_text(&r->scratch, &text, &message))
        return eng__run_fail(r, n, "raise_exception of %s", eng__value_kind_name(&message));
    const char *flat = eng__string_flat(&r->scratch, &text);
    r->status = eng_fail(r->err, ENG_INVALID, "%s", flat ? flat : "");
    return eng__undefined;
}

static value negate(eng__run *r, const node *n)
{
    value v = eng__run_eval(r, n->a);
    if (r->status != ENG_OK)
        return eng__undefined;
    if (!eng__value_is_number(&v) || v.number == INT64_MIN)
        return eng__run_fail(r, n, "'-' of %s", eng__value_kind_name(&v));
    return eng__value_int(-v.number);
}

value eng__run_eval(eng__run *r, const node *n)
{
    value v;
    if (!eng__run_spend(r, 1))
        return eng__undefined;
    switch ((eng__jinja_kind)n->kind) {
    case ENG__NODE_STRING:
        return eng__value_span(&n->span);
    case ENG__NODE_INT:
        return eng__value_int(n->number);
    case ENG__NODE_BOOL:
        return eng__value_bool(n->number);
    case ENG__NODE_NONE:
        return (value){.kind = ENG__VALUE_NONE};
    case ENG__NODE_LIST:
        return eval_list(r, n);
    case ENG__NODE_NAME:
        return eng__run_name(r, n->number);
    case ENG__NODE_ATTR:
        v = eng__run_eval(r, n->a);
        return r->status == ENG_OK ? attribute(r, n, &v, n->span.p, n->span.len) : eng__undefined;
    case ENG__NODE_LOOP:
        return eval_loop(r, n);
    case ENG__NODE_INDEX:
        return eval_index(r, n);
    case ENG__NODE_SLICE:
        return eval_slice(r, n);
    case ENG__NODE_NOT:
        v = eng__run_eval(r, n->a);
        return eng__value_bool(!eng__value_true(&v));
    case ENG__NODE_NEG:
        return negate(r, n);
    case ENG__NODE_BINARY:
        return eval_binary(r, n);
    case ENG__NODE_COMPARE:
        return eval_compare(r, n);
    case ENG__NODE_COND:
        v = eng__run_eval(r, n->a);
        return eng__value_true(&v) ? eng__run_eval(r, n->b)
               : n->c              ? eng__run_eval(r, n->c)
                                   : eng__undefined;
    case ENG__NODE_FILTER:
        return eng__run_filter(r, n);
    case ENG__NODE_TEST:
        v = eng__run_eval(r, n->a);
        return eng__value_bool(eng__run_test((eng__jinja_test)n->op, &v) != (n->number != 0));
    case ENG__NODE_METHOD:
        return eng__run_method(r, n);
    case ENG__NODE_RAISE:
        return raise(r, n);
    default:
        return eng__undefined;
    }
}
