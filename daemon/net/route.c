#include "net/route.h"

#include "base/log.h"
#include "base/query.h"
#include "control/audit.h"
#include "control/datasets.h"
#include "control/files.h"
#include "control/job_events.h"
#include "control/jobs.h"
#include "control/labels.h"
#include "control/people.h"
#include "control/policies.h"
#include "net/assets.h"
#include "net/bus_stream.h"
#include "net/conn.h"
#include "net/generate.h"
#include "net/job_stream.h"
#include "net/manage.h"
#include "net/plain.h"
#include "net/response.h"
#include "net/target.h"
#include "net/upload.h"

#include <string.h>
#include <strings.h>

enum {
    GET = HTTP_METHOD_GET | HTTP_METHOD_HEAD,
    POST = HTTP_METHOD_POST,
    PUT = HTTP_METHOD_PUT,
    DELETE = HTTP_METHOD_DELETE
};

#define ROUTE(path, methods, scope, body, while_draining, handle, metric)                          \
    {                                                                                              \
        path, methods, scope, body, while_draining, handle, metric, NULL, false                    \
    }

/* A management route: `control` runs on a worker, which may wait for disk and database; of LONG for
 * minutes. */
#define MANAGE(path, methods, scope, body, control, metric)                                        \
    {                                                                                              \
        path, methods, scope, body, false, manage, metric, control, false                          \
    }
#define LONG(path, methods, scope, body, control, metric)                                          \
    {                                                                                              \
        path, methods, scope, body, false, manage, metric, control, true                           \
    }

