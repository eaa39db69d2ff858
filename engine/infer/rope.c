#include "infer/rope.h"

#include <math.h>

enum { MAX_HALF = 256 };

size_t eng__rope_floats(const eng_config *config)
{
    return config->pos == ENG_POS_LEARNED ? 0 : (size_t)config->n_ctx * (config->rope_dims / 2);
}

eng_status eng__rope_fill(float *cosines, float *sines, const eng_source *src, eng_error *err)
{
    const eng_config *c = eng__source_config(src);
    const uint32_t half = c->rope_dims / 2;
    const eng_tensor_info *t = NULL;
    float divisors[MAX_HALF];
    if (half > MAX_HALF)
        return eng_fail(err, ENG_UNSUPPORTED, "rope.dimension_count is %u, at most %d expected",
                        c->rope_dims, 2 * MAX_HALF);
    if (eng__source_find(src, "rope_freqs.weight")) {
        eng_status st = eng__source_expect(src, "rope_freqs.weight", half, 0, &t, err);
        if (st == ENG_OK)
            st = eng__source_read_f32(src, t, divisors, err);
        if (st != ENG_OK)
            return st;
    }
    for (uint32_t i = 0; i < half; i++) {
        float divisor = t ? divisors[i] : 1.0f;
        float frequency = (float)(1.0 / pow(c->rope_base, 2.0 * i / c->rope_dims)) / divisor;
        for (uint32_t pos = 0; pos < c->n_ctx; pos++) {
            double angle = (float)pos * frequency;
            cosines[(size_t)pos * half + i] = (float)cos(angle);
            sines[(size_t)pos * half + i] = (float)sin(angle);
        }
    }
    return ENG_OK;
}
