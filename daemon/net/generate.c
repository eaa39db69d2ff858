#include "net/conn.h"
#include "net/generate.h"

#include "api/generate.h"
#include "api/rewards.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "human/capture.h"
#include "net/response.h"
#include "net/sse.h"
#include "net/worker_job.h"

#include <stdlib.h>
#include <time.h>

enum { BUCKETS = 1024 }; /* ids count up, so they spread evenly */

/* One submitted request and its reply. */
typedef struct gen_stream {
    struct gen_stream *next; /* in its bucket */
    generate *owner;
    uint64_t id;
    exchange *x;
    gen_request *request; /* one reference */
    gen_reply *reply;
    capture *capture; /* NULL: nothing of it is kept */
    cmd *cancel;      /* made beforehand: leaving must not need memory */
    bool stream;      /* SSE, else one reply */
    sse sse;
} gen_stream;

struct generate {
    service *service;
    uint64_t last_id;
    size_t n;
    gen_stream *buckets[BUCKETS];
};

generate *generate_create(service *s)
{
    generate *g = calloc(1, sizeof *g);
    if (g)
        g->service = s;
    return g;
}

void generate_free(generate *g)
{
    free(g);
}

size_t generate_count(const generate *g)
{
    return g->n;
}

/* ---- the table of streams ---- */

