#include "serve/job.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static void init_sequence(sequence *s, job *j, uint32_t prompt, uint32_t number)
{
    const gen_request *r = j->request;
    *s = (sequence){.job = j, .prompt = prompt, .number = number, .sampling = r->sampling};
    s->sampling.choice += prompt * j->width + number;
    s->n_tokens = r->prompts[prompt].n_tokens;
    emit_init(&s->emit, r);
}

static bool init_echo(job *j)
{
    const gen_request *r = j->request;
    if (!r->echo || r->n_logprobs < 0)
        return true;
    j->prompts = calloc(r->n_prompts, sizeof *j->prompts);
    return j->prompts != NULL;
}

static bool init_ends(job *j)
{
    const gen_request *r = j->request;
    size_t n;
    if (!r->min_tokens)
        return true;
    const int32_t *end = eng_token_end_set(eng_model_tokenizer(policy_model(r->policy)), &n);
    j->ends = malloc((n + r->n_stop_ids + 1) * sizeof *j->ends);
    if (!j->ends)
        return false;
    for (size_t i = 0; i < n; i++)
        j->ends[j->n_ends++] = end[i];
    for (uint32_t i = 0; i < r->n_stop_ids; i++)
        j->ends[j->n_ends++] = r->stop_ids[i];
    return true;
}

job *job_create(gen_request *request)
{
    job *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->request = request;
    j->policy = policy_ref(request->policy);
    j->width = request->best_of > request->n ? request->best_of : request->n;
    j->sequences = calloc((size_t)request->n_prompts * j->width, sizeof *j->sequences);
    j->prefilled = calloc(request->n_prompts, sizeof *j->prefilled);
    bool ok = j->sequences && j->prefilled && init_echo(j) && init_ends(j);
    for (uint32_t p = 0; ok && p < request->n_prompts; p++) {
        j->usage.prompt_tokens += request->prompts[p].n_tokens;
        for (uint32_t n = 0; n < j->width; n++)
            init_sequence(&j->sequences[j->n_sequences++], j, p, n);
    }
    if (!ok) {
        gen_request_ref(request); /* job_free drops one; the caller's stays */
        job_free(j);
        return NULL;
    }
    return j;
}

void job_free(job *j)
{
    if (!j)
        return;
    for (uint32_t i = 0; i < j->n_sequences; i++) {
        free(j->sequences[i].tokens);
        free(j->sequences[i].moves);
        emit_free(&j->sequences[i].emit);
    }
    if (j->prompts)
        for (uint32_t p = 0; p < j->request->n_prompts; p++)
            free(j->prompts[p].rows);
    free(j->prompts);
    free(j->sequences);
    free(j->prefilled);
    free(j->ends);
    policy_unref(j->policy);
    gen_request_unref(j->request);
    free(j);
}

/* ---- a sequence's progress ---- */

bool sequence_prepare(sequence *s)
{
    enum { ROOM_TO_GROW = 64 };
    const gen_prompt *p = sequence_prompt(s);
    prompt_logprobs *lp = s->job->prompts ? &s->job->prompts[s->prompt] : NULL;
    if (lp && !lp->rows && !(lp->rows = calloc(p->n_tokens, sizeof *lp->rows)))
        return false;
    if (s->tokens)
        return true;
    s->cap_tokens = p->n_tokens + ROOM_TO_GROW;
    s->tokens = malloc(s->cap_tokens * sizeof *s->tokens);
    if (s->tokens)
        memcpy(s->tokens, p->tokens, p->n_tokens * sizeof *s->tokens);
    return s->tokens != NULL;
}

static void fail(job *j, gen_failure failure)
{
    if (!j->failed) {
        j->failed = true;
        j->failure = failure;
    }
}

void sequence_out_of_memory(sequence *s)
{
    fail(s->job, GEN_FAIL_OUT_OF_MEMORY);
}

/* ---- other policies ---- */

static gen_span span_of(const policy *p, uint32_t from)
{
    gen_span span = {.from = from};
    snprintf(span.policy, sizeof span.policy, "%s", policy_id(p));
    return span;
}

/* A move before the next token was drawn replaces the one before it; one back to where the choice
 * was leaves no trace. */
static bool note_move(sequence *s, const policy *to)
{
    if (s->n_moves && s->moves[s->n_moves - 1].from == s->n_sampled)
        s->n_moves--;
    const char *at =
        s->n_moves ? s->moves[s->n_moves - 1].policy : policy_id(s->job->request->policy);
    if (strcmp(at, policy_id(to)) == 0)
        return true;
    gen_span *grown = realloc(s->moves, (s->n_moves + 1) * sizeof *grown);
    if (!grown)
        return false;
    s->moves = grown;
    s->moves[s->n_moves++] = span_of(to, s->n_sampled);
    return true;
}

void job_move(job *j, policy *to)
{
    for (uint32_t i = 0; i < j->n_sequences; i++)
        if (j->sequences[i].finish == GEN_RUNNING && !note_move(&j->sequences[i], to))
            fail(j, GEN_FAIL_OUT_OF_MEMORY);
    policy_unref(j->policy);
    j->policy = policy_ref(to);
}

gen_span *sequence_spans(const sequence *s, uint32_t *n)
{
    const bool moved_at_once = s->n_moves && s->moves[0].from == 0;
    gen_span *spans = malloc((s->n_moves + 1) * sizeof *spans);
    if (!spans)
        return NULL;
    *n = 0;
    if (!moved_at_once)
        spans[(*n)++] = span_of(s->job->request->policy, 0);
    for (uint32_t i = 0; i < s->n_moves; i++)
        spans[(*n)++] = s->moves[i];
    return spans;
}

