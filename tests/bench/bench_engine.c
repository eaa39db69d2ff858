/* bench-engine: the engine's figures and the machine's limits, from one run, as JSON. */
#include "cases.h"
#include "crew.h"
#include "machine_limits.h"
#include "options.h"
#include "products.h"
#include "report.h"
#include "train_case.h"
#include "weights.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One model under measurement. */
typedef struct bench {
    const bench_options *options;
    const machine_limits *limits; /* all 0 when not measured */
    bench_subject subject;
    weight_cost cost;
    report *out;
} bench;

/* ---- figures ---- */

/* Shares of what the machine can do, from the best rate's bytes and operations a second. */
static void put_shares(bench *b, double bytes_s, double ops_s)
{
    if (bytes_s > 0 && b->limits->memory_gb_s > 0)
        report_number(b->out, "share_of_memory", bytes_s * 1e-9 / b->limits->memory_gb_s);
    if (ops_s > 0 && b->cost.limit_gop_s > 0)
        report_number(b->out, "share_of_compute", ops_s * 1e-9 / b->cost.limit_gop_s);
}

static bool fits_context(bench *b, const char *key, uint32_t positions)
{
    const uint32_t n_ctx = eng_model_config(b->subject.model)->n_ctx;
    if (positions <= n_ctx)
        return true;
    char why[96];
    snprintf(why, sizeof why, "needs %u positions, the model has %u", positions, n_ctx);
    report_object(b->out, key);
    report_string(b->out, "skipped", why);
    report_close_object(b->out);
    return false;
}

static void put_prefill(bench *b)
{
    const uint32_t n = b->options->prefill;
    series rates = {0};
    if (!fits_context(b, "prefill", n))
        return;
    for (uint32_t i = 0; i < b->options->rounds; i++)
        series_add(&rates, case_prefill(&b->subject, n));
    report_object(b->out, "prefill");
    report_string(b->out, "unit", "tokens/s");
    report_count(b->out, "tokens", n);
    report_spread(b->out, &rates);
    double steps_s = series_median(&rates) / n; /* prompts a second */
    put_shares(b, 0, steps_s * (n * b->cost.row_ops + b->cost.output_ops));
    report_close_object(b->out);
    series_free(&rates);
}

static void put_decode(bench *b, const char *key, uint32_t streams, uint32_t in, uint32_t out)
{
    series rates = {0};
    if (!fits_context(b, key, in + out))
        return;
    for (uint32_t i = 0; i < b->options->rounds; i++)
        series_add(&rates, case_decode(&b->subject, streams, in, out));
    report_object(b->out, key);
    report_string(b->out, "unit", "tokens/s");
    report_count(b->out, "streams", streams);
    report_count(b->out, "context", in);
    report_count(b->out, "tokens", out);
    report_spread(b->out, &rates);
    double rate = series_median(&rates);
    put_shares(b, rate / streams * (double)b->cost.step_bytes,
               rate * (b->cost.row_ops + b->cost.output_ops));
    report_close_object(b->out);
    series_free(&rates);
}

static void put_decodes(bench *b)
{
    char key[48];
    const bench_options *o = b->options;
    for (uint32_t i = 0; i < o->contexts.n && (o->cases & CASE_DECODE); i++) {
        snprintf(key, sizeof key, "decode_context_%u", o->contexts.items[i]);
        put_decode(b, key, 1, o->contexts.items[i], o->out);
    }
    for (uint32_t i = 0; i < o->streams.n && (o->cases & CASE_STREAMS); i++) {
        snprintf(key, sizeof key, "decode_streams_%u", o->streams.items[i]);
        put_decode(b, key, o->streams.items[i], o->in, o->out);
    }
}

static void put_busy(bench *b)
{
    static const int nice_values[] = {0, 19};
    char key[48];
    for (size_t i = 0; i < 2; i++) {
        snprintf(key, sizeof key, "decode_busy_nice_%d", nice_values[i]);
        busy *others = busy_start(b->options->busy_threads, nice_values[i]);
        put_decode(b, key, 1, b->options->in, b->options->out);
        busy_stop(others);
    }
}

static void put_seconds(bench *b, const char *key, series *s)
{
    report_object(b->out, key);
    report_string(b->out, "unit", "s");
    report_spread(b->out, s);
    report_close_object(b->out);
}

