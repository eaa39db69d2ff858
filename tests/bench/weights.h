/* What one step of a model must read and compute: the sums behind "share of the limit". */
#ifndef BENCH_WEIGHTS_H
#define BENCH_WEIGHTS_H

#include "engine.h"
#include "machine_limits.h"

typedef struct weight_cost {
    uint64_t step_bytes; /* packed weights that a step reads once, however many rows it has */
    double row_ops;      /* of the matrices, for each row: a multiply and an add count as two */
    double output_ops;   /* of the unembedding, for each wanted output */
    const char *unit;    /* which limit bounds the model's commonest type: "int8" */
    double limit_gop_s;  /* and how much that is; 0 when the limits were not measured */
} weight_cost;

/* Attention, norms and the KV cache are left out of bytes and operations, so shares are a little
 * lower than what the machine really did. */
weight_cost weight_cost_of(const eng_model *model, const machine_limits *limits);

#endif
