#include "products.h"

#include "compute/bgemm.h"
#include "compute/sgemm.h"
#include "compute/team.h"

#include <stdio.h>
#include <stdlib.h>

/* C [m][n] from op(A) [m][k] and op(B) [k][n]. */
typedef struct product_shape {
    const char *what;
    eng_transpose ta, tb;
    size_t m, n, k;
    float beta;
} product_shape;

/* SmolLM2-135M (C 576, F 1536, 192 of keys, V 49152) on 1024 tokens, its head on 256 rows of
 * logits; then a tiny model (C 128, F 512) on 256 tokens. */
static const product_shape shapes[] = {
    {"q, o", ENG_PLAIN, ENG_TRANSPOSED, 1024, 576, 576, 0},
    {"k, v", ENG_PLAIN, ENG_TRANSPOSED, 1024, 192, 576, 0},
    {"gate, up", ENG_PLAIN, ENG_TRANSPOSED, 1024, 1536, 576, 0},
    {"down", ENG_PLAIN, ENG_TRANSPOSED, 1024, 576, 1536, 0},
    {"q, o: dX", ENG_PLAIN, ENG_PLAIN, 1024, 576, 576, 0},
    {"gate, up: dX", ENG_PLAIN, ENG_PLAIN, 1024, 576, 1536, 0},
    {"q, o: dW", ENG_TRANSPOSED, ENG_PLAIN, 576, 576, 1024, 1},
    {"k, v: dW", ENG_TRANSPOSED, ENG_PLAIN, 192, 576, 1024, 1},
    {"gate, up: dW", ENG_TRANSPOSED, ENG_PLAIN, 1536, 576, 1024, 1},
    {"logits", ENG_PLAIN, ENG_TRANSPOSED, 256, 49152, 576, 0},
    {"logits: dX", ENG_PLAIN, ENG_PLAIN, 256, 576, 49152, 0},
    {"logits: dW", ENG_TRANSPOSED, ENG_PLAIN, 49152, 576, 256, 1},
    {"tiny q, o", ENG_PLAIN, ENG_TRANSPOSED, 256, 128, 128, 0},
    {"tiny down", ENG_PLAIN, ENG_TRANSPOSED, 256, 128, 512, 0},
    {"tiny q, o: dW", ENG_TRANSPOSED, ENG_PLAIN, 128, 128, 256, 1},
};

/* ---- one product ---- */

typedef struct product {
    product_shape shape;
    float *a, *b, *c;
} product;

static float *make_matrix(size_t floats)
{
    float *x = malloc(floats * sizeof *x);
    if (!x) {
        fprintf(stderr, "bench: no memory for a matrix of %zu floats\n", floats);
        exit(1);
    }
    for (size_t i = 0; i < floats; i++)
        x[i] = (float)(i % 17) - 8;
    return x;
}

/* What makes products: in f32, and of rounded inputs or NULL. */
typedef struct makers {
    eng_sgemm *f32;
    eng_bgemm *bf16;
} makers;

static void run_product(const makers *g, bool bf16, const product *p)
{
    const product_shape *s = &p->shape;
    const size_t lda = s->ta == ENG_PLAIN ? s->k : s->m, ldb = s->tb == ENG_PLAIN ? s->n : s->k;
    if (bf16)
        eng_bgemm_run(g->bf16, s->ta, s->tb, s->m, s->n, s->k, p->a, lda, p->b, ldb,
                      s->ta == ENG_PLAIN ? ENG_DITHERED : ENG_NEAREST, s->beta, p->c, s->n);
    else
        eng_sgemm_run(g->f32, s->ta, s->tb, s->m, s->n, s->k, p->a, lda, p->b, ldb, s->beta, p->c,
                      s->n);
}

static double product_ops(const product_shape *s)
{
    return 2.0 * (double)s->m * (double)s->n * (double)s->k;
}

/* GFLOP/s of as many runs as take `seconds`. */
static double product_rate(const makers *g, bool bf16, const product *p, double seconds)
{
    uint32_t runs = 0;
    double spent = 0;
    for (double begin = now_s(); spent < seconds || !runs; spent = now_s() - begin, runs++)
        run_product(g, bf16, p);
    return product_ops(&p->shape) * runs / spent * 1e-9;
}

static product_shape shrunk(product_shape s)
{
    s.m = s.m < 64 ? s.m : 64;
    s.n = s.n < 64 ? s.n : 64;
    s.k = s.k < 64 ? s.k : 64;
    return s;
}

static void put_bf16(report *r, series *rates, const series *f32, const machine_limits *limits)
{
    report_object(r, "bf16");
    report_string(r, "unit", "GFLOP/s");
    report_spread(r, rates);
    if (limits->bf16_gflop_s > 0)
        report_number(r, "share_of_compute", series_median(rates) / limits->bf16_gflop_s);
    report_number(r, "times_f32", series_median(rates) / series_median(f32));
    report_close_object(r);
}

static void put_product(report *r, const makers *g, const product_shape *s,
                        const products_options *o, const machine_limits *limits)
{
    const double seconds = o->smoke ? 0 : 0.02;
    product p = {*s, make_matrix(s->m * s->k), make_matrix(s->k * s->n), make_matrix(s->m * s->n)};
    series rates = {0}, rounded = {0};
    run_product(g, false, &p);
    if (g->bf16)
        run_product(g, true, &p);
    for (uint32_t i = 0; i < o->rounds; i++) {
        series_add(&rates, product_rate(g, false, &p, seconds));
        if (g->bf16)
            series_add(&rounded, product_rate(g, true, &p, seconds));
    }
    report_object(r, NULL);
    report_string(r, "product", s->what);
    report_bool(r, "a_transposed", s->ta == ENG_TRANSPOSED);
    report_bool(r, "b_transposed", s->tb == ENG_TRANSPOSED);
    report_count(r, "m", s->m);
    report_count(r, "n", s->n);
    report_count(r, "k", s->k);
    report_number(r, "beta", (double)s->beta);
    report_string(r, "unit", "GFLOP/s");
    report_spread(r, &rates);
    if (limits->fp32_gflop_s > 0)
        report_number(r, "share_of_compute", series_median(&rates) / limits->fp32_gflop_s);
    if (g->bf16)
        put_bf16(r, &rounded, &rates, limits);
    report_close_object(r);
    series_free(&rates);
    series_free(&rounded);
    free(p.a), free(p.b), free(p.c);
}

void products_measure(report *r, const char *key, const products_options *o,
                      const machine_limits *limits)
{
    eng_team *team = NULL;
    makers g = {NULL, NULL};
    eng_error err;
    eng_parallel parallel;
    eng_status st = eng__team_create(&team, o->n_threads, 0, &err);
    if (st == ENG_OK) {
        parallel = eng__team_parallel(team);
        st = eng_sgemm_create(&g.f32, &parallel, o->kernels, &err);
    }
    if (st == ENG_OK && o->bf16)
        st = eng_bgemm_create(&g.bf16, &parallel, o->kernels, &err);
    if (st != ENG_OK) {
        fprintf(stderr, "bench-engine: %s\n", err.text);
        exit(1);
    }
    report_array(r, key);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const product_shape s = o->smoke ? shrunk(shapes[i]) : shapes[i];
        put_product(r, &g, &s, o, limits);
    }
    report_close_array(r);
    eng_sgemm_free(g.f32);
    eng_bgemm_free(g.bf16);
    eng__team_free(team);
}
