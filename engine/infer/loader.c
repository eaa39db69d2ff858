#include "infer/loader.h"

#include "base/block.h"
#include "compute/pack.h"
#include "infer/matrix.h"
#include "infer/rope.h"
#include "text/tokenizer.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACK_ALIGN = 64, MAX_LOADERS = 16 };

/* ---- the plan: every matrix and vector, checked against the config, before anything is read ----
 */

/* Rows [row0, row0 + packed->n) of a tensor become one packed matrix. */
typedef struct matrix_job {
    const eng_tensor_info *tensor;
    eng_packed *packed;
    uint64_t row0;
    size_t offset; /* in the weight block */
} matrix_job;

typedef struct vector_job {
    const eng_tensor_info *tensor;
    float **out;
    uint64_t first, n; /* elements of the tensor */
    uint64_t room;     /* floats reserved; the rest is zero */
} vector_job;

typedef struct plan {
    eng_model *model;
    const eng_source *src;
    eng_serve_type serve_type;
    matrix_job *matrices;
    vector_job *vectors;
    size_t n_matrices, n_vectors;
    size_t matrix_bytes, vector_floats;
    size_t type_bytes[32]; /* bytes by type, to name the commonest */
} plan;

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* The type a matrix is served in; rows that cannot be cut in blocks of 32 stay floats. */
static eng_dtype served_type(eng_serve_type wanted, eng_dtype stored, uint64_t k)
{
    switch (wanted) {
    case ENG_SERVE_F32:
        return ENG_F32;
    case ENG_SERVE_BF16:
        return ENG_BF16;
    case ENG_SERVE_Q8_0:
        return k % ENG_QBLOCK == 0 ? ENG_Q8_0 : ENG_F32;
    case ENG_SERVE_AS_FILE:
        break;
    }
    return stored;
}

static void plan_rows(plan *p, const eng_tensor_info *t, eng_packed *packed, uint64_t row0,
                      uint32_t n)
{
    eng_dtype type = served_type(p->serve_type, t->type, t->dims[0]);
    eng__packed_shape(packed, type, n, (uint32_t)t->dims[0]);
    p->matrices[p->n_matrices++] = (matrix_job){t, packed, row0, p->matrix_bytes};
    size_t bytes = packed->group_bytes * packed->n_groups;
    p->matrix_bytes += round_up(bytes, PACK_ALIGN);
    p->type_bytes[type] += bytes;
}

static eng_status plan_matrix(plan *p, eng_packed *packed, uint32_t n, uint32_t k, const char *name,
                              eng_error *err)
{
    const eng_tensor_info *t;
    eng_status st = eng__source_expect(p->src, name, k, n, &t, err);
    if (st == ENG_OK)
        plan_rows(p, t, packed, 0, n);
    return st;
}

/* n elements from `first` of a one-dimensional tensor of `total`, zero-padded to whole groups. */
static eng_status plan_vector(plan *p, float **out, const char *name, uint64_t total,
                              uint64_t first, uint64_t n, eng_error *err)
{
    const eng_tensor_info *t;
    eng_status st = eng__source_expect(p->src, name, total, 0, &t, err);
    if (st != ENG_OK)
        return st;
    uint64_t room = round_up(n, ENG_GROUP_ROWS);
    p->vectors[p->n_vectors++] = (vector_job){t, out, first, n, room};
    p->vector_floats += room;
    return ENG_OK;
}

typedef char tensor_name[64];

static const char *layer_name(tensor_name out, uint32_t layer, const char *part)
{
    snprintf(out, sizeof(tensor_name), "blk.%u.%s", layer, part);
    return out;
}

static eng_status plan_norm(plan *p, eng_norm *norm, const char *name, eng_error *err)
{
    const eng_config *c = &p->model->config;
    tensor_name full;
    norm->eps = c->norm_eps;
    norm->layer = c->norm == ENG_NORM_LAYER;
    snprintf(full, sizeof full, "%s.weight", name);
    eng_status st = plan_vector(p, &norm->weight, full, c->n_embd, 0, c->n_embd, err);
    if (st != ENG_OK || !norm->layer)
        return st;
    snprintf(full, sizeof full, "%s.bias", name);
    return plan_vector(p, &norm->bias, full, c->n_embd, 0, c->n_embd, err);
}

/* blk.N.<part>.weight, with .bias if `biased` */
static eng_status plan_linear(plan *p, eng_linear *linear, uint32_t layer, const char *part,
                              uint32_t n, uint32_t k, bool biased, eng_error *err)
{
    tensor_name stem, full;
    layer_name(stem, layer, part);
    snprintf(full, sizeof full, "%.50s.weight", stem);
    eng_status st = plan_matrix(p, &linear->w, n, k, full, err);
    if (st != ENG_OK || !biased)
        return st;
    snprintf(full, sizeof full, "%.50s.bias", stem);
    return plan_vector(p, &linear->bias, full, n, 0, n, err);
}

