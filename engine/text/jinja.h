/* A chat template as a syntax tree: the subset of Jinja that chat templates are written in.
 *
 * Statements: if/elif/else, for/else over a list with one variable, set of one name, comments,
 * whitespace control as with trim_blocks and lstrip_blocks on. Expressions: literals, lists, names,
 * .name, [index], [slices], arithmetic on integers, + and ~ on strings, comparisons, in,
 * and/or/not, inline if, the filters, tests and methods of the maps below, raise_exception(text).
 * Anything else refuses the template by naming the construct.
 *
 * A tree is immutable and lives in the arena it was parsed into. No node has more than
 * ENG__JINJA_MAX_HEIGHT levels below it, so walking it by recursion is bounded. */
#ifndef ENG_TEXT_JINJA_H
#define ENG_TEXT_JINJA_H

#include "base/arena.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENG__JINJA_MAX_HEIGHT = 160, ENG__JINJA_MAX_NAMES = 256 };

/* One entry a line: clang-format would pack them, differently each time. */
/* clang-format off */
#define ENG__JINJA_FILTER_MAP(X) \
    X(TRIM, "trim") \
    X(TOJSON, "tojson") \
    X(UPPER, "upper") \
    X(LOWER, "lower") \
    X(LENGTH, "length") \
    X(COUNT, "count") \
    X(DEFAULT, "default") \
    X(D, "d") \
    X(STRING, "string") \
    X(FIRST, "first") \
    X(LAST, "last")
#define ENG__JINJA_TEST_MAP(X) \
    X(DEFINED, "defined") \
    X(UNDEFINED, "undefined") \
    X(NONE, "none") \
    X(STRING, "string") \
    X(MAPPING, "mapping") \
    X(ITERABLE, "iterable") \
    X(SEQUENCE, "sequence") \
    X(NUMBER, "number") \
    X(INTEGER, "integer") \
    X(BOOLEAN, "boolean") \
    X(TRUE, "true") \
    X(FALSE, "false")
#define ENG__JINJA_METHOD_MAP(X) \
    X(STRIP, "strip", 0) \
    X(LSTRIP, "lstrip", 0) \
    X(RSTRIP, "rstrip", 0) \
    X(UPPER, "upper", 0) \
    X(LOWER, "lower", 0) \
    X(STARTSWITH, "startswith", 1) \
    X(ENDSWITH, "endswith", 1)
#define ENG__JINJA_LOOP_MAP(X) \
    X(INDEX, "index") \
    X(INDEX0, "index0") \
    X(REVINDEX, "revindex") \
    X(REVINDEX0, "revindex0") \
    X(FIRST, "first") \
    X(LAST, "last") \
    X(LENGTH, "length")
/* clang-format on */

typedef enum eng__jinja_filter {
#define ENG__JINJA_ENUM(name, text) ENG__FILTER_##name,
    ENG__JINJA_FILTER_MAP(ENG__JINJA_ENUM)
#undef ENG__JINJA_ENUM
} eng__jinja_filter;
typedef enum eng__jinja_test {
#define ENG__JINJA_ENUM(name, text) ENG__TEST_##name,
    ENG__JINJA_TEST_MAP(ENG__JINJA_ENUM)
#undef ENG__JINJA_ENUM
} eng__jinja_test;
typedef enum eng__jinja_method {
#define ENG__JINJA_ENUM(name, text, n_args) ENG__METHOD_##name,
    ENG__JINJA_METHOD_MAP(ENG__JINJA_ENUM)
#undef ENG__JINJA_ENUM
} eng__jinja_method;
typedef enum eng__jinja_loop {
#define ENG__JINJA_ENUM(name, text) ENG__LOOP_##name,
    ENG__JINJA_LOOP_MAP(ENG__JINJA_ENUM)
#undef ENG__JINJA_ENUM
} eng__jinja_loop;

/* Names that a template finds set; their ids, in this order. */
/* clang-format off */
#define ENG__JINJA_GLOBAL_MAP(X) \
    X(MESSAGES, "messages") \
    X(ADD_GENERATION_PROMPT, "add_generation_prompt") \
    X(BOS_TOKEN, "bos_token") \
    X(EOS_TOKEN, "eos_token") \
    X(TOOLS, "tools") \
    X(DOCUMENTS, "documents") \
    X(LOOP, "loop")
/* clang-format on */
typedef enum eng__jinja_global {
#define ENG__JINJA_ENUM(name, text) ENG__GLOBAL_##name,
    ENG__JINJA_GLOBAL_MAP(ENG__JINJA_ENUM)
#undef ENG__JINJA_ENUM
} eng__jinja_global;

