/* From one row of logits to an answer: the draw, log-probs, the best N.
 *
 * Threads: pure over its scratch; one scratch a member. */
#ifndef ENG_INFER_SAMPLER_H
#define ENG_INFER_SAMPLER_H

#include "compute/kernels/kernels.h"
#include "engine.h"

typedef struct eng_candidate {
    float value;
    int32_t id;
} eng_candidate;

typedef struct eng_sampler_scratch {
    float *logits;             /* [V] the row after bias and penalties */
    float *weights;            /* [V] */
    eng_candidate *candidates; /* [V] */
    uint32_t *counts;          /* [V] zero between calls */
} eng_sampler_scratch;

/* Fills the answered half of *output from logits[0..v). */
void eng__sample(const eng_kernels *kernels, const float *logits, uint32_t v, eng_output *output,
                 eng_sampler_scratch *scratch);

#endif
