#include "gradient_batch.h"

#include "batch_fields.h"
#include "formats/file.h"

#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 * 1024 * 1024, NODE_BYTES_PER_CHAR = 48 };

static const char *const names[GRADIENT_N_LOSSES] = {"lm", "reward", "value", "ppo", "ptx"};

const char *gradient_loss_name(gradient_loss loss)
{
    return names[loss];
}

bool gradient_loss_parse(const char *name, gradient_loss *out)
{
    for (int i = 0; i < GRADIENT_N_LOSSES; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (gradient_loss)i;
            return true;
        }
    return false;
}

bool gradient_loss_scores(gradient_loss loss)
{
    return loss == GRADIENT_REWARD || loss == GRADIENT_VALUE;
}

typedef struct reader {
    field_reader fields;
    const eng_config *config;
} reader;

/* ---- tokens ---- */

static eng_status copy_tokens(const reader *r, const field *array, int32_t *dst)
{
    uint32_t last = r->config->n_vocab - 1;
    for (uint32_t i = 0; i < array->node->n; i++) {
        uint64_t id;
        if (!eng_json_uint(&array->node->items[i], 0, last, &id)) {
            field e = field_element(array, i);
            return field_refuse(&r->fields, &e, "expected a token id from 0 to %u", last);
        }
        dst[i] = (int32_t)id;
    }
    return ENG_OK;
}

/* The tokens of `head`, where it is there, and then of `tail`. */
static eng_status read_tokens(const reader *r, const field *head, const field *tail, batch_seq *seq)
{
    uint32_t most = r->config->n_ctx, n_head = 0;
    eng_status status = ENG_OK;
    if (head && head->node) {
        status = field_expect_array(&r->fields, head, 0, most);
        n_head = status == ENG_OK ? head->node->n : 0;
    }
    if (status == ENG_OK)
        status = field_expect_array(&r->fields, tail, n_head ? 0 : 1, most - n_head);
    if (status != ENG_OK)
        return status;
    seq->n = n_head + tail->node->n;
    int32_t *tokens = eng_arena_array(r->fields.arena, seq->n, sizeof *tokens);
    if (!tokens)
        return field_no_memory(&r->fields);
    seq->tokens = tokens;
    if (n_head)
        status = copy_tokens(r, head, tokens);
    return status == ENG_OK ? copy_tokens(r, tail, tokens + n_head) : status;
}

/* ---- sequences ---- */

/* One array element for each token; the first one's, which nothing predicts, is not used. */
static eng_status read_text(const reader *r, const field *at, batch_seq *seq)
{
    static const char *const keys[] = {"tokens", "mask", "weights", NULL};
    field tokens = field_member(at, "tokens");
    eng_status status = field_expect_object(&r->fields, at, keys);
    if (status == ENG_OK)
        status = read_tokens(r, NULL, &tokens, seq);
    if (status == ENG_OK)
        status = field_mask(&r->fields, at, "mask", seq->n, &seq->mask);
    if (status == ENG_OK)
        status = field_floats(&r->fields, at, "weights", seq->n, 1, &seq->weights);
    if (status != ENG_OK)
        return status;
    seq->first = 1;
    seq->mask++;
    seq->weights++;
    return ENG_OK;
}

static eng_status read_start(const reader *r, const field *at, batch_seq *seq)
{
    field f = field_member(at, "response_start");
    uint64_t start;
    if (seq->n < 2)
        return field_refuse(&r->fields, at, "1 token, expected a prompt and a response");
    if (!eng_json_uint(f.node, 1, seq->n - 1, &start))
        return field_refuse(&r->fields, &f,
                            "expected the index of the first response token, from 1 to %u",
                            seq->n - 1);
    seq->first = (uint32_t)start;
    return ENG_OK;
}

