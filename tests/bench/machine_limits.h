/* The machine's own limits, measured in the run whose figures they are to be compared with. */
#ifndef BENCH_MACHINE_LIMITS_H
#define BENCH_MACHINE_LIMITS_H

#include "report.h"

#include <stdint.h>

/* The best of all rounds, with one thread or with all: noise can only make a limit too low. */
typedef struct machine_limits {
    double memory_gb_s; /* read from far beyond every cache */
    double fp32_gflop_s, int8_gop_s;
    double bf16_gflop_s; /* 0 when the CPU has no bf16 dot product */
} machine_limits;

typedef struct limits_options {
    uint32_t n_threads, rounds;
    size_t memory_bytes; /* read in one pass; 0 = eight times the last cache, 256 MiB to 1 GiB */
    double seconds;      /* how long one compute measurement takes at least */
} limits_options;

/* Measures and writes the object `key`. */
machine_limits limits_measure(report *r, const char *key, const limits_options *options);

/* ---- the loops (machine_loops.c) ---- */

/* One loop that does nothing but `ops` operations a turn, in registers. */
typedef struct compute_loop {
    const char *name; /* instruction and width: "avx2 vpmaddubsw" */
    double ops;       /* a multiply and an add count as two */
    void (*run)(uint64_t turns);
} compute_loop;

/* The widest loop this CPU runs; bf16 is {0} when there is none. */
compute_loop limits_fp32_loop(void);
compute_loop limits_int8_loop(void);
compute_loop limits_bf16_loop(void);
/* Reads every byte (a multiple of 512, 64-byte aligned). The result is of no use but to the
 * compiler. */
uint64_t limits_read(const void *data, size_t bytes);

#endif
