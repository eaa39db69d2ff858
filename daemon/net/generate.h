/* /v1/completions, /v1/chat/completions and /v1/rewards: from a body to the scheduler, from its
 * events to a reply.
 *
 *   body -> worker: api_generate_parse -> CMD_SUBMIT -> ... -> events by request id -> SSE or JSON
 *
 * The client may leave at any point: a parse under way runs out and is dropped, a submitted request
 * is cancelled, and events of ids no longer known are dropped. Loop thread. */
#ifndef DAEMON_NET_GENERATE_H
#define DAEMON_NET_GENERATE_H

#include "base/thread_roles.h"
#include "bridge/messages.h"
#include "net/exchange.h"
#include "net/service.h"

typedef struct generate generate;

generate *generate_create(service *s); /* NULL when memory is out */
/* Every exchange has ended by then (server_close). */
void generate_free(generate *g);

void generate_completions(service *s, exchange *x) ON_LOOP;
void generate_chat(service *s, exchange *x) ON_LOOP;
void generate_rewards(service *s, exchange *x) ON_LOOP;

/* Takes what the scheduler posted: a chain of events, freed here. */
void generate_on_events(generate *g, mail *chain) ON_LOOP;
/* Ends whatever is still being generated with 503 (the drain's time is over). */
void generate_abort_all(generate *g) ON_LOOP;
size_t generate_count(const generate *g) ON_LOOP; /* submitted and not ended */

#endif
