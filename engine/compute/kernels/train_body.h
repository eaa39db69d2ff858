/* The kernels of training for one instruction set. Included by train_<isa>.c after its
 * simd_<isa>.h. */
#include "compute/kernels/math_body.h"
#include "compute/kernels/train_kernels.h"

#include <math.h>
#include <string.h>

/* for (i, k): vectors of a row of n, k = LANES but for the last */
#define FOR_VECTORS(i, k, n)                                                                       \
    for (size_t i = 0, k; k = (n)-i < (size_t)LANES ? (n)-i : (size_t)LANES, i < (n); i += k)

INLINE vf load_part(const float *p, size_t k)
{
    return k == (size_t)LANES ? vf_load(p) : vf_load_n(p, k);
}

INLINE void store_part(float *p, vf v, size_t k)
{
    if (k == (size_t)LANES)
        vf_store(p, v);
    else
        vf_store_n(p, v, k);
}

/* Adds to lane i mod 16 what element i brings; `term` sees a vector whose missing lanes are 0. */
INLINE void lanes16_add(float lanes[16], vf v, size_t i, size_t k)
{
    float *at = lanes + i % 16;
    store_part(at, vf_add(load_part(at, k), v), k);
}

/* ---- norms ---- */

static eng_row_stats norm(float *y, const float *x, const float *w, const float *b, uint32_t c,
                          float eps)
{
    eng_row_stats s = {.mean = b ? sum_lanes(x, c, 0, true) / (float)c : 0};
    s.inverse = 1.0f / sqrtf(sum_lanes(x, c, s.mean, false) / (float)c + eps);
    const vf mean = vf_set1(s.mean), inverse = vf_set1(s.inverse);
    FOR_VECTORS(i, k, c)
    {
        vf v = vf_mul(vf_mul(vf_sub(load_part(x + i, k), mean), inverse), load_part(w + i, k));
        store_part(y + i, b ? vf_add(v, load_part(b + i, k)) : v, k);
    }
    return s;
}

/* With u = (x - mean) * inverse and g = dy * w: dx = inverse * (g - mean(g) - u * mean(g u)), the
 * middle term for layer norm alone; dw = dy u, db = dy. */
static void norm_backward(float *dx, float *dw, float *db, const float *dy, const float *x,
                          const float *w, uint32_t c, eng_row_stats s)
{
    const vf mean = vf_set1(s.mean), inverse = vf_set1(s.inverse);
    float sum_g[16] = {0}, sum_gu[16] = {0};
    lanes16 acc_g = lanes16_set1(0), acc_gu = lanes16_set1(0);
    uint32_t whole = c / 16 * 16;
    for (uint32_t i = 0; i < whole; i += 16)
        for (int j = 0; j < NV; j++) {
            const uint32_t at = i + (uint32_t)(j * LANES);
            vf d = vf_load(dy + at), g = vf_mul(d, vf_load(w + at));
            vf u = vf_mul(vf_sub(vf_load(x + at), mean), inverse);
            acc_g.v[j] = vf_add(acc_g.v[j], g);
            acc_gu.v[j] = vf_fma(g, u, acc_gu.v[j]);
            vf_store(dw + at, vf_fma(d, u, vf_load(dw + at)));
        }
    lanes16_store(sum_g, acc_g);
    lanes16_store(sum_gu, acc_gu);
    for (uint32_t i = whole; i < c; i++) {
        float u = (x[i] - s.mean) * s.inverse;
        sum_g[i % 16] += dy[i] * w[i];
        sum_gu[i % 16] += dy[i] * w[i] * u;
        dw[i] += dy[i] * u;
    }
    const vf mean_g = vf_set1(db ? sum16(sum_g) / (float)c : 0);
    const vf mean_gu = vf_set1(sum16(sum_gu) / (float)c);
    FOR_VECTORS(i, k, c)
    {
        vf d = load_part(dy + i, k), g = vf_mul(d, load_part(w + i, k));
        vf u = vf_mul(vf_sub(load_part(x + i, k), mean), inverse);
        vf slope = vf_sub(vf_sub(g, mean_g), vf_mul(u, mean_gu));
        store_part(dx + i, vf_fma(slope, inverse, load_part(dx + i, k)), k);
        if (db)
            store_part(db + i, vf_add(load_part(db + i, k), d), k);
    }
}

/* ---- activations ---- */

INLINE vf vf_sigmoid(vf x)
{
    return vf_div(vf_set1(1), vf_add(vf_set1(1), vf_exp(vf_sub(vf_set1(0), x))));
}