/* q, k and v: three tensors, or the row ranges of gpt2's attn_qkv. */
static eng_status plan_qkv(plan *p, eng_layer *layer, uint32_t l, eng_error *err)
{
    const eng_config *c = &p->model->config;
    const uint32_t nq = c->n_head * c->head_dim, nkv = c->n_kv_head * c->head_dim;
    eng_linear *const parts[3] = {&layer->q, &layer->k, &layer->v};
    const uint32_t sizes[3] = {nq, nkv, nkv};
    tensor_name name;
    if (!eng__source_find(p->src, layer_name(name, l, "attn_qkv.weight"))) {
        static const char *const names[3] = {"attn_q", "attn_k", "attn_v"};
        for (int i = 0; i < 3; i++) {
            eng_status st =
                plan_linear(p, parts[i], l, names[i], sizes[i], c->n_embd, c->qkv_bias, err);
            if (st != ENG_OK)
                return st;
        }
        return ENG_OK;
    }
    const eng_tensor_info *t;
    const uint32_t total = nq + 2 * nkv;
    eng_status st = eng__source_expect(p->src, name, c->n_embd, total, &t, err);
    uint32_t row = 0;
    for (int i = 0; i < 3 && st == ENG_OK; row += sizes[i++]) {
        plan_rows(p, t, &parts[i]->w, row, sizes[i]);
        if (c->qkv_bias)
            st = plan_vector(p, &parts[i]->bias, layer_name(name, l, "attn_qkv.bias"), total, row,
                             sizes[i], err);
    }
    return st;
}

static eng_status plan_layer(plan *p, uint32_t l, eng_error *err)
{
    const eng_config *c = &p->model->config;
    eng_layer *layer = &p->model->layers[l];
    tensor_name name;
    eng_status st = plan_norm(p, &layer->attn_norm, layer_name(name, l, "attn_norm"), err);
    if (st == ENG_OK)
        st = plan_qkv(p, layer, l, err);
    if (st == ENG_OK)
        st = plan_linear(p, &layer->o, l, "attn_output", c->n_embd, c->n_head * c->head_dim,
                         c->out_bias, err);
    if (st == ENG_OK)
        st = plan_norm(p, &layer->ffn_norm, layer_name(name, l, "ffn_norm"), err);
    if (st == ENG_OK && c->mlp == ENG_MLP_SWIGLU)
        st = plan_linear(p, &layer->gate, l, "ffn_gate", c->n_ff, c->n_embd, c->out_bias, err);
    if (st == ENG_OK)
        st = plan_linear(p, &layer->up, l, "ffn_up", c->n_ff, c->n_embd, c->out_bias, err);
    if (st == ENG_OK)
        st = plan_linear(p, &layer->down, l, "ffn_down", c->n_embd, c->n_ff, c->out_bias, err);
    return st;
}

/* The head of a reward or value model, in place of an unembedding; transformers' have no bias. */
static eng_status plan_score(plan *p, eng_error *err)
{
    eng_model *m = p->model;
    const uint32_t c = m->config.n_embd;
    const eng_tensor_info *t;
    eng_status st = eng__source_expect(p->src, "score.weight", c, 1, &t, err);
    if (st != ENG_OK)
        return st;
    const uint64_t room = round_up(c, ENG_GROUP_ROWS);
    p->vectors[p->n_vectors++] = (vector_job){t, &m->score, 0, c, room};
    p->vector_floats += room;
    if (!eng__source_find(p->src, "score.bias"))
        return ENG_OK;
    return plan_vector(p, &m->score_bias, "score.bias", 1, 0, 1, err);
}

static eng_status plan_model(plan *p, eng_error *err)
{
    eng_model *m = p->model;
    const eng_config *c = &m->config;
    eng_status st = plan_matrix(p, &m->embed, c->n_vocab, c->n_embd, "token_embd.weight", err);
    if (st == ENG_OK && c->pos == ENG_POS_LEARNED) {
        const eng_tensor_info *t;
        st = eng__source_expect(p->src, "position_embd.weight", c->n_embd, c->n_ctx, &t, err);
        if (st == ENG_OK) {
            uint64_t n = (uint64_t)c->n_ctx * c->n_embd;
            p->vectors[p->n_vectors++] =
                (vector_job){t, &m->positions, 0, n, round_up(n, ENG_GROUP_ROWS)};
            p->vector_floats += round_up(n, ENG_GROUP_ROWS);
        }
    }
    for (uint32_t l = 0; l < c->n_layer && st == ENG_OK; l++)
        st = plan_layer(p, l, err);
    if (st == ENG_OK)
        st = plan_norm(p, &m->final_norm, "output_norm", err);
    if (st == ENG_OK && eng__source_find(p->src, "score.weight"))
        return plan_score(p, err);
    if (st == ENG_OK && !c->tied)
        st = plan_matrix(p, &m->unembed.w, c->n_vocab, c->n_embd, "output.weight", err);
    return st;
}

