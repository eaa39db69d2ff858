#include "api/list.h"

#include "api/json_out.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LIMIT = 20, MAX_LIMIT = 100 };

bool list_limit_read(const char *text, uint32_t *out, api_error *err)
{
    *out = DEFAULT_LIMIT;
    if (!text)
        return true;
    size_t digits = strspn(text, "0123456789");
    *out = digits && digits < 4 && !text[digits] ? (uint32_t)strtoul(text, NULL, 10) : 0;
    if (*out >= 1 && *out <= MAX_LIMIT)
        return true;
    return api_invalid(err, "invalid_value", "limit", "limit: expected an integer from 1 to %d",
                       MAX_LIMIT);
}

void list_begin(buf *out)
{
    JSON_LIT(out, "{\"object\":\"list\",\"data\":[");
}

void list_next(buf *out, size_t index)
{
    if (index)
        buf_putc(out, ',');
}

void list_end(buf *out, bool has_more)
{
    JSON_LIT(out, "],\"has_more\":");
    json_bool(out, has_more);
    buf_putc(out, '}');
}
