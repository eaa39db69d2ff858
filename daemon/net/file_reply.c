#include "net/file_reply.h"

#include "base/limits.h"
#include "base/log.h"
#include "net/conn.h"
#include "net/response.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct file_reply {
    reply_stream to;
    int fd;
    uint64_t offset, left;
    uv_fs_t read;
    bool reading; /* `read` is under way and fills `piece` */
    char *piece;
    size_t stall_mark; /* queued when the timer was set */
} file_reply;

static void next_piece(file_reply *f) ON_LOOP;

static void release(file_reply *f)
{
    close(f->fd);
    free(f->piece);
    free(f);
}

ON_LOOP static void finish(file_reply *f)
{
    exchange *x = f->to.x;
    x->stream = NULL;
    x->on_gone = NULL;
    conn_end_reply(x->conn);
    release(f);
}

static void on_gone(exchange *x)
{
    file_reply *f = x->work;
    if (!f->reading) /* else on_read does */
        release(f);
}

ON_LOOP static void watch(file_reply *f)
{
    f->stall_mark = conn_queued(f->to.x->conn);
    conn_set_timer(f->to.x->conn, conn_server(f->to.x->conn)->limits.stall_ms);
}

static void on_read(uv_fs_t *read)
{
    assert_on_loop();
    file_reply *f = read->data;
    const ssize_t n = read->result;
    uv_fs_req_cleanup(read);
    f->reading = false;
    if (!f->to.x) {
        release(f);
        return;
    }
    conn *c = f->to.x->conn;
    if (n <= 0) { /* the length is promised already */
        log_event(LOG_ERROR, "file_reply_cut", "id=%s left=%llu rc=%zd", f->to.x->id,
                  (unsigned long long)f->left, n);
        conn_fail(c);
        return;
    }
    buf piece = {.data = f->piece, .len = (size_t)n, .cap = (size_t)n + 1, .max = (size_t)n};
    piece.data[n] = 0;
    f->piece = NULL;
    f->offset += (uint64_t)n;
    f->left -= (uint64_t)n;
    conn_send(c, &piece);
    next_piece(f);
}

/* Reads on once the last piece has left; at most one lies in the queue. */
static void next_piece(file_reply *f)
{
    conn *c = f->to.x->conn;
    watch(f);
    if (f->left == 0) {
        finish(f);
        return;
    }
    if (f->reading || conn_queued(c) > 0)
        return;
    const size_t n = f->left < LIMIT_WRITE_PIECE_BYTES ? (size_t)f->left : LIMIT_WRITE_PIECE_BYTES;
    f->piece = malloc(n + 1);
    uv_buf_t to = uv_buf_init(f->piece, (unsigned)n);
    f->read.data = f;
    f->reading = f->piece && uv_fs_read(conn_server(c)->loop, &f->read, f->fd, &to, 1,
                                        (int64_t)f->offset, on_read) == 0;
    if (!f->reading)
        conn_fail(c);
}

static void on_drained(reply_stream *to)
{
    assert_on_loop();
    next_piece((file_reply *)(void *)to);
}

static void on_timer(reply_stream *to)
{
    assert_on_loop();
    file_reply *f = (file_reply *)(void *)to;
    const size_t queued = conn_queued(to->x->conn);
    if (queued && queued >= f->stall_mark) {
        log_event(LOG_INFO, "slow_reader_dropped", "id=%s queued=%zu", to->x->id, queued);
        conn_fail(to->x->conn);
        return;
    }
    watch(f);
}

/* content-disposition: what is not plain ASCII in the name becomes '_'. */
static void offer_name(exchange *x, const char *filename)
{
    char safe[256];
    size_t n = 0;
    for (const char *c = filename; *c && n + 1 < sizeof safe; c++) {
        const bool plain = *c > 0x20 && *c < 0x7f && !strchr("\"\\/;%", *c);
        safe[n++] = plain ? *c : '_';
    }
    safe[n] = 0;
    buf_printf(&x->headers, "content-disposition: attachment; filename=\"%s\"\r\n", safe);
}

ON_LOOP static void send_head(exchange *x, const char *type, uint64_t bytes)
{
    buf head;
    char framing[48];
    buf_init(&head, LIMIT_HEAD_BYTES);
    snprintf(framing, sizeof framing, "content-length: %llu\r\n", (unsigned long long)bytes);
    response_write_head(x, 200, type, framing, &head);
    conn_send(x->conn, &head);
}

void file_reply_send(exchange *x, int fd, const char *type, const char *filename)
{
    struct stat st;
    file_reply *f = calloc(1, sizeof *f);
    if (!f || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        free(f);
        response_fail(x, 503, "unavailable_error", "out_of_memory", "the file cannot be sent");
        return;
    }
    f->to = (reply_stream){.x = x, .on_drained = on_drained, .on_timer = on_timer};
    f->fd = fd;
    f->left = x->head_only ? 0 : (uint64_t)st.st_size;
    x->stream = &f->to;
    x->work = f;
    x->on_gone = on_gone;
    if (filename[0])
        offer_name(x, filename);
    send_head(x, type, (uint64_t)st.st_size);
    next_piece(f);
}
