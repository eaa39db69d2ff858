#include "host/reward_http.h"

#include "api/score_exchange.h"
#include "base/limits.h"
#include "base/log.h"
#include "instructd_plugin.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NAME_CHARS = 32, STOP_TICK_MS = 50 };

typedef struct endpoint {
    char name[NAME_CHARS + 1];
    const char *url;
} endpoint;

struct reward_endpoints {
    reward_timing timing; /* filled in */
    size_t n;
    endpoint list[];
};

/* ---- configuration ---- */

static bool is_http_url(const char *text)
{
    char *scheme = NULL, *host = NULL;
    CURLU *url = curl_url();
    bool good = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(url);
    return good;
}

static const endpoint *find(const reward_endpoints *e, const char *name)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->list[i].name, name) == 0)
            return &e->list[i];
    return NULL;
}

static bool add(reward_endpoints *e, const char *spec, error_text *err)
{
    size_t n = strspn(spec, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    endpoint *to = &e->list[e->n];
    if (n < 1 || n > NAME_CHARS || spec[n] != '=' || !is_http_url(spec + n + 1))
        return error_text_set(err,
                              "--reward %.100s: expected NAME=URL, a name of 1 to %d of a-z "
                              "0-9 _ - and an http or https address",
                              spec, NAME_CHARS);
    snprintf(to->name, sizeof to->name, "%.*s", (int)n, spec);
    to->url = spec + n + 1;
    if (find(e, to->name))
        return error_text_set(err, "--reward %s: expected a new name, found it twice", to->name);
    e->n++;
    return true;
}

static reward_timing timing_of(const reward_timing *given)
{
    reward_timing t = given ? *given : (reward_timing){0};
    if (!t.connect_ms)
        t.connect_ms = LIMIT_REWARD_CONNECT_MS;
    if (!t.total_ms)
        t.total_ms = LIMIT_REWARD_TOTAL_MS;
    if (!t.pause_ms)
        t.pause_ms = LIMIT_REWARD_PAUSE_MS;
    return t;
}

reward_endpoints *reward_endpoints_create(const char *const *specs, size_t n,
                                          const reward_timing *timing, error_text *err)
{
    reward_endpoints *e = calloc(1, sizeof *e + n * sizeof e->list[0]);
    if (!e || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        error_text_set(err, "reward endpoints: libcurl cannot be started");
        free(e);
        return NULL;
    }
    e->timing = timing_of(timing);
    for (size_t i = 0; i < n; i++) {
        if (add(e, specs[i], err))
            continue;
        reward_endpoints_free(e);
        return NULL;
    }
    return e;
}

void reward_endpoints_free(reward_endpoints *e)
{
    if (!e)
        return;
    free(e);
    curl_global_cleanup();
}

/* ---- one request ---- */

typedef struct asking {
    const endpoint *to;
    const reward_timing *timing;
    CURL *curl;
    struct curl_slist *headers;
    buf request, reply;
    bool (*stopped)(void *arg);
    void *arg;
    char *err;
} asking;

__attribute__((format(printf, 3, 4))) static int fail(const asking *a, int code, const char *fmt,
                                                      ...)
{
    int n = snprintf(a->err, INSTRUCTD_ERROR_BYTES, "reward http:%s: ", a->to->name);
    va_list args;
    va_start(args, fmt);
    vsnprintf(a->err + n, INSTRUCTD_ERROR_BYTES - (size_t)n, fmt, args);
    va_end(args);
    return code;
}

static bool is_stopped(const asking *a)
{
    return a->stopped && a->stopped(a->arg);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    asking *a = arg;
    buf_append(&a->reply, bytes, size * n);
    return a->reply.failed ? 0 : size * n; /* 0: curl ends with CURLE_WRITE_ERROR */
}

static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    (void)down_all, (void)down, (void)up_all, (void)up;
    return is_stopped(arg); /* 1: curl ends with CURLE_ABORTED_BY_CALLBACK */
}

