/* What the scheduler promises about one request or a few: events, choices, echo, stops, usage. */
#include "serve_fixture.h"

static bool same_ids(const serve_choice *a, const serve_choice *b)
{
    return a->n_ids == b->n_ids && memcmp(a->ids, b->ids, a->n_ids * sizeof *a->ids) == 0;
}

/* The log-prob of each of ids[1..n), and the token drawn after the last, by the engine alone. */
static int32_t compute_directly(policy *p, const int32_t *ids, uint32_t n, float *logprobs,
                                float *drawn_logprob)
{
    const eng_runtime_options options = {
        .n_threads = 1, .max_rows = n, .max_seqs = 1, .kv_bytes = (size_t)64 * SERVE_BLOCK_BYTES};
    const eng_sampling greedy = {.top_p = 1};
    eng_error err;
    eng_runtime *rt;
    EXPECT_OK(eng_runtime_create(&rt, policy_model(p), &options, &err), err);
    eng_seq *seq = eng_seq_create(rt, policy_model(p));
    EXPECT(eng_seq_reserve(rt, seq, n));
    eng_output *outputs = calloc(n, sizeof *outputs);
    eng_step_begin(rt, policy_model(p));
    uint32_t row = eng_step_add(rt, seq, ids, n);
    for (uint32_t i = 0; i < n; i++) {
        outputs[i] = (eng_output){
            .target = i + 1 < n ? ids[i + 1] : -1, .want_logprob = true, .position = n};
        outputs[i].sampling = i + 1 < n ? NULL : &greedy;
        eng_step_want(rt, row + i, &outputs[i]);
    }
    eng_step_run(rt);
    for (uint32_t i = 0; i + 1 < n; i++)
        logprobs[i + 1] = outputs[i].logprob;
    *drawn_logprob = outputs[n - 1].logprob;
    const int32_t drawn = outputs[n - 1].token;
    free(outputs);
    eng_seq_free(rt, seq);
    eng_runtime_free(rt);
    return drawn;
}

/* ---- events and usage ---- */

TEST(stream_sends_one_chunk_a_token_and_ends_with_done)
{
    serve *s = serve_open(NULL);
    gen_request *r = serve_request(s, 1, 20, 5);
    for (uint32_t i = 0; i < 20; i++)
        r->prompts[0].tokens[i] = TEST_TOKEN_BYTE0 + 'a';
    serve_reply *reply = serve_run(s, r);
    EXPECT_EQ(reply->choices[0].n_ids, 8);
    EXPECT_EQ(reply->choices[0].n_chunks, 8);
    EXPECT_EQ(reply->choices[0].finish, GEN_FINISH_LENGTH);
    EXPECT_EQ(reply->n_progress, 0);
    EXPECT_EQ(reply->usage.prompt_tokens, 20);
    EXPECT_EQ(reply->usage.completion_tokens, 8);
    EXPECT(reply->timings.queue_ms >= 0 && reply->timings.prefill_ms >= 0);
    serve_close(s);
}

/* Tokens that a running stream has been told before the first of a request that came with it, whose
 * prompt has `prompt` tokens. The first round takes of these what the whole budget holds. */
static uint32_t chunks_before_first_token(const serve_options *o, uint32_t prompt)
{
    serve *s = serve_open(o);
    gen_request *both[2] = {serve_request(s, 1, 1, 5), serve_request(s, 1, prompt, 6)};
    uint32_t chunks = 0;
    const serve_reply *running = serve_submit_all(s, both, 2);
    const serve_reply *late = s->replies[running->id + 1];
    while (!late->n_chunks) {
        if (!mailbox_wait(&s->out, SERVE_HANG_MS))
            FAIL("no event came: the scheduler hangs");
        for (mail *m = mailbox_take(&s->out), *next; m; m = next) {
            const bool first = !late->n_chunks;
            next = m->next;
            serve_take_event(s, (event *)(void *)m);
            event_free((event *)(void *)m);
            if (first && late->n_chunks)
                chunks = running->n_chunks;
        }
    }
    serve_expect_done(s, late);
    serve_expect_done(s, running);
    serve_close(s);
    return chunks;
}

