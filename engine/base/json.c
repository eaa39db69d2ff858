#include "base/json.h"

#include "base/pace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One key of an open object, between its quotes. */
typedef struct json_key {
    uint32_t at, len;
    bool escaped;
} json_key;

typedef struct checker {
    const unsigned char *text;
    size_t len, at;
    const eng_json_rules *rules;
    eng_error *err;
    uint8_t is_object[ENG_JSON_MAX_DEPTH / 8]; /* the open containers, one bit each */
    uint32_t depth;
    json_key *keys; /* of the open objects, innermost last */
    uint32_t n_keys, cap_keys;
    uint32_t first_key[ENG_JSON_MAX_DEPTH]; /* of each open container */
} checker;

static eng_status refuse(checker *c, size_t at, const char *what)
{
    c->at = at;
    return eng_fail(c->err, ENG_FORMAT, "JSON, byte %zu: %s", at, what);
}

static int peek(const checker *c)
{
    return c->at < c->len ? c->text[c->at] : -1;
}

static void skip_space(checker *c)
{
    while (c->at < c->len) {
        unsigned char b = c->text[c->at];
        if (b != ' ' && b != '\t' && b != '\n' && b != '\r')
            break;
        c->at++;
    }
}

/* ---- strings ---- */

static int hex_digit(int b)
{
    if (b >= '0' && b <= '9')
        return b - '0';
    if (b >= 'a' && b <= 'f')
        return b - 'a' + 10;
    if (b >= 'A' && b <= 'F')
        return b - 'A' + 10;
    return -1;
}

/* The four digits at `at`, or -1. */
static int hex4(const checker *c, size_t at)
{
    int value = 0;
    if (c->len - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(c->text[at + (size_t)i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* At "\u"; moves past it, or past both halves of a surrogate pair. */
static eng_status check_unicode_escape(checker *c)
{
    int unit = hex4(c, c->at + 2);
    if (unit < 0)
        return refuse(c, c->at, "\\u without four hex digits");
    if (unit == 0 && c->rules->no_nul_escape)
        return refuse(c, c->at, "\\u0000 is not allowed");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return refuse(c, c->at, "a low surrogate without its high one");
    if (unit >= 0xd800 && unit <= 0xdbff) {
        size_t next = c->at + 6;
        bool pair = c->len - next >= 6 && c->text[next] == '\\' && c->text[next + 1] == 'u';
        int low = pair ? hex4(c, next + 2) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return refuse(c, c->at, "a high surrogate without its low one");
        c->at = next;
    }
    c->at += 6;
    return ENG_OK;
}

static eng_status check_escape(checker *c)
{
    int b = c->at + 1 < c->len ? c->text[c->at + 1] : 0;
    if (b == 'u')
        return check_unicode_escape(c);
    if (b == 0 || !strchr("\"\\/bfnrt", b))
        return refuse(c, c->at, "an unknown escape");
    c->at += 2;
    return ENG_OK;
}

/* Bytes of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates, up to U+10FFFF), or 0.
 */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t n = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
               : (p[0] & 0xf0) == 0xe0        ? 3
               : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                              : 0;
    if (n == 0 || left < n)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return n;
}

/* At the opening quote; moves past the closing one. */
static eng_status check_string(checker *c, bool *escaped)
{
    size_t begin = c->at++;
    *escaped = false;
    while (c->at < c->len) {
        unsigned char b = c->text[c->at];
        if (b == '"') {
            c->at++;
            return ENG_OK;
        }
        if (b < 0x20)
            return refuse(c, c->at, "a control character in a string");
        if (b == '\\') {
            *escaped = true;
            eng_status status = check_escape(c);
            if (status != ENG_OK)
                return status;
        } else if (b < 0x80) {
            c->at++;
        } else {
            size_t n = utf8_sequence(c->text + c->at, c->len - c->at);
            if (!n)
                return refuse(c, c->at, "invalid UTF-8");
            c->at += n;
        }
    }
    return refuse(c, begin, "a string without its end");
}

size_t eng__json_decode(const char *text, size_t *at, char out[4])
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *p = text + *at;
    if (p[0] != '\\') {
        *at += 1;
        out[0] = p[0];
        return 1;
    }
    if (p[1] != 'u') {
        *at += 2;
        out[0] = meanings[strchr(names, p[1]) - names];
        return 1;
    }
    uint32_t cp = 0;
    for (int i = 2; i < 6; i++)
        cp = cp << 4 | (uint32_t)hex_digit(p[i]);
    *at += 6;
    if (cp >= 0xd800 && cp <= 0xdbff) {
        uint32_t low = 0;
        for (int i = 8; i < 12; i++)
            low = low << 4 | (uint32_t)hex_digit(p[i]);
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
        *at += 6;
    }
    size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 63));
    out[0] = (char)(lead[n] | cp);
    return n;
}

/* ---- numbers ---- */

/* The 309 digits of (2 - 2^-54) * 2^1023, the smallest number that rounds to infinity. */
static const char overflow_digits[] =
    "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977"
    "587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845"
    "817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559"
    "699508093042880177904174497792";

