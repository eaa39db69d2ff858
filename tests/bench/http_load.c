#include "http_load.h"

#include "http_reply.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, EVENTS = 256 };

/* ---- where to ---- */

static bool read_address(http_target *t, const char *host, uint16_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&t->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&t->address;
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        t->address_len = sizeof *v4;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        t->address_len = sizeof *v6;
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    }
    return false;
}

bool http_target_read(http_target *t, const char *url, const char **why)
{
    static const char scheme[] = "http://";
    char host[64];
    *t = (http_target){0};
    *why = "the address must look like http://127.0.0.1:8080";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *at = url + sizeof scheme - 1, *path = at + strcspn(at, "/");
    const bool bracket = *at == '[';
    const char *host_end = bracket ? memchr(at, ']', (size_t)(path - at)) : NULL;
    if (bracket && !host_end)
        return false;
    const char *colon =
        memchr(bracket ? host_end : at, ':', (size_t)(path - (bracket ? host_end : at)));
    if (!bracket)
        host_end = colon ? colon : path;
    const size_t len = (size_t)(host_end - at) - bracket;
    const unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 80;
    if (len >= sizeof host || (size_t)(path - at) >= sizeof t->host || port < 1 || port > 65535 ||
        strlen(path) >= sizeof t->prefix)
        return false;
    memcpy(host, at + bracket, len);
    host[len] = '\0';
    memcpy(t->host, at, (size_t)(path - at));
    strcpy(t->prefix, path);
    for (size_t n = strlen(t->prefix); n && t->prefix[n - 1] == '/'; n--)
        t->prefix[n - 1] = '\0';
    *why = "only loopback addresses (127.0.0.0/8, ::1, localhost) are loaded";
    return read_address(t, host, (uint16_t)port);
}

/* ---- a client: one connection, one request at a time ---- */

typedef struct client {
    int fd;      /* -1 = not connected */
    bool reused; /* this request went out on a connection that has served one before */
    char *request;
    size_t request_len, sent;
    http_reply reply;
    double begin, first, last;  /* of the running request; first 0 = no token yet */
    double worst_gap, server_s; /* server_s: queue and prefill as the server tells, < 0 = untold */
    uint64_t tokens;
    bool ended;   /* the stream's [DONE] has come */
    bool at_once; /* the client's first request, sent when all others send theirs */
    bool working;
} client;

typedef struct load {
    const http_target *target;
    const load_options *options;
    load_result *result;
    int epoll;
    client *clients;
    uint32_t started, finished;
    uint64_t random;
} load;

static void note_error(load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note_error(load *l, const char *fmt, ...)
{
    va_list args;
    if (*l->result->first_error)
        return;
    va_start(args, fmt);
    vsnprintf(l->result->first_error, sizeof l->result->first_error, fmt, args);
    va_end(args);
}

static uint32_t next_random(load *l)
{
    l->random = l->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(l->random >> 33);
}

/* ---- requests ---- */

static void put(char **at, const char *end, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void put(char **at, const char *end, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(*at, (size_t)(end - *at), fmt, args);
    va_end(args);
    *at += n > 0 && n < end - *at ? n : 0;
}

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "bench-http: out of memory\n");
        exit(1);
    }
    return p;
}

/* Ids, not text: the prompt has exactly so many tokens, whatever the model. */
static size_t write_body(load *l, char *body, const char *end)
{
    const load_options *o = l->options;
    char *at = body;
    if (o->same_prompt)
        l->random = 1;
    put(&at, end, "{\"prompt\":[");
    for (uint32_t i = 0; i < o->prompt_tokens; i++)
        put(&at, end, "%s%u", i ? "," : "", next_random(l) % o->vocab);
    put(&at, end, "],\"max_tokens\":%u,\"temperature\":0,\"ignore_eos\":true", o->max_tokens);
    if (o->model)
        put(&at, end, ",\"model\":\"%s\"", o->model);
    if (o->stream)
        put(&at, end, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    put(&at, end, ",\"return_timings\":true}");
    return (size_t)(at - body);
}

static void write_request(load *l, client *c)
{
    const http_target *t = l->target;
    const size_t body_room = 512 + (size_t)l->options->prompt_tokens * 11;
    const size_t room = body_room + 2048;
    char *body = must(malloc(body_room));
    const size_t body_len = write_body(l, body, body + body_room);
    c->request = must(realloc(c->request, room));
    char *at = c->request, *end = at + room;
    put(&at, end, "POST %s/v1/completions HTTP/1.1\r\nHost: %s\r\n", t->prefix, t->host);
    if (t->key)
        put(&at, end, "Authorization: Bearer %s\r\n", t->key);
    put(&at, end, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body_len);
    memcpy(at, body, body_len);
    c->request_len = (size_t)(at - c->request) + body_len;
    c->sent = 0;
    free(body);
}

/* ---- connections ---- */

static void disconnect(client *c)
{
    if (c->fd >= 0)
        close(c->fd); /* which takes it out of the epoll set */
    c->fd = -1;
}

static void watch(load *l, client *c, uint32_t events, int how)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(l->epoll, how, c->fd, &e);
}

