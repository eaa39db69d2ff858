#include "machine_limits.h"

#include "crew.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLICE = 4096, LEAST_BYTES = 256 << 20, MOST_BYTES = 1 << 30 };

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* ---- memory ---- */

typedef struct reading {
    const uint8_t *data;
    size_t slice; /* bytes a member reads in one pass */
    uint32_t passes;
    uint64_t sums[CREW_MAX];
} reading;

static void read_slice(void *arg, uint32_t member)
{
    reading *job = arg;
    for (uint32_t p = 0; p < job->passes; p++)
        job->sums[member] += limits_read(job->data + member * job->slice, job->slice);
}

/* GB/s of n threads, each reading its own part of `bytes` again and again. */
static void measure_read(series *out, const uint8_t *data, size_t bytes, uint32_t n,
                         uint32_t passes, uint32_t rounds)
{
    reading job = {.data = data, .slice = bytes / n / SLICE * SLICE, .passes = passes};
    for (uint32_t i = 0; i < rounds; i++) {
        double s = crew_run(n, read_slice, &job);
        series_add(out, (double)job.slice * n * passes / s * 1e-9);
    }
}

static double put_read(report *r, const char *key, const uint8_t *data, size_t bytes, uint32_t n,
                       uint32_t passes, uint32_t rounds)
{
    series s = {0};
    measure_read(&s, data, bytes, n, passes, rounds);
    report_object(r, key);
    report_string(r, "unit", "GB/s");
    report_count(r, "threads", n);
    report_count(r, "bytes", bytes);
    report_spread(r, &s);
    double best = s.values[s.n - 1];
    report_close_object(r);
    series_free(&s);
    return best;
}

/* What the kernel says first: sysconf counts the whole package where a guest sees a part of it. */
static size_t last_cache_bytes(void)
{
    unsigned kib = 0;
    FILE *f = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "re");
    if (f && fscanf(f, "%uK", &kib) != 1)
        kib = 0;
    if (f)
        fclose(f);
    if (kib)
        return (size_t)kib << 10;
    long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return l3 > 0 ? (size_t)l3 : l2 > 0 ? (size_t)l2 : (size_t)8 << 20;
}

/* Zero pages all map to one page of memory until they are written. */
static uint8_t *touched_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "bench: no memory for a buffer of %zu bytes\n", bytes);
        exit(1);
    }
    madvise(p, bytes, MADV_HUGEPAGE);
    memset(p, 1, bytes);
    return p;
}

static double measure_memory(report *r, const limits_options *o)
{
    const size_t cache = last_cache_bytes();
    size_t bytes = o->memory_bytes;
    if (!bytes) {
        bytes = 8 * cache < MOST_BYTES ? 8 * cache : MOST_BYTES;
        bytes = bytes > LEAST_BYTES ? bytes : LEAST_BYTES;
    }
    const size_t in_cache = (cache / 2 < bytes ? cache / 2 : bytes) / SLICE * SLICE;
    uint8_t *data = touched_memory(bytes);
    report_count(r, "last_cache_bytes", cache);
    double alone = put_read(r, "memory_read_1", data, bytes, 1, 1, o->rounds);
    double best = put_read(r, "memory_read", data, bytes, o->n_threads, 1, o->rounds);
    uint32_t passes = (uint32_t)(bytes / in_cache);
    put_read(r, "cache_read", data, in_cache, o->n_threads, passes + 1, o->rounds);
    munmap(data, bytes);
    return larger(best, alone);
}

/* ---- computing ---- */

typedef struct turning {
    const compute_loop *loop;
    uint64_t turns;
} turning;

static void run_loop(void *arg, uint32_t member)
{
    const turning *t = arg;
    (void)member;
    t->loop->run(t->turns);
}

static double measure_loop(report *r, const char *key, const compute_loop *loop, uint32_t n,
                           const limits_options *o)
{
    turning t = {loop, 1 << 12};
    while (crew_run(n, run_loop, &t) < o->seconds)
        t.turns *= 2;
    series s = {0};
    for (uint32_t i = 0; i < o->rounds; i++)
        series_add(&s, loop->ops * (double)t.turns * n / crew_run(n, run_loop, &t) * 1e-9);
    report_object(r, key);
    report_string(r, "unit", "Gop/s");
    report_string(r, "with", loop->name);
    report_count(r, "threads", n);
    report_spread(r, &s);
    report_close_object(r);
    double best = s.values[s.n - 1];
    series_free(&s);
    return best;
}

/* With one thread and with all: beside other work, all may well do less than one. */
static double measure_both(report *r, const char *key_one, const char *key,
                           const compute_loop *loop, const limits_options *o)
{
    double one = measure_loop(r, key_one, loop, 1, o);
    return larger(one, measure_loop(r, key, loop, o->n_threads, o));
}

machine_limits limits_measure(report *r, const char *key, const limits_options *o)
{
    machine_limits limits = {0};
    const compute_loop fp32 = limits_fp32_loop(), int8 = limits_int8_loop(),
                       bf16 = limits_bf16_loop();
    report_object(r, key);
    limits.memory_gb_s = measure_memory(r, o);
    limits.fp32_gflop_s = measure_both(r, "fp32_1", "fp32", &fp32, o);
    limits.int8_gop_s = measure_both(r, "int8_1", "int8", &int8, o);
    if (bf16.run)
        limits.bf16_gflop_s = measure_both(r, "bf16_1", "bf16", &bf16, o);
    else
        report_string(r, "bf16", NULL);
    report_object(r, "used"); /* what shares are taken of */
    report_number(r, "memory", limits.memory_gb_s);
    report_number(r, "fp32", limits.fp32_gflop_s);
    report_number(r, "int8", limits.int8_gop_s);
    if (bf16.run)
        report_number(r, "bf16", limits.bf16_gflop_s);
    report_close_object(r);
    report_close_object(r);
    return limits;
}
