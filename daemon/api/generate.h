/* POST /v1/completions and /v1/chat/completions: body -> gen_request, events -> replies.
 *
 * Pure functions without sockets and threads: parsing runs on a worker, writing on the loop. */
#ifndef DAEMON_API_GENERATE_H
#define DAEMON_API_GENERATE_H

#include "api/error.h"
#include "api/ignored.h"
#include "base/buf.h"
#include "bridge/messages.h"
#include "policy/policy.h"

typedef struct api_context {
    policy_registry *registry;
    uint64_t tenant;         /* from the key; never 0 */
    gen_class default_class; /* of the surface; "priority" may only lower it */
    uint64_t random_seed;    /* used when the body names no seed */
    uint32_t pool_tokens;    /* what the KV pool holds of one sequence; clips a default max_tokens.
                                0 = no bound */
} api_context;

/* Checks the body strictly, resolves the model, validates every field of the family against one
 * table (`fields`: type, min, max), tokenizes the prompts and returns a request with one reference.
 * The caller sets id and arrived_ns. False: *err says what is wrong and in which field. ignored:
 * NULL, or gets the members that the family does not know, at the top and in stream_options. */
bool api_generate_parse(gen_family family, const char *body, size_t len, const api_context *context,
                        gen_request **out, api_ignored *ignored, api_error *err);

/* ---- the reply of one request; loop thread, freed by its owner ---- */

typedef struct gen_reply gen_reply;

/* id: "cmpl-..." or "chatcmpl-..." is made from request_name, without its "req_" and cut to fit 64
 * characters; build: for system_fingerprint. Takes a reference of its own; NULL: memory is out. */
gen_reply *gen_reply_create(gen_request *request, const char *request_name, const char *build,
                            int64_t created);
void gen_reply_free(gen_reply *reply);

/* Streaming: appends the SSE events ("data: {...}\n\n", [DONE] after the last) that this event
 * calls for. EV_ERROR gives the error event and no [DONE]. */
void gen_reply_stream(gen_reply *reply, const event *ev, buf *out);
/* Not streaming: keeps what the event brought (its chunk's memory may be moved out of it). False:
 * memory is out, answer 503 out_of_memory. */
bool gen_reply_collect(gen_reply *reply, event *ev);
/* Not streaming, after EV_DONE was collected: appends the whole reply. */
void gen_reply_finish(gen_reply *reply, buf *out);
/* The error object of an EV_ERROR, for a reply whose head has not been sent. */
void gen_failure_error(const event *ev, api_error *err);

#endif
