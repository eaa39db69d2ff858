/* in_flight "recompute": running requests that follow an alias go on under the policy that it moved
 * to, from the next step; each token is what the policy of its span draws after all before it.
 *
 * The scheduler stops when its reader is LIMIT_EVENT_BACKLOG events behind, so a request of more
 * events than that is still running when a test that has read a few of them moves its alias. */
#include "serve_fixture.h"

/* A request that names alias "a" and moves with it. */
static gen_request *following(serve *s, uint32_t n_ids, uint32_t max_tokens, uint64_t seed)
{
    gen_request *r = serve_request(s, 1, n_ids, seed);
    r->max_tokens = max_tokens;
    r->n_logprobs = 1;
    r->follows = true;
    snprintf(r->format.model, sizeof r->format.model, "a@%s", policy_id(r->policy));
    return r;
}

static void move(serve *s, const char *alias, const char *to)
{
    cmd *c = cmd_create(CMD_MOVE, 0);
    snprintf(c->alias, sizeof c->alias, "%s", alias);
    c->policy = serve_policy(s, to);
    EXPECT(mailbox_post(&s->in, &c->mail));
}

enum { LONG = LIMIT_EVENT_BACKLOG + 900 }; /* events of a request that cannot be over too soon */

static void wait_for_ids(serve *s, const serve_reply *r, uint32_t n)
{
    while (r->choices[0].n_ids < n)
        serve_pump(s);
}

static void expect_span(const serve_choice *c, uint32_t i, serve *s, const char *alias)
{
    policy *p = serve_policy(s, alias);
    EXPECT(i < c->n_spans);
    EXPECT_STR(c->spans[i].policy, policy_id(p));
    EXPECT(i == 0 ? c->spans[i].from == 0 : c->spans[i].from > c->spans[i - 1].from);
    policy_unref(p);
}

/* Span i of the choice is what a request of the span's policy alone draws after the prompt and all
 * earlier tokens: draws depend on seed and position, not on who computed what came before. */
static void expect_span_replays(serve *s, const serve_reply *r, const gen_request *asked,
                                uint32_t i, const char *alias)
{
    const serve_choice *c = &r->choices[0];
    const uint32_t from = c->spans[i].from;
    const uint32_t end = i + 1 < c->n_spans ? c->spans[i + 1].from : c->n_ids;
    const uint32_t n_prompt = asked->prompts[0].n_tokens;
    gen_request *again = serve_request(s, 1, n_prompt + from, 1);
    policy_unref(again->policy);
    again->policy = serve_policy(s, alias);
    memcpy(again->prompts[0].tokens, asked->prompts[0].tokens, n_prompt * sizeof(int32_t));
    memcpy(again->prompts[0].tokens + n_prompt, c->ids, from * sizeof(int32_t));
    again->sampling.seed = asked->sampling.seed;
    again->max_tokens = end - from;
    again->n_logprobs = 1;
    const serve_reply *want = serve_run(s, again);
    EXPECT_EQ(want->choices[0].n_ids, end - from);
    EXPECT_MEM(c->ids + from, want->choices[0].ids, (end - from) * sizeof(int32_t));
    for (uint32_t k = 0; k < end - from; k++)
        EXPECT_MEM(&c->tokens[from + k].logprob, &want->choices[0].tokens[k].logprob,
                   sizeof(float));
}

TEST(a_running_request_goes_on_under_the_new_policy)
{
    const serve_options o = {.n_models = 2};
    static const char *const spans[] = {"a", "b"};
    serve *s = serve_open(&o);
    gen_request *r = gen_request_ref(following(s, 50, LONG, 7));
    serve_reply *reply = serve_submit(s, r);
    wait_for_ids(s, reply, 20);
    move(s, "a", "b");
    serve_wait(s, reply);
    serve_expect_done(s, reply);
    EXPECT_EQ(reply->choices[0].n_ids, LONG);
    EXPECT_EQ(reply->choices[0].n_spans, 2);
    for (uint32_t i = 0; i < 2; i++) {
        expect_span(&reply->choices[0], i, s, spans[i]);
        expect_span_replays(s, reply, r, i, spans[i]);
    }
    EXPECT_EQ(reply->usage.completion_tokens, LONG);
    EXPECT_EQ(reply->usage.prompt_tokens, 50);
    gen_request_unref(r);
    serve_expect_idle(s);
    serve_close(s);
}

