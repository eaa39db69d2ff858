#include "infer/runtime.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, OUTPUTS_A_SEQ = 4 };

static size_t groups16(size_t n)
{
    return (n + ENG_GROUP_ROWS - 1) / ENG_GROUP_ROWS * ENG_GROUP_ROWS;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Zeroed, 64-byte aligned, freed with the runtime; NULL when n*size overflows or memory is out. */
static void *own(eng_runtime *rt, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX - ALIGN)
        return NULL;
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    void **list = realloc(rt->owned, (rt->n_owned + 1) * sizeof *list);
    if (!list)
        return NULL;
    rt->owned = list;
    void *p = aligned_alloc(ALIGN, bytes ? bytes : ALIGN);
    if (!p)
        return NULL;
    memset(p, 0, bytes);
    list[rt->n_owned++] = p;
    return p;
}

#define OWN(rt, field, n) ((field) = own(rt, n, sizeof *(field)))

static bool make_step(eng_runtime *rt)
{
    eng_step *s = &rt->step;
    const size_t m = rt->options.max_rows, seqs = rt->options.max_seqs;
    return OWN(rt, s->tokens, m) && OWN(rt, s->positions, m) && OWN(rt, s->row_span, m) &&
           OWN(rt, s->spans, seqs) && OWN(rt, s->seqs, seqs) &&
           OWN(rt, s->output_rows, rt->max_outputs) && OWN(rt, s->outputs, rt->max_outputs);
}

static bool make_acts(eng_runtime *rt, size_t wide)
{
    eng_acts *a = &rt->scratch.acts;
    const size_t m = rt->options.max_rows, n = m * wide;
    a->max_m = rt->options.max_rows;
    a->x = rt->scratch.normed;
    return OWN(rt, a->q, n) && OWN(rt, a->d, n / ENG_QBLOCK + m) &&
           OWN(rt, a->s, n / ENG_QBLOCK + m) && OWN(rt, a->sum, n / ENG_QBLOCK + m) &&
           OWN(rt, a->qk, n) && OWN(rt, a->dk, n / ENG_KBLOCK + m) &&
           OWN(rt, a->sumk, n / 16 + m) && OWN(rt, a->bf16, n + 2 * m);
}

static bool make_samplers(eng_runtime *rt)
{
    eng_scratch *s = &rt->scratch;
    const size_t v = rt->shape.n_vocab;
    if (!OWN(rt, s->samplers, rt->options.n_threads))
        return false;
    for (uint32_t i = 0; i < rt->options.n_threads; i++) {
        eng_sampler_scratch *p = &s->samplers[i];
        if (!OWN(rt, p->logits, v) || !OWN(rt, p->weights, v) || !OWN(rt, p->candidates, v) ||
            !OWN(rt, p->counts, v))
            return false;
    }
    return true;
}

static bool make_scratch(eng_runtime *rt)
{
    const eng_config *c = &rt->shape;
    eng_scratch *s = &rt->scratch;
    const size_t m = rt->options.max_rows;
    const size_t heads = (size_t)c->n_head * c->head_dim, kv = (size_t)c->n_kv_head * c->head_dim;
    s->ld_wide = groups16(larger(larger(c->n_embd, heads), c->n_ff));
    s->ld_q = groups16(heads);
    s->ld_kv = groups16(kv);
    s->ld_ff = groups16(c->n_ff);
    s->ld_c = groups16(c->n_embd);
    s->ld_v = groups16(c->n_vocab);
    return OWN(rt, s->x, m * c->n_embd) && OWN(rt, s->normed, m * s->ld_wide) &&
           OWN(rt, s->q, m * s->ld_q) && OWN(rt, s->k, m * s->ld_kv) &&
           OWN(rt, s->v, m * s->ld_kv) && OWN(rt, s->gate, m * s->ld_ff) &&
           OWN(rt, s->up, m * s->ld_ff) && OWN(rt, s->out, m * s->ld_c) &&
           OWN(rt, s->logits, ENG_LOGIT_ROWS * s->ld_v) && OWN(rt, s->logit_rows, ENG_LOGIT_ROWS) &&
           make_acts(rt, s->ld_wide) && make_samplers(rt);
}

static bool make_backend(eng_runtime *rt)
{
    eng_backend *be = &rt->backend;
    const uint32_t n = rt->options.n_threads;
    be->team = rt->team;
    be->max_blocks = (rt->shape.n_ctx + ENG_GROUP_ROWS - 1) / ENG_GROUP_ROWS;
    const size_t scores = (size_t)ENG_ATTEND_ROWS * be->max_blocks * ENG_GROUP_ROWS;
    if (!OWN(rt, be->block_scratch, (size_t)n * 3 * be->max_blocks) ||
        !OWN(rt, be->attend_scratch, n))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!OWN(rt, be->attend_scratch[i], scores))
            return false;
    return true;
}

