#include "gradient_run.h"

#include "train/losses.h"
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

/* Sequences [begin, end) of a list, packed end to end. */
typedef struct span {
    uint32_t begin, end;
    uint32_t n_tokens;
} span;

typedef struct runner {
    const eng_net *net;
    const gradient_batch *batch;
    eng_tape *tape;
    uint32_t pack_tokens;
    float coef; /* of the gradient of text */
    float *grads;
    gradient_result *result;
    /* of the pack at hand; [max_tokens] but starts [max_seqs + 1] */
    int32_t *tokens;
    uint32_t *starts;
    uint32_t n_rows;
    uint32_t *rows;     /* the positions before the targets that count */
    int32_t *targets;   /* likewise [n_rows] */
    float *weights;     /* the target's weight / N */
    float *old, *goals; /* where the loss has them */
    float *outputs;     /* log-probs, values or scores */
    float *slopes;
} runner;

/* ---- packs ---- */

/* As many sequences from `begin` on as fit, but at least one with all that are joined to it. */
static span next_span(const batch_seqs *seqs, uint32_t begin, uint32_t pack_tokens)
{
    span out = {begin, begin, 0};
    while (out.end < seqs->n) {
        uint32_t end = out.end, n = 0;
        do
            n += seqs->items[end++].n;
        while (end < seqs->n && seqs->items[end].joined);
        if (out.n_tokens && (uint64_t)out.n_tokens + n > pack_tokens)
            break;
        out.end = end;
        out.n_tokens += n;
    }
    return out;
}

/* Makes the tape large enough for each span of the list. */
static void widen(const batch_seqs *seqs, uint32_t pack_tokens, eng_tape_options *tape)
{
    for (uint32_t at = 0; at < seqs->n;) {
        span s = next_span(seqs, at, pack_tokens);
        tape->max_tokens = s.n_tokens > tape->max_tokens ? s.n_tokens : tape->max_tokens;
        tape->max_seqs = s.end - s.begin > tape->max_seqs ? s.end - s.begin : tape->max_seqs;
        at = s.end;
    }
}

static eng_pack fill_pack(runner *r, const batch_seqs *seqs, span s)
{
    uint32_t at = 0;
    for (uint32_t i = s.begin; i < s.end; i++) {
        const batch_seq *seq = &seqs->items[i];
        r->starts[i - s.begin] = at;
        memcpy(r->tokens + at, seq->tokens, seq->n * sizeof *seq->tokens);
        at += seq->n;
    }
    r->starts[s.end - s.begin] = at;
    return (eng_pack){r->tokens, r->starts, s.end - s.begin};
}

/* The targets that count, each with its share of the mean. */
static void gather_rows(runner *r, const batch_seqs *seqs, span s)
{
    r->n_rows = 0;
    for (uint32_t i = s.begin; i < s.end; i++) {
        const batch_seq *seq = &seqs->items[i];
        for (uint32_t t = 0; t < seq->n - seq->first; t++) {
            if (!seq->mask[t])
                continue;
            uint32_t n = r->n_rows++;
            r->rows[n] = r->starts[i - s.begin] + seq->first + t - 1;
            r->targets[n] = seq->tokens[seq->first + t];
            r->weights[n] = (float)(seq->weights[t] / (double)seqs->n_counted);
            r->old[n] = seq->old ? seq->old[t] : 0;
            r->goals[n] = seq->goal ? seq->goal[t] : 0;
        }
    }
}

/* ---- losses of tokens: each adds a pack's share of the mean ---- */

typedef double head_fn(runner *r, float coef);

static float text_slope(void *ctx, uint32_t i, float logprob)
{
    const runner *r = ctx;
    (void)logprob;
    return -r->coef * r->weights[i];
}

/* -log-prob; coef multiplies the gradient alone. */
static double run_text(runner *r, float temperature)
{
    double loss = 0;
    eng_lm_rows rows = {r->rows, r->targets, r->n_rows, temperature};
    eng_lm_backward(r->tape, r->net, &rows, text_slope, r, r->outputs, NULL, r->grads);
    for (uint32_t i = 0; i < r->n_rows; i++)
        loss -= (double)r->weights[i] * r->outputs[i];
    return loss;
}

static double episode_loss(const runner *r, uint32_t i, float logprob, float *slope)
{
    return eng_ppo_policy_loss(logprob, r->old[i], r->goals[i], r->weights[i], r->batch->clip,
                               slope);
}

static float episode_slope(void *ctx, uint32_t i, float logprob)
{
    float slope;
    episode_loss(ctx, i, logprob, &slope);
    return slope;
}

static double run_episodes(runner *r)
{
    double loss = 0;
    float unused;
    eng_lm_rows rows = {r->rows, r->targets, r->n_rows, r->batch->temperature};
    eng_lm_backward(r->tape, r->net, &rows, episode_slope, r, r->outputs, NULL, r->grads);
    for (uint32_t i = 0; i < r->n_rows; i++)
        loss += episode_loss(r, i, r->outputs[i], &unused);
    return loss;
}

static double run_values(runner *r)
{
    double loss = 0;
    eng_score_forward(r->tape, r->net, r->rows, r->n_rows, r->outputs);
    for (uint32_t i = 0; i < r->n_rows; i++) {
        loss += r->weights[i] * eng_ppo_value_loss(r->outputs[i], r->old[i], r->goals[i],
                                                   r->batch->clip, &r->slopes[i]);
        r->slopes[i] *= r->weights[i];
    }
    eng_score_backward(r->tape, r->net, r->rows, r->n_rows, r->slopes, r->grads);
    return loss;
}

