/* One step: which rows run, and what becomes of their tokens.
 *
 * Sequences are looked at in order of service (class, arrival, number). Each takes one row if it
 * decodes, or a chunk of the prefill budget; each must get its blocks first, from sequences behind
 * it if need be, so the first in line always goes on. */
#include "serve/state.h"

#include "base/clock.h"

#include <string.h>

enum {
    BUSY_SHARE = 4,  /* of the prefill budget: the most that prompts take while somebody decodes */
    BUSY_LEAST = 16, /* rows they may take all the same */
    MAX_POLICIES_A_ROUND = 8
};

/* ---- blocks ---- */

void sched_release(sched *s, sequence *seq)
{
    if (!seq->seq)
        return;
    eng_seq_free(s->runtime, seq->seq);
    seq->seq = NULL;
    s->n_running--;
}

/* The last sequence in order of service that holds blocks and comes after `than`; one whose reader
 * is slow is taken first, wherever it stands. */
static sequence *find_victim(sched *s, const sequence *than, bool lower_class_only)
{
    sequence *victim = NULL;
    bool behind = false;
    FOR_JOBS(s, j)
    {
        for (uint32_t i = 0; i < j->n_sequences; i++) {
            sequence *c = &j->sequences[i];
            if (c == than)
                behind = true;
            else if (c->seq && j->parked)
                return c;
            else if (c->seq && behind &&
                     (!lower_class_only || j->request->class > than->job->request->class))
                victim = c;
        }
    }
    return victim;
}

/* Its tokens stay; its blocks are computed again when there is room. */
ON_COMPUTE static void preempt(sched *s, sequence *victim)
{
    sched_release(s, victim);
    metrics_add(s->metrics, METRIC_PREEMPTIONS, 1);
}

ON_COMPUTE static bool reserve(sched *s, sequence *seq, uint32_t rows)
{
    while (!eng_seq_reserve(s->runtime, seq->seq, rows)) {
        sequence *victim = find_victim(s, seq, false);
        if (!victim)
            return false;
        preempt(s, victim);
    }
    return true;
}

/* Are there blocks for all its tokens, the next one, and one for every few that already run? */
static bool blocks_are_there(const sched *s, const sequence *seq)
{
    enum { RUNNERS_A_BLOCK = 8 };
    eng_kv_stats kv;
    eng_runtime_kv_stats(s->runtime, &kv);
    const uint32_t need = seq->n_tokens / kv.block_tokens + 1 + s->n_running / RUNNERS_A_BLOCK;
    return need <= kv.n_blocks - kv.n_used;
}

static sequence *find_parked(sched *s)
{
    FOR_JOBS(s, j)
    {
        for (uint32_t i = 0; j->parked && i < j->n_sequences; i++)
            if (j->sequences[i].seq)
                return &j->sequences[i];
    }
    return NULL;
}

/* The same, at the cost of sequences whose readers are slow. */
ON_COMPUTE static bool find_blocks(sched *s, const sequence *seq)
{
    while (!blocks_are_there(s, seq)) {
        sequence *parked = find_parked(s);
        if (!parked)
            return false;
        preempt(s, parked);
    }
    return true;
}

/* ---- starting ---- */

/* Rows the sequence still needs before its next token, or, if it samples nothing, before its echo
 * is known. */
static uint32_t rows_needed(const sequence *seq)
{
    const gen_request *r = seq->job->request;
    if (gen_request_wants_row(r))
        return sequence_pending(seq);
    return sequence_is_leader(seq) && seq->job->prompts ? sequence_pending(seq) - 1 : 0;
}

static void attach_prefix(sched *s, sequence *seq)
{
    job *j = seq->job;
    const gen_request *r = j->request;
    uint32_t cached = eng_seq_attach_prefix(s->runtime, seq->seq, r->echo ? 0 : r->tenant,
                                            seq->tokens, seq->n_tokens);
    if (sequence_is_leader(seq) && !seq->started)
        j->usage.cached_tokens += cached;
    seq->started = true;
}

static void note_start(sched *s, job *j)
{
    if (j->started_ns)
        return;
    j->started_ns = clock_now_ns();
    s->n_queued--;
    s->n_serving++;
}

