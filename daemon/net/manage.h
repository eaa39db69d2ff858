/* The handler of every management route: runs the row's control_fn on a worker and sends what it
 * made. Loop thread. */
#ifndef DAEMON_NET_MANAGE_H
#define DAEMON_NET_MANAGE_H

#include "base/thread_roles.h"
#include "net/exchange.h"
#include "net/service.h"

void manage(service *s, exchange *x) ON_LOOP;

#endif
