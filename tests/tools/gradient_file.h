/* Gradients as a safetensors file that PyTorch users can compare with theirs: Hugging Face names,
 * shapes and layouts, F32. */
#ifndef TESTS_TOOLS_GRADIENT_FILE_H
#define TESTS_TOOLS_GRADIENT_FILE_H

#include "base/status.h"
#include "gradient_run.h"
#include "train/net.h"

/* Every parameter of the net that such a model has; metadata holds the result and, as "names", a
 * JSON object of the canonical names. grads is used as scratch and holds nothing afterwards. The
 * file is replaced; on failure it is removed. *n_tensors (may be NULL) counts them. */
ENG_MUST_CHECK eng_status gradient_file_write(const char *path, const eng_net *net, float *grads,
                                              gradient_loss loss, const gradient_result *result,
                                              uint32_t *n_tensors, eng_error *err);

#endif
