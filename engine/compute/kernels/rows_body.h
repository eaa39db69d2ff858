/* Row-wise kernels for one instruction set: norms, activations, quantisation, log-sum-exp. Included
 * by kernels_<isa>.c after gemm_body.h. */
#include "compute/kernels/math_body.h"

/* y = (x - mean) * scale * w (+ b) */
INLINE void scale_row(float *y, const float *x, const float *w, const float *b, uint32_t c,
                      float mean, float scale)
{
    uint32_t i = 0;
    for (; i + LANES <= c; i += LANES) {
        vf v =
            vf_mul(vf_mul(vf_sub(vf_load(x + i), vf_set1(mean)), vf_set1(scale)), vf_load(w + i));
        vf_store(y + i, b ? vf_add(v, vf_load(b + i)) : v);
    }
    for (; i < c; i++) {
        float v = (x[i] - mean) * scale * w[i];
        y[i] = b ? v + b[i] : v;
    }
}

static void rms_norm(float *y, const float *x, const float *w, uint32_t c, float eps)
{
    float mean_square = sum_lanes(x, c, 0, false) / (float)c;
    scale_row(y, x, w, NULL, c, 0, 1.0f / sqrtf(mean_square + eps));
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, uint32_t c,
                       float eps)
{
    float mean = sum_lanes(x, c, 0, true) / (float)c;
    float variance = sum_lanes(x, c, mean, false) / (float)c;
    scale_row(y, x, w, b, c, mean, 1.0f / sqrtf(variance + eps));
}

/* ---- 8-bit activations ---- */

INLINE float finite_or_zero(float x)
{
    return isfinite(x) ? x : 0;
}

/* The largest magnitude of n values (a multiple of 16); NaN if any is. */
INLINE float largest_magnitude(const float *x, int n)
{
    vf big = vf_abs(vf_load(x));
    for (int i = LANES; i < n; i += LANES)
        big = vf_larger(big, vf_abs(vf_load(x + i)));
    return vf_largest(big);
}

/* x[i] rounded to f16, in place. */
INLINE void round_to_f16(float *x, size_t n)
{
    uint16_t half[LANES];
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf_store_f16(half, vf_load(x + i));
        vf_store(x + i, vf_load_f16(half));
    }
    if (i < n) {
        vf_store_f16(half, vf_load_n(x + i, n - i));
        vf_store_n(x + i, vf_load_f16(half), n - i);
    }
}

/* n values (16 or 32) times `scale`, rounded; returns the sum of the integers. */
INLINE int32_t quantize_run(int8_t *q, const float *x, float scale, int n)
{
    vi sum = vi_set1(0);
    for (int i = 0; i < n; i += LANES) {
        vf v = vf_round(vf_mul(vf_load(x + i), vf_set1(scale)));
        vi whole = vi_from_vf(vf_min(v, vf_set1(127.0f)));
        vi_store_i8(q + i, whole);
        sum = vi_add(sum, whole);
    }
    return vi_sum(sum);
}

/* A NaN or an infinity in a block makes its scale one, so that it reaches every product of the row.
 * The integers are bounded in any case. In passes over the row, each of which loads what the one
 * before it has stored long ago: a vector loaded right after its parts waits until they are out of
 * the store queue. */
static void quantize_q8(eng_acts *a, uint32_t m)
{
    const size_t nb = a->k / ENG_QBLOCK, at = (size_t)m * nb;
    const float *x = a->x + (size_t)m * a->ld_x;
    int8_t *q = a->q + (size_t)m * a->k;
    float *restrict d = a->d + at, *restrict s = a->s + at;
    int32_t *restrict sum = a->sum + at;
    for (size_t b = 0; b < nb; b++)
        d[b] = largest_magnitude(x + b * ENG_QBLOCK, ENG_QBLOCK);
    for (size_t b = 0; b < nb; b++) { /* s: what the values are multiplied by */
        s[b] = finite_or_zero(127.0f / d[b]);
        d[b] /= 127.0f;
    }
    for (size_t b = 0; b < nb; b++)
        sum[b] = quantize_run(q + b * ENG_QBLOCK, x + b * ENG_QBLOCK, s[b], ENG_QBLOCK);
    for (size_t b = 0; b < nb; b++)
        s[b] = d[b] * (float)sum[b];
    round_to_f16(d, nb);
    round_to_f16(s, nb);
}

/* As eng__encode_row (compute/pack.h). */
static void encode_q8_0(uint8_t *dst, const float *x, uint32_t k)
{
    enum { BYTES = 2 + ENG_QBLOCK };
    for (uint32_t b = 0; b < k / ENG_QBLOCK; b++, x += ENG_QBLOCK, dst += BYTES) {
        const float d = largest_magnitude(x, ENG_QBLOCK) / 127.0f;
        const vf inverse = vf_set1(finite_or_zero(1.0f / d));
        const uint16_t scale = eng_f32_to_f16(d);
        memcpy(dst, &scale, sizeof scale);
        for (int i = 0; i < ENG_QBLOCK; i += LANES) {
            const vf whole = vf_round_away(vf_mul(vf_load(x + i), inverse));
            vi_store_i8((int8_t *)dst + sizeof scale + i, vi_from_vf(whole));
        }
    }
}

