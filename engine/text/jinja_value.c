#include "text/jinja_value.h"

#include <inttypes.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- scratch -------------------------------------------------------------------------------- */

enum { CHUNK_BYTES = 16 * 1024 };

struct eng__scratch_chunk {
    eng__scratch_chunk *below;
    size_t used, cap;
    alignas(16) unsigned char data[];
};

void *eng__scratch_alloc(eng__scratch *scratch, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > scratch->limit)
        return NULL;
    bytes = (bytes + 15) / 16 * 16;
    eng__scratch_chunk *c = scratch->top;
    if (!c || c->cap - c->used < bytes) {
        size_t cap = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        if (cap > scratch->limit - scratch->total || !(c = malloc(sizeof *c + cap)))
            return NULL;
        *c = (eng__scratch_chunk){.below = scratch->top, .cap = cap};
        scratch->top = c;
        scratch->total += cap;
    }
    void *p = c->data + c->used;
    c->used += bytes;
    return p;
}

eng__scratch_mark eng__scratch_here(const eng__scratch *scratch)
{
    return (eng__scratch_mark){scratch->top, scratch->top ? scratch->top->used : 0};
}

void eng__scratch_cut(eng__scratch *scratch, eng__scratch_mark mark)
{
    while (scratch->top != mark.top) {
        eng__scratch_chunk *below = scratch->top->below;
        scratch->total -= scratch->top->cap;
        free(scratch->top);
        scratch->top = below;
    }
    if (mark.top)
        mark.top->used = mark.used;
}

void eng__scratch_free(eng__scratch *scratch)
{
    eng__scratch_cut(scratch, (eng__scratch_mark){NULL, 0});
}

/* ---- questions ------------------------------------------------------------------------------ */

const char *eng__value_kind_name(const eng__value *v)
{
    static const char *const names[] = {"an undefined value", "none",   "a boolean", "an integer",
                                        "a string",           "a list", "a message", "loop"};
    return names[v->kind];
}

bool eng__value_true(const eng__value *v)
{
    switch (v->kind) {
    case ENG__VALUE_UNDEFINED:
    case ENG__VALUE_NONE:
        return false;
    case ENG__VALUE_BOOL:
    case ENG__VALUE_INT:
        return v->number != 0;
    case ENG__VALUE_STRING:
        return v->string.len > 0;
    case ENG__VALUE_LIST:
        return v->list.n > 0;
    default:
        return true;
    }
}

int eng__string_compare(const eng__value *a, const eng__value *b)
{
    size_t i = 0, j = 0, at_a = 0, at_b = 0; /* span and byte within it, of each */
    for (;;) {
        while (i < a->string.n && at_a == a->string.spans[i].len)
            i++, at_a = 0;
        while (j < b->string.n && at_b == b->string.spans[j].len)
            j++, at_b = 0;
        if (i == a->string.n || j == b->string.n)
            return (i < a->string.n) - (j < b->string.n);
        size_t left_a = a->string.spans[i].len - at_a, left_b = b->string.spans[j].len - at_b;
        size_t n = left_a < left_b ? left_a : left_b;
        int order = memcmp(a->string.spans[i].p + at_a, b->string.spans[j].p + at_b, n);
        if (order)
            return order;
        at_a += n;
        at_b += n;
    }
}

static bool messages_equal(const eng_chat_message *a, const eng_chat_message *b)
{
    return strcmp(a->role, b->role) == 0 && a->content_len == b->content_len &&
           (a->content_len == 0 || memcmp(a->content, b->content, a->content_len) == 0);
}

bool eng__value_equal(const eng__value *a, const eng__value *b)
{
    if (eng__value_is_number(a) && eng__value_is_number(b)) /* true == 1 */
        return a->number == b->number;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ENG__VALUE_STRING:
        return a->string.len == b->string.len && eng__string_compare(a, b) == 0;
    case ENG__VALUE_MESSAGE:
        return messages_equal(a->message, b->message);
    case ENG__VALUE_LIST:
        if (a->list.n != b->list.n)
            return false;
        for (size_t i = 0; i < a->list.n; i++)
            if (!eng__value_equal(&a->list.items[i], &b->list.items[i]))
                return false;
        return true;
    default:
        return true;
    }
}

size_t eng__string_length(const eng__value *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->string.n; i++)
        for (size_t k = 0; k < s->string.spans[i].len; k++)
            n += ((unsigned char)s->string.spans[i].p[k] & 0xC0) != 0x80;
    return n;
}