/* Times to the first token of n answers, and how many rows the engine computed for them. */
static void put_prefix(bench *b)
{
    const uint32_t n = b->options->prefix_n, in = b->options->prefill;
    series shared = {0}, separate = {0};
    uint64_t shared_rows = 0, separate_rows = 0;
    if (!fits_context(b, "prefix", in))
        return;
    for (uint32_t i = 0; i < b->options->rounds; i++) {
        uint64_t rows = case_rows_computed(&b->subject);
        series_add(&shared, case_shared_prefix(&b->subject, n, in));
        shared_rows = case_rows_computed(&b->subject) - rows;
        series_add(&separate, case_separate_prompts(&b->subject, n, in));
        separate_rows = case_rows_computed(&b->subject) - rows - shared_rows;
    }
    report_object(b->out, "prefix");
    report_count(b->out, "answers", n);
    report_count(b->out, "prompt_tokens", in);
    put_seconds(b, "shared", &shared);
    put_seconds(b, "separate", &separate);
    report_count(b->out, "shared_rows", shared_rows);
    report_count(b->out, "separate_rows", separate_rows);
    report_number(b->out, "times_faster", series_median(&separate) / series_median(&shared));
    report_close_object(b->out);
    series_free(&shared);
    series_free(&separate);
}

/* Opening a model beside reading its bytes once, each in the same state of the page cache. */
typedef struct load_times {
    series open, named, read; /* named: its digest is known, as it is to a daemon's second start */
} load_times;

static void put_load_times(bench *b, const char *key, load_times *t)
{
    if (t->open.n == 0)
        return;
    report_object(b->out, key);
    const double read_s = series_median(&t->read);
    put_seconds(b, "open", &t->open);
    put_seconds(b, "open_with_digest", &t->named);
    put_seconds(b, "read_once", &t->read);
    report_number(b->out, "times_reading", series_median(&t->open) / read_s);
    report_number(b->out, "times_reading_with_digest", series_median(&t->named) / read_s);
    report_close_object(b->out);
}

static void free_load_times(load_times *t)
{
    series_free(&t->open);
    series_free(&t->named);
    series_free(&t->read);
}

/* digest NULL: it is computed. */
static double open_once(const bench *b, const char *path, const char *digest)
{
    const bench_options *o = b->options;
    eng_error err;
    return case_open(path,
                     &(eng_model_options){.serve_type = o->serve_type,
                                          .n_threads = o->n_threads,
                                          .kernels = o->kernels,
                                          .digest = digest},
                     &err);
}

/* One round from a cold cache; false: the system keeps the file in it. */
static bool load_cold(const bench *b, const char *path, const char *digest, load_times *t)
{
    uint64_t bytes;
    if (!case_drop_files(path))
        return false;
    const double open_s = open_once(b, path, NULL);
    if (!case_drop_files(path))
        return false;
    const double named_s = open_once(b, path, digest);
    if (!case_drop_files(path))
        return false;
    series_add(&t->open, open_s);
    series_add(&t->named, named_s);
    series_add(&t->read, case_read_files(path, &bytes));
    return true;
}

/* The cached rounds come first: how a file came into the cache decides how fast it is read. */
static void put_load(bench *b, const char *path)
{
    load_times cached = {0}, cold = {0};
    uint64_t bytes = 0;
    char digest[65] = "";
    eng_error ignored; /* the subject was opened from there */
    if (eng_model_file_digest(path, digest, &ignored) != ENG_OK)
        return;
    case_read_files(path, &bytes); /* now it is in the page cache */
    for (uint32_t i = 0; i < b->options->rounds; i++) {
        series_add(&cached.read, case_read_files(path, &bytes));
        series_add(&cached.open, open_once(b, path, NULL));
        series_add(&cached.named, open_once(b, path, digest));
    }
    for (uint32_t i = 0; i < b->options->rounds && load_cold(b, path, digest, &cold);)
        i++;
    report_object(b->out, "load");
    report_count(b->out, "file_bytes", bytes);
    put_load_times(b, "cached", &cached);
    put_load_times(b, "cold", &cold);
    report_close_object(b->out);
    free_load_times(&cached);
    free_load_times(&cold);
}

/* Median seconds of one part of a step. */
static void put_part(report *out, const char *key, const train_times *steps, uint32_t n,
                     size_t offset)
{
    series seconds = {0};
    for (uint32_t i = 0; i < n; i++) {
        double s;
        memcpy(&s, (const char *)&steps[i] + offset, sizeof s);
        series_add(&seconds, s);
    }
    series_sort(&seconds);
    report_number(out, key, series_median(&seconds));
    series_free(&seconds);
}

