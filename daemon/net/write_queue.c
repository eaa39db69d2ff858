#include "net/write_queue.h"

#include "base/limits.h"

#include <stdlib.h>

struct write_block {
    write_block *next;
    char *data;
    size_t len, sent;
};

void write_queue_init(write_queue *q, uv_stream_t *stream, void (*on_written)(write_queue *, int))
{
    *q = (write_queue){.stream = stream, .on_written = on_written};
    q->request.data = q;
}

static void block_free(write_block *b)
{
    free(b->data);
    free(b);
}

/* The first block has n more bytes behind it. */
static void advance(write_queue *q, size_t n)
{
    write_block *b = q->head;
    b->sent += n;
    if (b->sent < b->len)
        return;
    q->head = b->next;
    if (!q->head)
        q->tail = NULL;
    block_free(b);
}

static int pump(write_queue *q) ON_LOOP;

static void on_write_done(uv_write_t *request, int status)
{
    assert_on_loop();
    write_queue *q = request->data;
    size_t n = q->in_flight;
    q->in_flight = 0;
    if (status == 0) {
        advance(q, n);
        status = pump(q);
    }
    q->on_written(q, status);
}

/* Writes until the kernel takes no more, then leaves one piece to libuv. */
static int pump(write_queue *q)
{
    while (q->head && !q->in_flight) {
        write_block *b = q->head;
        size_t left = b->len - b->sent;
        size_t n = left < LIMIT_WRITE_PIECE_BYTES ? left : LIMIT_WRITE_PIECE_BYTES;
        uv_buf_t piece = uv_buf_init(b->data + b->sent, (unsigned)n);
        int rc = uv_try_write(q->stream, &piece, 1);
        if (rc >= 0) {
            q->waiting -= (size_t)rc;
            advance(q, (size_t)rc);
            continue;
        }
        if (rc != UV_EAGAIN)
            return rc;
        rc = uv_write(&q->request, q->stream, &piece, 1, on_write_done);
        if (rc < 0)
            return rc;
        q->waiting -= n;
        q->in_flight = n;
    }
    return 0;
}

int write_queue_add(write_queue *q, buf *b)
{
    if (b->len == 0 && !b->failed) {
        buf_free(b);
        return 0;
    }
    write_block *block = malloc(sizeof *block);
    size_t len = 0;
    char *data = buf_take(b, &len);
    if (!block || !data) {
        free(data);
        free(block);
        return UV_ENOMEM;
    }
    *block = (write_block){.data = data, .len = len};
    if (q->tail)
        q->tail->next = block;
    else
        q->head = block;
    q->tail = block;
    q->waiting += len;
    return pump(q);
}

size_t write_queue_bytes(const write_queue *q)
{
    return q->waiting + uv_stream_get_write_queue_size(q->stream);
}

void write_queue_free(write_queue *q)
{
    while (q->head) {
        write_block *b = q->head;
        q->head = b->next;
        block_free(b);
    }
}