static bool make_seqs(eng_runtime *rt)
{
    eng_seq *seqs = own(rt, rt->options.max_seqs, sizeof *seqs);
    for (uint32_t i = 0; seqs && i < rt->options.max_seqs; i++) {
        seqs[i].next = rt->unused;
        rt->unused = &seqs[i];
    }
    return seqs != NULL;
}

static void lower_worker(void *arg, uint32_t member)
{
    (void)arg;
    if (member)
        eng_thread_lower();
}

eng_status eng_runtime_create(eng_runtime **out, const eng_model *model,
                              const eng_runtime_options *options, eng_error *err)
{
    if (!options->max_rows || !options->max_seqs)
        return eng_fail(err, ENG_INVALID, "runtime: max_rows %u and max_seqs %u must be positive",
                        options->max_rows, options->max_seqs);
    eng_runtime *rt = calloc(1, sizeof *rt);
    if (!rt)
        return eng_fail(err, ENG_NOMEM, "runtime: out of memory");
    rt->options = *options;
    rt->shape = model->config;
    if (!rt->options.n_threads)
        rt->options.n_threads = eng_cpu_count();
    rt->max_outputs = options->max_rows + OUTPUTS_A_SEQ * options->max_seqs;
    eng_status st = eng__team_create(&rt->team, rt->options.n_threads, options->spin_us, err);
    if (st == ENG_OK)
        st = eng__kv_create(&rt->kv, &rt->shape, options->kv_bytes, options->kv_f32, err);
    if (st == ENG_OK && !(make_step(rt) && make_scratch(rt) && make_backend(rt) && make_seqs(rt)))
        st = eng_fail(err, ENG_NOMEM, "runtime for %u rows: out of memory", options->max_rows);
    if (st != ENG_OK) {
        eng_runtime_free(rt);
        return st;
    }
    eng__team_give_way(rt->team, options->give_way, options->give_way_arg);
    if (options->low_priority)
        eng__team_run(rt->team, lower_worker, NULL);
    *out = rt;
    return ENG_OK;
}

void eng_runtime_free(eng_runtime *rt)
{
    if (!rt)
        return;
    for (eng_seq *s = rt->unused; s; s = s->next) {
        free(s->blocks);
        free(s->tokens);
    }
    eng__team_free(rt->team);
    eng__kv_free(rt->kv);
    for (size_t i = 0; i < rt->n_owned; i++)
        free(rt->owned[i]);
    free(rt->owned);
    free(rt);
}

void eng_runtime_kv_stats(const eng_runtime *rt, eng_kv_stats *out)
{
    eng__kv_stats(rt->kv, out);
    out->prefix_queries = rt->prefix_queries;
    out->prefix_hits = rt->prefix_hits;
    out->rows_computed = rt->rows_computed;
}

/* ---- steps ---- */

void eng_step_begin(eng_runtime *rt, eng_model *model)
{
    rt->step.model = model;
    rt->step.n_rows = rt->step.n_spans = rt->step.n_outputs = 0;
}

uint32_t eng_step_add(eng_runtime *rt, eng_seq *seq, const int32_t *tokens, uint32_t n)
{
    eng_step *s = &rt->step;
    const uint32_t row0 = s->n_rows;
    memcpy(seq->tokens + seq->len, tokens, n * sizeof *tokens);
    for (uint32_t i = 0; i < n; i++) {
        s->tokens[row0 + i] = tokens[i];
        s->positions[row0 + i] = seq->len + i;
        s->row_span[row0 + i] = s->n_spans;
    }
    s->spans[s->n_spans] =
        (eng_span){.row0 = row0, .n = n, .pos0 = seq->len, .blocks = seq->blocks};
    s->seqs[s->n_spans++] = seq;
    s->n_rows += n;
    return row0;
}

void eng_step_want(eng_runtime *rt, uint32_t row, eng_output *output)
{
    eng_step *s = &rt->step;
    s->output_rows[s->n_outputs] = row;
    s->outputs[s->n_outputs++] = output;
}

uint32_t eng_step_rows(const eng_runtime *rt)
{
    return rt->step.n_rows;
}

void eng_step_run(eng_runtime *rt)
{
    eng_step *s = &rt->step;
    if (!s->n_rows)
        return;
    eng__forward(rt);
    rt->rows_computed += s->n_rows;
    for (uint32_t i = 0; i < s->n_spans; i++) {
        s->seqs[i]->len += s->spans[i].n;
        eng__seq_enter_full_blocks(rt->kv, s->seqs[i]);
    }
}

bool eng_runtime_fits(const eng_runtime *rt, const eng_model *model)
{
    return eng_config_same_shape(&rt->shape, &model->config);
}
