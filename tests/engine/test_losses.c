/* Losses against other ways to the same number: the double loop over pairs, slopes by central
 * differences, identities of advantages, closed forms of divergences. */
#include "base/random.h"
#include "harness.h"
#include "train/losses.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LN2 = 0.69314718055994531;

/* A stream of random numbers for one test. */
typedef struct stream {
    uint64_t seed;
    uint32_t at;
} stream;

static double uniform(stream *s) /* (0, 1) */
{
    return eng__uniform(s->seed, 0, s->at++) + 0x1p-54;
}

static double normal(stream *s)
{
    double radius = sqrt(-2 * log(uniform(s)));
    return radius * cos(6.283185307179586 * uniform(s));
}

static uint32_t below(stream *s, uint32_t n)
{
    return (uint32_t)(uniform(s) * n);
}

/* ---- rankings ---- */

typedef struct ranked {
    uint32_t k;
    float scores[ENG_MAX_RANKED], dscores[ENG_MAX_RANKED];
    uint32_t group[ENG_MAX_RANKED];
} ranked;

/* `levels` < k makes ties certain. */
static ranked random_ranking(stream *s, uint32_t k, uint32_t levels)
{
    ranked r = {.k = k};
    for (uint32_t i = 0; i < k; i++) {
        r.scores[i] = (float)(3 * normal(s));
        r.group[i] = below(s, levels);
    }
    return r;
}

static eng_kwise loss_of(ranked *r)
{
    return eng_kwise_loss(r->k, r->scores, r->group, r->dscores);
}

/* Equation 1 of the paper as it is printed, in long double; slopes by the chain rule on each
 * pair. Independent of the code under test. */
static long double brute_force(const ranked *r, long double *slopes, uint32_t *pairs)
{
    long double sum = 0;
    *pairs = 0;
    memset(slopes, 0, ENG_MAX_RANKED * sizeof *slopes);
    for (uint32_t i = 0; i < r->k; i++)
        for (uint32_t j = i + 1; j < r->k; j++) {
            if (r->group[i] == r->group[j])
                continue;
            uint32_t w = r->group[i] < r->group[j] ? i : j, l = w == i ? j : i;
            long double sigma = 1 / (1 + expl(-((long double)r->scores[w] - r->scores[l])));
            sum -= logl(sigma);
            slopes[w] -= 1 - sigma;
            slopes[l] += 1 - sigma;
            ++*pairs;
        }
    for (uint32_t i = 0; *pairs && i < r->k; i++)
        slopes[i] /= *pairs;
    return *pairs ? sum / *pairs : 0;
}

static void expect_brute_force(ranked *r)
{
    long double slopes[ENG_MAX_RANKED];
    uint32_t pairs;
    long double want = brute_force(r, slopes, &pairs);
    eng_kwise got = loss_of(r);
    EXPECT_EQ(got.pairs, pairs);
    EXPECT_NEAR(got.loss, (double)want, 1e-12 * (1 + (double)want));
    for (uint32_t i = 0; i < r->k; i++)
        EXPECT_NEAR(r->dscores[i], (double)slopes[i], 1e-7);
}

TEST(kwise_equals_the_double_loop_over_pairs_for_2_to_9_outputs)
{
    stream s = {.seed = 1};
    for (uint32_t k = 2; k <= ENG_MAX_RANKED; k++)
        for (int turn = 0; turn < 50; turn++) {
            ranked r = random_ranking(&s, k, k);
            for (uint32_t i = 0; i < k; i++)
                r.group[i] = i; /* no ties */
            expect_brute_force(&r);
            EXPECT_EQ(loss_of(&r).pairs, k * (k - 1) / 2);
        }
}

TEST(kwise_with_ties_averages_over_the_pairs_left)
{
    stream s = {.seed = 2};
    for (uint32_t k = 2; k <= ENG_MAX_RANKED; k++)
        for (int turn = 0; turn < 50; turn++) {
            ranked r = random_ranking(&s, k, 1 + k / 2);
            expect_brute_force(&r);
        }
}

