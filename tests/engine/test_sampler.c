/* The sampler against a full sort, and the odds it should give. */
#include "base/random.h"
#include "harness.h"
#include "infer/sampler.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_V = 700 };

typedef struct fixture {
    const eng_kernels *kernels;
    eng_sampler_scratch scratch;
    float logits[MAX_V], changed[MAX_V], weights[MAX_V];
    eng_candidate candidates[MAX_V];
    uint32_t counts[MAX_V];
    eng_sampling sampling;
    eng_output out;
} fixture;

static fixture *make_fixture(void)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    f.kernels = eng__kernels_choose(NULL);
    f.scratch = (eng_sampler_scratch){f.changed, f.weights, f.candidates, f.counts};
    f.sampling = (eng_sampling){.temperature = 1, .top_p = 1, .seed = 42};
    f.out = (eng_output){.sampling = &f.sampling, .target = -1};
    return &f;
}

static int32_t sample(fixture *f, uint32_t v)
{
    eng__sample(f->kernels, f->logits, v, &f->out, &f->scratch);
    for (uint32_t i = 0; i < MAX_V; i++)
        EXPECT_EQ(f->counts[i], 0); /* as the next call needs it */
    return f->out.token;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Steps of 1/4, so that ties are common. */
static void random_logits(fixture *f, uint32_t v, uint64_t *state)
{
    for (uint32_t i = 0; i < v; i++)
        f->logits[i] = (float)(next_random(state) % 48) / 4 - 6;
}

/* ---- frequencies ---- */

/* Pearson's chi-square of n draws over 10 tokens: 33.7 is passed by chance once in 10^4 (9 degrees
 * of freedom); the seeds are fixed, so the test always gives the same figure. */
static void expect_frequencies(fixture *f, const double *p, uint32_t v)
{
    enum { DRAWS = 20000 };
    uint32_t counts[10] = {0};
    for (uint32_t i = 0; i < DRAWS; i++) {
        f->out.position = i;
        counts[sample(f, v)]++;
    }
    double chi = 0;
    for (uint32_t i = 0; i < v; i++) {
        if (p[i] == 0)
            EXPECT_EQ(counts[i], 0);
        else
            chi += (counts[i] - DRAWS * p[i]) * (counts[i] - DRAWS * p[i]) / (DRAWS * p[i]);
    }
    if (chi > 33.7)
        FAIL("chi-square is %g", chi);
}

static void softmax(const float *z, uint32_t v, double temperature, double *p)
{
    double sum = 0;
    for (uint32_t i = 0; i < v; i++)
        sum += p[i] = exp((double)z[i] / temperature);
    for (uint32_t i = 0; i < v; i++)
        p[i] /= sum;
}

static const float ten[10] = {0.5f, -1, 2, 0, 1.5f, -0.5f, 1, 0.25f, -2, 1.75f};

TEST(tokens_are_drawn_as_often_as_softmax_says)
{
    static const float temperatures[] = {0.5f, 1, 2};
    for (int t = 0; t < 3; t++)
        for (uint64_t seed = 0; seed < 2; seed++) {
            fixture *f = make_fixture();
            double p[10];
            memcpy(f->logits, ten, sizeof ten);
            f->sampling.temperature = temperatures[t];
            f->sampling.seed = seed;
            softmax(ten, 10, (double)temperatures[t], p);
            expect_frequencies(f, p, 10);
        }
}

TEST(top_k_draws_the_rest_in_proportion)
{
    fixture *f = make_fixture();
    double p[10], sum = 0;
    memcpy(f->logits, ten, sizeof ten);
    f->sampling.top_k = 4; /* 2, 9, 4, 6 */
    softmax(ten, 10, 1, p);
    for (int i = 0; i < 10; i++)
        sum += p[i] = i == 2 || i == 9 || i == 4 || i == 6 ? p[i] : 0;
    for (int i = 0; i < 10; i++)
        p[i] /= sum;
    expect_frequencies(f, p, 10);
}

TEST(choices_and_positions_draw_independently)
{
    fixture *f = make_fixture();
    uint32_t same = 0;
    memcpy(f->logits, (float[4]){0}, 4 * sizeof(float));
    for (uint32_t i = 0; i < 4000; i++) {
        f->out.position = i;
        f->sampling.choice = 0;
        const int32_t first = sample(f, 4);
        f->sampling.choice = 1;
        same += sample(f, 4) == first;
    }
    /* 1000 expected; the standard deviation is 27 */
    EXPECT_NEAR((double)same, 1000, 4 * 27);
}

/* ---- against a full sort ---- */

typedef struct sorted {
    double w;
    int32_t id;
} sorted;

static int heavier_first(const void *a, const void *b)
{
    const sorted *x = a, *y = b;
    return x->w != y->w ? (x->w < y->w ? 1 : -1) : x->id - y->id;
}

static int32_t draw_from(const sorted *s, uint32_t n, double u)
{
    double total = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        total += s[i].w;
    for (uint32_t i = 0; i < n; i++)
        if ((sum += s[i].w) > u * total)
            return s[i].id;
    return s[n - 1].id;
}

/* The order of operations that clients are promised, with nothing clever: sort all, cut, draw. */
static int32_t oracle(const fixture *f, uint32_t v)
{
    const eng_sampling *s = &f->sampling;
    float z[MAX_V], w[MAX_V], best = -INFINITY;
    sorted all[MAX_V];
    uint32_t n = 0;
    memcpy(z, f->logits, v * sizeof *z);
    for (uint32_t i = 0; i < s->n_bias; i++)
        z[s->bias[i].token] += s->bias[i].bias;
    for (uint32_t i = 0; i < v; i++) {
        uint32_t count = 0;
        for (uint32_t j = 0; j < f->out.n_history; j++)
            count += f->out.history[j] == (int32_t)i;
        if (count)
            z[i] -= s->presence_penalty;
        for (uint32_t j = 0; j < count; j++)
            z[i] -= s->frequency_penalty;
    }
    for (uint32_t i = 0; i < f->out.n_banned; i++)
        z[f->out.banned[i]] = -INFINITY;
    int32_t greedy = 0;
    for (uint32_t i = 0; i < v; i++)
        if (z[i] > best)
            best = z[i], greedy = (int32_t)i;
    if (s->temperature == 0)
        return greedy;
    f->kernels->exp_scaled(w, z, v, best, 1 / s->temperature);
    for (uint32_t i = 0; i < v; i++)
        if (isfinite(z[i]) && !(w[i] < s->min_p))
            all[n++] = (sorted){(double)w[i], (int32_t)i};
    const double u = eng__uniform(s->seed, s->choice, f->out.position);
    if (s->min_p == 0 && s->top_k == 0 && s->top_p == 1)
        return draw_from(all, n, u); /* by id: the order is ours to choose */
    qsort(all, n, sizeof *all, heavier_first);
    if (s->top_k && s->top_k < n)
        n = s->top_k;
    double total = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        total += all[i].w;
    for (uint32_t i = 0; i < n && s->top_p < 1; i++)
        if ((sum += all[i].w) >= (double)s->top_p * total) {
            n = i + 1;
            break;
        }
    return draw_from(all, n, u);
}

TEST(draws_equal_those_from_a_full_sort)
{
    static const uint32_t sizes[] = {1, 2, 3, 15, 17, 33, 288, 523, 700};
    static const float ps[] = {1, 0.999f, 0.9f, 0.5f, 0.01f}, mins[] = {0, 0.001f, 0.1f, 1};
    static const float temperatures[] = {0, 0.3f, 1, 2};
    static const uint32_t ks[] = {0, 1, 2, 40, 5000};
    uint64_t state = 11;
    for (int round = 0; round < 3000; round++) {
        fixture *f = make_fixture();
        const uint32_t v = sizes[next_random(&state) % 9];
        int32_t history[20], banned[3];
        eng_logit_bias bias[4];
        random_logits(f, v, &state);
        f->sampling.temperature = temperatures[next_random(&state) % 4];
        f->sampling.top_p = ps[next_random(&state) % 5];
        f->sampling.min_p = mins[next_random(&state) % 4];
        f->sampling.top_k = ks[next_random(&state) % 5];
        f->sampling.seed = (uint64_t)round;
        f->out.position = (uint32_t)(next_random(&state) % 100);
        for (int i = 0; i < 20; i++)
            history[i] = (int32_t)(next_random(&state) % (v < 30 ? v : 30));
        for (int i = 0; i < 3; i++)
            banned[i] = (int32_t)(next_random(&state) % v);
        for (int i = 0; i < 4; i++)
            bias[i] = (eng_logit_bias){(int32_t)(v > 8 ? (uint32_t)i * 2 : 0),
                                       (float)(next_random(&state) % 200) - 100};
        f->out.history = history;
        f->out.n_history = (uint32_t)(next_random(&state) % 21);
        f->sampling.presence_penalty = next_random(&state) % 2 ? 0.5f : 0;
        f->sampling.frequency_penalty = next_random(&state) % 2 ? 0.25f : 0;
        f->sampling.bias = bias;
        f->sampling.n_bias = v > 8 ? (uint32_t)(next_random(&state) % 5) : 0;
        f->out.banned = banned;
        f->out.n_banned = v > 8 ? (uint32_t)(next_random(&state) % 4) : 0;
        EXPECT_EQ(sample(f, v), oracle(f, v));
    }
}

TEST(ties_go_to_the_lowest_id)
{
    fixture *f = make_fixture();
    for (int i = 0; i < 100; i++)
        f->logits[i] = i % 10 == 7 ? 3 : 1;
    f->sampling.temperature = 0;
    EXPECT_EQ(sample(f, 100), 7);
    f->sampling.temperature = 1;
    f->sampling.top_k = 1;
    EXPECT_EQ(sample(f, 100), 7);
    f->sampling.top_k = 0;
    f->sampling.top_p = 1e-6f;
    EXPECT_EQ(sample(f, 100), 7);
}

/* ---- each knob alone ---- */

TEST(bias_moves_a_token_in_or_out)
{
    fixture *f = make_fixture();
    memcpy(f->logits, ten, sizeof ten);
    eng_logit_bias bias[2] = {{8, 100}, {2, -100}};
    f->sampling.bias = bias;
    f->sampling.n_bias = 1;
    for (f->out.position = 0; f->out.position < 50; f->out.position++)
        EXPECT_EQ(sample(f, 10), 8);
    bias[0].bias = 0;
    f->sampling.n_bias = 2;
    for (f->out.position = 0; f->out.position < 500; f->out.position++)
        EXPECT(sample(f, 10) != 2);
}

TEST(banned_tokens_are_never_drawn)
{
    static const int32_t banned[] = {2, 9, 4};
    static const float temperatures[] = {0, 1e-9f, 1, 2};
    fixture *f = make_fixture();
    memcpy(f->logits, ten, sizeof ten);
    f->logits[2] = 1e30f;
    f->out.banned = banned;
    f->out.n_banned = 3;
    for (int t = 0; t < 4; t++)
        for (f->out.position = 0; f->out.position < 300; f->out.position++) {
            f->sampling.temperature = temperatures[t];
            f->sampling.top_k = f->out.position % 3 ? 0 : 2;
            const int32_t id = sample(f, 10);
            EXPECT(id != 2 && id != 9 && id != 4);
        }
}

TEST(presence_counts_once_and_frequency_every_time)
{
    static const int32_t history[] = {1, 1, 1, 2};
    fixture *f = make_fixture();
    f->sampling.temperature = 0;
    f->out.history = history;
    f->out.n_history = 4;
    memcpy(f->logits, (float[]){0, 1, 0.9f}, 3 * sizeof(float));
    f->sampling.presence_penalty = 0.5f; /* 0, 0.5, 0.4 */
    EXPECT_EQ(sample(f, 3), 1);
    f->sampling.presence_penalty = 0;
    f->sampling.frequency_penalty = 0.2f; /* 0, 0.4, 0.7 */
    EXPECT_EQ(sample(f, 3), 2);
    f->sampling.presence_penalty = 0.75f; /* 0, -0.35, -0.05 */
    EXPECT_EQ(sample(f, 3), 0);
    f->sampling.presence_penalty = -2; /* 0, 2.4, 2.7 */
    EXPECT_EQ(sample(f, 3), 2);
}

TEST(extreme_temperatures_draw_the_best_or_any_token)
{
    fixture *f = make_fixture();
    uint64_t state = 5;
    random_logits(f, 100, &state);
    f->logits[63] = 9;
    f->sampling.temperature = 1e-9f;
    EXPECT_EQ(sample(f, 100), 63);
    f->sampling.temperature = 1e-5f;
    EXPECT_EQ(sample(f, 100), 63);
    f->sampling.temperature = FLT_MAX;
    f->sampling.seed = 1;
    EXPECT_EQ(sample(f, 100), (int32_t)(100 * eng__uniform(1, 0, 0))); /* all equal: in id order */
}

TEST(logits_of_any_finite_size_are_drawn_from)
{
    static const float sizes[] = {0, 1e-40f, 1e10f, 1e30f, FLT_MAX};
    for (int s = 0; s < 5; s++) {
        fixture *f = make_fixture();
        for (int i = 0; i < 33; i++)
            f->logits[i] = i % 2 ? sizes[s] : -sizes[s];
        f->out.want_logprob = true;
        f->out.n_top = ENG_MAX_TOP;
        const int32_t id = sample(f, 33);
        EXPECT(f->out.finite);
        EXPECT(id >= 0 && id < 33 && (sizes[s] < 1 || id % 2));
        EXPECT(f->out.logprob <= 0 && f->out.logprob >= -9999);
        for (int i = 0; i < ENG_MAX_TOP; i++)
            EXPECT(f->out.top[i].logprob <= 0 && f->out.top[i].logprob >= -9999);
    }
}

TEST(logits_that_are_not_finite_draw_nothing)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int b = 0; b < 3; b++)
        for (int at = 0; at < 20; at++) {
            fixture *f = make_fixture();
            f->out.want_logprob = true;
            f->logits[at] = bad[b];
            EXPECT_EQ(sample(f, 20), -1);
            EXPECT(!f->out.finite);
        }
}

