#include "serve/stop.h"

#include <string.h>

bool stop_find(const gen_stop *stops, uint32_t n, const char *text, size_t len, size_t *at,
               size_t *stop_len)
{
    bool found = false;
    for (uint32_t i = 0; i < n; i++) {
        const char *p = memmem(text, len, stops[i].text, stops[i].len);
        if (!p)
            continue;
        size_t where = (size_t)(p - text);
        if (!found || where < *at || (where == *at && stops[i].len > *stop_len)) {
            *at = where;
            *stop_len = stops[i].len;
        }
        found = true;
    }
    return found;
}

size_t stop_hold(const gen_stop *stops, uint32_t n, const char *text, size_t len)
{
    size_t hold = 0;
    for (uint32_t i = 0; i < n; i++) {
        size_t most = stops[i].len - 1 < len ? stops[i].len - 1 : len;
        for (size_t k = most; k > hold; k--)
            if (memcmp(text + len - k, stops[i].text, k) == 0)
                hold = k;
    }
    return hold;
}
