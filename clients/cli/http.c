#include "http.h"

#include "signals.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    REPLY_BODY_MAX = 64 << 20, /* a whole reply with log-probs of 256 choices stays far below */
    WAIT_MS = 1000             /* the longest sleep between two looks at the clock */
};

struct http_client {
    CURLM *multi;
    CURL *easy;
    char *base_url;
    char *authorization; /* a header line, or NULL */
    double timeout_s;
};

/* One exchange, as curl's callbacks see it. */
typedef struct exchange {
    const http_call *call;
    http_reply *reply;
    double heard_s;  /* when the last byte came, or of an upload went */
    curl_off_t sent; /* bytes of an upload */
    bool stopped, too_long;
    char error[CURL_ERROR_SIZE];
} exchange;

double clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Copies the value of header `name` when the line is that header. */
static bool header_value(const char *line, size_t n, const char *name, char *value, size_t room)
{
    size_t len = strlen(name);
    if (n <= len || line[len] != ':' || strncasecmp(line, name, len) != 0)
        return false;
    const char *from = line + len + 1, *to = line + n;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == '\r' || to[-1] == '\n' || to[-1] == ' '))
        to--;
    snprintf(value, room, "%.*s", (int)(to - from), from);
    return true;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    exchange *x = ctx;
    http_reply *reply = x->reply;
    size_t n = size * count;
    char number[32];
    x->heard_s = clock_s();
    header_value(line, n, "content-type", reply->content_type, sizeof reply->content_type);
    header_value(line, n, "x-instructd-policy", reply->policy, sizeof reply->policy);
    header_value(line, n, "x-request-id", reply->request_id, sizeof reply->request_id);
    header_value(line, n, "etag", reply->etag, sizeof reply->etag);
    if (header_value(line, n, "retry-after-ms", number, sizeof number))
        reply->retry_after_ms = strtol(number, NULL, 10);
    if (header_value(line, n, "x-instructd-rows-left-out", number, sizeof number))
        reply->rows_left_out = strtoull(number, NULL, 10);
    return n;
}

static bool is_streamed(const exchange *x, long status)
{
    const char *wanted = x->call->content_type;
    return x->call->on_body && status >= 200 && status < 300 &&
           (!wanted || strncasecmp(x->reply->content_type, wanted, strlen(wanted)) == 0);
}

typedef struct write_context {
    exchange *x;
    CURL *easy;
} write_context;

static size_t on_write(char *bytes, size_t size, size_t count, void *ctx)
{
    write_context *w = ctx;
    exchange *x = w->x;
    size_t n = size * count;
    long status = 0;
    x->heard_s = clock_s();
    curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
    if (is_streamed(x, status)) {
        x->stopped = !x->call->on_body(x->call->ctx, bytes, n);
        return x->stopped ? CURL_WRITEFUNC_ERROR : n;
    }
    text_append(&x->reply->body, bytes, n);
    x->too_long = x->reply->body.failed;
    return x->too_long ? CURL_WRITEFUNC_ERROR : n;
}

