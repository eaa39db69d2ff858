/* A file as a reply's body: read on libuv's workers and sent in pieces of LIMIT_WRITE_PIECE_BYTES,
 * the next one when the last has left. Nothing of it is held but a piece. A reader that takes
 * nothing for stall_ms is dropped. Loop thread. */
#ifndef DAEMON_NET_FILE_REPLY_H
#define DAEMON_NET_FILE_REPLY_H

#include "base/thread_roles.h"
#include "net/exchange.h"

/* Answers 200 with the regular file behind fd, from its begin to its present end; fd is closed in
 * any case. filename: offered for saving, or "" for none. The exchange ends later, or at once when
 * there is nothing to send. */
void file_reply_send(exchange *x, int fd, const char *type, const char *filename) ON_LOOP;

#endif