/* One stream decodes from the first round on; of the other's 100 prompt tokens that round takes the
 * whole budget, 64, and the next ones a quarter of it, so its first token comes in round 4. */
TEST(first_token_of_a_request_is_told_before_the_streams_that_run)
{
    EXPECT_EQ(chunks_before_first_token(NULL, 100), 3);
}

/* Of 200 prompt tokens the first round takes 128; of the rest a quarter of the budget takes 32 at a
 * time, and where no step is short enough 16. */
TEST(a_prompt_beside_streams_takes_what_keeps_steps_short)
{
    const serve_options roomy = {.prefill_budget = 128, .busy_step_ns = UINT32_MAX};
    const serve_options tight = {.prefill_budget = 128, .busy_step_ns = 1};
    EXPECT_EQ(chunks_before_first_token(&roomy, 200), 3);
    EXPECT_EQ(chunks_before_first_token(&tight, 200), 5);
}

TEST(threads_that_compute_give_the_way_while_it_is_asked_for)
{
    right_of_way way = {0};
    serve *s = serve_open(&(serve_options){.way = &way});
    serve_run(s, serve_request(s, 1, 20, 5));
    EXPECT_EQ(way.given, 0);
    right_of_way_job_begins(&way);
    serve_run(s, serve_request(s, 1, 20, 6));
    EXPECT(way.given > 0);
    right_of_way_job_ends(&way);
    serve_close(s);
}

TEST(unstreamed_request_gets_one_chunk_a_choice)
{
    serve *s = serve_open(NULL);
    gen_request *r = serve_request(s, 2, 20, 5);
    r->n = r->best_of = 3;
    r->format.stream = false;
    serve_reply *reply = serve_run(s, r);
    EXPECT_EQ(reply->n_chunks, 6);
    for (uint32_t c = 0; c < 6; c++)
        EXPECT_EQ(reply->choices[c].n_ids, 8);
    serve_close(s);
}

TEST(streamed_text_is_the_unstreamed_text)
{
    serve *s = serve_open(NULL);
    serve_reply *replies[2];
    for (int stream = 0; stream < 2; stream++) {
        gen_request *r = serve_request(s, 2, 30, 6);
        r->n = r->best_of = 2;
        r->max_tokens = 60;
        r->n_logprobs = 2;
        r->echo = true;
        r->format.stream = stream;
        serve_add_stop(r, "e");
        serve_add_stop(r, "qu");
        replies[stream] = serve_run(s, r);
    }
    for (uint32_t c = 0; c < 4; c++)
        serve_expect_same(&replies[1]->choices[c], &replies[0]->choices[c]);
    serve_close(s);
}

TEST(usage_counts_prompts_once_and_every_sampled_token)
{
    serve *s = serve_open(NULL);
    gen_request *r = serve_request(s, 2, 21, 5);
    r->n = 2;
    r->best_of = 5;
    r->format.stream = false;
    serve_reply *reply = serve_run(s, r);
    EXPECT_EQ(reply->n_chunks, 4);
    EXPECT_EQ(reply->usage.prompt_tokens, 42);
    EXPECT_EQ(reply->usage.completion_tokens, 2 * 5 * 8);
    serve_close(s);
}

TEST(second_identical_request_finds_whole_blocks_in_the_cache)
{
    serve *s = serve_open(NULL);
    serve_reply *first = serve_run(s, serve_request(s, 1, 40, 5));
    serve_reply *second = serve_run(s, serve_request(s, 1, 40, 5));
    gen_request *r = serve_request(s, 1, 40, 5);
    r->tenant = 2;
    serve_reply *stranger = serve_run(s, r);
    EXPECT_EQ(first->usage.cached_tokens, 0);
    EXPECT_EQ(second->usage.cached_tokens, 2 * SERVE_BLOCK_TOKENS);
    EXPECT_EQ(stranger->usage.cached_tokens, 0);
    serve_expect_same(&second->choices[0], &first->choices[0]);
    serve_expect_same(&stranger->choices[0], &first->choices[0]);
    serve_close(s);
}

