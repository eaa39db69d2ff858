#include "text/jinja.h"

#include "text/unicode.h"

#include <string.h>

bool eng__jinja_is_space(uint32_t cp)
{
    return (cp >= 0x1C && cp <= 0x1F) || eng__is_space(cp);
}

const char *eng__jinja_skip_space(const char *p, const char *end)
{
    for (eng__char c = eng__char_at(p, end); c.len && eng__jinja_is_space(c.cp);
         c = eng__char_at(p, end))
        p += c.len;
    return p;
}

const char *eng__jinja_trim_end(const char *p, const char *end)
{
    while (end > p) {
        const char *last = end - 1;
        while (last > p && end - last < 4 && ((unsigned char)*last & 0xC0) == 0x80)
            last--;
        eng__char c = eng__char_at(last, end);
        if (last + c.len != end || !eng__jinja_is_space(c.cp))
            break;
        end = last;
    }
    return end;
}

eng_status eng__jinja_lexer_init(eng__jinja_lexer *lexer, eng_arena *arena, const char *source,
                                 size_t len, eng_error *err)
{
    char *copy = eng_arena_strndup(arena, source, len);
    if (!copy)
        return eng_fail(err, ENG_NOMEM, "no memory for the chat template");
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (copy[i] == '\r') {
            copy[n++] = '\n';
            i += i + 1 < len && copy[i + 1] == '\n';
        } else {
            copy[n++] = copy[i];
        }
    }
    n -= n > 0 && copy[n - 1] == '\n';
    *lexer =
        (eng__jinja_lexer){.arena = arena, .source = copy, .p = copy, .end = copy + n, .line = 1};
    return ENG_OK;
}

static bool starts(const eng__jinja_lexer *lx, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(lx->end - lx->p) >= n && memcmp(lx->p, text, n) == 0;
}

static void advance(eng__jinja_lexer *lx, const char *to)
{
    for (; lx->p < to; lx->p++)
        lx->line += *lx->p == '\n';
}

static eng_status bad(const eng__jinja_lexer *lx, eng_error *err, const char *what)
{
    return eng_fail(err, ENG_UNSUPPORTED, "chat template, line %u: %s", (unsigned)lx->line, what);
}

/* After a tag's end sign: a - eats white space; a block or comment otherwise eats one newline. */
static void end_tag(eng__jinja_lexer *lx, char sign, bool trims)
{
    if (sign == '-')
        advance(lx, eng__jinja_skip_space(lx->p, lx->end));
    else if (trims && sign != '+' && starts(lx, "\n"))
        advance(lx, lx->p + 1);
    lx->mode = ENG__LEX_TEXT;
}

/* The opening of a tag at or after p; end when there is none. */
static const char *find_tag(const char *p, const char *end)
{
    for (; (p = memchr(p, '{', (size_t)(end - p))) != NULL; p++)
        if (p + 1 < end && (p[1] == '{' || p[1] == '%' || p[1] == '#'))
            return p;
    return end;
}

/* Where text that runs up to the tag at `tag` ends, by the tag's sign or lstrip_blocks. */
static const char *text_end(const eng__jinja_lexer *lx, const char *tag)
{
    char sign = tag + 2 < lx->end ? tag[2] : 0;
    if (sign == '-')
        return eng__jinja_trim_end(lx->p, tag);
    if (sign == '+' || tag[1] == '{')
        return tag;
    const char *line = tag;
    while (line > lx->p && line[-1] != '\n')
        line--;
    bool line_starts = line > lx->p || line == lx->source || line[-1] == '\n';
    return line_starts && eng__jinja_skip_space(line, tag) == tag ? line : tag;
}

static eng_status skip_comment(eng__jinja_lexer *lx, eng_error *err)
{
    const char *body = lx->p + 2;
    body += body < lx->end && (*body == '-' || *body == '+');
    const char *close = memmem(body, (size_t)(lx->end - body), "#}", 2);
    if (!close)
        return bad(lx, err, "a comment is not closed");
    char sign = close > body && (close[-1] == '-' || close[-1] == '+') ? close[-1] : 0;
    advance(lx, close + 2);
    end_tag(lx, sign, true);
    return ENG_OK;
}

/* Text up to the next tag, or the tag's opening when no text is left before it. */
static eng_status next_in_text(eng__jinja_lexer *lx, eng__jinja_token *token, eng_error *err)
{
    for (;;) {
        const char *tag = find_tag(lx->p, lx->end);
        const char *stop = tag < lx->end ? text_end(lx, tag) : tag;
        *token = (eng__jinja_token){ENG__TOKEN_TEXT, lx->line, lx->p, (size_t)(stop - lx->p), 0};
        advance(lx, tag);
        if (token->len)
            return ENG_OK;
        if (tag == lx->end) {
            token->kind = ENG__TOKEN_END;
            return ENG_OK;
        }
        if (tag[1] == '#') {
            eng_status status = skip_comment(lx, err);
            if (status != ENG_OK)
                return status;
            continue;
        }
        bool block = tag[1] == '%', sign = tag + 2 < lx->end && (tag[2] == '-' || tag[2] == '+');
        advance(lx, tag + 2 + sign);
        lx->mode = block ? ENG__LEX_BLOCK : ENG__LEX_PRINT;
        token->kind = block ? ENG__TOKEN_BLOCK_BEGIN : ENG__TOKEN_PRINT_BEGIN;
        return ENG_OK;
    }
}

static bool is_name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* \xHH, \uHHHH, \UHHHHHHHH: the digits after the letter at p. False when they are missing or name
 * no character. */