/* ---- log-probs ---- */

TEST(logprobs_are_the_raw_log_softmax)
{
    fixture *f = make_fixture();
    double p[10];
    memcpy(f->logits, ten, sizeof ten);
    softmax(ten, 10, 1, p);
    f->sampling.temperature = 0.2f; /* must not show */
    eng_logit_bias bias = {3, 5};
    f->sampling.bias = &bias;
    f->sampling.n_bias = 1;
    f->out.want_logprob = true;
    EXPECT_EQ(sample(f, 10), 3);
    EXPECT_NEAR((double)f->out.logprob, log(p[3]), 1e-6);
    f->out.target = 8;
    EXPECT_EQ(sample(f, 10), 3);
    EXPECT_NEAR((double)f->out.logprob, log(p[8]), 1e-6);
    f->out.sampling = NULL;
    EXPECT_EQ(sample(f, 10), -1);
    EXPECT_NEAR((double)f->out.logprob, log(p[8]), 1e-6);
}

TEST(logprobs_stop_at_minus_9999)
{
    fixture *f = make_fixture();
    memcpy(f->logits, (float[]){0, -20000, -FLT_MAX}, 3 * sizeof(float));
    f->out.target = 1;
    f->out.n_top = 3;
    sample(f, 3);
    EXPECT(f->out.logprob == -9999);
    EXPECT(f->out.top[0].logprob == 0);
    EXPECT(f->out.top[1].logprob == -9999 && f->out.top[1].token == 1);
    EXPECT(f->out.top[2].logprob == -9999 && f->out.top[2].token == 2);
}

