/* A listening server on a thread of its own, and a blocking client for it. */
#ifndef TESTS_DAEMON_LIVE_SERVER_H
#define TESTS_DAEMON_LIVE_SERVER_H

#include "harness.h"
#include "base/thread_roles.h"
#include "net/conn.h"
#include "net/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- server ---- */

typedef struct live {
    uv_loop_t loop;
    uv_async_t call; /* runs `task` on the loop, or closes the server */
    void (*task)(void *arg);
    void *task_arg;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool stopping, task_done;
    server *server;
    pthread_t thread;
} live;

static inline void live_on_call(uv_async_t *async)
{
    assert_on_loop();
    live *l = async->data;
    pthread_mutex_lock(&l->mutex);
    if (l->task)
        l->task(l->task_arg);
    l->task = NULL;
    l->task_done = true;
    pthread_cond_signal(&l->done);
    if (l->stopping) {
        server_close(l->server);
        uv_close((uv_handle_t *)&l->call, NULL);
    }
    pthread_mutex_unlock(&l->mutex);
}

static inline void *live_thread(void *arg)
{
    live *l = arg;
    role_enter_loop();
    uv_run(&l->loop, UV_RUN_DEFAULT);
    server_free(l->server);
    uv_loop_close(&l->loop);
    role_leave_loop();
    return NULL;
}

/* Listens on 127.0.0.1, and on unix_path unless NULL. */
static inline void live_start(live *l, const server_limits *limits, const server_hooks *hooks,
                              const char *unix_path)
{
    error_text err = {""};
    memset(l, 0, sizeof *l);
    signal(SIGPIPE, SIG_IGN); /* libuv writes to sockets whose client has left */
    uv_loop_init(&l->loop);
    uv_async_init(&l->loop, &l->call, live_on_call);
    l->call.data = l;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->done, NULL);
    role_enter_loop();
    l->server = server_create(&l->loop, limits, hooks);
    bool ok = server_listen_tcp(l->server, "127.0.0.1", 0, &err) &&
              (!unix_path || server_listen_unix(l->server, unix_path, &err));
    role_leave_loop();
    if (!ok)
        FAIL("%s", err.text);
    pthread_create(&l->thread, NULL, live_thread, l);
}