static void put_shape(report *out, const eng_config *c)
{
    report_object(out, "shape");
    report_string(out, "arch", c->arch);
    report_count(out, "vocab", c->n_vocab);
    report_count(out, "embd", c->n_embd);
    report_count(out, "layers", c->n_layer);
    report_count(out, "heads", c->n_head);
    report_count(out, "kv_heads", c->n_kv_head);
    report_count(out, "head_dim", c->head_dim);
    report_count(out, "ff", c->n_ff);
    report_count(out, "context", c->n_ctx);
    report_bool(out, "tied", c->tied);
    report_close_object(out);
}

/* Steps of one way to compute. */
typedef struct train_run {
    train_times *steps; /* [rounds] */
    series rates;
} train_run;

static void put_train_run(bench *b, train_subject *s, train_run *run, const char *share,
                          double limit_gflop_s)
{
    const bench_options *o = b->options;
    const double tokens = (double)o->train_seqs * o->train_tokens;
    report_string(b->out, "unit", "tokens/s");
    report_spread(b->out, &run->rates);
    if (limit_gflop_s > 0)
        report_number(b->out, share,
                      series_median(&run->rates) / tokens * train_step_ops(s) * 1e-9 /
                          limit_gflop_s);
    put_part(b->out, "forward_s", run->steps, o->rounds, offsetof(train_times, forward));
    put_part(b->out, "backward_s", run->steps, o->rounds, offsetof(train_times, backward));
    put_part(b->out, "optimizer_s", run->steps, o->rounds, offsetof(train_times, optimizer));
}

/* Step by step in turns, so that what disturbs the machine disturbs both. */
static void put_train_figures(bench *b, train_subject *s)
{
    const bench_options *o = b->options;
    const double tokens = (double)o->train_seqs * o->train_tokens;
    train_run runs[2] = {{.steps = calloc(o->rounds, sizeof(train_times))},
                         {.steps = calloc(o->rounds, sizeof(train_times))}};
    for (uint32_t i = 0; runs[0].steps && runs[1].steps && i < o->rounds; i++)
        for (int c = 0; c < 1 + o->bf16; c++) {
            runs[c].steps[i] = train_step(s, (eng_compute)c);
            series_add(&runs[c].rates, tokens / runs[c].steps[i].whole);
        }
    report_count(b->out, "sequences", o->train_seqs);
    report_count(b->out, "tokens", o->train_tokens);
    report_count(b->out, "tape_bytes", train_tape_bytes(s));
    put_train_run(b, s, &runs[ENG_COMPUTE_F32], "share_of_fp32", b->limits->fp32_gflop_s);
    if (o->bf16) {
        report_object(b->out, "bf16");
        put_train_run(b, s, &runs[ENG_COMPUTE_BF16], "share_of_bf16", b->limits->bf16_gflop_s);
        report_number(b->out, "times_f32",
                      series_median(&runs[ENG_COMPUTE_BF16].rates) /
                          series_median(&runs[ENG_COMPUTE_F32].rates));
        report_close_object(b->out);
    }
    for (int c = 0; c < 2; c++) {
        series_free(&runs[c].rates);
        free(runs[c].steps);
    }
}

static eng_status put_train(bench *b, const char *path, eng_error *err)
{
    const bench_options *o = b->options;
    train_subject *s;
    if (!fits_context(b, "train", o->train_tokens))
        return ENG_OK;
    eng_status st = train_open(&s, path, o->kernels, o->n_threads, o->train_seqs, o->train_tokens,
                               o->checkpoint, o->bf16, err);
    if (st != ENG_OK)
        return st;
    for (int c = 0; c < 1 + o->bf16; c++)
        train_step(s, (eng_compute)c); /* pages touched, threads started, clocks up */
    report_object(b->out, "train");
    put_shape(b->out, eng_model_config(b->subject.model));
    put_train_figures(b, s);
    report_close_object(b->out);
    train_close(s);
    return ENG_OK;
}

/* ---- models ---- */

