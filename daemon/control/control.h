/* What a management request does: JSON in, a call into policy/, host/ or store/, JSON out. One file
 * a family; each function is a column of net's route table and runs on a worker thread, where it
 * may block. It knows no sockets. */
#ifndef DAEMON_CONTROL_CONTROL_H
#define DAEMON_CONTROL_CONTROL_H

#include "api/error.h"
#include "base/buf.h"
#include "base/keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct publisher;
struct policy_registry;
struct store;
struct events;
struct jobs;
struct label_sampler;
struct metrics;
struct plugin_host;

/* The rooms behind the management routes; made by rooms.c, alive as long as the server. A room is
 * NULL until it is open: control_fns then answer 503 not_ready. */
typedef struct control {
    const char *data_dir;
    struct policy_registry *registry;
    struct store *store;
    struct events *events;
    struct publisher *publisher;
    struct plugin_host *plugins;
    struct jobs *jobs;
    struct label_sampler *sampler;
    struct metrics *metrics;
} control;

/* Everything a handler may know of a request; alive during the call. */
typedef struct control_request {
    const char *names[2]; /* the {name}s of the path, decoded; "" if absent */
    const char *query;    /* after '?', "" if none: query_value() takes it apart */
    const char *body;     /* NUL-terminated, "" if none */
    size_t body_len;
    const char *if_match;      /* the header's value, "" if absent */
    const char *if_none_match; /* likewise */
    const char *actor;         /* the key's name, for the audit */
    const key_info *key;       /* who asks; user "" without a key */
    bool may_take_long; /* minutes, perhaps. Else: who finds that it would sets reply->takes_long,
                           does nothing, returns false, and is called again where it may */
} control_request;

typedef struct control_reply {
    int status;         /* 200 unless set; 204 goes out without a body */
    buf body;           /* JSON, complete; or what `type` says */
    char etag[32];      /* "" = none; without quotes */
    bool takes_long;    /* see may_take_long */
    bool no_retry;      /* x-should-retry: false */
    const char *type;   /* static; NULL: application/json */
    int file_fd;        /* -1, or a regular file that is the body: the reply's, sent in pieces */
    char filename[256]; /* of it, offered for saving; "" = none */
    uint64_t rows_left_out; /* x-instructd-rows-left-out: that an export's format cannot say */
} control_reply;

/* False: *err is the reply. */
typedef bool control_fn(const control *c, const control_request *request, control_reply *reply,
                        api_error *err);

#endif