TEST(kwise_of_a_prompt_that_ties_throughout_has_no_pairs_and_no_slope)
{
    ranked r = {.k = 3, .scores = {1, -2, 7}, .group = {4, 4, 4}, .dscores = {9, 9, 9}};
    eng_kwise got = loss_of(&r);
    EXPECT_EQ(got.pairs, 0);
    EXPECT(got.loss == 0);
    for (int i = 0; i < 3; i++)
        EXPECT(r.dscores[i] == 0);
}

TEST(kwise_does_not_depend_on_the_order_of_outputs)
{
    stream s = {.seed = 3};
    for (int turn = 0; turn < 200; turn++) {
        ranked r = random_ranking(&s, 9, 5), p = {.k = 9};
        uint32_t at[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
        for (uint32_t i = 8; i > 0; i--) {
            uint32_t j = below(&s, i + 1), swapped = at[i];
            at[i] = at[j];
            at[j] = swapped;
        }
        for (int i = 0; i < 9; i++) {
            p.scores[i] = r.scores[at[i]];
            p.group[i] = r.group[at[i]];
        }
        eng_kwise a = loss_of(&r), b = loss_of(&p);
        EXPECT_NEAR(b.loss, a.loss, 1e-14 * (1 + a.loss));
        EXPECT_EQ(b.correct, a.correct);
        for (int i = 0; i < 9; i++)
            EXPECT_NEAR(p.dscores[i], r.dscores[at[i]], 1e-7);
    }
}

TEST(kwise_of_equal_scores_is_ln_2_and_gets_no_pair_right)
{
    for (uint32_t k = 2; k <= ENG_MAX_RANKED; k++) {
        ranked r = {.k = k};
        for (uint32_t i = 0; i < k; i++) {
            r.scores[i] = -1.5f;
            r.group[i] = k - i;
        }
        eng_kwise got = loss_of(&r);
        EXPECT_NEAR(got.loss, LN2, 1e-14);
        EXPECT_EQ(got.correct, 0);
    }
}

TEST(kwise_of_two_is_the_pairwise_loss)
{
    ranked r = {.k = 2, .scores = {0.25f, 1.75f}, .group = {1, 0}};
    eng_kwise got = loss_of(&r);
    EXPECT_NEAR(got.loss, log(1 + exp(-1.5)), 1e-14);
    EXPECT_NEAR(r.dscores[1], -1 / (1 + exp(1.5)), 1e-7);
    EXPECT(r.dscores[0] == -r.dscores[1]);
    EXPECT_EQ(got.correct, 1);
}

TEST(kwise_slopes_equal_central_differences)
{
    stream s = {.seed = 4};
    const float h = 0x1p-8f;
    for (uint32_t k = 2; k <= ENG_MAX_RANKED; k++) {
        ranked r = random_ranking(&s, k, k);
        loss_of(&r);
        for (uint32_t i = 0; i < k; i++) {
            ranked up = r, down = r;
            up.scores[i] += h;
            down.scores[i] -= h;
            double step = (double)up.scores[i] - down.scores[i];
            EXPECT_NEAR(r.dscores[i], (loss_of(&up).loss - loss_of(&down).loss) / step, 1e-5);
        }
    }
}

TEST(kwise_stays_finite_at_extreme_margins)
{
    ranked r = {.k = 2, .scores = {-2000, 2000}, .group = {0, 1}};
    EXPECT_NEAR(loss_of(&r).loss, 4000, 1e-9);
    EXPECT(r.dscores[0] == -1 && r.dscores[1] == 1);
    r.group[0] = 2;
    EXPECT(loss_of(&r).loss == 0);
    EXPECT(r.dscores[0] == 0 && r.dscores[1] == 0);
}

TEST(kwise_without_a_place_for_slopes_gives_the_same_loss)
{
    ranked r = {.k = 3, .scores = {1, 0, -1}, .group = {1, 0, 1}};
    EXPECT(eng_kwise_loss(3, r.scores, r.group, NULL).loss == loss_of(&r).loss);
}

TEST(length_baseline_counts_longer_wins_and_halves_for_equal_lengths)
{
    const uint32_t lengths[4] = {10, 5, 10, 20}, group[4] = {0, 1, 2, 2};
    uint32_t pairs;
    /* 0>1 right, 0>2 half, 0>3 wrong, 1>2 wrong, 1>3 wrong; 2 and 3 tie */
    EXPECT_NEAR(eng_length_baseline(4, lengths, group, &pairs), 1.5 / 5, 1e-15);
    EXPECT_EQ(pairs, 5);
    EXPECT(eng_length_baseline(2, lengths, group + 2, &pairs) == 0);
    EXPECT_EQ(pairs, 0);
}

/* ---- rewards and advantages ---- */

enum { T = 37 };

typedef struct episode {
    float logp_old[T], logp_ref[T], rewards[T], values[T], advantages[T], returns[T];
} episode;

static episode random_episode(stream *s)
{
    episode e;
    for (int t = 0; t < T; t++) {
        e.logp_old[t] = (float)(-2 + normal(s));
        e.logp_ref[t] = (float)(-2 + normal(s));
        e.values[t] = (float)normal(s);
    }
    eng_ppo_rewards(T, e.logp_old, e.logp_ref, normal(s), 0.3, true, 0, e.rewards);
    return e;
}

TEST(rewards_sum_to_the_score_less_beta_times_the_divergence)
{
    stream s = {.seed = 5};
    const double score = 1.25, beta = 0.02;
    episode e = random_episode(&s);
    eng_ppo_rewards(T, e.logp_old, e.logp_ref, score, beta, true, 1, e.rewards);
    double kl = 0, sum = 0;
    for (int t = 0; t < T; t++) {
        kl += eng_kl_k1((double)e.logp_old[t] - e.logp_ref[t]);
        sum += e.rewards[t];
    }
    EXPECT_NEAR(sum, score - beta * kl, 1e-6);
}

TEST(rewards_put_the_score_on_the_last_token_and_the_divergence_on_each)
{
    const float old[3] = {-1, -2, -3}, ref[3] = {-1.5f, -2, -2};
    float r[3];
    eng_ppo_rewards(3, old, ref, 4, 0.5, true, 1, r);
    EXPECT_NEAR(r[0], -0.25, 1e-7);
    EXPECT_NEAR(r[1], 0, 1e-7);
    EXPECT_NEAR(r[2], 4.5, 1e-6);
    eng_ppo_rewards(3, old, ref, 4, 0.5, false, 1, r);
    EXPECT_NEAR(r[2], 3.5, 1e-6);
    EXPECT_NEAR(r[0], -0.25, 1e-7);
}

TEST(policy_equal_to_its_reference_is_rewarded_by_the_score_alone)
{
    const float logp[3] = {-1.1f, -0.3f, -7};
    float r[3];
    eng_ppo_rewards(3, logp, logp, -2, 0.02, true, 0, r);
    EXPECT(r[0] == 0 && r[1] == 0 && r[2] == -2);
}

TEST(advantages_with_lambda_1_are_rewards_to_go_less_the_value)
{
    stream s = {.seed = 6};
    episode e = random_episode(&s);
    eng_gae(T, e.rewards, e.values, 1, 1, e.advantages, e.returns);
    double to_go = 0;
    for (int t = T; t-- > 0;) {
        to_go += e.rewards[t];
        EXPECT_NEAR(e.advantages[t], to_go - e.values[t], 1e-6);
        EXPECT_NEAR(e.returns[t], to_go, 1e-6);
    }
}

TEST(advantages_with_lambda_0_are_one_step_errors)
{
    stream s = {.seed = 7};
    episode e = random_episode(&s);
    const double gamma = 0.9;
    eng_gae(T, e.rewards, e.values, gamma, 0, e.advantages, e.returns);
    for (int t = 0; t < T; t++) {
        double next = t + 1 < T ? e.values[t + 1] : 0;
        EXPECT_NEAR(e.advantages[t], e.rewards[t] + gamma * next - e.values[t], 1e-6);
    }
}

TEST(advantages_are_the_discounted_sum_of_one_step_errors)
{
    stream s = {.seed = 8};
    episode e = random_episode(&s);
    const double gamma = 0.97, lambda = 0.95;
    eng_gae(T, e.rewards, e.values, gamma, lambda, e.advantages, e.returns);
    for (int t = 0; t < T; t++) {
        double sum = 0;
        for (int l = 0; t + l < T; l++) {
            double next = t + l + 1 < T ? e.values[t + l + 1] : 0;
            double delta = e.rewards[t + l] + gamma * next - e.values[t + l];
            sum += pow(gamma * lambda, l) * delta;
        }
        EXPECT_NEAR(e.advantages[t], sum, 1e-5);
        EXPECT_NEAR(e.returns[t], sum + e.values[t], 1e-5);
    }
}

/* ---- whitening ---- */

TEST(whitened_numbers_have_mean_0_and_variance_1)
{
    stream s = {.seed = 9};
    float x[1000];
    for (int i = 0; i < 1000; i++)
        x[i] = (float)(100 + 0.5 * normal(&s));
    eng_whiten(x, 1000, false);
    double mean = 0, var = 0;
    for (int i = 0; i < 1000; i++)
        mean += x[i] / 1000;
    for (int i = 0; i < 1000; i++)
        var += (x[i] - mean) * (x[i] - mean) / 1000;
    EXPECT_NEAR(mean, 0, 1e-5);
    EXPECT_NEAR(var, 1, 1e-5);
}

/* (x - 1.6) / sqrt(1/15) + 1.6: mean and biased variance of the nine. With the unbiased
 * variance the first would be .1394. */
TEST(whitening_that_keeps_the_mean_gives_the_published_figures)
{
    static const float want[9] = {0.0508f, 0.4381f, 0.8254f, 1.2127f, 1.6f,
                                  1.9873f, 2.3746f, 2.7619f, 3.1492f};
    float x[9] = {1.2f, 1.3f, 1.4f, 1.5f, 1.6f, 1.7f, 1.8f, 1.9f, 2.0f};
    eng_whiten(x, 9, true);
    for (int i = 0; i < 9; i++)
        EXPECT_NEAR(x[i], want[i], 1e-4);
}

TEST(whitening_one_number_or_equal_ones_stays_finite)
{
    float x[3] = {7, 7, 7};
    eng_whiten(x, 3, false);
    EXPECT(x[0] == 0 && x[1] == 0 && x[2] == 0);
    x[0] = 7;
    eng_whiten(x, 1, true);
    EXPECT(x[0] == 7);
    eng_whiten(x, 0, false);
    EXPECT(x[0] == 7);
}

/* ---- PPO ---- */

TEST(policy_loss_at_ratio_1_is_minus_the_weighted_advantage)
{
    float slope;
    EXPECT(eng_ppo_policy_loss(-2.5f, -2.5f, 3, 0.5f, 0.2f, &slope) == -1.5);
    EXPECT(slope == -1.5f);
    EXPECT(eng_ppo_policy_loss(-2.5f, -2.5f, -3, 1, 0.2f, &slope) == 3);
    EXPECT(slope == 3);
}

typedef struct policy_case {
    double ratio;
    float advantage;
    double loss; /* with weight 1 and clip 0.25 */
    bool flows;
} policy_case;

TEST(policy_loss_clips_only_what_would_improve_the_objective)
{
    static const policy_case cases[] = {
        {1.5, 2, -2.5, false},   /* good and already likelier: clipped at 1.25 */
        {0.5, 2, -1, true},      /* good but less likely: pulled back freely */
        {1.5, -2, 3, true},      /* bad and likelier: pushed down freely */
        {0.5, -2, 1.5, false},   /* bad and less likely: clipped at 0.75 */
        {1.125, 2, -2.25, true}, /* inside the band nothing is clipped */
        {0.875, -2, 1.75, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const policy_case *c = &cases[i];
        float slope;
        float l = (float)log(c->ratio);
        double loss = eng_ppo_policy_loss(l, 0, c->advantage, 1, 0.25f, &slope);
        EXPECT_NEAR(loss, c->loss, 1e-6);
        EXPECT_NEAR(slope, c->flows ? -c->ratio * c->advantage : 0, 1e-6);
    }
}

TEST(policy_loss_flows_on_the_edge_of_the_clip)
{
    float slope;
    /* exp(0) = 1 is the edge of a clip of 0 */
    eng_ppo_policy_loss(0, 0, 2, 1, 0, &slope);
    EXPECT(slope == -2);
    eng_ppo_policy_loss(0x1p-20f, 0, 2, 1, 0, &slope);
    EXPECT(slope == 0);
    eng_ppo_policy_loss(-0x1p-20f, 0, 2, 1, 0, &slope);
    EXPECT_NEAR(slope, -2, 1e-5);
}

TEST(policy_loss_slopes_equal_central_differences)
{
    stream s = {.seed = 10};
    const float h = 0x1p-12f;
    int flowing = 0;
    for (int turn = 0; turn < 500; turn++) {
        float old = -2, l = (float)(-2 + 0.4 * normal(&s)), a = (float)normal(&s), unused;
        float w = (float)uniform(&s), clip = 0.2f, slope;
        double ratio = exp((double)l - old);
        if (fabs(ratio - 1.2) < 0.01 || fabs(ratio - 0.8) < 0.01)
            continue; /* a corner has no derivative */
        eng_ppo_policy_loss(l, old, a, w, clip, &slope);
        double up = eng_ppo_policy_loss(l + h, old, a, w, clip, &unused);
        double down = eng_ppo_policy_loss(l - h, old, a, w, clip, &unused);
        EXPECT_NEAR(slope, (up - down) / (2.0 * h), 1e-5);
        flowing += slope != 0;
    }
    EXPECT(flowing > 250 && flowing < 450); /* both branches were walked */
}

TEST(value_loss_takes_the_larger_of_free_and_clipped_error)
{
    float slope;
    /* inside the band: the plain squared error */
    EXPECT_NEAR(eng_ppo_value_loss(1.125f, 1, 3, 0.25f, &slope), 0.5 * 1.875 * 1.875, 1e-12);
    EXPECT(slope == -1.875f);
    /* moved far towards the return: the clipped error is larger and has no slope */
    EXPECT_NEAR(eng_ppo_value_loss(2, 1, 3, 0.25f, &slope), 0.5 * 1.75 * 1.75, 1e-12);
    EXPECT(slope == 0);
    /* moved far away from the return: the free error is larger and pulls back */
    EXPECT_NEAR(eng_ppo_value_loss(0, 1, 3, 0.25f, &slope), 0.5 * 9, 1e-12);
    EXPECT(slope == -3);
    /* on the edge, as autograd has it, the slope flows */
    EXPECT_NEAR(eng_ppo_value_loss(1.25f, 1, 3, 0.25f, &slope), 0.5 * 1.75 * 1.75, 1e-12);
    EXPECT(slope == -1.75f);
}

TEST(value_loss_slopes_equal_central_differences)
{
    stream s = {.seed = 11};
    const float h = 0x1p-10f;
    int flowing = 0;
    for (int turn = 0; turn < 500; turn++) {
        float old = (float)normal(&s), v = (float)(old + 0.4 * normal(&s)), unused;
        float ret = (float)(old + normal(&s)), clip = 0.2f, slope;
        double free = fabs((double)v - ret);
        double clipped = fabs(old + fmax(-0.2, fmin(0.2, (double)v - old)) - ret);
        if (fabs(fabs((double)v - old) - 0.2) < 0.01 ||
            (clipped != free && fabs(clipped - free) < 0.01))
            continue;
        eng_ppo_value_loss(v, old, ret, clip, &slope);
        double up = eng_ppo_value_loss(v + h, old, ret, clip, &unused);
        double down = eng_ppo_value_loss(v - h, old, ret, clip, &unused);
        EXPECT_NEAR(slope, (up - down) / ((double)(v + h) - (v - h)), 1e-4);
        flowing += slope != 0;
    }
    EXPECT(flowing > 200 && flowing < 450);
}

TEST(importance_weights_are_likelihood_ratios_cut_at_the_cap)
{
    EXPECT(eng_importance_weight(-1, -1, 2) == 1);
    EXPECT_NEAR(eng_importance_weight(-1.5f, -1, 2), exp(-0.5), 1e-7);
    EXPECT_NEAR(eng_importance_weight(-1, -1.5f, 2), exp(0.5), 1e-6);
    EXPECT(eng_importance_weight(-1, -3, 2) == 2);
    EXPECT(eng_importance_weight(0, -2000, 2) == 2);
}

/* ---- divergence ---- */

typedef struct moments {
    double sum, squares;
    uint32_t n;
} moments;

static void add(moments *m, double x)
{
    m->sum += x;
    m->squares += x * x;
    m->n++;
}

static double mean(const moments *m)
{
    return m->sum / m->n;
}

static double deviation(const moments *m)
{
    return sqrt(m->squares / m->n - mean(m) * mean(m));
}

/* Samples of N(0,1) against N(1,1): d = log pi - log ref = 1/2 - x and KL = 1/2. Then d ~ N(1/2,
 * 1), E k2 = 5/8, sd k2 = sqrt(3)/2, and k3's variance is e - 2. */
TEST(divergence_estimators_have_the_published_spread_on_two_gaussians)
{
    stream s = {.seed = 12};
    moments k1 = {0}, k2 = {0}, k3 = {0};
    for (int i = 0; i < 1000000; i++) {
        double d = 0.5 - normal(&s);
        add(&k1, eng_kl_k1(d));
        add(&k2, eng_kl_k2(d));
        add(&k3, eng_kl_k3(d));
    }
    const double kl = 0.5;
    EXPECT_NEAR(mean(&k1) / kl, 1, 0.02);
    EXPECT_NEAR(mean(&k2) / kl, 1.25, 0.02);
    EXPECT_NEAR(mean(&k3) / kl, 1, 0.02);
    EXPECT_NEAR(deviation(&k1) / kl, 2.00, 0.02 * 2.00);
    EXPECT_NEAR(deviation(&k2) / kl, 1.73, 0.02 * 1.73);
    EXPECT_NEAR(deviation(&k3) / kl, 1.70, 0.02 * 1.70);
}

TEST(divergence_estimators_are_0_where_both_agree_and_k2_k3_nowhere_negative)
{
    EXPECT(eng_kl_k1(0) == 0 && eng_kl_k2(0) == 0 && eng_kl_k3(0) == 0);
    for (double d = -5; d <= 5; d += 0.125)
        EXPECT(eng_kl_k2(d) >= 0 && eng_kl_k3(d) >= 0);
    EXPECT_NEAR(eng_kl_k3(1e-6), 5e-13, 1e-18); /* d^2 / 2, where 1 - 1 would cancel */
}

/* The best of n draws has density n F^(n-1) f: d = log n + (n-1) log F(best), and F(best) is the
 * greatest of n uniforms. */
TEST(divergence_of_best_of_n_is_log_n_less_n_minus_1_over_n)
{
    static const double want[] = {0.193, 0.636, 1.204, 1.835};
    enum { SAMPLES = 100000 };
    stream s = {.seed = 13};
    for (uint32_t i = 0, n = 2; i < 4; i++, n *= 2) {
        moments k1 = {0};
        for (int turn = 0; turn < SAMPLES; turn++) {
            double best = 0;
            for (uint32_t j = 0; j < n; j++)
                best = fmax(best, uniform(&s));
            add(&k1, eng_kl_k1(log(n) + (n - 1) * log(best)));
        }
        EXPECT_NEAR(mean(&k1), want[i], 3 * deviation(&k1) / sqrt(SAMPLES) + 5e-4);
    }
}
