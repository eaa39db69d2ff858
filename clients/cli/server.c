#include "server.h"

#include "json.h"
#include "signals.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_URL "http://127.0.0.1:8080"

static const char *given(const char *option, const char *variable)
{
    const char *value = option ? option : getenv(variable);
    return value && *value ? value : NULL;
}

static bool is_loopback(const char *host)
{
    bool is_ipv4 = host[strspn(host, "0123456789.")] == '\0'; /* not a name that begins so */
    return strcasecmp(host, "localhost") == 0 || (is_ipv4 && strncmp(host, "127.", 4) == 0) ||
           strcmp(host, "[::1]") == 0;
}

/* Takes apart what the user wrote, and keeps scheme, host and port. */
static exit_code read_url(server *s, const char *url, problem *p)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *path = NULL, *query = NULL;
    exit_code code = EXIT_DONE;
    text full;
    text_init(&full, 1024);
    text_printf(&full, "%s%s", strstr(url, "://") ? "" : "http://", url);
    if (!parts ||
        curl_url_set(parts, CURLUPART_URL, text_str(&full), CURLU_NON_SUPPORT_SCHEME) !=
            CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_PATH, &path, 0) != CURLUE_OK) {
        code = problem_set(p, EXIT_USAGE, "\"%.200s\" is no http URL", url);
        goto out;
    }
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        code =
            problem_set(p, EXIT_USAGE, "the scheme of --url is http or https, not %.20s", scheme);
    else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK)
        code = problem_set(p, EXIT_USAGE, "--url holds a user name; a key goes into --key");
    else if ((strcmp(path, "/") != 0 && strcmp(path, "/v1") != 0 && strcmp(path, "/v1/") != 0) ||
             curl_url_get(parts, CURLUPART_QUERY, &query, 0) == CURLUE_OK)
        code = problem_set(p, EXIT_USAGE, "--url is scheme, host and port only");
    if (code != EXIT_DONE)
        goto out;
    s->loopback = is_loopback(host);
    bool has_port = curl_url_get(parts, CURLUPART_PORT, &port, 0) == CURLUE_OK;
    int n = snprintf(s->url, sizeof s->url, "%s://%s%s%s", scheme, host, has_port ? ":" : "",
                     has_port ? port : "");
    if (n >= (int)sizeof s->url)
        code = problem_set(p, EXIT_USAGE, "--url is too long");
out:
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(user);
    curl_free(path);
    curl_free(query);
    curl_url_cleanup(parts);
    text_free(&full);
    return code;
}

/* A key becomes a header line, so nothing but visible ASCII may be in it. */
static exit_code take_key(server *s, const char *key, const char *origin, problem *p)
{
    size_t len = strlen(key);
    bool visible = len > 0 && len < sizeof s->key;
    for (size_t i = 0; i < len; i++)
        visible = visible && key[i] > ' ' && key[i] < 0x7F;
    if (!visible)
        return problem_set(p, EXIT_USAGE, "%s is no API key: 1 to %zu visible characters", origin,
                           sizeof s->key - 1);
    memcpy(s->key, key, len + 1);
    return EXIT_DONE;
}

/* The daemon's own key; a file that is absent or not ours to read means no key. The directory that
 * nobody named is the default daemon's: whoever listens elsewhere must not learn its key. */
static exit_code read_admin_key(server *s, const options *o, problem *p)
{
    const char *dir = given(o->data_dir, "INSTRUCTD_DATA_DIR");
    if (!dir && strcmp(s->url, DEFAULT_URL) != 0)
        return EXIT_DONE;
    const char *xdg = given(NULL, "XDG_DATA_HOME"), *home = given(NULL, "HOME");
    text path;
    text_init(&path, 4096);
    if (dir)
        text_printf(&path, "%s/admin.key", dir);
    else if (xdg)
        text_printf(&path, "%s/instructd/admin.key", xdg);
    else if (home)
        text_printf(&path, "%s/.local/share/instructd/admin.key", home);
    FILE *file = path.len && !path.failed ? fopen(text_str(&path), "re") : NULL;
    char line[512] = "";
    exit_code code = EXIT_DONE;
    if (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        code = take_key(s, line, text_str(&path), p);
    }
    if (file)
        fclose(file);
    text_free(&path);
    return code;
}

