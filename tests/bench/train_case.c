#include "train_case.h"

#include "compute/team.h"
#include "measure.h"
#include "train/optimizer.h"
#include "train/train.h"

#include <stdlib.h>

struct train_subject {
    eng_team *team;
    eng_parallel parallel;
    eng_net *net;
    eng_tape *tapes[2]; /* by eng_compute; the second may be NULL */
    size_t tape_bytes;
    float *grads, *m, *v; /* [P] */
    eng_pack pack;
    eng_lm_rows rows;
    float *logprobs;
    uint64_t t;
};

/* ---- the batch ---- */

/* Every token is random, and every one but a sequence's last is followed by its target. */
static void fill_batch(train_subject *s, uint32_t n_seqs, uint32_t n_tokens, int32_t *tokens,
                       uint32_t *starts, uint32_t *rows, int32_t *targets)
{
    uint64_t seed = 1;
    uint32_t n = 0;
    for (uint32_t i = 0; i <= n_seqs; i++)
        starts[i] = i * n_tokens;
    for (uint32_t i = 0; i < n_seqs * n_tokens; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        tokens[i] = (int32_t)((seed >> 33) % eng_net_config(s->net)->n_vocab);
    }
    for (uint32_t i = 0; i < n_seqs * n_tokens; i++)
        if ((i + 1) % n_tokens) {
            rows[n] = i;
            targets[n++] = tokens[i + 1];
        }
    s->pack = (eng_pack){tokens, starts, n_seqs};
    s->rows = (eng_lm_rows){rows, targets, n, 1};
}

static eng_status allocate(train_subject *s, uint32_t n_seqs, uint32_t n_tokens, eng_error *err)
{
    const size_t p = eng_net_n_floats(s->net), m = (size_t)n_seqs * n_tokens;
    int32_t *tokens = malloc(m * sizeof *tokens), *targets = malloc(m * sizeof *targets);
    uint32_t *starts = malloc((n_seqs + 1) * sizeof *starts), *rows = malloc(m * sizeof *rows);
    s->grads = calloc(p, sizeof *s->grads);
    s->m = calloc(p, sizeof *s->m);
    s->v = calloc(p, sizeof *s->v);
    s->logprobs = malloc(m * sizeof *s->logprobs);
    if (!tokens || !targets || !starts || !rows || !s->grads || !s->m || !s->v || !s->logprobs) {
        free(tokens), free(targets), free(starts), free(rows);
        return eng_fail(err, ENG_NOMEM, "out of memory");
    }
    fill_batch(s, n_seqs, n_tokens, tokens, starts, rows, targets);
    return ENG_OK;
}

eng_status train_open(train_subject **out, const char *path, const char *kernels,
                      uint32_t n_threads, uint32_t n_seqs, uint32_t n_tokens, bool checkpoint,
                      bool bf16, eng_error *err)
{
    train_subject *s = calloc(1, sizeof *s);
    if (!s)
        return eng_fail(err, ENG_NOMEM, "out of memory");
    eng_status st = eng__team_create(&s->team, n_threads, 0, err);
    if (st == ENG_OK) {
        s->parallel = eng__team_parallel(s->team);
        st = eng_net_open(&s->net, path, ENG_HEAD_LM, err);
    }
    for (int i = 0; i < 1 + bf16 && st == ENG_OK; i++) {
        const eng_tape_options options = {.max_tokens = n_seqs * n_tokens,
                                          .max_seqs = n_seqs,
                                          .gradients = true,
                                          .checkpoint = checkpoint,
                                          .compute = (eng_compute)i,
                                          .parallel = &s->parallel,
                                          .kernels = kernels};
        s->tape_bytes = eng_tape_bytes(eng_net_config(s->net), &options);
        st = eng_tape_create(&s->tapes[i], eng_net_config(s->net), &options, err);
    }
    if (st == ENG_OK)
        st = allocate(s, n_seqs, n_tokens, err);
    if (st != ENG_OK) {
        train_close(s);
        return st;
    }
    *out = s;
    return ENG_OK;
}

void train_close(train_subject *s)
{
    if (!s)
        return;
    eng_tape_free(s->tapes[ENG_COMPUTE_F32]);
    eng_tape_free(s->tapes[ENG_COMPUTE_BF16]);
    eng_net_free(s->net);
    eng__team_free(s->team);
    free((void *)s->pack.tokens), free((void *)s->pack.starts);
    free((void *)s->rows.rows), free((void *)s->rows.targets);
    free(s->grads), free(s->m), free(s->v), free(s->logprobs);
    free(s);
}

/* ---- one step ---- */

/* of the mean of -l */
static float mean_slope(void *ctx, uint32_t i, float logprob)
{
    (void)i, (void)logprob;
    return -1.0f / (float)((const train_subject *)ctx)->rows.n;
}

train_times train_step(train_subject *s, eng_compute compute)
{
    static const eng_adamw adamw = {.beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f};
    const size_t n = eng_net_n_floats(s->net);
    eng_tape *tape = s->tapes[compute];
    const double begin = now_s();
    eng_grads_clear(&s->parallel, s->grads, n);
    eng_tape_forward(tape, s->net, &s->pack, NULL);
    const double forward = now_s();
    eng_lm_backward(tape, s->net, &s->rows, mean_slope, s, s->logprobs, NULL, s->grads);
    eng_tape_backward(tape, s->net, s->grads);
    const double backward = now_s();
    const double norm = eng_grad_norm(&s->parallel, s->grads, n);
    eng_adamw_step(&s->parallel, &adamw, eng_net_floats(s->net), s->grads, s->m, s->v, n, 1e-5,
                   ++s->t, eng_clip_scale(norm, 1));
    const double end = now_s();
    return (train_times){forward - begin, backward - forward, end - backward, end - begin};
}

double train_step_ops(const train_subject *s)
{
    const uint32_t tokens = s->pack.starts[s->pack.n_seqs];
    return 6.0 * (double)eng_net_n_floats(s->net) * tokens;
}

uint64_t train_tape_bytes(const train_subject *s)
{
    return s->tape_bytes;
}