TEST(top_n_is_best_first_with_ties_to_the_lowest_id)
{
    static const uint32_t sizes[] = {1, 5, 20, 33, 700};
    uint64_t state = 3;
    for (int s = 0; s < 5; s++)
        for (uint8_t n = 0; n <= ENG_MAX_TOP; n++) {
            fixture *f = make_fixture();
            sorted all[MAX_V];
            random_logits(f, sizes[s], &state);
            f->out.n_top = n;
            f->out.want_logprob = true;
            sample(f, sizes[s]);
            for (uint32_t i = 0; i < sizes[s]; i++)
                all[i] = (sorted){(double)f->logits[i], (int32_t)i};
            qsort(all, sizes[s], sizeof *all, heavier_first);
            for (uint32_t i = 0; i < n && i < sizes[s]; i++) {
                EXPECT_EQ(f->out.top[i].token, all[i].id);
                EXPECT_NEAR((double)(f->out.top[i].logprob - f->out.top[0].logprob),
                            all[i].w - all[0].w, 1e-5);
            }
        }
}

TEST(raw_logits_are_copied_before_anything_changes_them)
{
    fixture *f = make_fixture();
    float copy[10];
    eng_logit_bias bias = {0, 50};
    memcpy(f->logits, ten, sizeof ten);
    f->sampling.bias = &bias;
    f->sampling.n_bias = 1;
    f->out.logits = copy;
    sample(f, 10);
    EXPECT_MEM(copy, ten, sizeof ten);
    EXPECT_MEM(f->logits, ten, sizeof ten);
}

/* ---- the drawn token's log-prob ---- */

TEST(drawn_logprob_is_of_the_tempered_distribution)
{
    static const float temperatures[] = {0.5f, 1, 1.7f};
    fixture *f = make_fixture();
    uint64_t state = 11;
    double p[MAX_V];
    f->out.want_drawn_logprob = true;
    for (int i = 0; i < 3; i++) {
        random_logits(f, MAX_V, &state);
        f->sampling.temperature = temperatures[i];
        softmax(f->logits, MAX_V, (double)temperatures[i], p);
        const int32_t id = sample(f, MAX_V);
        EXPECT_NEAR(f->out.drawn_logprob, log(p[id]), 1e-5);
    }
}

TEST(drawn_logprob_of_a_greedy_token_is_0)
{
    fixture *f = make_fixture();
    uint64_t state = 12;
    f->out.want_drawn_logprob = true;
    f->sampling.temperature = 0;
    random_logits(f, MAX_V, &state);
    sample(f, MAX_V);
    EXPECT(f->out.drawn_logprob == 0);
}