static double run_head(runner *r, gradient_loss loss)
{
    switch (loss) {
    case GRADIENT_PPO:
        return run_episodes(r);
    case GRADIENT_VALUE:
        return run_values(r);
    case GRADIENT_LM:
        return run_text(r, r->batch->temperature);
    default:
        return run_text(r, 1);
    }
}

/* The mean over the list's targets that count. */
static double run_seqs(runner *r, const batch_seqs *seqs, gradient_loss loss)
{
    double mean = 0;
    for (uint32_t at = 0; at < seqs->n;) {
        span s = next_span(seqs, at, r->pack_tokens);
        eng_pack pack = fill_pack(r, seqs, s);
        gather_rows(r, seqs, s);
        at = s.end;
        if (!r->n_rows)
            continue;
        eng_tape_forward(r->tape, r->net, &pack, NULL);
        mean += run_head(r, loss);
        eng_tape_backward(r->tape, r->net, r->grads);
        r->result->n_packs++;
    }
    return mean;
}

/* ---- the loss of rankings ---- */

/* The slopes of prompts whose scores stand in `outputs`, `n` in all; the next prompt in *prompt. */
static double rank_scores(runner *r, const batch_prompt **prompt, uint32_t n)
{
    double loss = 0, share = 1 / (double)r->batch->n_ranked;
    for (uint32_t at = 0; at < n; at += (*prompt)->k, ++*prompt) {
        const batch_prompt *p = *prompt;
        eng_kwise k = eng_kwise_loss(p->k, r->outputs + at, p->group, r->slopes + at);
        loss += share * k.loss;
        r->result->n_pairs += k.pairs;
        for (uint32_t i = at; i < at + p->k; i++)
            r->slopes[i] = (float)(share * r->slopes[i]);
    }
    return loss;
}

/* One forward for each output, whatever the number of pairs it stands in. */
static double run_ranked(runner *r)
{
    double mean = 0;
    const batch_seqs *seqs = &r->batch->seqs;
    const batch_prompt *prompt = r->batch->prompts;
    for (uint32_t at = 0; at < seqs->n;) {
        span s = next_span(seqs, at, r->pack_tokens);
        eng_pack pack = fill_pack(r, seqs, s);
        for (uint32_t i = 0; i < pack.n_seqs; i++)
            r->rows[i] = r->starts[i + 1] - 1;
        eng_tape_forward(r->tape, r->net, &pack, NULL);
        eng_score_forward(r->tape, r->net, r->rows, pack.n_seqs, r->outputs);
        mean += rank_scores(r, &prompt, pack.n_seqs);
        eng_score_backward(r->tape, r->net, r->rows, pack.n_seqs, r->slopes, r->grads);
        eng_tape_backward(r->tape, r->net, r->grads);
        r->result->n_packs++;
        at = s.end;
    }
    return mean;
}

/* ---- the whole ---- */

static bool allocate(runner *r, const eng_tape_options *tape)
{
    size_t n = tape->max_tokens;
    r->tokens = calloc(n, sizeof *r->tokens);
    r->starts = calloc((size_t)tape->max_seqs + 1, sizeof *r->starts);
    r->rows = calloc(n, sizeof *r->rows);
    r->targets = calloc(n, sizeof *r->targets);
    r->weights = calloc(n, sizeof *r->weights);
    r->old = calloc(n, sizeof *r->old);
    r->goals = calloc(n, sizeof *r->goals);
    r->outputs = calloc(n, sizeof *r->outputs);
    r->slopes = calloc(n, sizeof *r->slopes);
    return r->tokens && r->starts && r->rows && r->targets && r->weights && r->old && r->goals &&
           r->outputs && r->slopes;
}

static void release(runner *r)
{
    eng_tape_free(r->tape);
    free(r->tokens);
    free(r->starts);
    free(r->rows);
    free(r->targets);
    free(r->weights);
    free(r->old);
    free(r->goals);
    free(r->outputs);
    free(r->slopes);
}

static void run_losses(runner *r)
{
    const gradient_batch *b = r->batch;
    gradient_result *out = r->result;
    if (b->loss == GRADIENT_REWARD)
        out->main_loss = run_ranked(r);
    else
        out->main_loss = run_seqs(r, &b->seqs, b->loss);
    r->coef = b->ptx_coef;
    out->ptx_loss = run_seqs(r, &b->ptx, GRADIENT_PTX);
    out->loss = out->main_loss + (double)b->ptx_coef * out->ptx_loss;
    out->n_tokens = b->seqs.n_counted;
    out->n_ptx_tokens = b->ptx.n_counted;
}

eng_status gradient_run(const eng_net *net, const gradient_batch *batch,
                        const gradient_options *options, float *grads, gradient_result *result,
                        eng_error *err)
{
    runner r = {.net = net,
                .batch = batch,
                .pack_tokens = options->pack_tokens,
                .coef = 1,
                .grads = grads,
                .result = result};
    eng_tape_options tape = {.gradients = true,
                             .checkpoint = options->checkpoint,
                             .parallel = options->parallel,
                             .kernels = options->kernels};
    *result = (gradient_result){0};
    widen(&batch->seqs, options->pack_tokens, &tape);
    widen(&batch->ptx, options->pack_tokens, &tape);
    eng_status status = eng_tape_create(&r.tape, eng_net_config(net), &tape, err);
    if (status == ENG_OK && !allocate(&r, &tape))
        status = eng_fail(err, ENG_NOMEM, "no memory for packs of %u tokens", tape.max_tokens);
    if (status == ENG_OK)
        run_losses(&r);
    release(&r);
    return status;
}
