#include "base/json.h"

#include "base/pace.h"

#include <stdlib.h>
#include <string.h>

enum { DOM_DEPTH = 64 };

/* Children wait on `pending` until their container ends and is given its array. */
typedef struct builder {
    const char *text;
    size_t at;
    eng_arena *arena;
    eng_json *pending;
    size_t n_pending, cap_pending;
    size_t open[DOM_DEPTH]; /* pending index of each open container */
    uint32_t depth;
} builder;

static void skip_space(builder *b)
{
    b->at += strspn(b->text + b->at, " \t\r\n");
}

static eng_json *push(builder *b)
{
    if (b->n_pending == b->cap_pending) {
        size_t cap = b->cap_pending ? b->cap_pending * 2 : 64;
        eng_json *p = NULL;
        if (cap / 2 * sizeof *p <= b->arena->limit_bytes) /* they are to end in the arena */
            p = realloc(b->pending, cap * sizeof *p);
        if (!p)
            return NULL;
        b->pending = p;
        b->cap_pending = cap;
    }
    eng_json *node = &b->pending[b->n_pending++];
    *node = (eng_json){.type = ENG_JSON_NULL};
    return node;
}

/* At the opening quote. The decoded string is never longer than its text. */
static const char *take_string(builder *b, uint32_t *len)
{
    size_t begin = ++b->at, end = begin;
    while (b->text[end] != '"')
        end += b->text[end] == '\\' ? 2 : 1;
    char *s = eng_arena_alloc(b->arena, end - begin + 1);
    if (!s)
        return NULL;
    size_t n = 0;
    if (!memchr(b->text + begin, '\\', end - begin)) {
        n = end - begin;
        memcpy(s, b->text + begin, n);
    } else {
        while (b->at < end)
            n += eng__json_decode(b->text, &b->at, s + n);
    }
    b->at = end + 1;
    *len = (uint32_t)n;
    return s;
}

/* A node's scalar content; containers only get their type. */
static bool take_value(builder *b, eng_json *node)
{
    char *end;
    switch (b->text[b->at]) {
    case '{':
        node->type = ENG_JSON_OBJECT;
        b->at++;
        return true;
    case '[':
        node->type = ENG_JSON_ARRAY;
        b->at++;
        return true;
    case '"':
        node->type = ENG_JSON_STRING;
        node->string = take_string(b, &node->n);
        return node->string != NULL;
    case 'n':
        b->at += 4;
        return true;
    case 't':
    case 'f':
        node->type = ENG_JSON_BOOL;
        node->boolean = b->text[b->at] == 't';
        b->at += node->boolean ? 4 : 5;
        return true;
    default:
        node->type = ENG_JSON_NUMBER;
        node->number = strtod(b->text + b->at, &end);
        b->at = (size_t)(end - b->text);
        return true;
    }
}

static bool close_container(builder *b)
{
    size_t parent = b->open[--b->depth], n = b->n_pending - parent - 1;
    eng_json *items = eng_arena_array(b->arena, n, sizeof *items);
    if (!items)
        return false;
    if (n)
        memcpy(items, b->pending + parent + 1, n * sizeof *items);
    b->pending[parent].items = items;
    b->pending[parent].n = (uint32_t)n;
    b->n_pending = parent + 1;
    return true;
}

/* Closes what ends here and skips one comma; false = no memory. */
static bool take_closings(builder *b)
{
    while (b->depth) {
        skip_space(b);
        char c = b->text[b->at];
        if (c != '}' && c != ']' && c != ',')
            return true;
        b->at++;
        if (c == ',')
            return true;
        if (!close_container(b))
            return false;
    }
    return true;
}

static bool take_member(builder *b)
{
    const char *key = NULL;
    uint32_t key_len = 0;
    skip_space(b);
    if (b->depth && b->pending[b->open[b->depth - 1]].type == ENG_JSON_OBJECT) {
        key = take_string(b, &key_len);
        if (!key)
            return false;
        skip_space(b);
        b->at++;
        skip_space(b);
    }
    eng_json *node = push(b);
    if (!node || !take_value(b, node))
        return false;
    node->key = key;
    node->key_len = key_len;
    if (node->type >= ENG_JSON_ARRAY)
        b->open[b->depth++] = b->n_pending - 1;
    return take_closings(b);
}

eng_status eng_json_parse(const eng_json **out, const char *text, size_t len, eng_arena *arena,
                          eng_error *err)
{
    static const eng_json_rules rules = {
        .max_depth = DOM_DEPTH, .unique_keys = true, .no_nul_escape = true};
    eng_status status = eng_json_check(text, len, &rules, NULL, err);
    if (status != ENG_OK)
        return status;
    builder b = {.text = text, .arena = arena};
    eng_json *root = NULL;
    bool ok;
    size_t n = 0;
    do {
        eng__pace_item(n++);
        ok = take_member(&b);
    } while (ok && b.depth);
    if (ok)
        root = eng_arena_alloc(arena, sizeof *root);
    if (root)
        *root = b.pending[0];
    free(b.pending);
    if (!root)
        return eng_fail(err, ENG_NOMEM, "no memory to read %zu bytes of JSON", len);
    *out = root;
    return ENG_OK;
}

const eng_json *eng_json_get(const eng_json *object, const char *key)
{
    if (!eng_json_is(object, ENG_JSON_OBJECT))
        return NULL;
    for (uint32_t i = 0; i < object->n; i++)
        if (strcmp(object->items[i].key, key) == 0)
            return &object->items[i];
    return NULL;
}

bool eng_json_is(const eng_json *node, eng_json_type type)
{
    return node && node->type == type;
}

const char *eng_json_string(const eng_json *node)
{
    return eng_json_is(node, ENG_JSON_STRING) ? node->string : NULL;
}

bool eng_json_uint(const eng_json *node, uint64_t min, uint64_t max, uint64_t *out)
{
    if (!eng_json_is(node, ENG_JSON_NUMBER))
        return false;
    double v = node->number;
    if (!(v >= 0.0 && v <= 0x1p53))
        return false;
    uint64_t whole = (uint64_t)v;
    if ((double)whole != v || whole < min || whole > max)
        return false;
    *out = whole;
    return true;
}