/* clang-format off */
static const route routes[] = {
    ROUTE("/",                    GET,  ROUTE_PUBLIC, ROUTE_BODY_NONE, true,  assets_page,          "page"),
    ROUTE("/label",               GET,  ROUTE_PUBLIC, ROUTE_BODY_NONE, true,  assets_page,          "page"),
    ROUTE("/training",            GET,  ROUTE_PUBLIC, ROUTE_BODY_NONE, true,  assets_page,          "page"),
    ROUTE("/policies",            GET,  ROUTE_PUBLIC, ROUTE_BODY_NONE, true,  assets_page,          "page"),
    ROUTE("/assets/{name}",       GET,  ROUTE_PUBLIC, ROUTE_BODY_NONE, true,  assets_asset,         "asset"),

    ROUTE("/health",              GET,  ROUTE_PUBLIC, ROUTE_BODY_NONE, true,  plain_health,         "health"),
    ROUTE("/ready",               GET,  ROUTE_PUBLIC, ROUTE_BODY_NONE, true,  plain_ready,          "ready"),
    ROUTE("/metrics",             GET,  KEY_ANY,      ROUTE_BODY_NONE, true,  plain_metrics,        "metrics"),
    ROUTE("/v1/models",           GET,  KEY_INFER,    ROUTE_BODY_NONE, false, plain_models,         "models"),
    ROUTE("/v1/models/{name}",    GET,  KEY_INFER,    ROUTE_BODY_NONE, false, plain_model,          "model"),
    ROUTE("/v1/completions",      POST, KEY_INFER,    ROUTE_BODY_JSON, false, generate_completions, "completions"),
    ROUTE("/v1/chat/completions", POST, KEY_INFER,    ROUTE_BODY_JSON, false, generate_chat,        "chat_completions"),
    ROUTE("/v1/rewards",          POST, KEY_INFER,    ROUTE_BODY_JSON, false, generate_rewards,     "rewards"),
    ROUTE("/tokenize",            POST, KEY_INFER,    ROUTE_BODY_JSON, false, plain_tokenize,       "tokenize"),
    ROUTE("/detokenize",          POST, KEY_INFER,    ROUTE_BODY_JSON, false, plain_detokenize,     "detokenize"),
    ROUTE("/tokenizer_info",      GET,  KEY_INFER,    ROUTE_BODY_NONE, false, plain_tokenizer_info, "tokenizer_info"),

    ROUTE ("/v1/files",              POST,   KEY_TRAIN, ROUTE_BODY_FORM, false, upload_handle, "files"),
    MANAGE("/v1/files",              GET,    KEY_TRAIN, ROUTE_BODY_NONE, control_files_list,   "files"),
    MANAGE("/v1/files/{id}",         GET,    KEY_TRAIN, ROUTE_BODY_NONE, control_file_get,     "file"),
    MANAGE("/v1/files/{id}",         DELETE, KEY_TRAIN, ROUTE_BODY_NONE, control_file_delete,  "file"),
    MANAGE("/v1/files/{id}/content", GET,    KEY_TRAIN, ROUTE_BODY_NONE, control_file_content, "file_content"),
    ROUTE ("/v1/events", HTTP_METHOD_GET, KEY_INFER, ROUTE_BODY_NONE, false, bus_stream_handle, "events"),

    MANAGE("/v1/fine_tuning/methods", GET, KEY_TRAIN, ROUTE_BODY_NONE, control_methods_list, "methods"),
    MANAGE("/v1/fine_tuning/jobs",      POST, KEY_TRAIN, ROUTE_BODY_JSON, control_job_create, "job_create"),
    MANAGE("/v1/fine_tuning/jobs",      GET,  KEY_TRAIN, ROUTE_BODY_NONE, control_jobs_list,  "jobs"),
    MANAGE("/v1/fine_tuning/jobs/{id}", GET,  KEY_TRAIN, ROUTE_BODY_NONE, control_job_get,    "job"),
    MANAGE("/v1/fine_tuning/jobs/{id}/cancel", POST, KEY_TRAIN, ROUTE_BODY_NONE, control_job_cancel, "job_cancel"),
    MANAGE("/v1/fine_tuning/jobs/{id}/pause",  POST, KEY_TRAIN, ROUTE_BODY_NONE, control_job_pause,  "job_pause"),
    MANAGE("/v1/fine_tuning/jobs/{id}/resume", POST, KEY_TRAIN, ROUTE_BODY_NONE, control_job_resume, "job_resume"),
    MANAGE("/v1/fine_tuning/jobs/{id}/checkpoints", GET, KEY_TRAIN, ROUTE_BODY_NONE, control_job_checkpoints, "job_checkpoints"),
    MANAGE("/v1/fine_tuning/jobs/{id}/metrics",     GET, KEY_TRAIN, ROUTE_BODY_NONE, control_job_metrics,     "job_metrics"),
    {"/v1/fine_tuning/jobs/{id}/events", HTTP_METHOD_GET, KEY_TRAIN, ROUTE_BODY_NONE, false,
     job_stream_handle, "job_events", control_job_events_list, false},

    MANAGE("/v1/me",         GET,    KEY_ANY,        ROUTE_BODY_NONE, control_me_get,      "me"),
    MANAGE("/v1/me/consent", PUT,    KEY_ANY,        ROUTE_BODY_JSON, control_consent_put, "consent"),
    MANAGE("/v1/me/data",    DELETE, KEY_ANY,        ROUTE_BODY_NONE, control_data_delete, "me_data"),
    MANAGE("/v1/votes",      POST,   KEY_PLAYGROUND, ROUTE_BODY_JSON, control_vote_create, "votes"),

    MANAGE("/v1/labels",                GET,  KEY_LABEL, ROUTE_BODY_NONE, control_own_labels,           "labels"),
    LONG  ("/v1/labels/tasks",          POST, KEY_TRAIN, ROUTE_BODY_JSON, control_tasks_create,         "label_tasks"),
    MANAGE("/v1/labels/tasks",          GET,  KEY_TRAIN, ROUTE_BODY_NONE, control_tasks_count,          "label_tasks"),
    MANAGE("/v1/labels/tasks/next", HTTP_METHOD_GET, KEY_LABEL, ROUTE_BODY_NONE, control_task_next,     "label_next"),
    MANAGE("/v1/labels/rankings",       POST, KEY_LABEL, ROUTE_BODY_JSON, control_ranking_create,       "label_rankings"),
    MANAGE("/v1/labels/demonstrations", POST, KEY_LABEL, ROUTE_BODY_JSON, control_demonstration_create, "label_demonstrations"),
    MANAGE("/v1/labels/skips",          POST, KEY_LABEL, ROUTE_BODY_JSON, control_skip_create,          "label_skips"),
    LONG  ("/v1/labels/agreement",      GET,  KEY_TRAIN, ROUTE_BODY_NONE, control_agreement_get,        "label_agreement"),
    LONG  ("/v1/labels/toxicity",       GET,  KEY_TRAIN, ROUTE_BODY_NONE, control_toxicity_get,         "label_toxicity"),

    LONG  ("/v1/datasets",             POST, KEY_TRAIN, ROUTE_BODY_JSON, control_dataset_create, "datasets"),
    MANAGE("/v1/datasets",             GET,  KEY_TRAIN, ROUTE_BODY_NONE, control_datasets_list,  "datasets"),
    MANAGE("/v1/datasets/{id}",        GET,  KEY_TRAIN, ROUTE_BODY_NONE, control_dataset_get,    "dataset"),
    LONG  ("/v1/datasets/{id}/export", GET,  KEY_TRAIN, ROUTE_BODY_NONE, control_dataset_export, "dataset_export"),

    MANAGE("/v1/audit", GET, KEY_ADMIN, ROUTE_BODY_NONE, control_audit_list, "audit"),

    MANAGE("/v1/policies",                   GET,  KEY_INFER, ROUTE_BODY_NONE, control_policies_list,     "policies"),
    MANAGE("/v1/policies/{id}",              GET,  KEY_INFER, ROUTE_BODY_NONE, control_policy_get,        "policy"),
    LONG  ("/v1/policies/{id}",            DELETE, KEY_TRAIN, ROUTE_BODY_NONE, control_policy_delete,     "policy"),
    LONG  ("/v1/policies/{id}/files",        GET,  KEY_TRAIN, ROUTE_BODY_NONE, control_policy_files_list, "policy_files"),
    LONG  ("/v1/policies/{id}/files/{name}", GET,  KEY_TRAIN, ROUTE_BODY_NONE, control_policy_file_get,   "policy_file"),
    MANAGE("/v1/aliases",                    GET,  KEY_INFER, ROUTE_BODY_NONE, control_aliases_list,      "aliases"),
    MANAGE("/v1/aliases/{name}",             GET,  KEY_INFER, ROUTE_BODY_NONE, control_alias_get,         "alias"),
    MANAGE("/v1/aliases/{name}",             PUT,  KEY_TRAIN, ROUTE_BODY_JSON, control_alias_put,         "alias"),
    MANAGE("/v1/aliases/{name}/rollback",    POST, KEY_TRAIN, ROUTE_BODY_JSON, control_alias_rollback,    "alias_rollback"),
    MANAGE("/v1/aliases/{name}/history",     GET,  KEY_INFER, ROUTE_BODY_NONE, control_alias_history,     "alias_history"),
};
/* clang-format on */
enum { N_ROUTES = sizeof routes / sizeof routes[0] };
_Static_assert(N_ROUTES < (int)METRIC_ROUTES,
               "each route, and \"other\", has its place in metrics");

