/* A scheduler on its own thread, serving tiny random models, and a reader of its events that checks
 * their order as they come. The vocabulary is that of model_files.h.
 *
 * One at a time: serve_open ends what a failed test left. Everything else is of the test's thread.
 */
#ifndef TESTS_DAEMON_SERVE_FIXTURE_H
#define TESTS_DAEMON_SERVE_FIXTURE_H

#include "base/limits.h"
#include "harness.h"
#include "model_files.h"
#include "serve/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SERVE_BLOCK_BYTES = 4096, /* 2 layers x 2 KV heads x 16 positions x (K, V) x 16 wide x f16 */
    SERVE_BLOCK_TOKENS = 16,
    SERVE_CONTEXT = 8192,
    SERVE_REPLIES = 1024,
    SERVE_HANG_MS = 60 * 1000 /* a test that waits this long has hung */
};

/* One choice's chunks, joined. */
typedef struct serve_choice {
    char *text;
    size_t text_len;
    gen_token *tokens;
    uint32_t n_tokens;
    int32_t *ids;
    uint32_t n_ids, n_chunks;
    gen_span *spans;
    uint32_t n_spans;
    gen_finish finish;
} serve_choice;

typedef struct serve_reply {
    uint64_t id;
    uint32_t n_choices, n_prompts;
    bool stream, admitted, done, failed, cancelled;
    bool gone; /* its cancel has been obeyed: no event any more */
    gen_failure failure;
    gen_usage usage;
    gen_timings timings;
    uint32_t n_progress, progress_total, progress_cached, progress_processed;
    uint32_t n_chunks;
    uint32_t ended; /* 1 for the first request that ended, 2 for the next... */
    serve_choice choices[LIMIT_SEQUENCES];
} serve_reply;

typedef struct serve_options {
    uint32_t max_running, prefill_budget, max_queued, kv_blocks, n_threads; /* 0 = a default */
    uint32_t n_models; /* policies "a", "b", ... of one shape; 0 = 1 */
    right_of_way *way;
    spare_time *spare;
    uint32_t busy_step_ns;
} serve_options;

typedef struct serve {
    policy_registry *registry;
    mailbox in, out;
    metrics *metrics;
    sched *sched;
    uint64_t last_id;
    uint32_t n_ended;
    serve_reply *replies[SERVE_REPLIES];
} serve;

/* ---- start and stop ---- */

static inline serve *serve_state(void)
{
    static serve state;
    return &state;
}

static inline void serve_free_reply(serve_reply *r)
{
    for (uint32_t c = 0; r && c < LIMIT_SEQUENCES; c++) {
        for (uint32_t i = 0; i < r->choices[c].n_tokens; i++)
            free(r->choices[c].tokens[i].top);
        free(r->choices[c].tokens);
        free(r->choices[c].text);
        free(r->choices[c].ids);
        free(r->choices[c].spans);
    }
    free(r);
}

static inline void serve_close(serve *s)
{
    if (!s->registry)
        return;
    sched_stop(s->sched);
    for (mail *m = mailbox_take(&s->out), *next; m; m = next) {
        next = m->next;
        event_free((event *)(void *)m);
    }
    mailbox_destroy(&s->in);
    mailbox_destroy(&s->out);
    metrics_free(s->metrics);
    for (uint64_t i = 0; i < SERVE_REPLIES; i++)
        serve_free_reply(s->replies[i]);
    policy_registry_free(s->registry);
    memset(s, 0, sizeof *s);
}

static inline void serve_load(policy_registry *registry, const char *alias, uint64_t seed)
{
    char path[512];
    eng_error err;
    const test_model_spec spec = {.seed = seed, .ctx = SERVE_CONTEXT};
    const eng_model_options options = {.n_threads = 1};
    snprintf(path, sizeof path, "%s/%s.gguf", test_dir(), alias);
    test_write_gguf(path, &spec);
    EXPECT_OK(policy_registry_load(registry, alias, path, &options, &err), err);
}