/* begin..end: the mantissa's digits, perhaps with a point among them. Is 0.d1d2d3... * 10^309, d1
 * the first non-zero digit, at or past the overflow? */
static bool digits_overflow(const unsigned char *p, const unsigned char *end)
{
    const char *limit = overflow_digits;
    for (; *limit; p++) {
        if (p < end && *p == '.')
            continue;
        char digit = p < end ? (char)*p : '0';
        if (digit != *limit)
            return digit > *limit;
        limit++;
    }
    return true;
}

/* Does the number round to a finite double? Exact, and without strtod, which reads the locale. */
static bool is_finite(const unsigned char *begin, const unsigned char *end, int64_t exponent)
{
    const unsigned char *first = begin, *point = begin;
    while (first < end && (*first == '0' || *first == '.'))
        first++;
    if (first == end)
        return true;
    while (point < end && *point != '.')
        point++;
    /* value = 0.d1d2d3... * 10^magnitude */
    int64_t magnitude = exponent + (first < point ? point - first : point + 1 - first);
    if (magnitude != 309)
        return magnitude < 309;
    return !digits_overflow(first, end);
}

static size_t skip_digits(checker *c)
{
    size_t begin = c->at;
    while (peek(c) >= '0' && peek(c) <= '9')
        c->at++;
    return c->at - begin;
}

static eng_status check_exponent(checker *c, int64_t *exponent)
{
    static const int64_t enough = (int64_t)1 << 40; /* more than any text has digits */
    bool negative = false;
    *exponent = 0;
    if (peek(c) != 'e' && peek(c) != 'E')
        return ENG_OK;
    c->at++;
    if (peek(c) == '+' || peek(c) == '-') {
        negative = peek(c) == '-';
        c->at++;
    }
    size_t begin = c->at;
    if (!skip_digits(c))
        return refuse(c, c->at, "a number without digits in its exponent");
    for (size_t i = begin; i < c->at && *exponent < enough; i++)
        *exponent = *exponent * 10 + (c->text[i] - '0');
    if (negative)
        *exponent = -*exponent;
    return ENG_OK;
}

static eng_status check_number(checker *c)
{
    size_t begin = c->at;
    if (peek(c) == '-')
        c->at++;
    size_t mantissa = c->at;
    if (peek(c) == '0')
        c->at++;
    else if (!skip_digits(c))
        return refuse(c, c->at, "expected a value");
    if (peek(c) == '.') {
        c->at++;
        if (!skip_digits(c))
            return refuse(c, c->at, "a number without digits after its point");
    }
    size_t end = c->at;
    int64_t exponent;
    eng_status status = check_exponent(c, &exponent);
    if (status != ENG_OK)
        return status;
    if (!is_finite(c->text + mantissa, c->text + end, exponent))
        return refuse(c, begin, "a number beyond the range of a double");
    return ENG_OK;
}

/* ---- repeated keys ---- */

static eng_status keep_key(checker *c, size_t begin, size_t end, bool escaped)
{
    if (!c->rules->unique_keys)
        return ENG_OK;
    if (c->n_keys == c->cap_keys) {
        uint32_t cap = c->cap_keys ? c->cap_keys * 2 : 32;
        json_key *keys = realloc(c->keys, cap * sizeof *keys);
        if (!keys)
            return eng_fail(c->err, ENG_NOMEM, "no memory for %u JSON keys", cap);
        c->keys = keys;
        c->cap_keys = cap;
    }
    c->keys[c->n_keys++] =
        (json_key){.at = (uint32_t)begin, .len = (uint32_t)(end - begin), .escaped = escaped};
    return ENG_OK;
}

/* Bytes of the meaning of a key, one by one. */
typedef struct key_bytes {
    const char *text;
    size_t at, end, held, taken;
    char pending[4];
} key_bytes;

static int next_key_byte(key_bytes *k)
{
    if (k->taken == k->held) {
        if (k->at >= k->end)
            return -1;
        k->held = eng__json_decode(k->text, &k->at, k->pending);
        k->taken = 0;
    }
    return (unsigned char)k->pending[k->taken++];
}

/* By meaning, bytewise, the shorter first. */
static int order_keys(const char *text, const json_key *a, const json_key *b)
{
    if (!a->escaped && !b->escaped) {
        int order = memcmp(text + a->at, text + b->at, a->len < b->len ? a->len : b->len);
        return order ? order : (a->len > b->len) - (a->len < b->len);
    }
    key_bytes x = {.text = text, .at = a->at, .end = (size_t)a->at + a->len};
    key_bytes y = {.text = text, .at = b->at, .end = (size_t)b->at + b->len};
    for (;;) {
        int p = next_key_byte(&x), q = next_key_byte(&y);
        if (p != q || p < 0)
            return p - q;
    }
}

typedef struct key_order {
    const char *text;
    size_t n; /* comparisons so far */
} key_order;

static int compare_keys(const void *a, const void *b, void *order)
{
    key_order *o = order;
    eng__pace_item(o->n++);
    return order_keys(o->text, a, b);
}

