/* The measured cases: each runs the engine once and returns a rate or a time.
 *
 * Sequences are made and freed inside a case. Prompts are token ids drawn from `seed`, so that no
 * case meets another's cached prefix. Every decode draws its tokens greedily, as a server would. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "engine.h"

typedef struct bench_subject {
    eng_model *model;
    eng_runtime *runtime;
    uint64_t seed;   /* moves on with every prompt */
    double budget_s; /* a decode that takes longer is cut off and its rate taken from what it did */
} bench_subject;

enum { CASE_STEP_ROWS = 512, CASE_MAX_STREAMS = 64 };

/* The largest number of positions that the cases will hold at once decides the KV pool. */
ENG_MUST_CHECK eng_status case_subject_open(bench_subject *b, const char *path, const char *kernels,
                                            eng_serve_type serve_type, uint32_t n_threads,
                                            uint32_t max_positions, eng_error *err);
void case_subject_close(bench_subject *b);

/* One prompt of n tokens to its first token: tokens/s. */
double case_prefill(bench_subject *b, uint32_t n);
/* n_streams sequences with prompts of `in` tokens, then `out` steps in which each of them gains one
 * token: tokens/s of these steps alone. */
double case_decode(bench_subject *b, uint32_t n_streams, uint32_t in, uint32_t out);
/* n answers to one prompt: seconds until each has its first token, the prompt computed once. */
double case_shared_prefix(bench_subject *b, uint32_t n, uint32_t in);
/* The same for n prompts that share nothing. */
double case_separate_prompts(bench_subject *b, uint32_t n, uint32_t in);
/* Rows the engine has computed since the subject was opened. */
uint64_t case_rows_computed(const bench_subject *b);

/* Seconds to open a model, and to read its file (or a directory's files) once into a small buffer.
 * open returns < 0 with err filled when it fails. */
double case_open(const char *path, const eng_model_options *how, eng_error *err);
double case_read_files(const char *path, uint64_t *bytes);
/* Has the page cache drop these files; false when it holds on to some of their pages, or does not
 * tell. */
bool case_drop_files(const char *path);

#endif