TEST(progress_counts_the_prompts_tokens_up_to_their_sum)
{
    const serve_options o = {.prefill_budget = 8};
    serve *s = serve_open(&o);
    for (uint32_t n_prompts = 1; n_prompts <= 3; n_prompts += 2) {
        gen_request *r = serve_request(s, n_prompts, 40, 70 + n_prompts);
        r->format.return_progress = true;
        r->n = r->best_of = 2;
        serve_reply *reply = serve_run(s, r);
        EXPECT(reply->n_progress >= n_prompts * 40 / 8);
        EXPECT_EQ(reply->progress_total, n_prompts * 40);
        EXPECT_EQ(reply->progress_processed, n_prompts * 40);
    }
    serve_close(s);
}

/* ---- choices ---- */

TEST(choices_differ_and_seeds_repeat)
{
    serve *s = serve_open(NULL);
    serve_reply *replies[3];
    for (uint32_t k = 0; k < 3; k++) {
        gen_request *r = serve_request(s, 1, 20, 5);
        r->n = r->best_of = 3;
        r->max_tokens = 24;
        r->sampling.seed = k < 2 ? 99 : 100;
        replies[k] = serve_run(s, r);
    }
    for (uint32_t c = 0; c < 3; c++) {
        serve_expect_same(&replies[1]->choices[c], &replies[0]->choices[c]);
        EXPECT(!same_ids(&replies[2]->choices[c], &replies[0]->choices[c]));
        EXPECT(!same_ids(&replies[0]->choices[c], &replies[0]->choices[(c + 1) % 3]));
    }
    serve_close(s);
}

TEST(greedy_choices_are_equal)
{
    serve *s = serve_open(NULL);
    gen_request *r = serve_request(s, 1, 20, 5);
    r->n = r->best_of = 2;
    r->sampling.temperature = 0;
    serve_reply *reply = serve_run(s, r);
    serve_expect_same(&reply->choices[1], &reply->choices[0]);
    serve_close(s);
}

/* Siblings beyond max_running start after others have ended, from the cache or, with echo, from
 * nothing; they draw what they would have drawn as forks. */
static void expect_late_siblings_draw_the_same(bool echo)
{
    static const uint32_t widths[] = {16, 3, 1};
    int32_t ids[8][8];
    for (size_t w = 0; w < 3; w++) {
        const serve_options o = {.max_running = widths[w]};
        serve *s = serve_open(&o);
        gen_request *r = serve_request(s, 1, 37, 5);
        r->n = r->best_of = 8;
        r->echo = echo;
        const serve_reply *wide = serve_run(s, r);
        for (uint32_t c = 0; c < 8; c++) {
            EXPECT_EQ(wide->choices[c].n_ids, 8);
            if (w == 0)
                memcpy(ids[c], wide->choices[c].ids, sizeof ids[c]);
            EXPECT_MEM(wide->choices[c].ids, ids[c], sizeof ids[c]);
        }
        serve_expect_idle(s);
        serve_close(s);
    }
}

TEST(late_siblings_draw_the_tokens_of_forked_ones)
{
    expect_late_siblings_draw_the_same(false);
}

TEST(late_siblings_of_an_echo_draw_the_tokens_of_forked_ones)
{
    expect_late_siblings_draw_the_same(true);
}

static double mean_of(const serve_choice *c)
{
    double sum = 0;
    for (uint32_t i = 0; i < c->n_tokens; i++)
        sum += (double)c->tokens[i].logprob;
    return sum / c->n_tokens;
}

