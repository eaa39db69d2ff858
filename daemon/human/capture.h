/* A request of the Playground on its way to the store: its id, so that its author can vote on the
 * answer, and, if they share when it is complete, prompt and answer.
 *
 * Nothing here waits: rows are posted. What other keys ask never gets here. */
#ifndef DAEMON_HUMAN_CAPTURE_H
#define DAEMON_HUMAN_CAPTURE_H

#include "api/captured.h"
#include "base/keys.h"
#include "base/thread_roles.h"
#include "bridge/messages.h"
#include "store/store.h"

typedef struct capture capture;

/* Posts the request's id, and moves the texts out of `prompts`. NULL: the key is not the
 * Playground's, there is no text, or memory is out: then no text of it is kept. */
capture *capture_begin(store *s, const key_info *key, const char *request_id,
                       const gen_request *request, captured_prompts *prompts) ON_LOOP;
/* What the model said, piece by piece; NULL allowed. */
void capture_chunk(capture *c, const gen_chunk *chunk) ON_LOOP;
/* The reply is complete: posts one row a prompt, with its first answer, and frees. NULL allowed. */
void capture_finish(capture *c) ON_LOOP;
/* It never will be. NULL allowed. */
void capture_drop(capture *c);

#endif
