/* Expressions by recursive descent, one function per level of precedence. */
#include "text/jinja_parser.h"

#include <string.h>

typedef eng__jinja_node node;

#define WORD(name, text, ...) text,
static const char *const filter_names[] = {ENG__JINJA_FILTER_MAP(WORD)};
static const char *const test_names[] = {ENG__JINJA_TEST_MAP(WORD)};
static const char *const loop_names[] = {ENG__JINJA_LOOP_MAP(WORD)};
#undef WORD
#define METHOD(name, text, n_args) {text, n_args},
static const struct {
    const char *name;
    int n_args;
} methods[] = {ENG__JINJA_METHOD_MAP(METHOD)};
#undef METHOD

/* Strings that follow each other are one. */
static node *parse_string(eng__parser *ps)
{
    eng__span span = {ps->token.p, ps->token.len, true};
    for (eng__parse_step(ps); ps->token.kind == ENG__TOKEN_STRING; eng__parse_step(ps)) {
        char *joined = eng_arena_alloc(ps->arena, span.len + ps->token.len);
        if (!joined) {
            ps->status = eng_fail(ps->err, ENG_NOMEM, "no memory for the chat template");
            return NULL;
        }
        memcpy(joined, span.p, span.len);
        memcpy(joined + span.len, ps->token.p, ps->token.len);
        span = (eng__span){joined, span.len + ps->token.len, true};
    }
    return eng__parse_make(ps, (node){.kind = ENG__NODE_STRING, .span = span});
}

static node *parse_name(eng__parser *ps)
{
    static const char *const constants[] = {"true", "True", "false", "False", "none", "None"};
    int constant = eng__parse_find_word(ps, constants, ENG__COUNT(constants));
    eng__jinja_token name = ps->token;
    if (constant >= 0) {
        eng__parse_step(ps);
        return constant >= 4
                   ? eng__parse_make(ps, (node){.kind = ENG__NODE_NONE})
                   : eng__parse_make(ps, (node){.kind = ENG__NODE_BOOL, .number = constant < 2});
    }
    bool raises = eng__parse_at_name(ps, "raise_exception");
    eng__parse_step(ps);
    if (!eng__parse_at_sign(ps, "("))
        return eng__parse_make(
            ps, (node){.kind = ENG__NODE_NAME, .number = eng__parse_name_id(ps, name.p, name.len)});
    if (!raises)
        return eng__parse_refuse(ps, "the function '%.*s' is not supported", ENG__SHOWN(name));
    eng__parse_step(ps);
    node *message = eng__parse_expression(ps);
    eng__parse_expect_sign(ps, ")");
    return eng__parse_make(ps, (node){.kind = ENG__NODE_RAISE, .a = message, .line = name.line});
}

/* The elements after the opening bracket, up to and with `close`. A comma must follow the first
 * when it is to be a list at all (parentheses). */
static node *parse_list(eng__parser *ps, const char *close, node *first)
{
    node list = {.kind = ENG__NODE_LIST, .a = first}, *last = first;
    while (ps->status == ENG_OK && !eng__parse_at_sign(ps, close)) {
        if (last)
            eng__parse_expect_sign(ps, ",");
        if (eng__parse_at_sign(ps, close))
            break;
        node *element = eng__parse_expression(ps);
        if (!element)
            return NULL;
        if (last)
            last->next = element;
        else
            list.a = element;
        last = element;
    }
    eng__parse_expect_sign(ps, close);
    return eng__parse_make(ps, list);
}

static node *parse_parentheses(eng__parser *ps)
{
    eng__parse_step(ps);
    if (eng__parse_at_sign(ps, ")"))
        return parse_list(ps, ")", NULL);
    node *inner = eng__parse_expression(ps);
    if (inner && eng__parse_at_sign(ps, ","))
        return parse_list(ps, ")", inner);
    eng__parse_expect_sign(ps, ")");
    return inner;
}

