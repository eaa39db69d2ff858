#include "formats/text_out.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void eng__text_init(eng__text *text, size_t max_bytes)
{
    *text = (eng__text){.max = max_bytes};
}

void eng__text_free(eng__text *text)
{
    free(text->data);
    text->data = NULL;
    text->len = text->cap = 0;
}

void eng__text_put(eng__text *text, const char *s, size_t n)
{
    if (text->failed || n > text->max - text->len) {
        text->failed = true;
        return;
    }
    if (text->len + n + 1 > text->cap) {
        size_t cap = (text->len + n + 1) * 2;
        char *data = realloc(text->data, cap);
        if (!data) {
            text->failed = true;
            return;
        }
        text->data = data;
        text->cap = cap;
    }
    memcpy(text->data + text->len, s, n);
    text->len += n;
    text->data[text->len] = 0;
}

void eng__text_printf(eng__text *text, const char *fmt, ...)
{
    char line[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof line)
        text->failed = true;
    else
        eng__text_put(text, line, (size_t)n);
}

static void put_json_char(eng__text *text, unsigned char c)
{
    char escape[8];
    static const char names[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    const char *name = c ? strchr(names, c) : NULL;
    if (name) {
        escape[0] = '\\';
        escape[1] = letters[name - names];
        eng__text_put(text, escape, 2);
    } else if (c < 0x20) {
        eng__text_printf(text, "\\u%04x", c);
    } else {
        escape[0] = (char)c;
        eng__text_put(text, escape, 1);
    }
}

void eng__text_json(eng__text *text, const char *s, size_t n)
{
    if (!s) {
        eng__text_put(text, "null", 4);
        return;
    }
    eng__text_put(text, "\"", 1);
    for (size_t i = 0; i < n; i++)
        put_json_char(text, (unsigned char)s[i]);
    eng__text_put(text, "\"", 1);
}

void eng__text_float(eng__text *text, float v)
{
    char digits[40];
    if (!isfinite(v)) {
        eng__text_put(text, "null", 4);
        return;
    }
    for (int precision = 1; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)v);
        if (strtof(digits, NULL) == v)
            break;
    }
    eng__text_put(text, digits, strlen(digits));
}

void eng__text_double(eng__text *text, double v)
{
    char digits[40];
    if (!isfinite(v)) {
        eng__text_put(text, "null", 4);
        return;
    }
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, v);
        if (strtod(digits, NULL) == v)
            break;
    }
    eng__text_put(text, digits, strlen(digits));
}
