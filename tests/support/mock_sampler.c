#include "mock_sampler.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LOADED = 2, STREAMS = 64, KV_BYTES = 16 << 20 };

struct mock_sampler {
    eng_serve_type type;
    bool never_end;
    uint32_t serial;
    struct {
        char id[INSTRUCTD_POLICY_ID_BYTES];
        eng_model *model;
    } loaded[MAX_LOADED];
};

/* One completion being drawn. */
typedef struct stream {
    const instructd_rollout_prompt *prompt;
    instructd_rollout *rollout;
    int32_t *tokens;
    float *logprobs;
    eng_seq *seq;
    eng_sampling sampling;
    eng_output output;
} stream;

mock_sampler *mock_sampler_create(eng_serve_type type, bool never_end)
{
    mock_sampler *s = calloc(1, sizeof *s);
    if (!s)
        FAIL("no memory for a sampler");
    s->type = type == ENG_SERVE_AS_FILE ? ENG_SERVE_F32 : type;
    s->never_end = never_end;
    return s;
}

void mock_sampler_free(mock_sampler *s)
{
    for (uint32_t i = 0; i < MAX_LOADED; i++)
        eng_model_unref(s->loaded[i].model);
    free(s);
}

eng_status mock_sampler_load(mock_sampler *s, const char *base, const eng_weights *weights,
                             char id[INSTRUCTD_POLICY_ID_BYTES], eng_error *err)
{
    const eng_model_options options = {.serve_type = s->type, .n_threads = 1};
    uint32_t i = 0;
    while (i < MAX_LOADED && s->loaded[i].model)
        i++;
    if (i == MAX_LOADED)
        return eng_fail(err, ENG_FULL, "%d policies are loaded", MAX_LOADED);
    eng_status status = eng_model_open_with(&s->loaded[i].model, base, weights, &options, err);
    if (status != ENG_OK)
        return status;
    snprintf(s->loaded[i].id, sizeof s->loaded[i].id, "pol_%016x", s->serial++);
    strcpy(id, s->loaded[i].id);
    return ENG_OK;
}

void mock_sampler_unload(mock_sampler *s, const char *id)
{
    for (uint32_t i = 0; i < MAX_LOADED; i++)
        if (s->loaded[i].model && strcmp(s->loaded[i].id, id) == 0) {
            eng_model_unref(s->loaded[i].model);
            s->loaded[i].model = NULL;
            return;
        }
    FAIL("sampler_free of %s, which is not loaded", id);
}

uint32_t mock_sampler_loaded(const mock_sampler *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < MAX_LOADED; i++)
        n += s->loaded[i].model != NULL;
    return n;
}

/* One reference, for the caller. */
static eng_model *find_model(const mock_sampler *s, const char *id, const char *path)
{
    const eng_model_options options = {.serve_type = s->type, .n_threads = 1};
    eng_model *model;
    eng_error err;
    for (uint32_t i = 0; i < MAX_LOADED; i++)
        if (s->loaded[i].model && strcmp(s->loaded[i].id, id) == 0)
            return eng_model_ref(s->loaded[i].model);
    if (!path)
        return NULL;
    EXPECT_OK(eng_model_open(&model, path, &options, &err), err);
    return model;
}

/* ---- streams ---- */

static void add_rows(eng_runtime *rt, stream *st, const int32_t *tokens, uint32_t n)
{
    if (!eng_seq_reserve(rt, st->seq, n))
        FAIL("the KV pool of the mock is full");
    uint32_t row = eng_step_add(rt, st->seq, tokens, n);
    st->output = (eng_output){.sampling = &st->sampling,
                              .position = eng_seq_len(st->seq) + n,
                              .target = -1,
                              .want_drawn_logprob = true};
    eng_step_want(rt, row + n - 1, &st->output);
}

/* Takes what was drawn; false at the completion's end. */
static bool take(const mock_sampler *s, const eng_model *model, stream *st, uint32_t max_tokens)
{
    instructd_rollout *r = st->rollout;
    st->tokens[r->n_tokens] = st->output.token;
    st->logprobs[r->n_tokens++] = st->output.drawn_logprob;
    bool end = eng_token_is_end(eng_model_tokenizer(model), st->output.token);
    r->ended = end && !s->never_end;
    return !r->ended && r->n_tokens < max_tokens;
}

