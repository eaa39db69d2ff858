/* The avx2 kernel set: the shared bodies over simd_avx2.h. */
#include "compute/kernels/kernels.h"

#include <math.h>

#include "compute/kernels/simd_avx2.h"

#include "compute/kernels/gemm_body.h"
#include "compute/kernels/rows_body.h"
#include "compute/kernels/attend_body.h"
#include "compute/kernels/sgemm_body.h"

const eng_kernels eng__kernels_avx2 = {
    .name = "avx2",
#ifdef SIMD_HAS_BF16_DOT
    .bf16_dot = true,
#endif
    KERNEL_TABLE,
    SGEMM_TABLE,
};