/* Gives a waiting sequence a place among the running; false: not now. */
ON_COMPUTE static bool start(sched *s, sequence *seq)
{
    if (!sequence_is_leader(seq) && !seq->job->prefilled[seq->prompt])
        return false;
    if (s->n_running == s->options.max_running) {
        sequence *victim = find_victim(s, seq, true);
        if (!victim)
            return false;
        preempt(s, victim);
    }
    if (!find_blocks(s, seq))
        return false;
    if (!sequence_prepare(seq)) {
        sequence_out_of_memory(seq);
        return false;
    }
    seq->seq = eng_seq_create(s->runtime, policy_model(seq->job->policy));
    if (!seq->seq)
        return false;
    s->n_running++;
    note_start(s, seq->job);
    attach_prefix(s, seq);
    return true;
}

/* ---- building ---- */

/* Siblings that can draw from the row where the leader's prompt ends. */
static uint32_t forks_of(const sched *s, const sequence *leader)
{
    const job *j = leader->job;
    if (!sequence_is_leader(leader) || j->prefilled[leader->prompt])
        return 0;
    const uint32_t room = s->options.max_running - s->n_running, siblings = j->width - 1;
    return siblings < room ? siblings : room;
}

static void ask(sequence *seq)
{
    const gen_request *r = seq->job->request;
    seq->out = (eng_output){.sampling = &seq->sampling,
                            .history = seq->tokens + (seq->n_tokens - seq->n_sampled),
                            .n_history = seq->n_sampled,
                            .position = seq->n_tokens,
                            .target = -1,
                            .want_logprob = r->n_logprobs >= 0 || r->best_of > r->n,
                            .want_drawn_logprob = r->drawn_logprobs,
                            .want_score = r->score,
                            .n_top = r->n_logprobs > 0 ? (uint8_t)r->n_logprobs : 0};
    if (!sequence_may_end(seq)) {
        seq->out.banned = seq->job->ends;
        seq->out.n_banned = seq->job->n_ends;
    }
}

/* The log-prob of each prompt token, from the row before it. */
static void ask_prompt_logprobs(sched *s, const step_part *part, uint32_t row0)
{
    sequence *seq = part->s;
    const gen_request *r = seq->job->request;
    const uint32_t from = eng_seq_len(seq->seq), n_prompt = sequence_prompt(seq)->n_tokens;
    eng_output *rows = seq->job->prompts[seq->prompt].rows;
    for (uint32_t i = 0; i < part->rows && from + i + 1 < n_prompt; i++) {
        eng_output *o = &rows[from + i + 1];
        *o = (eng_output){.target = seq->tokens[from + i + 1],
                          .want_logprob = true,
                          .n_top = (uint8_t)r->n_logprobs};
        eng_step_want(s->runtime, row0 + i, o);
    }
}

static void add_rows(sched *s, step_part *part)
{
    sequence *seq = part->s;
    const uint32_t row0 =
        eng_step_add(s->runtime, seq->seq, seq->tokens + eng_seq_len(seq->seq), part->rows);
    if (sequence_is_leader(seq) && seq->job->prompts && !seq->job->prefilled[seq->prompt])
        ask_prompt_logprobs(s, part, row0);
    for (uint32_t i = 0; part->draws && i <= part->n_forks; i++) {
        ask(seq + i); /* siblings follow their leader in the array */
        eng_step_want(s->runtime, row0 + part->rows - 1, &seq[i].out);
    }
}

static uint32_t count_decoding(sched *s, const eng_model *model)
{
    uint32_t n = 0;
    FOR_JOBS(s, j)
    {
        for (uint32_t i = 0; i < j->n_sequences && !j->parked; i++)
            n += j->sequences[i].seq && j->sequences[i].n_sampled &&
                 policy_model(j->policy) == model;
    }
    return n;
}

/* Prompt rows of a step in which somebody decodes: as many as fit, by what a row took lately, in
 * busy_step_ns, or as there are decodes, so that these have half of the step's time at least. */
static uint32_t busy_budget(const sched *s, uint32_t n_decoding)
{
    const uint32_t most = s->options.prefill_budget / BUSY_SHARE;
    double rows = most;
    if (s->options.busy_step_ns && s->row_ns > 0) {
        rows = (double)s->options.busy_step_ns / s->row_ns - n_decoding;
        rows = rows > n_decoding ? rows : n_decoding;
        rows = rows > BUSY_LEAST ? rows : BUSY_LEAST;
    }
    const uint32_t budget = rows < most ? (uint32_t)rows : most;
    return budget ? budget : 1;
}

