#include "net/job_stream.h"

#include "base/limits.h"
#include "control/job_events.h"
#include "host/events.h"
#include "net/conn.h"
#include "net/manage.h"
#include "net/response.h"

#include <stdlib.h>
#include <string.h>

/* The worker owns `page` and what follows it while `reading`; the loop all else. */
typedef struct job_stream {
    listener listener;
    service *service;
    exchange *x;       /* NULL once it is answered or gone */
    bool listening;    /* in service->listeners */
    bool news;         /* something was published since the last read began */
    uint64_t bus_seen; /* of the bus */
    uint64_t since;    /* number of the last event sent */

    /* A job's last events may be stored after its status: the end is believed when it has been
     * there for LIMIT_LAST_WORDS_MS. */
    uv_timer_t last_words;
    bool ending, over;

    work read;
    bool reading, closed;
    bool last_read; /* began when it was over */
    char job[129];  /* (i) */
    job_events_page page;
    bool ok;
    api_error err;
} job_stream;

static void read_on(job_stream *j) ON_LOOP;

/* ---- its end ---- */

static void free_if_done(job_stream *j)
{
    if (j->closed && !j->reading)
        free(j);
}

static void on_timer_closed(uv_handle_t *timer)
{
    assert_on_loop();
    job_stream *j = timer->data;
    j->closed = true;
    free_if_done(j);
}

ON_LOOP static void leave(job_stream *j)
{
    j->x = NULL;
    if (j->listening)
        listener_leave(&j->service->listeners, &j->listener);
    j->listening = false;
    uv_close((uv_handle_t *)&j->last_words, on_timer_closed);
}

static void on_gone(exchange *x)
{
    assert_on_loop();
    leave(x->work);
}

/* Ends what has begun, or answers with the error. */
ON_LOOP static void finish(job_stream *j, const api_error *err)
{
    exchange *x = j->x;
    x->on_gone = NULL;
    x->work = NULL;
    if (!j->listener.sse.to.x) {
        response_error(x, err);
    } else {
        buf out;
        buf_init(&out, LIMIT_WRITE_PIECE_BYTES);
        if (err) {
            buf_puts(&out, "data: ");
            api_error_write(err, &out);
            buf_puts(&out, "\n\n");
            sse_send(&j->listener.sse, &out);
        }
        buf_free(&out);
        sse_end(&j->listener.sse, err != NULL);
    }
    leave(j);
}

static void on_end(listener *l)
{
    assert_on_loop();
    api_error err;
    api_fail(&err, 503, "unavailable_error", "draining", NULL, "the server is going down");
    job_stream *j = (job_stream *)(void *)l;
    finish(j, j->listener.sse.to.x ? NULL : &err);
}

static void on_last_words(uv_timer_t *timer)
{
    assert_on_loop();
    job_stream *j = timer->data;
    j->over = true;
    j->news = true;
    read_on(j);
}

/* ---- reading ---- */

static job_stream *stream_of(work *read)
{
    return (job_stream *)(void *)((char *)read - offsetof(job_stream, read));
}

static void on_read(work *read)
{
    job_stream *j = stream_of(read);
    j->ok = control_job_events_since(&j->service->control, j->job, j->since, &j->page, &j->err);
}

ON_LOOP static void on_park(void *arg, bool parked)
{
    if (!parked)
        read_on(arg);
}

ON_LOOP static void send_page(job_stream *j, const job_events_page *page)
{
    if (!j->listener.sse.to.x)
        sse_begin(&j->listener.sse, j->x, on_park, j);
    j->since = page->last;
    j->news |= page->more;
    if (page->frames.len)
        sse_send(&j->listener.sse, &page->frames);
    if (page->ended && !page->more && j->last_read) {
        finish(j, NULL);
    } else if (page->ended && !j->ending) {
        j->ending = true;
        uv_timer_start(&j->last_words, on_last_words, LIMIT_LAST_WORDS_MS, 0);
    }
}

static void on_read_done(work *read)
{
    assert_on_loop();
    job_stream *j = stream_of(read);
    j->reading = false;
    job_events_page page = j->page; /* sending may start the next read */
    if (j->x && j->ok)
        send_page(j, &page);
    else if (j->x)
        finish(j, &j->err);
    buf_free(&page.frames);
    if (j->x)
        read_on(j);
    free_if_done(j);
}

/* Reads what is new, unless the reader is behind. */
static void read_on(job_stream *j)
{
    const sse *s = &j->listener.sse;
    if (!j->news || j->reading || s->parked || s->dropped)
        return;
    j->news = false;
    j->last_read = j->over;
    j->reading = true;
    j->read = (work){.run = on_read, .done = on_read_done, .kind = WORK_SHORT};
    work_start(&j->service->workers, &j->read);
}

/* Something was published: was it about this job? */
static void on_news(listener *l)
{
    assert_on_loop();
    job_stream *j = (job_stream *)(void *)l;
    event_record records[8];
    bool lost;
    size_t n;
    do {
        n = events_after(j->service->control.events, &j->bus_seen, TOPIC_JOB, j->job, records, 8,
                         &lost);
        j->news |= n > 0 || lost;
        for (size_t i = 0; i < n; i++)
            free(records[i].json);
    } while (n == 8);
    read_on(j);
}

/* ---- the request ---- */

static bool wants_stream(const exchange *x)
{
    return strcasestr(x->request->accept, "text/event-stream") != NULL;
}

static job_stream *create(service *s, exchange *x, uint64_t since)
{
    job_stream *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    *j = (job_stream){.service = s, .x = x, .since = since, .news = true};
    j->bus_seen = events_last(s->control.events);
    j->listener.on_news = on_news;
    j->listener.on_end = on_end;
    memcpy(j->job, x->names[0], sizeof j->job);
    uv_timer_init(s->loop, &j->last_words);
    j->last_words.data = j;
    return j;
}

void job_stream_handle(service *s, exchange *x)
{
    api_error err;
    uint64_t since = 0;
    if (!wants_stream(x)) {
        manage(s, x);
        return;
    }
    if (!listener_resume_at(x, &since, &err)) {
        response_error(x, &err);
        return;
    }
    job_stream *j = create(s, x, since);
    if (!j) {
        api_no_memory(&err);
        response_error(x, &err);
        return;
    }
    x->work = j;
    x->on_gone = on_gone;
    j->listening = listener_enter(&s->listeners, &j->listener);
    if (j->listening) {
        read_on(j);
    } else {
        api_fail(&err, 429, "rate_limit_error", "queue_full", NULL, "too many listen already");
        finish(j, &err);
    }
}
