/* Random numbers by counter against published answers, and normal numbers against their law. */
#include "base/random.h"
#include "harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Random123's published known answers for philox4x32-10 (kat_vectors): all zeros, all ones, digits
 * of pi. */
TEST(philox_gives_the_published_known_answers)
{
    static const uint32_t in[3][6] = {
        {0, 0, 0, 0, 0, 0},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0}};
    static const uint32_t want[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                        {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                        {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 3; i++) {
        uint32_t x[4];
        memcpy(x, in[i], sizeof x);
        eng__philox4x32(x, in[i][4], in[i][5]);
        EXPECT_MEM(x, want[i], sizeof x);
    }
}

TEST(uniform_is_the_first_53_bits_keyed_by_seed_over_position_and_choice)
{
    /* 6627e8d5 e169c58d: the known answer for zeros */
    EXPECT(eng__uniform(0, 0, 0) == (double)(0x6627e8d5e169c58du >> 11) * 0x1p-53);
    const double u = eng__uniform(7, 0, 0);
    EXPECT(u != eng__uniform(8, 0, 0) && u != eng__uniform(7, 1, 0) && u != eng__uniform(7, 0, 1));
    EXPECT(eng__uniform((uint64_t)1 << 40, 0, 0) != eng__uniform(0, 0, 0));
    for (uint32_t i = 0; i < 1000; i++)
        EXPECT(eng__uniform(1, 2, i) >= 0 && eng__uniform(1, 2, i) < 1);
}

/* Computed with Python's math.log and math.sqrt over the same Philox words. */
TEST(normal_numbers_are_marsaglias_polar_pairs)
{
    static const float want[6] = {0.316465505f,  -1.15294088f,  0.145952566f,
                                  -0.715958725f, -0.932294946f, -1.45988339f};
    float got[6];
    eng__fill_normal(got, 6, 1.0, 7, 3);
    for (int i = 0; i < 6; i++)
        EXPECT_NEAR(got[i], want[i], 0.0);
    eng__fill_normal(got, 1, 1.0, ((uint64_t)1 << 40) + 5, 9);
    EXPECT_NEAR(got[0], 1.3642657f, 0.0);
}

TEST(a_normal_number_depends_on_seed_stream_and_index_alone)
{
    float a[101], b[101];
    eng__fill_normal(a, 101, 0.5, 1, 2);
    eng__fill_normal(b, 4, 0.5, 1, 2);
    EXPECT_MEM(b, a, 4 * sizeof *a);
    eng__fill_normal(b, 101, 0.5, 1, 3);
    EXPECT(a[0] != b[0] && a[100] != b[100]);
    eng__fill_normal(b, 101, 0.5, 2, 2);
    EXPECT(a[0] != b[0] && a[100] != b[100]);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov's distance to the normal law: 1.95 / sqrt(n) is passed by chance once in a thousand
 * seeds; this seed is fixed. */
TEST(normal_numbers_follow_the_normal_law)
{
    enum { N = 200000 };
    float *z = malloc(N * sizeof *z);
    double distance = 0.0, fourth = 0.0;
    eng__fill_normal(z, N, 2.0, 12345, 0);
    qsort(z, N, sizeof *z, by_value);
    for (int i = 0; i < N; i++) {
        double x = z[i] / 2.0, law = 0.5 * erfc(-x / sqrt(2.0));
        distance = fmax(distance, fmax(fabs(law - (double)i / N), fabs(law - (double)(i + 1) / N)));
        fourth += x * x * x * x / N;
    }
    free(z);
    EXPECT(distance < 1.95 / sqrt(N));
    /* E z^4 = 3; its mean over N has the standard deviation sqrt(96 / N) = 0.022. */
    EXPECT_NEAR(fourth, 3.0, 0.088);
}
