#include "net/server.h"

#include "base/limits.h"
#include "base/log.h"
#include "net/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 511 };

server_limits server_default_limits(void)
{
    return (server_limits){.head_ms = LIMIT_HEAD_MS,
                           .body_ms = LIMIT_BODY_MS,
                           .idle_ms = LIMIT_IDLE_MS,
                           .stall_ms = LIMIT_SSE_STALL_MS,
                           .ping_ms = LIMIT_SSE_PING_MS,
                           .linger_ms = LIMIT_LINGER_MS,
                           .conns_per_key = LIMIT_CONNS_PER_KEY,
                           .body_bytes = LIMIT_BODY_BYTES,
                           .park_bytes = LIMIT_SSE_PARK_BYTES,
                           .drop_bytes = LIMIT_SSE_DROP_BYTES};
}

/* What the descriptor limit leaves after the reserve, at least 1. */
static uint32_t conns_from_nofile(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_cur <= LIMIT_FD_RESERVE)
        return 1;
    rlim_t n = lim.rlim_cur - LIMIT_FD_RESERVE;
    return n > 1u << 20 ? 1u << 20 : (uint32_t)n;
}

server *server_create(uv_loop_t *loop, const server_limits *limits, const server_hooks *hooks)
{
    server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    _Static_assert(sizeof s->read_buffer == LIMIT_READ_BYTES, "see limits.h");
    s->loop = loop;
    s->limits = *limits;
    s->hooks = *hooks;
    if (!s->limits.conns)
        s->limits.conns = conns_from_nofile();
    return s;
}

static void on_connection(uv_stream_t *listener, int status)
{
    assert_on_loop();
    server *s = listener->data;
    if (status < 0 || s->closing) {
        log_event(LOG_WARN, "accept_failed", "reason=%s", uv_err_name(status));
        return;
    }
    bool refused = s->n_conns - s->n_refused >= s->limits.conns;
    if (!conn_accept(s, listener, refused))
        log_event(LOG_WARN, "accept_failed", "reason=memory");
}

static bool parse_address(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    return uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(host, port, (struct sockaddr_in6 *)out) == 0;
}

bool server_listen_tcp(server *s, const char *host, uint16_t port, error_text *err)
{
    struct sockaddr_storage addr;
    memset(&addr, 0, sizeof addr);
    if (!parse_address(host, port, &addr))
        return error_text_set(err, "%.100s is not a numeric address (names are not resolved)",
                              host);
    int rc = uv_tcp_init(s->loop, &s->tcp);
    if (rc < 0)
        return error_text_set(err, "socket: %s", uv_strerror(rc));
    s->tcp_open = true;
    s->tcp.data = s;
    rc = uv_tcp_bind(&s->tcp, (struct sockaddr *)&addr, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->tcp, BACKLOG, on_connection);
    int len = sizeof addr;
    if (rc == 0)
        rc = uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&addr, &len);
    if (rc < 0)
        return error_text_set(err, "cannot listen on %.100s port %u: %s", host, port,
                              uv_strerror(rc));
    s->port = ntohs(addr.ss_family == AF_INET ? ((struct sockaddr_in *)&addr)->sin_port
                                              : ((struct sockaddr_in6 *)&addr)->sin6_port);
    return true;
}

/* Removes a socket file that nobody answers on. False: somebody does, or it is no socket. */
static bool clear_stale_socket(const struct sockaddr_un *addr, error_text *err)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) != 0)
        return true;
    if (!S_ISSOCK(st.st_mode))
        return error_text_set(err, "%s exists and is not a socket", addr->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_text_set(err, "socket: %s", strerror(errno));
    int rc = connect(fd, (const struct sockaddr *)addr, sizeof *addr);
    bool stale = rc != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!stale)
        return error_text_set(err, "%s is in use", addr->sun_path);
    unlink(addr->sun_path);
    return true;
}

bool server_listen_unix(server *s, const char *path, error_text *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path)
        return error_text_set(err, "%.100s: the path of a Unix socket has at most %zu bytes", path,
                              sizeof addr.sun_path - 1);
    strcpy(addr.sun_path, path);
    if (!clear_stale_socket(&addr, err))
        return false;
    int rc = uv_pipe_init(s->loop, &s->pipe, 0);
    if (rc < 0)
        return error_text_set(err, "socket: %s", uv_strerror(rc));
    s->pipe_open = true;
    s->pipe.data = s;
    mode_t before = umask(0177); /* 0600 from the first moment */
    rc = uv_pipe_bind(&s->pipe, path);
    umask(before);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->pipe, BACKLOG, on_connection);
    return rc == 0 || error_text_set(err, "cannot listen on %s: %s", path, uv_strerror(rc));
}

void server_drain(server *s)
{
    s->draining = true;
}

void server_close(server *s)
{
    if (s->closing)
        return;
    s->closing = true;
    if (s->tcp_open)
        uv_close((uv_handle_t *)&s->tcp, NULL);
    if (s->pipe_open)
        uv_close((uv_handle_t *)&s->pipe, NULL);
    while (s->conns)
        conn_close(s->conns);
}

void server_free(server *s)
{
    if (!s)
        return;
    free(s->conns_of_key);
    free(s);
}
