/* The live figures of a job: the last value of each metric, and how long it will take. */
#ifndef CLI_FIGURES_H
#define CLI_FIGURES_H

#include "text.h"

#include <cjson/cJSON.h>

enum { FIGURES_MAX = 64 };

typedef struct figures {
    struct {
        char name[32];
        double value;
    } metrics[FIGURES_MAX];
    int metrics_len;
    double done, total;         /* steps; total 0 = not known yet */
    double first_done, first_s; /* where the speed is measured from */
} figures;

/* Takes the values of a metrics event: numbers by name; others are left alone. */
void figures_take(figures *f, const cJSON *values);
/* Takes how far the job is: its "progress":{"done","total"}, where it has one. */
void figures_progress(figures *f, const cJSON *job, double now_s);
/* " 42%  [####    ]  123/290  loss 1.23  reward 0.5  kl 0.01  lr 1e-05  1234 tokens/s  1:23 left"
 */
void figures_line(const figures *f, double now_s, text *out);
/* "step 10  loss 1.23  …": every number of one event, step first. */
void figures_event_line(const cJSON *values, text *out);

#endif
