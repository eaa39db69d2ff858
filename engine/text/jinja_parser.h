/* What the parser's files share: its state, the current token, and making nodes. */
#ifndef ENG_TEXT_JINJA_PARSER_H
#define ENG_TEXT_JINJA_PARSER_H

#include "text/jinja.h"

typedef struct eng__parser {
    eng__jinja_lexer lexer;
    eng__jinja_token token; /* the one not consumed yet */
    eng_arena *arena;
    struct {
        const char *p;
        size_t len;
    } names[ENG__JINJA_MAX_NAMES]; /* by name id */
    uint32_t n_names;
    int nesting;
    eng_status status; /* the first failure; from then on tokens are ends and nodes NULL */
    eng_error *err;
} eng__parser;

/* Arguments for %.*s: a token's text, cut where a message must end. */
#define ENG__SHOWN(token) (int)((token).len < 60 ? (token).len : 60), (token).p
#define ENG__COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Both fail the parse, unless it has failed before, and return NULL. */
eng__jinja_node *eng__parse_refuse(eng__parser *ps, const char *fmt, ...) ENG_PRINTF(2, 3);
eng__jinja_node *eng__parse_unexpected(eng__parser *ps, const char *wanted);

void eng__parse_step(eng__parser *ps); /* to the next token */
bool eng__parse_at_sign(const eng__parser *ps, const char *text);
bool eng__parse_at_name(const eng__parser *ps, const char *text);
/* Consumes the current token if it is this one. */
bool eng__parse_take_sign(eng__parser *ps, const char *text);
bool eng__parse_take_name(eng__parser *ps, const char *text);
void eng__parse_expect_sign(eng__parser *ps, const char *text);
/* The index of the current name in a list of texts, or -1. */
int eng__parse_find_word(const eng__parser *ps, const char *const *words, size_t n);

/* A copy of `n` in the arena, its height set from its children, its line from the current token
 * unless it has one; NULL once the parse has failed. */
eng__jinja_node *eng__parse_make(eng__parser *ps, eng__jinja_node n);
int64_t eng__parse_name_id(eng__parser *ps, const char *p, size_t len);
/* One level of nesting deeper (the caller counts ps->nesting down); false when that is too deep. */
bool eng__parse_enter(eng__parser *ps);

eng__jinja_node *eng__parse_expression(eng__parser *ps);
eng__jinja_node *eng__parse_or(eng__parser *ps); /* an expression without inline if */

#endif
