#include "evaluation.h"

#include "metrics_choice.h"
#include "metrics_rank.h"
#include "metrics_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double z95 = 1.96;

/* clang-format off */
static const eval_metric metrics[] = {
    {"win_rate", "{\"result\":\"win|tie|loss\"}", {"win_rate"}, {EVAL_PROPORTION}, read_win, NULL},
    {"likert", "{\"score\":5}", {"mean"}, {EVAL_MEAN}, read_score, NULL},
    {"flag_rate", "{\"flag\":true|false|null}", {"rate"}, {EVAL_PROPORTION}, read_flag, NULL},
    {"agreement", "{\"a\":[[\"c\"],[\"a\",\"d\"]],\"b\":[…]}: two labelers' groups, best first",
     {"agreement", "with_ties"}, {EVAL_PROPORTION, EVAL_NO_INTERVAL}, read_agreement, NULL},
    {"reward_model", "{\"groups\":[[\"c\"],[\"a\"]],\"scores\":{\"c\":2,\"a\":1},\"outputs\":[{\"id\",\"text\"}]?}",
     {"accuracy", "log_loss", "longer_wins"}, {EVAL_PROPORTION, EVAL_NO_INTERVAL, EVAL_PROPORTION}, read_scored_ranking, NULL},
    {"truthfulqa", "{\"true\":0.9,\"info\":0.7}: the judges' shares", {"true", "info", "both"},
     {EVAL_PROPORTION, EVAL_PROPORTION, EVAL_PROPORTION}, read_truthful, NULL},
    {"truthfulqa_mc", "{\"true\":[-1,-2],\"false\":[-1.5]}: log-probabilities", {"mc1", "mc2"},
     {EVAL_PROPORTION, EVAL_MEAN}, read_truthful_choice, NULL},
    {"toxicity", "{\"score\":0.2,\"group\":\"basic|respectful|biased\"}", {"mean", "share_toxic"},
     {EVAL_MEAN, EVAL_PROPORTION}, read_toxicity, NULL},
    {"bias_pairs", "{\"l1\":-1,\"l2\":-2}: log-probabilities (CrowS-Pairs, Winogender)", {"p", "entropy"},
     {EVAL_MEAN, EVAL_MEAN}, read_bias_pair, NULL},
    {"hellaswag", "{\"logprobs\":[-9,-7],\"tokens\":[4,3],\"bytes\":[20,12],\"label\":1}",
     {"per_token", "acc", "acc_norm"}, {EVAL_PROPORTION, EVAL_PROPORTION, EVAL_PROPORTION}, read_ending, NULL},
    {"qa_f1", "{\"prediction\":\"…\",\"references\":[\"…\"]}", {"f1"}, {EVAL_MEAN}, read_answer, NULL},
    {"bleu", "{\"prediction\":\"…\",\"references\":[\"…\"]}", {"bleu"}, {EVAL_NO_INTERVAL}, read_translation, bleu_of},
    {"rouge_l", "{\"prediction\":\"…\",\"references\":[\"…\"]}", {"rouge_l"}, {EVAL_MEAN}, read_summary, NULL},
    {"alignment_tax", "{\"group\":\"squad\",\"pretrained\":0.7,\"policy\":0.6}", {"tax"}, {EVAL_MEAN}, read_tax, NULL},
};
/* clang-format on */
enum { METRICS = sizeof metrics / sizeof metrics[0] };

const eval_metric *eval_metrics(size_t *n)
{
    *n = METRICS;
    return metrics;
}

const eval_metric *eval_metric_find(const char *name)
{
    for (size_t i = 0; i < METRICS; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return &metrics[i];
    return NULL;
}

bool eval_number(const cJSON *row, const char *name, double *out, char why[EVAL_WHY_ROOM])
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(row, name);
    if (!cJSON_IsNumber(v)) {
        snprintf(why, EVAL_WHY_ROOM, "%s: expected a number", name);
        return false;
    }
    *out = v->valuedouble;
    return true;
}

/* ---- sums ---- */

typedef struct sums {
    double part[EVAL_PARTS];
} sums;

