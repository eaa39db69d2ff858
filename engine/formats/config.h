/* What the readers of a model's config share: families, bounds, sliding windows. */
#ifndef ENG_FORMATS_CONFIG_H
#define ENG_FORMATS_CONFIG_H

#include "base/status.h"
#include "engine.h"

#include <stdbool.h>
#include <stdint.h>

/* Bounds of each number a file may give; far past any real model, small enough that products of
 * three stay inside 64 bits. */
enum {
    ENG__MAX_LAYERS = 4096,
    ENG__MAX_WIDTH = 1 << 20,
    ENG__MAX_HEADS = 1 << 14,
    ENG__MAX_FF = 1 << 23,
    ENG__MAX_VOCAB = 1 << 24,
    ENG__MAX_CONTEXT = 1 << 24
};

/* Sets what the family alone decides: arch, norm, pos (as the files of `half_split_files` layouts
 * keep it), mlp, biases, rope_base. ENG_UNSUPPORTED for another arch, naming `where` it stood. */
ENG_MUST_CHECK eng_status eng__config_family(eng_config *config, const char *arch,
                                             bool half_split_files, const char *where,
                                             eng_error *err);
/* Fills head_dim, rope_dims and n_kv_head where they are 0 and checks that the numbers fit each
 * other; everything but n_vocab, tied and qkv_bias must have been set. */
ENG_MUST_CHECK eng_status eng__config_finish(eng_config *config, eng_error *err);

/* How many positions layer `layer`'s attention sees; 0 = all earlier ones. */
static inline uint32_t eng__layer_window(const eng_config *config, uint32_t layer)
{
    const uint32_t period = config->window_period;
    return config->window && layer % period == period - 1 ? config->window : 0;
}

#endif
