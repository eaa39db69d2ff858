/* Training in double: included in front of engine/train, its scalar kernels and the tests of
 * gradients (-include), so that the very code that trains is differenced at full precision.
 *
 * `float` becomes `double` in everything that follows. What the engine shares with training in true
 * floats comes first; the three of its functions that fill floats are replaced by ones that widen.
 * The kernel set must be "scalar", which here is made of doubles; the optimizer is not built. */
#ifndef TESTS_FP64_FP64_H
#define TESTS_FP64_FP64_H

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/status.h"
#include "compute/kernels/kernels.h"
#include "engine.h"
#include "formats/config.h"
#include "formats/source.h"
#include "harness.h"
#include "infer/rope.h"
#include "model_files.h"
#include "text/tokenizer.h"

eng_status fp64_source_read(const eng_source *src, const eng_tensor_info *tensor, double *dst,
                            eng_error *err);
eng_status fp64_rope_fill(double *cosines, double *sines, const eng_source *src, eng_error *err);
void fp64_fill_normal(double *dst, size_t n, double sd, uint64_t seed, uint32_t stream);

#ifndef FP64_WIDENS /* fp64.c, which sees both */
#define eng__source_read_f32 fp64_source_read
#define eng__rope_fill fp64_rope_fill
#define eng__fill_normal fp64_fill_normal
#define sqrtf sqrt
#define logf log
#define expf exp
#define float double
#endif

#endif