/* One array element for each response token. */
static eng_status read_response(const reader *r, const field *at, const char *const *keys,
                                const char *old, const char *goal, batch_seq *seq)
{
    field tokens = field_member(at, "tokens");
    eng_status status = field_expect_object(&r->fields, at, keys);
    if (status == ENG_OK)
        status = read_tokens(r, NULL, &tokens, seq);
    if (status == ENG_OK)
        status = read_start(r, at, seq);
    uint32_t n = seq->n - seq->first;
    if (status == ENG_OK)
        status = field_mask(&r->fields, at, "mask", n, &seq->mask);
    if (status == ENG_OK)
        status = field_floats(&r->fields, at, "weights", n, 1, &seq->weights);
    if (status == ENG_OK)
        status = field_floats(&r->fields, at, old, n, NAN, &seq->old);
    if (status == ENG_OK)
        status = field_floats(&r->fields, at, goal, n, NAN, &seq->goal);
    return status;
}

static eng_status read_episode(const reader *r, const field *at, batch_seq *seq)
{
    static const char *const keys[] = {"tokens",       "response_start", "mask", "weights",
                                       "old_logprobs", "advantages",     NULL};
    return read_response(r, at, keys, "old_logprobs", "advantages", seq);
}

static eng_status read_valued(const reader *r, const field *at, batch_seq *seq)
{
    static const char *const keys[] = {"tokens",     "response_start", "mask", "weights",
                                       "old_values", "returns",        NULL};
    return read_response(r, at, keys, "old_values", "returns", seq);
}

typedef eng_status read_seq_fn(const reader *r, const field *at, batch_seq *seq);

/* The array "sequences" of `at`. */
static eng_status read_seqs(const reader *r, const field *at, read_seq_fn *read, batch_seqs *out)
{
    field array = field_member(at, "sequences");
    eng_status status = field_expect_array(&r->fields, &array, 1, UINT32_MAX);
    if (status != ENG_OK)
        return status;
    out->items = eng_arena_array(r->fields.arena, array.node->n, sizeof *out->items);
    if (!out->items)
        return field_no_memory(&r->fields);
    for (; out->n < array.node->n && status == ENG_OK; out->n++) {
        batch_seq *seq = &out->items[out->n];
        field e = field_element(&array, out->n);
        status = read(r, &e, seq);
        for (uint32_t t = 0; status == ENG_OK && t < seq->n - seq->first; t++)
            out->n_counted += seq->mask[t];
    }
    if (status == ENG_OK && !out->n_counted)
        return field_refuse(&r->fields, &array, "no token counts, so there is no mean");
    return status;
}

/* ---- prompts with ranked outputs ---- */

static eng_status read_group(const reader *r, const field *group, uint32_t rank,
                             batch_prompt *prompt, bool *seen)
{
    eng_status status = field_expect_array(&r->fields, group, 1, prompt->k);
    for (uint32_t i = 0; status == ENG_OK && i < group->node->n; i++) {
        uint64_t output;
        field e = field_element(group, i);
        if (!eng_json_uint(e.node, 0, prompt->k - 1, &output))
            return field_refuse(&r->fields, &e, "expected the index of an output, from 0 to %u",
                                prompt->k - 1);
        if (seen[output])
            return field_refuse(&r->fields, &e, "output %u stands in two places", (unsigned)output);
        seen[output] = true;
        prompt->group[output] = rank;
    }
    return status;
}

static eng_status read_groups(const reader *r, const field *at, batch_prompt *prompt)
{
    field groups = field_member(at, "groups");
    bool seen[ENG_MAX_RANKED] = {false};
    eng_status status = field_expect_array(&r->fields, &groups, 1, prompt->k);
    for (uint32_t g = 0; status == ENG_OK && g < groups.node->n; g++) {
        field group = field_element(&groups, g);
        status = read_group(r, &group, g, prompt, seen);
    }
    for (uint32_t i = 0; status == ENG_OK && i < prompt->k; i++)
        if (!seen[i])
            return field_refuse(&r->fields, &groups, "output %u stands in none", i);
    return status;
}

/* `seqs` has room for ENG_MAX_RANKED. */
static eng_status read_prompt(const reader *r, const field *at, batch_prompt *prompt,
                              batch_seq *seqs)
{
    static const char *const keys[] = {"prompt", "outputs", "groups", NULL};
    field head = field_member(at, "prompt"), outputs = field_member(at, "outputs");
    eng_status status = field_expect_object(&r->fields, at, keys);
    if (status == ENG_OK)
        status = field_expect_array(&r->fields, &outputs, 2, ENG_MAX_RANKED);
    for (; status == ENG_OK && prompt->k < outputs.node->n; prompt->k++) {
        field tail = field_element(&outputs, prompt->k);
        seqs[prompt->k].joined = prompt->k > 0;
        status = read_tokens(r, &head, &tail, &seqs[prompt->k]);
    }
    return status == ENG_OK ? read_groups(r, at, prompt) : status;
}