TEST(best_of_keeps_the_best_means_in_order_of_number)
{
    serve *s = serve_open(NULL);
    gen_request *all = serve_request(s, 2, 20, 5), *best = serve_request(s, 2, 20, 5);
    all->n = all->best_of = best->best_of = 6;
    best->n = 2;
    all->n_logprobs = best->n_logprobs = 0;
    all->format.stream = best->format.stream = false;
    serve_reply *a = serve_run(s, all), *b = serve_run(s, best);
    for (uint32_t p = 0; p < 2; p++) {
        uint32_t kept = 0;
        for (uint32_t c = 0; c < 6; c++) {
            uint32_t better = 0;
            for (uint32_t d = 0; d < 6; d++)
                better += mean_of(&a->choices[p * 6 + d]) > mean_of(&a->choices[p * 6 + c]);
            if (better < 2)
                serve_expect_same(&b->choices[p * 2 + kept++], &a->choices[p * 6 + c]);
        }
        EXPECT_EQ(kept, 2);
    }
    serve_close(s);
}

TEST(batch_of_prompts_is_each_prompt_alone)
{
    serve *s = serve_open(NULL);
    gen_request *all = serve_request(s, 5, 33, 5);
    all->n_logprobs = 1;
    all->sampling.temperature = 0; /* another choice number would draw something else */
    serve_reply *batch = serve_run(s, all);
    for (uint32_t p = 0; p < 5; p++) {
        gen_request *one = serve_request(s, 1, 33, 5);
        serve_fill(one->prompts[0].tokens, 33, 5000 + p); /* the batch's prompt p */
        one->n_logprobs = 1;
        one->sampling.temperature = 0;
        serve_reply *alone = serve_run(s, one);
        serve_expect_same(&batch->choices[p], &alone->choices[0]);
    }
    EXPECT_EQ(batch->usage.prompt_tokens, 5 * 33);
    serve_close(s);
}

/* ---- echo ---- */

/* prompt + max_tokens records, the first one null, the others the engine's own figures. */
static void expect_echo_arrays(serve *s, const serve_choice *c, const int32_t *ids, uint32_t n,
                               uint32_t max_tokens)
{
    float want[64], drawn_logprob;
    policy *p = serve_policy(s, NULL);
    int32_t drawn = compute_directly(p, ids, n, want, &drawn_logprob);
    policy_unref(p);
    EXPECT_EQ(c->n_tokens, n + max_tokens);
    EXPECT(c->tokens[0].first);
    EXPECT_EQ(c->tokens[0].n_top, 0);
    for (uint32_t i = 0; i < n; i++)
        EXPECT_EQ(c->tokens[i].id, ids[i]);
    for (uint32_t i = 1; i < n; i++) {
        EXPECT_MEM(&c->tokens[i].logprob, &want[i], sizeof(float));
        EXPECT_EQ(c->tokens[i].n_top, 1);
        EXPECT(!c->tokens[i].first);
    }
    if (max_tokens) {
        EXPECT_EQ(c->tokens[n].id, drawn);
        EXPECT_MEM(&c->tokens[n].logprob, &drawn_logprob, sizeof(float));
    }
}

TEST(echo_with_logprobs_gives_the_engines_figures)
{
    static const uint32_t lengths[] = {1, 2, 17, 50};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
        for (uint32_t max_tokens = 0; max_tokens < 2; max_tokens++) {
            const serve_options o = {.prefill_budget = 7};
            serve *s = serve_open(&o);
            gen_request *r = serve_request(s, 2, lengths[k], 5);
            r->echo = true;
            r->n_logprobs = 1;
            r->max_tokens = max_tokens;
            r->sampling.temperature = 0;
            int32_t ids[2][64];
            serve_fill(ids[0], lengths[k], 5000);
            serve_fill(ids[1], lengths[k], 5001);
            serve_reply *reply = serve_run(s, r);
            for (uint32_t p = 0; p < 2; p++)
                expect_echo_arrays(s, &reply->choices[p], ids[p], lengths[k], max_tokens);
            EXPECT_EQ(reply->usage.completion_tokens, 2 * max_tokens);
            EXPECT_EQ(reply->usage.cached_tokens, 0);
            serve_expect_idle(s);
            serve_close(s);
        }
}

