/* What the scheduler promises about many requests: cancels give everything back, a small pool and
 * company change no token, classes go first, a slow reader holds nobody back. Linked with
 * -Wl,--wrap of the calls below that fail. */
#include "serve_fixture.h"

#include "serve/job.h"

#include <stdatomic.h>

static uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % n;
}

static int64_t counter(serve *s, metric_value v)
{
    return metrics_get(s->metrics, v);
}

/* A long answer, with log-probs to compare. */
static gen_request *long_request(serve *s, uint32_t n_ids, uint32_t max_tokens, uint64_t seed)
{
    gen_request *r = serve_request(s, 1, n_ids, seed);
    r->max_tokens = max_tokens;
    r->n_logprobs = 1;
    return r;
}

static void wait_for_chunks(serve *s, const serve_reply *r, uint32_t n)
{
    while (r->n_chunks < n)
        serve_pump(s);
}

/* ---- cancel ---- */

TEST(cancel_while_queued_leaves_nothing)
{
    const serve_options o = {.max_running = 1};
    serve *s = serve_open(&o);
    serve_reply *first = serve_submit(s, long_request(s, 20, 4000, 1));
    serve_reply *second = serve_submit(s, long_request(s, 20, 10, 2));
    while (!second->admitted)
        serve_pump(s);
    serve_cancel(s, second);
    serve_cancel(s, first);
    serve_expect_idle(s);
    EXPECT_EQ(second->n_chunks, 0);
    EXPECT_EQ(counter(s, METRIC_CANCELLED_QUEUED), 1);
    serve_close(s);
}

TEST(cancel_in_prefill_frees_all_blocks)
{
    const serve_options o = {.prefill_budget = 1};
    serve *s = serve_open(&o);
    gen_request *r = long_request(s, 6000, 10, 1);
    r->n = r->best_of = 3;
    r->format.return_progress = true;
    serve_reply *reply = serve_submit(s, r);
    while (!reply->n_progress)
        serve_pump(s);
    serve_cancel(s, reply);
    serve_expect_idle(s);
    EXPECT_EQ(reply->n_chunks, 0);
    EXPECT_EQ(counter(s, METRIC_CANCELLED_PREFILL), 1);
    serve_close(s);
}

TEST(cancel_in_decode_frees_all_blocks)
{
    serve *s = serve_open(NULL);
    gen_request *r = long_request(s, 20, 6000, 1);
    r->n = r->best_of = 3;
    serve_reply *reply = serve_submit(s, r);
    wait_for_chunks(s, reply, 1);
    serve_cancel(s, reply);
    serve_expect_idle(s);
    EXPECT_EQ(counter(s, METRIC_CANCELLED_DECODE), 1);
    serve_close(s);
}

TEST(cancel_in_the_same_round_as_the_submission_works)
{
    serve *s = serve_open(NULL);
    cmd *c = serve_submission(s, long_request(s, 20, 4000, 1));
    serve_reply *reply = s->replies[c->request_id];
    reply->cancelled = true;
    c->mail.next = &cmd_create(CMD_CANCEL, c->request_id)->mail;
    EXPECT(mailbox_post(&s->in, &c->mail));
    serve_expect_idle(s);
    EXPECT_EQ(reply->n_chunks, 0);
    serve_close(s);
}

TEST(commands_about_unknown_requests_do_nothing)
{
    serve *s = serve_open(NULL);
    serve_reply *done = serve_run(s, serve_request(s, 1, 20, 1));
    for (int k = 0; k < 3; k++) {
        serve_command(s, CMD_CANCEL, done);
        serve_command(s, CMD_PARK, done);
        serve_command(s, CMD_RESUME, NULL);
    }
    serve_expect_idle(s);
    EXPECT_EQ(counter(s, METRIC_CANCELLED_DECODE), 0);
    serve_close(s);
}

TEST(stopping_the_scheduler_ends_what_is_in_flight)
{
    const serve_options o = {.max_running = 4, .prefill_budget = 8, .n_threads = 2};
    serve *s = serve_open(&o);
    gen_request *all[12];
    for (uint32_t i = 0; i < 12; i++) {
        all[i] = long_request(s, 20 + i, 6000, i);
        all[i]->echo = i % 2;
        all[i]->n = all[i]->best_of = 1 + i % 3;
    }
    serve_reply *first = serve_submit_all(s, all, 12);
    wait_for_chunks(s, first, 1);
    serve_submit(s, long_request(s, 20, 6000, 99)); /* may still be in the mailbox */
    serve_close(s);
}

/* ---- a small pool ---- */