static bool has_pair(const batch_prompt *prompt)
{
    for (uint32_t i = 1; i < prompt->k; i++)
        if (prompt->group[i] != prompt->group[0])
            return true;
    return false;
}

static eng_status read_prompts(const reader *r, const field *at, gradient_batch *batch)
{
    field array = field_member(at, "prompts");
    eng_status status = field_expect_array(&r->fields, &array, 1, UINT32_MAX / ENG_MAX_RANKED);
    if (status != ENG_OK)
        return status;
    uint32_t n = array.node->n;
    batch_prompt *prompts = eng_arena_array(r->fields.arena, n, sizeof *prompts);
    batch_seq *seqs = eng_arena_array(r->fields.arena, (size_t)n * ENG_MAX_RANKED, sizeof *seqs);
    if (!prompts || !seqs)
        return field_no_memory(&r->fields);
    batch->prompts = prompts;
    batch->seqs.items = seqs;
    for (; status == ENG_OK && batch->n_prompts < n; batch->n_prompts++) {
        batch_prompt *prompt = &prompts[batch->n_prompts];
        field e = field_element(&array, batch->n_prompts);
        status = read_prompt(r, &e, prompt, seqs + batch->seqs.n);
        batch->seqs.n += prompt->k;
        batch->n_ranked += has_pair(prompt);
    }
    if (status == ENG_OK && !batch->n_ranked)
        return field_refuse(&r->fields, &array, "everything ties, so there is no mean over pairs");
    return status;
}

/* ---- what the losses have besides ---- */

static eng_status read_score_head(const reader *r, const field *at, gradient_batch *batch)
{
    static const char *const keys[] = {"weight", "bias", NULL};
    field score = field_member(at, "score");
    if (!score.node)
        return ENG_OK;
    eng_status status = field_expect_object(&r->fields, &score, keys);
    if (status == ENG_OK)
        status = field_floats(&r->fields, &score, "weight", r->config->n_embd, NAN,
                              &batch->score_weight);
    if (status == ENG_OK)
        status =
            field_float(&r->fields, &score, "bias", false, -FLT_MAX, FLT_MAX, &batch->score_bias);
    return status;
}

static eng_status read_temperature(const reader *r, const field *at, gradient_batch *batch)
{
    return field_float(&r->fields, at, "temperature", false, 1e-3f, 1e3f, &batch->temperature);
}

/* Copies the goals of all targets that count to `flat`, or back. */
static void move_goals(const batch_seqs *seqs, float *flat, bool back)
{
    for (uint32_t s = 0; s < seqs->n; s++) {
        const batch_seq *seq = &seqs->items[s];
        for (uint32_t t = 0; t < seq->n - seq->first; t++) {
            if (!seq->mask[t])
                continue;
            if (back)
                seq->goal[t] = *flat++;
            else
                *flat++ = seq->goal[t];
        }
    }
}

static eng_status whiten_advantages(const reader *r, const batch_seqs *seqs)
{
    float *flat = eng_arena_array(r->fields.arena, (size_t)seqs->n_counted, sizeof *flat);
    if (!flat)
        return field_no_memory(&r->fields);
    move_goals(seqs, flat, false);
    eng_whiten(flat, (size_t)seqs->n_counted, false);
    move_goals(seqs, flat, true);
    return ENG_OK;
}

/* ---- the losses ---- */

static eng_status read_ptx(const reader *r, const field *at, gradient_batch *batch)
{
    static const char *const keys[] = {"sequences", "coefficient", NULL};
    eng_status status = field_expect_object(&r->fields, at, keys);
    if (status == ENG_OK)
        status =
            field_float(&r->fields, at, "coefficient", true, -FLT_MAX, FLT_MAX, &batch->ptx_coef);
    return status == ENG_OK ? read_seqs(r, at, read_text, &batch->ptx) : status;
}