static gen_stream **place_of(generate *g, uint64_t id)
{
    gen_stream **at = &g->buckets[id % BUCKETS];
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void stream_enter(gen_stream *st)
{
    gen_stream **bucket = &st->owner->buckets[st->id % BUCKETS];
    st->next = *bucket;
    *bucket = st;
    st->owner->n++;
}

static void stream_free(gen_stream *st)
{
    cmd_free(st->cancel);
    capture_drop(st->capture);
    gen_reply_free(st->reply);
    gen_request_unref(st->request);
    free(st);
}

/* Its exchange has ended, one way or the other. */
static void stream_leave(gen_stream *st)
{
    *place_of(st->owner, st->id) = st->next;
    st->owner->n--;
    stream_free(st);
}

/* Posts a command about this stream; false: there is none, or the box is full and it is freed. */
static bool post(generate *g, cmd *c)
{
    if (!c)
        return false;
    if (mailbox_post(g->service->inbox, &c->mail))
        return true;
    log_event(LOG_ERROR, "command_lost", "kind=%d request=%llu", (int)c->kind,
              (unsigned long long)c->request_id);
    cmd_free(c);
    return false;
}

static void stream_cancel(gen_stream *st)
{
    post(st->owner, st->cancel);
    st->cancel = NULL;
}

static void on_gone(exchange *x)
{
    gen_stream *st = x->work;
    stream_cancel(st);
    stream_leave(st);
}

ON_LOOP static void on_park(void *arg, bool parked)
{
    gen_stream *st = arg;
    /* A stream whose parking was not told would never go on: it ends instead. */
    if (!post(st->owner, cmd_create(parked ? CMD_PARK : CMD_RESUME, st->id)))
        conn_fail(st->x->conn);
}

/* ---- body -> request ---- */

typedef struct parse_job {
    worker_job job;
    gen_family family;
    api_context context;
    gen_request *request; /* NULL: err says why */
    bool playground;      /* its prompts may be kept */
    captured_prompts prompts;
    api_ignored ignored;
    api_error err;
} parse_job;

static void parse_run(worker_job *job)
{
    parse_job *p = (parse_job *)(void *)job;
    if (p->family == GEN_REWARDS)
        api_rewards_parse(job->body, job->len, &p->context, &p->request, &p->ignored, &p->err);
    else
        api_generate_parse(p->family, job->body, job->len, &p->context, &p->request, &p->ignored,
                           &p->err);
    if (p->request && p->playground && p->family != GEN_REWARDS)
        captured_prompts_read(&p->prompts, p->family, job->body, job->len);
}

ON_LOOP static void fail_memory(exchange *x)
{
    response_fail(x, 503, "unavailable_error", "out_of_memory", "no memory for this request");
}

/* A stream for the request, whose reference it takes; NULL when memory is out. */
static gen_stream *stream_create(generate *g, exchange *x, gen_request *request)
{
    gen_stream *st = calloc(1, sizeof *st);
    if (!st) {
        gen_request_unref(request);
        return NULL;
    }
    st->owner = g;
    st->id = ++g->last_id;
    st->x = x;
    st->request = request;
    st->stream = request->format.stream;
    st->cancel = cmd_create(CMD_CANCEL, st->id);
    st->reply = gen_reply_create(request, x->id, g->service->build, (int64_t)time(NULL));
    if (!st->cancel || !st->reply) {
        stream_free(st);
        return NULL;
    }
    return st;
}

ON_LOOP static void submit(generate *g, exchange *x, gen_request *request,
                           captured_prompts *prompts)
{
    gen_stream *st = stream_create(g, x, request);
    cmd *c = st ? cmd_create(CMD_SUBMIT, st->id) : NULL;
    if (!c) {
        if (st)
            stream_free(st);
        fail_memory(x);
        return;
    }
    request->id = st->id;
    request->arrived_ns = x->arrived_ns;
    c->request = gen_request_ref(request);
    response_header(x, "x-instructd-policy", policy_id(request->policy));
    if (!mailbox_post(g->service->inbox, &c->mail)) {
        cmd_free(c);
        stream_free(st);
        response_fail(x, 429, "rate_limit_error", "queue_full", "too many requests are waiting");
        return;
    }
    policy_count_request(request->policy);
    st->capture = capture_begin(g->service->control.store, &x->key, x->id, request, prompts);
    x->work = st;
    x->on_gone = on_gone;
    stream_enter(st);
}

static void parse_finish(worker_job *job)
{
    assert_on_loop();
    parse_job *p = (parse_job *)(void *)job;
    service *s = job->service;
    right_of_way_job_ends(s->way);
    if (!job->x) {
        gen_request_unref(p->request);
    } else if (!p->request) {
        response_error(job->x, &p->err);
    } else if (s->draining) {
        gen_request_unref(p->request);
        response_fail(job->x, 503, "unavailable_error", "draining", "the server is going down");
    } else {
        response_ignored(job->x, &p->ignored);
        submit(s->generate, job->x, p->request, &p->prompts);
    }
    captured_prompts_free(&p->prompts);
}

ON_LOOP static void start(service *s, exchange *x, gen_family family)
{
    if (!s->ready) {
        response_fail(x, 503, "unavailable_error", "not_ready", "the model is being loaded");
        return;
    }
    parse_job *p = calloc(1, sizeof *p);
    if (!p) {
        fail_memory(x);
        return;
    }
    p->playground = key_is_playground(&x->key);
    p->family = family;
    p->context = (api_context){.registry = s->registry,
                               .tenant = x->key.tenant,
                               .default_class = p->playground ? GEN_INTERACTIVE : GEN_API,
                               .random_seed = random_u64(),
                               .pool_tokens = s->pool_tokens};
    p->job.run = parse_run;
    p->job.finish = parse_finish;
    if (worker_job_start(&p->job, s, x))
        right_of_way_job_begins(s->way);
    else
        free(p);
}

void generate_completions(service *s, exchange *x)
{
    start(s, x, GEN_COMPLETIONS);
}

void generate_chat(service *s, exchange *x)
{
    start(s, x, GEN_CHAT);
}

void generate_rewards(service *s, exchange *x)
{
    start(s, x, GEN_REWARDS);
}

/* ---- events -> reply ---- */

ON_LOOP static void finish_capture(gen_stream *st)
{
    capture_finish(st->capture);
    st->capture = NULL;
}

ON_LOOP static void stream_event(gen_stream *st, const event *ev)
{
    buf out;
    buf_init(&out, LIMIT_REPLY_BYTES);
    if (!st->sse.to.x)
        sse_begin(&st->sse, st->x, on_park, st);
    gen_reply_stream(st->reply, ev, &out);
    sse_send(&st->sse, &out);
    buf_free(&out);
    if (ev->kind != EV_DONE && ev->kind != EV_ERROR)
        return;
    sse_end(&st->sse, ev->kind == EV_ERROR);
    if (ev->kind == EV_DONE)
        finish_capture(st);
    stream_leave(st);
}

ON_LOOP static void collect_event(gen_stream *st, event *ev)
{
    buf body;
    bool kept = gen_reply_collect(st->reply, ev);
    if (kept && ev->kind != EV_DONE)
        return;
    exchange *x = st->x;
    x->on_gone = NULL;
    if (kept) {
        buf_init(&body, LIMIT_REPLY_BYTES);
        gen_reply_finish(st->reply, &body);
        response_json(x, 200, &body);
        finish_capture(st);
    } else {
        stream_cancel(st);
        fail_memory(x);
    }
    stream_leave(st);
}

ON_LOOP static void take_event(gen_stream *st, event *ev)
{
    if (ev->kind == EV_CHUNK)
        capture_chunk(st->capture, &ev->chunk);
    if (ev->kind == EV_ERROR && !st->sse.to.x) {
        api_error err;
        gen_failure_error(ev, &err);
        st->x->on_gone = NULL;
        response_error(st->x, &err);
        stream_leave(st);
    } else if (st->stream) {
        stream_event(st, ev);
    } else {
        collect_event(st, ev);
    }
}

void generate_on_events(generate *g, mail *chain)
{
    while (chain) {
        event *ev = (event *)(void *)chain;
        chain = chain->next;
        gen_stream *st = *place_of(g, ev->request_id);
        if (st)
            take_event(st, ev);
        event_free(ev);
    }
}

void generate_abort_all(generate *g)
{
    for (int i = 0; i < BUCKETS; i++)
        while (g->buckets[i]) {
            gen_stream *st = g->buckets[i];
            event ev = {.kind = EV_ERROR, .request_id = st->id};
            ev.error.kind = GEN_FAIL_DRAINING;
            stream_cancel(st);
            take_event(st, &ev);
        }
}