/* ---- all at once ---- */

/* What threads take one after the other. The digest takes longest: the source has begun it, and who
 * takes it waits (alone on one thread it is computed here); the rest goes on beside it. */
enum { DIGEST, TOKENIZER, ROPE, MATRICES };

typedef struct loading {
    const plan *p;
    bool digest; /* there is a file to digest */
    pthread_mutex_t mutex;
    size_t next;       /* (m) next task */
    size_t failed;     /* (m) the lowest task that failed: which error is told is no race */
    eng_status status; /* (m) of it */
    eng_error error;   /* (m) */
} loading;

static eng_status load_matrix(const plan *p, const matrix_job *job, eng_error *err)
{
    return eng__load_matrix(job->packed, p->src, job->tensor, job->row0, p->model->kernels, err);
}

static eng_status run_task(const loading *l, size_t i, eng_error *err)
{
    const plan *p = l->p;
    eng_model *m = p->model;
    switch (i) {
    case DIGEST:
        return l->digest ? eng__source_digest(p->src, m->digest, err) : ENG_OK;
    case TOKENIZER:
        return eng__tokenizer_create(&m->tokenizer, eng__source_vocab(p->src), err);
    case ROPE:
        return m->rope_cos ? eng__rope_fill(m->rope_cos, m->rope_sin, p->src, err) : ENG_OK;
    default:
        return load_matrix(p, &p->matrices[i - MATRICES], err);
    }
}

static void *loader_main(void *arg)
{
    loading *l = arg;
    const size_t n = MATRICES + l->p->n_matrices;
    for (;;) {
        pthread_mutex_lock(&l->mutex);
        const size_t i = l->status == ENG_OK ? l->next++ : n;
        pthread_mutex_unlock(&l->mutex);
        if (i >= n)
            return NULL;
        eng_error err;
        eng_status st = run_task(l, i, &err);
        if (st != ENG_OK) {
            pthread_mutex_lock(&l->mutex);
            if (l->status == ENG_OK || i < l->failed) {
                l->failed = i;
                l->status = st;
                l->error = err;
            }
            pthread_mutex_unlock(&l->mutex);
        }
    }
}

static eng_status run_tasks(const plan *p, bool digest, uint32_t n_threads, eng_error *err)
{
    loading l = {.p = p, .digest = digest, .status = ENG_OK};
    pthread_t threads[MAX_LOADERS];
    uint32_t started = 0;
    if (pthread_mutex_init(&l.mutex, NULL) != 0)
        return eng_fail(err, ENG_NOMEM, "out of memory");
    if (n_threads > MAX_LOADERS)
        n_threads = MAX_LOADERS;
    while (started + 1 < n_threads && pthread_create(&threads[started], NULL, loader_main, &l) == 0)
        started++;
    loader_main(&l); /* a thread that could not start only makes loading slower */
    while (started)
        pthread_join(threads[--started], NULL);
    pthread_mutex_destroy(&l.mutex);
    if (l.status != ENG_OK && err)
        *err = l.error;
    return l.status;
}

static eng_status load_vector(const plan *p, const vector_job *job, float *dst, eng_error *err)
{
    const eng_tensor_info *t = job->tensor;
    float *all = malloc((size_t)t->n_elements * sizeof *all);
    if (!all)
        return eng_fail(err, ENG_NOMEM, "tensor %s: out of memory", t->name);
    eng_status st = eng__source_read_f32(p->src, t, all, err);
    if (st == ENG_OK)
        memcpy(dst, all + job->first, (size_t)job->n * sizeof *dst);
    free(all);
    for (uint64_t i = 0; i < job->n && st == ENG_OK; i++)
        if (!isfinite(dst[i]))
            st = eng_fail(err, ENG_FORMAT, "tensor %s: element %llu is not finite", t->name,
                          (unsigned long long)(job->first + i));
    *job->out = dst;
    return st;
}

/* Sizes of the two blocks, set in the model. */
static void size_blocks(plan *p)
{
    eng_model *m = p->model;
    m->matrix_bytes = p->matrix_bytes;
    m->vector_floats = p->vector_floats + 2 * eng__rope_floats(&m->config);
    for (int i = 0; i < 32; i++)
        if (p->type_bytes[i] > p->type_bytes[m->common_type])
            m->common_type = (eng_dtype)i;
}