uint32_t sequence_pending(const sequence *s)
{
    return s->n_tokens - (s->seq ? eng_seq_len(s->seq) : 0);
}

/* A BOS that the tokenizer put in front of a text prompt is not part of what was sent. */
static bool added_bos(const sequence *s, uint32_t i)
{
    const gen_prompt *p = sequence_prompt(s);
    size_t len;
    const char *bytes = eng_token_bytes(s->emit.tokenizer, p->tokens[i], &len);
    if (i != 0 || !p->text || p->tokens[0] != eng_token_roles_of(s->emit.tokenizer)->bos)
        return false;
    return !(bytes && p->text_len >= len && memcmp(p->text, bytes, len) == 0);
}

void sequence_echo(sequence *s)
{
    const uint32_t n = sequence_prompt(s)->n_tokens;
    const prompt_logprobs *lp = s->job->prompts ? &s->job->prompts[s->prompt] : NULL;
    for (uint32_t i = 0; i < n; i++) {
        bool stopped;
        const eng_output *row = lp && lp->rows ? &lp->rows[i] : NULL;
        emit_token t = {.id = sequence_prompt(s)->tokens[i],
                        .first = i == 0,
                        .silent = added_bos(s, i),
                        .logprobs = row};
        if (row && i > 0 && !row->finite)
            fail(s->job, GEN_FAIL_NOT_FINITE);
        emit_push(&s->emit, &t, false, &stopped);
    }
}

bool sequence_may_end(const sequence *s)
{
    return s->n_sampled >= s->job->request->min_tokens;
}

static bool is_stop_id(const gen_request *r, int32_t id)
{
    for (uint32_t i = 0; i < r->n_stop_ids; i++)
        if (r->stop_ids[i] == id)
            return true;
    return false;
}

static bool append_token(sequence *s, int32_t id)
{
    if (s->n_tokens == s->cap_tokens) {
        int32_t *tokens = realloc(s->tokens, 2 * (size_t)s->cap_tokens * sizeof *tokens);
        if (!tokens)
            return false;
        s->tokens = tokens;
        s->cap_tokens *= 2;
    }
    s->tokens[s->n_tokens++] = id;
    return true;
}

static void finish(sequence *s, gen_finish how)
{
    s->finish = how;
    s->job->n_finished++;
    emit_finish(&s->emit);
    free(s->tokens); /* all that is left to do needs none */
    s->tokens = NULL;
}

void sequence_accept(sequence *s)
{
    job *j = s->job;
    const gen_request *r = j->request;
    if (!s->out.finite || (s->out.token < 0 && !r->score)) {
        fail(j, GEN_FAIL_NOT_FINITE);
        return;
    }
    if (r->score) {
        finish(s, GEN_FINISH_STOP);
        return;
    }
    const int32_t id = s->out.token;
    const bool end =
        is_stop_id(r, id) || (!r->ignore_eos && eng_token_is_end(s->emit.tokenizer, id));
    bool stopped = false;
    if (!append_token(s, id)) {
        fail(j, GEN_FAIL_OUT_OF_MEMORY);
        return;
    }
    s->n_sampled++;
    s->sum_logprob += (double)s->out.logprob;
    j->usage.completion_tokens++;
    const emit_token t = {.id = id,
                          .sampled = true,
                          .silent = end,
                          .logprobs = r->n_logprobs >= 0 ? &s->out : NULL,
                          .drawn_logprob = s->out.drawn_logprob};
    emit_push(&s->emit, &t, sequence_may_end(s), &stopped);
    if (end || stopped)
        finish(s, GEN_FINISH_STOP);
    else if (s->n_sampled == r->max_tokens)
        finish(s, GEN_FINISH_LENGTH);
    if (s->emit.failed)
        fail(j, GEN_FAIL_OUT_OF_MEMORY);
}

void sequence_end_unsampled(sequence *s)
{
    finish(s, GEN_FINISH_LENGTH);
    if (s->emit.failed)
        fail(s->job, GEN_FAIL_OUT_OF_MEMORY);
}

/* ---- best_of ---- */

static double mean_logprob(const sequence *s)
{
    return s->n_sampled ? s->sum_logprob / s->n_sampled : 0;
}

/* Higher mean first, ties to the lower number. */
static int by_mean(const void *a, const void *b)
{
    const sequence *x = *(sequence *const *)a, *y = *(sequence *const *)b;
    double dx = mean_logprob(x), dy = mean_logprob(y);
    if (dx != dy)
        return dx > dy ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static int by_number(const void *a, const void *b)
{
    const sequence *x = *(sequence *const *)a, *y = *(sequence *const *)b;
    return x->number < y->number ? -1 : x->number > y->number;
}

void job_choose(job *j, sequence **chosen)
{
    const uint32_t n = j->request->n;
    sequence *all[LIMIT_SEQUENCES];
    for (uint32_t p = 0; p < j->request->n_prompts; p++) {
        for (uint32_t i = 0; i < j->width; i++)
            all[i] = &j->sequences[p * j->width + i];
        if (j->width > n) {
            qsort(all, j->width, sizeof *all, by_mean);
            qsort(all, n, sizeof *all, by_number);
        }
        memcpy(chosen + (size_t)p * n, all, n * sizeof *all);
    }
}
