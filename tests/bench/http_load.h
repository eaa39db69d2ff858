/* Closed-loop load: C clients on one thread, each sending its next completion request as soon as
 * the last one was answered, until N are done. */
#ifndef BENCH_HTTP_LOAD_H
#define BENCH_HTTP_LOAD_H

#include "measure.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* A server on this machine. */
typedef struct http_target {
    struct sockaddr_storage address;
    socklen_t address_len;
    char host[80];    /* for the Host header: "127.0.0.1:8080" */
    char prefix[256]; /* path in front of /v1: "" */
    const char *key;  /* bearer token or NULL */
} http_target;

/* Reads "http://127.0.0.1:8080[/path]"; false, with *why set, for anything but plain HTTP to a
 * loopback address. `localhost` means 127.0.0.1; no name is ever looked up. */
bool http_target_read(http_target *t, const char *url, const char **why);

typedef struct load_options {
    uint32_t clients, requests;
    uint32_t prompt_tokens, max_tokens;
    uint32_t vocab;    /* prompts are random ids below it */
    bool same_prompt;  /* one prompt for all requests, so that its prefix can be shared */
    bool stream;       /* server-sent events; else whole replies */
    double timeout_s;  /* of one request */
    const char *model; /* NULL = the server's default */
    double slo_ttft_s; /* a request counts for goodput when its first token came within this */
    double slo_gap_s;  /* and no gap between its later ones was longer than this */
} load_options;

typedef struct load_result {
    double seconds;      /* from the first byte sent to the last reply */
    uint64_t ok;         /* requests answered whole */
    uint64_t within_slo; /* of these, the ones that count for goodput */
    uint64_t tokens;     /* generated, as the replies' `usage` tells */
    uint64_t failed_to_connect, refused, cut, timed_out; /* refused: a status other than 200 */
    char first_error[512];                               /* the first failure in words, "" = none */
    /* Seconds, a sample each: */
    series ttft;          /* per stream: request's first byte out to first event with a choice in */
    series gaps;          /* per event after that; an event is one token but for held UTF-8 */
    series total;         /* per request */
    series added;         /* per stream: TTFT less the queue and prefill times the server tells */
    series added_at_once; /* the same of the clients' first requests, which all go out together */
} load_result;

/* Asks the server's /tokenizer_info for the size of its vocabulary; 0 when it does not tell. */
uint32_t load_vocab(const http_target *t, double timeout_s);
/* The caller frees with load_result_free. */
void load_run(load_result *out, const http_target *t, const load_options *o);
void load_result_free(load_result *r);

#endif
