#include "cases.h"

#include "measure.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BUFFER = 1 << 20 };

static void die(const char *what)
{
    fprintf(stderr, "bench-engine: %s\n", what);
    exit(1);
}

/* ---- the subject ---- */

eng_status case_subject_open(bench_subject *b, const char *path, const char *kernels,
                             eng_serve_type serve_type, uint32_t n_threads, uint32_t max_positions,
                             eng_error *err)
{
    const eng_model_options how = {
        .serve_type = serve_type, .n_threads = n_threads, .kernels = kernels};
    *b = (bench_subject){.seed = 1, .budget_s = 20};
    eng_status st = eng_model_open(&b->model, path, &how, err);
    if (st != ENG_OK)
        return st;
    const eng_config *c = eng_model_config(b->model);
    /* f16 keys and values; every sequence may leave its last block part empty */
    const size_t position = (size_t)c->n_layer * 2 * c->n_kv_head * c->head_dim * 2;
    const eng_runtime_options options = {
        .n_threads = n_threads,
        .max_rows = CASE_STEP_ROWS,
        .max_seqs = CASE_MAX_STREAMS,
        .kv_bytes = position * ((size_t)max_positions + 64 * CASE_MAX_STREAMS)};
    st = eng_runtime_create(&b->runtime, b->model, &options, err);
    if (st != ENG_OK)
        eng_model_unref(b->model);
    return st;
}

void case_subject_close(bench_subject *b)
{
    eng_runtime_free(b->runtime);
    eng_model_unref(b->model);
}

/* ---- steps ---- */

static const eng_sampling greedy = {.top_p = 1};

static uint32_t next_random(bench_subject *b)
{
    b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(b->seed >> 33);
}

static int32_t *random_prompt(bench_subject *b, uint32_t n)
{
    const uint32_t vocab = eng_model_config(b->model)->n_vocab;
    int32_t *ids = malloc(n * sizeof *ids);
    if (!ids)
        die("out of memory");
    for (uint32_t i = 0; i < n; i++)
        ids[i] = (int32_t)(next_random(b) % vocab);
    return ids;
}

/* Appends n rows to the step and asks for n_outputs draws from the last of them. */
static void add_rows(bench_subject *b, eng_seq *seq, const int32_t *ids, uint32_t n,
                     eng_output *outputs, uint32_t n_outputs)
{
    if (!eng_seq_reserve(b->runtime, seq, n))
        die("the KV pool is too small for this case");
    uint32_t row = eng_step_add(b->runtime, seq, ids, n);
    for (uint32_t i = 0; i < n_outputs; i++) {
        outputs[i] = (eng_output){.sampling = &greedy, .target = -1};
        eng_step_want(b->runtime, row + n - 1, &outputs[i]);
    }
}

static eng_seq *open_seq(bench_subject *b)
{
    eng_seq *seq = eng_seq_create(b->runtime, b->model);
    if (!seq)
        die("too many streams");
    return seq;
}

/* A prompt to its first tokens, in steps of at most CASE_STEP_ROWS rows. */
static void prefill(bench_subject *b, eng_seq *seq, const int32_t *ids, uint32_t n,
                    eng_output *outputs, uint32_t n_outputs)
{
    for (uint32_t done = 0, rows; done < n; done += rows) {
        rows = n - done < CASE_STEP_ROWS ? n - done : CASE_STEP_ROWS;
        eng_step_begin(b->runtime, b->model);
        add_rows(b, seq, ids + done, rows, outputs, done + rows == n ? n_outputs : 0);
        eng_step_run(b->runtime);
    }
}

/* ---- cases ---- */

double case_prefill(bench_subject *b, uint32_t n)
{
    eng_output output;
    int32_t *ids = random_prompt(b, n);
    double begin = now_s();
    eng_seq *seq = open_seq(b);
    prefill(b, seq, ids, n, &output, 1);
    double seconds = now_s() - begin;
    eng_seq_free(b->runtime, seq);
    free(ids);
    return n / seconds;
}

double case_decode(bench_subject *b, uint32_t n_streams, uint32_t in, uint32_t out)
{
    eng_seq *seqs[CASE_MAX_STREAMS];
    eng_output outputs[CASE_MAX_STREAMS]; /* of each newest row: the token is the next to feed */
    for (uint32_t i = 0; i < n_streams; i++) {
        int32_t *ids = random_prompt(b, in);
        seqs[i] = open_seq(b);
        prefill(b, seqs[i], ids, in, &outputs[i], 1);
        free(ids);
    }
    uint32_t steps = 0;
    double begin = now_s(), seconds = 0;
    while (steps < out && seconds < b->budget_s) {
        eng_step_begin(b->runtime, b->model);
        for (uint32_t i = 0; i < n_streams; i++) {
            int32_t token = outputs[i].token;
            add_rows(b, seqs[i], &token, 1, &outputs[i], 1);
        }
        eng_step_run(b->runtime);
        steps++;
        seconds = now_s() - begin;
    }
    for (uint32_t i = 0; i < n_streams; i++)
        eng_seq_free(b->runtime, seqs[i]);
    return (double)steps * n_streams / seconds;
}