static bool connect_client(load *l, client *c)
{
    const http_target *t = l->target;
    const int one = 1;
    c->fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (const struct sockaddr *)&t->address, t->address_len) != 0 &&
        errno != EINPROGRESS) {
        disconnect(c);
        return false;
    }
    watch(l, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
    return true;
}

/* ---- the life of a request ---- */

static void begin_request(load *l, client *c);

static void end_request(load *l, client *c, bool keep)
{
    if (!keep)
        disconnect(c);
    c->working = false;
    l->finished++;
    if (l->started < l->options->requests)
        begin_request(l, c);
}

static void fail_request(load *l, client *c, uint64_t *counter, const char *why)
{
    (*counter)++;
    note_error(l, "%s", why);
    end_request(l, c, false);
}

static void begin_request(load *l, client *c)
{
    c->at_once = l->started++ < l->options->clients;
    write_request(l, c);
    http_reply_reset(&c->reply);
    c->reused = c->fd >= 0;
    c->first = c->last = c->worst_gap = 0;
    c->server_s = -1;
    c->tokens = 0;
    c->ended = false;
    c->working = true;
    c->begin = now_s();
    if (c->reused)
        watch(l, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    else if (!connect_client(l, c)) {
        c->working = false;
        l->finished++;
        l->result->failed_to_connect++;
        note_error(l, "cannot connect: %s", strerror(errno));
    }
}

/* The number behind a key. A quote inside a JSON string is escaped, so generated text cannot pass
 * for a key. */
static bool number_of(const char *json, const char *key, double *out)
{
    const char *at = strstr(json, key);
    if (!at)
        return false;
    *out = strtod(at + strlen(key), NULL);
    return true;
}

static void read_totals(client *c, const char *json)
{
    double tokens, queue_ms, prefill_ms;
    if (number_of(json, "\"completion_tokens\":", &tokens))
        c->tokens = (uint64_t)tokens;
    if (number_of(json, "\"queue_ms\":", &queue_ms) &&
        number_of(json, "\"prefill_ms\":", &prefill_ms))
        c->server_s = (queue_ms + prefill_ms) * 1e-3;
}

static void take_event(load *l, client *c, const char *event, double now)
{
    if (strcmp(event, "[DONE]") == 0) {
        c->ended = true;
        return;
    }
    if (strncmp(event, "{\"error\"", 8) == 0) {
        note_error(l, "the stream broke off: %.300s", event);
        return;
    }
    read_totals(c, event);
    /* usage comes with no choice, the end of a choice with no token */
    if (strstr(event, "\"choices\":[]") || !strstr(event, "\"finish_reason\":null"))
        return;
    if (!c->first) {
        c->first = now;
        series_add(&l->result->ttft, now - c->begin);
    } else {
        const double gap = now - c->last;
        series_add(&l->result->gaps, gap);
        c->worst_gap = gap > c->worst_gap ? gap : c->worst_gap;
    }
    c->last = now;
}

static void succeed(load *l, client *c, double now)
{
    const load_options *o = l->options;
    load_result *r = l->result;
    if (!o->stream)
        read_totals(c, c->reply.body ? c->reply.body : "");
    r->ok++;
    r->tokens += c->tokens;
    series_add(&r->total, now - c->begin);
    if (c->first && c->server_s >= 0)
        series_add(c->at_once ? &r->added_at_once : &r->added, c->first - c->begin - c->server_s);
    const double first = o->stream ? c->first : now;
    if (first && first - c->begin <= o->slo_ttft_s && c->worst_gap <= o->slo_gap_s)
        r->within_slo++;
    end_request(l, c, c->reply.keep_alive);
}

static void finish_reply(load *l, client *c, double now)
{
    if (c->reply.state == HTTP_BAD) {
        fail_request(l, c, &l->result->cut, "the connection closed inside a reply");
    } else if (c->reply.status != 200) {
        note_error(l, "status %d: %.400s", c->reply.status, c->reply.body ? c->reply.body : "");
        fail_request(l, c, &l->result->refused, "refused");
    } else if (l->options->stream && !c->ended) {
        fail_request(l, c, &l->result->cut, "a stream ended without [DONE]");
    } else {
        succeed(l, c, now);
    }
}

/* ---- bytes ---- */

static void send_some(load *l, client *c)
{
    if (!c->sent)
        c->begin = now_s(); /* connecting is no part of a request, which may find a connection */
    while (c->sent < c->request_len) {
        ssize_t n = send(c->fd, c->request + c->sent, c->request_len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            const bool never = !c->reused && !c->sent;
            fail_request(l, c, never ? &l->result->failed_to_connect : &l->result->cut,
                         strerror(errno));
            return;
        }
        c->sent += (size_t)n;
    }
    watch(l, c, EPOLLIN, EPOLL_CTL_MOD);
}

static void take_events(load *l, client *c, double now)
{
    size_t at = 0;
    if (!l->options->stream || c->reply.status != 200)
        return;
    for (char *event; (event = http_reply_event(&c->reply, &at)) != NULL;)
        take_event(l, c, event, now);
    http_reply_drop(&c->reply, at);
}

static void receive_some(load *l, client *c, char *buffer)
{
    ssize_t n = recv(c->fd, buffer, READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    const double now = now_s();
    if (n > 0)
        http_reply_feed(&c->reply, buffer, (size_t)n);
    else
        http_reply_closed(&c->reply);
    take_events(l, c, now);
    if (c->reply.state == HTTP_DONE || c->reply.state == HTTP_BAD)
        finish_reply(l, c, now);
}

static void serve_client(load *l, client *c, uint32_t events, char *buffer)
{
    if (!c->working) { /* the server closed a connection that nobody uses any more */
        disconnect(c);
        return;
    }
    const uint32_t before = l->finished;
    if ((events & EPOLLOUT) && c->sent < c->request_len)
        send_some(l, c);
    if (l->finished == before && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        receive_some(l, c, buffer);
}

static void expire(load *l, uint32_t n)
{
    const double now = now_s();
    for (uint32_t i = 0; i < n; i++)
        if (l->clients[i].working && now - l->clients[i].begin > l->options->timeout_s)
            fail_request(l, &l->clients[i], &l->result->timed_out, "timed out");
}

/* ---- the run ---- */

void load_run(load_result *out, const http_target *t, const load_options *o)
{
    struct epoll_event events[EVENTS];
    load l = {.target = t, .options = o, .result = out, .random = 1};
    *out = (load_result){0};
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.clients = must(calloc(o->clients, sizeof *l.clients));
    char *buffer = must(malloc(READ_BYTES));
    const double begin = now_s();
    for (uint32_t i = 0; i < o->clients; i++) {
        l.clients[i].fd = -1;
        if (l.started < o->requests)
            begin_request(&l, &l.clients[i]);
    }
    double checked = begin;
    while (l.finished < l.started) {
        int n = epoll_wait(l.epoll, events, EVENTS, 200);
        for (int i = 0; i < n; i++)
            serve_client(&l, events[i].data.ptr, events[i].events, buffer);
        if (now_s() - checked > 0.2) {
            expire(&l, o->clients);
            checked = now_s();
        }
    }
    out->seconds = now_s() - begin;
    for (uint32_t i = 0; i < o->clients; i++) {
        disconnect(&l.clients[i]);
        http_reply_free(&l.clients[i].reply);
        free(l.clients[i].request);
    }
    free(l.clients);
    free(buffer);
    close(l.epoll);
}

void load_result_free(load_result *r)
{
    series_free(&r->ttft);
    series_free(&r->gaps);
    series_free(&r->total);
    series_free(&r->added);
    series_free(&r->added_at_once);
}

uint32_t load_vocab(const http_target *t, double timeout_s)
{
    char bytes[4096];
    double vocab = 0;
    const struct timeval patience = {.tv_sec = (time_t)timeout_s + 1};
    http_reply *reply = must(calloc(1, sizeof *reply));
    int fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *at = bytes, *end = bytes + sizeof bytes;
    put(&at, end, "GET %s/tokenizer_info HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", t->prefix,
        t->host);
    if (t->key)
        put(&at, end, "Authorization: Bearer %s\r\n", t->key);
    put(&at, end, "\r\n");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&t->address, t->address_len) == 0 &&
        send(fd, bytes, (size_t)(at - bytes), MSG_NOSIGNAL) == at - bytes) {
        for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;)
            http_reply_feed(reply, bytes, (size_t)n);
        if (reply->status == 200 && reply->body)
            number_of(reply->body, "\"vocab_size\":", &vocab);
    }
    if (fd >= 0)
        close(fd);
    http_reply_free(reply);
    free(reply);
    return vocab > 0 && vocab < 1e9 ? (uint32_t)vocab : 0;
}
