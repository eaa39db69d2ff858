/* Packed groups hold exactly the rows they were made from. */
#include "kernel_cases.h"

#include <math.h>

static void expect_packed_rows_equal_stored_rows(eng_dtype type, uint32_t n, uint32_t k)
{
    gemm_case c = case_make(type, n, k, 1, n + k);
    float *got = case_alloc(k, sizeof *got), *want = case_alloc(k, sizeof *want);
    for (uint32_t r = 0; r < n; r++) {
        eng__packed_row(&c.w, r, got);
        eng_dequantize_row(type, c.rows + r * c.row_bytes, want, k);
        EXPECT_MEM(got, want, k * sizeof *got);
    }
    free(got), free(want);
    case_free(&c);
}

TEST(packed_rows_are_the_stored_rows_in_every_type)
{
    for (int t = 0; t < CASE_TYPES; t++) {
        expect_packed_rows_equal_stored_rows(case_types[t], 16, 256);
        expect_packed_rows_equal_stored_rows(case_types[t], 37, 768);
        expect_packed_rows_equal_stored_rows(case_types[t], 1, 256);
    }
}

TEST(packed_float_rows_may_have_any_length)
{
    static const eng_dtype floats[] = {ENG_F32, ENG_F16, ENG_BF16};
    for (int t = 0; t < 3; t++)
        for (uint32_t k = 1; k < 36; k += 2)
            expect_packed_rows_equal_stored_rows(floats[t], 19, k);
}

TEST(rows_beyond_the_matrix_are_packed_as_zeros)
{
    for (int t = 0; t < CASE_TYPES; t++) {
        gemm_case c = case_make(case_types[t], 3, 256, 1, 6);
        float row[256];
        memset(c.w.data, 0xff, c.w.group_bytes);
        case_pack(&c);
        for (uint32_t r = 3; r < 16; r++) {
            eng__packed_row(&c.w, r, row);
            for (int i = 0; i < 256; i++)
                EXPECT(row[i] == 0);
        }
        case_free(&c);
    }
}

TEST(group_bytes_are_the_sum_of_their_tiles)
{
    /* bits a weight: 32, 16, 16, 4.5, 5, 8.5 (5-bit types are held in bytes), 9, 8.5; Q4_K 4.5 + a
     * byte each for sc and m, unpacked from 6 bits; Q6_K 8 + 16 scale bytes and d */
    static const uint32_t bytes[CASE_TYPES] = {16384, 8192, 8192, 2304, 2560,
                                               4352,  4608, 4352, 2368, 4384};
    for (int t = 0; t < CASE_TYPES; t++) {
        eng_packed w;
        eng__packed_shape(&w, case_types[t], 33, 256);
        EXPECT_EQ(w.n_groups, 3);
        EXPECT_EQ(w.group_bytes, bytes[t]);
    }
}

TEST(encoded_rows_round_trip_within_their_type)
{
    float x[256], back[256];
    uint8_t stored[256 * 4];
    uint64_t state = 2;
    for (int i = 0; i < 256; i++)
        x[i] = case_random(&state);
    eng__encode_row(ENG_F32, x, stored, 256);
    eng_dequantize_row(ENG_F32, stored, back, 256);
    EXPECT_MEM(back, x, sizeof x);
    eng__encode_row(ENG_BF16, x, stored, 256);
    eng_dequantize_row(ENG_BF16, stored, back, 256);
    for (int i = 0; i < 256; i++)
        EXPECT_NEAR((double)back[i], (double)x[i], fabs((double)x[i]) * 0x1p-8);
    eng__encode_row(ENG_Q8_0, x, stored, 256);
    eng_dequantize_row(ENG_Q8_0, stored, back, 256);
    for (int i = 0; i < 256; i++) /* half a step of max/127, and d's rounding to f16 */
        EXPECT_NEAR((double)back[i], (double)x[i], 0.5 / 127 + 0x1p-11);
}

TEST(encoding_what_a_type_holds_exactly_changes_nothing)
{
    static const eng_dtype types[] = {ENG_BF16, ENG_Q8_0};
    float x[256], back[256];
    uint8_t stored[256 * 4];
    uint64_t state = 8;
    for (int t = 0; t < 2; t++) {
        test_random_blocks(types[t], stored, 256, 1, &state);
        if (types[t] == ENG_Q8_0)
            for (int b = 0; b < 8; b++)
                stored[34 * b + 2] = 127; /* a block's largest is 127 steps */
        for (int i = 0; i < 256 && types[t] == ENG_Q8_0; i++)
            if (stored[34 * (i / 32) + 2 + i % 32] == 0x80)
                stored[34 * (i / 32) + 2 + i % 32] = 0x81;
        eng_dequantize_row(types[t], stored, x, 256);
        eng__encode_row(types[t], x, stored, 256);
        eng_dequantize_row(types[t], stored, back, 256);
        EXPECT_MEM(back, x, sizeof x);
    }
}

TEST(encoding_zeros_and_subnormals_gives_zeros)
{
    float x[32], back[32];
    uint8_t stored[34];
    for (int i = 0; i < 32; i++)
        x[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? 1e-40f : -1e-40f;
    eng__encode_row(ENG_Q8_0, x, stored, 32);
    eng_dequantize_row(ENG_Q8_0, stored, back, 32);
    for (int i = 0; i < 32; i++)
        EXPECT(back[i] == 0);
}

/* Ties and the floats on either side of them, in blocks whose scale is exactly 1. */
TEST(q8_0_rounds_as_roundf_does)
{
    float x[ENG_QBLOCK] = {127};
    uint8_t block[34];
    for (int half = -253; half <= 253; half++) {
        const float tie = (float)half / 2;
        const float near[] = {nextafterf(tie, -128), tie, nextafterf(tie, 128)};
        memcpy(x + 1, near, sizeof near);
        eng__encode_row(ENG_Q8_0, x, block, ENG_QBLOCK);
        for (int i = 0; i < 3; i++)
            EXPECT_EQ((int8_t)block[2 + 1 + i], (int)roundf(near[i]));
    }
}

TEST(a_row_with_a_nan_or_infinite_float_or_scale_is_seen)
{
    for (int t = 0; t < CASE_TYPES; t++) {
        const eng_dtype type = case_types[t];
        const eng_dtype_info *info = eng_dtype_info_of(type);
        gemm_case c = case_make(type, 1, 512, 1, 7);
        const size_t at = type == ENG_Q6_K ? 208 : 0, last = c.row_bytes - info->block_bytes;
        EXPECT(eng__row_finite(type, c.rows, 512));
        uint8_t *p = c.rows + last + at;
        const uint32_t inf32 = 0xff800000u;
        const uint16_t inf16 = type == ENG_BF16 ? 0x7f80 : 0xfc00;
        memcpy(p, type == ENG_F32 ? (const void *)&inf32 : &inf16, type == ENG_F32 ? 4 : 2);
        EXPECT(!eng__row_finite(type, c.rows, 512));
        case_free(&c);
    }
}