/* silu'(x) = s + x s (1 - s), s = sigmoid(x) */
static void swiglu_backward(float *dgate, float *dup, const float *dy, const float *gate,
                            const float *up, size_t n)
{
    FOR_VECTORS(i, k, n)
    {
        vf g = load_part(gate + i, k), u = load_part(up + i, k), d = load_part(dy + i, k);
        vf s = vf_sigmoid(g), silu = vf_mul(g, s);
        vf slope = vf_fma(silu, vf_sub(vf_set1(1), s), s);
        store_part(dgate + i, vf_mul(vf_mul(d, u), slope), k);
        store_part(dup + i, vf_mul(d, silu), k);
    }
}

/* gelu(x) = x s(2z), z = sqrt(2/pi) (x + 0.044715 x^3): gelu' = s + 2 x s (1 - s) z' */
static void gelu_backward(float *dx, const float *dy, const float *x, size_t n)
{
    const vf root = vf_set1(0.79788456080286535588f), cubic = vf_set1(0.044715f);
    FOR_VECTORS(i, k, n)
    {
        vf v = load_part(x + i, k), square = vf_mul(v, v);
        vf z = vf_mul(root, vf_fma(cubic, vf_mul(square, v), v));
        vf slope_z = vf_mul(root, vf_fma(vf_mul(vf_set1(3), cubic), square, vf_set1(1)));
        vf s = vf_sigmoid(vf_add(z, z));
        vf rest = vf_mul(vf_mul(vf_add(v, v), s), vf_sub(vf_set1(1), s));
        store_part(dx + i, vf_mul(load_part(dy + i, k), vf_fma(rest, slope_z, s)), k);
    }
}

/* ---- vectors ---- */

static float dot(const float *x, const float *y, size_t n)
{
    lanes16 acc = lanes16_set1(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < NV; j++)
            acc.v[j] = vf_fma(vf_load(x + i + j * LANES), vf_load(y + i + j * LANES), acc.v[j]);
    float s[16];
    lanes16_store(s, acc);
    for (; i < n; i++)
        s[i % 16] += x[i] * y[i];
    return sum16(s);
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    FOR_VECTORS(i, k, n)
    store_part(y + i, vf_fma(vf_set1(a), load_part(x + i, k), load_part(y + i, k)), k);
}

static void scale(float *y, float a, size_t n)
{
    FOR_VECTORS(i, k, n)
    store_part(y + i, vf_mul(vf_set1(a), load_part(y + i, k)), k);
}

/* Philox4x32-10 for 16 counters (first + lane, counter) at once: word w of lane l in out[w][l]. As
 * eng__philox4x32 (base/random.h), which is its oracle. */
