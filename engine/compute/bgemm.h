/* Dense products for training of inputs rounded to bf16, summed in f32: C = op(A) op(B) + beta C,
 * as sgemm.h's but for that rounding. A and B are f32 in memory and stay as they are.
 *
 * An input is rounded to the nearest bf16, ties to even, or, if it is weights that training moves
 * by less than a step of bf16, by a dither that its place alone decides (kernels.h says why). NaN
 * and infinity stay what they are; what is below 2^-126 becomes 0 of its sign (which is what
 * AVX-512's conversion does, done by every set). A product of two bf16 is exact in f32. On AVX-512
 * vdpbf16ps multiplies and adds two neighbours in k at once, about twice as many products a cycle
 * as f32 has; other sets do the same in f32, and gain nothing.
 *
 * Every element of C is one sum over k in an order that depends on the shape alone, as sgemm.h
 * says: the same bits whatever the threads. The rounded inputs are the same on every set; the
 * scalar set's sums are AVX2's, AVX-512's may differ from theirs by rounding.
 *
 * Threads: one owner; packing and tiles run on what `parallel` lends. */
#ifndef ENG_COMPUTE_BGEMM_H
#define ENG_COMPUTE_BGEMM_H

#include "compute/sgemm.h"

typedef struct eng_bgemm eng_bgemm;

/* Buffers for the rounded matrices, some 16 MiB whatever the products, and the kernel set;
 * arguments as eng_sgemm_create's. */
ENG_MUST_CHECK eng_status eng_bgemm_create(eng_bgemm **out, const eng_parallel *parallel,
                                           const char *kernels, eng_error *err);
/* The same with a given set, and room for `words` pairs of bf16 of each matrix, or for the least
 * that works if that is more: larger matrices go through in parts. */
ENG_MUST_CHECK eng_status eng__bgemm_create(eng_bgemm **out, const eng_parallel *parallel,
                                            const eng_kernels *kernels, size_t words,
                                            eng_error *err);
void eng_bgemm_free(eng_bgemm *g); /* NULL allowed */

typedef enum eng_rounding {
    ENG_NEAREST,
    ENG_DITHERED /* B is weights: an element has one rounded value, transposed or not */
} eng_rounding;

/* Arguments as eng_sgemm_run's, and how B is rounded; A is to nearest. Allocates nothing. */
void eng_bgemm_run(eng_bgemm *g, eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                   const float *a, size_t lda, const float *b, size_t ldb, eng_rounding b_rounding,
                   float beta, float *c, size_t ldc);

/* The oracle: three loops over rounded inputs, sums in double, one rounding at the end. [any] */
void eng_bgemm_naive(eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                     const float *a, size_t lda, const float *b, size_t ldb,
                     eng_rounding b_rounding, float beta, float *c, size_t ldc);

#endif