/* The answers to `n` long requests from a pool of so many blocks. */
static void run_in_pool(serve **s, const serve_options *o, uint32_t n, bool echo)
{
    gen_request *all[8];
    *s = serve_open(o);
    for (uint32_t i = 0; i < n; i++) {
        all[i] = long_request(*s, 40 + 7 * i, 60 + 5 * i, i);
        all[i]->n = all[i]->best_of = 1 + i % 3;
        all[i]->echo = echo;
    }
    serve_reply *first = serve_submit_all(*s, all, n);
    for (uint32_t i = 0; i < n; i++)
        serve_expect_done(*s, (*s)->replies[first->id + i]);
}

/* Replies outlive their server here. */
static void keep_replies(serve *s, serve_reply **kept, uint32_t n)
{
    for (uint32_t i = 1; i <= n; i++) {
        kept[i] = s->replies[i];
        s->replies[i] = NULL;
    }
}

static void expect_small_pool_changes_nothing(bool echo)
{
    static const serve_options roomy = {0}, tight = {.kv_blocks = 14, .prefill_budget = 24};
    serve_reply *want[8] = {0};
    serve *s;
    run_in_pool(&s, &roomy, 6, echo);
    EXPECT_EQ(counter(s, METRIC_PREEMPTIONS), 0);
    keep_replies(s, want, 6);
    serve_close(s);
    run_in_pool(&s, &tight, 6, echo);
    EXPECT(counter(s, METRIC_PREEMPTIONS) > 0);
    for (uint32_t i = 1; i <= 6; i++)
        for (uint32_t c = 0; c < want[i]->n_choices; c++)
            serve_expect_same(&s->replies[i]->choices[c], &want[i]->choices[c]);
    for (uint32_t i = 1; i <= 6; i++) {
        EXPECT_EQ(s->replies[i]->usage.completion_tokens, want[i]->usage.completion_tokens);
        serve_free_reply(want[i]);
    }
    serve_expect_idle(s);
    serve_close(s);
}

TEST(preemption_changes_no_token)
{
    expect_small_pool_changes_nothing(false);
}

TEST(preemption_changes_no_token_of_an_echo)
{
    expect_small_pool_changes_nothing(true);
}

TEST(preempted_prompt_does_not_count_as_cached)
{
    const serve_options o = {.max_running = 1, .prefill_budget = 16};
    serve *s = serve_open(&o);
    gen_request *r = long_request(s, 4000, 4, 1);
    r->class = GEN_BACKGROUND;
    r->format.return_progress = true;
    serve_reply *background = serve_submit(s, r);
    while (background->n_progress < 3)
        serve_pump(s);
    gen_request *urgent = long_request(s, 20, 4, 2);
    urgent->class = GEN_INTERACTIVE;
    serve_reply *interactive = serve_run(s, urgent);
    EXPECT(!background->done);
    serve_expect_done(s, background);
    EXPECT(counter(s, METRIC_PREEMPTIONS) > 0);
    EXPECT(interactive->ended < background->ended);
    EXPECT_EQ(background->usage.cached_tokens, 0);
    serve_close(s);
}

/* ---- order of service ---- */

TEST(classes_are_served_in_order_whatever_the_order_of_arrival)
{
    const serve_options o = {.max_running = 1};
    serve *s = serve_open(&o);
    static const gen_class classes[] = {GEN_BACKGROUND, GEN_API, GEN_INTERACTIVE};
    gen_request *all[6];
    for (uint32_t i = 0; i < 6; i++) {
        all[i] = serve_request(s, 1, 20, i);
        all[i]->class = classes[i % 3];
    }
    serve_reply *first = serve_submit_all(s, all, 6);
    static const uint32_t ended[] = {5, 3, 1, 6, 4, 2};
    for (uint32_t i = 0; i < 6; i++) {
        serve_expect_done(s, s->replies[first->id + i]);
        EXPECT_EQ(s->replies[first->id + i]->ended, ended[i]);
    }
    serve_close(s);
}

TEST(higher_class_takes_the_place_of_a_lower_one)
{
    const serve_options o = {.max_running = 2};
    serve *s = serve_open(&o);
    gen_request *slow[2] = {long_request(s, 20, 5000, 1), long_request(s, 20, 5000, 2)};
    slow[0]->class = slow[1]->class = GEN_BACKGROUND;
    serve_reply *background = serve_submit_all(s, slow, 2);
    wait_for_chunks(s, background, 2);
    gen_request *r = long_request(s, 20, 20, 3);
    r->class = GEN_INTERACTIVE;
    serve_run(s, r);
    EXPECT(!background->done);
    EXPECT(counter(s, METRIC_PREEMPTIONS) > 0);
    serve_cancel(s, background);
    serve_cancel(s, s->replies[background->id + 1]);
    serve_expect_idle(s);
    serve_close(s);
}

