#include "net/upload.h"

#include "base/limits.h"
#include "control/file_upload.h"
#include "net/conn.h"
#include "net/response.h"

#include <stdlib.h>

/* The worker owns `file` and what follows it while `busy`; the loop all else. The file is freed by
 * a worker in any case: removing a large one takes its time. The last turn, in which plugins look
 * at the file, may take minutes. */
typedef struct upload {
    work work;
    service *service;
    exchange *x; /* NULL once it is answered or lost */
    buf waiting; /* arrived, for the next turn of the worker */
    bool complete;
    bool busy; /* `work` is under way, or in line */

    file_upload *file; /* NULL: over, `ok` tells how */
    buf working;
    bool last;    /* this turn ends the file */
    bool dropped; /* this turn forgets it */
    bool ok;
    api_error err;
    control_reply reply;
} upload;

static void on_run(work *w)
{
    upload *u = (upload *)(void *)w;
    u->ok = !u->dropped;
    if (u->ok && u->working.len)
        u->ok = file_upload_feed(u->file, u->working.data, u->working.len, &u->err);
    if (u->ok && u->last)
        u->ok = file_upload_finish(u->file, &u->reply, &u->err);
    buf_free(&u->working);
    if (u->ok && !u->last)
        return;
    file_upload_free(u->file);
    u->file = NULL;
}

static void on_done(work *w);

ON_LOOP static void start_worker(upload *u)
{
    u->busy = true;
    u->work.run = on_run;
    u->work.done = on_done;
    u->work.kind = u->last && !u->dropped ? WORK_LONG : WORK_SHORT;
    work_start(&u->service->workers, &u->work);
}

ON_LOOP static void release(upload *u)
{
    u->service->uploads--;
    buf_free(&u->waiting);
    buf_free(&u->working);
    buf_free(&u->reply.body);
    free(u);
}

/* The exchange is lost or answered: what was written goes too, once the turn under way has ended.
 */
ON_LOOP static void drop(upload *u)
{
    u->x = NULL;
    if (u->busy && !work_cancel(&u->work))
        return;
    u->dropped = true;
    start_worker(u);
}

static void on_gone(exchange *x)
{
    assert_on_loop();
    drop(x->work);
}

/* Lets go of the exchange, which the caller answers. */
static exchange *take_exchange(upload *u)
{
    exchange *x = u->x;
    x->on_gone = NULL;
    x->work = NULL;
    u->x = NULL;
    return x;
}

ON_LOOP static void fail_memory(upload *u)
{
    api_error err;
    api_no_memory(&err);
    response_error(take_exchange(u), &err);
    drop(u);
}

/* Gives the worker what is there, and reads the client on. */
ON_LOOP static void next_turn(upload *u)
{
    if (u->busy || (!u->waiting.len && !u->complete))
        return;
    u->working = u->waiting;
    buf_init(&u->waiting, 2 * LIMIT_UPLOAD_WAITING_BYTES);
    u->last = u->complete;
    start_worker(u);
    conn_hold_body(u->x->conn, false); /* may bring more, or the end */
}

static void on_done(work *w)
{
    assert_on_loop();
    upload *u = (upload *)(void *)w;
    u->busy = false;
    if (u->file && u->x) {
        next_turn(u);
        return;
    }
    if (u->file) {
        drop(u);
        return;
    }
    if (u->x && u->ok)
        response_json(take_exchange(u), 200, &u->reply.body);
    else if (u->x)
        response_error(take_exchange(u), &u->err);
    release(u);
}

static void on_body(exchange *x, buf *bytes)
{
    assert_on_loop();
    upload *u = x->work;
    buf_append(&u->waiting, bytes->data, bytes->len);
    buf_clear(bytes);
    if (u->waiting.failed) {
        fail_memory(u);
        return;
    }
    if (u->waiting.len >= LIMIT_UPLOAD_WAITING_BYTES)
        conn_hold_body(x->conn, true);
    next_turn(u);
}

bool upload_begin(service *s, exchange *x)
{
    api_error err;
    upload *u = NULL;
    if (s->uploads >= LIMIT_UPLOADS) {
        response_fail(x, 429, "rate_limit_error", "queue_full", "too many uploads at once");
        return false;
    }
    file_upload *file = file_upload_begin(&s->control, x->request->content_type, &err);
    if (file && !(u = calloc(1, sizeof *u)))
        api_no_memory(&err);
    if (!u) {
        file_upload_free(file);
        response_error(x, &err);
        return false;
    }
    *u = (upload){.service = s, .x = x, .file = file};
    buf_init(&u->waiting, 2 * LIMIT_UPLOAD_WAITING_BYTES);
    buf_init(&u->reply.body, LIMIT_REPLY_BYTES);
    s->uploads++;
    x->work = u;
    x->on_gone = on_gone;
    x->on_body = on_body;
    x->body_max = (uint64_t)LIMIT_UPLOAD_BYTES + LIMIT_UPLOAD_FORM_BYTES;
    return true;
}

void upload_handle(service *s, exchange *x)
{
    (void)s;
    upload *u = x->work;
    u->complete = true;
    next_turn(u);
}
