#include "serve/scheduler.h"

#include "base/clock.h"
#include "serve/state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RETRY_AFTER_MS = 1000 };

/* ---- jobs ---- */

void sched_remove(sched *s, job *j)
{
    for (uint32_t i = 0; i < j->n_sequences; i++)
        sched_release(s, &j->sequences[i]);
    if (j->started_ns)
        s->n_serving--;
    else
        s->n_queued--;
    job **at = &s->jobs[j->request->class];
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    job_free(j);
}

bool sched_reap(sched *s)
{
    bool any = false;
    FOR_JOBS(s, j)
    {
        if (!j->failed && j->n_finished < j->n_sequences)
            continue;
        if (!j->failed)
            sched_send_done(s, j);
        if (j->failed)
            sched_send_error(s, j->request->id, j->failure, RETRY_AFTER_MS);
        sched_remove(s, j);
        any = true;
    }
    return any;
}

static job *find_job(sched *s, uint64_t id)
{
    FOR_JOBS(s, j)
    {
        if (j->request->id == id)
            return j;
    }
    return NULL;
}

/* ---- commands ---- */

/* Could the pool, with nothing else in it, hold the longest of the request's sequences? */
static bool fits_pool(const sched *s, const gen_request *r)
{
    uint64_t longest = 0;
    for (uint32_t p = 0; p < r->n_prompts; p++)
        longest = r->prompts[p].n_tokens > longest ? r->prompts[p].n_tokens : longest;
    return longest + r->max_tokens <= s->pool_tokens;
}

static void append_job(sched *s, job *j)
{
    job **at = &s->jobs[j->request->class];
    while (*at)
        at = &(*at)->next;
    *at = j;
    s->n_queued++;
}

ON_COMPUTE static void submit(sched *s, cmd *c)
{
    gen_request *r = c->request;
    job *j = NULL;
    if (s->draining) {
        sched_send_error(s, r->id, GEN_FAIL_DRAINING, RETRY_AFTER_MS);
    } else if (s->n_queued >= s->options.max_queued) {
        sched_send_error(s, r->id, GEN_FAIL_QUEUE_FULL, RETRY_AFTER_MS);
    } else if (!eng_runtime_fits(s->runtime, policy_model(r->policy))) {
        sched_send_error(s, r->id, GEN_FAIL_OTHER_SHAPE, 0);
    } else if (!fits_pool(s, r) || !(j = job_create(r))) {
        sched_send_error(s, r->id, GEN_FAIL_OUT_OF_MEMORY, RETRY_AFTER_MS);
    } else {
        c->request = NULL; /* the job's now */
        append_job(s, j);
        sched_send_admitted(s, j);
    }
}

ON_COMPUTE static void cancel(sched *s, uint64_t id)
{
    job *j = find_job(s, id);
    if (!j)
        return;
    metrics_add(s->metrics,
                !j->started_ns       ? METRIC_CANCELLED_QUEUED
                : !j->first_token_ns ? METRIC_CANCELLED_PREFILL
                                     : METRIC_CANCELLED_DECODE,
                1);
    sched_remove(s, j);
}

static void park(sched *s, uint64_t id, bool parked)
{
    job *j = find_job(s, id);
    if (j)
        j->parked = parked;
}

/* Does the job go where this alias goes? Its name stands before the @ of the label. */
static bool follows(const job *j, const char *alias)
{
    const gen_request *r = j->request;
    const size_t n = strlen(alias);
    return r->follows && strncmp(r->format.model, alias, n) == 0 && r->format.model[n] == '@';
}

/* Blocks of one policy mean nothing to another: they are given back, the tokens are fed again. */
ON_COMPUTE static void move(sched *s, const cmd *c)
{
    if (!eng_runtime_fits(s->runtime, policy_model(c->policy)))
        return;
    FOR_JOBS(s, j)
    {
        if (j->policy == c->policy || !follows(j, c->alias))
            continue;
        for (uint32_t i = 0; i < j->n_sequences; i++)
            sched_release(s, &j->sequences[i]);
        job_move(j, c->policy);
    }
}

ON_COMPUTE static void handle(sched *s, cmd *c)
{
    switch (c->kind) {
    case CMD_SUBMIT:
        submit(s, c);
        break;
    case CMD_CANCEL:
        cancel(s, c->request_id);
        break;
    case CMD_PARK:
    case CMD_RESUME:
        park(s, c->request_id, c->kind == CMD_PARK);
        break;
    case CMD_MOVE:
        move(s, c);
        break;
    case CMD_DRAIN:
        s->draining = true;
        break;
    }
}

ON_COMPUTE static void take_commands(sched *s)
{
    mail *m = mailbox_take(s->inbox);
    while (m) {
        cmd *c = (cmd *)(void *)m;
        m = m->next;
        handle(s, c);
        cmd_free(c);
    }
}