/* The value of largest magnitude, the first of equals; NaN if any is. */
INLINE float signed_max(const float *x, int n)
{
    const float largest = largest_magnitude(x, n);
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) == largest)
            return x[i];
    return largest;
}

static void quantize_q8k(eng_acts *a, uint32_t m)
{
    const size_t nb = a->k / ENG_KBLOCK;
    const float *x = a->x + (size_t)m * a->ld_x;
    for (size_t b = 0; b < nb; b++, x += ENG_KBLOCK) {
        float max = signed_max(x, ENG_KBLOCK);
        float scale = finite_or_zero(-127.0f / max);
        int8_t *q = a->qk + (size_t)m * a->k + b * ENG_KBLOCK;
        int32_t *sums = a->sumk + ((size_t)m * a->k + b * ENG_KBLOCK) / 16;
        for (int j = 0; j < ENG_KBLOCK / 16; j++)
            sums[j] = quantize_run(q + 16 * j, x + 16 * j, scale, 16);
        a->dk[(size_t)m * nb + b] = isfinite(max) ? finite_or_zero(1.0f / scale) : max;
    }
}

/* eng_f32_to_bf16, in a form that compilers turn into vectors. */
INLINE uint16_t round_bf16(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    const uint32_t nan = u >> 16 | 0x40u, number = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
    return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? nan : number);
}

static void quantize_bf16(eng_acts *a, uint32_t m)
{
    const size_t k = a->k, ld = (k + 1) & ~(size_t)1;
    const float *restrict x = a->x + (size_t)m * a->ld_x;
    uint16_t *restrict rounded = a->bf16 + m * ld;
    for (size_t i = 0; i < k; i++)
        rounded[i] = round_bf16(x[i]);
    if (k < ld)
        rounded[k] = 0;
}

static void quantize(eng_acts *a, uint32_t m, unsigned forms)
{
    if (forms & ENG_ACTS_Q8)
        quantize_q8(a, m);
    if (forms & ENG_ACTS_Q8K)
        quantize_q8k(a, m);
    if (forms & ENG_ACTS_BF16)
        quantize_bf16(a, m);
}

/* ---- log-sum-exp ---- */

/* x * 0 is 0 exactly when x is finite, else NaN. */
static void max_sum_exp(const float *x, size_t n, float *max, double *sum, bool *finite)
{
    vf big = vf_set1(-INFINITY), zero = vf_set1(0);
    size_t whole = n / 16 * 16;
    for (size_t i = 0; i < whole; i += LANES) {
        vf v = vf_load(x + i);
        big = vf_max(v, big);
        zero = vf_fma(v, vf_set1(0), zero);
    }
    float m = max_of(big), z[LANES], nan = 0;
    vf_store(z, zero);
    for (int i = 0; i < LANES; i++)
        nan += z[i];
    for (size_t i = whole; i < n; i++) {
        m = x[i] > m ? x[i] : m;
        nan += x[i] * 0;
    }
    *max = m;
    *finite = nan == 0;
    if (sum)
        *sum = 0;
    if (!sum || !*finite)
        return;
    enum { RUN = 1024 }; /* f32 lanes within a run, f64 across runs */
    for (size_t from = 0; from < n; from += RUN) {
        size_t to = from + RUN < n ? from + RUN : n;
        lanes16 acc = lanes16_set1(0);
        size_t i = from;
        for (; i + 16 <= to; i += 16)
            for (int j = 0; j < NV; j++)
                acc.v[j] = vf_add(acc.v[j], vf_exp(vf_sub(vf_load(x + i + j * LANES), vf_set1(m))));
        float s[16];
        lanes16_store(s, acc);
        for (; i < to; i++)
            s[i % 16] += expf(x[i] - m);
        for (int j = 0; j < 16; j++)
            *sum += s[j];
    }
}

static void exp_scaled(float *y, const float *x, size_t n, float max, float scale)
{
    const vf m = vf_set1(max), f = vf_set1(scale);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(y + i, vf_exp(vf_mul(vf_sub(vf_load(x + i), m), f)));
    if (i < n) {
        float tail[LANES] = {0};
        memcpy(tail, x + i, (n - i) * sizeof *tail);
        vf_store(tail, vf_exp(vf_mul(vf_sub(vf_load(tail), m), f)));
        memcpy(y + i, tail, (n - i) * sizeof *y);
    }
}

static void store_f16(uint16_t *dst, size_t stride, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        uint16_t h[LANES];
        vf_store_f16(h, vf_load(src + i));
        for (int j = 0; j < LANES; j++)
            dst[(i + (size_t)j) * stride] = h[j];
    }
    for (; i < n; i++)
        dst[i * stride] = eng_f32_to_f16(src[i]);
}