/* ---- slow readers ---- */

TEST(park_and_resume_change_no_token)
{
    serve *s = serve_open(NULL);
    serve_reply *want = serve_run(s, long_request(s, 30, 300, 1));
    serve_reply *got = serve_submit(s, long_request(s, 30, 300, 1));
    for (uint32_t n = 1; n < 40; n += 10) {
        wait_for_chunks(s, got, n);
        serve_command(s, CMD_PARK, got);
        serve_run(s, serve_request(s, 1, 20, n));
        serve_command(s, CMD_RESUME, got);
    }
    serve_expect_done(s, got);
    serve_expect_same(&got->choices[0], &want->choices[0]);
    serve_close(s);
}

TEST(parked_request_makes_no_progress)
{
    serve *s = serve_open(NULL);
    serve_reply *parked = serve_submit(s, long_request(s, 30, 5000, 1));
    wait_for_chunks(s, parked, 1);
    serve_command(s, CMD_PARK, parked);
    serve_run(s, serve_request(s, 1, 20, 2)); /* the park has been seen by its end */
    uint32_t before = parked->n_chunks;
    serve_run(s, long_request(s, 20, 200, 3));
    EXPECT_EQ(parked->n_chunks, before);
    serve_cancel(s, parked);
    serve_expect_idle(s);
    serve_close(s);
}

/* A request that was parked after its first token. On a busy machine the scheduler may finish it
 * before it hears of that; then the next one is tried. */
static serve_reply *submit_parked(serve *s, uint64_t seed)
{
    for (int tries = 0; tries < 50; tries++) {
        serve_reply *reply = serve_submit(s, long_request(s, 100, 150, seed));
        wait_for_chunks(s, reply, 1);
        serve_command(s, CMD_PARK, reply);
        serve_run(s, serve_request(s, 1, 1, 2)); /* the park has been seen by its end */
        if (!reply->done)
            return reply;
    }
    FAIL("no request could be parked before its end");
}

TEST(parked_requests_hold_nobody_back_in_a_full_pool)
{
    const serve_options o = {.kv_blocks = 24, .max_running = 3};
    serve *s = serve_open(&o);
    serve_reply *want = serve_run(s, long_request(s, 100, 150, 1));
    serve_reply *parked[3];
    for (uint32_t i = 0; i < 3; i++)
        parked[i] = submit_parked(s, i ? 50 + i : 1);
    for (uint32_t i = 0; i < 4; i++)
        serve_run(s, long_request(s, 120, 150, 10 + i));
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT(!parked[i]->done);
        serve_command(s, CMD_RESUME, parked[i]);
    }
    for (uint32_t i = 0; i < 3; i++)
        serve_expect_done(s, parked[i]);
    serve_expect_same(&parked[0]->choices[0], &want->choices[0]);
    serve_expect_idle(s);
    serve_close(s);
}

/* ---- company ---- */

static gen_request *subject_request(serve *s, uint32_t k)
{
    gen_request *r = long_request(s, 50 + 20 * k, 40, 1000 + k);
    r->sampling.temperature = k ? 0.9f : 0;
    r->sampling.presence_penalty = k ? 0.5f : 0;
    r->n = r->best_of = 1 + k;
    r->n_logprobs = 3;
    r->echo = k == 2;
    return r;
}

TEST(request_answers_the_same_bits_alone_and_among_fifteen)
{
    static const serve_options o = {.max_running = 16, .prefill_budget = 32, .n_threads = 2};
    serve_reply *alone[4] = {0};
    serve *s;
    for (uint32_t k = 0; k < 3; k++) {
        s = serve_open(&o);
        serve_run(s, subject_request(s, k));
        keep_replies(s, alone, 1);
        serve_reply *want = alone[1];
        serve_close(s);
        for (uint64_t round = 0; round < 3; round++) {
            uint64_t rng = 100 * k + round;
            serve_reply *got = NULL;
            s = serve_open(&o);
            const uint32_t place = random_below(&rng, 16);
            for (uint32_t i = 0; i < 16; i++) {
                serve_reply *r =
                    serve_submit(s, i == place ? subject_request(s, k)
                                               : long_request(s, 1 + random_below(&rng, 120),
                                                              1 + random_below(&rng, 60), i));
                got = i == place ? r : got;
                for (uint32_t n = random_below(&rng, 4); n && s->n_ended <= i; n--)
                    serve_pump(s); /* the next arrives a little later */
            }
            serve_expect_done(s, got);
            for (uint32_t c = 0; c < want->n_choices; c++)
                serve_expect_same(&got->choices[c], &want->choices[c]);
            serve_close(s);
        }
        serve_free_reply(want);
    }
}

