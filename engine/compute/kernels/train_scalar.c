/* The scalar kernels of training: the shared body over simd_scalar.h. */
#include "compute/kernels/train_kernels.h"

#include <math.h>

#include "compute/kernels/simd_scalar.h"

#include "compute/kernels/train_body.h"

const eng_train_kernels eng__train_scalar = {.name = "scalar", TRAIN_TABLE};
