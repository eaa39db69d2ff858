/* The CPU behind backend.h: each op hands its pieces to the team, then meets at the barrier. */
#include "compute/backend.h"
#include "compute/pack.h"

#include <math.h>
#include <string.h>

enum {
    ROWS_A_TASK = 4,       /* rows of a row-wise op handed out at a time */
    GEMM_ROW_BLOCK = 64,   /* activation rows that stay in cache against a run of groups */
    TASKS_A_MEMBER = 4,    /* pieces of a product a member gets on average */
    GEMM_RUN = 6,          /* groups that every kernel's tiles of 1, 2 or 3 groups divide */
    ATTEND_ROWS_A_TASK = 8 /* positions of one span, and one kv head or all */
};

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t ceil_div(uint32_t a, uint32_t b)
{
    return (a + b - 1) / b;
}

/* for (row0, row1) over 0..m in tasks of ROWS_A_TASK */
#define FOR_ROW_TASKS(be, m, row0, row1)                                                           \
    for (uint32_t row0 = eng__team_next((be)->team) * ROWS_A_TASK,                                 \
                  row1 = min_u32(row0 + ROWS_A_TASK, m);                                           \
         row0 < (m);                                                                               \
         row0 = eng__team_next((be)->team) * ROWS_A_TASK, row1 = min_u32(row0 + ROWS_A_TASK, m))

void eng__op_embed(const eng_backend *be, float *out, const eng_packed *table,
                   const float *positions, const int32_t *ids, const uint32_t *pos, uint32_t m,
                   uint32_t c)
{
    FOR_ROW_TASKS(be, m, row0, row1)
    {
        for (uint32_t r = row0; r < row1; r++) {
            float *x = out + (size_t)r * c;
            eng__packed_row(table, (uint32_t)ids[r], x);
            if (positions)
                be->kernels->add(x, positions + (size_t)pos[r] * c, c);
        }
    }
    eng__team_barrier(be->team);
}

void eng__op_norm(const eng_backend *be, const eng_norm *norm, const float *x, const uint32_t *rows,
                  eng_acts *acts, unsigned forms, uint32_t m, uint32_t c)
{
    const eng_kernels *k = be->kernels;
    FOR_ROW_TASKS(be, m, row0, row1)
    {
        for (uint32_t r = row0; r < row1; r++) {
            const float *from = x + (size_t)(rows ? rows[r] : r) * c;
            float *y = (float *)acts->x + (size_t)r * acts->ld_x;
            if (norm->layer)
                k->layer_norm(y, from, norm->weight, norm->bias, c, norm->eps);
            else
                k->rms_norm(y, from, norm->weight, c, norm->eps);
            k->quantize(acts, r, forms);
        }
    }
    eng__team_barrier(be->team);
}

void eng__op_quantize(const eng_backend *be, eng_acts *acts, unsigned forms, uint32_t m)
{
    if (!(forms & ~(unsigned)ENG_ACTS_F32))
        return;
    FOR_ROW_TASKS(be, m, row0, row1)
    {
        for (uint32_t r = row0; r < row1; r++)
            be->kernels->quantize(acts, r, forms);
    }
    eng__team_barrier(be->team);
}

/* ---- products ---- */

/* bias and residual of the columns that groups [g0, g0+ng) produced */
static void finish_columns(const eng_kernels *k, const eng_linear_job *job, uint32_t g0,
                           uint32_t ng, uint32_t m0, uint32_t m1)
{
    const uint32_t c0 = g0 * ENG_GROUP_ROWS;
    const uint32_t c1 = min_u32((g0 + ng) * ENG_GROUP_ROWS, job->linear->w.n);
    for (uint32_t r = m0; r < m1; r++) {
        float *out = job->out + (size_t)r * job->ld;
        if (job->linear->bias)
            k->add(out + c0, job->linear->bias + c0, c1 - c0);
        if (job->residual)
            k->add(job->residual + (size_t)r * job->ld_residual + c0, out + c0, c1 - c0);
    }
}

