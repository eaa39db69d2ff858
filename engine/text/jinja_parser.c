#include "text/jinja_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef eng__jinja_node node;

/* One level of nesting in the source passes through about ten functions of the parser. */
enum { MAX_NESTING = 40 };

node *eng__parse_refuse(eng__parser *ps, const char *fmt, ...)
{
    char what[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    if (ps->status == ENG_OK)
        ps->status = eng_fail(ps->err, ENG_UNSUPPORTED, "chat template, line %u: %s",
                              (unsigned)ps->token.line, what);
    ps->token.kind = ENG__TOKEN_END;
    return NULL;
}

void eng__parse_step(eng__parser *ps)
{
    if (ps->status == ENG_OK)
        ps->status = eng__jinja_next_token(&ps->lexer, &ps->token, ps->err);
    if (ps->status != ENG_OK)
        ps->token.kind = ENG__TOKEN_END;
}

static bool at_text(const eng__parser *ps, eng__jinja_token_kind kind, const char *text)
{
    return ps->token.kind == kind && ps->token.len == strlen(text) &&
           memcmp(ps->token.p, text, ps->token.len) == 0;
}

bool eng__parse_at_sign(const eng__parser *ps, const char *text)
{
    return at_text(ps, ENG__TOKEN_SIGN, text);
}

bool eng__parse_at_name(const eng__parser *ps, const char *text)
{
    return at_text(ps, ENG__TOKEN_NAME, text);
}

bool eng__parse_take_sign(eng__parser *ps, const char *text)
{
    bool there = eng__parse_at_sign(ps, text);
    if (there)
        eng__parse_step(ps);
    return there;
}

bool eng__parse_take_name(eng__parser *ps, const char *text)
{
    bool there = eng__parse_at_name(ps, text);
    if (there)
        eng__parse_step(ps);
    return there;
}

static void describe(const eng__parser *ps, char *out, size_t size)
{
    const eng__jinja_token *t = &ps->token;
    int len = t->len < 40 ? (int)t->len : 40;
    switch (t->kind) {
    case ENG__TOKEN_NAME:
    case ENG__TOKEN_SIGN:
        snprintf(out, size, "'%.*s'", len, t->p);
        break;
    case ENG__TOKEN_STRING:
        snprintf(out, size, "a string");
        break;
    case ENG__TOKEN_INT:
        snprintf(out, size, "a number");
        break;
    default:
        snprintf(out, size, "the end of the tag");
    }
}

node *eng__parse_unexpected(eng__parser *ps, const char *wanted)
{
    char found[64];
    describe(ps, found, sizeof found);
    return eng__parse_refuse(ps, "expected %s, found %s", wanted, found);
}

void eng__parse_expect_sign(eng__parser *ps, const char *text)
{
    if (!eng__parse_take_sign(ps, text))
        eng__parse_unexpected(ps, text);
}

static int height_of(const node *n)
{
    int most = 0;
    for (; n; n = n->next)
        most = n->height > most ? n->height : most;
    return most;
}

/* A copy of `n` in the arena, its height set from its children. */
node *eng__parse_make(eng__parser *ps, node n)
{
    const node *children[] = {n.a, n.b, n.c, n.d};
    int below = 0;
    for (size_t i = 0; i < sizeof children / sizeof children[0]; i++) {
        int h = height_of(children[i]);
        below = h > below ? h : below;
    }
    if (ps->status != ENG_OK)
        return NULL;
    if (below >= ENG__JINJA_MAX_HEIGHT)
        return eng__parse_refuse(ps, "nested more than %d deep", ENG__JINJA_MAX_HEIGHT);
    node *copy = eng_arena_alloc(ps->arena, sizeof *copy);
    if (!copy) {
        ps->status = eng_fail(ps->err, ENG_NOMEM, "no memory for the chat template");
        return NULL;
    }
    *copy = n;
    copy->height = (uint16_t)(below + 1);
    copy->line = n.line ? n.line : ps->token.line;
    return copy;
}

bool eng__parse_enter(eng__parser *ps)
{
    if (++ps->nesting > MAX_NESTING)
        eng__parse_refuse(ps, "nested more than %d deep", MAX_NESTING);
    return ps->status == ENG_OK;
}

int64_t eng__parse_name_id(eng__parser *ps, const char *p, size_t len)
{
    for (uint32_t i = 0; i < ps->n_names; i++)
        if (ps->names[i].len == len && memcmp(ps->names[i].p, p, len) == 0)
            return i;
    if (ps->n_names == ENG__JINJA_MAX_NAMES) {
        eng__parse_refuse(ps, "more than %d names", ENG__JINJA_MAX_NAMES);
        return 0;
    }
    ps->names[ps->n_names].p = p; /* in the lexer's copy of the source, which the arena holds */
    ps->names[ps->n_names].len = len;
    return ps->n_names++;
}

/* The index of the current name in a list of texts, or -1. */
int eng__parse_find_word(const eng__parser *ps, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (eng__parse_at_name(ps, words[i]))
            return (int)i;
    return -1;
}