static node *parse_primary(eng__parser *ps)
{
    int64_t number = ps->token.number;
    switch (ps->token.kind) {
    case ENG__TOKEN_NAME:
        return parse_name(ps);
    case ENG__TOKEN_STRING:
        return parse_string(ps);
    case ENG__TOKEN_INT:
        eng__parse_step(ps);
        return eng__parse_make(ps, (node){.kind = ENG__NODE_INT, .number = number});
    default:
        break;
    }
    if (eng__parse_at_sign(ps, "("))
        return parse_parentheses(ps);
    if (eng__parse_take_sign(ps, "["))
        return parse_list(ps, "]", NULL);
    if (eng__parse_at_sign(ps, "{"))
        return eng__parse_refuse(ps, "a dict literal is not supported");
    return eng__parse_unexpected(ps, "an expression");
}

/* .name, or .method(arg) */
static node *parse_dot(eng__parser *ps, node *object)
{
    if (ps->token.kind != ENG__TOKEN_NAME)
        return eng__parse_unexpected(ps, "a name after '.'");
    eng__jinja_token name = ps->token;
    if (object && object->kind == ENG__NODE_NAME && object->number == ENG__GLOBAL_LOOP) {
        int which = eng__parse_find_word(ps, loop_names, ENG__COUNT(loop_names));
        if (which < 0)
            return eng__parse_refuse(ps, "'loop.%.*s' is not supported", ENG__SHOWN(name));
        eng__parse_step(ps);
        return eng__parse_make(ps, (node){.kind = ENG__NODE_LOOP, .op = (uint8_t)which});
    }
    size_t m = 0;
    while (m < ENG__COUNT(methods) && !eng__parse_at_name(ps, methods[m].name))
        m++;
    eng__parse_step(ps);
    if (!eng__parse_at_sign(ps, "("))
        return eng__parse_make(
            ps, (node){.kind = ENG__NODE_ATTR, .a = object, .span = {name.p, name.len, true}});
    if (m == ENG__COUNT(methods))
        return eng__parse_refuse(ps, "the method '%.*s' is not supported", ENG__SHOWN(name));
    eng__parse_step(ps);
    node *argument = methods[m].n_args ? eng__parse_expression(ps) : NULL;
    if (!eng__parse_at_sign(ps, ")"))
        return eng__parse_refuse(ps, "the method '%s' with these arguments is not supported",
                                 methods[m].name);
    eng__parse_step(ps);
    return eng__parse_make(
        ps, (node){.kind = ENG__NODE_METHOD, .op = (uint8_t)m, .a = object, .b = argument});
}

/* [index] or [start:stop:step] */
static node *parse_subscript(eng__parser *ps, node *object)
{
    const node *part[3] = {NULL, NULL, NULL};
    int n = 0;
    bool slice = false;
    while (ps->status == ENG_OK && !eng__parse_at_sign(ps, "]")) {
        if (eng__parse_at_sign(ps, ":")) {
            slice = true;
            if (++n == 3)
                break;
            eng__parse_step(ps);
        } else if (part[n]) {
            break;
        } else {
            part[n] = eng__parse_expression(ps);
        }
    }
    eng__parse_expect_sign(ps, "]");
    if (!slice && !part[0])
        return eng__parse_unexpected(ps, "an index");
    return slice ? eng__parse_make(ps, (node){.kind = ENG__NODE_SLICE,
                                              .a = object,
                                              .b = part[0],
                                              .c = part[1],
                                              .d = part[2]})
                 : eng__parse_make(ps, (node){.kind = ENG__NODE_INDEX, .a = object, .b = part[0]});
}

static node *parse_postfix(eng__parser *ps, node *object)
{
    while (ps->status == ENG_OK) {
        if (eng__parse_take_sign(ps, "."))
            object = parse_dot(ps, object);
        else if (eng__parse_take_sign(ps, "["))
            object = parse_subscript(ps, object);
        else if (eng__parse_at_sign(ps, "("))
            return eng__parse_refuse(ps, "calling this is not supported");
        else
            break;
    }
    return object;
}