TEST(echo_of_several_choices_gives_each_the_prompt)
{
    for (uint32_t logprobs = 0; logprobs < 2; logprobs++)
        for (uint32_t n = 1; n <= 18; n += 17)
            for (uint32_t max_tokens = 0; max_tokens < 3; max_tokens++) {
                const serve_options o = {.max_running = 2};
                serve *s = serve_open(&o);
                gen_request *r = serve_request(s, 1, n, 5);
                r->echo = true;
                r->n_logprobs = logprobs ? 0 : -1;
                r->max_tokens = max_tokens;
                r->n = r->best_of = 3;
                serve_reply *reply = serve_run(s, r);
                for (uint32_t c = 0; c < 3; c++) {
                    EXPECT_EQ(reply->choices[c].n_ids, max_tokens);
                    EXPECT_EQ(reply->choices[c].n_tokens, logprobs ? n + max_tokens : 0);
                    EXPECT(reply->choices[c].text_len > 0);
                    EXPECT_EQ(reply->choices[c].finish, GEN_FINISH_LENGTH);
                }
                serve_expect_idle(s);
                serve_close(s);
            }
}

TEST(echo_alone_does_not_hold_up_the_request_behind_it)
{
    const serve_options o = {.max_running = 1};
    serve *s = serve_open(&o);
    gen_request *both[2] = {serve_request(s, 1, 20, 5), serve_request(s, 1, 20, 6)};
    both[0]->echo = true;
    both[0]->max_tokens = 0;
    serve_reply *first = serve_submit_all(s, both, 2);
    serve_expect_done(s, first);
    serve_expect_done(s, s->replies[first->id + 1]);
    serve_close(s);
}

TEST(echo_bypasses_the_prefix_cache)
{
    serve *s = serve_open(NULL);
    serve_run(s, serve_request(s, 1, 40, 5));
    gen_request *r = serve_request(s, 1, 40, 5);
    r->echo = true;
    EXPECT_EQ(serve_run(s, r)->usage.cached_tokens, 0);
    serve_close(s);
}

/* ---- ends ---- */

/* The answer to a request that nothing stops. */
static serve_choice *run_unstopped(serve *s, uint64_t seed)
{
    gen_request *r = serve_request(s, 1, 20, seed);
    r->max_tokens = 40;
    return &serve_run(s, r)->choices[0];
}

/* The first ASCII letter or digit of a text, from byte `from` on. */
static size_t find_letter(const serve_choice *c, size_t from)
{
    for (size_t i = from; i < c->text_len; i++)
        if ((c->text[i] >= 'a' && c->text[i] <= 'z') || (c->text[i] >= '0' && c->text[i] <= '9'))
            return i;
    FAIL("no letter in the text; choose another seed");
}

TEST(stop_string_cuts_the_text_where_it_begins)
{
    serve *s = serve_open(NULL);
    serve_choice *whole = run_unstopped(s, 5);
    char stop[2] = {whole->text[find_letter(whole, 4)], 0};
    size_t at = (size_t)(strchr(whole->text, stop[0]) - whole->text);
    for (int include = 0; include < 2; include++) {
        gen_request *r = serve_request(s, 1, 20, 5);
        r->max_tokens = 40;
        r->include_stop_text = include;
        serve_add_stop(r, stop);
        serve_reply *reply = serve_run(s, r);
        const serve_choice *c = &reply->choices[0];
        EXPECT_EQ(c->finish, GEN_FINISH_STOP);
        EXPECT_EQ(c->text_len, at + (include ? 1 : 0));
        EXPECT_MEM(c->text, whole->text, c->text_len);
        EXPECT(c->n_ids < whole->n_ids); /* the ids keep the stop text's token */
        EXPECT_MEM(c->ids, whole->ids, c->n_ids * sizeof *c->ids);
        EXPECT_EQ(reply->usage.completion_tokens, c->n_ids);
    }
    serve_close(s);
}

