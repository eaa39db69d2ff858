/* What bench-engine was asked to do. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "engine.h"

enum { OPTIONS_MAX_MODELS = 16, OPTIONS_MAX_LIST = 16 };

/* The cases of --only, one bit each. */
typedef enum bench_case {
    CASE_LIMITS = 1,
    CASE_LOAD = 2,
    CASE_PREFILL = 4,
    CASE_DECODE = 8,
    CASE_STREAMS = 16,
    CASE_PREFIX = 32,
    CASE_BUSY = 64,
    CASE_TRAIN = 128,
    CASE_SGEMM = 256,
    CASES_USUAL = 511 & ~CASE_TRAIN,
    CASES_WITHOUT_MODEL = CASE_LIMITS | CASE_SGEMM
} bench_case;

typedef struct number_list {
    uint32_t items[OPTIONS_MAX_LIST];
    uint32_t n;
} number_list;

typedef struct bench_options {
    const char *models[OPTIONS_MAX_MODELS];
    uint32_t n_models;
    const char *kernels; /* NULL = the widest */
    eng_serve_type serve_type;
    uint32_t n_threads, rounds;
    unsigned cases;                    /* of bench_case */
    bool smoke;                        /* sizes of a self-check; figures mean nothing */
    uint32_t prefill;                  /* tokens of the prompt whose prefill is timed */
    number_list contexts;              /* tokens before a single stream's decode is timed */
    number_list streams;               /* counts of simultaneous streams */
    uint32_t in, out;                  /* tokens in each stream's prompt, tokens decoded */
    uint32_t prefix_n;                 /* answers to one prompt */
    uint32_t train_seqs, train_tokens; /* of the training step: sequences, tokens of each */
    bool checkpoint;                   /* the training step recomputes its layers */
    bool bf16;             /* training steps and products with rounded inputs beside the f32 ones */
    uint32_t busy_threads; /* that share the cores in the busy case */
    int spin_threads;      /* > 0: be nothing but that many busy threads, until stdin closes */
    int spin_nice;
} bench_options;

/* Fills from the command line; prints why and exits (2; 0 for --help) when that cannot be. */
void options_read(bench_options *o, int argc, char **argv);
/* Positions all sequences of the largest case hold together. */
uint32_t options_max_positions(const bench_options *o);

#endif
