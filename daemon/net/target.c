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
