/* Drives the head gate and the parser over bytes in pieces, the way a connection does, without one.
 */
#ifndef TESTS_DAEMON_HTTP_DRIVE_H
#define TESTS_DAEMON_HTTP_DRIVE_H

#include "base/limits.h"
#include "net/head_gate.h"
#include "net/http_parser.h"

#include <string.h>

enum { DRIVE_STATUSES = 64 };

typedef struct http_drive {
    char in[128 * 1024];
    size_t len, used, seen;
    http_parser *parser; /* of the message whose body is arriving */
    int statuses[DRIVE_STATUSES];
    int n_statuses;  /* all of them, also past DRIVE_STATUSES */
    size_t body_sum; /* of the bodies taken: bytes, and a checksum of them */
    uint32_t body_hash;
    bool closed; /* by a fault or the end of keep-alive */
} http_drive;

static inline void drive_status(http_drive *d, int status, bool closes)
{
    if (d->n_statuses < DRIVE_STATUSES)
        d->statuses[d->n_statuses] = status;
    d->n_statuses++;
    d->closed = closes;
    http_parser_free(d->parser);
    d->parser = NULL;
}

static inline void drive_outcome(http_drive *d, http_outcome outcome)
{
    http_request *r = http_parser_request(d->parser);
    if (outcome == HTTP_REJECT) {
        drive_status(d, http_parser_status(d->parser), true);
    } else if (r->content_length > LIMIT_BODY_BYTES) {
        drive_status(d, 413, true);
    } else if (outcome == HTTP_MESSAGE) {
        for (size_t i = 0; i < r->body.len; i++)
            d->body_hash = d->body_hash * 31 + (unsigned char)r->body.data[i];
        d->body_sum += r->body.len;
        drive_status(d, 200, !r->keep_alive);
    }
}

static inline bool drive_step(http_drive *d)
{
    const char *at = d->in + d->used;
    size_t len = d->len - d->used, used = 0;
    if (d->closed || len == 0)
        return false;
    if (d->parser) {
        http_outcome outcome = http_parser_body(d->parser, at, len, &used);
        d->used += used;
        drive_outcome(d, outcome);
        return outcome != HTTP_MORE;
    }
    head_result r = head_gate_check(at, len, d->seen);
    d->seen = r.verdict == HEAD_MORE ? len : 0;
    if (r.verdict == HEAD_REJECT)
        drive_status(d, r.status, true);
    if (r.verdict != HEAD_OK)
        return false;
    d->parser = http_parser_create(LIMIT_BODY_BYTES);
    http_outcome outcome = http_parser_head(d->parser, at, r.len);
    d->used += r.len;
    drive_outcome(d, outcome);
    return true;
}

/* d starts zeroed; drive_free ends it. Bytes past the buffer are ignored. */
static inline void drive_feed(http_drive *d, const char *bytes, size_t len)
{
    if (len > sizeof d->in - d->len)
        len = sizeof d->in - d->len;
    memcpy(d->in + d->len, bytes, len);
    d->len += len;
    while (drive_step(d))
        ;
}

static inline void drive_free(http_drive *d)
{
    http_parser_free(d->parser);
    d->parser = NULL;
}

#endif