static bool hex_escape(const char **p, const char *end, char out[4], size_t *n)
{
    int digits = **p == 'x' ? 2 : **p == 'u' ? 4 : 8;
    uint32_t cp = 0;
    for (const char *d = ++*p; *p < d + digits; ++*p) {
        char c = *p < end ? **p : 0;
        int v = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
        if (v < 0)
            return false;
        cp = cp << 4 | (uint32_t)v;
    }
    *n = 0;
    if (cp >= 0x110000 || (cp >= 0xD800 && cp < 0xE000))
        return false;
    *n = eng__utf8_encode(cp, out);
    return true;
}

/* The escape at *p, which follows a backslash, as in a Python string; unknown ones stay as written.
 */
static bool unescape(const char **p, const char *end, char out[4], size_t *n)
{
    static const char from[] = "ntrabfv\\'\"", to[] = "\n\t\r\a\b\f\v\\'\"";
    char c = **p;
    const char *simple = memchr(from, c, sizeof from - 1);
    if (c == 'x' || c == 'u' || c == 'U')
        return hex_escape(p, end, out, n);
    *n = 0;
    if (c >= '0' && c <= '7') {
        uint32_t cp = 0;
        for (const char *d = *p; *p < end && *p < d + 3 && **p >= '0' && **p <= '7'; ++*p)
            cp = cp * 8 + (uint32_t)(**p - '0');
        *n = eng__utf8_encode(cp, out);
        return true;
    }
    ++*p;
    if (c == '\n')
        return true;
    if (!simple)
        out[(*n)++] = '\\';
    out[(*n)++] = simple ? to[simple - from] : c;
    return true;
}

static eng_status string_token(eng__jinja_lexer *lx, eng__jinja_token *token, eng_error *err)
{
    char quote = *lx->p;
    const char *close = lx->p + 1;
    while (close < lx->end && *close != quote)
        close += *close == '\\' && close + 1 < lx->end ? 2 : 1;
    if (close >= lx->end)
        return bad(lx, err, "a string is not closed");
    /* No escape stands for more bytes than it is written with. */
    char *value = eng_arena_alloc(lx->arena, (size_t)(close - lx->p));
    if (!value)
        return eng_fail(err, ENG_NOMEM, "no memory for the chat template");
    size_t len = 0;
    for (const char *p = lx->p + 1; p < close;) {
        size_t n = 1;
        if (*p != '\\') {
            value[len] = *p++;
        } else if (p++, !unescape(&p, close, value + len, &n)) {
            return bad(lx, err, "an escape in a string names no character");
        }
        len += n;
    }
    *token = (eng__jinja_token){ENG__TOKEN_STRING, lx->line, value, len, 0};
    advance(lx, close + 1);
    return ENG_OK;
}

static eng_status int_token(eng__jinja_lexer *lx, eng__jinja_token *token, eng_error *err)
{
    const char *p = lx->p;
    for (; p < lx->end && *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(token->number, 10, &token->number) ||
            __builtin_add_overflow(token->number, *p - '0', &token->number))
            return bad(lx, err, "an integer is too large");
    if (p < lx->end &&
        (is_name_char(*p, true) || (*p == '.' && p + 1 < lx->end && p[1] >= '0' && p[1] <= '9')))
        return bad(lx, err, "a number that is not a decimal integer is not supported");
    token->kind = ENG__TOKEN_INT;
    advance(lx, p);
    return ENG_OK;
}

/* The closing of the tag at p, if it is one: its length, sign included. */
static size_t closing(const eng__jinja_lexer *lx)
{
    if (lx->mode == ENG__LEX_BLOCK)
        return starts(lx, "%}") ? 2 : starts(lx, "-%}") || starts(lx, "+%}") ? 3 : 0;
    return starts(lx, "}}") ? 2 : starts(lx, "-}}") ? 3 : 0;
}

static eng_status next_in_tag(eng__jinja_lexer *lx, eng__jinja_token *token, eng_error *err)
{
    static const char *const pairs[] = {"==", "!=", "<=", ">=", "//", "**"};
    advance(lx, eng__jinja_skip_space(lx->p, lx->end));
    *token = (eng__jinja_token){ENG__TOKEN_SIGN, lx->line, lx->p, 1, 0};
    if (lx->p == lx->end)
        return bad(lx, err, "a tag is not closed");
    size_t n = closing(lx);
    if (n) {
        char sign = *lx->p;
        bool block = lx->mode == ENG__LEX_BLOCK;
        token->kind = block ? ENG__TOKEN_BLOCK_END : ENG__TOKEN_PRINT_END;
        advance(lx, lx->p + n);
        end_tag(lx, sign, block);
        return ENG_OK;
    }
    char c = *lx->p;
    if (c == '\'' || c == '"')
        return string_token(lx, token, err);
    if (c >= '0' && c <= '9')
        return int_token(lx, token, err);
    if (is_name_char(c, true)) {
        token->kind = ENG__TOKEN_NAME;
        for (token->len = 0; lx->p < lx->end && is_name_char(*lx->p, false); lx->p++)
            token->len++;
        return ENG_OK;
    }
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (starts(lx, pairs[i]))
            token->len = 2;
    if ((unsigned char)c >= 0x80 || (token->len == 1 && !strchr("+-*/%~<>=()[].,:|{}", c)))
        return bad(lx, err, "a character that starts nothing known");
    advance(lx, lx->p + token->len);
    return ENG_OK;
}

eng_status eng__jinja_next_token(eng__jinja_lexer *lexer, eng__jinja_token *token, eng_error *err)
{
    return lexer->mode == ENG__LEX_TEXT ? next_in_text(lexer, token, err)
                                        : next_in_tag(lexer, token, err);
}