/* ---- the thread ---- */

static void sleep_ns(int64_t ns)
{
    const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000),
                               .tv_nsec = (long)(ns % 1000000000)};
    if (ns > 0)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

ON_COMPUTE static void serve_rounds(sched *s)
{
    while (!atomic_load(&s->quit)) {
        take_commands(s);
        const int64_t began = clock_now_ns();
        spare_time_close(s->options.spare);
        bool ran = sched_run_steps(s);
        spare_time_open(s->options.spare);
        sched_post_events(s);
        if (ran)
            sleep_ns(spare_time_due_ns(s->options.spare, clock_now_ns() - began));
        else
            mailbox_wait(s->inbox, -1);
    }
}

/* The same below serving: what passes the gate is the engine's pieces of a step. */
ON_COMPUTE static void spare_rounds(sched *s)
{
    spare_time_begin(s->options.spare);
    while (!atomic_load(&s->quit)) {
        take_commands(s);
        bool ran = sched_run_steps(s);
        sched_post_events(s);
        if (ran)
            continue;
        spare_time_end(s->options.spare);
        mailbox_wait(s->inbox, -1);
        spare_time_begin(s->options.spare);
    }
    spare_time_end(s->options.spare);
}

static void *sched_main(void *arg)
{
    sched *s = arg;
    role_enter_compute();
    if (s->options.runtime.low_priority) {
        eng_thread_lower();
        spare_rounds(s);
    } else {
        serve_rounds(s);
    }
    FOR_JOBS(s, j)
    {
        sched_remove(s, j);
    }
    role_leave_compute();
    return NULL;
}

static void pass_gate(void *arg)
{
    spare_time_pass(arg);
}

/* All blocks but the one that the copy of a shared tail takes. */
static uint32_t count_pool_tokens(const eng_runtime *runtime)
{
    eng_kv_stats kv;
    eng_runtime_kv_stats(runtime, &kv);
    const uint64_t tokens = (uint64_t)(kv.n_blocks - 1) * kv.block_tokens;
    return tokens < UINT32_MAX ? (uint32_t)tokens : UINT32_MAX;
}

static void free_sched(sched *s)
{
    eng_runtime_free(s->runtime);
    free(s->parts);
    free(s);
}

eng_status sched_start(sched **out, policy *shape, const sched_options *options, mailbox *inbox,
                       mailbox *outbox, metrics *counters, eng_error *err)
{
    sched *s = calloc(1, sizeof *s);
    if (!s)
        return eng_fail(err, ENG_NOMEM, "scheduler: out of memory");
    s->options = *options;
    s->inbox = inbox;
    s->outbox = outbox;
    s->metrics = counters;
    s->parts = calloc(options->max_running, sizeof *s->parts);
    s->wake = cmd_create(CMD_DRAIN, 0);
    eng_runtime_options runtime = options->runtime;
    runtime.max_rows = options->prefill_budget + options->max_running;
    runtime.max_seqs = options->max_running;
    if (runtime.low_priority) {
        runtime.give_way = pass_gate;
        runtime.give_way_arg = options->spare;
    } else if (options->way) {
        runtime.give_way = right_of_way_give;
        runtime.give_way_arg = options->way;
    }
    if (options->kv_auto)
        runtime.kv_f32 = strcmp(eng_model_dtype(policy_model(shape)), "f32") == 0;
    s->options.runtime.kv_f32 = runtime.kv_f32;
    eng_status st = s->parts && s->wake
                        ? eng_runtime_create(&s->runtime, policy_model(shape), &runtime, err)
                        : eng_fail(err, ENG_NOMEM, "scheduler: out of memory");
    if (st == ENG_OK)
        s->pool_tokens = count_pool_tokens(s->runtime);
    if (st == ENG_OK && pthread_create(&s->thread, NULL, sched_main, s) != 0)
        st = eng_fail(err, ENG_NOMEM, "the compute thread could not start");
    if (st != ENG_OK) {
        cmd_free(s->wake);
        free_sched(s);
        return st;
    }
    *out = s;
    return ENG_OK;
}

void sched_stop(sched *s)
{
    if (!s)
        return;
    atomic_store(&s->quit, true);
    if (!mailbox_post(s->inbox, &s->wake->mail))
        cmd_free(s->wake); /* the box is full, so the thread is awake anyway */
    pthread_join(s->thread, NULL);
    for (mail *m = mailbox_take(s->inbox); m;) {
        cmd *c = (cmd *)(void *)m;
        m = m->next;
        cmd_free(c);
    }
    free_sched(s);
}

uint32_t sched_pool_tokens(const sched *s)
{
    return s->pool_tokens;
}

bool sched_kv_f32(const sched *s)
{
    return s->options.runtime.kv_f32;
}