/* Puts one sequence into the step, if it has anything to do and gets its blocks. */
ON_COMPUTE static void consider(sched *s, sequence *seq, uint32_t *budget)
{
    const uint32_t needed = rows_needed(seq);
    const uint32_t rows = needed == 1 ? 1 : needed < *budget ? needed : *budget;
    if (!rows || s->n_parts == s->options.max_running || !reserve(s, seq, rows))
        return;
    if (needed > 1)
        *budget -= rows;
    step_part *part = &s->parts[s->n_parts++];
    *part = (step_part){.s = seq, .rows = rows};
    part->draws = rows == needed && gen_request_wants_row(seq->job->request);
    if (part->draws) {
        part->n_forks = forks_of(s, seq);
        s->n_running += part->n_forks; /* their places are taken from now on */
    }
}

ON_COMPUTE static void build(sched *s, const eng_model *model)
{
    uint32_t budget = s->options.prefill_budget;
    bool full = false; /* nobody overtakes a sequence that waits for room */
    const uint32_t n_decoding = count_decoding(s, model);
    if (n_decoding)
        budget = busy_budget(s, n_decoding);
    s->n_parts = 0;
    FOR_JOBS(s, j)
    {
        if (policy_model(j->policy) != model)
            continue;
        j->round = s->round;
        if (j->parked || j->failed)
            continue;
        for (uint32_t i = 0; i < j->n_sequences; i++) {
            sequence *seq = &j->sequences[i];
            const bool may_start = sequence_is_leader(seq) || j->prefilled[seq->prompt];
            if (seq->finish != GEN_RUNNING || rows_needed(seq) == 0 ||
                (!seq->seq && (full || !may_start)))
                continue;
            if (!seq->seq && !start(s, seq)) {
                full = true;
                continue;
            }
            consider(s, seq, &budget);
        }
    }
}

/* ---- after the run ---- */

static void observe_token(sched *s, sequence *seq, int64_t now)
{
    job *j = seq->job;
    const bool first = !j->first_token_ns;
    if (first)
        j->first_token_ns = now;
    if (j->request->score)
        return;
    if (first)
        metrics_observe(s->metrics, METRIC_TTFT_SECONDS,
                        (double)(now - j->request->arrived_ns) / 1e9);
    if (seq->last_token_ns)
        metrics_observe(s->metrics, METRIC_INTER_TOKEN_SECONDS,
                        (double)(now - seq->last_token_ns) / 1e9);
    seq->last_token_ns = now;
    metrics_add(s->metrics, METRIC_GENERATION_TOKENS, 1);
}

ON_COMPUTE static void after_token(sched *s, sequence *seq)
{
    if (seq->finish != GEN_RUNNING)
        sched_release(s, seq);
    if (seq->job->request->format.stream && !seq->job->failed)
        sched_send_chunk(s, seq);
}

ON_COMPUTE static void take_token(sched *s, sequence *seq, int64_t now)
{
    if (seq->job->request->echo && !seq->n_sampled)
        sequence_echo(seq);
    observe_token(s, seq, now);
    sequence_accept(seq);
    after_token(s, seq);
}

/* The leader's prompt is in the pool: its siblings share it and take the tokens drawn for them. */
ON_COMPUTE static void fork_siblings(sched *s, const step_part *part, int64_t now)
{
    sequence *leader = part->s;
    for (uint32_t i = 1; i <= part->n_forks; i++) {
        leader[i].seq = sequence_prepare(&leader[i]) ? eng_seq_fork(s->runtime, leader->seq) : NULL;
        if (leader[i].seq)
            take_token(s, &leader[i], now);
        else
            s->n_running--; /* it starts by itself later and draws the same token */
    }
}

/* A choice that samples nothing is over when its echo is known. */
ON_COMPUTE static void end_unsampled(sched *s, sequence *seq)
{
    if (seq->job->request->echo)
        sequence_echo(seq);
    sequence_end_unsampled(seq);
    after_token(s, seq);
}

/* Of all the job's prompts: whole ones, and what their leaders have of the others. */
static uint32_t prompt_tokens_in_pool(const job *j)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < j->request->n_prompts; p++) {
        const eng_seq *leader = j->sequences[(size_t)p * j->width].seq;
        if (j->prefilled[p])
            n += j->request->prompts[p].n_tokens;
        else if (leader)
            n += eng_seq_len(leader);
    }
    return n;
}