static eng_status allocate(plan *p, eng_error *err)
{
    eng_model *m = p->model;
    const size_t rope = eng__rope_floats(&m->config);
    m->matrices = eng_block_reuse(m->matrix_bytes);
    if (!m->matrices)
        return eng_fail(err, ENG_NOMEM, "the weights need %zu bytes, which the system refused",
                        m->matrix_bytes);
    m->vectors = calloc(m->vector_floats, sizeof *m->vectors);
    if (!m->vectors)
        return eng_fail(err, ENG_NOMEM, "norms and biases: out of memory");
    if (rope) {
        m->rope_cos = m->vectors + p->vector_floats;
        m->rope_sin = m->rope_cos + rope;
    }
    for (size_t i = 0; i < p->n_matrices; i++) {
        eng_packed *w = p->matrices[i].packed;
        const size_t bytes = w->group_bytes * w->n_groups;
        w->data = m->matrices + p->matrices[i].offset;
        memset(w->data + bytes, 0, round_up(bytes, PACK_ALIGN) - bytes);
    }
    return ENG_OK;
}

static int by_place(const void *a, const void *b)
{
    const uint64_t x = eng__source_place(((const matrix_job *)a)->tensor);
    const uint64_t y = eng__source_place(((const matrix_job *)b)->tensor);
    return (x > y) - (x < y);
}

static eng_status run_plan(plan *p, bool digest, uint32_t n_threads, eng_error *err)
{
    eng_model *m = p->model;
    eng_status st = allocate(p, err);
    if (st != ENG_OK)
        return st;
    qsort(p->matrices, p->n_matrices, sizeof *p->matrices, by_place);
    st = run_tasks(p, digest, n_threads ? n_threads : eng_cpu_count(), err);
    float *at = m->vectors;
    for (size_t i = 0; i < p->n_vectors && st == ENG_OK; at += p->vectors[i++].room)
        st = load_vector(p, &p->vectors[i], at, err);
    if (m->config.tied && !m->score)
        m->unembed.w = m->embed;
    return st;
}

/* Every matrix and vector of the source, checked; the caller frees with plan_free. */
static eng_status plan_make(plan *p, eng_error *err)
{
    enum { PER_LAYER = 24, AROUND = 8 }; /* tensors, generously */
    eng_model *m = p->model;
    m->config = *eng__source_config(p->src);
    const size_t n = (size_t)m->config.n_layer * PER_LAYER + AROUND;
    m->layers = calloc(m->config.n_layer, sizeof *m->layers);
    p->matrices = calloc(n, sizeof *p->matrices);
    p->vectors = calloc(n, sizeof *p->vectors);
    if (!m->layers || !p->matrices || !p->vectors)
        return eng_fail(err, ENG_NOMEM, "loading a model of %u layers: out of memory",
                        m->config.n_layer);
    eng_status st = plan_model(p, err);
    if (st == ENG_OK)
        size_blocks(p);
    return st;
}

static void plan_free(plan *p)
{
    free(p->matrices);
    free(p->vectors);
}

eng_status eng__load_model(eng_model *model, const eng_source *src, bool digest,
                           eng_serve_type serve_type, uint32_t n_threads, eng_error *err)
{
    plan p = {.model = model, .src = src, .serve_type = serve_type};
    eng_status st = plan_make(&p, err);
    if (st == ENG_OK)
        st = run_plan(&p, digest, n_threads, err);
    plan_free(&p);
    return st;
}

/* The most that one matrix or vector takes; they come one after the other. */
static size_t scratch_of(const plan *p)
{
    size_t most = 0;
    for (size_t i = 0; i < p->n_matrices; i++) {
        const matrix_job *job = &p->matrices[i];
        const size_t bytes = eng__matrix_scratch(job->packed, p->src, job->tensor);
        most = bytes > most ? bytes : most;
    }
    for (size_t i = 0; i < p->n_vectors; i++) {
        const eng_tensor_info *t = p->vectors[i].tensor;
        const size_t bytes =
            (size_t)t->n_elements * sizeof(float) + eng__source_read_scratch(p->src, t);
        most = bytes > most ? bytes : most;
    }
    return most;
}

eng_status eng__measure_weights(const eng_source *src, eng_serve_type serve_type, size_t *bytes,
                                size_t *scratch, eng_dtype *common_type, eng_error *err)
{
    eng_model model = {0};
    plan p = {.model = &model, .src = src, .serve_type = serve_type};
    eng_status st = plan_make(&p, err);
    *bytes = eng_model_bytes(&model);
    *scratch = scratch_of(&p);
    *common_type = model.common_type;
    plan_free(&p);
    free(model.layers);
    return st;
}

void eng__free_weights(eng_model *model)
{
    eng_block_spare(model->matrices, model->matrix_bytes);
    free(model->vectors);
    free(model->layers);
    model->matrices = NULL;
    model->vectors = NULL;
    model->layers = NULL;
}
