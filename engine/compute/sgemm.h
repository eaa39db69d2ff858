/* Dense f32 matrix products for training: C = op(A) op(B) + beta C, row-major.
 *
 * Every element of C is one sum over k in an order that depends on the shape alone: never on the
 * number of threads, on who took which tile, or on timing. Training's bit-identical reruns and
 * resumes stand on that. (Serving has kernels of its own, for packed weights: kernels/.)
 *
 * The blocking is that of Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication" (2008): panels of A and B are packed for the cache, a register tile is updated
 * per k. One source per instruction set, chosen at run time; the naive loop is its oracle.
 *
 * Threads: one owner; the tiles run on what `parallel` lends. */
#ifndef ENG_COMPUTE_SGEMM_H
#define ENG_COMPUTE_SGEMM_H

#include "base/parallel.h"
#include "base/status.h"
#include "compute/kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct eng_sgemm eng_sgemm;

/* Packing buffers and the kernel set: kernels as in eng_model_options (NULL = the widest this CPU
 * runs). `parallel` outlives it. All memory is allocated here. */
ENG_MUST_CHECK eng_status eng_sgemm_create(eng_sgemm **out, const eng_parallel *parallel,
                                           const char *kernels, eng_error *err);
/* The same with a given set. */
ENG_MUST_CHECK eng_status eng__sgemm_create(eng_sgemm **out, const eng_parallel *parallel,
                                            const eng_kernels *kernels, eng_error *err);
void eng_sgemm_free(eng_sgemm *g); /* NULL allowed */

typedef enum eng_transpose { ENG_PLAIN, ENG_TRANSPOSED } eng_transpose;

/* C[m][n] = A[m][k] B[k][n] + beta C, where A is stored [m][k] with row stride lda, or [k][m] if
 * ENG_TRANSPOSED; B likewise [k][n] or [n][k]. beta is 0 (C is only written, may hold NaN before)
 * or 1. m, n, k >= 0; with k == 0, C is zeroed or kept. Allocates nothing. */
void eng_sgemm_run(eng_sgemm *g, eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                   const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                   size_t ldc);

/* A small product on the calling thread, as it lies: C[m][n] = A B, or += if `add`, with A[i][p] at
 * a[i * a_row + p * a_k], B [k][n]. For blocks that fit the caches: k is not cut. The bits of
 * eng_sgemm_run where that does not cut k either. [any thread, several at once] */
void eng_sgemm_tile(const eng_sgemm *g, size_t m, size_t n, size_t k, const float *a, size_t a_row,
                    size_t a_k, const float *b, size_t ldb, bool add, float *c, size_t ldc);

/* The oracle: three loops, sums in double, one rounding at the end. [any] */
void eng_sgemm_naive(eng_transpose ta, eng_transpose tb, size_t m, size_t n, size_t k,
                     const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                     size_t ldc);

#endif
