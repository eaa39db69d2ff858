/* Figures over rows that were judged or scored. A row gives parts of sums, and a value is a
 * function of the sums: so one walk makes the value, its interval and its bootstrap. Pure, on one
 * thread, without a server. */
#ifndef CLI_EVALUATION_H
#define CLI_EVALUATION_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EVAL_PARTS = 10, /* sums of a metric, at most */
    EVAL_VALUES = 3,
    EVAL_DRAWS = 1000, /* of the bootstrap */
    EVAL_WHY_ROOM = 160
};

typedef enum eval_interval {
    EVAL_NO_INTERVAL,
    EVAL_PROPORTION, /* 1.96 sqrt(w(1-w)/n) */
    EVAL_MEAN        /* 1.96 sd/sqrt(n), sd over n-1 */
} eval_interval;

/* For readers: the member as a number, or false with `why`. */
bool eval_number(const cJSON *row, const char *name, double *out, char why[EVAL_WHY_ROOM]);

/* Adds the row's parts; false with `why` when the row is not of the metric's form. What `parts`
 * holds after a failure is nobody's. */
typedef bool eval_read_fn(const cJSON *row, double parts[EVAL_PARTS], char why[EVAL_WHY_ROOM]);

typedef struct eval_metric {
    const char *name;
    const char *row;                 /* what a row looks like, for the help */
    const char *values[EVAL_VALUES]; /* names; NULL after the last */
    eval_interval intervals[EVAL_VALUES];
    eval_read_fn *read;
    /* Value i of the sums; NULL: parts come in pairs, sums[2i] / sums[2i+1]. NAN: there is none. */
    double (*value)(const double sums[EVAL_PARTS], int i);
} eval_metric;

/* All metrics, in the order that the help lists them. */
const eval_metric *eval_metrics(size_t *n);
const eval_metric *eval_metric_find(const char *name); /* NULL: there is none */

/* One value over all rows, or over those of a group (their member "group"). NAN: there is none. */
typedef struct eval_figure {
    const char *name;  /* of the value */
    const char *group; /* NULL: all rows; the rows' own string */
    size_t rows;
    double value, half_width;
    double low, high; /* bootstrap over prompts, 95% */
} eval_figure;

/* The figures of an array of rows: of all, then of each group in order of appearance. Rows that
 * share a "prompt" are drawn together; it and "group" are strings, or null for none. The caller
 * frees *out. False: `why` names the row (from 1) and what is wrong, or memory is out. */
bool eval_run(const eval_metric *m, const cJSON *rows, uint64_t seed, eval_figure **out, size_t *n,
              char why[EVAL_WHY_ROOM]);

#endif
