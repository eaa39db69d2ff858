/* The agreement page's figures: between labelers, per labeler, with the researchers' references,
 * and week by week. Collects rankings task by task; pure but for its own memory. */
#ifndef DAEMON_HUMAN_AGREEMENT_REPORT_H
#define DAEMON_HUMAN_AGREEMENT_REPORT_H

#include "human/agreement.h"

/* One labeler's answer to a task: ranks and flags of its n outputs, in the same order for all who
 * answered the task. yes, no: bits of flags answered true and false. */
typedef struct report_answer {
    const char *labeler, *role;
    bool reference; /* a researcher's ranking of a gold task: what others are compared with */
    int64_t at;     /* Unix seconds */
    const uint32_t *ranks, *yes, *no;
} report_answer;

typedef struct report_figure {
    agreement sum;
    agreement_interval interval; /* of the strict value */
    size_t tasks;
} report_figure;

typedef struct report_labeler {
    char name[65], role[16];
    uint64_t labels; /* on tasks that others labelled too */
    report_figure others, gold;
    agreement_sum flags; /* with the references: flags that both answered */
} report_labeler;

typedef struct report_week {
    int64_t begins_at; /* Monday, 0:00 UTC */
    agreement sum;
} report_week;

typedef struct agreement_report agreement_report;

agreement_report *agreement_report_create(void);
/* The answers to one task, each of another labeler. False: memory is out. */
bool agreement_report_add(agreement_report *r, const report_answer *answers, size_t n_answers,
                          size_t n_outputs);
/* Works out the intervals; seed: of the bootstrap. Rows are sorted, labelers by name and weeks by
 * time, and live as long as the report. */
void agreement_report_finish(agreement_report *r, uint64_t seed);
const report_figure *agreement_report_overall(const agreement_report *r);
const report_labeler *agreement_report_labelers(const agreement_report *r, size_t *n);
const report_week *agreement_report_weeks(const agreement_report *r, size_t *n);
void agreement_report_free(agreement_report *r); /* NULL allowed */

/* Below this share of a gold score the labeler is worth a look. */
#define AGREEMENT_GOLD_LEAST 0.75

#endif