static gen_request *request_to(serve *s, const char *alias, uint32_t max_tokens, uint64_t seed)
{
    gen_request *r = long_request(s, 40, max_tokens, seed);
    policy_unref(r->policy);
    r->policy = serve_policy(s, alias);
    return r;
}

TEST(two_policies_are_served_in_the_same_rounds)
{
    const serve_options o = {.n_models = 2};
    serve *s = serve_open(&o);
    serve_reply *alone_a = serve_run(s, request_to(s, "a", 100, 1));
    serve_reply *alone_b = serve_run(s, request_to(s, "b", 100, 1));
    gen_request *both[2] = {request_to(s, "a", 100, 1), request_to(s, "b", 100, 1)};
    serve_reply *a = serve_submit_all(s, both, 2), *b = s->replies[a->id + 1];
    while (!a->done) {
        serve_pump(s);
        if (a->n_chunks > b->n_chunks + 1 || b->n_chunks > a->n_chunks + 1)
            FAIL("%u chunks of one policy, %u of the other", a->n_chunks, b->n_chunks);
    }
    serve_expect_done(s, b);
    serve_expect_same(&a->choices[0], &alone_a->choices[0]);
    serve_expect_same(&b->choices[0], &alone_b->choices[0]);
    EXPECT(memcmp(a->choices[0].ids, b->choices[0].ids, 100 * sizeof(int32_t)) != 0);
    EXPECT_EQ(a->usage.cached_tokens, 2 * SERVE_BLOCK_TOKENS);
    serve_close(s);
}

TEST(parked_policies_do_not_crowd_out_another)
{
    enum { N = 10 };
    const serve_options o = {.n_models = N, .max_running = 16};
    serve *s = serve_open(&o);
    serve_reply *parked[N - 1];
    for (uint32_t i = 0; i < N - 1; i++) {
        parked[i] = serve_submit(s, request_to(s, (char[]){(char)('a' + i), 0}, 2000, i));
        serve_command(s, CMD_PARK, parked[i]);
    }
    serve_run(s, request_to(s, (char[]){'a' + N - 1, 0}, 20, 1));
    for (uint32_t i = 0; i < N - 1; i++)
        serve_cancel(s, parked[i]);
    serve_expect_idle(s);
    serve_close(s);
}

/* Nine policies' requests of a higher class wait for the room that the tenth's holds. */
TEST(policies_that_wait_for_room_do_not_keep_who_has_it_from_going_on)
{
    enum { WAITING = 9 };
    const serve_options o = {.n_models = WAITING + 1, .kv_blocks = 40};
    serve *s = serve_open(&o);
    gen_request *first = long_request(s, 300, 200, 1), *others[WAITING];
    first->class = GEN_BACKGROUND;
    const serve_reply *running = serve_submit(s, first);
    wait_for_chunks(s, running, 1);
    for (uint32_t i = 0; i < WAITING; i++) {
        others[i] = request_to(s, (char[]){(char)('b' + i), 0}, 2, i);
        others[i]->prompts[0].n_tokens = 400;
        others[i]->prompts[0].tokens = realloc(others[i]->prompts[0].tokens, 400 * sizeof(int32_t));
        serve_fill(others[i]->prompts[0].tokens, 400, i);
    }
    const serve_reply *waiting = serve_submit_all(s, others, WAITING);
    serve_expect_done(s, running);
    for (uint32_t i = 0; i < WAITING; i++)
        serve_expect_done(s, s->replies[waiting->id + i]);
    serve_expect_idle(s);
    serve_close(s);
}

/* ---- memory runs out ---- */

static atomic_uint prepare_fails, reserve_fails; /* as often as this */

static bool must_fail(atomic_uint *times)
{
    unsigned left = atomic_load(times);
    while (left && !atomic_compare_exchange_weak(times, &left, left - 1))
        ;
    return left > 0;
}

bool __real_sequence_prepare(sequence *s);
bool __wrap_sequence_prepare(sequence *s);
bool __wrap_sequence_prepare(sequence *s)
{
    return !must_fail(&prepare_fails) && __real_sequence_prepare(s);
}

