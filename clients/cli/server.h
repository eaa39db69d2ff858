/* The server that the commands talk to: where it is, which key it gets, and what its failures mean
 * to a person. */
#ifndef CLI_SERVER_H
#define CLI_SERVER_H

#include "http.h"
#include "options.h"

typedef struct server {
    http_client *http; /* owned */
    char url[512];     /* scheme://host:port, as shown to people */
    char key[256];     /* "" = none */
    bool loopback;     /* the host is this machine's loopback */
    double timeout_s;
} server;

/* Finds URL and key (options, then environment, then <data dir>/admin.key). The file's key goes to
 * a loopback server only, and from a directory that nobody named only to the default address: any
 * other server must be given its key by name. Connects to nothing yet. */
exit_code server_open(server *s, const options *o, problem *p);
void server_close(server *s);

/* One exchange; see http.h for call and reply. EXIT_DONE for a 2xx reply, else the problem says
 * what happened. HTTP_STOPPED returns EXIT_DONE: the reader knows why it stopped. The caller frees
 * the reply in every case. */
exit_code server_exchange(server *s, const http_call *call, http_reply *reply, problem *p);
/* Asks for a whole JSON object. On EXIT_DONE *json is the caller's to delete; *raw (unless NULL) is
 * the text of the reply, to free; etag (unless NULL) is the header with its quotes, or "". */
exit_code server_call(server *s, const http_call *call, cJSON **json, char **raw, char etag[64],
                      problem *p);
/* The same for a GET, or with a body a POST. On EXIT_DONE *json is the caller's to delete, and
 * *raw, unless NULL, the text of the reply to free. */
exit_code server_json(server *s, const char *path, const char *body, cJSON **json, char **raw,
                      problem *p);
/* Fills p from an API error object {message,type,param,code}; status 0 = it came in a stream. */
exit_code server_error(const cJSON *error, int status, problem *p);

#endif