/* Runs task(arg) on the loop and waits for it. */
static inline void live_run(live *l, void (*task)(void *arg), void *arg)
{
    pthread_mutex_lock(&l->mutex);
    l->task = task;
    l->task_arg = arg;
    l->task_done = false;
    uv_async_send(&l->call);
    while (!l->task_done)
        pthread_cond_wait(&l->done, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
}

static inline void live_stop(live *l)
{
    pthread_mutex_lock(&l->mutex);
    l->stopping = true;
    pthread_mutex_unlock(&l->mutex);
    uv_async_send(&l->call);
    pthread_join(l->thread, NULL);
    pthread_mutex_destroy(&l->mutex);
    pthread_cond_destroy(&l->done);
}

typedef struct live_counts {
    live *l;
    uint32_t conns, busy;
} live_counts;

static inline void live_count_task(void *arg)
{
    live_counts *n = arg;
    n->conns = n->l->server->n_conns;
    n->busy = n->l->server->n_busy;
}

/* Waits until the server holds so many connections, `busy` of them with a request under way. */
static inline void live_await(live *l, uint32_t conns, uint32_t busy)
{
    live_counts n = {.l = l};
    for (int i = 0; i < 1000; i++) {
        live_run(l, live_count_task, &n);
        if (n.conns == conns && n.busy == busy)
            return;
        usleep(10 * 1000);
    }
    FAIL("%u connections, %u busy; expected %u and %u", n.conns, n.busy, conns, busy);
}

/* ---- client ---- */

enum { CLIENT_WAIT_MS = 10 * 1000 }; /* a failing test ends; a passing one never waits so long */

typedef struct client {
    int fd;
    char *in; /* received, from `used` on not yet consumed */
    size_t len, used, cap;
    bool eof;
} client;

typedef struct reply {
    int status;
    char head[4096];
    char *body; /* NUL-terminated; reply_free */
    size_t body_len;
    bool chunked;
} reply;

static inline client client_dial_port(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client c = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    if (connect(c.fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        FAIL("connect: %s", strerror(errno));
    return c;
}

static inline client client_dial(const live *l)
{
    return client_dial_port(l->server->port);
}

static inline client client_dial_unix(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    client c = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    if (connect(c.fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        FAIL("connect: %s", strerror(errno));
    return c;
}

static inline void client_close(client *c)
{
    close(c->fd);
    free(c->in);
    *c = (client){.fd = -1};
}

/* Errors are left to the reader: a server may have closed already. */
static inline void client_send(client *c, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += n;
        len -= (size_t)n;
    }
}

static inline void client_puts(client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

/* Reads once; false at the end of input. */
static inline bool client_fill(client *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (c->eof)
        return false;
    if (c->cap - c->len < 65536)
        c->in = realloc(c->in, c->cap = c->cap * 2 + 65536);
    if (poll(&p, 1, CLIENT_WAIT_MS) <= 0)
        FAIL("the server sent nothing for %d s", CLIENT_WAIT_MS / 1000);
    ssize_t n = recv(c->fd, c->in + c->len, c->cap - c->len - 1, 0);
    if (n <= 0) {
        c->eof = true;
        return false;
    }
    c->len += (size_t)n;
    c->in[c->len] = 0;
    return true;
}

/* Bytes at hand after filling to at least n; false when the input ends before. */
static inline bool client_need(client *c, size_t n)
{
    while (c->len - c->used < n)
        if (!client_fill(c))
            return false;
    return true;
}

/* The length of the next line with its CRLF; 0 at the end of input. */
static inline size_t client_line(client *c)
{
    for (;;) {
        char *at = c->len > c->used ? memmem(c->in + c->used, c->len - c->used, "\r\n", 2) : NULL;
        if (at)
            return (size_t)(at - (c->in + c->used)) + 2;
        if (!client_fill(c))
            return 0;
    }
}

static inline void reply_free(reply *r)
{
    free(r->body);
    *r = (reply){0};
}

/* The value of a header in r->head; "" if absent. Static buffer. */
static inline const char *reply_header(const reply *r, const char *name)
{
    static char value[1024];
    size_t n = strlen(name);
    value[0] = 0;
    for (const char *line = strstr(r->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            line += n + 1 + strspn(line + n + 1, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r"), line);
            break;
        }
    }
    return value;
}

static inline void reply_add(reply *r, const char *bytes, size_t n)
{
    r->body = realloc(r->body, r->body_len + n + 1);
    memcpy(r->body + r->body_len, bytes, n);
    r->body_len += n;
    r->body[r->body_len] = 0;
}

/* Reads the status line and headers; false at the end of input. */
static inline bool client_head(client *c, reply *r)
{
    *r = (reply){0};
    size_t n, at = 0;
    do {
        n = client_line(c);
        if (n == 0)
            return false;
        if (at + n >= sizeof r->head)
            FAIL("a head of more than %zu bytes", sizeof r->head);
        memcpy(r->head + at, c->in + c->used, n);
        at += n;
        c->used += n;
    } while (n > 2);
    if (sscanf(r->head, "HTTP/1.1 %d ", &r->status) != 1)
        FAIL("not a status line: %.40s", r->head);
    r->chunked = strcasecmp(reply_header(r, "transfer-encoding"), "chunked") == 0;
    return true;
}

/* One chunk into the body; 1 more, 0 last, -1 the input ended. */
static inline int client_chunk(client *c, reply *r)
{
    size_t n = client_line(c);
    if (n == 0)
        return -1;
    size_t size = strtoul(c->in + c->used, NULL, 16);
    c->used += n;
    if (!client_need(c, size + 2))
        return -1;
    reply_add(r, c->in + c->used, size);
    c->used += size + 2;
    return size > 0;
}

/* A whole reply; no_body: to a HEAD. False at the end of input. */
static inline bool client_reply_to(client *c, reply *r, bool no_body)
{
    if (!client_head(c, r))
        return false;
    size_t length = strtoul(reply_header(r, "content-length"), NULL, 10);
    if (r->chunked) {
        int more;
        while ((more = client_chunk(c, r)) > 0)
            ;
        return more == 0;
    }
    if (no_body || length == 0)
        return true;
    if (!client_need(c, length))
        return false;
    reply_add(r, c->in + c->used, length);
    c->used += length;
    return true;
}

static inline bool client_reply(client *c, reply *r)
{
    return client_reply_to(c, r, false);
}

/* Sends a request and returns its reply's status, 0 at the end of input; *r to be freed. */
static inline int client_ask(client *c, const char *request, reply *r)
{
    client_puts(c, request);
    return client_reply_to(c, r, strncmp(request, "HEAD", 4) == 0) ? r->status : 0;
}

static inline bool client_at_end(client *c)
{
    while (client_fill(c))
        ;
    return c->used == c->len;
}

#endif