/* ---- matching ---- */

/* Segment by segment; a {name} takes any one segment that is not empty, decoded to x->names. */
static bool path_matches(const route *r, const target *t, exchange *x)
{
    const char *want = r->path, *at = t->path, *end = t->path + t->path_len;
    size_t n_names = 0;
    while (*want && at < end) {
        if (*want != '{') {
            if (*want++ != *at++)
                return false;
            continue;
        }
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash ? slash : end;
        char *name = x->names[n_names++];
        if (stop == at || !uri_decode(at, (size_t)(stop - at), name, sizeof x->names[0]))
            return false;
        want = strchr(want, '}') + 1;
        at = stop;
    }
    return !*want && at == end;
}

/* The row of this path and method; else one of this path, whose `methods` does not have it. */
static const route *find_route(const target *t, http_method method, exchange *x)
{
    const route *same_path = NULL;
    for (int i = 0; i < N_ROUTES; i++) {
        if (!path_matches(&routes[i], t, x))
            continue;
        if (routes[i].methods & method)
            return &routes[i];
        same_path = &routes[i];
    }
    return same_path;
}

/* What all rows of the route's path take. */
static unsigned methods_of_path(const route *r)
{
    unsigned methods = 0;
    for (int i = 0; i < N_ROUTES; i++)
        if (strcmp(routes[i].path, r->path) == 0)
            methods |= routes[i].methods;
    return methods;
}