TEST(stop_id_ends_the_choice_without_text)
{
    serve *s = serve_open(NULL);
    serve_choice *whole = run_unstopped(s, 5);
    gen_request *r = serve_request(s, 1, 20, 5);
    r->max_tokens = 40;
    r->n_logprobs = 0;
    r->stop_ids = malloc(sizeof *r->stop_ids);
    r->stop_ids[0] = whole->ids[3];
    r->n_stop_ids = 1;
    serve_reply *reply = serve_run(s, r);
    const serve_choice *c = &reply->choices[0];
    uint32_t first = 0;
    while (whole->ids[first] != whole->ids[3])
        first++;
    EXPECT_EQ(c->finish, GEN_FINISH_STOP);
    EXPECT_EQ(c->n_ids, first + 1);
    EXPECT_EQ(c->n_tokens, first + 1);
    EXPECT(c->tokens[first].hidden);
    serve_close(s);
}

/* Sampling so flat that end tokens come soon: a strong bias towards all of them. */
static gen_request *eager_to_end(serve *s, uint32_t min_tokens)
{
    gen_request *r = serve_request(s, 1, 20, 5);
    eng_logit_bias *bias = malloc(3 * sizeof *bias);
    bias[0] = (eng_logit_bias){TEST_TOKEN_END_OF_TEXT, 100};
    bias[1] = (eng_logit_bias){TEST_TOKEN_IM_END, 100};
    bias[2] = (eng_logit_bias){TEST_TOKEN_BYTE0 + 'z', 100};
    r->sampling.bias = bias;
    r->sampling.n_bias = 3;
    r->ignore_eos = false;
    r->min_tokens = min_tokens;
    r->max_tokens = 30;
    r->stop_ids = malloc(sizeof *r->stop_ids);
    r->stop_ids[0] = TEST_TOKEN_BYTE0 + 'z';
    r->n_stop_ids = 1;
    return r;
}

TEST(end_tokens_and_stop_ids_end_a_choice)
{
    serve *s = serve_open(NULL);
    serve_reply *reply = serve_run(s, eager_to_end(s, 0));
    EXPECT_EQ(reply->choices[0].n_ids, 1);
    EXPECT_EQ(reply->choices[0].text_len, 0);
    EXPECT_EQ(reply->choices[0].finish, GEN_FINISH_STOP);
    EXPECT_EQ(reply->usage.completion_tokens, 1);
    serve_close(s);
}

TEST(min_tokens_bans_end_tokens_and_stop_ids)
{
    serve *s = serve_open(NULL);
    serve_reply *reply = serve_run(s, eager_to_end(s, 9));
    const serve_choice *c = &reply->choices[0];
    EXPECT_EQ(c->n_ids, 10);
    for (uint32_t i = 0; i < 9; i++)
        EXPECT(c->ids[i] != TEST_TOKEN_END_OF_TEXT && c->ids[i] != TEST_TOKEN_IM_END &&
               c->ids[i] != TEST_TOKEN_BYTE0 + 'z');
    EXPECT_EQ(c->finish, GEN_FINISH_STOP);
    serve_close(s);
}

TEST(ignore_eos_goes_past_end_tokens)
{
    serve *s = serve_open(NULL);
    gen_request *r = eager_to_end(s, 0);
    r->ignore_eos = true;
    r->n_stop_ids = 0;
    serve_reply *reply = serve_run(s, r);
    EXPECT_EQ(reply->choices[0].n_ids, 30);
    EXPECT_EQ(reply->choices[0].finish, GEN_FINISH_LENGTH);
    serve_close(s);
}

/* ---- refusals ---- */

TEST(full_queue_refuses_the_next_request)
{
    const serve_options o = {.max_queued = 3};
    serve *s = serve_open(&o);
    gen_request *all[5];
    for (uint32_t i = 0; i < 5; i++)
        all[i] = serve_request(s, 1, 20, i);
    serve_reply *first = serve_submit_all(s, all, 5);
    for (uint32_t i = 0; i < 5; i++) {
        serve_reply *r = s->replies[first->id + i];
        serve_wait(s, r);
        EXPECT_EQ(r->failed, i >= 3);
        EXPECT(!r->failed || (!r->admitted && r->failure == GEN_FAIL_QUEUE_FULL));
    }
    serve_expect_idle(s);
    serve_close(s);
}