http_client *http_open(const http_settings *settings)
{
    http_client *c = calloc(1, sizeof *c);
    if (!c || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        goto out_free;
    c->multi = curl_multi_init();
    c->easy = curl_easy_init();
    c->base_url = strdup(settings->base_url);
    c->timeout_s = settings->timeout_s;
    if (!c->multi || !c->easy || !c->base_url)
        goto out_close;
    if (settings->key) {
        text line;
        text_init(&line, 4096);
        text_printf(&line, "Authorization: Bearer %s", settings->key);
        c->authorization = strdup(text_str(&line));
        text_free(&line);
        if (!c->authorization)
            goto out_close;
    }
    curl_easy_setopt(c->easy, CURLOPT_USERAGENT, "instruct/" INSTRUCT_VERSION);
    curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    if (settings->direct)
        curl_easy_setopt(c->easy, CURLOPT_NOPROXY, "*");
    return c;
out_close:
    http_close(c);
    return NULL;
out_free:
    free(c);
    return NULL;
}

void http_close(http_client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    free(c->authorization);
    free(c->base_url);
    free(c);
    curl_global_cleanup();
}

static http_outcome outcome_of(CURLcode code, const exchange *x)
{
    if (x->stopped)
        return HTTP_STOPPED;
    if (x->too_long)
        return HTTP_FOREIGN;
    switch (code) {
    case CURLE_OK:
        return HTTP_DONE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: /* only connecting has a limit of curl's */
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return HTTP_NO_CONNECTION;
    case CURLE_UNSUPPORTED_PROTOCOL: /* a first line that is no HTTP/1.x head */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return HTTP_FOREIGN;
    default:
        return HTTP_CUT;
    }
}

/* Runs the transfer to its end, or to a signal, or to too long a silence. */
static http_outcome transfer(http_client *c, exchange *x)
{
    for (;;) {
        int running = 0, left = 0;
        curl_multi_perform(c->multi, &running);
        CURLMsg *message = curl_multi_info_read(c->multi, &left);
        if (message && message->msg == CURLMSG_DONE)
            return outcome_of(message->data.result, x);
        if (signals_pending())
            return HTTP_INTERRUPTED;
        double quiet_s = clock_s() - x->heard_s;
        if (c->timeout_s > 0 && quiet_s >= c->timeout_s)
            return HTTP_SILENT;
        double left_ms = c->timeout_s > 0 ? (c->timeout_s - quiet_s) * 1e3 + 1 : WAIT_MS;
        struct curl_waitfd bell = {.fd = signals_fd(), .events = CURL_WAIT_POLLIN};
        curl_multi_poll(c->multi, &bell, 1, left_ms < WAIT_MS ? (int)left_ms : WAIT_MS, NULL);
    }
}

/* ---- one exchange ---- */

static struct curl_slist *header_lines(const http_client *c, const http_call *call)
{
    const char *lines[] = {c->authorization, call->body ? "Content-Type: application/json" : NULL,
                           call->headers[0], call->headers[1]};
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (lines[i])
            list = curl_slist_append(list, lines[i]);
    return list;
}

static curl_mime *form_of(http_client *c, const http_upload *upload)
{
    curl_mime *form = curl_mime_init(c->easy);
    if (!form)
        return NULL;
    curl_mimepart *purpose = curl_mime_addpart(form), *file = curl_mime_addpart(form);
    bool ok = curl_mime_name(purpose, "purpose") == CURLE_OK &&
              curl_mime_data(purpose, upload->purpose, CURL_ZERO_TERMINATED) == CURLE_OK &&
              curl_mime_name(file, "file") == CURLE_OK &&
              curl_mime_filedata(file, upload->path) == CURLE_OK &&
              curl_mime_filename(file, upload->filename) == CURLE_OK &&
              curl_mime_type(file, "application/octet-stream") == CURLE_OK;
    if (ok)
        return form;
    curl_mime_free(form);
    return NULL;
}

/* What goes up counts as sound: a long upload is no silence. */
static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    exchange *x = ctx;
    const http_upload *upload = x->call->upload;
    (void)down_total;
    (void)down;
    if (up != x->sent)
        x->heard_s = clock_s();
    x->sent = up;
    if (upload->on_sent && up_total > 0)
        upload->on_sent(upload->ctx, (uint64_t)up, (uint64_t)up_total);
    return 0;
}

/* The body and the method; what an earlier exchange set is set anew. */
static void prepare_sending(http_client *c, const http_call *call, curl_mime *form, exchange *x)
{
    CURL *easy = c->easy;
    curl_easy_setopt(easy, CURLOPT_MIMEPOST, NULL);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (form) {
        curl_easy_setopt(easy, CURLOPT_MIMEPOST, form);
    } else if (call->body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(call->body));
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, form ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, x);
}

static void prepare_receiving(http_client *c, exchange *x, write_context *w)
{
    curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, w);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, x->error);
}

http_outcome http_exchange(http_client *c, const http_call *call, http_reply *reply)
{
    *reply = (http_reply){.retry_after_ms = -1};
    text_init(&reply->body, REPLY_BODY_MAX);
    exchange x = {.call = call, .reply = reply, .heard_s = clock_s()};
    write_context w = {&x, c->easy};
    curl_mime *form = call->upload ? form_of(c, call->upload) : NULL;
    if (call->upload && !form) {
        snprintf(reply->detail, sizeof reply->detail, "%.200s cannot be read", call->upload->path);
        return HTTP_CUT;
    }
    text url;
    text_init(&url, 4096);
    text_printf(&url, "%s%s", c->base_url, call->path);
    curl_easy_setopt(c->easy, CURLOPT_URL, text_str(&url));
    text_free(&url); /* curl copied it */
    struct curl_slist *lines = header_lines(c, call);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, lines);
    prepare_sending(c, call, form, &x);
    prepare_receiving(c, &x, &w);
    curl_multi_add_handle(c->multi, c->easy);
    http_outcome outcome = transfer(c, &x);
    long status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    snprintf(reply->detail, sizeof reply->detail, "%s", x.error);
    curl_multi_remove_handle(c->multi, c->easy); /* inside a transfer this closes its connection */
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(c->easy, CURLOPT_MIMEPOST, NULL);
    curl_mime_free(form);
    curl_slist_free_all(lines);
    return outcome;
}

void http_reply_free(http_reply *reply)
{
    text_free(&reply->body);
}
