/* Every parameter's gradient against central differences, all of training compiled in double:
 * relative error below 1e-6. */
#include "tape_fixture.h"
#include "train/losses.h"

typedef struct subject subject;

/* The loss at the net's parameters, and its gradient into `grads` unless NULL. */
typedef double loss_fn(subject *s, float *grads);

struct subject {
    loss_fn *loss;
    eng_net *net;
    eng_tape *tape;
    fixture_pack p;
    fixture_targets t;
    eng_dropout dropout;
    float temperature;
    float weights[FIXTURE_MAX_TOKENS]; /* of each prediction or score in the loss */
    float old[FIXTURE_MAX_TOKENS];     /* PPO: log-probs or values before the update */
    uint64_t random;
};

static double uniform(uint64_t *state) /* [-1, 1) */
{
    return (double)fixture_random(state) * 0x1p-30 - 1;
}

/* Weights that no initialisation made small: every path through the net shows in the loss. */
static void randomize(subject *s)
{
    uint32_t n;
    const eng_param *params = eng_net_params(s->net, &n);
    for (uint32_t i = 0; i < n; i++) {
        const bool norm = strstr(params[i].name, "norm.weight") != NULL;
        const double size = params[i].rows == 1 ? 0.4 : 1.2 / sqrt((double)params[i].cols);
        for (size_t j = 0; j < (size_t)params[i].rows * params[i].cols; j++)
            params[i].data[j] = (norm ? 1 : 0) + size * uniform(&s->random);
    }
}

static void subject_open(subject *s, const test_model_spec *spec, eng_head head,
                         const uint32_t *lengths, uint32_t n_seqs, bool checkpoint, float rate)
{
    *s = (subject){.random = 5, .temperature = 0.7};
    s->net = fixture_net(spec, head);
    randomize(s);
    eng_tape_options options = fixture_options(&eng_serial);
    options.kernels = "scalar";
    options.checkpoint = checkpoint;
    s->tape = fixture_tape(s->net, &options);
    fixture_fill(&s->p, lengths, n_seqs, eng_net_config(s->net)->n_vocab, 9);
    fixture_target(&s->t, &s->p, s->temperature);
    s->dropout = (eng_dropout){.rate = rate, .seed = 3, .step = 8, .seq_keys = s->p.keys};
    for (uint32_t i = 0; i < FIXTURE_MAX_TOKENS; i++)
        s->weights[i] = uniform(&s->random);
}

static void subject_close(subject *s)
{
    eng_tape_free(s->tape);
    eng_net_free(s->net);
}

/* ---- losses over log-probs ---- */

typedef struct policy_view {
    subject *s;
    double (*loss)(const subject *s, uint32_t i, float l, float *slope);
} policy_view;

static float slope_of(void *ctx, uint32_t i, float logprob)
{
    const policy_view *v = ctx;
    float slope;
    v->loss(v->s, i, logprob, &slope);
    return slope;
}

static double sum_logprob_losses(policy_view *v, float *grads)
{
    subject *s = v->s;
    float logprobs[FIXTURE_MAX_TOKENS], slope;
    double loss = 0;
    eng_tape_forward(s->tape, s->net, &s->p.pack, &s->dropout);
    if (grads) {
        eng_lm_backward(s->tape, s->net, &s->t.lm, slope_of, v, logprobs, NULL, grads);
        eng_tape_backward(s->tape, s->net, grads);
    } else {
        eng_lm_forward(s->tape, s->net, &s->t.lm, logprobs, NULL, NULL);
    }
    for (uint32_t i = 0; i < s->t.lm.n; i++)
        loss += v->loss(s, i, logprobs[i], &slope);
    return loss;
}

/* w l + l^2 / 20: some predictions weigh nothing, as in a masked batch */
static double curved(const subject *s, uint32_t i, float l, float *slope)
{
    const bool masked = i % 4 == 3;
    *slope = masked ? 0 : s->weights[i] + 0.1 * l;
    return masked ? 0 : s->weights[i] * l + 0.05 * l * l;
}

static double lm_loss(subject *s, float *grads)
{
    return sum_logprob_losses(&(policy_view){s, curved}, grads);
}

static double clipped(const subject *s, uint32_t i, float l, float *slope)
{
    return eng_ppo_policy_loss(l, s->old[i], 2 * s->weights[i], i % 3 ? 1 : 1.6, 0.2, slope);
}

/* Ratios on both sides of both clips, none near one. */
static double policy_loss(subject *s, float *grads)
{
    return sum_logprob_losses(&(policy_view){s, clipped}, grads);
}

/* ---- losses over scores ---- */

