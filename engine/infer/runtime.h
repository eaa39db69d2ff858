/* The runtime: team, KV pool, scratch and the step under construction. Private to infer/. */
#ifndef ENG_INFER_RUNTIME_H
#define ENG_INFER_RUNTIME_H

#include "infer/sampler.h"
#include "infer/seq.h"

enum { ENG_LOGIT_ROWS = 32 }; /* rows whose logits are in memory at once */

/* The rows of one step, in the order they were added. */
typedef struct eng_step {
    eng_model *model; /* borrowed: its sequences hold it */
    uint32_t n_rows, n_spans, n_outputs;
    int32_t *tokens;       /* [max_rows] */
    uint32_t *positions;   /* [max_rows] */
    uint32_t *row_span;    /* [max_rows] */
    eng_span *spans;       /* [max_seqs] */
    eng_seq **seqs;        /* [max_seqs], of each span */
    uint32_t *output_rows; /* [max_outputs] */
    eng_output **outputs;  /* [max_outputs] */
} eng_step;

/* Float buffers of a step; M = max_rows. Leading dimensions are whole groups of 16. */
typedef struct eng_scratch {
    float *x;         /* [M][C] the residual stream */
    float *normed;    /* [M][ld_wide] input of the next product */
    float *q;         /* [M][ld_q] */
    float *k, *v;     /* [M][ld_kv] */
    float *gate, *up; /* [M][ld_ff] */
    float *out;       /* [M][ld_c] a product before it joins x */
    float *logits;    /* [ENG_LOGIT_ROWS][ld_v] */
    size_t ld_wide, ld_q, ld_kv, ld_ff, ld_c, ld_v;
    eng_acts acts;                 /* x points to normed */
    uint32_t *logit_rows;          /* [ENG_LOGIT_ROWS] row of the step behind each logits row */
    eng_sampler_scratch *samplers; /* [members] */
} eng_scratch;

struct eng_runtime {
    eng_runtime_options options;
    eng_config shape;
    eng_team *team;
    eng_kv *kv;
    eng_backend backend;
    eng_step step;
    eng_scratch scratch;
    eng_seq *unused; /* sequences that may be created */
    uint32_t max_outputs;
    uint64_t prefix_queries, prefix_hits, rows_computed;
    void **owned; /* every allocation above, freed together */
    size_t n_owned;
};

/* Runs the step on all members: the layer order, read from the config. Allocates nothing. */
void eng__forward(eng_runtime *rt);

#endif
