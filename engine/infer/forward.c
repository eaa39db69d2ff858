/* The forward pass: the order of a transformer's layers, read from the config. One function for
 * every family; every member of the team walks it together, and each op meets at its own barrier.
 */
#include "formats/config.h"
#include "infer/runtime.h"

#include <math.h>

static unsigned forms_of(const eng_runtime *rt, const eng_linear *l)
{
    return eng__acts_forms_of(rt->backend.kernels, l->w.type);
}

static eng_acts acts_of(eng_scratch *s, uint32_t k, size_t ld)
{
    eng_acts a = s->acts;
    a.k = k;
    a.ld_x = ld;
    return a;
}

/* x += attention(norm(x)) */
static void attention(eng_runtime *rt, const eng_layer *layer, uint32_t l, uint32_t member)
{
    const eng_backend *be = &rt->backend;
    const eng_model *m = rt->step.model;
    const eng_config *c = &m->config;
    const eng_step *step = &rt->step;
    eng_scratch *s = &rt->scratch;
    const uint32_t n = step->n_rows;

    eng_acts in = acts_of(s, c->n_embd, c->n_embd);
    eng__op_norm(be, &layer->attn_norm, s->x, NULL, &in,
                 forms_of(rt, &layer->q) | forms_of(rt, &layer->k) | forms_of(rt, &layer->v), n,
                 c->n_embd);
    const eng_linear_job qkv[3] = {{.linear = &layer->q, .out = s->q, .ld = s->ld_q},
                                   {.linear = &layer->k, .out = s->k, .ld = s->ld_kv},
                                   {.linear = &layer->v, .out = s->v, .ld = s->ld_kv}};
    eng__op_linear(be, qkv, 3, &in, n, member);

    eng_kv_view kv = eng__kv_view(rt->kv);
    kv.layer_offset = l * eng__kv_layer_bytes(rt->kv);
    const eng_rope rope = {m->rope_cos, m->rope_sin, c->rope_dims, c->pos == ENG_POS_ROPE_PAIRS};
    eng__op_store_kv(be, &kv, &rope, step->spans, step->row_span, s->q, s->ld_q, s->k, s->v,
                     s->ld_kv, n);

    const uint32_t wide = c->n_head * c->head_dim;
    eng_acts heads = acts_of(s, wide, wide);
    eng__op_attend(be, &kv, step->spans, step->n_spans, s->q, s->ld_q, s->normed, wide,
                   eng__layer_window(c, l), member);
    eng__op_quantize(be, &heads, forms_of(rt, &layer->o), n);
    const eng_linear_job out = {.linear = &layer->o,
                                .out = s->out,
                                .ld = s->ld_c,
                                .residual = s->x,
                                .ld_residual = c->n_embd};
    eng__op_linear(be, &out, 1, &heads, n, member);
}

/* x += mlp(norm(x)) */
static void mlp(eng_runtime *rt, const eng_layer *layer, uint32_t member)
{
    const eng_backend *be = &rt->backend;
    const eng_config *c = &rt->step.model->config;
    eng_scratch *s = &rt->scratch;
    const uint32_t n = rt->step.n_rows;
    const bool gated = c->mlp == ENG_MLP_SWIGLU;

    eng_acts in = acts_of(s, c->n_embd, c->n_embd);
    eng__op_norm(be, &layer->ffn_norm, s->x, NULL, &in,
                 forms_of(rt, &layer->up) | (gated ? forms_of(rt, &layer->gate) : 0), n, c->n_embd);
    const eng_linear_job wide[2] = {{.linear = &layer->up, .out = s->up, .ld = s->ld_ff},
                                    {.linear = &layer->gate, .out = s->gate, .ld = s->ld_ff}};
    eng__op_linear(be, wide, gated ? 2 : 1, &in, n, member);
    eng_acts hidden = acts_of(s, c->n_ff, c->n_ff);
    eng__op_mlp(be, gated ? s->gate : NULL, s->up, s->ld_ff, &hidden, forms_of(rt, &layer->down), n,
                c->n_ff);
    const eng_linear_job down = {.linear = &layer->down,
                                 .out = s->out,
                                 .ld = s->ld_c,
                                 .residual = s->x,
                                 .ld_residual = c->n_embd};
    eng__op_linear(be, &down, 1, &hidden, n, member);
}

/* The score head over the normed rows: one sum a row, in ascending order. */
static void score(const eng_model *m, const float *row, eng_output *o)
{
    double sum = 0;
    for (uint32_t i = 0; i < m->config.n_embd; i++)
        sum += (double)m->score[i] * (double)row[i];
    o->score = (float)(sum + (m->score_bias ? (double)m->score_bias[0] : 0));
    o->finite = isfinite(o->score);
    o->token = -1;
}

/* Answers outputs [first, end), which name at most ENG_LOGIT_ROWS different rows. */
static void answer(eng_runtime *rt, uint32_t first, uint32_t end, uint32_t n_rows, uint32_t member)
{
    const eng_backend *be = &rt->backend;
    const eng_model *m = rt->step.model;
    const eng_config *c = &m->config;
    eng_scratch *s = &rt->scratch;

    eng_acts in = acts_of(s, c->n_embd, c->n_embd);
    const unsigned forms = m->score ? ENG_ACTS_F32 : forms_of(rt, &m->unembed);
    eng__op_norm(be, &m->final_norm, s->x, s->logit_rows, &in, forms, n_rows, c->n_embd);
    const eng_linear_job job = {.linear = &m->unembed, .out = s->logits, .ld = s->ld_v};
    if (!m->score)
        eng__op_linear(be, &job, 1, &in, n_rows, member);

    for (uint32_t i = eng__team_next(be->team); i < end - first; i = eng__team_next(be->team)) {
        uint32_t row = 0;
        while (s->logit_rows[row] != rt->step.output_rows[first + i])
            row++;
        eng_output *o = rt->step.outputs[first + i];
        if (m->score)
            score(m, in.x + row * in.ld_x, o);
        else
            eng__sample(be->kernels, s->logits + row * s->ld_v, c->n_vocab, o,
                        &s->samplers[member]);
    }
    eng__team_barrier(be->team);
}

/* The outputs in batches of as many rows as the logits buffer holds. */
static void answer_all(eng_runtime *rt, uint32_t member)
{
    const eng_step *step = &rt->step;
    for (uint32_t first = 0; first < step->n_outputs;) {
        uint32_t end = first, n_rows = 0, last = UINT32_MAX;
        for (; end < step->n_outputs; end++) {
            uint32_t row = step->output_rows[end];
            if (row == last)
                continue;
            if (n_rows == ENG_LOGIT_ROWS)
                break;
            last = row;
            if (member == 0)
                rt->scratch.logit_rows[n_rows] = row;
            n_rows++;
        }
        eng__team_barrier(rt->team);
        answer(rt, first, end, n_rows, member);
        first = end;
    }
}

static void forward(void *arg, uint32_t member)
{
    eng_runtime *rt = arg;
    const eng_model *m = rt->step.model;
    const eng_step *step = &rt->step;
    eng__op_embed(&rt->backend, rt->scratch.x, &m->embed, m->positions, step->tokens,
                  step->positions, step->n_rows, m->config.n_embd);
    for (uint32_t l = 0; l < m->config.n_layer; l++) {
        attention(rt, &m->layers[l], l, member);
        mlp(rt, &m->layers[l], member);
    }
    answer_all(rt, member);
}

void eng__forward(eng_runtime *rt)
{
    rt->backend.kernels = rt->step.model->kernels;
    eng__team_run(rt->team, forward, rt);
}