/* Runs the prompts of streams[0..n), as many in a step as max_rows takes. */
static void prefill(eng_runtime *rt, eng_model *model, stream *streams, uint32_t n,
                    uint32_t max_rows)
{
    uint32_t rows = 0;
    eng_step_begin(rt, model);
    for (uint32_t i = 0; i < n; i++) {
        const instructd_rollout_prompt *prompt = streams[i].prompt;
        if (rows + prompt->n_tokens > max_rows) {
            eng_step_run(rt);
            eng_step_begin(rt, model);
            rows = 0;
        }
        streams[i].seq = eng_seq_create(rt, model);
        add_rows(rt, &streams[i], prompt->tokens, prompt->n_tokens);
        rows += prompt->n_tokens;
    }
    eng_step_run(rt);
}

/* Draws n <= STREAMS completions side by side. */
static void draw_together(const mock_sampler *s, eng_runtime *rt, eng_model *model, stream *streams,
                          uint32_t n, const eng_runtime_options *options, uint32_t max_tokens)
{
    uint32_t live = n;
    prefill(rt, model, streams, n, options->max_rows);
    while (live) {
        live = 0;
        eng_step_begin(rt, model);
        for (uint32_t i = 0; i < n; i++) {
            stream *st = &streams[i];
            if (!st->seq)
                continue;
            if (take(s, model, st, max_tokens)) {
                add_rows(rt, st, &st->tokens[st->rollout->n_tokens - 1], 1);
                live++;
            } else {
                eng_seq_free(rt, st->seq);
                st->seq = NULL;
            }
        }
        if (live)
            eng_step_run(rt);
    }
}

/* ---- requests ---- */

/* The host's memory behind an instructd_rollouts. */
typedef struct batch {
    instructd_rollouts head; /* first */
    instructd_rollout *rollouts;
    int32_t *tokens;
    float *logprobs;
    char policy[INSTRUCTD_POLICY_ID_BYTES];
} batch;

static batch *batch_create(const instructd_rollout_request *request, stream **streams)
{
    batch *b = calloc(1, sizeof *b);
    uint32_t n = 0;
    for (uint32_t p = 0; p < request->n_prompts; p++)
        n += request->prompts[p].n_samples;
    *streams = calloc(n, sizeof **streams);
    b->rollouts = calloc(n, sizeof *b->rollouts);
    b->tokens = calloc((size_t)n * request->max_tokens, sizeof *b->tokens);
    b->logprobs = calloc((size_t)n * request->max_tokens, sizeof *b->logprobs);
    snprintf(b->policy, sizeof b->policy, "%s", request->policy);
    n = 0;
    for (uint32_t p = 0; p < request->n_prompts; p++) {
        const instructd_rollout_prompt *prompt = &request->prompts[p];
        for (uint32_t j = 0; j < prompt->n_samples; j++, n++) {
            size_t at = (size_t)n * request->max_tokens;
            b->rollouts[n] = (instructd_rollout){.prompt = p,
                                                 .sample = j,
                                                 .tokens = b->tokens + at,
                                                 .logprobs = b->logprobs + at,
                                                 .policy = b->policy};
            (*streams)[n] = (stream){.prompt = prompt,
                                     .rollout = &b->rollouts[n],
                                     .tokens = b->tokens + at,
                                     .logprobs = b->logprobs + at,
                                     .sampling = {.temperature = request->temperature,
                                                  .top_p = 1,
                                                  .seed = prompt->seed,
                                                  .choice = prompt->first_choice + j}};
        }
    }
    b->head = (instructd_rollouts){.size = sizeof b->head, .n = n, .rollouts = b->rollouts};
    return b;
}

bool mock_sampler_draw(mock_sampler *s, const char *path, const instructd_rollout_request *request,
                       const instructd_rollouts **out)
{
    eng_runtime *rt;
    stream *streams;
    eng_error err;
    eng_model *model = find_model(s, request->policy, path);
    if (!model)
        return false;
    const uint32_t n_ctx = eng_model_config(model)->n_ctx;
    const eng_runtime_options options = {.n_threads = 1,
                                         .max_rows = n_ctx > STREAMS ? n_ctx : STREAMS,
                                         .max_seqs = STREAMS,
                                         .kv_bytes = KV_BYTES,
                                         .kv_f32 = true};
    EXPECT_OK(eng_runtime_create(&rt, model, &options, &err), err);
    batch *b = batch_create(request, &streams);
    for (uint32_t at = 0; at < b->head.n; at += STREAMS) {
        uint32_t n = b->head.n - at < STREAMS ? b->head.n - at : STREAMS;
        draw_together(s, rt, model, streams + at, n, &options, request->max_tokens);
    }
    free(streams);
    eng_runtime_free(rt);
    eng_model_unref(model);
    *out = &b->head;
    return true;
}

void mock_sampler_free_rollouts(const instructd_rollouts *rollouts)
{
    batch *b = (batch *)(uintptr_t)rollouts;
    free(b->rollouts);
    free(b->tokens);
    free(b->logprobs);
    free(b);
}
