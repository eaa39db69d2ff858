/* One HTTP exchange at a time with one server, over a connection that is kept between exchanges.
 * A pending ending signal (signals.h) cuts the exchange and closes its connection, which cancels
 * the request at the server. No redirects, http and https only. */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include "text.h"

#include <stdint.h>

typedef struct http_client http_client;

typedef enum http_outcome {
    HTTP_DONE,          /* a reply arrived in full, whatever its status */
    HTTP_NO_CONNECTION, /* refused, no such host, TLS, or no answer to connecting */
    HTTP_CUT,           /* the connection ended inside the exchange */
    HTTP_SILENT,        /* no byte within the timeout */
    HTTP_STOPPED,       /* on_body returned false */
    HTTP_INTERRUPTED,   /* an ending signal */
    HTTP_FOREIGN        /* what answered does not speak HTTP, or its reply is too long */
} http_outcome;

/* The next bytes of a 2xx body. false = stop: the connection is closed. */
typedef bool http_body_fn(void *ctx, const char *bytes, size_t n);

/* A file on its way out, as multipart/form-data. It is read while it is sent. */
typedef struct http_upload {
    const char *path;
    const char *filename; /* what the server shall call it */
    const char *purpose;  /* the other field of the form */
    /* Tells how far it is; also called with nothing new. May be NULL. */
    void (*on_sent)(void *ctx, uint64_t sent, uint64_t total);
    void *ctx;
} http_upload;

typedef struct http_call {
    const char *path;          /* "/v1/models" */
    const char *method;        /* NULL = POST where there is something to send, else GET */
    const char *body;          /* JSON to send, or NULL */
    const http_upload *upload; /* instead of a body, or NULL */
    const char *headers[2];    /* further lines, "If-Match: \"3\""; NULL = none */
    http_body_fn *on_body;     /* NULL = the body is collected in the reply */
    void *ctx;
    const char *content_type; /* on_body is used for this type only (NULL: every); others are
                                 collected */
} http_call;

typedef struct http_reply {
    int status; /* 0 = no head arrived */
    char content_type[96];
    char policy[96];        /* x-instructd-policy */
    char request_id[80];    /* x-request-id */
    char etag[64];          /* with its quotes */
    long retry_after_ms;    /* -1 = not given */
    uint64_t rows_left_out; /* x-instructd-rows-left-out */
    text body;              /* collected; owned, http_reply_free */
    char detail[256];       /* why it is not HTTP_DONE, in libcurl's words; may be "" */
} http_reply;

typedef struct http_settings {
    const char *base_url; /* "http://127.0.0.1:8080", no path */
    const char *key;      /* Bearer value; NULL = none */
    double timeout_s;     /* silence that ends an exchange; 0 = none */
    bool direct;          /* never through a proxy of the environment */
} http_settings;

/* Copies what it keeps of the settings. NULL without memory. http_close ends it. */
http_client *http_open(const http_settings *settings);
void http_close(http_client *c);
/* Fills the reply (also when the outcome is not HTTP_DONE, as far as it came); the caller frees it
 * with http_reply_free in every case. */
http_outcome http_exchange(http_client *c, const http_call *call, http_reply *reply);
void http_reply_free(http_reply *reply);
/* Seconds of a clock that only goes forward. */
double clock_s(void);

#endif
