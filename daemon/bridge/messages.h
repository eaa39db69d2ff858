/* What crosses between the loop thread and the compute thread: who owns what, when.
 *
 * Messages carry request ids, never pointers to connections. A message belongs to its sender until
 * it is posted, then to the mailbox, then to the taker, who frees it. For one request the events
 * come in this order:
 *
 *   ADMITTED  PROGRESS*  CHUNK*  (DONE | ERROR)        ERROR may also come first: 429, 503
 *
 * With several prompts, PROGRESS of one may follow CHUNKs of another. After CANCEL only events
 * already posted still arrive; the loop drops events of ids it no longer knows. */
#ifndef DAEMON_BRIDGE_MESSAGES_H
#define DAEMON_BRIDGE_MESSAGES_H

#include "bridge/gen_request.h"
#include "bridge/mailbox.h"

/* ---- loop -> compute ---- */

typedef enum cmd_kind {
    CMD_SUBMIT, /* .request: one reference passes to compute */
    CMD_CANCEL, /* frees slot and blocks within one step, wherever the request is */
    CMD_PARK,   /* its reader is slow: pause its sequences, keep their blocks */
    CMD_RESUME,
    CMD_MOVE, /* .alias moved to .policy: those that follow it go on under that one, from the next
                 step; their blocks are computed again. From whoever moved it */
    CMD_DRAIN /* refuse further submissions with 503 draining */
} cmd_kind;

typedef struct cmd {
    mail mail;
    cmd_kind kind;
    uint64_t request_id;
    gen_request *request;
    char alias[65];
    policy *policy; /* a reference, the command's */
} cmd;

/* ---- compute -> loop ---- */

typedef enum gen_finish { GEN_RUNNING, GEN_FINISH_STOP, GEN_FINISH_LENGTH } gen_finish;

/* The log-prob record of one token whose last byte lies in this chunk's text (or of a generated
 * end token, which has no text). */
typedef struct gen_token {
    int32_t id;
    float logprob;        /* meaningless when `first` */
    bool first;           /* the first prompt token of an echo: log-prob and top are null */
    bool hidden;          /* an end token or a token without text: not in chat's content array */
    uint32_t text_offset; /* code points of the choice's text before the token's first byte */
    uint8_t n_top;
    eng_top_logprob *top; /* n_top entries, best first; owned by the event */
} gen_token;

/* From the from-th sampled token of a choice on, this policy drew. */
typedef struct gen_span {
    char policy[POLICY_ID_CHARS + 1];
    uint32_t from;
} gen_span;

typedef struct gen_chunk {
    uint32_t choice; /* prompt*n + j */
    char *text;      /* valid UTF-8, may be empty; owned */
    size_t text_len;
    gen_token *tokens; /* owned; empty unless log-probs were asked for */
    uint32_t n_tokens;
    int32_t *ids; /* sampled ids of this chunk, if format.return_token_ids; owned */
    uint32_t n_ids;
    float *id_logprobs; /* [n_ids] if request->drawn_logprobs; owned */
    float score;        /* if request->score */
    gen_finish finish;  /* other than GEN_RUNNING on a choice's last chunk */
    gen_span *spans;    /* of the whole choice, on its last chunk, if request->follows; owned */
    uint32_t n_spans;
} gen_chunk;

typedef struct gen_usage {
    uint32_t prompt_tokens, completion_tokens, cached_tokens;
} gen_usage;

typedef struct gen_timings {
    double queue_ms, prefill_ms, decode_ms;
} gen_timings;

typedef enum gen_failure {
    GEN_FAIL_QUEUE_FULL,    /* 429 queue_full */
    GEN_FAIL_DRAINING,      /* 503 draining */
    GEN_FAIL_OUT_OF_MEMORY, /* 503 out_of_memory: it can never fit the KV pool, or malloc failed */
    GEN_FAIL_NOT_FINITE,    /* 500: the model gave NaN or Inf */
    GEN_FAIL_OTHER_SHAPE    /* 400: the policy has another shape than those being served */
} gen_failure;

typedef enum event_kind { EV_ADMITTED, EV_PROGRESS, EV_CHUNK, EV_DONE, EV_ERROR } event_kind;

typedef struct event {
    mail mail;
    event_kind kind;
    uint64_t request_id;
    gen_usage usage; /* EV_DONE: final; EV_CHUNK: so far, for continuous_usage_stats */
    union {
        struct {
            uint32_t total, cached, processed; /* prompt tokens */
        } progress;
        gen_chunk chunk;
        gen_timings timings; /* EV_DONE */
        struct {
            gen_failure kind;
            uint32_t retry_after_ms; /* 429 and 503 */
        } error;
    };
} event;

cmd *cmd_create(cmd_kind kind, uint64_t request_id); /* NULL when memory is out */
void cmd_free(cmd *c);                               /* unrefs a request still in it */
event *event_create(event_kind kind, uint64_t request_id);
void event_free(event *e);

#endif