static void run_groups(const eng_backend *be, const eng_linear_job *job, const eng_acts *acts,
                       uint32_t g0, uint32_t ng, uint32_t m)
{
    const eng_kernels *k = be->kernels;
    eng_gemm_fn *gemm = k->gemm[job->linear->w.type];
    for (uint32_t m0 = 0; m0 < m; m0 += GEMM_ROW_BLOCK) {
        uint32_t m1 = min_u32(m0 + GEMM_ROW_BLOCK, m);
        gemm(job->out, job->ld, &job->linear->w, g0, ng, acts, m0, m1 - m0);
        if (job->linear->bias || job->residual)
            finish_columns(k, job, g0, ng, m0, m1);
    }
}

/* Groups a task: some TASKS_A_MEMBER tasks a member, in whole runs where there is enough for that.
 */
static uint32_t groups_a_task(uint32_t total, uint32_t n_members)
{
    const uint32_t even = ceil_div(total, n_members * TASKS_A_MEMBER);
    const uint32_t runs = (even + GEMM_RUN / 3) / GEMM_RUN;
    return runs ? runs * GEMM_RUN : even;
}

void eng__op_linear(const eng_backend *be, const eng_linear_job *jobs, uint32_t n_jobs,
                    const eng_acts *acts, uint32_t m, uint32_t member)
{
    uint32_t total = 0;
    for (uint32_t j = 0; j < n_jobs; j++)
        total += jobs[j].linear->w.n_groups;
    const uint32_t step = groups_a_task(total, eng__team_size(be->team));
    uint32_t n_tasks[3], all = 0;
    for (uint32_t j = 0; j < n_jobs; j++)
        all += n_tasks[j] = ceil_div(jobs[j].linear->w.n_groups, step);
    for (uint32_t task; (task = eng__team_share(be->team, member, all)) != ENG_TEAM_DONE;) {
        uint32_t j = 0;
        while (task >= n_tasks[j])
            task -= n_tasks[j++];
        const uint32_t g0 = task * step;
        run_groups(be, &jobs[j], acts, g0, min_u32(step, jobs[j].linear->w.n_groups - g0), m);
    }
    eng__team_barrier(be->team);
}

void eng__op_mlp(const eng_backend *be, const float *gate, const float *up, size_t ld,
                 eng_acts *acts, unsigned forms, uint32_t m, uint32_t ff)
{
    const eng_kernels *k = be->kernels;
    FOR_ROW_TASKS(be, m, row0, row1)
    {
        for (uint32_t r = row0; r < row1; r++) {
            float *y = (float *)acts->x + (size_t)r * acts->ld_x;
            if (gate) {
                k->swiglu(y, gate + (size_t)r * ld, up + (size_t)r * ld, ff);
            } else {
                memcpy(y, up + (size_t)r * ld, ff * sizeof *y);
                k->gelu_tanh(y, ff);
            }
            k->quantize(acts, r, forms);
        }
    }
    eng__team_barrier(be->team);
}

/* ---- attention ---- */

static void rotate(const eng_kernels *k, float *x, const eng_rope *rope, uint32_t pos)
{
    const uint32_t half = rope->dims / 2;
    const size_t at = (size_t)pos * half;
    k->rotate(x, rope->cos + at, rope->sin + at, half, rope->pairs, 1);
}

static uint8_t *head_at(const eng_kv_view *kv, uint32_t block, uint32_t head)
{
    return kv->pool + (size_t)block * kv->block_bytes + kv->layer_offset + head * kv->head_bytes;
}