exit_code server_open(server *s, const options *o, problem *p)
{
    *s = (server){.timeout_s = o->timeout_s};
    const char *url = given(o->url, "INSTRUCTD_URL");
    exit_code code = read_url(s, url ? url : DEFAULT_URL, p);
    if (code != EXIT_DONE)
        return code;
    const char *key = given(o->key, "INSTRUCTD_API_KEY");
    if (key)
        code = take_key(s, key, o->key ? "--key" : "INSTRUCTD_API_KEY", p);
    else if (s->loopback)
        code = read_admin_key(s, o, p);
    if (code != EXIT_DONE)
        return code;
    http_settings settings = {.base_url = s->url,
                              .key = s->key[0] ? s->key : NULL,
                              .timeout_s = s->timeout_s,
                              .direct = s->loopback};
    s->http = http_open(&settings);
    return s->http ? EXIT_DONE : problem_set(p, EXIT_SERVER, "out of memory");
}

void server_close(server *s)
{
    http_close(s->http);
    s->http = NULL;
}

/* What to do next, for the error codes that have a better answer than the message itself. */
static void hint_for(const char *code, problem *p)
{
    static const struct {
        const char *code, *hint;
    } hints[] = {
        {"missing_api_key", "give one with --key or INSTRUCTD_API_KEY, or name the daemon's data "
                            "directory with --data-dir"},
        {"invalid_api_key", "check --key, INSTRUCTD_API_KEY or the data directory's admin.key"},
        {"insufficient_scope", "this key may not do that; ask for one with the scope"},
        {"host_not_allowed", "add the host to server.hosts in the daemon's configuration"},
        {"model_not_found", "instruct models lists the names"},
        {"context_length_exceeded", "shorten the text or lower --max-tokens"},
        {"not_ready", "the server is still loading; try again in a moment"},
        {"draining", "the server is shutting down"},
        {"queue_full", "the server is busy; try again in a moment"},
        {"etag_mismatch", "somebody moved the alias meanwhile; look at instruct aliases, then "
                          "try again"},
        {"policy_not_resident", "instruct policies lists what is in memory"},
    };
    for (size_t i = 0; code && i < sizeof hints / sizeof hints[0]; i++)
        if (strcmp(hints[i].code, code) == 0)
            problem_hint(p, "%s", hints[i].hint);
}

exit_code server_error(const cJSON *error, int status, problem *p)
{
    const char *message = json_string(error, "message");
    const char *param = json_string(error, "param"), *code = json_string(error, "code");
    const char *type = json_string(error, "type");
    bool unauthorised =
        status == 401 || status == 403 || (type && strcmp(type, "authentication_error") == 0);
    if (!message)
        message = "the server reported an error without a message";
    exit_code exit = unauthorised ? EXIT_UNAUTHORISED : EXIT_SERVER;
    if (param && code)
        problem_set(p, exit, "%s (%s, %s)", message, param, code);
    else if (param || code)
        problem_set(p, exit, "%s (%s)", message, param ? param : code);
    else
        problem_set(p, exit, "%s", message);
    hint_for(code, p);
    return exit;
}

/* A reply outside 2xx, or one whose body is none of ours. */
static exit_code refused(const server *s, const http_reply *reply, problem *p)
{
    cJSON *json = json_parse(text_str(&reply->body), reply->body.len);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(json, "error");
    exit_code code;
    if (cJSON_IsObject(error)) {
        code = server_error(error, reply->status, p);
        if (!p->hint[0] && reply->retry_after_ms >= 0)
            problem_hint(p, "try again in %.1f s", (double)reply->retry_after_ms / 1e3);
        if (!p->hint[0] && reply->status >= 500 && reply->request_id[0])
            problem_hint(p, "the daemon's log may say more about %s", reply->request_id);
    } else {
        code = reply->status == 401 || reply->status == 403 ? EXIT_UNAUTHORISED : EXIT_SERVER;
        problem_set(p, code, "%s answered %d, and not as instructd does", s->url, reply->status);
        problem_hint(p, "is another program listening there? check --url");
    }
    p->status = reply->status;
    cJSON_Delete(json);
    return code;
}