/* Fills dL/dscores and returns the loss. */
typedef double score_loss_fn(const subject *s, const float *scores, uint32_t n, float *dscores);

static double run_scores(subject *s, const uint32_t *rows, uint32_t n, score_loss_fn *fn,
                         float *grads)
{
    float scores[FIXTURE_MAX_TOKENS], dscores[FIXTURE_MAX_TOKENS] = {0};
    eng_tape_forward(s->tape, s->net, &s->p.pack, &s->dropout);
    eng_score_forward(s->tape, s->net, rows, n, scores);
    const double loss = fn(s, scores, n, dscores);
    if (grads) {
        eng_score_backward(s->tape, s->net, rows, n, dscores, grads);
        eng_tape_backward(s->tape, s->net, grads);
    }
    return loss;
}

static double squares(const subject *s, const float *scores, uint32_t n, float *dscores)
{
    double loss = 0;
    for (uint32_t i = 0; i < n; i++) {
        loss += 0.5 * s->weights[i] * scores[i] * scores[i];
        dscores[i] = s->weights[i] * scores[i];
    }
    return loss;
}

static double score_loss(subject *s, float *grads)
{
    return run_scores(s, s->t.rows, s->t.lm.n, squares, grads);
}

/* Two prompts: the first with as many outputs as may be and ties, the second with two. */
static double rankings(const subject *s, const float *scores, uint32_t n, float *dscores)
{
    static const uint32_t ranks[] = {0, 3, 1, 1, 2, 5, 3, 3, 4}, pair[] = {1, 0};
    (void)s;
    EXPECT_EQ(n, 11);
    return eng_kwise_loss(9, scores, ranks, dscores).loss +
           eng_kwise_loss(2, scores + 9, pair, dscores + 9).loss;
}

/* A reward model's: the score of each sequence's last row. */
static double reward_loss(subject *s, float *grads)
{
    uint32_t rows[FIXTURE_MAX_SEQS];
    for (uint32_t i = 0; i < s->p.pack.n_seqs; i++)
        rows[i] = s->p.starts[i + 1] - 1;
    return run_scores(s, rows, s->p.pack.n_seqs, rankings, grads);
}

static double values(const subject *s, const float *scores, uint32_t n, float *dscores)
{
    double loss = 0;
    for (uint32_t i = 0; i < n; i++)
        loss += eng_ppo_value_loss(scores[i], s->old[i], s->old[i] + (i % 3 ? 1.5 : -1.9), 0.2,
                                   &dscores[i]);
    return loss;
}

static double value_loss(subject *s, float *grads)
{
    return run_scores(s, s->t.rows, s->t.lm.n, values, grads);
}

/* What the policy or the value network said before: inside and outside the clip, far from where the
 * loss bends. */
static void remember(subject *s)
{
    static const double distances[] = {0.1, -0.1, 0.4, -0.4, 0.05};
    eng_tape_forward(s->tape, s->net, &s->p.pack, &s->dropout);
    if (eng_net_head(s->net) == ENG_HEAD_LM)
        eng_lm_forward(s->tape, s->net, &s->t.lm, s->old, NULL, NULL);
    else
        eng_score_forward(s->tape, s->net, s->t.rows, s->t.lm.n, s->old);
    for (uint32_t i = 0; i < s->t.lm.n; i++)
        s->old[i] += distances[i % 5];
}

/* ---- differences ---- */

static double loss_at(subject *s, const eng_param *p, const float *at, const float *direction,
                      double h)
{
    const size_t n = (size_t)p->rows * p->cols;
    for (size_t i = 0; i < n; i++)
        p->data[i] = at[i] + h * direction[i];
    return s->loss(s, NULL);
}

/* The derivative along `direction`, with an error of the order h^4. */
static double difference(subject *s, const eng_param *p, const float *direction)
{
    const double h = 1e-3;
    const size_t bytes = (size_t)p->rows * p->cols * sizeof *p->data;
    float *at = malloc(bytes);
    EXPECT(at);
    memcpy(at, p->data, bytes);
    const double near = loss_at(s, p, at, direction, h) - loss_at(s, p, at, direction, -h);
    const double far = loss_at(s, p, at, direction, 2 * h) - loss_at(s, p, at, direction, -2 * h);
    memcpy(p->data, at, bytes);
    free(at);
    return (8 * near - far) / (12 * h);
}

static double along(const float *gradient, const float *direction, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += gradient[i] * direction[i];
    return sum;
}

/* Along random directions, which every element of the tensor has a part in, and along some
 * elements' own. */
