/* Floats from the engine, widened. */
#define FP64_WIDENS
#include "fp64.h"

static float *floats(size_t n)
{
    float *p = malloc(n * sizeof *p);
    EXPECT(p);
    return p;
}

static void widen(double *dst, float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (double)src[i];
    free(src);
}

eng_status fp64_source_read(const eng_source *src, const eng_tensor_info *tensor, double *dst,
                            eng_error *err)
{
    float *f = floats(tensor->n_elements);
    eng_status st = eng__source_read_f32(src, tensor, f, err);
    widen(dst, f, tensor->n_elements);
    return st;
}

eng_status fp64_rope_fill(double *cosines, double *sines, const eng_source *src, eng_error *err)
{
    const size_t n = eng__rope_floats(eng__source_config(src));
    float *c = floats(n), *s = floats(n);
    eng_status st = eng__rope_fill(c, s, src, err);
    widen(cosines, c, n);
    widen(sines, s, n);
    return st;
}

void fp64_fill_normal(double *dst, size_t n, double sd, uint64_t seed, uint32_t stream)
{
    float *f = floats(n);
    eng__fill_normal(f, n, sd, seed, stream);
    widen(dst, f, n);
}
