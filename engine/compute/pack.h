/* Between the rows of a file and the packed groups of kernels.h.
 *
 * Threads: pure; groups of one matrix may be packed by several threads at once. */
#ifndef ENG_COMPUTE_PACK_H
#define ENG_COMPUTE_PACK_H

#include "compute/kernels/kernels.h"

/* Bytes of one row of k elements as files hold it. */
size_t eng__row_bytes(eng_dtype type, uint32_t k);

/* Sets type, n, k, n_groups and group_bytes; data is left to the caller, who needs n_groups *
 * group_bytes bytes, 64-byte aligned. */
void eng__packed_shape(eng_packed *w, eng_dtype type, uint32_t n, uint32_t k);

/* Packs group g from up to 16 rows in file layout (`rows` = min(16, n - 16g)), row_bytes apart. */
void eng__pack_group(eng_packed *w, uint32_t g, const uint8_t *rows, size_t row_bytes,
                     uint32_t n_rows);

/* Row r as k floats: the embedding lookup, and what tests compare with the file. */
void eng__packed_row(const eng_packed *w, uint32_t r, float *out);

/* Are all floats, or all block scales, of a row in file layout free of NaN and Inf? */
bool eng__row_finite(eng_dtype type, const uint8_t *row, uint32_t k);

/* One row of k floats to a type that models may be served in: F32, BF16 or Q8_0 (k % 32 == 0). */
void eng__encode_row(eng_dtype type, const float *x, uint8_t *dst, uint32_t k);

#endif