TEST(request_that_never_fits_the_pool_is_refused)
{
    const serve_options o = {.kv_blocks = 8};
    serve *s = serve_open(&o);
    gen_request *r = serve_request(s, 1, 100, 5);
    r->max_tokens = 40;
    serve_reply *reply = serve_submit(s, r);
    serve_wait(s, reply);
    EXPECT(reply->failed && !reply->admitted);
    EXPECT_EQ(reply->failure, GEN_FAIL_OUT_OF_MEMORY);
    EXPECT_EQ(metrics_get(s->metrics, METRIC_KV_BLOCKS), 8);
    serve_close(s);
}

TEST(request_that_just_fits_the_pool_is_served)
{
    const serve_options o = {.kv_blocks = 8};
    serve *s = serve_open(&o);
    gen_request *r = serve_request(s, 1, 80, 5);
    r->max_tokens = 23;
    r->n = r->best_of = 3;
    serve_reply *reply = serve_run(s, r);
    EXPECT_EQ(reply->usage.completion_tokens, 3 * 23);
    serve_expect_idle(s);
    serve_close(s);
}

TEST(drain_finishes_what_is_admitted_and_refuses_the_rest)
{
    serve *s = serve_open(NULL);
    gen_request *r = serve_request(s, 1, 20, 5);
    r->max_tokens = 200;
    serve_reply *before = serve_submit(s, r);
    serve_command(s, CMD_DRAIN, NULL);
    serve_reply *after = serve_submit(s, serve_request(s, 1, 20, 6));
    serve_wait(s, after);
    serve_expect_done(s, before);
    EXPECT(after->failed && !after->admitted);
    EXPECT_EQ(after->failure, GEN_FAIL_DRAINING);
    serve_close(s);
}

/* ---- a reader that is far behind ---------------------------------------------------------------
 */

/* 255 choices of 40 tokens are 10,200 chunks: more than the scheduler may have waiting. It must
 * pause, lose nothing, and go on when the events are taken. */
TEST(events_that_nobody_takes_hold_up_the_scheduler_and_are_not_lost)
{
    serve *s = serve_open(&(serve_options){.max_running = 64, .kv_blocks = 4096});
    gen_request *r = serve_request(s, 1, 4, 5);
    r->n = r->best_of = 255;
    r->max_tokens = 40;
    serve_reply *reply = serve_submit(s, r);
    for (int ms = 0; mailbox_count(&s->out) <= LIMIT_EVENT_BACKLOG && ms < SERVE_HANG_MS; ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    EXPECT(mailbox_count(&s->out) > LIMIT_EVENT_BACKLOG);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* time to overrun, if it would */
    EXPECT(mailbox_count(&s->out) <= 2 * LIMIT_EVENT_BACKLOG);
    serve_expect_done(s, reply);
    for (uint32_t c = 0; c < 255; c++)
        EXPECT_EQ(reply->choices[c].n_ids, 40);
    serve_expect_idle(s);
    serve_close(s);
}

/* The first token of a step is told early, but not waited for with the gate closed. */
TEST(spare_time_comes_while_the_loop_is_far_behind)
{
    spare_time spare = {.percent = 10};
    serve *s = serve_open(&(serve_options){.spare = &spare});
    for (int i = 0; i <= LIMIT_EVENT_BACKLOG; i++)
        EXPECT(mailbox_post(&s->out, &event_create(EV_PROGRESS, 0)->mail));
    serve_reply *reply = serve_submit(s, serve_request(s, 1, 20, 5));
    for (int ms = 0; !metrics_get(s->metrics, METRIC_PROMPT_TOKENS) && ms < SERVE_HANG_MS; ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    for (int ms = 0; atomic_load(&spare.closed) && ms < SERVE_HANG_MS; ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    EXPECT_EQ(metrics_get(s->metrics, METRIC_PROMPT_TOKENS), 20);
    EXPECT_EQ(atomic_load(&spare.closed), 0);
    for (mail *m = mailbox_take(&s->out), *next; m; m = next) {
        next = m->next;
        event_free((event *)(void *)m);
    }
    serve_expect_done(s, reply);
    serve_close(s);
}
