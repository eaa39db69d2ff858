#include "train/losses.h"

#include <assert.h>
#include <math.h>

/* log(1 + e^x) without overflow; -log sigma(z) = softplus(-z). */
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* ---- rankings ---- */

static uint32_t count_pairs(uint32_t k, const uint32_t *group)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k; i++)
        for (uint32_t j = 0; j < k; j++)
            n += group[i] < group[j];
    return n;
}

eng_kwise eng_kwise_loss(uint32_t k, const float *scores, const uint32_t *group, float *dscores)
{
    assert(k <= ENG_MAX_RANKED);
    double slopes[ENG_MAX_RANKED] = {0};
    eng_kwise out = {.pairs = count_pairs(k, group)};
    for (uint32_t i = 0; i < k; i++)
        for (uint32_t j = 0; j < k; j++) {
            if (group[i] >= group[j])
                continue;
            double margin = (double)scores[i] - scores[j];
            double slope = sigmoid(-margin) / out.pairs;
            out.loss += softplus(-margin) / out.pairs;
            out.correct += scores[i] > scores[j];
            slopes[i] -= slope;
            slopes[j] += slope;
        }
    for (uint32_t i = 0; dscores && i < k; i++)
        dscores[i] = (float)slopes[i];
    return out;
}

double eng_length_baseline(uint32_t k, const uint32_t *lengths, const uint32_t *group,
                           uint32_t *pairs)
{
    double right = 0;
    for (uint32_t i = 0; i < k; i++)
        for (uint32_t j = 0; j < k; j++)
            if (group[i] < group[j])
                right += lengths[i] > lengths[j] ? 1 : lengths[i] == lengths[j] ? 0.5 : 0;
    *pairs = count_pairs(k, group);
    return *pairs ? right / *pairs : 0;
}

/* ---- rewards and advantages ---- */

void eng_ppo_rewards(uint32_t T, const float *logp_old, const float *logp_ref, double score,
                     double kl_coef, bool ended, double missing_eos_penalty, float *rewards)
{
    for (uint32_t t = 0; t < T; t++) {
        double r = -kl_coef * ((double)logp_old[t] - logp_ref[t]);
        if (t == T - 1)
            r += score - (ended ? 0 : missing_eos_penalty);
        rewards[t] = (float)r;
    }
}

void eng_gae(uint32_t T, const float *rewards, const float *values, double gamma, double lambda,
             float *advantages, float *returns)
{
    double advantage = 0, next_value = 0;
    for (uint32_t t = T; t-- > 0;) {
        double value = values[t];
        double delta = rewards[t] + gamma * next_value - value;
        advantage = delta + gamma * lambda * advantage;
        next_value = value;
        advantages[t] = (float)advantage;
        returns[t] = (float)(advantage + value);
    }
}

void eng_whiten(float *x, size_t n, bool keep_mean)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    double mean = n ? sum / (double)n : 0;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    double scale = n ? 1 / sqrt(squares / (double)n + 1e-8) : 0;
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((x[i] - mean) * scale + (keep_mean ? mean : 0));
}

/* ---- PPO ---- */

double eng_ppo_policy_loss(float l, float l_old, float advantage, float weight, float clip,
                           float *slope)
{
    double rho = exp((double)l - l_old);
    double free = rho * advantage;
    double clipped = clamp(rho, 1 - (double)clip, 1 + (double)clip) * advantage;
    /* On the edge both are equal, and the slope is that of the free one, as autograd has it. */
    bool flows = free <= clipped;
    *slope = flows ? (float)(-weight * free) : 0;
    return -weight * (flows ? free : clipped);
}

double eng_ppo_value_loss(float v, float v_old, float ret, float clip, float *slope)
{
    double moved = (double)v - v_old;
    double error = (double)v - ret;
    double clipped_error = v_old + clamp(moved, -(double)clip, clip) - ret;
    if (fabs(moved) <= clip || error * error >= clipped_error * clipped_error) {
        *slope = (float)error;
        return 0.5 * error * error;
    }
    *slope = 0; /* the clipped value does not move with V */
    return 0.5 * clipped_error * clipped_error;
}

float eng_importance_weight(float l_old, float l_sampler, float cap)
{
    double weight = exp((double)l_old - l_sampler);
    return weight < cap ? (float)weight : cap;
}

/* ---- divergence ---- */

double eng_kl_k1(double d)
{
    return d;
}

double eng_kl_k2(double d)
{
    return 0.5 * d * d;
}

double eng_kl_k3(double d)
{
    return expm1(-d) + d;
}
