#include "base/dtype.h"
#include "base/sha256.h"
#include "formats/finite.h"
#include "harness.h"
#include "model_files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

TEST(unknown_types_have_no_info)
{
    EXPECT(!eng_dtype_info_of(4) && !eng_dtype_info_of(13) && !eng_dtype_info_of(31));
    EXPECT(!eng_dtype_info_of(UINT32_MAX));
    EXPECT_STR(eng_dtype_info_of(3)->name, "q4_1");
    EXPECT_EQ(eng_dtype_info_of(14)->block_bytes, 210);
    EXPECT_EQ(eng_dtype_info_of(14)->block_elements, 256);
}

/* Values from IEEE 754's binary16: largest, smallest normal, smallest subnormal. */
TEST(halves_have_their_published_values)
{
    EXPECT_NEAR(eng_f16_to_f32(0x7bff), 65504.0, 0.0);
    EXPECT_NEAR(eng_f16_to_f32(0x0400), 0x1p-14, 0.0);
    EXPECT_NEAR(eng_f16_to_f32(0x0001), 0x1p-24, 0.0);
    EXPECT_NEAR(eng_f16_to_f32(0xc000), -2.0, 0.0);
    EXPECT(isinf(eng_f16_to_f32(0x7c00)) && isnan(eng_f16_to_f32(0x7e01)));
    EXPECT(signbit(eng_f16_to_f32(0x8000)));
}

TEST(every_half_survives_the_round_trip)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = eng_f16_to_f32((uint16_t)h);
        uint16_t back = eng_f32_to_f16(f);
        bool nan = (h & 0x7c00) == 0x7c00 && (h & 0x3ff);
        if (nan ? !((back & 0x7c00) == 0x7c00 && (back & 0x3ff)) : back != h)
            FAIL("0x%04x came back as 0x%04x", h, back);
    }
}

/* Half way between two halves goes to the even one; anything past half way goes up. */
TEST(f32_to_f16_rounds_to_nearest_even)
{
    for (uint32_t h = 0; h < 0x7bff; h++) {
        float lo = eng_f16_to_f32((uint16_t)h), hi = eng_f16_to_f32((uint16_t)(h + 1));
        float middle = lo + (hi - lo) / 2.0f;
        EXPECT_EQ(eng_f32_to_f16(middle), h % 2 ? h + 1 : h);
        EXPECT_EQ(eng_f32_to_f16(nextafterf(middle, 1e9f)), h + 1);
        EXPECT_EQ(eng_f32_to_f16(-nextafterf(middle, 0.0f)), h | 0x8000);
    }
    EXPECT_EQ(eng_f32_to_f16(65519.0f), 0x7bff);
    EXPECT_EQ(eng_f32_to_f16(65520.0f), 0x7c00);
    EXPECT_EQ(eng_f32_to_f16(1e30f), 0x7c00);
    EXPECT_EQ(eng_f32_to_f16(0x1p-25f), 0);
    EXPECT_EQ(eng_f32_to_f16(0x1.8p-25f), 1);
}

TEST(f32_to_bf16_rounds_to_nearest_even)
{
    EXPECT_EQ(eng_f32_to_bf16(1.0f), 0x3f80);
    EXPECT_EQ(eng_f32_to_bf16(1.0f + 0x1p-8f), 0x3f80);
    EXPECT_EQ(eng_f32_to_bf16(1.0f + 0x1.8p-7f), 0x3f82);
    EXPECT_EQ(eng_f32_to_bf16(1.0f + 0x1.02p-8f), 0x3f81);
    EXPECT_EQ(eng_f32_to_bf16(3.4028235e38f), 0x7f80);
    EXPECT(isnan(eng_bf16_to_f32(eng_f32_to_bf16(NAN))));
    EXPECT_NEAR(eng_bf16_to_f32(0xc040), -3.0, 0.0);
}

