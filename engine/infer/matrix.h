/* One matrix of a model: rows of a tensor, read and packed. */
#ifndef ENG_INFER_MATRIX_H
#define ENG_INFER_MATRIX_H

#include "compute/kernels/kernels.h"
#include "formats/source.h"

/* Fills `to`, whose shape is set and whose data is allocated (pack.h), from to->n rows of the
 * tensor beginning with row0, in the type to->type (converted where another is stored). ENG_FORMAT
 * names the tensor and a weight that is not finite. [any thread; different matrices at once] */
ENG_MUST_CHECK eng_status eng__load_matrix(eng_packed *to, const eng_source *src,
                                           const eng_tensor_info *tensor, uint64_t row0,
                                           const eng_kernels *kernels, eng_error *err);
/* Heap that it holds meanwhile. */
size_t eng__matrix_scratch(const eng_packed *to, const eng_source *src,
                           const eng_tensor_info *tensor);

#endif
