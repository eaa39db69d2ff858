/* What a connection still has to write: a queue of byte blocks, one write under way at a time, in
 * pieces of LIMIT_WRITE_PIECE_BYTES. The write request lives inside, so that a write needs no
 * memory of its own. Loop thread. */
#ifndef DAEMON_NET_WRITE_QUEUE_H
#define DAEMON_NET_WRITE_QUEUE_H

#include "base/buf.h"
#include "base/thread_roles.h"

#include <uv.h>

typedef struct write_block write_block;

typedef struct write_queue {
    uv_stream_t *stream; /* (i) */
    uv_write_t request;
    write_block *head, *tail;
    size_t waiting;   /* bytes in blocks that no write has been given */
    size_t in_flight; /* bytes of the write under way; 0 = none */
    /* After a write ended that could not be finished at once: status 0 or a libuv error. */
    void (*on_written)(struct write_queue *q, int status);
} write_queue;

void write_queue_init(write_queue *q, uv_stream_t *stream,
                      void (*on_written)(write_queue *q, int status)) ON_LOOP;
/* Takes b's bytes and writes what the kernel takes now. A libuv error, or 0. */
int write_queue_add(write_queue *q, buf *b) ON_LOOP;
/* Bytes the kernel has not taken. */
size_t write_queue_bytes(const write_queue *q) ON_LOOP;
void write_queue_free(write_queue *q); /* after the stream's close callback */

#endif