INLINE void philox16(uint32_t out[4][16], uint32_t first, const uint32_t counter[3],
                     const uint32_t key[2])
{
    uint32_t key0 = key[0], key1 = key[1];
    for (uint32_t l = 0; l < 16; l++) {
        out[0][l] = first + l;
        for (int w = 1; w < 4; w++)
            out[w][l] = counter[w - 1];
    }
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < 16; l++) {
            uint64_t a = (uint64_t)0xD2511F53u * out[0][l], b = (uint64_t)0xCD9E8D57u * out[2][l];
            out[0][l] = (uint32_t)(b >> 32) ^ out[1][l] ^ key0;
            out[1][l] = (uint32_t)b;
            out[2][l] = (uint32_t)(a >> 32) ^ out[3][l] ^ key1;
            out[3][l] = (uint32_t)a;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

static void dropout(float *y, const float *x, uint32_t n, const uint32_t counter[3],
                    const uint32_t key[2], uint32_t threshold, float factor)
{
    uint32_t words[4][16];
    for (uint32_t i = 0; i < n; i++) {
        if (i % 64 == 0)
            philox16(words, i / 4, counter, key);
        y[i] = words[i % 4][i / 4 % 16] < threshold ? 0 : x[i] * factor;
    }
}

/* ---- softmax ---- */

static float max_row(const float *x, size_t n)
{
    vf big = vf_set1(x[0]);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        big = vf_max(vf_load(x + i), big);
    float m = max_of(big);
    for (; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

static void softmax(float *y, const float *x, size_t n, float max, float factor, double *sum,
                    double *weighted)
{
    enum { RUN = 1024 };
    const vf top = vf_set1(max), f = vf_set1(factor);
    *sum = *weighted = 0;
    for (size_t from = 0; from < n; from += RUN) {
        float s[16] = {0}, d[16] = {0};
        size_t to = from + RUN < n ? from + RUN : n, i = from;
        lanes16 acc = lanes16_set1(0), acc_d = lanes16_set1(0);
        for (; i + 16 <= to; i += 16)
            for (int j = 0; j < NV; j++) {
                vf z = vf_mul(vf_sub(vf_load(x + i + j * LANES), top), f), e = vf_exp(z);
                vf_store(y + i + j * LANES, e);
                acc.v[j] = vf_add(acc.v[j], e);
                acc_d.v[j] = vf_fma(e, z, acc_d.v[j]);
            }
        lanes16_store(s, acc);
        lanes16_store(d, acc_d);
        for (size_t k; k = to - i < (size_t)LANES ? to - i : (size_t)LANES, i < to; i += k) {
            vf z = vf_mul(vf_sub(load_part(x + i, k), top), f), e = vf_exp(z);
            store_part(y + i, e, k);
            lanes16_add(s, e, i, k);
            lanes16_add(d, vf_mul(e, z), i, k);
        }
        for (int j = 0; j < 16; j++) {
            *sum += s[j];
            *weighted += d[j];
        }
    }
}

static float exp_shifted(float *y, const float *x, size_t n, float shift)
{
    const vf by = vf_set1(shift);
    lanes16 acc = lanes16_set1(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < NV; j++) {
            vf e = vf_exp(vf_sub(vf_load(x + i + j * LANES), by));
            vf_store(y + i + j * LANES, e);
            acc.v[j] = vf_add(acc.v[j], e);
        }
    float s[16];
    lanes16_store(s, acc);
    for (size_t k; k = n - i < (size_t)LANES ? n - i : (size_t)LANES, i < n; i += k) {
        vf e = vf_exp(vf_sub(load_part(x + i, k), by));
        store_part(y + i, e, k);
        lanes16_add(s, e, i, k);
    }
    return sum16(s);
}

static void softmax_backward(float *ds, const float *p, const float *dp, float delta, size_t n)
{
    const vf by = vf_set1(delta);
    FOR_VECTORS(i, k, n)
    store_part(ds + i, vf_mul(load_part(p + i, k), vf_sub(load_part(dp + i, k), by)), k);
}

/* ---- flat blocks ---- */

static void adamw(float *params, const float *grads, float *m, float *v, size_t n,
                  const eng_adamw_numbers *numbers)
{
    const vf b1 = vf_set1(numbers->beta1), rest1 = vf_set1(1 - numbers->beta1);
    const vf b2 = vf_set1(numbers->beta2), rest2 = vf_set1(1 - numbers->beta2);
    const vf decay = vf_set1(numbers->decay), back = vf_set1(-numbers->step);
    const vf root = vf_set1(numbers->inverse_root), eps = vf_set1(numbers->eps);
    const vf grad_scale = vf_set1(numbers->grad_scale);
    const bool still = numbers->step == 0;
    FOR_VECTORS(i, k, n)
    {
        vf g = vf_mul(load_part(grads + i, k), grad_scale);
        vf first = vf_fma(b1, load_part(m + i, k), vf_mul(rest1, g));
        vf second = vf_fma(b2, load_part(v + i, k), vf_mul(rest2, vf_mul(g, g)));
        store_part(m + i, first, k);
        store_part(v + i, second, k);
        if (still)
            continue;
        vf update = vf_div(first, vf_fma(vf_sqrt(second), root, eps));
        vf kept = vf_mul(load_part(params + i, k), decay);
        store_part(params + i, vf_fma(back, update, kept), k);
    }
}

static double sum_squares(const float *x, size_t n)
{
    double lanes[16] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++)
            lanes[j] += (double)x[i + (size_t)j] * (double)x[i + (size_t)j];
    for (; i < n; i++)
        lanes[i % 16] += (double)x[i] * (double)x[i];
    for (int j = 0; j < 16; j++)
        sum += lanes[j];
    return sum;
}

static void ema(float *average, const float *params, size_t n, float rate)
{
    const vf r = vf_set1(rate);
    FOR_VECTORS(i, k, n)
    {
        vf a = load_part(average + i, k);
        store_part(average + i, vf_fma(r, vf_sub(load_part(params + i, k), a), a), k);
    }
}

#define TRAIN_TABLE                                                                                \
    .norm = norm, .norm_backward = norm_backward, .swiglu = swiglu, .gelu_tanh = gelu_tanh,        \
    .add = add_rows, .rotate = rotate, .swiglu_backward = swiglu_backward,                         \
    .gelu_backward = gelu_backward, .dot = dot, .axpy = axpy, .scale = scale, .dropout = dropout,  \
    .max = max_row, .softmax = softmax, .exp_shifted = exp_shifted,                                \
    .softmax_backward = softmax_backward, .adamw = adamw, .sum_squares = sum_squares, .ema = ema
