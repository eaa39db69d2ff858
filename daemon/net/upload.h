/* POST /v1/files: a body that goes to disk as it arrives. The loop collects bytes, one worker at a
 * time takes them apart and writes them (control/file_upload); while LIMIT_UPLOAD_WAITING_BYTES
 * wait for it, the client is not read. Loop thread. */
#ifndef DAEMON_NET_UPLOAD_H
#define DAEMON_NET_UPLOAD_H

#include "base/thread_roles.h"
#include "net/exchange.h"
#include "net/service.h"

/* The head of the request has arrived: takes the body over. False: answered. */
bool upload_begin(service *s, exchange *x) ON_LOOP;
/* The route's handler: the body is complete. */
void upload_handle(service *s, exchange *x) ON_LOOP;

#endif
