/* The avx2 kernels of training: the shared body over simd_avx2.h. */
#include "compute/kernels/train_kernels.h"

#include <math.h>

#include "compute/kernels/simd_avx2.h"

#include "compute/kernels/train_body.h"

const eng_train_kernels eng__train_avx2 = {.name = "avx2", TRAIN_TABLE};