static void store_head(const eng_kernels *kernels, const eng_kv_view *kv, uint8_t *at, uint32_t t,
                       const float *k, const float *v)
{
    const size_t d = kv->head_dim, v_at = d * ENG_GROUP_ROWS;
    if (!kv->f32) {
        uint16_t *half = (uint16_t *)(void *)at;
        kernels->store_f16(half + t, ENG_GROUP_ROWS, k, d);
        kernels->store_f16(half + v_at + t * d, 1, v, d);
        return;
    }
    float *full = (float *)(void *)at;
    for (size_t i = 0; i < d; i++)
        full[i * ENG_GROUP_ROWS + t] = k[i];
    memcpy(full + v_at + t * d, v, d * sizeof *v);
}

void eng__op_store_kv(const eng_backend *be, const eng_kv_view *kv, const eng_rope *rope,
                      const eng_span *spans, const uint32_t *row_span, float *q, size_t ld_q,
                      float *k, float *v, size_t ld_kv, uint32_t m)
{
    const uint32_t d = kv->head_dim;
    const float scale = 1.0f / sqrtf((float)d);
    FOR_ROW_TASKS(be, m, row0, row1)
    {
        for (uint32_t r = row0; r < row1; r++) {
            const eng_span *span = &spans[row_span[r]];
            const uint32_t pos = span->pos0 + (r - span->row0);
            for (uint32_t h = 0; h < kv->n_head; h++) {
                float *x = q + (size_t)r * ld_q + h * d;
                if (rope->cos)
                    rotate(be->kernels, x, rope, pos);
                for (uint32_t i = 0; i < d; i++)
                    x[i] *= scale;
            }
            for (uint32_t h = 0; h < kv->n_kv_head; h++) {
                float *kx = k + (size_t)r * ld_kv + h * d;
                if (rope->cos)
                    rotate(be->kernels, kx, rope, pos);
                uint8_t *at = head_at(kv, span->blocks[pos / ENG_GROUP_ROWS], h);
                store_head(be->kernels, kv, at, pos % ENG_GROUP_ROWS, kx,
                           v + (size_t)r * ld_kv + h * d);
            }
        }
    }
    eng__team_barrier(be->team);
}

typedef struct attend_op {
    const eng_backend *be;
    const eng_kv_view *kv;
    const eng_span *spans;
    const float *q;
    size_t ld_q;
    float *out;
    size_t ld_out;
    uint32_t n_spans, window, member;
} attend_op;

/* One kv head of a span's first `positions`. */
typedef struct attend_keys {
    const eng_span *span; /* NULL: none */
    uint32_t head, positions;
} attend_keys;

static uint32_t list_blocks(const void **k, const eng_kv_view *kv, attend_keys keys)
{
    const uint32_t n = keys.span ? ceil_div(keys.positions, ENG_GROUP_ROWS) : 0;
    for (uint32_t b = 0; b < n; b++)
        k[b] = head_at(kv, keys.span->blocks[b], keys.head);
    return n;
}

