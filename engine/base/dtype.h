/* Element types of stored tensors: GGUF's type numbers, so a file's number is the enum's value. */
#ifndef ENG_BASE_DTYPE_H
#define ENG_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum eng_dtype {
    ENG_F32 = 0,
    ENG_F16 = 1,
    ENG_Q4_0 = 2,
    ENG_Q4_1 = 3,
    ENG_Q5_0 = 6,
    ENG_Q5_1 = 7,
    ENG_Q8_0 = 8,
    ENG_Q4_K = 12,
    ENG_Q6_K = 14,
    ENG_BF16 = 30
} eng_dtype;

typedef struct eng_dtype_info {
    const char *name;        /* "q4_1" */
    uint32_t block_elements; /* elements in one packed block; 1 for plain floats */
    uint32_t block_bytes;
} eng_dtype_info;

/* NULL for a number this engine does not read. [any thread] */
const eng_dtype_info *eng_dtype_info_of(uint32_t type);

/* One row of n elements (a multiple of block_elements) to floats; the scalar definition of every
 * format, used by converters and as the kernels' oracle. [any thread] */
void eng_dequantize_row(eng_dtype type, const void *src, float *dst, size_t n);

/* IEEE half and bfloat16 conversions, round to nearest even, NaN kept. [any thread] */
float eng_f16_to_f32(uint16_t h);
uint16_t eng_f32_to_f16(float f);
static inline float eng_bf16_to_f32(uint16_t h)
{
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)h << 16};
    return v.f;
}
uint16_t eng_f32_to_bf16(float f);

#endif
