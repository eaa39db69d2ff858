/* From tokens to text that may be sent: the output side of one choice.
 *
 * Per token: append its bytes, hold an unfinished UTF-8 tail, look for stop strings in the unsent
 * text, hold a suffix that may become one, release the rest. A token's log-prob record is released
 * with the text that holds its last byte. What the released pieces join to does not depend on where
 * they were cut.
 *
 * Owner: the compute thread. A failed allocation marks the emitter failed and ends its job. */
#ifndef DAEMON_SERVE_EMIT_H
#define DAEMON_SERVE_EMIT_H

#include "base/buf.h"
#include "bridge/messages.h"
#include "text_stream.h"

typedef struct emit_record {
    gen_token token;
    size_t start, end; /* bytes of the choice's text; end is SIZE_MAX while a tail is held */
} emit_record;

typedef struct emit {
    const gen_request *request; /* borrowed */
    const eng_tokenizer *tokenizer;
    eng_utf8_stream utf8;
    buf text;          /* unsent, valid UTF-8 */
    size_t sent_bytes; /* before text.data */
    uint32_t n_chars;  /* code points of the text so far, sent or not */
    size_t ready;      /* bytes of text that may be sent */
    emit_record *records;
    uint32_t n_records, cap_records;
    int32_t *ids; /* sampled, not yet sent; kept only if format.return_token_ids */
    uint32_t n_ids, cap_ids;
    float *id_logprobs; /* of each of ids; kept only if request->drawn_logprobs */
    uint32_t cap_id_logprobs;
    bool failed;
} emit;

/* A token as it came from the engine. */
typedef struct emit_token {
    int32_t id;
    bool sampled; /* else a prompt token of an echo */
    bool silent;  /* an end or stop id, or a BOS that the prompt did not spell: no text */
    bool first;   /* nothing to predict it from: null log-prob */
    const eng_output *logprobs; /* logprob and top; NULL when none are wanted */
    float drawn_logprob;        /* of a sampled token, if request->drawn_logprobs */
} emit_token;

void emit_init(emit *e, const gen_request *request);
void emit_free(emit *e);

/* The next token of the choice; with look_for_stop, *stopped tells that a stop string ended it and
 * the text is cut there. */
void emit_push(emit *e, const emit_token *token, bool look_for_stop, bool *stopped);
/* The choice is over: releases what was held; an unfinished tail becomes U+FFFD. */
void emit_finish(emit *e);
/* Moves what may be sent into *chunk; false when that is nothing. The caller sets choice and
 * finish. */
bool emit_take(emit *e, gen_chunk *chunk);

#endif
