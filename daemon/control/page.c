#include "control/page.h"

#include "api/json_out.h"
#include "base/log.h"
#include "base/query.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PAGE = 20, MAX_PAGE = 100 };

static bool read_limit(const char *query, uint32_t *limit, api_error *err)
{
    char text[16];
    *limit = DEFAULT_PAGE;
    if (!query_value(query, "limit", text, sizeof text))
        return true;
    const size_t digits = strspn(text, "0123456789");
    *limit = digits && digits < 6 && !text[digits] ? (uint32_t)strtoul(text, NULL, 10) : 0;
    if (*limit >= 1 && *limit <= MAX_PAGE)
        return true;
    return api_invalid(err, "invalid_value", "limit", "limit: expected an integer from 1 to %d",
                       MAX_PAGE);
}

bool control_page_read(control_page *out, const control_request *request, api_error *err)
{
    *out = (control_page){0};
    query_value(request->query, "after", out->after, sizeof out->after);
    out->page.after = out->after;
    return read_limit(request->query, &out->page.limit, err);
}

void control_page_end(buf *out, bool more)
{
    JSON_LIT(out, "],\"has_more\":");
    json_bool(out, more);
    buf_putc(out, '}');
}

bool control_store_fail(api_error *err, store_status status, const char *param,
                        const error_text *why)
{
    if (status == STORE_NOT_FOUND)
        return api_fail(err, 404, "not_found_error", "not_found", param, "%s", why->text);
    if (status == STORE_CONFLICT)
        return api_fail(err, 409, "conflict_error", "state_conflict", param, "%s", why->text);
    log_event(LOG_WARN, "store_unavailable", "%.400s", why->text);
    return api_fail(err, 503, "unavailable_error", NULL, NULL,
                    "the database cannot be written or read right now");
}

bool control_not_ready(api_error *err)
{
    return api_fail(err, 503, "unavailable_error", "not_ready", NULL,
                    "this part of the server is not open yet");
}
