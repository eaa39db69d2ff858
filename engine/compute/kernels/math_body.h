/* What serving's kernels and training's share, for one instruction set: sums, exp, activations,
 * rotation. Included after its simd_<isa>.h.
 *
 * Sums run in 16 lanes (element i in lane i mod 16) that are added in lane order at the end,
 * whatever LANES is. */
#include "compute/kernels/kernels.h"

#include <string.h>

/* See gemm_body.h. */
#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

enum { NV = ENG_GROUP_ROWS / LANES }; /* vectors that make 16 lanes */

typedef struct lanes16 {
    vf v[NV];
} lanes16;

INLINE lanes16 lanes16_set1(float x)
{
    lanes16 l;
    for (int i = 0; i < NV; i++)
        l.v[i] = vf_set1(x);
    return l;
}

INLINE void lanes16_store(float out[16], lanes16 l)
{
    for (int i = 0; i < NV; i++)
        vf_store(out + i * LANES, l.v[i]);
}

INLINE float sum16(const float v[16])
{
    float s = 0;
    for (int i = 0; i < 16; i++)
        s += v[i];
    return s;
}

#ifndef SIMD_HAS_EXP /* a vector layer may bring its own */
/* e^x, relative error below 2e-7: x = n ln 2 + r, a degree-6 polynomial in r, scaled by 2^n. Below
 * -87.3 the result stays at e^-87.3. NaN stays NaN (min and max give their second operand then). */
INLINE vf vf_exp(vf x)
{
    x = vf_max(vf_set1(-87.3f), vf_min(vf_set1(88.0f), x));
    vf n = vf_round(vf_mul(x, vf_set1(1.44269504088896341f)));
    vf r = vf_fma(n, vf_set1(-0.693359375f), x);
    r = vf_fma(n, vf_set1(2.12194440e-4f), r);
    vf p = vf_set1(1.9875691500e-4f);
    p = vf_fma(p, r, vf_set1(1.3981999507e-3f));
    p = vf_fma(p, r, vf_set1(8.3334519073e-3f));
    p = vf_fma(p, r, vf_set1(4.1665795894e-2f));
    p = vf_fma(p, r, vf_set1(1.6666665459e-1f));
    p = vf_fma(p, r, vf_set1(5.0000001201e-1f));
    p = vf_fma(p, vf_mul(r, r), vf_add(r, vf_set1(1.0f)));
    return vf_scale2(p, vi_from_vf(n));
}
#endif

INLINE float max_of(vf v)
{
    float lanes[LANES], m;
    vf_store(lanes, v);
    m = lanes[0];
    for (int i = 1; i < LANES; i++)
        m = lanes[i] > m ? lanes[i] : m;
    return m;
}

/* Sum of f(x_i) with f(x) = (x - mean)^2, or x when `plain`, in 16 lanes. */
INLINE float sum_lanes(const float *x, uint32_t c, float mean, bool plain)
{
    lanes16 acc = lanes16_set1(0);
    uint32_t i = 0;
    for (; i + 16 <= c; i += 16)
        for (int j = 0; j < NV; j++) {
            vf v = vf_sub(vf_load(x + i + j * LANES), vf_set1(mean));
            acc.v[j] = plain ? vf_add(acc.v[j], v) : vf_fma(v, v, acc.v[j]);
        }
    float s[16];
    lanes16_store(s, acc);
    for (; i < c; i++) {
        float v = x[i] - mean;
        s[i % 16] += plain ? v : v * v;
    }
    return sum16(s);
}

/* ---- rows that both have ---- */

INLINE vf swiglu_vf(vf g, vf u)
{
    vf e = vf_exp(vf_sub(vf_set1(0), g));
    return vf_mul(vf_div(g, vf_add(vf_set1(1), e)), u);
}

static void swiglu(float *y, const float *gate, const float *up, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(y + i, swiglu_vf(vf_load(gate + i), vf_load(up + i)));
    if (i < n) {
        float g[LANES] = {0}, u[LANES] = {0};
        memcpy(g, gate + i, (n - i) * sizeof *g);
        memcpy(u, up + i, (n - i) * sizeof *u);
        vf_store(g, swiglu_vf(vf_load(g), vf_load(u)));
        memcpy(y + i, g, (n - i) * sizeof *y);
    }
}

/* x/2 (1 + tanh z) = x / (1 + e^-2z) */
INLINE vf gelu_vf(vf x)
{
    vf cube = vf_mul(vf_mul(x, x), x);
    vf z = vf_mul(vf_set1(0.79788456080286535588f), vf_fma(vf_set1(0.044715f), cube, x));
    vf e = vf_exp(vf_mul(vf_set1(-2.0f), z));
    return vf_div(x, vf_add(vf_set1(1), e));
}

static void gelu_tanh(float *y, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(y + i, gelu_vf(vf_load(y + i)));
    if (i < n) {
        float x[LANES] = {0};
        memcpy(x, y + i, (n - i) * sizeof *x);
        vf_store(x, gelu_vf(vf_load(x)));
        memcpy(y + i, x, (n - i) * sizeof *y);
    }
}

static void add_rows(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(y + i, vf_add(vf_load(y + i), vf_load(x + i)));
    for (; i < n; i++)
        y[i] += x[i];
}

/* Pair i is (x[i * step], x[i * step + other]). */
INLINE void rotate_pairs(float *restrict x, const float *restrict c, const float *restrict s,
                         uint32_t half, uint32_t step, uint32_t other, float sign)
{
    for (uint32_t i = 0; i < half; i++) {
        float a = x[i * step], b = x[i * step + other], sine = s[i] * sign;
        x[i * step] = a * c[i] - b * sine;
        x[i * step + other] = a * sine + b * c[i];
    }
}

static void rotate(float *x, const float *cosines, const float *sines, uint32_t half, bool pairs,
                   float sign)
{
    if (pairs)
        rotate_pairs(x, cosines, sines, half, 2, 1, sign);
    else
        rotate_pairs(x, cosines, sines, half, 1, half, sign);
}
