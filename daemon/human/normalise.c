#include "human/normalise.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static bool is_blank(utf8proc_int32_t c)
{
    if (c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85)
        return true;
    const utf8proc_category_t kind = utf8proc_category(c);
    return kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL ||
           kind == UTF8PROC_CATEGORY_ZP;
}

/* In place. */
static size_t collapse(char *text, size_t len)
{
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    size_t out = 0;
    bool blank = false;
    for (size_t at = 0; at < len;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(bytes + at, (utf8proc_ssize_t)(len - at), &c);
        if (n < 1) { /* a byte that is no UTF-8 */
            n = 1;
            c = -1;
        }
        if (c >= 0 && is_blank(c)) {
            blank = out > 0;
        } else {
            if (blank)
                text[out++] = ' ';
            blank = false;
            memmove(text + out, text + at, (size_t)n);
            out += (size_t)n;
        }
        at += (size_t)n;
    }
    return out;
}

const char *text_normalise(const char *text, eng_arena *arena)
{
    utf8proc_uint8_t *composed = NULL;
    const utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, 0, &composed,
                                            UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n == UTF8PROC_ERROR_NOMEM)
        return NULL;
    const char *from = n >= 0 ? (const char *)composed : text;
    const size_t len = n >= 0 ? (size_t)n : strlen(text);
    char *copy = eng_arena_strndup(arena, from, len);
    free(composed);
    if (copy)
        copy[collapse(copy, len)] = 0;
    return copy;
}
