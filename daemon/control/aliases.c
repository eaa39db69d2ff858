/* /v1/aliases: what names point at, and moving them. */
#include "api/list.h"
#include "api/policies.h"
#include "control/page.h"
#include "control/policies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ALIASES = 64 };

static bool find(const control *c, const char *name, alias_state *out, api_error *err)
{
    if (!c->publisher)
        return control_not_ready(err);
    return publisher_alias(c->publisher, name, out) ||
           api_fail(err, 404, "not_found_error", "not_found", NULL, "there is no alias %.64s",
                    name);
}

static void write_alias(const alias_state *a, control_reply *reply)
{
    snprintf(reply->etag, sizeof reply->etag, "%" PRIu64, a->version);
    api_alias_write(&reply->body, a);
}

bool control_alias_get(const control *c, const control_request *request, control_reply *reply,
                       api_error *err)
{
    alias_state a;
    if (!find(c, request->names[0], &a, err))
        return false;
    write_alias(&a, reply);
    return true;
}

bool control_aliases_list(const control *c, const control_request *request, control_reply *reply,
                          api_error *err)
{
    control_page page;
    alias_state list[MAX_ALIASES];
    size_t at = 0, written = 0;
    if (!c->publisher)
        return control_not_ready(err);
    if (!control_page_read(&page, request, err))
        return false;
    const size_t n = publisher_aliases(c->publisher, list, MAX_ALIASES);
    while (page.after[0] && at < n && strcmp(list[at].name, page.after) != 0)
        at++;
    if (page.after[0] && at++ == n)
        return api_fail(err, 404, "not_found_error", "not_found", "after", "after: no alias %s",
                        page.after);
    list_begin(&reply->body);
    for (; at < n && written < page.page.limit; at++) {
        list_next(&reply->body, written++);
        api_alias_write(&reply->body, &list[at]);
    }
    list_end(&reply->body, at < n);
    return true;
}

bool control_alias_history(const control *c, const control_request *request, control_reply *reply,
                           api_error *err)
{
    control_page page;
    alias_state a;
    store_move *rows;
    size_t n;
    bool more;
    error_text why;
    if (!find(c, request->names[0], &a, err) || !control_page_read(&page, request, err))
        return false;
    const store_status status =
        store_move_list(c->store, a.name, page.page, &rows, &n, &more, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "after", &why);
    CONTROL_PUT_ROWS(&reply->body, rows, n, more, api_move_write, store_move_free);
    return !reply->body.failed || api_no_memory(err);
}

/* ---- moving ---- */

static bool move(const control *c, const control_request *request, publish_move *m,
                 const char *param, control_reply *reply, api_error *err)
{
    alias_state a;
    error_text why;
    m->alias = request->names[0];
    m->actor = request->actor;
    m->at_once = !request->may_take_long;
    const publish_result result = publisher_move(c->publisher, m, &a, &why);
    reply->takes_long = result == PUBLISH_LATER;
    if (reply->takes_long)
        return false;
    if (result != PUBLISH_OK)
        return api_publish_fail(err, result, param, &why);
    write_alias(&a, reply);
    return true;
}

bool control_alias_put(const control *c, const control_request *request, control_reply *reply,
                       api_error *err)
{
    api_move body;
    int64_t version;
    if (!c->publisher)
        return control_not_ready(err);
    if (!api_expected_version(request->if_match, request->if_none_match, &version, err) ||
        !api_alias_put_read(&body, request->body, request->body_len, err))
        return false;
    publish_move m = {.policy = body.policy,
                      .expected_version = version,
                      .recompute = body.recompute,
                      .keep_in_flight = !body.has_in_flight,
                      .reason = body.reason};
    const bool ok = move(c, request, &m, "policy", reply, err);
    api_move_free(&body);
    return ok;
}

/* Without a condition: going back is for when something is wrong, whoever moved it there. */
bool control_alias_rollback(const control *c, const control_request *request, control_reply *reply,
                            api_error *err)
{
    api_move body;
    alias_state a;
    if (!find(c, request->names[0], &a, err) ||
        !api_rollback_read(&body, request->body, request->body_len, err))
        return false;
    bool ok = body.policy || a.previous[0] ||
              api_fail(err, 409, "conflict_error", "state_conflict", NULL,
                       "alias %s has no previous policy", a.name);
    publish_move m = {.policy = body.policy,
                      .expected_version = PUBLISH_ANY_VERSION,
                      .keep_in_flight = true,
                      .reason = body.reason ? body.reason : "rollback"};
    ok = ok && move(c, request, &m, "to", reply, err);
    api_move_free(&body);
    return ok;
}
