/* Fills an eng_model from an opened source: sizes first (one allocation for all weights), then the
 * digest, the tokenizer, and reading and packing on several threads at once. */
#ifndef ENG_INFER_LOADER_H
#define ENG_INFER_LOADER_H

#include "formats/source.h"
#include "infer/model.h"

/* Sets config, tokenizer, weights, rope tables, common_type and, with `digest`, the digest of an
 * otherwise empty model, whose kernels are chosen. Of several faults one is told: of shapes, else
 * of the digest, the tokenizer, the weights. On failure the model holds whatever was allocated;
 * eng_model_unref frees it. */
ENG_MUST_CHECK eng_status eng__load_model(eng_model *model, const eng_source *src, bool digest,
                                          eng_serve_type serve_type, uint32_t n_threads,
                                          eng_error *err);
/* The bytes and commonest type that loading would give, and what heap each thread would hold
 * meanwhile, from sizes alone; refuses as loading would. */
ENG_MUST_CHECK eng_status eng__measure_weights(const eng_source *src, eng_serve_type serve_type,
                                               size_t *bytes, size_t *scratch,
                                               eng_dtype *common_type, eng_error *err);
void eng__free_weights(eng_model *model);

#endif