typedef enum eng__jinja_op {
    ENG__OP_ADD,
    ENG__OP_SUB,
    ENG__OP_MUL,
    ENG__OP_FLOORDIV,
    ENG__OP_MOD,
    ENG__OP_CONCAT,
    ENG__OP_AND,
    ENG__OP_OR,
    ENG__OP_EQ,
    ENG__OP_NE,
    ENG__OP_LT,
    ENG__OP_LE,
    ENG__OP_GT,
    ENG__OP_GE,
    ENG__OP_IN,
    ENG__OP_NOT_IN
} eng__jinja_op;

typedef enum eng__jinja_kind {
    /* expressions */
    ENG__NODE_STRING, /* span */
    ENG__NODE_INT,    /* number */
    ENG__NODE_BOOL,   /* number */
    ENG__NODE_NONE,
    ENG__NODE_LIST,    /* a: elements, chained by next */
    ENG__NODE_NAME,    /* number: name id */
    ENG__NODE_ATTR,    /* a . span */
    ENG__NODE_LOOP,    /* loop . op (eng__jinja_loop) */
    ENG__NODE_INDEX,   /* a [ b ] */
    ENG__NODE_SLICE,   /* a [ b : c : d ], each of b, c, d may be NULL */
    ENG__NODE_NOT,     /* a */
    ENG__NODE_NEG,     /* a */
    ENG__NODE_BINARY,  /* a op b */
    ENG__NODE_COMPARE, /* a, then b: a chain of OPERANDs */
    ENG__NODE_OPERAND, /* op a */
    ENG__NODE_COND,    /* b if a else c; c may be NULL */
    ENG__NODE_FILTER,  /* a | op (b, c); b, c may be NULL */
    ENG__NODE_TEST,    /* a is op; number 1 = negated */
    ENG__NODE_METHOD,  /* a . op ( b ) */
    ENG__NODE_RAISE,   /* raise_exception(a) */
    /* statements, chained by next */
    ENG__NODE_TEXT,  /* span */
    ENG__NODE_PRINT, /* a */
    ENG__NODE_IF,    /* a: test; b: body; c: else */
    ENG__NODE_FOR,   /* number: name id; a: list; b: body; c: else */
    ENG__NODE_SET    /* number: name id; a */
} eng__jinja_kind;

/* A stretch of text from one writer: the template (trusted) or a message. */
typedef struct eng__span {
    const char *p;
    size_t len;
    bool trusted;
} eng__span;

typedef struct eng__jinja_node eng__jinja_node;
struct eng__jinja_node {
    uint8_t kind, op;
    uint16_t height; /* levels below and including this one */
    uint32_t line;   /* in the template's source, from 1 */
    int64_t number;
    eng__span span;
    const eng__jinja_node *a, *b, *c, *d;
    eng__jinja_node *next;
};

/* Parses source[0..len), which the tree does not refer to afterwards. *root is NULL for an empty
 * template. ENG_UNSUPPORTED with the construct or the syntax error and its line; ENG_NOMEM. */
ENG_MUST_CHECK eng_status eng__jinja_parse(const eng__jinja_node **root, eng_arena *arena,
                                           const char *source, size_t len, eng_error *err);

/* ---- the lexer, used by the parser alone ----------------------------------------------------- */

typedef enum eng__jinja_token_kind {
    ENG__TOKEN_END,
    ENG__TOKEN_TEXT,
    ENG__TOKEN_BLOCK_BEGIN, /* {% */
    ENG__TOKEN_BLOCK_END,
    ENG__TOKEN_PRINT_BEGIN, /* {{ */
    ENG__TOKEN_PRINT_END,
    ENG__TOKEN_NAME,
    ENG__TOKEN_STRING, /* p, len: its value */
    ENG__TOKEN_INT,
    ENG__TOKEN_SIGN /* punctuation: p, len */
} eng__jinja_token_kind;

typedef struct eng__jinja_token {
    eng__jinja_token_kind kind;
    uint32_t line;
    const char *p;
    size_t len;
    int64_t number;
} eng__jinja_token;

typedef struct eng__jinja_lexer {
    eng_arena *arena;
    const char *source, *p, *end; /* newlines are \n */
    uint32_t line;
    enum { ENG__LEX_TEXT, ENG__LEX_BLOCK, ENG__LEX_PRINT } mode;
} eng__jinja_lexer;

/* Copies the source into the arena with its newlines normalised and the last one dropped. */
ENG_MUST_CHECK eng_status eng__jinja_lexer_init(eng__jinja_lexer *lexer, eng_arena *arena,
                                                const char *source, size_t len, eng_error *err);
ENG_MUST_CHECK eng_status eng__jinja_next_token(eng__jinja_lexer *lexer, eng__jinja_token *token,
                                                eng_error *err);

/* Python's str.isspace, which strip() and the templates' `-` go by. */
bool eng__jinja_is_space(uint32_t cp);
/* p..end without white space at the front; or at the back. */
const char *eng__jinja_skip_space(const char *p, const char *end);
const char *eng__jinja_trim_end(const char *p, const char *end);

#endif
