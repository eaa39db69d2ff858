/* The losses of Ouyang et al. 2022 ("InstructGPT") as pure functions of numbers: what they are and
 * their slopes. No tensors, no networks; the heads (train.h) carry slopes into the weights. [any]
 */
#ifndef ENG_TRAIN_LOSSES_H
#define ENG_TRAIN_LOSSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENG_MAX_RANKED = 9 };

typedef struct eng_kwise {
    double loss;      /* -(1/|P|) sum over pairs of log sigma(r_i - r_j); 0 without pairs */
    uint32_t pairs;   /* |P|: ordered strictly */
    uint32_t correct; /* pairs with r_i > r_j */
} eng_kwise;

/* Reward model, one prompt (eq. 1): scores[k] of k <= ENG_MAX_RANKED outputs, group[i] the rank of
 * output i (0 best; equal = tie, no pair). Writes dscores[k] = dL/dscores (may be NULL). */
eng_kwise eng_kwise_loss(uint32_t k, const float *scores, const uint32_t *group, float *dscores);
/* Share of pairs that "the longer one wins" gets right, ties of length counting half. */
double eng_length_baseline(uint32_t k, const uint32_t *lengths, const uint32_t *group,
                           uint32_t *pairs);

/* Per-token rewards of one episode of T tokens: r_t = -kl_coef * (logp_old - logp_ref), plus
 * score - (ended ? 0 : missing_eos_penalty) on the last. */
void eng_ppo_rewards(uint32_t T, const float *logp_old, const float *logp_ref, double score,
                     double kl_coef, bool ended, double missing_eos_penalty, float *rewards);
/* Generalised advantage estimation (Schulman et al. 2016, eq. 16) of one terminal episode, and
 * returns R = A + V. */
void eng_gae(uint32_t T, const float *rewards, const float *values, double gamma, double lambda,
             float *advantages, float *returns);
/* x = (x - mean) / sqrt(var + 1e-8), biased variance; keep_mean adds the mean back (reward
 * whitening scales only). */
void eng_whiten(float *x, size_t n, bool keep_mean);

/* PPO's clipped objective for one token (Schulman et al. 2017, eq. 7), to be minimised:
 * -w * min(rho A, clip(rho, 1-eps, 1+eps) A), rho = exp(l - l_old). Returns the loss; *slope is
 * dloss/dl. */
double eng_ppo_policy_loss(float l, float l_old, float advantage, float weight, float clip,
                           float *slope);
/* 0.5 * max((V - R)^2, (V_old + clip(V - V_old, +-clip) - R)^2); *slope is dloss/dV. */
double eng_ppo_value_loss(float v, float v_old, float ret, float clip, float *slope);

/* Estimators of KL(pi || ref) from one sample with d = l - l_ref (Schulman 2020, "Approximating KL
 * divergence"): k1 = d, k2 = d^2/2, k3 = exp(-d) - 1 + d. */
double eng_kl_k1(double d);
double eng_kl_k2(double d);
double eng_kl_k3(double d);

/* min(exp(l_old - l_sampler), cap): truncated importance weight of a token drawn by a quantised
 * copy. */
float eng_importance_weight(float l_old, float l_sampler, float cap);

#endif
