/* GET /v1/events?topics=policy,alias,job,rollout: the event bus as server-sent events,
 *
 *     id: 1879048192000001
 *     event: alias.moved
 *     data: {"name":"instruct",...}
 *
 * Without Last-Event-ID it begins with what happens next. A reader that comes back too late, or is
 * slower than the bus remembers, gets `event: lost` first. Loop thread. */
#ifndef DAEMON_NET_BUS_STREAM_H
#define DAEMON_NET_BUS_STREAM_H

#include "base/thread_roles.h"
#include "net/exchange.h"
#include "net/service.h"

void bus_stream_handle(service *s, exchange *x) ON_LOOP;

#endif
