/* Writes one JSON document to a FILE as the figures come in.
 *
 * A member takes its key; elements of an array take key NULL. Numbers that are not finite become
 * null. Nesting is the caller's to keep balanced. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "measure.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { REPORT_MAX_DEPTH = 16 };

typedef struct report {
    FILE *out;
    unsigned depth;
    bool filled[REPORT_MAX_DEPTH]; /* does the open value of this depth have a member already? */
} report;

void report_begin(report *r, FILE *out); /* opens the outermost object */
void report_end(report *r);              /* closes it, ends the line and flushes */
void report_object(report *r, const char *key);
void report_array(report *r, const char *key);
void report_close_object(report *r);
void report_close_array(report *r);
void report_number(report *r, const char *key, double value);
void report_count(report *r, const char *key, uint64_t value);
void report_bool(report *r, const char *key, bool value);
void report_string(report *r, const char *key, const char *value); /* NULL value = null */

/* Members median, min, max and rounds of a series, which is sorted on the way. Nothing when it is
 * empty. */
void report_spread(report *r, series *s);
/* An object with p50, p99, mean, min, max and samples, each times `scale`; null when empty. */
void report_quantiles(report *r, const char *key, series *s, double scale);

#endif