static eng_status read_lm(const reader *r, const field *at, gradient_batch *batch)
{
    static const char *const keys[] = {"sequences", "temperature", NULL};
    eng_status status = field_expect_object(&r->fields, at, keys);
    if (status == ENG_OK)
        status = read_temperature(r, at, batch);
    return status == ENG_OK ? read_seqs(r, at, read_text, &batch->seqs) : status;
}

static eng_status read_reward(const reader *r, const field *at, gradient_batch *batch)
{
    static const char *const keys[] = {"prompts", "score", NULL};
    eng_status status = field_expect_object(&r->fields, at, keys);
    if (status == ENG_OK)
        status = read_score_head(r, at, batch);
    return status == ENG_OK ? read_prompts(r, at, batch) : status;
}

static eng_status read_value(const reader *r, const field *at, gradient_batch *batch)
{
    static const char *const keys[] = {"sequences", "value_clip_range", "score", NULL};
    eng_status status = field_expect_object(&r->fields, at, keys);
    if (status == ENG_OK)
        status = field_float(&r->fields, at, "value_clip_range", false, 0, FLT_MAX, &batch->clip);
    if (status == ENG_OK)
        status = read_score_head(r, at, batch);
    return status == ENG_OK ? read_seqs(r, at, read_valued, &batch->seqs) : status;
}

static eng_status read_ppo(const reader *r, const field *at, gradient_batch *batch)
{
    static const char *const keys[] = {"sequences",         "clip_range", "temperature",
                                       "whiten_advantages", "ptx",        NULL};
    bool whiten = false;
    field ptx = field_member(at, "ptx");
    eng_status status = field_expect_object(&r->fields, at, keys);
    if (status == ENG_OK)
        status = field_bool(&r->fields, at, "whiten_advantages", &whiten);
    if (status == ENG_OK)
        status = field_float(&r->fields, at, "clip_range", false, 0, 1, &batch->clip);
    if (status == ENG_OK)
        status = read_temperature(r, at, batch);
    if (status == ENG_OK)
        status = read_seqs(r, at, read_episode, &batch->seqs);
    if (status == ENG_OK && whiten)
        status = whiten_advantages(r, &batch->seqs);
    if (status == ENG_OK && ptx.node)
        status = read_ptx(r, &ptx, batch);
    return status;
}

static eng_status read_root(gradient_batch *out, const eng_json *root, const eng_config *config,
                            eng_error *err)
{
    static eng_status (*const read[])(const reader *, const field *, gradient_batch *) = {
        [GRADIENT_LM] = read_lm,   [GRADIENT_REWARD] = read_reward, [GRADIENT_VALUE] = read_value,
        [GRADIENT_PPO] = read_ppo, [GRADIENT_PTX] = read_ptx,
    };
    reader r = {{&out->arena, err}, config};
    field whole = {.node = root};
    return read[out->loss](&r, &whole, out);
}

eng_status gradient_batch_read(gradient_batch *out, const char *path, gradient_loss loss,
                               const eng_config *config, eng_error *err)
{
    char *text;
    size_t len;
    eng_error why = {{0}};
    const eng_json *root;
    eng_arena tree;
    *out = (gradient_batch){.loss = loss, .temperature = 1, .clip = 0.2f};
    eng_status status = eng__file_slurp(AT_FDCWD, path, MAX_FILE_BYTES, &text, &len, err);
    if (status != ENG_OK)
        return status;
    eng_arena_init(&tree, NODE_BYTES_PER_CHAR * len + (1u << 20));
    eng_arena_init(&out->arena, NODE_BYTES_PER_CHAR * len + (1u << 20));
    status = eng_json_parse(&root, text, len, &tree, &why);
    free(text);
    if (status == ENG_OK)
        status = read_root(out, root, config, &why);
    eng_arena_free(&tree);
    if (status == ENG_OK)
        return ENG_OK;
    gradient_batch_free(out);
    return eng_fail(err, status, "%.180s: %.300s", path, why.text);
}

void gradient_batch_free(gradient_batch *batch)
{
    eng_arena_free(&batch->arena);
    *batch = (gradient_batch){0};
}