static bool set_up(asking *a)
{
    a->curl = curl_easy_init();
    a->headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct curl_slist *all = curl_slist_append(a->headers, "Expect:"); /* a body is sent at once */
    if (!a->curl || !a->headers || !all)
        return false;
    curl_easy_setopt(a->curl, CURLOPT_URL, a->to->url);
    curl_easy_setopt(a->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(a->curl, CURLOPT_PROXY, ""); /* the address says it all: no environment */
    curl_easy_setopt(a->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(a->curl, CURLOPT_HTTPHEADER, a->headers);
    curl_easy_setopt(a->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)a->timing->connect_ms);
    curl_easy_setopt(a->curl, CURLOPT_TIMEOUT_MS, (long)a->timing->total_ms);
    curl_easy_setopt(a->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(a->curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(a->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(a->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(a->curl, CURLOPT_XFERINFODATA, a);
    return true;
}

static void tear_down(asking *a)
{
    curl_easy_cleanup(a->curl);
    curl_slist_free_all(a->headers);
    buf_free(&a->request);
    buf_free(&a->reply);
}

typedef enum turn { TURN_DONE, TURN_AGAIN, TURN_FAILED } turn;

/* Sends the request once. TURN_AGAIN: a->err says why, and it may go better next time. */
static turn send_once(asking *a, int *rc)
{
    long status = 0;
    buf_clear(&a->reply);
    CURLcode code = curl_easy_perform(a->curl);
    curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        *rc = fail(a, INSTRUCTD_E_STOPPED, "stopped");
        return TURN_FAILED;
    }
    if (a->reply.failed) {
        *rc = fail(a, INSTRUCTD_E_IO, "the reply has more than %d bytes", LIMIT_REWARD_REPLY_BYTES);
        return TURN_FAILED;
    }
    *rc = code != CURLE_OK ? fail(a, INSTRUCTD_E_IO, "%s", curl_easy_strerror(code))
          : status != 200  ? fail(a, INSTRUCTD_E_IO, "expected status 200, found %ld", status)
                           : INSTRUCTD_OK;
    if (*rc == INSTRUCTD_OK)
        return TURN_DONE;
    return code != CURLE_OK || status >= 500 || status == 429 ? TURN_AGAIN : TURN_FAILED;
}

/* False: it is to stop. */
static bool pause_ms(const asking *a, uint32_t ms)
{
    const struct timespec tick = {.tv_nsec = STOP_TICK_MS * 1000000L};
    for (uint32_t waited = 0; waited < ms; waited += STOP_TICK_MS) {
        if (is_stopped(a))
            return false;
        nanosleep(&tick, NULL);
    }
    return true;
}

static int send_request(asking *a)
{
    int rc = INSTRUCTD_OK;
    uint32_t pause = a->timing->pause_ms;
    for (int tries = 0;; tries++, pause *= 2) {
        if (is_stopped(a))
            return fail(a, INSTRUCTD_E_STOPPED, "stopped");
        if (send_once(a, &rc) != TURN_AGAIN || tries == LIMIT_REWARD_RETRIES)
            return rc;
        log_event(LOG_WARN, "reward_retry", "%.300s", a->err);
        if (!pause_ms(a, pause))
            return fail(a, INSTRUCTD_E_STOPPED, "stopped");
    }
}

/* The scores of n completions of one prompt. */
static int score_group(asking *a, const char *prompt, const char *const *completions, size_t n,
                       double *scores)
{
    error_text why;
    buf_clear(&a->request);
    score_request_write(&a->request, prompt, completions, n);
    if (a->request.failed)
        return fail(a, INSTRUCTD_E_INVALID, "the request has more than %d bytes",
                    LIMIT_REWARD_REQUEST_BYTES);
    curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS, a->request.data);
    curl_easy_setopt(a->curl, CURLOPT_POSTFIELDSIZE, (long)a->request.len);
    int rc = send_request(a);
    if (rc != INSTRUCTD_OK)
        return rc;
    return score_reply_read(a->reply.data ? a->reply.data : "", a->reply.len, n, scores, &why)
               ? INSTRUCTD_OK
               : fail(a, INSTRUCTD_E_INVALID, "%.400s", why.text);
}

int reward_score(const reward_endpoints *e, const char *name, uint32_t n,
                 const char *const *prompts, const char *const *completions, double *scores,
                 bool (*stopped)(void *arg), void *arg, char *err)
{
    asking a = {.to = e ? find(e, name) : NULL, .stopped = stopped, .arg = arg, .err = err};
    if (a.to) {
        a.timing = &e->timing;
    } else {
        snprintf(err, INSTRUCTD_ERROR_BYTES,
                 "reward http:%.40s: the configuration names no such endpoint (--reward)", name);
        return INSTRUCTD_E_NOT_FOUND;
    }
    buf_init(&a.request, LIMIT_REWARD_REQUEST_BYTES);
    buf_init(&a.reply, LIMIT_REWARD_REPLY_BYTES);
    int rc = set_up(&a) ? INSTRUCTD_OK : fail(&a, INSTRUCTD_E_NOMEM, "out of memory");
    for (uint32_t i = 0, group; rc == INSTRUCTD_OK && i < n; i += group) {
        for (group = 1; i + group < n && group < LIMIT_REWARD_GROUP; group++)
            if (strcmp(prompts[i + group], prompts[i]) != 0)
                break;
        rc = score_group(&a, prompts[i], completions + i, group, scores + i);
    }
    tear_down(&a);
    return rc;
}
