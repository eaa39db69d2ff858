#include "policy/canary.h"

#include <stdlib.h>
#include <string.h>

/* Plain sentences, numbers, code, another script: nothing that a model must know, enough for a
 * broken one to overflow on. */
static const char *const prompts[] = {
    "The quick brown fox jumps over the lazy dog.",
    "2 + 2 = 4, 3 + 3 =",
    "int main(void) { return 0; }",
    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xe4\xb8\x96\xe7\x95\x8c",
};
enum { N_PROMPTS = sizeof prompts / sizeof *prompts, MAX_PROMPT = 64, MAX_NEW = 8 };

typedef struct canary {
    eng_model *model;
    eng_runtime *runtime;
    eng_seq *seq;
    eng_output rows[MAX_PROMPT];
    float *logits; /* [V] of the last row */
    const char *prompt;
} canary;

static eng_status make_runtime(canary *c, eng_error *err)
{
    const eng_config *k = eng_model_config(c->model);
    const size_t position = 2 * (size_t)k->n_layer * k->n_kv_head * k->head_dim * sizeof(float);
    const eng_runtime_options options = {.n_threads = 1,
                                         .max_rows = MAX_PROMPT,
                                         .max_seqs = 1,
                                         .kv_bytes = position * 2 * (MAX_PROMPT + MAX_NEW),
                                         .kv_f32 = true,
                                         .give_way = eng_pace};
    return eng_runtime_create(&c->runtime, c->model, &options, err);
}

/* At most MAX_PROMPT ids, and what the context holds. */
static uint32_t tokenize(const canary *c, int32_t ids[MAX_PROMPT], eng_error *err)
{
    const eng_tokenizer *tok = eng_model_tokenizer(c->model);
    const uint32_t context = eng_model_config(c->model)->n_ctx;
    size_t n = 0;
    if (eng_tokenize(tok, c->prompt, strlen(c->prompt), NULL, ENG_TOK_ADD_SPECIAL, ids, MAX_PROMPT,
                     &n, err) != ENG_OK)
        return 0;
    n = n > MAX_PROMPT ? MAX_PROMPT : n;
    n = n + MAX_NEW > context ? (context > MAX_NEW ? context - MAX_NEW : 1) : n;
    if (n == 0)
        ids[n++] = 0;
    return (uint32_t)n;
}

static bool all_equal(const float *x, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (x[i] != x[0])
            return false;
    return true;
}

/* Runs n rows and looks at each of them; the last one's greedy token goes to *next. */
static eng_status step(canary *c, const int32_t *ids, uint32_t n, int32_t *next, eng_error *err)
{
    static const eng_sampling greedy = {.temperature = 0, .top_p = 1};
    const bool scored = eng_model_has_score(c->model);
    if (!eng_seq_reserve(c->runtime, c->seq, n))
        return eng_fail(err, ENG_NOMEM, "canary: no room for %u positions", n);
    eng_step_begin(c->runtime, c->model);
    const uint32_t row0 = eng_step_add(c->runtime, c->seq, ids, n);
    for (uint32_t i = 0; i < n; i++) {
        const bool last = i + 1 == n;
        c->rows[i] = (eng_output){.target = -1,
                                  .want_score = scored,
                                  .sampling = last && !scored ? &greedy : NULL,
                                  .logits = last && !scored ? c->logits : NULL};
        eng_step_want(c->runtime, row0 + i, &c->rows[i]);
    }
    eng_step_run(c->runtime);
    for (uint32_t i = 0; i < n; i++)
        if (!c->rows[i].finite)
            return eng_fail(err, ENG_INVALID, "canary \"%s\": %s not finite at position %u",
                            c->prompt, scored ? "the score is" : "the logits are",
                            eng_seq_len(c->seq) - n + i);
    if (!scored && all_equal(c->logits, eng_model_config(c->model)->n_vocab))
        return eng_fail(err, ENG_INVALID, "canary \"%s\": every token is as likely as any other",
                        c->prompt);
    *next = c->rows[n - 1].token;
    return ENG_OK;
}

static eng_status run_prompt(canary *c, eng_error *err)
{
    int32_t ids[MAX_PROMPT], next = 0;
    const uint32_t n = tokenize(c, ids, err);
    if (n == 0)
        return ENG_NOMEM;
    c->seq = eng_seq_create(c->runtime, c->model);
    if (!c->seq)
        return eng_fail(err, ENG_NOMEM, "canary: no room for a sequence");
    eng_status st = step(c, ids, n, &next, err);
    const uint32_t context = eng_model_config(c->model)->n_ctx;
    for (uint32_t i = 0; i < MAX_NEW && n + i < context && st == ENG_OK && next >= 0; i++)
        st = step(c, &(const int32_t){next}, 1, &next, err);
    eng_seq_free(c->runtime, c->seq);
    return st;
}

eng_status canary_run(eng_model *model, eng_error *err)
{
    canary *c = calloc(1, sizeof *c);
    if (!c)
        return eng_fail(err, ENG_NOMEM, "canary: out of memory");
    c->model = model;
    c->logits = malloc(eng_model_config(model)->n_vocab * sizeof *c->logits);
    eng_status st =
        c->logits ? make_runtime(c, err) : eng_fail(err, ENG_NOMEM, "canary: out of memory");
    for (int i = 0; i < N_PROMPTS && st == ENG_OK; i++) {
        c->prompt = prompts[i];
        st = run_prompt(c, err);
    }
    eng_runtime_free(c->runtime);
    free(c->logits);
    free(c);
    return st;
}
