#include "control/page.h"

#include "api/list.h"
#include "base/log.h"
#include "base/query.h"

bool control_page_read(control_page *out, const control_request *request, api_error *err)
{
    *out = (control_page){0};
    query_value(request->query, "after", out->after, sizeof out->after);
    out->page.after = out->after;
    char limit[16];
    bool given = query_value(request->query, "limit", limit, sizeof limit);
    return list_limit_read(given ? limit : NULL, &out->page.limit, err);
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