/* Rows [r0, r1) of a span and one kv head, all query heads of its group; `next` comes after it. */
static void attend_piece(const attend_op *op, attend_keys keys, uint32_t r0, uint32_t r1,
                         attend_keys next)
{
    enum { MAX_GROUP = 4 }; /* query heads handed to the kernel at once */
    const eng_backend *be = op->be;
    const eng_kv_view *kv = op->kv;
    const eng_span *span = keys.span;
    const uint32_t group = kv->n_head / kv->n_kv_head, d = kv->head_dim;
    const void **kb = be->block_scratch + (size_t)op->member * 3 * be->max_blocks;
    const void **vb = kb + be->max_blocks, **ahead = vb + be->max_blocks;
    for (uint32_t b = 0, n = list_blocks(kb, kv, keys); b < n; b++)
        vb[b] = (const uint8_t *)kb[b] + kv->head_bytes / 2;
    const uint32_t n_ahead = list_blocks(ahead, kv, next);
    const float *qs[ATTEND_ROWS_A_TASK * MAX_GROUP];
    float *outs[ATTEND_ROWS_A_TASK * MAX_GROUP];
    uint32_t first[ATTEND_ROWS_A_TASK * MAX_GROUP], last[ATTEND_ROWS_A_TASK * MAX_GROUP];
    for (uint32_t g0 = 0; g0 < group; g0 += MAX_GROUP) {
        uint32_t n = 0;
        for (uint32_t r = r0; r < r1; r++) {
            const uint32_t pos = span->pos0 + r;
            for (uint32_t g = g0; g < min_u32(g0 + MAX_GROUP, group); g++, n++) {
                const size_t row = span->row0 + r, col = (size_t)(keys.head * group + g) * d;
                qs[n] = op->q + row * op->ld_q + col;
                outs[n] = op->out + row * op->ld_out + col;
                first[n] = op->window && pos + 1 > op->window ? pos + 1 - op->window : 0;
                last[n] = pos;
            }
        }
        be->kernels->attend(
            &(eng_attend_args){.out = outs,
                               .q = qs,
                               .first = first,
                               .last = last,
                               .n_q = n,
                               .head_dim = d,
                               .k_blocks = kb,
                               .v_blocks = vb,
                               .next = ahead,
                               .n_next = g0 ? 0 : n_ahead,
                               .f32 = kv->f32,
                               .scores = be->attend_scratch[op->member],
                               .ld_scores = (size_t)be->max_blocks * ENG_GROUP_ROWS});
    }
}

static uint32_t pieces_of(const eng_span *span)
{
    return ceil_div(span->n, ATTEND_ROWS_A_TASK);
}

/* Heads [h0, h0 + heads) of a piece of span s. A member's next task, where a task has all heads, is
 * likely the next span's. */
static void attend_heads(const attend_op *op, uint32_t s, uint32_t piece, uint32_t h0,
                         uint32_t heads)
{
    const eng_span *span = &op->spans[s];
    const uint32_t r0 = piece * ATTEND_ROWS_A_TASK, end = h0 + heads;
    const uint32_t r1 = min_u32(r0 + ATTEND_ROWS_A_TASK, span->n);
    const bool goes_on = heads == op->kv->n_kv_head && s + 1 < op->n_spans;
    for (uint32_t h = h0; h < end; h++) {
        attend_keys keys = {span, h, span->pos0 + r1}, next = {0};
        if (h + 1 < end)
            next = (attend_keys){span, h + 1, keys.positions};
        else if (goes_on)
            next = (attend_keys){span + 1, 0, span[1].pos0 + span[1].n};
        attend_piece(op, keys, r0, r1, next);
    }
}

void eng__op_attend(const eng_backend *be, const eng_kv_view *kv, const eng_span *spans,
                    uint32_t n_spans, const float *q, size_t ld_q, float *out, size_t ld_out,
                    uint32_t window, uint32_t member)
{
    const attend_op op = {be, kv, spans, q, ld_q, out, ld_out, n_spans, window, member};
    uint32_t pieces = 0;
    for (uint32_t s = 0; s < n_spans; s++)
        pieces += pieces_of(&spans[s]);
    /* All heads of a piece lie side by side in a block: one task, where that leaves enough. */
    const bool many = pieces >= eng__team_size(be->team) * TASKS_A_MEMBER;
    const uint32_t heads = many ? kv->n_kv_head : 1, runs = kv->n_kv_head / heads;
    /* Tasks count through a span from its last rows back to the first: the longest come first. */
    uint32_t s = 0, before = 0;
    for (uint32_t t; (t = eng__team_share(be->team, member, pieces * runs)) != ENG_TEAM_DONE;) {
        if (t < before) /* of another's share */
            s = before = 0;
        for (; t - before >= pieces_of(&spans[s]) * runs; s++)
            before += pieces_of(&spans[s]) * runs;
        const uint32_t piece = pieces_of(&spans[s]) - 1 - (t - before) / runs;
        attend_heads(&op, s, piece, (t - before) % runs * heads, heads);
    }
    eng__team_barrier(be->team);
}
