#include "base/random.h"

#include <math.h>
#include <string.h>

void eng__philox4x32(uint32_t x[4], uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * x[0], b = (uint64_t)0xCD9E8D57u * x[2];
        uint32_t y[4] = {(uint32_t)(b >> 32) ^ x[1] ^ key0, (uint32_t)b,
                         (uint32_t)(a >> 32) ^ x[3] ^ key1, (uint32_t)a};
        memcpy(x, y, sizeof y);
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

/* 53 bits as a number in [0, 1). */
static double unit(uint32_t high, uint32_t low)
{
    return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

double eng__uniform(uint64_t seed, uint32_t choice, uint32_t position)
{
    uint32_t x[4] = {position, choice, 0, 0};
    eng__philox4x32(x, (uint32_t)seed, (uint32_t)(seed >> 32));
    return unit(x[0], x[1]);
}

/* ln x for 0 < x < 1. libm's last bit differs from machine to machine; this series does not:
 * ln m = 2 atanh((m-1)/(m+1)) for m in [sqrt 1/2, sqrt 2), where 11 terms reach 2^-53. */
static double natural_log(double x)
{
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.70710678118654752) {
        m *= 2.0;
        exponent--;
    }
    double t = (m - 1.0) / (m + 1.0), square = t * t, sum = 0.0;
    for (int k = 10; k >= 0; k--)
        sum = sum * square + 1.0 / (2 * k + 1);
    return 2.0 * t * sum + exponent * 0.69314718055994531;
}

static void normal_pair(double z[2], uint64_t seed, uint32_t stream, uint64_t pair)
{
    double u, v, s;
    uint32_t attempt = 0;
    do {
        uint32_t x[4] = {(uint32_t)pair, (uint32_t)(pair >> 32), stream, attempt++};
        eng__philox4x32(x, (uint32_t)seed, (uint32_t)(seed >> 32));
        u = 2.0 * unit(x[0], x[1]) - 1.0;
        v = 2.0 * unit(x[2], x[3]) - 1.0;
        s = u * u + v * v;
    } while (s >= 1.0 || s == 0.0);
    double stretch = sqrt(-2.0 * natural_log(s) / s);
    z[0] = u * stretch;
    z[1] = v * stretch;
}

void eng__fill_normal(float *dst, size_t n, double sd, uint64_t seed, uint32_t stream)
{
    for (size_t i = 0; i < n; i += 2) {
        double z[2];
        normal_pair(z, seed, stream, i / 2);
        dst[i] = (float)(sd * z[0]);
        if (i + 1 < n)
            dst[i + 1] = (float)(sd * z[1]);
    }
}
