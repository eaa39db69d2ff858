#include "net/manage.h"

#include "base/limits.h"
#include "net/file_reply.h"
#include "net/response.h"
#include "net/route.h"
#include "net/worker_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A request as the worker sees it: copies, since the client may leave and take the exchange. */
typedef struct manage_job {
    worker_job job;
    control_fn *run;
    control control; /* as it was on the loop: rooms open while this runs */
    char names[2][129], actor[65];
    key_info key;
    char *headers; /* query, if-match, if-none-match, each with its NUL; owned */
    control_request request;
    control_reply reply;
    api_error err;
    bool ok;
} manage_job;

static void run(worker_job *job)
{
    manage_job *m = (manage_job *)(void *)job;
    m->request.body = job->body;
    m->request.body_len = job->len;
    m->request.may_take_long = job->work.kind == WORK_LONG;
    m->ok = m->run(&m->control, &m->request, &m->reply, &m->err);
    job->again = m->reply.takes_long;
    m->reply.takes_long = false;
}

ON_LOOP static void send_reply(exchange *x, control_reply *reply)
{
    if (reply->etag[0]) {
        char quoted[sizeof reply->etag + 2];
        snprintf(quoted, sizeof quoted, "\"%s\"", reply->etag);
        response_header(x, "etag", quoted);
    }
    if (reply->rows_left_out) {
        char n[24];
        snprintf(n, sizeof n, "%llu", (unsigned long long)reply->rows_left_out);
        response_header(x, "x-instructd-rows-left-out", n);
    }
    const char *type = reply->type ? reply->type : "application/json";
    const int fd = reply->file_fd;
    reply->file_fd = -1;
    if (fd >= 0)
        file_reply_send(x, fd, type, reply->filename);
    else if (reply->status == 204)
        response_empty(x, 204);
    else
        response_send(x, reply->status, type, &reply->body);
}

static void finish(worker_job *job)
{
    assert_on_loop();
    manage_job *m = (manage_job *)(void *)job;
    if (job->x && m->ok)
        send_reply(job->x, &m->reply);
    else if (job->x)
        response_error(job->x, &m->err);
    if (m->reply.file_fd >= 0)
        close(m->reply.file_fd);
    buf_free(&m->reply.body);
    free(m->headers);
}

/* Appends a string with its NUL at *at and returns where it stands. */
static const char *keep(char **at, const char *s)
{
    const size_t n = strlen(s) + 1;
    char *to = memcpy(*at, s, n);
    *at += n;
    return to;
}

static bool copy_request(manage_job *m, const exchange *x)
{
    const http_request *r = x->request;
    m->headers = malloc(strlen(x->query) + strlen(r->if_match) + strlen(r->if_none_match) + 3);
    if (!m->headers)
        return false;
    char *at = m->headers;
    memcpy(m->names, x->names, sizeof m->names);
    snprintf(m->actor, sizeof m->actor, "%s", x->key.name[0] ? x->key.name : "anonymous");
    m->key = x->key;
    m->request = (control_request){.names = {m->names[0], m->names[1]},
                                   .query = keep(&at, x->query),
                                   .if_match = keep(&at, r->if_match),
                                   .if_none_match = keep(&at, r->if_none_match),
                                   .actor = m->actor,
                                   .key = &m->key};
    return true;
}

void manage(service *s, exchange *x)
{
    manage_job *m = calloc(1, sizeof *m);
    if (!m || !copy_request(m, x)) {
        free(m);
        response_fail(x, 503, "unavailable_error", "out_of_memory", "no memory for this request");
        return;
    }
    m->run = x->route->control;
    m->control = s->control;
    m->reply.status = 200;
    m->reply.file_fd = -1;
    buf_init(&m->reply.body, LIMIT_REPLY_BYTES);
    m->job.run = run;
    m->job.finish = finish;
    m->job.work.kind = x->route->takes_long ? WORK_LONG : WORK_SHORT;
    if (!worker_job_start(&m->job, s, x)) {
        free(m->headers);
        free(m);
    }
}
