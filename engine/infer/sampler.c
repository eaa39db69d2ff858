#include "infer/sampler.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

static const float LOGPROB_FLOOR = -9999.0f;
static const float COLDEST = 1e-6f; /* below it the draw is the best token anyway */

/* ---- the best N: a heap whose root is the worst kept ---- */

/* Is a better than b? Higher value, ties to the lower id. */
static bool better(eng_candidate a, eng_candidate b)
{
    return a.value > b.value || (a.value == b.value && a.id < b.id);
}

static void swap(eng_candidate *a, eng_candidate *b)
{
    eng_candidate t = *a;
    *a = *b;
    *b = t;
}

static void sift_down(eng_candidate *heap, uint32_t n, uint32_t i)
{
    for (;;) {
        uint32_t worst = i, left = 2 * i + 1;
        for (uint32_t c = left; c < left + 2 && c < n; c++)
            if (better(heap[worst], heap[c]))
                worst = c;
        if (worst == i)
            return;
        swap(&heap[i], &heap[worst]);
        i = worst;
    }
}

static void make_heap(eng_candidate *c, uint32_t n)
{
    for (uint32_t i = n / 2; i-- > 0;)
        sift_down(c, n, i);
}

/* The n best of values[0..v) above `floor`, best first, into out; returns how many. */
static uint32_t best_of(const float *values, uint32_t v, uint32_t n, float floor,
                        eng_candidate *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < v && n; i++) {
        eng_candidate c = {values[i], (int32_t)i};
        if (!(c.value > floor))
            continue;
        if (count < n) {
            out[count++] = c;
            if (count == n)
                make_heap(out, n);
        } else if (better(c, out[0])) {
            out[0] = c;
            sift_down(out, n, 0);
        }
    }
    /* Sorted by heap too: qsort may allocate. */
    if (count < n)
        make_heap(out, count);
    for (uint32_t end = count; end > 1;) {
        swap(&out[0], &out[--end]);
        sift_down(out, end, 0);
    }
    return count;
}

/* ---- the draw ---- */

static void apply_penalties(float *z, const eng_output *o, uint32_t *counts)
{
    const eng_sampling *s = o->sampling;
    for (uint32_t i = 0; i < o->n_history; i++) {
        int32_t id = o->history[i];
        if (counts[id]++ == 0)
            z[id] -= s->presence_penalty;
        z[id] -= s->frequency_penalty;
    }
    for (uint32_t i = 0; i < o->n_history; i++)
        counts[o->history[i]] = 0;
}

/* The row the draw works on: a changed copy, or the logits themselves when nothing changes them. */
static const float *adjusted(const float *logits, uint32_t v, const eng_output *o,
                             eng_sampler_scratch *scratch)
{
    const eng_sampling *s = o->sampling;
    const bool penalties = o->n_history && (s->presence_penalty != 0 || s->frequency_penalty != 0);
    if (!s->n_bias && !o->n_banned && !penalties)
        return logits;
    float *z = scratch->logits;
    memcpy(z, logits, v * sizeof *z);
    for (uint32_t i = 0; i < s->n_bias; i++)
        z[s->bias[i].token] += s->bias[i].bias;
    if (penalties)
        apply_penalties(z, o, scratch->counts);
    for (uint32_t i = 0; i < o->n_banned; i++)
        z[o->banned[i]] = -INFINITY;
    return z;
}

/* The first id with this value, looked for a run at a time; 0 where there is none. */
static int32_t first_of(const float *z, uint32_t v, float value)
{
    enum { RUN = 64 };
    uint32_t i = 0;
    for (; i + RUN <= v; i += RUN) {
        int here = 0;
        for (uint32_t j = 0; j < RUN; j++)
            here |= z[i + j] == value;
        if (here)
            break;
    }
    while (i < v && z[i] != value)
        i++;
    return i < v ? (int32_t)i : 0;
}

/* The first id whose cumulated weight passes u * total; rounding at the end falls to the last id
 * with any weight. */
static int32_t draw_in_order(const float *w, uint32_t v, double u)
{
    enum { RUN = 256 };
    double total = 0, before = 0;
    for (uint32_t i = 0; i < v; i++)
        total += w[i];
    const double goal = u * total;
    int32_t last = 0;
    for (uint32_t from = 0; from < v; from += RUN) {
        uint32_t to = from + RUN < v ? from + RUN : v;
        double sum = before;
        for (uint32_t i = from; i < to; i++)
            sum += w[i];
        if (sum <= goal && to < v) {
            before = sum;
            continue;
        }
        for (uint32_t i = from; i < to; i++) {
            if (w[i] > 0)
                last = (int32_t)i;
            before += w[i];
            if (before > goal && w[i] > 0)
                return (int32_t)i;
        }
    }
    return last;
}

