/* The avx512 kernels of training: the shared body over simd_avx512.h. */
#include "compute/kernels/train_kernels.h"

#include <math.h>

#include "compute/kernels/simd_avx512.h"

#include "compute/kernels/train_body.h"

const eng_train_kernels eng__train_avx512 = {.name = "avx512", TRAIN_TABLE};