double case_shared_prefix(bench_subject *b, uint32_t n, uint32_t in)
{
    eng_output outputs[CASE_MAX_STREAMS];
    eng_seq *seqs[CASE_MAX_STREAMS];
    int32_t *ids = random_prompt(b, in);
    double begin = now_s();
    seqs[0] = open_seq(b);
    prefill(b, seqs[0], ids, in, outputs, n);
    for (uint32_t i = 1; i < n; i++)
        seqs[i] = eng_seq_fork(b->runtime, seqs[0]);
    double seconds = now_s() - begin;
    for (uint32_t i = 0; i < n; i++)
        eng_seq_free(b->runtime, seqs[i]);
    free(ids);
    return seconds;
}

double case_separate_prompts(bench_subject *b, uint32_t n, uint32_t in)
{
    eng_output output;
    eng_seq *seqs[CASE_MAX_STREAMS];
    double seconds = 0;
    for (uint32_t i = 0; i < n; i++) {
        int32_t *ids = random_prompt(b, in);
        double begin = now_s();
        seqs[i] = open_seq(b);
        prefill(b, seqs[i], ids, in, &output, 1);
        seconds += now_s() - begin;
        free(ids);
    }
    for (uint32_t i = 0; i < n; i++)
        eng_seq_free(b->runtime, seqs[i]);
    return seconds;
}

uint64_t case_rows_computed(const bench_subject *b)
{
    eng_kv_stats stats;
    eng_runtime_kv_stats(b->runtime, &stats);
    return stats.rows_computed;
}

/* ---- loading ---- */

double case_open(const char *path, const eng_model_options *how, eng_error *err)
{
    eng_model *model;
    double begin = now_s();
    if (eng_model_open(&model, path, how, err) != ENG_OK)
        return -1;
    double seconds = now_s() - begin;
    eng_model_unref(model);
    return seconds;
}

/* Adds what fn tells of a file, or of each file of a directory. */
typedef uint64_t file_fn(int fd, uint8_t *buffer);

static uint64_t visit_file(const char *path, file_fn *fn, uint8_t *buffer)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    const uint64_t told = fn(fd, buffer);
    close(fd);
    return told;
}

static uint64_t visit_files(const char *path, file_fn *fn, uint8_t *buffer)
{
    uint64_t total = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return visit_file(path, fn, buffer);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char name[4096];
        struct stat st;
        int n = snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        if (n < (int)sizeof name && stat(name, &st) == 0 && S_ISREG(st.st_mode))
            total += visit_file(name, fn, buffer);
    }
    closedir(dir);
    return total;
}

static uint64_t read_file(int fd, uint8_t *buffer)
{
    uint64_t total = 0;
    for (ssize_t n; (n = read(fd, buffer, READ_BUFFER)) > 0;)
        total += (uint64_t)n;
    return total;
}

double case_read_files(const char *path, uint64_t *bytes)
{
    uint8_t *buffer = malloc(READ_BUFFER);
    if (!buffer)
        die("out of memory");
    double begin = now_s();
    *bytes = visit_files(path, read_file, buffer);
    double seconds = now_s() - begin;
    free(buffer);
    return seconds;
}

/* Pages of the file that the page cache still holds after it was asked to drop them; a kernel that
 * will not tell says all. */
static uint64_t drop_file(int fd, uint8_t *buffer)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct stat st;
    (void)buffer;
    if (fstat(fd, &st) != 0 || st.st_size == 0)
        return 0;
    fsync(fd); /* pages that are not on disk yet cannot go */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    const size_t n = ((size_t)st.st_size + page - 1) / page;
    uint64_t held = n;
    unsigned char *here = malloc(n);
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (here && at != MAP_FAILED && mincore(at, (size_t)st.st_size, here) == 0) {
        held = 0;
        for (size_t i = 0; i < n; i++)
            held += here[i] & 1;
    }
    if (at != MAP_FAILED)
        munmap(at, (size_t)st.st_size);
    free(here);
    return held;
}

bool case_drop_files(const char *path)
{
    return visit_files(path, drop_file, NULL) == 0;
}
