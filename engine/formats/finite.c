#include "formats/finite.h"

#include "base/pace.h"

#include <string.h>

/* Plain ors over the whole range, so that the compiler can use vectors. */
static bool all_f32(const uint8_t *p, size_t n)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, p + 4 * i, sizeof u);
        bad |= (u & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

/* n 16-bit floats, `stride` bytes apart, with the exponent bits `mask`. */
static bool all_16(const uint8_t *p, size_t n, size_t stride, uint16_t mask)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t u;
        memcpy(&u, p + stride * i, sizeof u);
        bad |= (u & mask) == mask;
    }
    return !bad;
}

/* Two halves side by side: one more in its lowest bit carries an exponent of all ones out. */
static bool all_pairs(const uint8_t *p, size_t n, size_t stride)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, p + stride * i, sizeof u);
        bad |= (u & 0x7c007c00u) + 0x04000400u;
    }
    return !(bad & 0x80008000u);
}

static bool blocks_finite(eng_dtype type, const uint8_t *p, size_t n_blocks, size_t step)
{
    enum { HALF_EXPONENT = 0x7c00, BF16_EXPONENT = 0x7f80 };
    switch (type) {
    case ENG_F32:
        return all_f32(p, n_blocks);
    case ENG_BF16:
        return all_16(p, n_blocks, step, BF16_EXPONENT);
    case ENG_F16:
    case ENG_Q4_0:
    case ENG_Q5_0:
    case ENG_Q8_0:
        return all_16(p, n_blocks, step, HALF_EXPONENT);
    case ENG_Q4_1:
    case ENG_Q5_1:
    case ENG_Q4_K:
        return all_pairs(p, n_blocks, step);
    case ENG_Q6_K:
        return all_16(p + 208, n_blocks, step, HALF_EXPONENT);
    }
    return false;
}

bool eng__is_finite(eng_dtype type, const void *data, size_t n)
{
    const eng_dtype_info *info = eng_dtype_info_of((uint32_t)type);
    const size_t step = info->block_bytes;
    const uint8_t *p = data;
    for (size_t left = n / info->block_elements, piece; left; left -= piece, p += piece * step) {
        piece = eng__pace_bytes(left * step) / step;
        if (!blocks_finite(type, p, piece, step))
            return false;
    }
    return true;
}