static inline policy *serve_policy(serve *s, const char *alias)
{
    policy *p;
    char label[96];
    EXPECT_EQ(policy_resolve(s->registry, alias, &p, label), POLICY_FOUND);
    return p;
}

static inline serve *serve_open(const serve_options *given)
{
    serve *s = serve_state();
    const serve_options o = given ? *given : (serve_options){0};
    sched_options options = {
        .runtime = {.n_threads = o.n_threads ? o.n_threads : 1,
                    .kv_bytes = (size_t)SERVE_BLOCK_BYTES * (o.kv_blocks ? o.kv_blocks : 4096)},
        .max_running = o.max_running ? o.max_running : 16,
        .prefill_budget = o.prefill_budget ? o.prefill_budget : 64,
        .max_queued = o.max_queued ? o.max_queued : 512,
        .busy_step_ns = o.busy_step_ns,
        .way = o.way,
        .spare = o.spare};
    eng_error err;
    serve_close(s);
    s->registry = policy_registry_create();
    s->metrics = metrics_create();
    EXPECT(s->registry && s->metrics);
    for (uint32_t i = 0; i < (o.n_models ? o.n_models : 1); i++)
        serve_load(s->registry, (char[]){(char)('a' + i), 0}, 11 + i);
    EXPECT(mailbox_init(&s->in, LIMIT_MAILBOX, NULL, NULL));
    EXPECT(mailbox_init(&s->out, LIMIT_MAILBOX, NULL, NULL));
    policy *shape = serve_policy(s, NULL);
    eng_status st = sched_start(&s->sched, shape, &options, &s->in, &s->out, s->metrics, &err);
    policy_unref(shape);
    EXPECT_OK(st, err);
    return s;
}

/* ---- requests ---- */

/* n pseudo-random ids of byte tokens: no special ones. */
static inline void serve_fill(int32_t *ids, uint32_t n, uint64_t seed)
{
    for (uint32_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ids[i] = TEST_TOKEN_BYTE0 + (int32_t)(seed >> 33) % 256;
    }
}

/* n_prompts prompts of n_ids tokens each; the same seed gives the same prompts. Samples 8 tokens at
 * temperature 1, goes past end tokens, streams, returns ids; the caller changes what it likes. */
static inline gen_request *serve_request(serve *s, uint32_t n_prompts, uint32_t n_ids,
                                         uint64_t seed)
{
    gen_request *r = gen_request_create();
    r->class = GEN_API;
    r->policy = serve_policy(s, NULL);
    r->tenant = 1;
    r->prompts = calloc(n_prompts, sizeof *r->prompts);
    r->n_prompts = n_prompts;
    for (uint32_t p = 0; p < n_prompts; p++) {
        r->prompts[p].n_tokens = n_ids;
        r->prompts[p].tokens = malloc(n_ids * sizeof(int32_t));
        serve_fill(r->prompts[p].tokens, n_ids, seed * 1000 + p);
    }
    r->n = r->best_of = 1;
    r->max_tokens = 8;
    r->n_logprobs = -1;
    r->sampling = (eng_sampling){.temperature = 1, .top_p = 1, .seed = seed};
    r->ignore_eos = true;
    r->format.stream = true;
    r->format.return_token_ids = true;
    return r;
}

static inline void serve_add_stop(gen_request *r, const char *text)
{
    r->stops = realloc(r->stops, (r->n_stops + 1) * sizeof *r->stops);
    r->stops[r->n_stops++] = (gen_stop){.text = strdup(text), .len = strlen(text)};
}

static inline cmd *serve_submission(serve *s, gen_request *r)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    r->arrived_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    r->id = ++s->last_id;
    EXPECT(r->id < SERVE_REPLIES);
    serve_reply *reply = calloc(1, sizeof *reply);
    *reply = (serve_reply){.id = r->id,
                           .stream = r->format.stream,
                           .n_prompts = r->n_prompts,
                           .n_choices = r->n_prompts * r->n};
    s->replies[r->id] = reply;
    cmd *c = cmd_create(CMD_SUBMIT, r->id);
    c->request = r;
    return c;
}

