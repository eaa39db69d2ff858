#include "rlhf/rollout_bytes.h"

#include <stdlib.h>
#include <string.h>

/* A head; a row for each rollout; then for each its tokens and its log-probs. */
typedef struct head {
    char magic[8];
    uint64_t n;
} head;

typedef struct row {
    uint32_t n, n_prompt, ended;
} row;

static const head HEAD = {"rollout1", 0};

static size_t responses(const row *r)
{
    return r->n - r->n_prompt;
}

static size_t bytes_of(const row *r)
{
    return r->n * sizeof(int32_t) + responses(r) * sizeof(float);
}

static row row_of(const rollouts *from, uint32_t i)
{
    return (row){from->items[i].n, from->items[i].n_prompt, from->ended[i]};
}

/* ---- writing ---- */

static char *put(char *at, const void *data, size_t n)
{
    memcpy(at, data, n);
    return at + n;
}

job_code rollouts_to_bytes(const rollouts *from, void **bytes, size_t *n, eng_error *err)
{
    head h = HEAD;
    h.n = from->n;
    *n = sizeof h + from->n * sizeof(row);
    for (uint32_t i = 0; i < from->n; i++) {
        const row r = row_of(from, i);
        *n += bytes_of(&r);
    }
    char *at = *bytes = malloc(*n);
    if (!at)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for %u rollouts", from->n);
    at = put(at, &h, sizeof h);
    for (uint32_t i = 0; i < from->n; i++) {
        const row r = row_of(from, i);
        at = put(at, &r, sizeof r);
    }
    for (uint32_t i = 0; i < from->n; i++) {
        const row r = row_of(from, i);
        at = put(at, from->items[i].tokens, r.n * sizeof(int32_t));
        at = put(at, from->logprobs[i], responses(&r) * sizeof(float));
    }
    return INSTRUCTD_OK;
}

/* ---- reading ---- */

/* What is left to read. */
typedef struct source {
    const char *at;
    size_t n;
} source;

static bool get(source *s, void *data, size_t n)
{
    if (n > s->n)
        return false;
    if (n)
        memcpy(data, s->at, n);
    s->at += n;
    s->n -= n;
    return true;
}

static bool get_one(rollouts *out, const row *r, source *s)
{
    if (r->n_prompt < 1 || r->n <= r->n_prompt || bytes_of(r) > s->n)
        return false;
    int32_t *tokens = eng_arena_array(&out->arena, r->n, sizeof *tokens);
    float *logprobs = eng_arena_array(&out->arena, responses(r), sizeof *logprobs);
    if (!tokens || !logprobs || !get(s, tokens, r->n * sizeof *tokens) ||
        !get(s, logprobs, responses(r) * sizeof *logprobs))
        return false;
    out->items[out->n] = (example){.tokens = tokens, .n = r->n, .n_prompt = r->n_prompt};
    out->ended[out->n] = r->ended != 0;
    out->logprobs[out->n++] = logprobs;
    return true;
}

static bool get_all(rollouts *out, source *s)
{
    head h;
    if (!get(s, &h, sizeof h) || memcmp(h.magic, HEAD.magic, sizeof h.magic) != 0 ||
        h.n > s->n / sizeof(row))
        return false;
    source rows = {s->at, h.n * sizeof(row)};
    s->at += rows.n;
    s->n -= rows.n;
    out->items = eng_arena_array(&out->arena, h.n + 1, sizeof *out->items);
    out->ended = eng_arena_array(&out->arena, h.n + 1, sizeof *out->ended);
    out->logprobs = eng_arena_array(&out->arena, h.n + 1, sizeof *out->logprobs);
    bool good = out->items && out->ended && out->logprobs;
    for (row r; good && get(&rows, &r, sizeof r);)
        good = get_one(out, &r, s);
    return good && s->n == 0;
}

job_code rollouts_of_bytes(rollouts *out, const void *bytes, size_t n, eng_error *err)
{
    source s = {bytes, n};
    *out = (rollouts){0};
    eng_arena_init(&out->arena, SIZE_MAX / 2);
    return get_all(out, &s) ? INSTRUCTD_OK
                            : code_fail(err, INSTRUCTD_E_INVALID,
                                        "%zu bytes are no rollouts, or more than memory holds", n);
}
