/* The log-prob objects of both families, written from the records of a choice's chunks. */
#ifndef DAEMON_API_LOGPROBS_H
#define DAEMON_API_LOGPROBS_H

#include "base/buf.h"
#include "bridge/messages.h"
#include "engine.h"

/* A choice's records in order: those of chunks[0], then chunks[1], ... */
typedef struct token_records {
    const gen_chunk *const *chunks;
    uint32_t n_chunks;
} token_records;

/* {"tokens":[],"token_logprobs":[],"top_logprobs":[],"text_offset":[]}; top_logprobs maps hold the
 * alternatives, best first, then the token itself if it is not among them. */
void logprobs_completion(buf *out, const eng_tokenizer *tok, token_records records);
/* {"content":[{token,logprob,bytes,top_logprobs}],"refusal":null}, hidden tokens left out. */
void logprobs_chat(buf *out, const eng_tokenizer *tok, token_records records);

#endif
