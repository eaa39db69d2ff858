/* A validated generation request: what the loop hands to the scheduler.
 *
 * Built by api/ on a worker thread, immutable from submission on, shared by reference: the loop
 * keeps one to write the reply by, the scheduler one to compute by. All pointers are owned by the
 * request and freed with its last reference. */
#ifndef DAEMON_BRIDGE_GEN_REQUEST_H
#define DAEMON_BRIDGE_GEN_REQUEST_H

#include "engine.h"
#include "policy/policy.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum gen_class { GEN_INTERACTIVE, GEN_API, GEN_BACKGROUND, GEN_CLASSES } gen_class;
typedef enum gen_family { GEN_COMPLETIONS, GEN_CHAT, GEN_REWARDS } gen_family;

typedef struct gen_prompt {
    int32_t *tokens; /* n_tokens >= 1 */
    uint32_t n_tokens;
    char *text; /* the prompt as sent, for echo; NULL for token-id prompts (echo detokenizes) */
    size_t text_len;
} gen_prompt;

typedef struct gen_stop {
    char *text;
    size_t len; /* >= 1 */
} gen_stop;

/* How the reply is written; the scheduler does not look at it except where noted. */
typedef struct gen_format {
    gen_family family;
    bool stream; /* scheduler: chunks as they come, else one a choice */
    bool include_usage, continuous_usage;
    bool return_token_ids, return_timings;
    bool return_progress; /* scheduler: sends progress events */
    char model[96];       /* "instruct@pol_..." */
} gen_format;

typedef struct gen_request {
    atomic_uint refs; /* (a) */
    uint64_t id;      /* the key of every message; set by the loop at submission */
    gen_class class;
    policy *policy;  /* pinned */
    bool follows;    /* named an alias whose in_flight is "recompute": the scheduler moves it when
                        that alias moves; the alias stands before the @ of format.model */
    uint64_t tenant; /* prefix-cache salt: requests share prefixes within a tenant; never 0 */
    int64_t arrived_ns; /* CLOCK_MONOTONIC */

    gen_prompt *prompts;
    uint32_t n_prompts;
    uint32_t n, best_of; /* best_of >= n >= 1; choice index = prompt*n + j */
    uint32_t max_tokens, min_tokens;
    bool echo;      /* prompt first in the text and the log-prob arrays; prefix reuse is bypassed */
    int n_logprobs; /* -1: none wanted; else 0..20 alternatives beside the sampled token */

    bool score;          /* draw nothing: the score head's number after each prompt */
    bool drawn_logprobs; /* with return_token_ids: each id's log-prob under its temperature */

    eng_sampling sampling; /* .choice is where its choices' numbers begin; .bias is owned */
    gen_stop *stops;
    uint32_t n_stops;
    int32_t *stop_ids;
    uint32_t n_stop_ids;
    bool ignore_eos, include_stop_text;

    gen_format format;
} gen_request;

/* Zeroed with one reference, or NULL. [any thread] */
gen_request *gen_request_create(void);
gen_request *gen_request_ref(gen_request *r);
void gen_request_unref(gen_request *r); /* NULL allowed */
/* Does each choice need the row after its prompt, to draw from or to score? */
static inline bool gen_request_wants_row(const gen_request *r)
{
    return r->max_tokens || r->score;
}

#endif
