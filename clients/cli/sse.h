/* Server-sent events: bytes in any split -> the data of each event. Lines end in \n, \r\n or \r;
 * comments and the fields event, retry are skipped; several data lines join with \n. The last id is
 * kept, for Last-Event-ID. */
#ifndef CLI_SSE_H
#define CLI_SSE_H

#include "text.h"

typedef enum sse_status {
    SSE_OK,
    SSE_STOPPED, /* the reader returned false; the rest of the bytes was not read */
    SSE_TOO_LONG /* a line or an event past its maximum, or no memory */
} sse_status;

/* data is NUL-terminated after len bytes and valid during the call. false = stop reading. */
typedef bool sse_event_fn(void *ctx, const char *data, size_t len);

typedef struct sse_parser {
    text line, data;
    char last_id[64]; /* of the last event that was reported; "" = none had one */
    char id[64];      /* of the open event */
    bool has_data;    /* the open event has a data line */
    bool after_cr;    /* a \n now belongs to the \r before it */
    bool begun;       /* the first line is past, where a byte order mark may stand */
} sse_parser;

void sse_init(sse_parser *p, size_t max_event_bytes);
void sse_free(sse_parser *p);
/* Calls fn for each event that these bytes complete. An event without its closing empty line is
 * never reported: it was cut. */
sse_status sse_feed(sse_parser *p, const char *bytes, size_t n, sse_event_fn *fn, void *ctx);

#endif
