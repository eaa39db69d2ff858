#include "formats/descent.h"

#include "formats/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 16384, MIN_ELEMENTS = 16 };

/* A tensor of the base and its child, by samples of the same elements. */
typedef struct pair {
    const eng_tensor_info *info;
    const char *part; /* "ffn_up.weight": the name without its layer; NULL outside the layers */
    float *base, *child;
    size_t n;
    double base_sq, child_sq; /* sums of squares */
    bool child_zero;          /* all of it, not of the sample */
} pair;

typedef struct family {
    pair *pairs;
    size_t n;
} family;

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static double cosine(double dot_product, double a_sq, double b_sq)
{
    const double scale = sqrt(a_sq) * sqrt(b_sq);
    return scale > 0 ? dot_product / scale : 0;
}

static size_t sample_of(const eng_tensor_info *t)
{
    return t->n_elements < SAMPLE ? (size_t)t->n_elements : SAMPLE;
}

/* An odd step, so that a sample does not stay in a few columns. */
static void sample(float *out, size_t n, const float *data, size_t n_elements)
{
    const size_t step = (n_elements / n) | 1;
    for (size_t i = 0, at = 0; i < n; i++, at = (at + step) % n_elements)
        out[i] = data[at];
}

static bool all_zero(const float *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (data[i] != 0)
            return false;
    return true;
}

static const char *part_of(const char *name)
{
    const char *dot_at = strncmp(name, "blk.", 4) == 0 ? strchr(name + 4, '.') : NULL;
    return dot_at ? dot_at + 1 : NULL;
}

static const eng_weight *find_weight(const eng_weights *weights, const eng_tensor_info *t)
{
    for (uint32_t i = 0; i < weights->n; i++)
        if (strcmp(weights->list[i].name, t->name) == 0)
            return weights->list[i].n == t->n_elements ? &weights->list[i] : NULL;
    return NULL;
}

/* ---- taking samples ---- */

static eng_status add_pair(family *f, const eng_source *src, const eng_tensor_info *t,
                           const eng_weight *w, float *scratch, eng_error *err)
{
    pair *p = &f->pairs[f->n];
    const size_t n = sample_of(t);
    eng_status st = eng__source_read_f32(src, t, scratch, err);
    if (st != ENG_OK)
        return st;
    p->base = malloc(2 * n * sizeof *p->base);
    if (!p->base)
        return eng_fail(err, ENG_NOMEM, "tensor %s: no memory to compare it", t->name);
    p->info = t;
    p->part = t->n_dims == 2 ? part_of(t->name) : NULL;
    p->child = p->base + n;
    p->n = n;
    sample(p->base, n, scratch, (size_t)t->n_elements);
    sample(p->child, n, w->data, (size_t)t->n_elements);
    p->base_sq = dot(p->base, p->base, n);
    p->child_sq = dot(p->child, p->child, n);
    p->child_zero = all_zero(w->data, (size_t)t->n_elements);
    f->n++;
    return ENG_OK;
}

static size_t most_elements(const eng_source *src)
{
    uint64_t most = 0;
    for (size_t i = 0; i < eng__source_n_tensors(src); i++) {
        const uint64_t size = eng__source_tensor(src, i)->n_elements;
        most = size > most ? size : most;
    }
    return (size_t)most;
}

static eng_status add_pairs(family *f, const eng_source *src, const eng_weights *weights,
                            eng_error *err)
{
    const size_t n = eng__source_n_tensors(src);
    f->pairs = calloc(n, sizeof *f->pairs);
    float *scratch = malloc(most_elements(src) * sizeof *scratch);
    eng_status st = f->pairs && scratch
                        ? ENG_OK
                        : eng_fail(err, ENG_NOMEM, "no memory to compare %zu tensors", n);
    for (size_t i = 0; i < n && st == ENG_OK; i++) {
        const eng_tensor_info *t = eng__source_tensor(src, i);
        const eng_weight *w = find_weight(weights, t);
        if (w && t->n_elements >= MIN_ELEMENTS && strncmp(t->name, "score.", 6) != 0)
            st = add_pair(f, src, t, w, scratch, err);
    }
    free(scratch);
    return st;
}

/* ---- judging ---- */

static eng_status check_scale(const pair *p, double likeness, eng_error *err)
{
    const double most = p->info->n_dims == 2 ? 2 : 8;
    const double ratio = sqrt(p->child_sq / p->base_sq);
    if (likeness > 0.99 && (ratio > most || ratio < 1 / most))
        return eng_fail(err, ENG_INVALID, "tensor %s: the base's times %.3g", p->info->name, ratio);
    return ENG_OK;
}

static eng_status check_place(const family *f, const pair *p, double likeness, eng_error *err)
{
    for (size_t i = 0; p->part && likeness < 0.5 && i < f->n; i++) {
        const pair *q = &f->pairs[i];
        if (q == p || !q->part || q->n != p->n || strcmp(q->part, p->part) != 0)
            continue;
        if (cosine(dot(q->base, p->child, p->n), q->base_sq, p->child_sq) > 0.9)
            return eng_fail(err, ENG_INVALID, "tensor %s: holds the base's %s", p->info->name,
                            q->info->name);
    }
    return ENG_OK;
}

static eng_status check_pair(const family *f, const pair *p, eng_error *err)
{
    if (p->base_sq == 0)
        return ENG_OK;
    if (p->child_zero)
        return eng_fail(err, ENG_INVALID, "tensor %s: all zeros, which the base's is not",
                        p->info->name);
    const double likeness = cosine(dot(p->base, p->child, p->n), p->base_sq, p->child_sq);
    eng_status st = check_scale(p, likeness, err);
    return st == ENG_OK ? check_place(f, p, likeness, err) : st;
}

eng_status eng_weights_check_descent(const char *base, const eng_weights *weights, eng_error *err)
{
    family f = {0};
    eng_source *src;
    eng_status st = eng__source_open(&src, base, err);
    if (st != ENG_OK)
        return st;
    st = add_pairs(&f, src, weights, err);
    for (size_t i = 0; i < f.n && st == ENG_OK; i++)
        st = check_pair(&f, &f.pairs[i], err);
    for (size_t i = 0; i < f.n; i++)
        free(f.pairs[i].base);
    free(f.pairs);
    eng__source_close(src);
    return st;
}

size_t eng__descent_scratch(const eng_source *src)
{
    size_t samples = 0, reading = 0;
    for (size_t i = 0; i < eng__source_n_tensors(src); i++) {
        const eng_tensor_info *t = eng__source_tensor(src, i);
        const size_t bytes = eng__source_read_scratch(src, t);
        samples += sizeof(pair) + 2 * sample_of(t) * sizeof(float);
        reading = bytes > reading ? bytes : reading;
    }
    return samples + reading + most_elements(src) * sizeof(float);
}
