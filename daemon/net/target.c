#include "net/target.h"

#include <string.h>

target target_split(const char *raw)
{
    target t = {.path = raw, .query = ""};
    if (strncmp(raw, "http://", 7) == 0) {
        t.authority = raw + 7;
        t.authority_len = strcspn(t.authority, "/?#");
        t.path = t.authority + t.authority_len;
    }
    t.path_len = strcspn(t.path, "?#");
    if (t.path[t.path_len] == '?')
        t.query = t.path + t.path_len + 1;
    if (t.path_len == 0) {
        t.path = "/";
        t.path_len = 1;
    }
    return t;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool target_decode(const char *at, size_t len, char *out, size_t cap)
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

bool target_query(const char *query, const char *name, char *out, size_t cap)
{
    size_t name_len = strlen(name);
    while (*query && *query != '#') {
        size_t len = strcspn(query, "&#");
        if (len > name_len && strncmp(query, name, name_len) == 0 && query[name_len] == '=')
            return target_decode(query + name_len + 1, len - name_len - 1, out, cap);
        query += len;
        if (*query == '&')
            query++;
    }
    return false;
}

size_t target_host_len(const char *host, size_t len)
{
    const char *close = len && host[0] == '[' ? memchr(host, ']', len) : NULL;
    size_t n = 0;
    if (close)
        n = (size_t)(close - host) + 1;
    else
        while (n < len && host[n] != ':' && host[n] != '[' && host[n] != ']')
            n++;
    if (n == len)
        return n;
    if (host[n] != ':' || n + 1 == len)
        return 0;
    for (size_t i = n + 1; i < len; i++)
        if (host[i] < '0' || host[i] > '9')
            return 0;
    return n;
}
