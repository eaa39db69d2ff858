#include "base/query.h"

#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uri_decode(const char *at, size_t len, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)at[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_value(at[i + 1]) : -1;
            int low = i + 2 < len ? hex_value(at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0 || n + 1 >= cap)
            return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return true;
}

bool query_value(const char *query, const char *name, char *out, size_t cap)
{
    size_t name_len = strlen(name);
    while (*query && *query != '#') {
        size_t len = strcspn(query, "&#");
        if (len > name_len && strncmp(query, name, name_len) == 0 && query[name_len] == '=')
            return uri_decode(query + name_len + 1, len - name_len - 1, out, cap);
        query += len;
        if (*query == '&')
            query++;
    }
    return false;
}