static void add_allow(exchange *x, unsigned methods)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{HTTP_METHOD_GET, "GET"},        {HTTP_METHOD_HEAD, "HEAD"},
                 {HTTP_METHOD_POST, "POST"},      {HTTP_METHOD_PUT, "PUT"},
                 {HTTP_METHOD_PATCH, "PATCH"},    {HTTP_METHOD_DELETE, "DELETE"},
                 {HTTP_METHOD_OPTIONS, "OPTIONS"}};
    const char *between = "allow: ";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((methods | HTTP_METHOD_OPTIONS) & names[i].bit) {
            buf_printf(&x->headers, "%s%s", between, names[i].name);
            between = ", ";
        }
    buf_puts(&x->headers, "\r\n");
}

/* ---- Host and Origin ---- */

/* Is it what the server is bound to? No foreign name can stand for that: a page that has its own
 * name resolved to our address sends its own name. A wildcard is an address of nobody's. */
static bool host_is_bound(const service *s, const char *host, size_t n)
{
    if (!s->bound || strcmp(s->bound, "0.0.0.0") == 0 || strcmp(s->bound, "::") == 0)
        return false;
    if (strchr(s->bound, ':')) { /* an IPv6 address, which a Host has in brackets */
        if (n < 2 || host[0] != '[')
            return false;
        host++;
        n -= 2;
    }
    return strlen(s->bound) == n && strncasecmp(s->bound, host, n) == 0;
}

static bool host_allowed(const service *s, const char *host, size_t len)
{
    static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
    size_t n = target_host_len(host, len);
    if (n && host_is_bound(s, host, n))
        return true;
    for (size_t i = 0; n && i < sizeof local / sizeof local[0]; i++)
        if (strlen(local[i]) == n && strncasecmp(local[i], host, n) == 0)
            return true;
    for (size_t i = 0; n && i < s->n_hosts; i++)
        if ((strlen(s->hosts[i]) == n && strncasecmp(s->hosts[i], host, n) == 0) ||
            (strlen(s->hosts[i]) == len && strncasecmp(s->hosts[i], host, len) == 0))
            return true;
    return false;
}

static bool origin_is_own(const http_request *r)
{
    const char *rest = NULL;
    if (strncmp(r->origin, "http://", 7) == 0)
        rest = r->origin + 7;
    else if (strncmp(r->origin, "https://", 8) == 0) /* a TLS proxy in front */
        rest = r->origin + 8;
    return rest && strcasecmp(rest, r->host) == 0;
}

static bool origin_listed(const service *s, const route *r, const char *origin)
{
    if (r->scope != KEY_INFER)
        return false;
    for (size_t i = 0; i < s->n_cors_origins; i++)
        if (strcmp(s->cors_origins[i], origin) == 0)
            return true;
    return false;
}

/* Adds the allow headers of a listed origin. False: a foreign origin that may not do this. */
static bool check_origin(const service *s, exchange *x)
{
    const http_request *r = x->request;
    if (!r->origin[0])
        return true;
    if (origin_listed(s, x->route, r->origin)) {
        response_header(x, "access-control-allow-origin", r->origin);
        response_header(x, "access-control-expose-headers",
                        "x-request-id, x-instructd-policy, x-instructd-ignored, retry-after, "
                        "retry-after-ms");
        response_header(x, "vary", "Origin");
        return true;
    }
    return (r->method & GET) || r->method == HTTP_METHOD_OPTIONS || origin_is_own(r);
}

ON_LOOP static void answer_options(const service *s, exchange *x)
{
    if (x->route && x->request->origin[0] && origin_listed(s, x->route, x->request->origin)) {
        response_header(x, "access-control-allow-methods", "GET, HEAD, POST");
        response_header(x, "access-control-allow-headers",
                        "authorization, content-type, x-api-key, x-request-id");
        response_header(x, "access-control-max-age", "600");
    }
    response_empty(x, 204);
}

/* ---- keys ---- */

static key_match find_key(const service *s, exchange *x)
{
    const http_request *r = x->request;
    if (strncasecmp(r->authorization, "Bearer ", 7) == 0) {
        const char *value = r->authorization + 7;
        value += strspn(value, " ");
        key_match match = keys_find(s->keys, value, strlen(value), &x->key);
        if (match != KEY_NONE)
            return match;
    }
    return keys_find(s->keys, r->api_key, strlen(r->api_key), &x->key);
}