/* Pages touched, threads started, clocks up. */
static void warm_up(bench *b)
{
    const uint32_t n_ctx = eng_model_config(b->subject.model)->n_ctx;
    const uint32_t n = b->options->prefill < n_ctx ? b->options->prefill : n_ctx;
    if (b->options->cases & (CASE_PREFILL | CASE_PREFIX))
        case_prefill(&b->subject, n);
    case_decode(&b->subject, 1, n_ctx < 16 ? 1 : 8, n_ctx < 16 ? 1 : 8);
}

static void put_model_facts(bench *b, const char *path)
{
    const eng_model *m = b->subject.model;
    report_string(b->out, "path", path);
    report_string(b->out, "digest", eng_model_digest(m));
    report_string(b->out, "dtype", eng_model_dtype(m));
    report_string(b->out, "kernels", eng_model_kernels(m));
    report_count(b->out, "resident_bytes", eng_model_bytes(m));
    report_count(b->out, "bytes_per_step", b->cost.step_bytes);
    report_number(b->out, "ops_per_row", b->cost.row_ops);
    report_number(b->out, "ops_per_output", b->cost.output_ops);
    report_string(b->out, "compute_limit", b->cost.unit);
}

static eng_status put_model(bench *b, const char *path, eng_error *err)
{
    const bench_options *o = b->options;
    eng_status st = case_subject_open(&b->subject, path, o->kernels, o->serve_type, o->n_threads,
                                      options_max_positions(o), err);
    if (st != ENG_OK)
        return st;
    b->cost = weight_cost_of(b->subject.model, b->limits);
    report_object(b->out, NULL);
    put_model_facts(b, path);
    if (o->cases & ~(unsigned)(CASES_WITHOUT_MODEL | CASE_LOAD | CASE_TRAIN))
        warm_up(b);
    if (o->cases & CASE_PREFILL)
        put_prefill(b);
    put_decodes(b);
    if (o->cases & CASE_PREFIX)
        put_prefix(b);
    if (o->cases & CASE_BUSY)
        put_busy(b);
    if (o->cases & CASE_LOAD)
        put_load(b, path);
    if (o->cases & CASE_TRAIN)
        st = put_train(b, path, err);
    report_close_object(b->out);
    case_subject_close(&b->subject);
    return st;
}

/* ---- the run ---- */

static void put_machine(report *r, const bench_options *o)
{
    char line[512], name[256] = "";
    double load[1];
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && !*name && fgets(line, sizeof line, f))
        if (sscanf(line, "model name : %255[^\n]", name) == 1)
            break;
    if (f)
        fclose(f);
    report_string(r, "cpu", *name ? name : NULL);
    report_count(r, "cores", eng_cpu_count());
    report_count(r, "threads", o->n_threads);
    report_string(r, "widest_kernels", eng_cpu_kernels());
    /* what else the machine did in the last minute: figures of a busy machine mean little */
    if (getloadavg(load, 1) == 1)
        report_number(r, "load_average", load[0]);
}

static int spin(const bench_options *o)
{
    char c;
    busy *b = busy_start((uint32_t)o->spin_threads, o->spin_nice);
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    busy_stop(b);
    return 0;
}

int main(int argc, char **argv)
{
    bench_options options;
    machine_limits limits = {0};
    report out;
    options_read(&options, argc, argv);
    if (options.spin_threads)
        return spin(&options);

    report_begin(&out, stdout);
    report_string(&out, "bench", "engine");
    put_machine(&out, &options);
    if (options.cases & CASE_LIMITS) {
        const limits_options how = {.n_threads = options.n_threads,
                                    .rounds = options.rounds,
                                    .memory_bytes = options.smoke ? (size_t)4 << 20 : 0,
                                    .seconds = options.smoke ? 0.001 : 0.04};
        limits = limits_measure(&out, "limits", &how);
    }
    if (options.cases & CASE_SGEMM) {
        const products_options how = {.n_threads = options.n_threads,
                                      .rounds = options.rounds,
                                      .kernels = options.kernels,
                                      .smoke = options.smoke,
                                      .bf16 = options.bf16};
        products_measure(&out, "sgemm", &how, &limits);
    }
    report_array(&out, "models");
    for (uint32_t i = 0; i < options.n_models; i++) {
        bench b = {.options = &options, .limits = &limits, .out = &out};
        eng_error err;
        if (put_model(&b, options.models[i], &err) != ENG_OK) {
            fprintf(stderr, "bench-engine: %s: %s\n", options.models[i], err.text);
            return 1;
        }
    }
    report_close_array(&out);
    report_end(&out);
    return 0;
}