static node *parse_filter(eng__parser *ps, node *object)
{
    eng__jinja_token name = ps->token;
    int which = eng__parse_find_word(ps, filter_names, ENG__COUNT(filter_names));
    if (which < 0)
        return eng__parse_refuse(ps, "the filter '%.*s' is not supported", ENG__SHOWN(name));
    eng__parse_step(ps);
    node *b = NULL, *c = NULL;
    bool with_default = which == ENG__FILTER_DEFAULT || which == ENG__FILTER_D;
    if (eng__parse_take_sign(ps, "(")) {
        if (with_default && !eng__parse_at_sign(ps, ")")) {
            b = eng__parse_expression(ps);
            if (eng__parse_take_sign(ps, ","))
                c = eng__parse_expression(ps);
        }
        if (!eng__parse_at_sign(ps, ")"))
            return eng__parse_refuse(ps, "the filter '%s' with these arguments is not supported",
                                     filter_names[which]);
        eng__parse_step(ps);
    }
    return eng__parse_make(
        ps, (node){.kind = ENG__NODE_FILTER, .op = (uint8_t)which, .a = object, .b = b, .c = c});
}

static node *parse_test(eng__parser *ps, node *object)
{
    bool negated = eng__parse_take_name(ps, "not");
    eng__jinja_token name = ps->token;
    int which = eng__parse_find_word(ps, test_names, ENG__COUNT(test_names));
    if (which < 0)
        return eng__parse_refuse(ps, "the test '%.*s' is not supported", ENG__SHOWN(name));
    eng__parse_step(ps);
    if (eng__parse_at_sign(ps, "(") || eng__parse_at_name(ps, "is"))
        return eng__parse_refuse(ps, "the test '%s' is followed by what is not supported",
                                 test_names[which]);
    return eng__parse_make(
        ps, (node){.kind = ENG__NODE_TEST, .op = (uint8_t)which, .number = negated, .a = object});
}

/* -x, +x, then .name [index] |filter and is test, which bind tighter than all operators. */
static node *parse_unary(eng__parser *ps, bool with_filters)
{
    node *n = NULL;
    if (!eng__parse_enter(ps))
        return NULL;
    if (eng__parse_take_sign(ps, "-"))
        n = eng__parse_make(ps, (node){.kind = ENG__NODE_NEG, .a = parse_unary(ps, false)});
    else if (eng__parse_at_sign(ps, "+"))
        n = eng__parse_refuse(ps, "a unary '+' is not supported");
    else
        n = parse_primary(ps);
    n = parse_postfix(ps, n);
    while (with_filters && ps->status == ENG_OK) {
        if (eng__parse_take_sign(ps, "|"))
            n = parse_filter(ps, n);
        else if (eng__parse_take_name(ps, "is"))
            n = parse_test(ps, n);
        else
            break;
    }
    if (eng__parse_at_sign(ps, "**"))
        n = eng__parse_refuse(ps, "the operator '**' is not supported");
    ps->nesting--;
    return n;
}

typedef struct operator
{
    const char *sign;
    eng__jinja_op op;
}
operator;

static node *parse_product(eng__parser *ps)
{
    static const operator ops[] = {
        {"*", ENG__OP_MUL}, {"//", ENG__OP_FLOORDIV}, {"%", ENG__OP_MOD}};
    node *left = parse_unary(ps, true);
    for (size_t i = 0; i < ENG__COUNT(ops); i++)
        if (eng__parse_take_sign(ps, ops[i].sign)) {
            node *right = parse_unary(ps, true);
            left = eng__parse_make(
                ps, (node){.kind = ENG__NODE_BINARY, .op = ops[i].op, .a = left, .b = right});
            i = (size_t)-1;
        }
    return eng__parse_at_sign(ps, "/") ? eng__parse_refuse(ps, "the operator '/' is not supported")
                                       : left;
}

