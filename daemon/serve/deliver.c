/* Events out: what a job's reader gets to see. */
#include "base/limits.h"
#include "base/clock.h"
#include "serve/state.h"

#include <stdlib.h>
#include <time.h>

enum { BACKLOG_NAP_NS = 1000000 };

static void queue_event(sched *s, event *e)
{
    if (s->out_last)
        s->out_last->mail.next = &e->mail;
    else
        s->out_first = e;
    s->out_last = e;
}

/* A small fixed allocation: without it the reader could never be told anything again. */
static event *new_event(event_kind kind, uint64_t request_id)
{
    event *e = event_create(kind, request_id);
    if (!e)
        abort();
    return e;
}

void sched_send_admitted(sched *s, const job *j)
{
    queue_event(s, new_event(EV_ADMITTED, j->request->id));
}

void sched_send_error(sched *s, uint64_t request_id, gen_failure failure, uint32_t retry_after_ms)
{
    event *e = new_event(EV_ERROR, request_id);
    e->error.kind = failure;
    e->error.retry_after_ms = retry_after_ms;
    queue_event(s, e);
}

void sched_send_progress(sched *s, const job *j, uint32_t processed)
{
    event *e = new_event(EV_PROGRESS, j->request->id);
    e->progress.total = j->usage.prompt_tokens;
    e->progress.cached = j->usage.cached_tokens;
    e->progress.processed = processed;
    queue_event(s, e);
}

static void send_chunk_as(sched *s, sequence *seq, uint32_t choice)
{
    job *j = seq->job;
    event *e = new_event(EV_CHUNK, j->request->id);
    const bool any = emit_take(&seq->emit, &e->chunk);
    if (seq->emit.failed && !j->failed) {
        j->failed = true;
        j->failure = GEN_FAIL_OUT_OF_MEMORY;
    }
    if (j->failed || (!any && seq->finish == GEN_RUNNING)) {
        event_free(e);
        return;
    }
    if (seq->finish != GEN_RUNNING && j->request->follows) {
        e->chunk.spans = sequence_spans(seq, &e->chunk.n_spans);
        if (!e->chunk.spans)
            abort(); /* as new_event */
    }
    e->chunk.choice = choice;
    e->chunk.finish = seq->finish;
    e->chunk.score = seq->out.score;
    e->usage = j->usage;
    queue_event(s, e);
}

void sched_send_chunk(sched *s, sequence *seq)
{
    send_chunk_as(s, seq, seq->prompt * seq->job->width + seq->number);
}

static gen_timings timings_of(const job *j, int64_t now)
{
    const int64_t arrived = j->request->arrived_ns;
    const int64_t started = j->started_ns ? j->started_ns : now;
    const int64_t first = j->first_token_ns ? j->first_token_ns : now;
    return (gen_timings){.queue_ms = (double)(started - arrived) / 1e6,
                         .prefill_ms = (double)(first - started) / 1e6,
                         .decode_ms = (double)(now - first) / 1e6};
}

static void observe_done(sched *s, const job *j, const gen_timings *t, int64_t now)
{
    metrics *m = s->metrics;
    metrics_observe(m, METRIC_QUEUE_SECONDS, t->queue_ms / 1e3);
    metrics_observe(m, METRIC_PREFILL_SECONDS, t->prefill_ms / 1e3);
    metrics_observe(m, METRIC_DECODE_SECONDS, t->decode_ms / 1e3);
    metrics_observe(m, METRIC_E2E_SECONDS, (double)(now - j->request->arrived_ns) / 1e9);
    bool length = false;
    for (uint32_t i = 0; i < j->n_sequences; i++)
        length |= j->sequences[i].finish == GEN_FINISH_LENGTH;
    metrics_add(m, length ? METRIC_SUCCESS_LENGTH : METRIC_SUCCESS_STOP, 1);
}

void sched_send_done(sched *s, job *j)
{
    const gen_request *r = j->request;
    if (!r->format.stream) {
        const uint32_t n = r->n_prompts * r->n;
        sequence *chosen[LIMIT_SEQUENCES];
        job_choose(j, chosen);
        for (uint32_t i = 0; i < n; i++)
            send_chunk_as(s, chosen[i], i);
        if (j->failed)
            return;
    }
    const int64_t now = clock_now_ns();
    event *e = new_event(EV_DONE, r->id);
    e->usage = j->usage;
    e->timings = timings_of(j, now);
    observe_done(s, j, &e->timings, now);
    queue_event(s, e);
}

/* Cuts the chain after its first n events and returns the rest. */
static event *cut_after(event *first, uint32_t n)
{
    while (--n && first->mail.next)
        first = (event *)(void *)first->mail.next;
    event *rest = (event *)(void *)first->mail.next;
    first->mail.next = NULL;
    return rest;
}

static void free_events(event *first)
{
    while (first) {
        event *next = (event *)(void *)first->mail.next;
        event_free(first);
        first = next;
    }
}

static bool loop_is_behind(const sched *s)
{
    return mailbox_count(s->outbox) > LIMIT_EVENT_BACKLOG;
}

void sched_post_first(sched *s)
{
    if (!loop_is_behind(s))
        sched_post_events(s);
}

void sched_post_events(sched *s)
{
    while (s->out_first) {
        while (loop_is_behind(s) && !atomic_load(&s->quit))
            nanosleep(&(struct timespec){.tv_nsec = BACKLOG_NAP_NS}, NULL);
        /* After the wait a piece always fits (2 * LIMIT_EVENT_BACKLOG < LIMIT_MAILBOX), unless the
         * scheduler is quitting and nobody reads any more. */
        event *piece = s->out_first;
        s->out_first = cut_after(piece, LIMIT_EVENT_BACKLOG);
        if (!mailbox_post(s->outbox, &piece->mail))
            free_events(piece);
    }
    s->out_last = NULL;
}