ON_COMPUTE static void settle_part(sched *s, step_part *part, int64_t now)
{
    sequence *seq = part->s;
    job *j = seq->job;
    part->settled = true;
    const bool prompt_done =
        sequence_is_leader(seq) && !j->prefilled[seq->prompt] && rows_needed(seq) == 0;
    if (prompt_done) {
        j->prefilled[seq->prompt] = true;
        metrics_add(s->metrics, METRIC_PROMPT_TOKENS, sequence_prompt(seq)->n_tokens);
    }
    if (j->request->format.return_progress && sequence_is_leader(seq) && !seq->n_sampled)
        sched_send_progress(s, j, prompt_tokens_in_pool(j));
    if (part->draws) {
        fork_siblings(s, part, now);
        take_token(s, seq, now);
    }
}

/* True when a choice ended: its room may let another request start. */
ON_COMPUTE static bool end_all_unsampled(sched *s)
{
    bool any = false;
    FOR_JOBS(s, j)
    {
        if (gen_request_wants_row(j->request) || j->failed)
            continue;
        for (uint32_t i = 0; i < j->n_sequences; i++) {
            sequence *seq = &j->sequences[i];
            if (seq->finish == GEN_RUNNING && rows_needed(seq) == 0 &&
                (!j->prompts || sequence_is_leader(seq) || j->prefilled[seq->prompt])) {
                note_start(s, j);
                j->prefilled[seq->prompt] = true; /* no row was needed for its siblings either */
                end_unsampled(s, seq);
                any = true;
            }
        }
    }
    return any;
}

static void publish_gauges(sched *s)
{
    eng_kv_stats kv;
    eng_runtime_kv_stats(s->runtime, &kv);
    metrics_set(s->metrics, METRIC_KV_BLOCKS, kv.n_blocks);
    metrics_set(s->metrics, METRIC_KV_BLOCKS_USED, kv.n_used);
    metrics_set(s->metrics, METRIC_PREFIX_QUERIES, (int64_t)kv.prefix_queries);
    metrics_set(s->metrics, METRIC_PREFIX_HITS, (int64_t)kv.prefix_hits);
    metrics_set(s->metrics, METRIC_REQUESTS_RUNNING, s->n_serving);
    metrics_set(s->metrics, METRIC_REQUESTS_WAITING, s->n_queued);
}

/* First tokens of requests before all others: the loop sends them while the rest is turned into
 * text here, and ahead of a write for each stream that runs. */
ON_COMPUTE static void settle(sched *s, int64_t now)
{
    bool any = false;
    for (uint32_t i = 0; i < s->n_parts; i++)
        if (s->parts[i].draws && !s->parts[i].s->job->first_token_ns) {
            settle_part(s, &s->parts[i], now);
            any = true;
        }
    if (any)
        sched_post_first(s);
    for (uint32_t i = 0; i < s->n_parts; i++)
        if (!s->parts[i].settled)
            settle_part(s, &s->parts[i], now);
}

/* A mean of the last few steps. */
static void note_row_ns(sched *s, double row_ns)
{
    s->row_ns = s->row_ns > 0 ? s->row_ns + (row_ns - s->row_ns) / 4 : row_ns;
}

ON_COMPUTE static bool run_step(sched *s, eng_model *model)
{
    build(s, model);
    if (!s->n_parts)
        return false;
    eng_step_begin(s->runtime, model);
    for (uint32_t i = 0; i < s->n_parts; i++)
        add_rows(s, &s->parts[i]);
    const uint32_t rows = eng_step_rows(s->runtime);
    const int64_t began = clock_now_ns();
    eng_step_run(s->runtime);
    const int64_t now = clock_now_ns();
    if (rows >= BUSY_LEAST) /* a few rows take as long as one: the weights are read all the same */
        note_row_ns(s, (double)(now - began) / rows);
    settle(s, now);
    return true;
}

/* Of a round in which nothing else came to pass. Who holds blocks first in order of service could
 * have had everybody else's, so that what it lacked is memory. */
ON_COMPUTE static bool end_who_lacks_memory(sched *s)
{
    FOR_JOBS(s, j)
    {
        for (uint32_t i = 0; i < j->n_sequences && !j->parked; i++)
            if (j->sequences[i].seq) {
                sequence_out_of_memory(&j->sequences[i]);
                return sched_reap(s);
            }
    }
    return false;
}

bool sched_run_steps(sched *s)
{
    uint32_t n = 0; /* policies of which something ran: others may wait for the room of these */
    s->round++;
    FOR_JOBS(s, j)
    {
        if (!j->parked && j->round != s->round && n < MAX_POLICIES_A_ROUND)
            n += run_step(s, policy_model(j->policy));
    }
    const bool unsampled = end_all_unsampled(s), ended = sched_reap(s);
    const bool any = n || unsampled || ended || end_who_lacks_memory(s);
    publish_gauges(s);
    return any;
}
