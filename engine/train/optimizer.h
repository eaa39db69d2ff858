/* What happens to flat parameter blocks between two batches: AdamW, clipping, averages, schedules.
 *
 * Sums run in fixed pieces added in order, so the number of threads changes nothing. [owner] */
#ifndef ENG_TRAIN_OPTIMIZER_H
#define ENG_TRAIN_OPTIMIZER_H

#include "base/parallel.h"

#include <stddef.h>
#include <stdint.h>

typedef struct eng_adamw {
    float beta1, beta2, eps;
    float weight_decay; /* decoupled: theta -= lr * weight_decay * theta */
} eng_adamw;

/* One step of AdamW (Loshchilov & Hutter 2019, algorithm 2; bias correction and eps placement as in
 * PyTorch): g = scale * grads, m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2,
 * theta -= lr * (mhat / (sqrt(vhat) + eps)). `t` counts from 1. lr 0 leaves theta bitwise. All
 * arrays have n floats. */
void eng_adamw_step(const eng_parallel *parallel, const eng_adamw *options, float *params,
                    const float *grads, float *m, float *v, size_t n, double lr, uint64_t t,
                    float scale);

/* grads = 0 */
void eng_grads_clear(const eng_parallel *parallel, float *grads, size_t n);
/* The 2-norm; NaN or infinity if any element is. */
double eng_grad_norm(const eng_parallel *parallel, const float *grads, size_t n);
/* Factor that brings `norm` down to max_norm: min(1, max_norm / (norm + 1e-6)) as PyTorch's
 * clip_grad_norm_; max_norm 0 = off. */
float eng_clip_scale(double norm, double max_norm);
/* average += (1 - decay) * (params - average) */
void eng_ema_update(const eng_parallel *parallel, float *average, const float *params, size_t n,
                    double decay);

/* peak * (f + (1 - f) * (1 + cos(pi * step / steps)) / 2), f = final_ratio, step in [0, steps]. */
double eng_lr_cosine(double peak, double final_ratio, uint64_t step, uint64_t steps);
/* peak * (0.1 + 0.9 * min(1, i / warmup)); warmup 0 = peak. */
double eng_lr_warmup(double peak, uint64_t i, uint64_t warmup);

#endif