static node *parse_joined(eng__parser *ps)
{
    node *left = parse_product(ps);
    while (eng__parse_take_sign(ps, "~")) {
        node *right = parse_product(ps);
        left = eng__parse_make(
            ps, (node){.kind = ENG__NODE_BINARY, .op = ENG__OP_CONCAT, .a = left, .b = right});
    }
    return left;
}

static node *parse_sum(eng__parser *ps)
{
    node *left = parse_joined(ps);
    while (eng__parse_at_sign(ps, "+") || eng__parse_at_sign(ps, "-")) {
        uint8_t op = eng__parse_at_sign(ps, "+") ? ENG__OP_ADD : ENG__OP_SUB;
        eng__parse_step(ps);
        node *right = parse_joined(ps);
        left =
            eng__parse_make(ps, (node){.kind = ENG__NODE_BINARY, .op = op, .a = left, .b = right});
    }
    return left;
}

/* The comparison at the current token, consumed; -1 when there is none. */
static int take_comparison(eng__parser *ps)
{
    static const operator ops[] = {{"==", ENG__OP_EQ}, {"!=", ENG__OP_NE}, {"<=", ENG__OP_LE},
                                   {">=", ENG__OP_GE}, {"<", ENG__OP_LT},  {">", ENG__OP_GT}};
    for (size_t i = 0; i < ENG__COUNT(ops); i++)
        if (eng__parse_take_sign(ps, ops[i].sign))
            return (int)ops[i].op;
    if (eng__parse_take_name(ps, "in"))
        return ENG__OP_IN;
    if (!eng__parse_take_name(ps, "not"))
        return -1;
    if (!eng__parse_take_name(ps, "in"))
        eng__parse_unexpected(ps, "'in' after 'not'");
    return ENG__OP_NOT_IN;
}

static node *parse_comparison(eng__parser *ps)
{
    node *left = parse_sum(ps), *first = NULL, *last = NULL;
    for (int op; ps->status == ENG_OK && (op = take_comparison(ps)) >= 0;) {
        node *operand = eng__parse_make(
            ps, (node){.kind = ENG__NODE_OPERAND, .op = (uint8_t)op, .a = parse_sum(ps)});
        if (last)
            last->next = operand;
        else
            first = operand;
        last = operand;
    }
    return first ? eng__parse_make(ps, (node){.kind = ENG__NODE_COMPARE, .a = left, .b = first})
                 : left;
}

static node *parse_not(eng__parser *ps)
{
    if (!eng__parse_enter(ps))
        return NULL;
    node *n = eng__parse_take_name(ps, "not")
                  ? eng__parse_make(ps, (node){.kind = ENG__NODE_NOT, .a = parse_not(ps)})
                  : parse_comparison(ps);
    ps->nesting--;
    return n;
}

static node *parse_and(eng__parser *ps)
{
    node *left = parse_not(ps);
    while (eng__parse_take_name(ps, "and")) {
        node *right = parse_not(ps);
        left = eng__parse_make(
            ps, (node){.kind = ENG__NODE_BINARY, .op = ENG__OP_AND, .a = left, .b = right});
    }
    return left;
}

node *eng__parse_or(eng__parser *ps)
{
    node *left = parse_and(ps);
    while (eng__parse_take_name(ps, "or")) {
        node *right = parse_and(ps);
        left = eng__parse_make(
            ps, (node){.kind = ENG__NODE_BINARY, .op = ENG__OP_OR, .a = left, .b = right});
    }
    return left;
}

node *eng__parse_expression(eng__parser *ps)
{
    if (!eng__parse_enter(ps))
        return NULL;
    node *value = eng__parse_or(ps);
    while (eng__parse_take_name(ps, "if")) {
        node *test = eng__parse_or(ps);
        node *other = eng__parse_take_name(ps, "else") ? eng__parse_expression(ps) : NULL;
        value =
            eng__parse_make(ps, (node){.kind = ENG__NODE_COND, .a = test, .b = value, .c = other});
    }
    ps->nesting--;
    return value;
}
