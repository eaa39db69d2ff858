/* The live figures of a job: the last value of each metric, and how long it will take. */
#ifndef CLI_FIGURES_H
#define CLI_FIGURES_H

#include "text.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

enum { FIGURES_MAX = 64, FIGURES_RECENT = 16 };

typedef struct figures {
    struct {
        char name[32];
        double value;
    } metrics[FIGURES_MAX];
    int metrics_len;
    double done, total; /* steps; total 0 = not known yet */
    bool from_start;    /* the job was looked at before it had any steps */
    struct {
        double done, at_s;
    } recent[FIGURES_RECENT]; /* when steps were seen to be done, the newest last */
    int recent_len;
} figures;

/* Takes the values of a metrics event: numbers by name; others are left alone. */
void figures_take(figures *f, const cJSON *values);
/* Takes how far the job is: its "progress":{"done","total"}, where it has one. A step that somebody
 * finds under way is not measured: most of it may be over. */
void figures_progress(figures *f, const cJSON *job, double now_s);
/* The time left is that of the recent steps. It falls while a step is under way; one that takes
 * longer than its like lets it stand, and does not make it grow.
 *
 * " 42%  [####    ]  123/290  loss 1.23  reward 0.5  kl 0.01  lr 1e-05  1234 tokens/s  1:23 left"
 */
void figures_line(const figures *f, double now_s, text *out);
/* "step 10  loss 1.23  …": the numbers of one event, step first, without its seconds,
 * which `instruct jobs metrics` has. */
void figures_event_line(const cJSON *values, text *out);

#endif
