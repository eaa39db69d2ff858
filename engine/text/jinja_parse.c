/* Statements. Every node knows its height, and nesting is counted on the way down, so neither
 * parsing nor walking the tree goes deeper than the caps. */
#include "text/jinja_parser.h"

typedef eng__jinja_node node;

static node *parse_body(eng__parser *ps);

static void add_globals(eng__parser *ps)
{
#define GLOBAL(name, text) eng__parse_name_id(ps, text, sizeof text - 1);
    ENG__JINJA_GLOBAL_MAP(GLOBAL)
#undef GLOBAL
}

static void end_block(eng__parser *ps)
{
    if (ps->token.kind != ENG__TOKEN_BLOCK_END)
        eng__parse_unexpected(ps, "the end of the tag");
    else
        eng__parse_step(ps);
}

/* After "if" or "elif", up to and with the closing endif. */
static node *parse_if(eng__parser *ps)
{
    node n = {.kind = ENG__NODE_IF, .line = ps->token.line};
    if (!eng__parse_enter(ps))
        return NULL;
    n.a = eng__parse_or(ps);
    end_block(ps);
    n.b = parse_body(ps);
    if (eng__parse_take_name(ps, "elif")) {
        n.c = parse_if(ps);
    } else {
        if (eng__parse_take_name(ps, "else")) {
            end_block(ps);
            n.c = parse_body(ps);
        }
        if (!eng__parse_take_name(ps, "endif"))
            eng__parse_unexpected(ps, "endif");
        end_block(ps);
    }
    ps->nesting--;
    return eng__parse_make(ps, n);
}

static node *parse_for(eng__parser *ps)
{
    node n = {.kind = ENG__NODE_FOR, .line = ps->token.line};
    if (!eng__parse_enter(ps))
        return NULL;
    if (ps->token.kind != ENG__TOKEN_NAME)
        return eng__parse_unexpected(ps, "a name after 'for'");
    n.number = eng__parse_name_id(ps, ps->token.p, ps->token.len);
    eng__parse_step(ps);
    if (eng__parse_at_sign(ps, ","))
        return eng__parse_refuse(ps, "a 'for' over several variables is not supported");
    if (!eng__parse_take_name(ps, "in"))
        return eng__parse_unexpected(ps, "'in'");
    n.a = eng__parse_or(ps);
    if (eng__parse_at_name(ps, "if") || eng__parse_at_name(ps, "recursive"))
        return eng__parse_refuse(ps, "'for ... %.*s' is not supported", (int)ps->token.len,
                                 ps->token.p);
    end_block(ps);
    n.b = parse_body(ps);
    if (eng__parse_take_name(ps, "else")) {
        end_block(ps);
        n.c = parse_body(ps);
    }
    if (!eng__parse_take_name(ps, "endfor"))
        eng__parse_unexpected(ps, "endfor");
    end_block(ps);
    ps->nesting--;
    return eng__parse_make(ps, n);
}

static node *parse_set(eng__parser *ps)
{
    node n = {.kind = ENG__NODE_SET, .line = ps->token.line};
    if (ps->token.kind != ENG__TOKEN_NAME)
        return eng__parse_unexpected(ps, "a name after 'set'");
    n.number = eng__parse_name_id(ps, ps->token.p, ps->token.len);
    eng__parse_step(ps);
    if (eng__parse_at_sign(ps, "."))
        return eng__parse_refuse(ps, "setting a namespace attribute is not supported");
    if (eng__parse_at_sign(ps, ","))
        return eng__parse_refuse(ps, "a 'set' of several variables is not supported");
    if (ps->token.kind == ENG__TOKEN_BLOCK_END || eng__parse_at_sign(ps, "|"))
        return eng__parse_refuse(ps, "a 'set' block is not supported");
    eng__parse_expect_sign(ps, "=");
    n.a = eng__parse_expression(ps);
    end_block(ps);
    return eng__parse_make(ps, n);
}

/* The statement whose {% is consumed. */
static node *parse_statement(eng__parser *ps)
{
    if (eng__parse_take_name(ps, "if"))
        return parse_if(ps);
    if (eng__parse_take_name(ps, "for"))
        return parse_for(ps);
    if (eng__parse_take_name(ps, "set"))
        return parse_set(ps);
    if (ps->token.kind == ENG__TOKEN_NAME)
        return eng__parse_refuse(ps, "the statement '%.*s' is not supported",
                                 ENG__SHOWN(ps->token));
    return eng__parse_unexpected(ps, "a statement");
}

static node *parse_print(eng__parser *ps)
{
    node n = {.kind = ENG__NODE_PRINT, .line = ps->token.line};
    eng__parse_step(ps);
    n.a = eng__parse_expression(ps);
    if (ps->token.kind != ENG__TOKEN_PRINT_END)
        return eng__parse_unexpected(ps, "the end of the tag");
    eng__parse_step(ps);
    return eng__parse_make(ps, n);
}

static bool closes_body(const eng__parser *ps)
{
    static const char *const words[] = {"elif", "else", "endif", "endfor"};
    return eng__parse_find_word(ps, words, ENG__COUNT(words)) >= 0;
}

/* Statements up to the end of the source, or to a {% elif, else, endif or endfor, of which the word
 * is left for the caller. */
static node *parse_body(eng__parser *ps)
{
    node *first = NULL, *last = NULL;
    while (ps->status == ENG_OK && ps->token.kind != ENG__TOKEN_END) {
        node *n = NULL;
        if (ps->token.kind == ENG__TOKEN_TEXT) {
            n = eng__parse_make(
                ps, (node){.kind = ENG__NODE_TEXT, .span = {ps->token.p, ps->token.len, true}});
            eng__parse_step(ps);
        } else if (ps->token.kind == ENG__TOKEN_PRINT_BEGIN) {
            n = parse_print(ps);
        } else {
            eng__parse_step(ps);
            if (closes_body(ps))
                return first;
            n = parse_statement(ps);
        }
        if (!n)
            return NULL;
        if (last)
            last->next = n;
        else
            first = n;
        last = n;
    }
    return first;
}

eng_status eng__jinja_parse(const eng__jinja_node **root, eng_arena *arena, const char *source,
                            size_t len, eng_error *err)
{
    eng__parser ps = {.arena = arena, .err = err};
    *root = NULL;
    ps.status = eng__jinja_lexer_init(&ps.lexer, arena, source, len, err);
    add_globals(&ps);
    eng__parse_step(&ps);
    const node *body = parse_body(&ps);
    if (ps.status == ENG_OK && ps.token.kind != ENG__TOKEN_END)
        eng__parse_unexpected(&ps, "the end of the template");
    if (ps.status == ENG_OK)
        *root = body;
    return ps.status;
}