TEST(a_request_that_moves_before_its_first_token_has_one_span)
{
    const serve_options o = {.n_models = 2, .max_running = 1};
    serve *s = serve_open(&o);
    serve_reply *first = serve_submit(s, serve_request(s, 1, 20, 1));
    serve_reply *waiting = serve_submit(s, following(s, 20, 10, 2));
    move(s, "a", "b");
    serve_wait(s, first);
    serve_wait(s, waiting);
    EXPECT_EQ(waiting->choices[0].n_spans, 1);
    expect_span(&waiting->choices[0], 0, s, "b");
    EXPECT_EQ(first->choices[0].n_spans, 0); /* it does not follow */
    serve_expect_idle(s);
    serve_close(s);
}

TEST(moves_there_and_back_between_two_tokens_leave_no_trace)
{
    const serve_options o = {.n_models = 2};
    serve *s = serve_open(&o);
    serve_reply *reply = serve_submit(s, following(s, 20, LONG, 3));
    wait_for_ids(s, reply, 5);
    cmd *there = cmd_create(CMD_MOVE, 0), *back = cmd_create(CMD_MOVE, 0);
    strcpy(there->alias, "a");
    strcpy(back->alias, "a");
    there->policy = serve_policy(s, "b");
    back->policy = serve_policy(s, "a");
    there->mail.next = &back->mail; /* taken in one round */
    EXPECT(mailbox_post(&s->in, &there->mail));
    serve_wait(s, reply);
    const serve_choice *c = &reply->choices[0];
    EXPECT_EQ(c->n_ids, LONG);
    EXPECT_EQ(c->n_spans, 1);
    expect_span(c, 0, s, "a");
    serve_expect_idle(s);
    serve_close(s);
}

TEST(pinned_requests_and_other_aliases_stay)
{
    const serve_options o = {.n_models = 2};
    serve *s = serve_open(&o);
    gen_request *pinned = following(s, 20, LONG, 4), *other = following(s, 20, LONG, 4);
    pinned->follows = false;
    snprintf(other->format.model, sizeof other->format.model, "ab@%s", policy_id(other->policy));
    serve_reply *one = serve_submit(s, pinned), *two = serve_submit(s, other);
    wait_for_ids(s, one, 3);
    wait_for_ids(s, two, 3);
    move(s, "a", "b");
    serve_wait(s, one);
    serve_wait(s, two);
    EXPECT_EQ(one->choices[0].n_spans, 0);
    EXPECT_EQ(two->choices[0].n_spans, 1);
    expect_span(&two->choices[0], 0, s, "a");
    serve_expect_same(&two->choices[0], &one->choices[0]);
    serve_expect_idle(s);
    serve_close(s);
}

TEST(all_choices_of_a_request_move)
{
    const serve_options o = {.n_models = 2};
    serve *s = serve_open(&o);
    gen_request *r = following(s, 40, LONG / 4, 5);
    r->n = r->best_of = 4;
    serve_reply *reply = serve_submit(s, r);
    wait_for_ids(s, reply, 10);
    move(s, "a", "b");
    serve_wait(s, reply);
    serve_expect_done(s, reply);
    for (uint32_t c = 0; c < 4; c++) {
        EXPECT_EQ(reply->choices[c].n_ids, LONG / 4);
        EXPECT_EQ(reply->choices[c].n_spans, 2);
        expect_span(&reply->choices[c], 1, s, "b");
    }
    serve_expect_idle(s);
    serve_close(s);
}

/* A prompt of which half is computed is computed again, with the log-probs of its tokens. */
TEST(a_move_in_the_middle_of_an_echo_starts_it_again)
{
    const serve_options o = {.n_models = 2, .prefill_budget = 1};
    serve *s = serve_open(&o);
    gen_request *r = following(s, LONG, 3, 6), *alone = following(s, LONG, 3, 6);
    r->echo = alone->echo = true;
    policy_unref(alone->policy);
    alone->policy = serve_policy(s, "b");
    r->format.return_progress = true;
    serve_reply *reply = serve_submit(s, r);
    while (!reply->n_progress)
        serve_pump(s);
    move(s, "a", "b");
    serve_wait(s, reply);
    serve_expect_done(s, reply);
    const serve_reply *want = serve_run(s, alone);
    EXPECT_EQ(reply->choices[0].n_spans, 1);
    expect_span(&reply->choices[0], 0, s, "b");
    serve_expect_same(&reply->choices[0], &want->choices[0]);
    serve_expect_idle(s);
    serve_close(s);
}