/* False: answered with 401 or 403. */
ON_LOOP static bool check_key(const service *s, exchange *x)
{
    if (x->route->scope == ROUTE_PUBLIC)
        return true;
    key_match match = find_key(s, x);
    if (match == KEY_UNKNOWN) {
        response_fail(x, 401, "authentication_error", "invalid_api_key", "this key is not known");
        return false;
    }
    if (match == KEY_NONE && s->anonymous)
        x->key.scope = KEY_INFER;
    if (key_scope_allows(x->key.scope, (unsigned)x->route->scope))
        return true;
    if (match == KEY_NONE && (x->request->authorization[0] || x->request->api_key[0]))
        response_fail(x, 401, "authentication_error", "missing_api_key",
                      "this needs a key; what was sent is none of this server's, which begin with "
                      "sk-inst-");
    else if (match == KEY_NONE)
        response_fail(x, 401, "authentication_error", "missing_api_key",
                      "this needs a key: Authorization: Bearer sk-inst-...");
    else
        response_fail(x, 403, "permission_error", "insufficient_scope",
                      "the key does not have the scope that this needs");
    return false;
}

/* ---- the hooks ---- */

static bool is_json(const char *type)
{
    size_t n = strcspn(type, "; \t");
    return n == strlen("application/json") && strncasecmp(type, "application/json", n) == 0;
}

/* The checks that belong to the route. False: answered. */
ON_LOOP static bool check_request(service *s, exchange *x)
{
    const http_request *r = x->request;
    if (!(x->route->methods & r->method)) {
        add_allow(x, methods_of_path(x->route));
        response_fail(x, 405, "invalid_request_error", NULL, "this path does not take this method");
    } else if (!check_origin(s, x)) {
        response_fail(x, 403, "permission_error", "origin_not_allowed",
                      "pages of this origin may not call this");
    } else if (!check_key(s, x)) {
        return false;
    } else if (!conn_use_key(x->conn, x->key.index)) {
        x->keep_alive = false;
        response_fail(x, 429, "rate_limit_error", "rate_limit_exceeded",
                      "this key holds as many connections as it may");
    } else if (s->draining && !x->route->while_draining) {
        response_fail(x, 503, "unavailable_error", "draining", "the server is going down");
    } else if (x->route->body == ROUTE_BODY_JSON && r->has_body && !is_json(r->content_type)) {
        response_fail(x, 415, "invalid_request_error", NULL, "the body must be application/json");
    } else {
        return true;
    }
    return false;
}

bool route_on_head(void *arg, exchange *x)
{
    service *s = arg;
    const http_request *r = x->request;
    target t = target_split(r->target);
    if (!host_allowed(s, r->host, strlen(r->host)) ||
        (t.authority && !host_allowed(s, t.authority, t.authority_len))) {
        response_fail(x, 403, "permission_error", "host_not_allowed",
                      "this Host is not served here (--allow-host adds one)");
        return false;
    }
    x->route = find_route(&t, r->method, x);
    x->query = t.query;
    bool any = t.path_len == 1 && t.path[0] == '*';
    if (!x->route && !any) {
        response_fail(x, 404, "not_found_error", "not_found", "there is nothing at this path");
        return false;
    }
    if (r->method == HTTP_METHOD_OPTIONS) {
        if (x->route)
            check_origin(s, x);
        answer_options(s, x);
        return false;
    }
    return check_request(s, x) && (x->route->body != ROUTE_BODY_FORM || upload_begin(s, x));
}

void route_on_request(void *arg, exchange *x)
{
    x->route->handle(arg, x);
}

void route_on_done(void *arg, exchange *x)
{
    service *s = arg;
    unsigned index = x->route ? (unsigned)(x->route - routes) : N_ROUTES;
    const char *name = x->route ? x->route->metric : "other";
    if (x->status)
        metrics_http(s->metrics, index, name, x->status);
    log_event(x->status == 500 ? LOG_WARN : LOG_DEBUG, "request",
              "id=%s route=%s status=%d key=%s ms=%.1f", x->id, name, x->status,
              x->key.name[0] ? x->key.name : "-",
              (double)((int64_t)uv_hrtime() - x->arrived_ns) / 1e6);
}