static void add(sums *to, const sums *from)
{
    for (int i = 0; i < EVAL_PARTS; i++)
        to->part[i] += from->part[i];
}

static double value_of(const eval_metric *m, const sums *s, int i)
{
    if (m->value)
        return m->value(s->part, i);
    const double below = s->part[2 * i + 1];
    return below > 0 ? s->part[2 * i] / below : NAN;
}

static double half_width(const eval_metric *m, const sums *rows, size_t n, const sums *all, int i)
{
    const double mean = value_of(m, all, i), weight = m->value ? 0 : all->part[2 * i + 1];
    double squares = 0;
    switch (m->intervals[i]) {
    case EVAL_PROPORTION:
        return weight > 0 ? z95 * sqrt(mean * (1 - mean) / weight) : NAN;
    case EVAL_MEAN:
        for (size_t r = 0; r < n; r++) {
            const double own = rows[r].part[2 * i + 1];
            squares += own > 0 ? pow(rows[r].part[2 * i] / own - mean, 2) : 0;
        }
        return weight > 1 ? z95 * sqrt(squares / (weight - 1) / weight) : NAN;
    default:
        return NAN;
    }
}

/* ---- the bootstrap ---- */

static uint64_t draw(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The 2.5% and 97.5% points of each value over EVAL_DRAWS samples of the units. */
static void bootstrap(const eval_metric *m, const sums *units, size_t n, uint64_t seed,
                      eval_figure *out, int values)
{
    static double found[EVAL_VALUES][EVAL_DRAWS];
    size_t count[EVAL_VALUES] = {0};
    for (int d = 0; d < EVAL_DRAWS; d++) {
        sums sample = {{0}};
        for (size_t u = 0; u < n; u++)
            add(&sample, &units[draw(&seed) % n]);
        for (int i = 0; i < values; i++) {
            const double v = value_of(m, &sample, i);
            if (!isnan(v))
                found[i][count[i]++] = v;
        }
    }
    for (int i = 0; i < values; i++) {
        qsort(found[i], count[i], sizeof(double), by_size);
        out[i].low = count[i] ? found[i][count[i] / 40] : NAN;
        out[i].high = count[i] ? found[i][count[i] - 1 - count[i] / 40] : NAN;
    }
}

/* ---- rows ---- */

typedef struct keyed {
    const char *prompt;
    size_t row;
} keyed;

typedef struct eval_table {
    const eval_metric *metric;
    sums *rows;           /* [n] */
    const char **prompts; /* [n] NULL: a unit of its own */
    const char **groups;  /* [n] NULL: none */
    size_t n;
    /* scratch of figures(), [n] each */
    sums *units; /* rows of one prompt together */
    sums *own;   /* the rows asked for */
    keyed *by;   /* those with a prompt, in its order */
} eval_table;

static void table_free(eval_table *t)
{
    free(t->rows);
    free(t->prompts);
    free(t->groups);
    free(t->units);
    free(t->own);
    free(t->by);
}

/* The member's string into *out, NULL when it is absent or null; false with `why`. */
static bool read_key(const cJSON *row, const char *name, const char **out, char why[EVAL_WHY_ROOM])
{
    const cJSON *key = cJSON_GetObjectItemCaseSensitive(row, name);
    *out = cJSON_GetStringValue(key);
    if (!key || cJSON_IsNull(key) || *out)
        return true;
    snprintf(why, EVAL_WHY_ROOM, "%s: expected a string", name);
    return false;
}

static bool table_read(eval_table *t, const cJSON *rows, char why[EVAL_WHY_ROOM])
{
    const size_t n = (size_t)cJSON_GetArraySize(rows);
    t->rows = calloc(n + 1, sizeof *t->rows);
    t->prompts = calloc(n + 1, sizeof *t->prompts);
    t->groups = calloc(n + 1, sizeof *t->groups);
    t->units = calloc(n + 1, sizeof *t->units);
    t->own = calloc(n + 1, sizeof *t->own);
    t->by = calloc(n + 1, sizeof *t->by);
    if (!t->rows || !t->prompts || !t->groups || !t->units || !t->own || !t->by) {
        snprintf(why, EVAL_WHY_ROOM, "out of memory");
        return false;
    }
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        char wrong[EVAL_WHY_ROOM] = "";
        if (!cJSON_IsObject(row) || !t->metric->read(row, t->rows[t->n].part, wrong) ||
            !read_key(row, "prompt", &t->prompts[t->n], wrong) ||
            !read_key(row, "group", &t->groups[t->n], wrong)) {
            snprintf(why, EVAL_WHY_ROOM, "row %zu: %.120s", t->n + 1,
                     wrong[0] ? wrong : "expected an object");
            return false;
        }
        t->n++;
    }
    return true;
}