static void expect_param(subject *s, const eng_param *p, const float *gradient)
{
    enum { DIRECTIONS = 2, ELEMENTS = 4 };
    const size_t n = (size_t)p->rows * p->cols;
    double error = 0, size = 0;
    float *direction = fixture_floats(n);
    for (int k = 0; k < DIRECTIONS + ELEMENTS; k++) {
        const size_t one = fixture_random(&s->random) % n;
        for (size_t i = 0; i < n; i++)
            direction[i] = k < DIRECTIONS ? uniform(&s->random) / sqrt((double)n) : i == one;
        const double want = difference(s, p, direction), got = along(gradient, direction, n);
        error += (got - want) * (got - want);
        size += want * want;
    }
    free(direction);
    /* a reward model's bias moves no ranking: there both are rounding errors */
    if (!(sqrt(error) <= 1e-6 * sqrt(size) + 1e-11))
        FAIL("%s [%u][%u]: the gradient is off by %.3g of %.3g", p->name, p->rows, p->cols,
             sqrt(error), sqrt(size));
}

static void expect_gradients(const test_model_spec *spec, loss_fn *loss, const uint32_t *lengths,
                             uint32_t n_seqs, bool checkpoint, float rate)
{
    static subject s;
    uint32_t n;
    const bool lm = loss == lm_loss || loss == policy_loss;
    subject_open(&s, spec, lm ? ENG_HEAD_LM : ENG_HEAD_SCORE, lengths, n_seqs, checkpoint, rate);
    s.loss = loss;
    remember(&s);
    float *grads = fixture_floats(eng_net_n_floats(s.net));
    s.loss(&s, grads);
    const eng_param *params = eng_net_params(s.net, &n);
    for (uint32_t i = 0; i < n; i++)
        expect_param(&s, &params[i], grads + params[i].offset);
    free(grads);
    subject_close(&s);
}

static const uint32_t short_lengths[] = {2, 9, 5}, long_lengths[] = {71, 3};

TEST(gradients_of_llama_equal_central_differences)
{
    static const test_model_spec spec = {.arch = "llama", .embd = 16, .heads = 4, .kv_heads = 2};
    expect_gradients(&spec, lm_loss, short_lengths, 3, false, 0);
    expect_gradients(&spec, score_loss, short_lengths, 3, false, 0);
}

TEST(gradients_of_llama_with_every_option_equal_central_differences)
{
    static const test_model_spec spec = {.arch = "llama",
                                         .embd = 24,
                                         .heads = 3,
                                         .kv_heads = 1,
                                         .ff = 20,
                                         .qkv_bias = true,
                                         .untied = true,
                                         .rope_freqs = true,
                                         .window = 4,
                                         .window_period = 2};
    expect_gradients(&spec, lm_loss, short_lengths, 3, true, 0.3);
}

TEST(gradients_of_qwen2_equal_central_differences)
{
    static const test_model_spec spec = {.arch = "qwen2", .embd = 16, .heads = 2};
    expect_gradients(&spec, lm_loss, short_lengths, 3, false, 0);
}

TEST(gradients_of_gpt2_equal_central_differences)
{
    static const test_model_spec spec = {.arch = "gpt2", .embd = 16, .heads = 2};
    expect_gradients(&spec, lm_loss, short_lengths, 3, false, 0.2);
    expect_gradients(&spec, score_loss, short_lengths, 3, true, 0);
}

TEST(gradients_across_blocks_of_attention_equal_central_differences)
{
    static const test_model_spec dense = {.arch = "llama", .layers = 1, .embd = 16, .heads = 2};
    static const test_model_spec banded = {
        .arch = "gpt2", .embd = 16, .heads = 2, .window = 20, .window_period = 2};
    expect_gradients(&dense, score_loss, long_lengths, 2, false, 0);
    expect_gradients(&banded, score_loss, long_lengths, 2, false, 0);
}

TEST(gradients_of_ppo_and_reward_losses_equal_central_differences)
{
    static const test_model_spec llama = {.arch = "llama", .embd = 16, .heads = 4},
                                 gpt2 = {.arch = "gpt2", .embd = 16, .heads = 2};
    static const uint32_t outputs[] = {2, 3, 1, 4, 2, 5, 3, 2, 6, 4, 1};
    const test_model_spec *const specs[] = {&llama, &gpt2};
    for (int i = 0; i < 2; i++) {
        expect_gradients(specs[i], policy_loss, short_lengths, 3, false, 0);
        expect_gradients(specs[i], value_loss, short_lengths, 3, false, 0);
        expect_gradients(specs[i], reward_loss, outputs, 11, false, 0);
    }
}