const char *eng__string_flat(eng__scratch *scratch, const eng__value *s)
{
    char *flat = eng__scratch_alloc(scratch, s->string.len + 1, 1), *p = flat;
    if (!flat)
        return NULL;
    for (size_t i = 0; i < s->string.n; i++) {
        if (s->string.spans[i].len)
            memcpy(p, s->string.spans[i].p, s->string.spans[i].len);
        p += s->string.spans[i].len;
    }
    *p = 0;
    return flat;
}

/* ---- making strings ------------------------------------------------------------------------- */

/* A string of n spans to be filled in. */
static eng__span *new_string(eng__scratch *scratch, eng__value *out, size_t n)
{
    eng__span *spans = eng__scratch_alloc(scratch, n, sizeof *spans);
    *out = (eng__value){.kind = ENG__VALUE_STRING, .string = {spans, n, 0}};
    return spans;
}

bool eng__string_join(eng__scratch *scratch, eng__value *out, const eng__value *a,
                      const eng__value *b)
{
    eng__value joined;
    eng__span *spans = new_string(scratch, &joined, a->string.n + b->string.n);
    if (!spans)
        return false;
    memcpy(spans, a->string.spans, a->string.n * sizeof *spans);
    memcpy(spans + a->string.n, b->string.spans, b->string.n * sizeof *spans);
    joined.string.len = a->string.len + b->string.len;
    *out = joined;
    return true;
}

bool eng__string_make(eng__scratch *scratch, eng__value *out, const char *text, size_t len,
                      bool trusted)
{
    eng__span *span = new_string(scratch, out, 1);
    char *copy = eng__scratch_alloc(scratch, len + 1, 1);
    if (!span || !copy)
        return false;
    memcpy(copy, text, len);
    *span = (eng__span){copy, len, trusted};
    out->string.len = len;
    return true;
}

/* Same number of spans, those at the ends shorter: a span of white space alone becomes empty. */
bool eng__string_strip(eng__scratch *scratch, eng__value *out, const eng__value *s, bool left,
                       bool right)
{
    eng__value result;
    size_t n = s->string.n;
    eng__span *spans = new_string(scratch, &result, n);
    if (!spans)
        return false;
    memcpy(spans, s->string.spans, n * sizeof *spans);
    for (size_t i = 0; left && i < n; i++) {
        const char *end = spans[i].p + spans[i].len, *p = eng__jinja_skip_space(spans[i].p, end);
        spans[i] = (eng__span){p, (size_t)(end - p), spans[i].trusted};
        if (spans[i].len)
            break;
    }
    for (size_t i = n; right && i-- > 0;) {
        const char *p = spans[i].p;
        spans[i].len = (size_t)(eng__jinja_trim_end(p, p + spans[i].len) - p);
        if (spans[i].len)
            break;
    }
    for (size_t i = 0; i < n; i++)
        result.string.len += spans[i].len;
    *out = result;
    return true;
}

bool eng__string_case(eng__scratch *scratch, eng__value *out, const eng__value *s, bool upper)
{
    eng__value result;
    eng__span *spans = new_string(scratch, &result, s->string.n);
    char *text = eng__scratch_alloc(scratch, s->string.len + 1, 1);
    if (!spans || !text)
        return false;
    for (size_t i = 0; i < s->string.n; i++) {
        eng__span from = s->string.spans[i];
        spans[i] = (eng__span){text, from.len, from.trusted};
        for (size_t k = 0; k < from.len; k++) {
            char c = from.p[k], first = upper ? 'a' : 'A';
            *text++ = c >= first && c < first + 26 ? (char)(c ^ 0x20) : c;
        }
    }
    result.string.len = s->string.len;
    *out = result;
    return true;
}

bool eng__value_text(eng__scratch *scratch, eng__value *out, const eng__value *v)
{
    char digits[24];
    switch (v->kind) {
    case ENG__VALUE_STRING:
        *out = *v;
        return true;
    case ENG__VALUE_INT:
        return eng__string_make(scratch, out, digits,
                                (size_t)snprintf(digits, sizeof digits, "%" PRId64, v->number),
                                true);
    case ENG__VALUE_BOOL:
        return eng__string_make(scratch, out, v->number ? "True" : "False", v->number ? 4 : 5,
                                true);
    case ENG__VALUE_NONE:
        return eng__string_make(scratch, out, "None", 4, true);
    default:
        return eng__string_make(scratch, out, "", 0, true);
    }
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* The length of c's escape, which is written to out. */
static size_t escape(char c, char out[8])
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    const char *simple = memchr(from, c, sizeof from - 1);
    if (simple) {
        out[0] = '\\';
        out[1] = to[simple - from];
        return 2;
    }
    if ((unsigned char)c < 0x20)
        return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)(unsigned char)c);
    out[0] = c;
    return 1;
}