static exit_code unanswered(const server *s, http_outcome outcome, const http_reply *reply,
                            problem *p)
{
    int number = signals_pending();
    switch (outcome) {
    case HTTP_NO_CONNECTION:
        problem_set(p, EXIT_NO_SERVER, "nothing listens on %s", s->url);
        if (s->loopback)
            problem_hint(p, "start it with ./quickstart up, or point --url or INSTRUCTD_URL at it");
        else
            problem_hint(p, "check --url and the network (%.200s)", reply->detail);
        return EXIT_NO_SERVER;
    case HTTP_CUT:
        problem_set(p, EXIT_CUT, "the connection to %s broke off (%.200s)", s->url, reply->detail);
        problem_hint(p, "what was printed is incomplete; is the server still up?");
        return EXIT_CUT;
    case HTTP_SILENT:
        problem_set(p, EXIT_CUT, "no byte from %s for %g s", s->url, s->timeout_s);
        problem_hint(p, "--timeout sets a longer patience, 0 an endless one");
        return EXIT_CUT;
    case HTTP_INTERRUPTED: /* the person knows; the exit code tells the script */
        problem_set(p, EXIT_INTERRUPTED, "%s", "");
        return p->code = (exit_code)(128 + number);
    default:
        problem_set(p, EXIT_SERVER, "%s does not answer as instructd does", s->url);
        problem_hint(p, "is another program listening there? check --url");
        return EXIT_SERVER;
    }
}

exit_code server_exchange(server *s, const http_call *call, http_reply *reply, problem *p)
{
    http_outcome outcome = http_exchange(s->http, call, reply);
    if (outcome == HTTP_STOPPED)
        return EXIT_DONE;
    /* A server that refuses a body before it has read all of it may close while we still send. */
    if (outcome == HTTP_CUT && reply->status >= 400)
        return refused(s, reply, p);
    if (outcome != HTTP_DONE)
        return unanswered(s, outcome, reply, p);
    if (reply->status < 200 || reply->status > 299)
        return refused(s, reply, p);
    if (call->on_body && reply->body.len) { /* collected: it was not of the type asked for */
        problem_set(p, EXIT_SERVER, "%s sent \"%.80s\" where %s was expected", s->url,
                    reply->content_type, call->content_type);
        problem_hint(p, "is another program listening there? check --url");
        return EXIT_SERVER;
    }
    return EXIT_DONE;
}

exit_code server_call(server *s, const http_call *call, cJSON **json, char **raw, char etag[64],
                      problem *p)
{
    http_reply reply;
    exit_code code = server_exchange(s, call, &reply, p);
    *json = NULL;
    if (raw)
        *raw = NULL;
    if (code == EXIT_DONE) {
        *json = json_parse(text_str(&reply.body), reply.body.len);
        if (!cJSON_IsObject(*json)) {
            cJSON_Delete(*json);
            *json = NULL;
            code = problem_set(p, EXIT_SERVER, "%s sent no JSON object for %s", s->url, call->path);
        } else if (raw && !(*raw = strdup(text_str(&reply.body)))) {
            cJSON_Delete(*json);
            *json = NULL;
            code = problem_set(p, EXIT_SERVER, "out of memory");
        }
    }
    if (etag)
        snprintf(etag, 64, "%s", reply.etag);
    http_reply_free(&reply);
    return code;
}

exit_code server_json(server *s, const char *path, const char *body, cJSON **json, char **raw,
                      problem *p)
{
    return server_call(s, &(http_call){.path = path, .body = body}, json, raw, NULL, p);
}