/* Submits all in one chain, so that the scheduler sees them in one round. The references pass on.
 * Returns the first one's reply; the others' follow it by id. */
static inline serve_reply *serve_submit_all(serve *s, gen_request **requests, uint32_t n)
{
    cmd *first = NULL, *last = NULL;
    for (uint32_t i = 0; i < n; i++) {
        cmd *c = serve_submission(s, requests[i]);
        if (last)
            last->mail.next = &c->mail;
        else
            first = c;
        last = c;
    }
    serve_reply *reply = s->replies[first->request_id];
    EXPECT(mailbox_post(&s->in, &first->mail));
    return reply;
}

static inline serve_reply *serve_submit(serve *s, gen_request *r)
{
    return serve_submit_all(s, &r, 1);
}

static inline void serve_command(serve *s, cmd_kind kind, const serve_reply *reply)
{
    cmd *c = cmd_create(kind, reply ? reply->id : 0);
    EXPECT(mailbox_post(&s->in, &c->mail));
}

/* Events already posted are still taken, until serve_expect_idle. */
static inline void serve_cancel(serve *s, serve_reply *reply)
{
    reply->cancelled = true;
    serve_command(s, CMD_CANCEL, reply);
}

/* ---- events ---- */

static inline void serve_append(void **array, uint32_t *n, const void *more, uint32_t n_more,
                                size_t size)
{
    if (!n_more)
        return;
    *array = realloc(*array, (*n + n_more) * size);
    memcpy((char *)*array + *n * size, more, n_more * size);
    *n += n_more;
}

static inline void serve_take_chunk(serve_reply *r, gen_chunk *chunk)
{
    EXPECT(chunk->choice < r->n_choices);
    serve_choice *c = &r->choices[chunk->choice];
    EXPECT_EQ(c->finish, GEN_RUNNING);
    EXPECT(r->stream || chunk->finish != GEN_RUNNING);
    c->text = realloc(c->text, c->text_len + chunk->text_len + 1);
    memcpy(c->text + c->text_len, chunk->text, chunk->text_len + 1);
    c->text_len += chunk->text_len;
    serve_append((void **)&c->tokens, &c->n_tokens, chunk->tokens, chunk->n_tokens,
                 sizeof *c->tokens);
    for (uint32_t i = 0; i < chunk->n_tokens; i++)
        chunk->tokens[i].top = NULL; /* the choice's now */
    serve_append((void **)&c->ids, &c->n_ids, chunk->ids, chunk->n_ids, sizeof *c->ids);
    serve_append((void **)&c->spans, &c->n_spans, chunk->spans, chunk->n_spans, sizeof *c->spans);
    c->finish = chunk->finish;
    c->n_chunks++;
    r->n_chunks++;
}

static inline void serve_take_progress(serve_reply *r, const event *e)
{
    EXPECT(r->n_prompts > 1 || r->n_chunks == 0);
    EXPECT(e->progress.processed <= e->progress.total);
    EXPECT(e->progress.cached <= e->progress.total);
    r->n_progress++;
    r->progress_total = e->progress.total;
    r->progress_cached = e->progress.cached;
    r->progress_processed = e->progress.processed;
}

static inline void serve_take_done(serve *s, serve_reply *r, const event *e)
{
    for (uint32_t c = 0; c < r->n_choices; c++)
        EXPECT(r->choices[c].finish != GEN_RUNNING);
    r->done = true;
    r->usage = e->usage;
    r->timings = e->timings;
    r->ended = ++s->n_ended;
}