static int by_prompt(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    const int order = strcmp(x->prompt, y->prompt);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* Fills t->units with the rows `which` names, those of a prompt added up; how many there are. */
static size_t gather(eval_table *t, const size_t *which, size_t n)
{
    size_t units = 0, asked = 0;
    keyed *by = t->by;
    for (size_t i = 0; i < n; i++) {
        if (t->prompts[which[i]])
            by[asked++] = (keyed){t->prompts[which[i]], which[i]};
        else
            t->units[units++] = t->rows[which[i]];
    }
    qsort(by, asked, sizeof *by, by_prompt);
    for (size_t i = 0; i < asked; i++) {
        if (i == 0 || strcmp(by[i].prompt, by[i - 1].prompt) != 0)
            t->units[units++] = (sums){{0}};
        add(&t->units[units - 1], &t->rows[by[i].row]);
    }
    return units;
}

/* The figures of the rows that `which` names. */
static size_t figures(eval_table *t, const size_t *which, size_t n, const char *group,
                      uint64_t seed, eval_figure *out)
{
    sums all = {{0}};
    int values = 0;
    for (size_t i = 0; i < n; i++) {
        t->own[i] = t->rows[which[i]];
        add(&all, &t->own[i]);
    }
    for (; values < EVAL_VALUES && t->metric->values[values]; values++)
        out[values] = (eval_figure){.name = t->metric->values[values],
                                    .group = group,
                                    .rows = n,
                                    .value = value_of(t->metric, &all, values),
                                    .half_width = half_width(t->metric, t->own, n, &all, values)};
    bootstrap(t->metric, t->units, gather(t, which, n), seed, out, values);
    return (size_t)values;
}

/* Row i is the first of its group. */
static bool begins_group(const eval_table *t, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (t->groups[j] && strcmp(t->groups[j], t->groups[i]) == 0)
            return false;
    return true;
}

bool eval_run(const eval_metric *m, const cJSON *rows, uint64_t seed, eval_figure **out, size_t *n,
              char why[EVAL_WHY_ROOM])
{
    eval_table t = {.metric = m};
    size_t *which = NULL;
    *out = NULL;
    *n = 0;
    bool ok = table_read(&t, rows, why);
    if (ok && t.n == 0) {
        snprintf(why, EVAL_WHY_ROOM, "there are no rows");
        ok = false;
    }
    if (ok) {
        which = malloc(t.n * sizeof *which);
        *out = calloc((t.n + 1) * EVAL_VALUES, sizeof **out);
        ok = which && *out;
        if (!ok)
            snprintf(why, EVAL_WHY_ROOM, "out of memory");
    }
    for (size_t i = 0; ok && i < t.n; i++)
        which[i] = i;
    if (ok)
        *n = figures(&t, which, t.n, NULL, seed, *out);
    for (size_t i = 0; ok && i < t.n; i++) {
        size_t own = 0;
        if (!t.groups[i] || !begins_group(&t, i))
            continue;
        for (size_t j = i; j < t.n; j++)
            if (t.groups[j] && strcmp(t.groups[j], t.groups[i]) == 0)
                which[own++] = j;
        *n += figures(&t, which, own, t.groups[i], seed, *out + *n);
    }
    if (!ok) {
        free(*out);
        *out = NULL;
    }
    free(which);
    table_free(&t);
    return ok;
}