bool __real_eng_seq_reserve(eng_runtime *rt, eng_seq *seq, uint32_t n);
bool __wrap_eng_seq_reserve(eng_runtime *rt, eng_seq *seq, uint32_t n);
bool __wrap_eng_seq_reserve(eng_runtime *rt, eng_seq *seq, uint32_t n)
{
    return !must_fail(&reserve_fails) && __real_eng_seq_reserve(rt, seq, n);
}

/* Of two that come together the first fails, the second does not. */
static void expect_one_fails(atomic_uint *call, unsigned times)
{
    serve *s = serve_open(NULL);
    gen_request *both[2] = {serve_request(s, 1, 20, 1), serve_request(s, 1, 20, 2)};
    atomic_store(call, times);
    const serve_reply *fails = serve_submit_all(s, both, 2), *next = s->replies[fails->id + 1];
    serve_expect_done(s, next);
    EXPECT(fails->failed);
    EXPECT_EQ(fails->failure, GEN_FAIL_OUT_OF_MEMORY);
    serve_expect_idle(s);
    serve_close(s);
}

TEST(a_request_that_memory_fails_at_its_start_holds_nobody_up)
{
    expect_one_fails(&prepare_fails, 1);
}

TEST(a_request_that_memory_fails_while_nothing_else_runs_holds_nobody_up)
{
    expect_one_fails(&reserve_fails, 2); /* both, so that neither runs */
}

/* ---- everything at once ---- */

static gen_request *random_request(serve *s, uint64_t *rng)
{
    gen_request *r =
        long_request(s, 1 + random_below(rng, 60), random_below(rng, 24), random_below(rng, 20));
    r->echo = r->max_tokens == 0 || random_below(rng, 4) == 0;
    r->n = 1 + random_below(rng, 3);
    r->best_of = r->n;
    r->n_logprobs = (int)random_below(rng, 4) - 1;
    r->class = (gen_class)random_below(rng, GEN_CLASSES);
    r->tenant = 1 + random_below(rng, 2);
    r->ignore_eos = random_below(rng, 2);
    r->format.stream = random_below(rng, 2);
    r->format.return_progress = random_below(rng, 2);
    if (!r->format.stream)
        r->best_of += random_below(rng, 3);
    if (r->max_tokens && random_below(rng, 3) == 0)
        serve_add_stop(r, "e");
    if (random_below(rng, 8) == 0)
        r->max_tokens = 500; /* can never fit */
    return r;
}

/* Cancels, parks or resumes an old request, or does nothing. */
static void disturb(serve *s, uint64_t *rng, bool *parked)
{
    serve_reply *r = s->replies[1 + random_below(rng, (uint32_t)s->last_id)];
    switch (random_below(rng, 6)) {
    case 0:
        if (!r->done && !r->failed && !r->cancelled) {
            serve_cancel(s, r);
            s->n_ended++; /* nothing more is waited for */
        }
        break;
    case 1:
        parked[r->id] = true;
        serve_command(s, CMD_PARK, r);
        break;
    case 2:
        parked[r->id] = false;
        serve_command(s, CMD_RESUME, r);
        break;
    default:
        break;
    }
}

static void resume_all(serve *s, bool *parked)
{
    for (uint64_t id = 1; id <= s->last_id; id++) {
        if (parked[id])
            serve_command(s, CMD_RESUME, s->replies[id]);
        parked[id] = false;
    }
}

TEST(five_hundred_random_requests_leave_nothing_behind)
{
    enum { N = 500 };
    const serve_options o = {
        .kv_blocks = 24, .max_running = 6, .prefill_budget = 24, .max_queued = 40, .n_threads = 2};
    serve *s = serve_open(&o);
    bool parked[N + 1] = {0};
    uint64_t rng = 20260;
    uint32_t refused = 0, cancelled = 0;
    for (uint32_t i = 0; i < N; i++) {
        serve_submit(s, random_request(s, &rng));
        disturb(s, &rng, parked);
        while (i > 30 + s->n_ended) {
            resume_all(s, parked); /* they may be all that is left */
            serve_pump(s);
        }
    }
    resume_all(s, parked);
    for (uint32_t id = 1; id <= N; id++) {
        serve_reply *r = s->replies[id];
        cancelled += r->cancelled;
        if (r->cancelled)
            continue;
        serve_wait(s, r);
        refused += r->failed;
        EXPECT(!r->failed || r->failure == GEN_FAIL_OUT_OF_MEMORY ||
               r->failure == GEN_FAIL_QUEUE_FULL);
    }
    serve_expect_idle(s);
    EXPECT(refused > 0 && cancelled > 0 && refused + cancelled < N);
    serve_close(s);
}