/* ADMITTED PROGRESS* CHUNK* (DONE | ERROR), where an ERROR may come first. */
static inline void serve_take_event(serve *s, event *e)
{
    EXPECT(e->request_id <= s->last_id);
    serve_reply *r = s->replies[e->request_id];
    EXPECT(!r->done && !r->failed && !r->gone);
    EXPECT(r->admitted == (e->kind != EV_ADMITTED) || e->kind == EV_ERROR);
    switch (e->kind) {
    case EV_ADMITTED:
        r->admitted = true;
        break;
    case EV_PROGRESS:
        serve_take_progress(r, e);
        break;
    case EV_CHUNK:
        serve_take_chunk(r, &e->chunk);
        break;
    case EV_DONE:
        serve_take_done(s, r, e);
        break;
    case EV_ERROR:
        r->failed = true;
        r->failure = e->error.kind;
        r->ended = ++s->n_ended;
        break;
    }
}

/* Takes what is there, waiting for the first of it. */
static inline void serve_pump(serve *s)
{
    if (!mailbox_wait(&s->out, SERVE_HANG_MS))
        FAIL("no event came: the scheduler hangs");
    for (mail *m = mailbox_take(&s->out), *next; m; m = next) {
        next = m->next;
        serve_take_event(s, (event *)(void *)m);
        event_free((event *)(void *)m);
    }
}

static inline void serve_wait(serve *s, const serve_reply *r)
{
    while (!r->done && !r->failed)
        serve_pump(s);
}

static inline void serve_expect_done(serve *s, const serve_reply *r)
{
    serve_wait(s, r);
    if (r->failed)
        FAIL("request %llu failed with %d", (unsigned long long)r->id, (int)r->failure);
}

/* The request alone, to its end. */
static inline serve_reply *serve_run(serve *s, gen_request *r)
{
    serve_reply *reply = serve_submit(s, r);
    serve_expect_done(s, reply);
    return reply;
}

static inline bool serve_is_idle(serve *s)
{
    return metrics_get(s->metrics, METRIC_KV_BLOCKS_USED) == 0 &&
           metrics_get(s->metrics, METRIC_REQUESTS_RUNNING) == 0 &&
           metrics_get(s->metrics, METRIC_REQUESTS_WAITING) == 0;
}

/* Waits until no request is left and every block is back. */
static inline void serve_expect_idle(serve *s)
{
    serve_run(s, serve_request(s, 1, 1, 1)); /* commands before it have been taken by its end */
    for (uint64_t i = 1; i < s->last_id; i++)
        s->replies[i]->gone = s->replies[i]->cancelled;
    for (int ms = 0; !serve_is_idle(s) && ms < SERVE_HANG_MS; ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    EXPECT_EQ(metrics_get(s->metrics, METRIC_KV_BLOCKS_USED), 0);
    EXPECT_EQ(metrics_get(s->metrics, METRIC_REQUESTS_RUNNING), 0);
    EXPECT_EQ(metrics_get(s->metrics, METRIC_REQUESTS_WAITING), 0);
}

/* Same ids, text, finish and, bit for bit, log-probs. */
static inline void serve_expect_same(const serve_choice *got, const serve_choice *want)
{
    EXPECT_EQ(got->n_ids, want->n_ids);
    EXPECT_MEM(got->ids, want->ids, want->n_ids * sizeof *want->ids);
    EXPECT_STR(got->text, want->text);
    EXPECT_EQ(got->finish, want->finish);
    EXPECT_EQ(got->n_tokens, want->n_tokens);
    for (uint32_t i = 0; i < want->n_tokens; i++) {
        const gen_token *g = &got->tokens[i], *w = &want->tokens[i];
        EXPECT_EQ(g->id, w->id);
        EXPECT_EQ(g->text_offset, w->text_offset);
        EXPECT_MEM(&g->logprob, &w->logprob, sizeof w->logprob);
        EXPECT_EQ(g->n_top, w->n_top);
        EXPECT_MEM(g->top, w->top, w->n_top * sizeof *w->top);
    }
}

#endif