/* At the end of the innermost object: forgets its keys after looking for two alike. */
static eng_status check_keys(checker *c)
{
    uint32_t first = c->first_key[c->depth - 1], n = c->n_keys - first;
    c->n_keys = first;
    if (n < 2)
        return ENG_OK;
    json_key *keys = c->keys + first;
    const char *text = (const char *)c->text;
    qsort_r(keys, n, sizeof *keys, compare_keys, &(key_order){.text = text});
    for (uint32_t i = 1; i < n; i++)
        if (order_keys(text, &keys[i - 1], &keys[i]) == 0) {
            uint32_t at = keys[i].at > keys[i - 1].at ? keys[i].at : keys[i - 1].at;
            return refuse(c, at - 1, "a key that this object has already");
        }
    return ENG_OK;
}

/* ---- structure ---- */

static bool in_object(const checker *c)
{
    return c->depth && (c->is_object[(c->depth - 1) / 8] >> ((c->depth - 1) % 8) & 1);
}

static eng_status open_container(checker *c, bool object)
{
    if (c->depth == c->rules->max_depth)
        return refuse(c, c->at, "nested too deeply");
    uint8_t bit = (uint8_t)(1u << (c->depth % 8));
    if (object)
        c->is_object[c->depth / 8] |= bit;
    else
        c->is_object[c->depth / 8] &= (uint8_t)~bit;
    c->first_key[c->depth++] = c->n_keys;
    c->at++;
    return ENG_OK;
}

static eng_status check_literal(checker *c, const char *word)
{
    size_t n = strlen(word);
    if (c->len - c->at < n || memcmp(c->text + c->at, word, n) != 0)
        return refuse(c, c->at, "expected a value");
    c->at += n;
    return ENG_OK;
}

/* A key and its colon. */
static eng_status check_key(checker *c)
{
    bool escaped;
    size_t begin = c->at + 1;
    if (peek(c) != '"')
        return refuse(c, c->at, "expected a key");
    eng_status status = check_string(c, &escaped);
    if (status == ENG_OK)
        status = keep_key(c, begin, c->at - 1, escaped);
    if (status != ENG_OK)
        return status;
    skip_space(c);
    if (peek(c) != ':')
        return refuse(c, c->at, "expected ':'");
    c->at++;
    return ENG_OK;
}

/* A value, or only the opening of a container, which *opened tells. */
static eng_status check_value(checker *c, bool *opened)
{
    bool escaped;
    int b = peek(c);
    *opened = b == '{' || b == '[';
    switch (b) {
    case '{':
    case '[':
        return open_container(c, b == '{');
    case '"':
        return check_string(c, &escaped);
    case 't':
        return check_literal(c, "true");
    case 'f':
        return check_literal(c, "false");
    case 'n':
        return check_literal(c, "null");
    default:
        return check_number(c);
    }
}

/* After a value: closes every container that ends here and steps over one comma. Afterwards either
 * depth is 0 or the next member or element begins. */
static eng_status check_after_value(checker *c)
{
    while (c->depth) {
        skip_space(c);
        bool object = in_object(c);
        int b = peek(c);
        if (b == ',') {
            c->at++;
            return ENG_OK;
        }
        if (b != (object ? '}' : ']'))
            return refuse(c, c->at, object ? "expected ',' or '}'" : "expected ',' or ']'");
        eng_status status = object ? check_keys(c) : ENG_OK;
        if (status != ENG_OK)
            return status;
        c->at++;
        c->depth--;
    }
    return ENG_OK;
}

static eng_status check_text(checker *c)
{
    bool opened = false;
    skip_space(c);
    if (c->rules->top_object && peek(c) != '{')
        return refuse(c, c->at, "expected an object");
    size_t n = 0;
    do {
        eng_status status = ENG_OK;
        eng__pace_item(n++);
        skip_space(c);
        bool empty = opened && peek(c) == (in_object(c) ? '}' : ']');
        if (!empty && in_object(c)) {
            status = check_key(c);
            skip_space(c);
        }
        opened = false;
        if (status == ENG_OK && !empty)
            status = check_value(c, &opened);
        if (status == ENG_OK && !opened)
            status = check_after_value(c);
        if (status != ENG_OK)
            return status;
    } while (c->depth);
    skip_space(c);
    if (c->at != c->len)
        return refuse(c, c->at, "something follows the value");
    return ENG_OK;
}

eng_status eng_json_check(const char *text, size_t len, const eng_json_rules *rules, size_t *offset,
                          eng_error *err)
{
    assert(rules->max_depth <= ENG_JSON_MAX_DEPTH);
    checker c;
    c.text = (const unsigned char *)text;
    c.len = len;
    c.at = 0;
    c.rules = rules;
    c.err = err;
    c.depth = 0;
    c.keys = NULL;
    c.n_keys = c.cap_keys = 0;
    eng_status status =
        len > UINT32_MAX / 2 ? refuse(&c, 0, "a text of more than 2 GiB") : check_text(&c);
    free(c.keys);
    if (status != ENG_OK && offset)
        *offset = c.at;
    return status;
}
