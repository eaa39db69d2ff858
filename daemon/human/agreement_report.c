#include "human/agreement_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WEEK_S = 7 * 24 * 3600, MONDAY_S = 4 * 24 * 3600 /* 5 January 1970 was one */ };

/* One figure's strict sums, a task each: what the bootstrap draws from. */
typedef struct sums {
    agreement_sum *tasks;
    size_t n, cap;
} sums;

typedef struct labeler_entry {
    report_labeler row;
    sums others, gold;
} labeler_entry;

struct agreement_report {
    report_figure overall;
    sums tasks;
    labeler_entry *labelers;
    size_t n_labelers, cap_labelers;
    report_labeler *rows; /* [n_labelers], made by finish */
    report_week *weeks;
    size_t n_weeks, cap_weeks;
};

/* The array with room for one more, or NULL. */
static void *with_room(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    const size_t more = *cap ? *cap * 2 : 16;
    void *grown = reallocarray(array, more, size);
    if (grown)
        *cap = more;
    return grown;
}

agreement_report *agreement_report_create(void)
{
    return calloc(1, sizeof(agreement_report));
}

void agreement_report_free(agreement_report *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_labelers; i++) {
        free(r->labelers[i].others.tasks);
        free(r->labelers[i].gold.tasks);
    }
    free(r->labelers);
    free(r->tasks.tasks);
    free(r->rows);
    free(r->weeks);
    free(r);
}

/* ---- collecting ---- */

static labeler_entry *labeler_of(agreement_report *r, const report_answer *a)
{
    for (size_t i = 0; i < r->n_labelers; i++)
        if (strcmp(r->labelers[i].row.name, a->labeler) == 0)
            return &r->labelers[i];
    labeler_entry *grown = with_room(r->labelers, r->n_labelers, &r->cap_labelers, sizeof *grown);
    if (!grown)
        return NULL;
    r->labelers = grown;
    labeler_entry *e = &r->labelers[r->n_labelers++];
    *e = (labeler_entry){0};
    snprintf(e->row.name, sizeof e->row.name, "%s", a->labeler);
    snprintf(e->row.role, sizeof e->row.role, "%s", a->role);
    return e;
}

static report_week *week_of(agreement_report *r, int64_t at)
{
    const int64_t begins = (at - MONDAY_S) / WEEK_S * WEEK_S + MONDAY_S;
    for (size_t i = 0; i < r->n_weeks; i++)
        if (r->weeks[i].begins_at == begins)
            return &r->weeks[i];
    report_week *grown = with_room(r->weeks, r->n_weeks, &r->cap_weeks, sizeof *grown);
    if (!grown)
        return NULL;
    r->weeks = grown;
    r->weeks[r->n_weeks] = (report_week){.begins_at = begins};
    return &r->weeks[r->n_weeks++];
}

static void add_both(agreement *to, const agreement *more)
{
    agreement_add(&to->strict, more->strict);
    agreement_add(&to->lenient, more->lenient);
}

/* Adds to a figure what one task gave. */
static bool add_task(report_figure *f, sums *s, const agreement *task)
{
    agreement_sum *grown = with_room(s->tasks, s->n, &s->cap, sizeof *grown);
    if (!grown)
        return false;
    s->tasks = grown;
    s->tasks[s->n++] = task->strict;
    add_both(&f->sum, task);
    f->tasks++;
    return true;
}

static void add_flags(agreement_sum *to, const report_answer *a, const report_answer *ref, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t both = (a->yes[i] | a->no[i]) & (ref->yes[i] | ref->no[i]);
        const uint32_t alike = (a->yes[i] & ref->yes[i]) | (a->no[i] & ref->no[i]);
        to->pairs += __builtin_popcount(both);
        to->alike += __builtin_popcount(alike & both);
    }
}

/* One answer against all others of the task, references apart from colleagues. */
static bool add_answer(agreement_report *r, const report_answer *answers, size_t n, size_t at,
                       size_t n_outputs)
{
    const report_answer *a = &answers[at];
    agreement others = {0}, gold = {0};
    size_t n_others = 0, n_gold = 0;
    labeler_entry *e = a->reference ? NULL : labeler_of(r, a);
    if (!e)
        return a->reference;
    e->row.labels++;
    for (size_t i = 0; i < n; i++) {
        if (i == at)
            continue;
        const agreement pair = agreement_of(a->ranks, answers[i].ranks, n_outputs);
        add_both(answers[i].reference ? &gold : &others, &pair);
        n_others += !answers[i].reference;
        n_gold += answers[i].reference;
        if (answers[i].reference)
            add_flags(&e->row.flags, a, &answers[i], n_outputs);
    }
    return (!n_others || add_task(&e->row.others, &e->others, &others)) &&
           (!n_gold || add_task(&e->row.gold, &e->gold, &gold));
}

/* Each pair of colleagues once. */
static bool add_overall(agreement_report *r, const report_answer *answers, size_t n,
                        size_t n_outputs)
{
    agreement task = {0};
    size_t pairs = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            if (answers[i].reference || answers[j].reference)
                continue;
            const agreement pair = agreement_of(answers[i].ranks, answers[j].ranks, n_outputs);
            report_week *week =
                week_of(r, answers[i].at > answers[j].at ? answers[i].at : answers[j].at);
            if (!week)
                return false;
            add_both(&week->sum, &pair);
            add_both(&task, &pair);
            pairs++;
        }
    return !pairs || add_task(&r->overall, &r->tasks, &task);
}

bool agreement_report_add(agreement_report *r, const report_answer *answers, size_t n_answers,
                          size_t n_outputs)
{
    for (size_t i = 0; i < n_answers; i++)
        if (!add_answer(r, answers, n_answers, i, n_outputs))
            return false;
    return add_overall(r, answers, n_answers, n_outputs);
}

/* ---- the figures ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const report_labeler *)a)->name, ((const report_labeler *)b)->name);
}

static int by_time(const void *a, const void *b)
{
    const int64_t x = ((const report_week *)a)->begins_at, y = ((const report_week *)b)->begins_at;
    return (x > y) - (x < y);
}

void agreement_report_finish(agreement_report *r, uint64_t seed)
{
    r->overall.interval = agreement_bootstrap(r->tasks.tasks, r->tasks.n, seed);
    free(r->rows);
    r->rows = calloc(r->n_labelers + 1, sizeof *r->rows);
    for (size_t i = 0; r->rows && i < r->n_labelers; i++) {
        const labeler_entry *e = &r->labelers[i];
        r->rows[i] = e->row;
        r->rows[i].others.interval = agreement_bootstrap(e->others.tasks, e->others.n, seed);
        r->rows[i].gold.interval = agreement_bootstrap(e->gold.tasks, e->gold.n, seed);
    }
    if (r->rows)
        qsort(r->rows, r->n_labelers, sizeof *r->rows, by_name);
    if (r->n_weeks)
        qsort(r->weeks, r->n_weeks, sizeof *r->weeks, by_time);
}

const report_figure *agreement_report_overall(const agreement_report *r)
{
    return &r->overall;
}

const report_labeler *agreement_report_labelers(const agreement_report *r, size_t *n)
{
    *n = r->rows ? r->n_labelers : 0;
    return r->rows;
}

const report_week *agreement_report_weeks(const agreement_report *r, size_t *n)
{
    *n = r->n_weeks;
    return r->weeks;
}