/* By hand from the block's definition: d = 0.5 (0x3800), m = -1 (0xbc00), byte 0 = 0x21. */
TEST(small_blocks_have_their_defined_values)
{
    float out[32];
    uint8_t q4_0[18] = {0x00, 0x38, 0x21}, q4_1[20] = {0x00, 0x38, 0x00, 0xbc, 0x21};
    uint8_t q5_0[22] = {0x00, 0x38, 0x01, 0x00, 0x01, 0x00, 0x21};
    uint8_t q8_0[34] = {0x00, 0x38, 0x80};
    eng_dequantize_row(ENG_Q4_0, q4_0, out, 32);
    EXPECT_NEAR(out[0], 0.5 * (1 - 8), 0.0);
    EXPECT_NEAR(out[16], 0.5 * (2 - 8), 0.0);
    EXPECT_NEAR(out[1], -4.0, 0.0);
    eng_dequantize_row(ENG_Q4_1, q4_1, out, 32);
    EXPECT_NEAR(out[0], 0.5 * 1 - 1, 0.0);
    EXPECT_NEAR(out[16], 0.5 * 2 - 1, 0.0);
    eng_dequantize_row(ENG_Q5_0, q5_0, out, 32); /* bits 0 and 16 of qh are set */
    EXPECT_NEAR(out[0], 0.5 * (17 - 16), 0.0);
    EXPECT_NEAR(out[16], 0.5 * (18 - 16), 0.0);
    EXPECT_NEAR(out[1], -8.0, 0.0);
    eng_dequantize_row(ENG_Q8_0, q8_0, out, 32);
    EXPECT_NEAR(out[0], -64.0, 0.0);
}

/* SHA-256 over the 1,024 floats that gguf-py (gguf.dequantize) gives for the same blocks, which
 * test_random_blocks draws from state 42 with sd 0.5. */
TEST(dequantised_rows_equal_those_of_gguf_py_bit_for_bit)
{
    static const struct {
        eng_dtype type;
        const char *hex;
    } golden[] = {
        {ENG_F32, "f6650e87a01f2f85ccfd7177b90d0e7ad6ecade42be07d32eb0f853598395e46"},
        {ENG_F16, "5b5418a631761f342928ddc60c208bc1db5aff532895129a45d99d85b3dca988"},
        {ENG_BF16, "6e0f090f983a0a5f759ae8e09f1fd1bb17f99175b21c549de5adcccbace8d841"},
        {ENG_Q4_0, "c7a8a5a000f6e8cee544ad5a2877b29990b8de0c997b6f2ea6b8a1ca950d71c0"},
        {ENG_Q4_1, "d796815442eb71cf93e64b995be3fe04d296ddbe894e87a067191b982af1d2c1"},
        {ENG_Q5_0, "16679c2a94e1dc8e8e7f079b64bbdbe131de8f9bbac749f9d0d7f14d9193d847"},
        {ENG_Q5_1, "394775b16d7b56c45fc72a726c62972e13458c8f20e56c593e69a752c35591fe"},
        {ENG_Q8_0, "7c8f0361dd23b4756fafdb416865866f6293a50a4e41d93814ea7ba8910c1d8a"},
        {ENG_Q4_K, "b8416b3088f7c7fc9542234f5fc9158bb3fe94a32b49f77369e9419ecda5b4bb"},
        {ENG_Q6_K, "128e3517004c26a305d6f50f32871b06d33e5aa8668b8ac4f9ff4233138b9d6a"},
    };
    enum { N = 1024 };
    static uint8_t blocks[4 * N];
    static float row[N];
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        uint64_t state = 42;
        char hex[ENG_SHA256_HEX];
        test_random_blocks(golden[i].type, blocks, N, 0.5f, &state);
        eng_dequantize_row(golden[i].type, blocks, row, N);
        eng_sha256_hex(row, sizeof row, hex);
        EXPECT_STR(hex, golden[i].hex);
    }
}

TEST(scales_that_are_not_finite_are_seen_in_every_format)
{
    static const struct {
        eng_dtype type;
        size_t at; /* of a half that scales the second block, or of the second element */
    } cases[] = {{ENG_Q4_0, 18}, {ENG_Q4_1, 20}, {ENG_Q4_1, 22},  {ENG_Q5_0, 22},
                 {ENG_Q5_1, 26}, {ENG_Q8_0, 34}, {ENG_Q4_K, 146}, {ENG_Q6_K, 418},
                 {ENG_F16, 2},   {ENG_BF16, 2},  {ENG_F32, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum { N = 512 };
        uint8_t blocks[4 * N];
        uint64_t state = i;
        test_random_blocks(cases[i].type, blocks, N, 1.0f, &state);
        EXPECT(eng__is_finite(cases[i].type, blocks, N));
        memcpy(blocks + cases[i].at,
               cases[i].type == ENG_F32 || cases[i].type == ENG_BF16 ? "\x80\x7f" : "\x00\xfc", 2);
        if (eng__is_finite(cases[i].type, blocks, N))
            FAIL("%s: infinity at byte %zu passed", eng_dtype_info_of(cases[i].type)->name,
                 cases[i].at);
    }
}
