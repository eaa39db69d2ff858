/* The vector layer in double, in place of simd_scalar.h: what training's kernels use of it. */
#define ENG_COMPUTE_SIMD_SCALAR_H
#ifndef TESTS_FP64_SIMD_FP64_H
#define TESTS_FP64_SIMD_FP64_H

#include <math.h>
#include <stddef.h>
#include <string.h>

#define INLINE static __attribute__((unused))
#define SIMD_HAS_EXP 1
#define FOR_LANES for (int i_ = 0; i_ < LANES; i_++)

enum { LANES = 16 };

typedef struct vf {
    double v[LANES];
} vf;

static inline vf vf_set1(double x)
{
    vf o;
    FOR_LANES o.v[i_] = x;
    return o;
}
static inline vf vf_load_n(const double *p, size_t n)
{
    vf o = vf_set1(0);
    memcpy(o.v, p, n * sizeof *p);
    return o;
}
static inline void vf_store_n(double *p, vf a, size_t n)
{
    memcpy(p, a.v, n * sizeof *p);
}
static inline vf vf_load(const double *p)
{
    return vf_load_n(p, LANES);
}
static inline void vf_store(double *p, vf a)
{
    vf_store_n(p, a, LANES);
}
static inline vf vf_add(vf a, vf b)
{
    FOR_LANES a.v[i_] += b.v[i_];
    return a;
}
static inline vf vf_sub(vf a, vf b)
{
    FOR_LANES a.v[i_] -= b.v[i_];
    return a;
}
static inline vf vf_mul(vf a, vf b)
{
    FOR_LANES a.v[i_] *= b.v[i_];
    return a;
}
static inline vf vf_div(vf a, vf b)
{
    FOR_LANES a.v[i_] /= b.v[i_];
    return a;
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    FOR_LANES a.v[i_] = a.v[i_] * b.v[i_] + c.v[i_];
    return a;
}
static inline vf vf_sqrt(vf a)
{
    FOR_LANES a.v[i_] = sqrt(a.v[i_]);
    return a;
}
static inline vf vf_exp(vf a)
{
    FOR_LANES a.v[i_] = exp(a.v[i_]);
    return a;
}
static inline vf vf_max(vf a, vf b)
{
    FOR_LANES a.v[i_] = a.v[i_] > b.v[i_] ? a.v[i_] : b.v[i_];
    return a;
}

#endif
