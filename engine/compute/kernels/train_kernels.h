/* The kernels of training beside its matrix products (sgemm.h): rows forward and backward, the
 * optimizer. Like kernels.h: pure functions (out, in, dims), one table per
 * instruction set over one source (train_body.h), equal bit for bit, the scalar set the oracle.
 *
 * Sums over a row run in 16 lanes by index mod 16 that are added in lane order. */
#ifndef ENG_COMPUTE_TRAIN_KERNELS_H
#define ENG_COMPUTE_TRAIN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a norm keeps of a row for its backward. */
typedef struct eng_row_stats {
    float mean;    /* 0 for RMS */
    float inverse; /* 1 / sqrt(variance + eps), or of the mean square */
} eng_row_stats;

/* One step of AdamW, its numbers made ready: see train/optimizer.h. */
typedef struct eng_adamw_numbers {
    float grad_scale;
    float beta1, beta2;
    float decay;        /* 1 - lr * weight_decay */
    float step;         /* lr / (1 - beta1^t); 0 leaves params as they are, bit for bit */
    float inverse_root; /* 1 / sqrt(1 - beta2^t) */
    float eps;
} eng_adamw_numbers;

typedef struct eng_train_kernels {
    const char *name;

    /* ---- rows ---- */

    /* y[C] = (x - mean) * inverse * w (+ b, with layer norm's mean, when b is not NULL); Zhang &
     * Sennrich 2019, Ba et al. 2016 */
    eng_row_stats (*norm)(float *y, const float *x, const float *w, const float *b, uint32_t c,
                          float eps);
    /* dx += dL/dx, dw += dL/dw, db += dL/db (NULL: RMS) of the row, given dy = dL/dy */
    void (*norm_backward)(float *dx, float *dw, float *db, const float *dy, const float *x,
                          const float *w, uint32_t c, eng_row_stats stats);
    /* As in kernels.h, and the same code. */
    void (*swiglu)(float *y, const float *gate, const float *up, size_t n);
    void (*gelu_tanh)(float *y, size_t n);
    void (*add)(float *y, const float *x, size_t n);
    void (*rotate)(float *x, const float *cosines, const float *sines, uint32_t half, bool pairs,
                   float sign);
    /* dgate, dup of y = silu(gate) * up, given dy; they may lie where gate and up do */
    void (*swiglu_backward)(float *dgate, float *dup, const float *dy, const float *gate,
                            const float *up, size_t n);
    /* dx of y = gelu_tanh(x), given dy; dx may be x */
    void (*gelu_backward)(float *dx, const float *dy, const float *x, size_t n);
    float (*dot)(const float *x, const float *y, size_t n);
    void (*axpy)(float *y, float a, const float *x, size_t n); /* y += a x */
    void (*scale)(float *y, float a, size_t n);                /* y *= a */
    /* Zeroes element i with probability `threshold` / 2^32, else scales it: word i mod 4 of
     * Philox4x32-10 over (i / 4, counter) decides. y may be x. */
    void (*dropout)(float *y, const float *x, uint32_t n, const uint32_t counter[3],
                    const uint32_t key[2], uint32_t threshold, float scale);

    /* ---- softmax ---- */

    float (*max)(const float *x, size_t n); /* n >= 1 */
    /* y[i] = exp((x[i] - max) * scale); *sum of y, *dot of y[i] * (x[i] - max) * scale: in lanes
     * for 1024 elements, in double across those. y may be x. */
    void (*softmax)(float *y, const float *x, size_t n, float max, float scale, double *sum,
                    double *dot);
    /* y[i] = exp(x[i] - shift); returns the sum of y. y may be x. */
    float (*exp_shifted)(float *y, const float *x, size_t n, float shift);
    /* ds[i] = p[i] * (dp[i] - delta), the softmax's backward; ds may be dp */
    void (*softmax_backward)(float *ds, const float *p, const float *dp, float delta, size_t n);

    /* ---- flat blocks ---- */

    void (*adamw)(float *params, const float *grads, float *m, float *v, size_t n,
                  const eng_adamw_numbers *numbers);
    double (*sum_squares)(const float *x, size_t n); /* in 16 lanes of double */
    /* average += rate * (params - average) */
    void (*ema)(float *average, const float *params, size_t n, float rate);
} eng_train_kernels;

extern const eng_train_kernels eng__train_scalar, eng__train_avx2, eng__train_avx512;

/* As eng__kernels_choose (kernels.h). [any thread] */
const eng_train_kernels *eng__train_kernels_choose(const char *name);

#endif