static int32_t draw_candidates(const eng_candidate *c, uint32_t n, double u)
{
    double total = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        total += c[i].value;
    for (uint32_t i = 0; i < n; i++) {
        sum += c[i].value;
        if (sum > u * total)
            return c[i].id;
    }
    return c[n - 1].id;
}

/* The smallest leading run of candidates whose weight reaches top_p of all. */
static uint32_t nucleus(const eng_candidate *c, uint32_t n, double total, float top_p)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += c[i].value;
        if (sum >= (double)top_p * total)
            return i + 1;
    }
    return n;
}

/* `max` is the largest logit. */
static int32_t draw(const eng_kernels *k, const float *logits, uint32_t v, float max,
                    const eng_output *o, eng_sampler_scratch *scratch)
{
    const eng_sampling *s = o->sampling;
    const float *z = adjusted(logits, v, o, scratch);
    bool finite;
    if (z != logits)
        k->max_sum_exp(z, v, &max, NULL, &finite);
    const int32_t best = first_of(z, v, max);
    if (s->temperature < COLDEST || !isfinite(z[best]))
        return best;
    float *w = scratch->weights;
    k->exp_scaled(w, z, v, z[best], 1.0f / s->temperature);
    for (uint32_t i = 0; i < o->n_banned; i++)
        w[o->banned[i]] = 0;
    const double u = eng__uniform(s->seed, s->choice, o->position);
    const bool filtered = s->min_p > 0 || s->top_k > 0 || s->top_p < 1;
    if (!filtered)
        return draw_in_order(w, v, u);

    /* Weights are relative to the best, which has 1. All tokens below (1 - top_p) / V of the total
     * weigh less than 1 - top_p together, so none of them is in the nucleus. */
    double total = 0;
    for (uint32_t i = 0; i < v; i++) {
        if (w[i] < s->min_p)
            w[i] = 0;
        total += w[i];
    }
    float floor = 0;
    if (s->top_p < 1 && !s->top_k)
        floor = (float)((1.0 - (double)s->top_p) * total / v * 0.999);
    const uint32_t keep = s->top_k && s->top_k < v ? s->top_k : v;
    uint32_t n = best_of(w, v, keep, floor, scratch->candidates);
    if (s->top_k) {
        total = 0;
        for (uint32_t i = 0; i < n; i++)
            total += scratch->candidates[i].value;
    }
    if (s->top_p < 1)
        n = nucleus(scratch->candidates, n, total, s->top_p);
    return draw_candidates(scratch->candidates, n, u);
}

/* ---- log-probs ---- */

static float logprob_of(float z, float max, double log_sum)
{
    double p = (double)z - (double)max - log_sum;
    return p > (double)LOGPROB_FLOOR ? (float)p : LOGPROB_FLOOR;
}

/* Of the drawn token under logits / temperature. */
static float drawn_logprob(const eng_kernels *k, const float *logits, uint32_t v, float max,
                           double log_sum, const eng_output *o, eng_sampler_scratch *scratch)
{
    const float temperature = o->sampling->temperature;
    if (temperature < COLDEST)
        return 0;
    if (temperature != 1.0f) {
        double sum = 0;
        k->exp_scaled(scratch->weights, logits, v, max, 1.0f / temperature);
        for (uint32_t i = 0; i < v; i++)
            sum += scratch->weights[i];
        log_sum = log(sum);
    }
    return (float)(((double)logits[o->token] - max) / temperature - log_sum);
}

void eng__sample(const eng_kernels *k, const float *logits, uint32_t v, eng_output *o,
                 eng_sampler_scratch *scratch)
{
    const bool logprobs = o->want_logprob || o->n_top || o->want_drawn_logprob;
    float max;
    double sum;
    k->max_sum_exp(logits, v, &max, logprobs ? &sum : NULL, &o->finite);
    o->token = -1;
    o->logprob = o->drawn_logprob = 0;
    if (o->logits)
        memcpy(o->logits, logits, v * sizeof *o->logits);
    if (!o->finite)
        return;
    if (o->sampling)
        o->token = draw(k, logits, v, max, o, scratch);
    if (!logprobs)
        return;
    const double log_sum = log(sum);
    if (o->want_drawn_logprob && o->token >= 0)
        o->drawn_logprob = drawn_logprob(k, logits, v, max, log_sum, o, scratch);
    const int32_t of = o->target >= 0 ? o->target : o->token;
    if (of >= 0)
        o->logprob = logprob_of(logits[of], max, log_sum);
    uint32_t n = best_of(logits, v, o->n_top < v ? o->n_top : v, -INFINITY, scratch->candidates);
    for (uint32_t i = 0; i < n; i++)
        o->top[i] = (eng_top_logprob){scratch->candidates[i].id,
                                      logprob_of(scratch->candidates[i].value, max, log_sum)};
}