/* "..." where every escaped span keeps its trust; the quotes are the template's. */
static bool json_string(eng__scratch *scratch, eng__value *out, const eng__value *s)
{
    static const char quote[] = "\"";
    size_t n = s->string.n, len = 0;
    char one[8];
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < s->string.spans[i].len; k++)
            len += escape(s->string.spans[i].p[k], one);
    eng__value result;
    eng__span *spans = new_string(scratch, &result, n + 2);
    char *text = eng__scratch_alloc(scratch, len + 8, 1);
    if (!spans || !text)
        return false;
    for (size_t i = 0; i < n; i++) {
        const eng__span *from = &s->string.spans[i];
        char *start = text;
        for (size_t k = 0; k < from->len; k++)
            text += escape(from->p[k], text);
        spans[i + 1] = (eng__span){start, (size_t)(text - start), from->trusted};
    }
    spans[0] = spans[n + 1] = (eng__span){quote, 1, true};
    result.string.len = len + 2;
    *out = result;
    return true;
}

static bool append(eng__scratch *scratch, eng__value *out, const char *text)
{
    eng__span span = {text, strlen(text), true};
    eng__value v = eng__value_span(&span);
    return eng__string_join(scratch, out, out, &v);
}

static bool append_json(eng__scratch *scratch, eng__value *out, const eng__value *v)
{
    eng__value json;
    return eng__value_json(scratch, &json, v) && eng__string_join(scratch, out, out, &json);
}

static bool json_message(eng__scratch *scratch, eng__value *out, const eng_chat_message *message)
{
    eng__value role, content;
    return eng__message_get(scratch, &role, message, "role", 4) &&
           eng__message_get(scratch, &content, message, "content", 7) &&
           eng__string_make(scratch, out, "{\"role\": ", 9, true) &&
           append_json(scratch, out, &role) && append(scratch, out, ", \"content\": ") &&
           append_json(scratch, out, &content) && append(scratch, out, "}");
}

/* Lists of messages are the longest that come here: one that a request holds. Each join copies the
 * spans so far, so elements are joined in pairs, and pairs of pairs. */
static bool json_items(eng__scratch *scratch, eng__value *out, const eng__value *items, size_t n)
{
    eng__value left, right;
    if (n == 0)
        return eng__string_make(scratch, out, "", 0, true);
    if (n == 1)
        return eng__value_json(scratch, out, items);
    return json_items(scratch, &left, items, n / 2) && append(scratch, &left, ", ") &&
           json_items(scratch, &right, items + n / 2, n - n / 2) &&
           eng__string_join(scratch, out, &left, &right);
}

bool eng__value_json(eng__scratch *scratch, eng__value *out, const eng__value *v)
{
    eng__value items;
    switch (v->kind) {
    case ENG__VALUE_STRING:
        return json_string(scratch, out, v);
    case ENG__VALUE_INT:
        return eng__value_text(scratch, out, v);
    case ENG__VALUE_BOOL:
        return eng__string_make(scratch, out, v->number ? "true" : "false", v->number ? 4 : 5,
                                true);
    case ENG__VALUE_MESSAGE:
        return json_message(scratch, out, v->message);
    case ENG__VALUE_LIST:
        return eng__string_make(scratch, out, "[", 1, true) &&
               json_items(scratch, &items, v->list.items, v->list.n) &&
               eng__string_join(scratch, out, out, &items) && append(scratch, out, "]");
    default:
        return eng__string_make(scratch, out, "null", 4, true);
    }
}

bool eng__message_get(eng__scratch *scratch, eng__value *out, const eng_chat_message *message,
                      const char *name, size_t len)
{
    bool role = len == 4 && memcmp(name, "role", 4) == 0;
    *out = (eng__value){.kind = ENG__VALUE_UNDEFINED};
    if (!role && !(len == 7 && memcmp(name, "content", 7) == 0))
        return true;
    eng__span *span = new_string(scratch, out, 1);
    if (!span)
        return false;
    *span = role ? (eng__span){message->role, strlen(message->role), false}
                 : (eng__span){message->content_len ? message->content : "", message->content_len,
                               false};
    out->string.len = span->len;
    return true;
}
